"""One probabilistic algebra for CAPE and CALM: the joint p(y, z | x) of class and location.

Both networks factor p(y, z | x) = p(y | x, z) p(z | x) over classes y and locations z = (i, j);
they differ in the prior p(z | x) and in their training. Everything that can be asked of such a
network is a sum, a quotient or a difference of that joint. It is kept as two logarithms, n y i j
and n i j: nothing here is larger than the class maps.

Reference: Kim, Choe, Akata and Oh 2021 (CALM), Sec. 4.1; Chowdhury et al. 2024 (CAPE), Eq. 6-9.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from regionwise.errors import SettingError, TargetError
from regionwise.heads.regions import Difference, Regions, differences_of, regions_of
from regionwise.shapes import Activations, Logits, Maps

ClassMaps: TypeAlias = Float[Tensor, "n y i j"]
CellMap: TypeAlias = Float[Tensor, "n i j"]
ClassIndices: TypeAlias = int | Int[Tensor, " n"] | Int[Tensor, "n t"]


@dataclass(frozen=True, eq=False)
class Joint:
    """The distribution p(y, z | x) over classes and locations.

    Attributes:
        log_conditional: log p(y | x, z), n y i j; over y its exponentials sum to one.
        log_prior: log p(z | x), n i j; over the cells its exponentials sum to one.
        terms: M' and mean_y M' before any softmax, n y i j and n i j; CAPE's alone, for mu-CAPE.

    Classes are asked for by one index for the whole batch, one per image (n), or t per image
    (n t); answers then hold one map per image and class asked, n t i j.
    """

    log_conditional: ClassMaps
    log_prior: CellMap
    terms: tuple[ClassMaps, CellMap] | None = None

    @property
    def energies(self) -> ClassMaps | None:
        """CAPE's energies M' + mean_y M' before any softmax, n y i j."""
        return None if self.terms is None else self.terms[0] + self.terms[1][:, None]

    @property
    def log_joint(self) -> ClassMaps:
        """Logarithms of p(y, z | x), n y i j."""
        return self.log_conditional + self.log_prior[:, None]

    @property
    def log_probabilities(self) -> Logits:
        """Logarithms of p(y | x) = sum_z p(y, z | x), n y; as logits, their softmax is p(y | x)."""
        return self.log_joint.flatten(2).logsumexp(dim=2)

    @property
    def probabilities(self) -> Logits:
        """Class probabilities p(y | x), n y."""
        return self.log_probabilities.exp()

    @property
    def saliency(self) -> CellMap:
        """Where the cue for any class lies, p(z | x) = sum_y p(y, z | x), n i j; sums to one."""
        return self.log_prior.exp()

    def attribution(self, classes: ClassIndices) -> Maps:
        """Contribution of each cell to the class probability, p(c, z | x), n t i j.

        Its sum over the cells is p(c | x): no remainder, no normalisation.

        Raises:
            TargetError: a class does not exist.

        Reference: CALM, Eq. 7; CAPE, Eq. 8.
        """
        return self._log_joint_of(classes).exp()

    def conditional(self, classes: ClassIndices) -> Maps:
        """Probability of the class if the cue were at z, p(c | x, z), n t i j, each in [0, 1].

        Reference: CALM, Sec. 4.1.3 ("conditional attribution" as printed).
        """
        return self._of(self.log_conditional, classes).exp()

    def posterior(self, classes: ClassIndices) -> Maps:
        """Where the cue was, given the class: p(z | x, c), n t i j; sums to one over the cells.

        Reference: CALM, Eq. 6; its code draws this map under the name of the conditional one.
        """
        log_joint = self._log_joint_of(classes)
        return log_joint.flatten(2).softmax(dim=2).view_as(log_joint)

    def subset(self, classes: Sequence[int]) -> CellMap:
        """Contribution of each cell to a set of classes, sum_{y in set} p(y, z | x), n i j.

        Raises:
            TargetError: no class, one twice, or one that does not exist.

        Reference: CALM, Sec. 4.1.3.
        """
        chosen = list(classes)
        if not chosen or len(set(chosen)) != len(chosen):
            raise TargetError(f"a set of classes must be given, each once, not {chosen}")
        _check_exist(chosen, self.log_conditional.shape[1])
        rows = self.log_conditional[:, chosen]
        return (rows.logsumexp(dim=1) + self.log_prior).exp()

    def counterfactual(self, a: ClassIndices, b: ClassIndices) -> Maps:
        """Why a and not b: p(a, z | x) - p(b, z | x), n t i j; sums to p(a | x) - p(b | x).

        Reference: CALM, Sec. 4.1.3; CAPE, Fig. 1.
        """
        return self.attribution(a) - self.attribution(b)

    def mu(self, classes: ClassIndices) -> Maps:
        """The mu-CAPE map max(M'_c + mean_y M'_y, 0), n t i j, in units of logits.

        It shows what classes have in common, too, and adds up to nothing.

        Raises:
            TargetError: a class does not exist, or this joint has no energies (CALM's has none).

        Reference: Chowdhury et al. 2024, Sec. 3.2.3.
        """
        if self.terms is None:
            raise TargetError("mu-CAPE needs CAPE's energies; this head, CALM's say, has none")
        of_class, mean = self.terms
        return (self._of(of_class, classes) + mean[:, None]).relu()

    def top_regions(
        self, image: int, target: int, *, share: float | None = None, least: float = 0.05
    ) -> Regions:
        """Return the cells that carry a class, strongest first.

        With ``share`` the fewest cells that hold so much of p(c | x); else all cells above
        ``least`` times the strongest (CAPE's Figure 3 draws those above 5 %).

        Raises:
            TargetError: the image or the class does not exist, or a share outside (0, 1].
        """
        return regions_of(self._one(image, target), share=share, least=least)

    def top_differences(self, image: int, a: int, b: int, *, band: int = 5) -> Difference:
        """Return where a leads over b and where it trails, in bands of ``band`` cells.

        Raises:
            TargetError: the image or a class does not exist, or a band of no cells.

        Reference: Chowdhury et al. 2024, Fig. 1.
        """
        return differences_of(self._one(image, a) - self._one(image, b), band=band)

    def _one(self, image: int, target: int) -> Float[Tensor, "i j"]:
        if not 0 <= image < len(self.log_prior):
            raise TargetError(f"there is no image {image}; the batch has {len(self.log_prior)}")
        return self.attribution(target)[image, 0].detach()

    def _log_joint_of(self, classes: ClassIndices) -> Maps:
        return self._of(self.log_conditional, classes) + self.log_prior[:, None]

    def _of(self, maps: ClassMaps, classes: ClassIndices) -> Maps:
        n, count = maps.shape[:2]
        if not isinstance(classes, Tensor) or classes.dim() == 0:
            one = int(classes)
            _check_exist([one], count)
            return maps[:, one : one + 1]
        if classes.is_floating_point():
            raise TargetError(f"classes are whole numbers, not {classes.dtype}")
        index = classes.to(maps.device, torch.int64)
        index = index[:, None] if index.dim() == 1 else index
        if len(index) != n:
            raise TargetError(f"classes for {len(index)} images were given; the batch has {n}")
        # an exported network cannot look at values; its gather refuses them
        if not torch.compiler.is_compiling():
            _check_exist(sorted(set(index.flatten().tolist())), count)
        return maps.gather(1, index[:, :, None, None].expand(-1, -1, *maps.shape[2:]))


def _check_exist(classes: Sequence[int], count: int) -> None:
    missing = [c for c in classes if not 0 <= c < count]
    if missing:
        raise TargetError(f"there is no class {missing[0]}; there are {count}, from 0")


class JointHead(nn.Module, ABC):
    """A head that gives a joint. Final subclasses: Cape, Calm.

    Attributes:
        channels: K of the activations it takes.
        classes: number of classes.
    """

    channels: int
    classes: int

    @abstractmethod
    def joint(self, activations: Activations) -> Joint:
        """Return p(y, z | x) for activations n k i j."""

    def forward(self, activations: Activations) -> Logits:
        """Return log p(y | x), n y; their softmax is p(y | x), so they serve as logits."""
        return self.joint(activations).log_probabilities


def check_size(channels: int, classes: int) -> None:
    """Refuse a head without channels or classes.

    Raises:
        SettingError: one of them is below 1.
    """
    if channels < 1 or classes < 1:
        raise SettingError(
            f"a head needs channels and classes, not {channels} channels and {classes} classes"
        )


def full_precision(activations: Activations) -> Activations:
    """Return activations in float32 at least: the sums must close to 1e-6 under autocast, too."""
    return activations if activations.dtype == torch.float64 else activations.float()
