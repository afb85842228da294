"""CAPE: class activation maps as a probabilistic ensemble (Chowdhury et al. 2024)."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import ModelError, SettingError
from regionwise.heads.joint import ClassMaps, Joint, JointHead, check_size, full_precision
from regionwise.heads.pooled import PooledHead
from regionwise.shapes import Activations, Logits

Temperatures: TypeAlias = Literal["one", "three"]
LogTemperature: TypeAlias = Tensor | float

_COUNTS: Final = {"one": 1, "three": 3}


def class_maps_of(activations: Activations, weight: Tensor, bias: Tensor | None) -> ClassMaps:
    """Return the shifted class maps M' = W A + b, n y i j, in float32 at least.

    ``weight`` is y k, ``bias`` y. Autocast is switched off: what follows are sums that must close.

    Raises:
        ModelError: the activations are no maps of k channels.
    """
    if activations.dim() != 4 or activations.shape[1] != weight.shape[1]:
        raise ModelError(
            f"this head takes activations (n, {weight.shape[1]}, rows, columns),"
            f" not {tuple(activations.shape)}"
        )
    with _full_precision_on(activations.device.type):
        fed = full_precision(activations)
        rows = weight.to(fed.dtype)[:, :, None, None]
        return F.conv2d(fed, rows, None if bias is None else bias.to(fed.dtype))


def cape_joint(
    class_maps: ClassMaps,
    log_class: LogTemperature = 0.0,
    log_saliency: LogTemperature = 0.0,
    log_soft: LogTemperature = 0.0,
) -> Joint:
    """Return CAPE's joint: p(y|x,z) = softmax_y(M'_z), p(z|x) = softmax_z(mean_y M'_z).

    The temperatures divide: M' / exp(log_class) in the class term, M' / exp(log_saliency) in the
    region term, and exp(log_soft) both. Energies are M' / exp(log_class) + mean_y M' /
    exp(log_saliency).

    Reference: Chowdhury et al. 2024, Eq. 3, 7 and 8.
    Choice: the denominator of Eq. 9 as printed sums over classes at all locations; the product of
    two softmaxes (Eq. 8, and the authors' code) is what adds up to the class probability. The
    paper has one temperature (``log_soft``, used in training alone), the code three.
    """
    per_class = _cooled(class_maps, log_class)
    per_cell = _cooled(class_maps.mean(dim=1), log_saliency)
    prior = _cooled(per_cell, log_soft).flatten(1).log_softmax(dim=1).view_as(per_cell)
    return Joint(_cooled(per_class, log_soft).log_softmax(dim=1), prior, (per_class, per_cell))


def naive_joint(class_maps: ClassMaps) -> Joint:
    """Return the naive average: p(y|x,z) = softmax_y(M'_z) and every cell weighs the same.

    Reference: Chowdhury et al. 2024, Eq. 4.
    """
    n, _, rows, columns = class_maps.shape
    uniform = class_maps.new_zeros(n, rows * columns).log_softmax(dim=1)
    return Joint(class_maps.log_softmax(dim=1), uniform.view(n, rows, columns))


class Cape(JointHead):
    """The CAPE head: one linear layer, read as an ensemble of regions.

    Args:
        channels: K of the activations.
        classes: number of classes.
        temperatures: ``one``, T' of the distillation loss (paper); ``three``, which also divide
            the class term and the region term of the prediction itself (code). They start at 1.
    """

    def __init__(self, channels: int, classes: int, *, temperatures: Temperatures = "one") -> None:
        super().__init__()
        if temperatures not in _COUNTS:
            raise SettingError(f"temperatures must be one or three, not {temperatures!r}")
        check_size(channels, classes)
        self.channels, self.classes = channels, classes
        fresh = nn.Linear(channels, classes)
        self.weight = nn.Parameter(fresh.weight.detach().clone())
        self.bias = nn.Parameter(fresh.bias.detach().clone())
        self.log_temperatures = nn.Parameter(torch.zeros(_COUNTS[temperatures]))

    def copy_from(self, head: nn.Linear | PooledHead) -> None:
        """Take over the weights of a vanilla head: off-the-shelf CAPE, the start of post-fitting.

        Raises:
            ModelError: it has other channels or classes.
        """
        if tuple(head.weight.shape) != (self.classes, self.channels):
            raise ModelError(
                f"a head for {head.weight.shape[1]} channels and {head.weight.shape[0]} classes"
                f" does not fit one for {self.channels} and {self.classes}"
            )
        bias = getattr(head, "bias", None)
        with torch.no_grad():
            self.weight.copy_(head.weight)
            self.bias.copy_(torch.zeros_like(self.bias) if bias is None else bias)

    def joint(self, activations: Activations) -> Joint:
        """Return p(y, z | x) for activations n k i j."""
        return self._joint(self._class_maps(activations))

    def soft_log_probabilities(self, activations: Activations) -> Logits:
        """Return log p(y | x) at the learnt temperature T', n y: the student of the distillation.

        Reference: Chowdhury et al. 2024, Eq. 10.
        """
        return self._joint(self._class_maps(activations), soft=True).log_probabilities

    def both(self, activations: Activations) -> tuple[Joint, Logits]:
        """Return the joint and the soft log probabilities, computing the class maps once."""
        maps = self._class_maps(activations)
        return self._joint(maps), self._joint(maps, soft=True).log_probabilities

    def _class_maps(self, activations: Activations) -> ClassMaps:
        return class_maps_of(activations, self.weight, self.bias)

    def _joint(self, maps: ClassMaps, *, soft: bool = False) -> Joint:
        last = self.log_temperatures[-1] if soft else 0.0
        if len(self.log_temperatures) == 1:
            return cape_joint(maps, log_soft=last)
        return cape_joint(maps, self.log_temperatures[0], self.log_temperatures[1], last)


def _full_precision_on(device: str) -> AbstractContextManager[object]:
    known = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known else nullcontext()


def _cooled(maps: Tensor, log_temperature: LogTemperature) -> Tensor:
    """Divide by a temperature; by none, there is no need for a copy."""
    if isinstance(log_temperature, Tensor):
        return maps / log_temperature.exp()
    return maps if log_temperature == 0 else maps / math.exp(log_temperature)
