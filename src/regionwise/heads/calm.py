"""CALM: class activation latent mapping (Kim, Choe, Akata and Oh 2021)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import SettingError
from regionwise.heads.cape import class_maps_of
from regionwise.heads.joint import CellMap, ClassMaps, Joint, JointHead, check_size
from regionwise.shapes import Activations

Prior: TypeAlias = Literal["softplus", "relu"]


def log_softplus(x: Tensor) -> Tensor:
    """Return log(log(1 + e^x)) without underflow: x - e^x / 2 where e^x is small."""
    small = x < -15.0
    safe = torch.where(small, torch.zeros_like(x), x)
    # torch's own threshold of 20 would cost the last six digits of float64
    exact = F.softplus(safe, threshold=40.0).log()
    return torch.where(small, x - x.clamp_max(0.0).exp() / 2, exact)


def calm_joint(
    class_maps: ClassMaps,
    prior_map: CellMap,
    *,
    prior: Prior = "softplus",
    detach_normaliser: bool = False,
) -> Joint:
    """Return CALM's joint: p(y|x,z) = softmax_y(f_z), p(z|x) = h_z / sum_l h_l, h >= 0.

    h is the softplus of the prior map, or its ReLU. With ``detach_normaliser`` no gradient flows
    through the sum.

    Reference: Kim et al. 2021, Sec. 4.1.1.
    Choice: softplus, as printed; the authors' code has ReLU and detaches the sum. With ReLU, a map
    without a positive cell becomes uniform here; the code divides zero by zero.
    """
    if prior not in {"softplus", "relu"}:
        raise SettingError(f"prior must be softplus or relu, not {prior!r}")
    flat = prior_map.flatten(1)
    if prior == "softplus":
        logs = log_softplus(flat)
    else:
        positive = ~(flat <= 0)  # and NaN, which must not look like a cell of no weight
        # nowhere positive: every cell weighs the same
        none = ~positive.any(dim=1, keepdim=True)
        values = torch.where(positive, flat, torch.ones_like(flat)).log()
        logs = values.masked_fill(~positive & ~none, -torch.inf)
    total = logs.logsumexp(dim=1, keepdim=True)
    log_prior = logs - (total.detach() if detach_normaliser else total)
    return Joint(class_maps.log_softmax(dim=1), log_prior.view_as(prior_map))


class Calm(JointHead):
    """The CALM head: two 1 x 1 convolutions, one for the cue's class and one for its place.

    Args:
        channels: K of the activations.
        classes: number of classes.
        prior: ``softplus`` (paper) or ``relu`` (code).
        detach_normaliser: as in the code.

    Weights start by Xavier's uniform rule, biases at zero, as in the authors' code.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        prior: Prior = "softplus",
        detach_normaliser: bool = False,
    ) -> None:
        super().__init__()
        if prior not in {"softplus", "relu"}:
            raise SettingError(f"prior must be softplus or relu, not {prior!r}")
        check_size(channels, classes)
        self.channels, self.classes = channels, classes
        self.cue = nn.Conv2d(channels, classes, 1)
        self.location = nn.Conv2d(channels, 1, 1)
        self.prior, self.detach_normaliser = prior, detach_normaliser
        for layer in (self.cue, self.location):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # both have a bias

    def joint(self, activations: Activations) -> Joint:
        """Return p(y, z | x) for activations n k i j."""
        maps = class_maps_of(activations, self.cue.weight.flatten(1), self.cue.bias)
        where = class_maps_of(activations, self.location.weight.flatten(1), self.location.bias)
        return calm_joint(
            maps, where[:, 0], prior=self.prior, detach_normaliser=self.detach_normaliser
        )
