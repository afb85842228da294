"""SS-CAM (Wang et al. 2020) and IS-CAM (Naidu et al. 2020): Score-CAM's scores, averaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.noise import fingerprint, noisy_copies, normal, stream
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.score_cam import channel_weights_of, score_cam_map
from regionwise.attribution.smooth_grad import check_level
from regionwise.evidence.masking import MinMaxOrder, minmax_masks
from regionwise.evidence.probe import Probe
from regionwise.registry import CHUNKED
from regionwise.shapes import ChannelLogits, ChannelWeights

SSVariant = Literal["activations", "inputs", "torch-cam"]
ISVariant = Literal["path", "torch-cam"]


def mean_channel_weights(probe: Probe, masked: Float[Tensor, "n s k y"]) -> ChannelWeights:
    """Average the logits of the target over s samples, then softmax over channels, n t k.

    What a baseline or the whole image scores, subtracted, would drop out of the softmax. A score
    function is averaged in the place of the logit.
    """
    if probe.targets.indices is None:
        samples = [probe.targets.masked_scores(part) for part in masked.unbind(dim=1)]
        return torch.stack(samples).mean(dim=0).softmax(dim=2)
    return channel_weights_of(
        masked.mean(dim=1),
        probe.logits,
        probe.logits,
        probe.targets.indices,
        variant="pytorch-grad-cam",
    )


def path_shares(steps: int, variant: ISVariant = "path") -> list[float]:
    """Return by how much a mask is scaled at each step.

    ``path``: i / N for i = 1 ... N. ``torch-cam``: the running sum of these, which ends at
    (N + 1) / 2: masks there go beyond 1.
    """
    shares = [i / steps for i in range(1, steps + 1)]
    return shares if variant == "path" else [sum(shares[: i + 1]) for i in range(steps)]


@dataclass(frozen=True)
class SSCAM(Recipe):
    """SS-CAM: Score-CAM's scores, averaged over noise.

    Attributes:
        samples: noisy masks, or noisy inputs, per channel.
        level: standard deviation of the noise: on masks in [0, 1], or in the units of the inputs.
        variant: ``activations``: noise is added to the mask (SS-CAM 1). ``inputs``: to the image
            (SS-CAM 2). ``torch-cam``: to the mask, which is min-maxed before it is upsampled.
        seed: of the noise.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "ss-cam"
    samples: int = field(default=35, metadata={"at_least": 1})
    level: float = 2.0
    variant: SSVariant = "activations"
    seed: int = 0
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse a negative noise level."""
        super().__post_init__()
        check_level(self.name, self.level)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the logits under noisy masks, or of noisy images under masks."""
        noisy = self._noisy_inputs if self.variant == "inputs" else self._noisy_masks
        weights = mean_channel_weights(probe, noisy(probe))
        return RawMaps(score_cam_map(probe.activations, weights), {"channel_weights": weights})

    def _noisy_masks(self, probe: Probe) -> Float[Tensor, "n s k y"]:
        order: MinMaxOrder = "minmax-first" if self.variant == "torch-cam" else "upsample-first"
        k = probe.activations.shape[1]
        prints = [fingerprint(image) for image in probe.inputs]

        def masks(index: int, part: slice) -> Tensor:
            numbers = range(part.start, part.stop)
            picked = probe.activations[index : index + 1, [number % k for number in numbers]]
            plain = minmax_masks(picked, probe.size, order=order)[0]
            # a generator per mask: how many masks are made together then changes nothing
            draws = [stream(self.seed, prints[index], number) for number in numbers]
            noise = torch.stack([normal(plain.shape[1:], draw) for draw in draws])
            return plain + self.level * noise.to(plain)

        key = ("ss-cam", order, self.samples, self.level, self.seed)
        logits = probe.logits_under(key, masks, self.samples * k, chunk=self.chunk)
        return logits.reshape(len(logits), self.samples, k, -1)

    def _noisy_inputs(self, probe: Probe) -> Float[Tensor, "n s k y"]:
        def masks(index: int, part: slice) -> Tensor:
            return minmax_masks(probe.activations[index : index + 1, part], probe.size)[0]

        sigma = torch.full_like(probe.inputs[:, :1, :1, :1], self.level)
        found: list[ChannelLogits] = []
        for noisy in noisy_copies(probe.inputs, sigma, samples=self.samples, seed=self.seed):
            with probe.again(noisy, self.needs) as other:
                count = probe.activations.shape[1]
                found.append(other.logits_under("channels", masks, count, chunk=self.chunk))
        return torch.stack(found, dim=1)


@dataclass(frozen=True)
class ISCAM(Recipe):
    """IS-CAM: Score-CAM's scores, averaged while the mask grows from nothing.

    Attributes:
        steps: on the way from no mask to the whole.
        variant: ``path``: the mask is scaled by i / N. ``torch-cam``: by the running sum of i / N,
            and min-maxed before it is upsampled.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "is-cam"
    steps: int = field(default=10, metadata={"at_least": 1})
    variant: ISVariant = "path"
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the logits of the image under each channel's mask, scaled step by step."""
        order: MinMaxOrder = "minmax-first" if self.variant == "torch-cam" else "upsample-first"
        shares = path_shares(self.steps, self.variant)
        k = probe.activations.shape[1]

        def masks(index: int, part: slice) -> Tensor:
            numbers = range(part.start, part.stop)
            picked = probe.activations[index : index + 1, [number % k for number in numbers]]
            scales = picked.new_tensor([shares[number // k] for number in numbers])
            return scales[:, None, None] * minmax_masks(picked, probe.size, order=order)[0]

        key = ("is-cam", self.steps, self.variant)
        logits = probe.logits_under(key, masks, self.steps * k, chunk=self.chunk)
        by_step = logits.reshape(len(logits), self.steps, k, -1)
        weights = mean_channel_weights(probe, by_step)
        return RawMaps(score_cam_map(probe.activations, weights), {"channel_weights": weights})
