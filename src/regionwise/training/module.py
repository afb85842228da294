"""The network in training, as Lightning asks for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import ModelError
from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape
from regionwise.heads.network import RegionNetwork
from regionwise.models.preprocessing import Preprocessing
from regionwise.shapes import Activations, Logits
from regionwise.training.batches import Batch
from regionwise.training.consistency import uses_soft_temperature
from regionwise.training.losses import (
    Bootstrap,
    CapeOutput,
    Labels,
    Loss,
    calm_em,
    calm_ml,
    cape_loss,
    cross_entropy,
)
from regionwise.training.optimisers import optimiser_for, set_rate
from regionwise.training.schemes import Scheme, learning_rate_factor
from regionwise.training.tally import Tally


@dataclass(frozen=True, eq=False)
class Step:
    """What came of a batch: the loss, and what head and vanilla head said, n y."""

    loss: Loss
    said: Logits
    vanilla: Logits | None


class RegionTraining(lightning.LightningModule):
    """A network, its loss, and what is counted on the way.

    Args:
        network: backbone, head and perhaps a vanilla head.
        scheme: how it is trained.
        preprocessing: scales pixels to what the network sees.
        names: of the images in ``train`` and ``validation``, to name the batch that went wrong.
    """

    def __init__(
        self,
        network: RegionNetwork,
        scheme: Scheme,
        preprocessing: Preprocessing,
        *,
        seed: int = 0,
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.scheme, self.preprocessing = network, scheme, preprocessing
        self.seed, self.names = seed, names or {}
        self.tallies = {"train": Tally(), "validation": Tally()}
        self.teacher: RegionNetwork | None = None
        if scheme.loss == "calm-em" and scheme.em_teacher == "ema":
            self.teacher = copy.deepcopy(network).requires_grad_(requires_grad=False)
        if scheme.frozen:
            network.backbone.requires_grad_(requires_grad=False)
            if network.vanilla is not None:
                network.vanilla.requires_grad_(requires_grad=False)
        if isinstance(network.head, Cape):
            _freeze_unused(network.head, scheme)

    def step(self, batch: Batch) -> Step:
        """Return the loss of a batch, and what was said."""
        fed, labels, _ = batch
        network = self.network
        activations = fed
        if fed.dtype == torch.uint8:
            dtype = next(network.parameters()).dtype  # float64 in 64-true
            fed = self.preprocessing.normalize(fed.float() / 255).to(dtype)
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.scheme.frozen):
                activations = network.backbone(fed)
        vanilla = None if network.vanilla is None else network.vanilla(activations).float()
        seen = activations.detach() if self.scheme.detach else activations
        loss, said = self._loss(seen, vanilla, labels, fed)
        return Step(loss, said, vanilla)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss to go down from."""
        step = self._checked(self.step(batch), batch, batch_idx, "train")
        return step.loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count what the heads say of images that they do not learn from."""
        self._checked(self.step(batch), batch, batch_idx, "validation")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the scheme's optimiser."""
        return optimiser_for(self.network, self.scheme)

    def on_train_epoch_start(self) -> None:
        """Begin each epoch from (seed, epoch) alone."""
        epoch, rank = self.current_epoch, self.global_rank
        torch.manual_seed((self.seed * 1_000_003 + epoch) * 1_009 + rank)
        self.tallies["train"].clear()
        self.tallies["validation"].clear()
        self._set_modes()

    def on_train_batch_start(self, _batch: Batch, batch_idx: int) -> None:
        """Set the learning rate, which follows from the epoch and the place in it."""
        share = batch_idx / max(1, int(self.trainer.num_training_batches))
        factor = learning_rate_factor(self.scheme, self.current_epoch + share)
        set_rate(self.trainer.optimizers, self.scheme.lr * factor)

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the slow copy follow."""
        if self.teacher is not None:
            follow(self.teacher, self.network, self.scheme.em_decay)

    def _set_modes(self) -> None:
        self.network.train()
        if self.scheme.frozen:
            self.network.backbone.eval()
        if self.teacher is not None:
            self.teacher.eval()

    def _loss(
        self, seen: Activations, vanilla: Logits | None, labels: Labels, fed: Tensor
    ) -> tuple[Loss, Logits]:
        head, scheme = self.network.head, self.scheme
        if isinstance(head, Cape):
            joint, soft = head.both(seen)
            output = CapeOutput(joint.log_probabilities, soft, vanilla)
            if scheme.loss == "bootstrap":
                loss = cape_loss(output, labels, bootstrap_of(scheme))
            else:
                loss = cross_entropy(output.log_probabilities, labels)
            return loss, output.log_probabilities
        if isinstance(head, Calm):
            joint = head.joint(seen)
            if scheme.loss == "calm-ml":
                return calm_ml(joint, labels), joint.log_probabilities
            target = None if self.teacher is None else self._slow(self.teacher, fed)
            loss = calm_em(joint, labels, scheme.em_epsilon, target)
            return loss, joint.log_probabilities
        logits = head(seen).float()
        return F.cross_entropy(logits, labels), logits

    @staticmethod
    def _slow(teacher: RegionNetwork, fed: Tensor) -> Any:
        with torch.no_grad():
            return teacher.joint(fed)

    def _checked(self, step: Step, batch: Batch, number: int, part: str) -> Step:
        """Count a step.

        Raises:
            ModelError: the loss is not finite; names the epoch, the batch and its images.
        """
        if not bool(torch.isfinite(step.loss)):
            raise ModelError(self._told(step, batch, number, part))
        self.tallies[part].add(step.loss, step.said, step.vanilla, batch[1])
        return step

    def _told(self, step: Step, batch: Batch, number: int, part: str) -> str:
        where = f"epoch {self.current_epoch + 1}, {part} batch {number + 1}"
        names = self.names.get(part)
        images = [names[i] for i in batch[2].tolist()] if names else []
        shown = ", ".join(repr(name) for name in images[:4])
        more = f" and {len(images) - 4} more" if len(images) > 4 else ""
        which = f" (images {shown}{more})" if images else ""
        return (
            f"the loss is {step.loss.item()} in {where}{which}; training stops"
            f" and {kept_so_far(self.current_epoch)}"
        )


def kept_so_far(epochs: int) -> str:
    """Say what there is of a run that goes wrong after so many whole epochs, and what may help."""
    kept = "the best weights so far are kept" if epochs else "there are no weights yet"
    return f"{kept}; a lower lr (--set lr=...) or --precision 32-true may help"


def _freeze_unused(head: Cape, scheme: Scheme) -> None:
    """Freeze T' where it is the only temperature and no loss uses it: it has no gradient.

    Several devices wait for the gradients of all that learns.
    """
    if len(head.log_temperatures) == 1 and not uses_soft_temperature(scheme):
        head.log_temperatures.requires_grad = False


def bootstrap_of(scheme: Scheme) -> Bootstrap:
    """Return the settings of CAPE's loss."""
    return Bootstrap(
        alpha=scheme.alpha,
        beta=scheme.beta,
        temperature=scheme.temperature,
        selective=scheme.selective,
        cross_entropy=scheme.cross_entropy,
        direction=scheme.direction,
    )


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, decay: float) -> None:
    """Move every weight: slow <- decay * slow + (1 - decay) * fast; buffers are copied."""
    for weight, other in zip(slow.parameters(), fast.parameters(), strict=True):
        weight.lerp_(other, 1 - decay)
    for buffer, current in zip(slow.buffers(), fast.buffers(), strict=True):
        buffer.copy_(current)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and every part of it back into its own mode."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
