"""Remove and classify (CALM): accuracy left when the most salient pixels are erased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.attribution.noise import generator_of
from regionwise.errors import InputError
from regionwise.metrics.altered import Fill, fill_of
from regionwise.metrics.case import Case
from regionwise.metrics.ranking import ranks_of
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.removal import logits_of_each, removed_under, replaced, shares_of
from regionwise.shapes import Inputs


def scattered_ranks(inputs: Inputs, seed: int) -> Int[Tensor, "n h w"]:
    """Return a random order of the pixels of each image; it depends on picture and seed only."""
    _, _, h, w = inputs.shape
    orders = [torch.randperm(h * w, generator=generator_of(x, seed)) for x in inputs]
    return torch.stack(orders).reshape(-1, h, w).to(inputs.device)


def moved(maps: Float[Tensor, "n h w"], inputs: Inputs, seed: int) -> Float[Tensor, "n h w"]:
    """Return each map at a random place: shifted around the border, and mirrored or not.

    It erases blobs of the very shape that the map erases, elsewhere. Place and mirroring depend on
    picture and seed only.
    """
    _, h, w = maps.shape
    found = []
    for one, image in zip(maps, inputs, strict=True):
        draws = torch.rand(4, generator=generator_of(image, seed), dtype=torch.float64).tolist()
        flips = [axis for axis, draw in enumerate(draws[:2]) if draw < 0.5]
        shifts = (int(draws[2] * h), int(draws[3] * w))
        found.append(one.flip(flips).roll(shifts, (0, 1)))
    return torch.stack(found)


def accuracy_ratio(
    hits: Float[Tensor, "n s"], reference: Float[Tensor, "n s"]
) -> Float[Tensor, " s"]:
    """Return R_k = A_k / A_k^r at each share k; NaN where the reference has no hit.

    Args:
        hits: 1 where the image is still classified rightly without the most salient pixels, n s.
        reference: the same without pixels chosen by chance, n s.

    Reference: Kim et al. 2021 (CALM), Sec. 4.3.
    """
    kept, chance = hits.double().sum(dim=0), reference.double().sum(dim=0)
    return torch.where(chance > 0, kept / chance, torch.nan)


@dataclass(frozen=True)
class RemoveAndClassify(Metric):
    """Remove and classify: R_k, and both accuracies that it is made of.

    Two references erase as many pixels by chance: scattered ones, as published, and blobs of the
    same shape, the map moved to a random place.

    Attributes:
        percents: of pixels erased, ``"10/30/50/70/90"``; rounded down to whole pixels.
        fill: what erased pixels become; CALM's paper blurs, its script uses ``mean``.
        seed: of the references.
    """

    name: ClassVar[str] = "remove-and-classify"
    percents: str = "10/30/50/70/90"
    fill: Fill = "blur"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        super().__post_init__()
        shares_of(self.name, self.percents)

    def measure(self, case: Case) -> Values:
        """Erase pixels by the map, by chance, and by the moved map."""
        shares = shares_of(self.name, self.percents)
        moved_maps = moved(case.saliency, case.inputs, self.seed)
        curves = {
            "hits": self._hits(case, ranks_of(case.saliency), case.saliency_key),
            "scattered": self._hits(case, scattered_ranks(case.inputs, self.seed), "scattered"),
            "blob": self._hits(case, ranks_of(moved_maps), f"moved {case.saliency_key}"),
        }
        return Values(None, curves, shares)

    def _hits(self, case: Case, ranks: Tensor, order: str) -> Float[Tensor, "n s"]:
        """Return 1 where the judge still answers with the label, n s."""
        counts = tuple(int(s * ranks[0].numel()) for s in shares_of(self.name, self.percents))
        instead = fill_of(case, self.fill)
        size = (ranks.shape[1], ranks.shape[2])

        def make(index: int) -> Tensor:
            removed = removed_under(ranks[index], counts, size)
            return replaced(case.inputs[index], instead[index], removed)

        how = (order, self.seed, self.fill, counts)
        keys = [(case.inputs_key, "erased", how, index) for index in range(len(case))]
        predicted = logits_of_each(case.need("judge"), list(keys), make).argmax(dim=2)
        labels = case.need("labels").to(predicted.device)
        right: Tensor = predicted == labels.unsqueeze(1)
        return right.double()


def reduced(metric: Metric, values: Values) -> dict[str, float]:
    """Return mean R_k over the shares, and R_k, A_k and both A_k^r at each of them.

    ``value`` is the mean against scattered pixels, ``blob`` the mean against moved blobs, over the
    shares at which they are defined; ``undefined`` is the share at which the first is not.

    Raises:
        InputError: the values are of another metric.
    """
    if set(values.curves) != {"hits", "scattered", "blob"}:
        raise InputError(f"these are no values of 'remove-and-classify', but of {metric.name!r}")
    hits = values.curves["hits"]
    ratios = {name: accuracy_ratio(hits, values.curves[name]) for name in ("scattered", "blob")}
    found = {
        "value": float(ratios["scattered"].nanmean()),
        "blob": float(ratios["blob"].nanmean()),
        "undefined": float(ratios["scattered"].isnan().double().mean()),
    }
    for place, level in enumerate(values.levels):
        at = f"@{100 * level:g}"
        found[f"ratio{at}"] = float(ratios["scattered"][place])
        found[f"ratio-blob{at}"] = float(ratios["blob"][place])
        for name, curve in values.curves.items():
            found[f"accuracy-{name}{at}"] = float(curve[:, place].mean())
    return found
