"""On a trained network and pictures of its classes: error bars, and maps in bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from torch import Tensor

from bench.agreement import correlation
from bench.groups import HALF, Case, Group, activations_of, as_asked, live_channels
from bench.groups_gradient import FOUR
from bench.measuring import Contender
from bench.networks import pictures
from bench.settings import Settings
from regionwise import explain, load_model
from regionwise.attribution.result import Attribution
from regionwise.attribution.score_cam_budget import half_width

NETWORK = "birds-1"
SHARE = 8
SEEDS = 4


def groups(_: Settings) -> Iterator[Group]:
    """Yield the one group."""
    yield Group("score-cam-budget", NETWORK, case)


def case(settings: Settings) -> Case:
    """Build full Score-CAM and an eighth of it, for one bird; look at more birds once."""
    classifier = load_model(NETWORK)
    model = classifier.module.to(settings.device)
    birds = pictures(settings.birds, settings.birds_size, settings.device)
    activations = activations_of(model, birds[:1], classifier.layer)
    method = f"score-cam:budget={activations.shape[1] // SHARE}"

    def run(name: str, inputs: Tensor, **options: Any) -> Attribution:
        return as_asked(explain(classifier, inputs, name, None, None, **options))

    @cache
    def over_birds(name: str, precision: str | None = None) -> Attribution:
        return run(name, birds) if precision is None else run(name, birds, precision=precision)

    return Case(
        contenders=[
            Contender("full", lambda: run("score-cam", birds[:1]).saliency()),
            Contender("budget", lambda: run(method, birds[:1]).saliency()),
        ],
        checks=_checks(over_birds, method),
        facts={
            "method": method,
            "channels": activations.shape[1],
            "live channels": live_channels(activations),
            "birds": settings.birds,
            "draws": SEEDS,
        },
    )


def _checks(found: Callable[..., Attribution], method: str) -> dict[str, Callable[[], float]]:
    def draws() -> list[Attribution]:
        return [found(f"{method},seed={seed}" if seed else method) for seed in range(SEEDS)]

    def alike() -> float:
        full = found("score-cam").maps
        each = [
            correlation(own[None], other[None])
            for draw in draws()
            for own, other in zip(draw.maps, full, strict=True)
        ]
        return sum(each) / len(each)

    def covered() -> float:
        each = [coverage(draw, found("score-cam").maps) for draw in draws()]
        return sum(each) / len(each)

    return {
        "mean correlation of the budget": alike,
        "coverage of the budget": covered,
        **{
            f"correlation {HALF} {m}": lambda m=m: correlation(found(m, HALF).maps, found(m).maps)
            for m in ("score-cam", *FOUR)
        },
    }


def coverage(estimate: Attribution, full: Tensor) -> float:
    """Return the share of cells, of those that say something, that lie in their 95 % interval."""
    error, degrees = (estimate.details[k] for k in ("standard_error", "degrees_of_freedom"))
    within = (estimate.maps - full).abs() <= half_width(error, degrees, 0.95)
    return float(within[full != 0].float().mean())
