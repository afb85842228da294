"""Gradient maps of a batch: each method alone, and five of them together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import chain
from typing import Any

from torch import Tensor

from bench import peers, plain
from bench.agreement import correlation, difference
from bench.groups import (
    FULL,
    HALF,
    Case,
    Group,
    as_asked,
    forget_gradients,
    limit,
    limit_facts,
    rounding,
    three_ways,
)
from bench.measuring import Contender
from bench.networks import network, pictures
from bench.settings import Settings
from regionwise import explain, explain_all

FOUR = ("grad-cam", "grad-cam++", "xgrad-cam", "layer-cam")
FIVE = ("cam", *FOUR)
LAYER = "layer4"


def groups(settings: Settings) -> Iterator[Group]:
    """Yield one group for each network."""
    for name in settings.networks:
        yield Group("gradient", name, partial(case, name))


def case(name: str, settings: Settings) -> Case:
    """Build the group of one network."""
    model = network(name, settings.device)
    inputs = pictures(settings.batch, settings.size, settings.device)
    alone = chain.from_iterable(_alone(method, model, inputs) for method in FIVE)
    limits = [limit(name, dtype, settings) for dtype in (FULL, HALF)]
    return Case(
        contenders=[*limits, *alone, *_together(model, inputs)],
        checks=_checks(model, inputs),
        facts={"batch": settings.batch, "layer": LAYER, **limit_facts(name, settings)},
        reset=forget_gradients(model),
    )


def ours(method: str, model: Any, inputs: Tensor, **options: Any) -> Tensor:
    """Return maps n 1 h w at the size of the inputs."""
    return as_asked(explain(model, inputs, method, 0, LAYER, **options)).saliency()


def ours_together(model: Any, inputs: Tensor, **options: Any) -> list[Tensor]:
    """Return the maps of five methods, their evidence gathered once."""
    found = explain_all(model, inputs, FIVE, 0, LAYER, **options)
    return [as_asked(one).saliency() for one in found.values()]


def _alone(method: str, model: Any, inputs: Tensor) -> Iterator[Contender]:
    """Yield who explains by one method; of CAM only the peer, for the sums of five."""
    count = len(inputs)
    torch_cam = partial(peers.torch_cam, method, model, inputs, LAYER)
    if method != "cam":
        yield Contender(f"ours {method}", partial(ours, method, model, inputs), count)
        half = partial(ours, method, model, inputs, precision=HALF)
        yield Contender(f"ours {HALF} {method}", half, count)
    yield Contender(f"torch-cam {method}", torch_cam, count, warm=False)
    if method == "grad-cam":
        captum = partial(peers.captum_grad_cam, model, inputs, LAYER)
        yield Contender("captum grad-cam", captum, count, warm=False)
    if method != "cam":
        pgc = partial(peers.pytorch_grad_cam, method, model, inputs, LAYER)
        yield Contender(f"pytorch-grad-cam {method}", pgc, count, warm=False)


def _together(model: Any, inputs: Tensor) -> Iterator[Contender]:
    """Yield five maps at once; the peers' one after another for memory alone: times add up."""
    count = len(inputs)
    yield Contender("ours five", partial(ours_together, model, inputs), count)
    half = partial(ours_together, model, inputs, precision=HALF)
    yield Contender(f"ours {HALF} five", half, count)
    run = partial(peers.torch_cam_one_after_another, FIVE, model, inputs, LAYER)
    yield Contender("torch-cam five", run, count, timed=False, warm=False)
    run = partial(peers.pgc_one_after_another, FOUR, model, inputs, LAYER)
    yield Contender("pytorch-grad-cam four", run, count, timed=False, warm=False)


def _checks(model: Any, inputs: Tensor) -> dict[str, Any]:
    @cache
    def raw(precision: str | None) -> dict[str, Tensor]:
        options = {} if precision is None else {"precision": precision}
        found = explain_all(model, inputs, FIVE, 0, LAYER, **options)
        return {name: one.maps for name, one in found.items()}

    ways = cache(partial(three_ways, _literal, model, inputs))
    found: dict[str, Any] = {}
    for m in FIVE:
        found |= {
            f"difference {m}": lambda m=m: difference(raw(None)[m], ways()[0][m]),
            f"rounding {m}": lambda m=m: rounding(*(way[m] for way in ways())),
            f"correlation {HALF} {m}": lambda m=m: correlation(raw(HALF)[m], raw(None)[m]),
        }
    return found


def _literal(model: Any, inputs: Tensor) -> dict[str, Tensor]:
    """Return the maps of the plain formulation."""
    activations, gradients, _ = plain.evidence(model, inputs, LAYER)
    maps = {m: formula(activations, gradients) for m, formula in plain.OF_GRADIENTS.items()}
    return {"cam": plain.cam(activations, model.fc.weight[0]), **maps}
