"""What an audit measures with: one picture, one judge, an effort, and random orders to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.apps.audit_subject import Subject
from regionwise.attribution.controls import random_map
from regionwise.attribution.explain import explain_all
from regionwise.attribution.result import Attribution
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge
from regionwise.metrics.recipe import Metric
from regionwise.report.audit_result import Chance, Curve, Curves, Grain


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        steps: of deletion and insertion.
        orders: random orders that maps are held against.
        patches: per side, for the sensitivity axiom.
        stages: at how many layers the randomisation check looks.
        draws: of random weights.
        copies: noisy ones.
        masks: up to how many channels Score-CAM is taken unasked.
        again: whether methods that run the network dozens of times explain again, too.
    """

    steps: int = 10
    orders: int = 20
    patches: int = 7
    stages: int = 4
    draws: int = 3
    copies: int = 5
    masks: int = 256
    again: bool = False


QUICK: Final = Effort()

THOROUGH: Final = Effort(steps=50, orders=40, patches=14, masks=512, again=True)


@dataclass(frozen=True, eq=False)
class Bench:
    """What stays the same for all methods."""

    subject: Subject
    judge: Judge
    effort: Effort
    seed: int

    @property
    def removal(self) -> tuple[Metric, Metric]:
        """Deletion and insertion."""
        steps = self.effort.steps
        deletion, insertion = (
            metrics.parse(f"{name}:steps={steps}") for name in ("deletion", "insertion")
        )
        return deletion, insertion

    @property
    def sensitivity(self) -> Metric:
        """Whether patches that matter have a say."""
        metric: Metric = metrics.parse(f"sensitivity:side={self.effort.patches}")
        return metric

    @property
    def sanity(self) -> tuple[Metric, ...]:
        """The randomisation check, once for each draw of weights."""
        return tuple(
            metrics.parse(f"sanity-check:stages={self.effort.stages},seed={self.seed + draw}")
            for draw in range(self.effort.draws)
        )

    def case(
        self, saliency: Float[Tensor, "1 h w"], targets: Int[Tensor, " 1"] | None = None
    ) -> Case:
        """Return the case of a saliency, for metrics that need the judge alone."""
        return Case(
            inputs=self.subject.inputs,
            saliency=saliency.detach(),
            targets=self.subject.targets if targets is None else targets,
            judge=self.judge,
        )


def curve_of(metric: Metric, case: Case) -> Curve:
    """Return what insertion or deletion says of a case of one image."""
    found = metric(case)
    area = float("nan") if found.values is None else float(found.values[0])
    return Curve(found.levels, tuple(found.curves["score"][0].tolist()), area)


def curves_of(bench: Bench, saliency: Float[Tensor, "1 h w"]) -> Curves:
    """Return deletion and insertion in the order of a map."""
    case = bench.case(saliency)
    deletion, insertion = (curve_of(metric, case) for metric in bench.removal)
    return Curves(deletion, insertion)


def chance_of(bench: Bench, grain: Grain) -> Chance:
    """Return deletion and insertion in random orders.

    Of ``cells``: the control ``random``, noise on the layer's grid, brought to the size of the
    inputs as every map is. Of ``pixels``: noise of that size.
    """
    maps = _random_cells(bench) if grain == "cells" else _random_pixels(bench)
    found = [curves_of(bench, saliency) for saliency in maps]
    deletion, insertion = ([getattr(one, name) for one in found] for name in Curves.__match_args__)
    return Chance(grain, tuple(deletion), tuple(insertion))


def _random_cells(bench: Bench) -> list[Tensor]:
    names = [f"random:seed={bench.seed + order}" for order in range(bench.effort.orders)]
    subject = bench.subject
    found: dict[str, Attribution] = explain_all(
        subject.classifier, subject.inputs, names, subject.targets
    )
    return [one.saliency()[:, 0] for one in found.values()]


def _random_pixels(bench: Bench) -> list[Tensor]:
    inputs = bench.subject.inputs
    size = (inputs.shape[2], inputs.shape[3])
    like = torch.empty(0)
    return [
        random_map(size, seed=bench.seed + order, like=like)[None]
        for order in range(bench.effort.orders)
    ]
