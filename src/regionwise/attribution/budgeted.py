"""Asking a probe for the scores of a few channels instead of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.attribution.noise import generator_of
from regionwise.attribution.score_cam_budget import draw_channels, estimate_weights
from regionwise.errors import SettingError
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, ChannelLogits, ChannelWeights

BUDGET: Final = {"at_least": 2}
"""Field metadata of a number of channels that are scored: each is guessed from the others."""


@dataclass(frozen=True)
class Reading:
    """How a method reads the channels 1 k i j of an image.

    Attributes:
        masks: their masks at the layer's cells, 1 k i j.
        summands: what its map sums, 1 k p q.
    """

    masks: Callable[[Tensor], Tensor]
    summands: Callable[[Tensor], Tensor]

    def parts(self, activations: Activations) -> tuple[Float[Tensor, "k p q"], Float[Tensor, " k"]]:
        """Return the summands of one image, and their sizes, by which channels are drawn."""
        summands = self.summands(activations)[0]
        return summands, summands.flatten(1).norm(dim=1)


def check_seed(method: str, budget: int | None, seed: int) -> None:
    """Refuse a seed where nothing is drawn: the id would name what changes nothing.

    Raises:
        SettingError: names the setting that is missing.
    """
    if budget is None and seed != 0:
        raise SettingError(
            f"setting 'seed' of {method!r} says which channels are scored; it needs a budget"
        )


def budgeted_weights(
    probe: Probe,
    ask: Callable[..., ChannelLogits],
    reading: Reading,
    *,
    budget: int,
    seed: int,
) -> tuple[ChannelWeights, dict[str, Tensor]]:
    """Estimate the weights of all channels, n t k, from the scores of ``budget`` per image.

    Args:
        probe: of the images.
        ask: gives the logits under the masks of ``channels`` n b, n b y; ``None`` are all.
        reading: of the channels.
        budget: channels to score; where no more than these have a size nothing is estimated.
        seed: of the draws.

    Returns:
        the weights; ``standard_error`` n t p q of their sum before a ReLU, its
        ``degrees_of_freedom`` n t, and the ``scored_channels`` n b.
    """
    every = probe.activations.shape[1]
    count = min(budget, every)
    drawn = [
        draw_channels(reading.parts(one)[1].cpu(), count, generator_of(image, seed))
        for one, image in zip(_each(probe), probe.inputs, strict=True)
    ]
    channels = torch.stack(drawn).to(probe.activations.device)
    scores = probe.targets.masked_scores(ask(channels=None if count == every else channels))
    rows = zip(_each(probe), scores, channels, strict=True)
    found = zip(*(_estimated(reading, *row) for row in rows), strict=True)
    weights, errors, degrees = (torch.stack(part).to(probe.activations) for part in found)
    return weights, {
        "standard_error": errors,
        "degrees_of_freedom": degrees,
        "scored_channels": channels,
    }


def _each(probe: Probe) -> Iterator[Float[Tensor, "1 k i j"]]:
    """Yield the activations of each image in double precision, where the device has it."""
    for one in probe.activations.detach():
        yield (one.cpu() if one.device.type == "mps" else one)[None].double()


def _estimated(
    reading: Reading,
    activations: Float[Tensor, "1 k i j"],
    scores: Float[Tensor, "t b"],
    channels: Int[Tensor, " b"],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights t k of one image, the standard error t p q and its degrees of freedom."""
    summands, sizes = reading.parts(activations)
    scores, channels = scores.detach().to(sizes.device).double(), channels.to(sizes.device)
    if not sizes.index_fill(0, channels, 0).any():
        weights = scores.new_zeros(len(scores), len(sizes)).index_copy(1, channels, scores)
        errors = scores.new_zeros(len(scores), *summands.shape[1:])
        return weights, errors, scores.new_full((len(scores),), len(channels) - 1)
    masks = reading.masks(activations)[0].flatten(1)
    found = estimate_weights(scores, channels, sizes, masks)
    return found.weights, found.standard_error(summands), found.degrees
