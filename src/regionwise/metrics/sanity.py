"""Sanity checks: a map of the network should change when its weights are drawn anew.

Reference: Adebayo et al. 2018, Sanity checks for saliency maps, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.scaling import saliency_of
from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.randomising import How, Order, randomised
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined
from regionwise.metrics.similarity import Similarity, spearman, ssim


def similarity_of(
    maps: Float[Tensor, "n i j"],
    others: Float[Tensor, "n i j"],
    kind: Similarity,
    *,
    size: tuple[int, int],
) -> Float[Tensor, " n"]:
    """Return how alike raw maps are: ranks of the cells, or SSIM of the saliencies at ``size``.

    NaN where a map is constant.
    """
    if kind == "ssim":
        seen = [saliency_of(m[:, None], size)[:, 0] for m in (maps, others)]
        flat = [s.flatten(1).amax(dim=1) == 0 for s in seen]
        return ssim(*seen).masked_fill(flat[0] | flat[1], torch.nan)
    return spearman(maps, others, absolute=kind == "spearman-abs")


def over_stages(_: Metric, values: Values) -> dict[str, float]:
    """Return the mean over images; ``first`` and ``last`` are of the first and last stage."""
    if values.values is None:
        raise InputError("a sanity check has a number per image; these values have none")
    value, undefined = mean_of_defined(values.values)
    curve = values.curves["similarity"]
    first, last = (mean_of_defined(curve[:, k])[0] for k in (0, -1))
    return {"value": value, "first": first, "last": last, "undefined": undefined}


@dataclass(frozen=True)
class SanityCheck(Metric):
    """How alike maps stay while the weights are drawn anew, layer by layer; targets stay.

    Attributes:
        order: all layers down to one (``cascading``), or each alone.
        how: initialise again, or permute.
        similarity: of raw maps by rank, with signs or without, or of pictures by SSIM.
        stages: at how many layers, evenly spaced, maps are compared.
        seed: of the weights.
    """

    name: ClassVar[str] = "sanity-check"
    order: Order = "cascading"
    how: How = "reset"
    similarity: Similarity = "spearman"
    stages: int = field(default=8, metadata={"at_least": 1})
    seed: int = 0

    def measure(self, case: Case) -> Values:
        """Return the mean similarity over the stages; and the curve by share of layers.

        Levels are the shares of layers that were drawn anew; in independent order, where that is
        one layer each time, the number of the stage.
        """
        maps, explain = case.need("maps"), case.need("on_model")
        size = (case.saliency.shape[1], case.saliency.shape[2])
        columns: list[Tensor] = []
        levels: list[float] = []
        networks = randomised(
            case.need("model"),
            order=self.order,
            how=self.how,
            stages=self.stages,
            seed=self.seed,
        )
        for _, share, network in networks:
            others = explain(network, case.inputs, case.targets)
            columns.append(similarity_of(maps, others, self.similarity, size=size))
            levels.append(share if self.order == "cascading" else float(len(levels) + 1))
        curve = torch.stack(columns, dim=1)
        return Values(curve.nanmean(dim=1), curves={"similarity": curve}, levels=tuple(levels))
