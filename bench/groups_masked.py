"""Masked images: Score-CAM, ScoreCAM++ and UnionCAM of one image, by some channels of a map."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from torch import Tensor

from bench import one_mask_at_a_time, peers
from bench.agreement import correlation, difference
from bench.groups import (
    FULL,
    HALF,
    Case,
    Group,
    activations_of,
    as_asked,
    forget_gradients,
    limit,
    limit_facts,
    live_channels,
)
from bench.measuring import Contender
from bench.networks import first_channels, pictures
from bench.settings import Settings
from regionwise import explain

LAYER = "first"
MEMORY_CHANNELS = (64, 256, 512)


def groups(settings: Settings) -> Iterator[Group]:
    """Yield Score-CAM for each network, UnionCAM and memory for the first."""
    for name in settings.networks:
        yield Group("score-cam", name, partial(score_cam_case, name))
    first = settings.networks[0]
    yield Group("union-cam", first, partial(union_cam_case, first))
    yield Group("score-cam-memory", first, partial(memory_case, first))
    if settings.full:
        for name in settings.networks:
            yield Group("score-cam-all-channels", name, partial(all_channels_case, name))


def score_cam_case(name: str, settings: Settings) -> Case:
    """Build ours, the peers and the authors' loop for one network."""
    channels = settings.channels_of(name)
    model = first_channels(name, channels, settings.device)
    image = pictures(1, settings.size, settings.device)
    live = live_channels(activations_of(model, image, LAYER))
    authors = {
        "score-cam": partial(one_mask_at_a_time.score_cam, model, image, LAYER),
        "score-cam++": partial(one_mask_at_a_time.score_cam_pp, model, image, LAYER),
    }
    return Case(
        contenders=[
            *(limit(name, dtype, settings, passes=live + 1) for dtype in (FULL, HALF)),
            *_ours(("score-cam",), model, image),
            Contender("ours score-cam++", partial(ours, "score-cam++", model, image)),
            *_peers(model, image),
            *(Contender(f"authors {m}", run, warm=False) for m, run in authors.items()),
        ],
        checks=_checks(model, image, authors),
        facts={"channels": channels, "live channels": live, **limit_facts(name, settings)},
        reset=forget_gradients(model),
    )


def union_cam_case(name: str, settings: Settings) -> Case:
    """Build UnionCAM against our own Score-CAM."""
    model = first_channels(name, settings.union_channels, settings.device)
    image = pictures(1, settings.size, settings.device)

    def literal() -> Tensor:
        return one_mask_at_a_time.union_cam(model, image, LAYER)[None]

    return Case(
        contenders=list(_ours(("score-cam", "union-cam"), model, image)),
        checks={
            "difference union-cam": lambda: difference(raw("union-cam", model, image), literal()),
            f"correlation {HALF} union-cam": partial(_alike, "union-cam", model, image),
        },
        facts={"channels": settings.union_channels},
    )


def memory_case(name: str, settings: Settings) -> Case:
    """Build our Score-CAM of more and more channels; only memory is measured."""
    image = pictures(1, settings.size, settings.device)
    counts = (16, 64) if settings.quick else MEMORY_CHANNELS
    runs = [
        Contender(
            f"{channels} channels",
            partial(ours, "score-cam", first_channels(name, channels, settings.device), image),
            timed=False,
        )
        for channels in counts
    ]
    return Case(contenders=runs, facts={"channels": list(counts)})


def all_channels_case(name: str, settings: Settings) -> Case:
    """Build our Score-CAM of few channels and of all, per channel; two turns."""
    image = pictures(1, settings.size, settings.device)
    counts = {"few": settings.channels_of(name), "all": 2048 if name == "resnet50" else 512}
    runs = []
    for which, channels in counts.items():
        model = first_channels(name, channels, settings.device)
        run = partial(ours, "score-cam", model, image)
        # per pass: those of live channels, and the image itself
        passes = live_channels(activations_of(model, image, LAYER)) + 1
        runs.append(Contender(f"{which} channels", run, images=passes, warm=False))
    return Case(contenders=runs, facts={"channels": counts}, pairs=2)


def ours(method: str, model: Any, image: Tensor, **options: Any) -> Tensor:
    """Return the map 1 1 h w at the size of the image."""
    return as_asked(explain(model, image, method, 0, LAYER, **options)).saliency()


def raw(method: str, model: Any, image: Tensor, **options: Any) -> Tensor:
    """Return the raw map 1 1 i j."""
    return as_asked(explain(model, image, method, 0, LAYER, **options)).maps


def _ours(methods: tuple[str, ...], model: Any, image: Tensor) -> Iterator[Contender]:
    for method in methods:
        yield Contender(f"ours {method}", partial(ours, method, model, image))
        half = partial(ours, method, model, image, precision=HALF)
        yield Contender(f"ours {HALF} {method}", half)


def _peers(model: Any, image: Tensor) -> Iterator[Contender]:
    pgc = partial(peers.pytorch_grad_cam, "score-cam", model, image, LAYER)
    yield Contender("pytorch-grad-cam score-cam", pgc, warm=False)
    torch_cam = partial(peers.torch_cam, "score-cam", model, image, LAYER)
    yield Contender("torch-cam score-cam", torch_cam, warm=False)


def _checks(model: Any, image: Tensor, authors: dict[str, Any]) -> dict[str, Any]:
    @cache
    def shown(method: str) -> Tensor:
        return explain(model, image, method, 0, LAYER).saliency(normalize=None)

    return {
        **{
            f"difference {m}": partial(lambda m, run: difference(shown(m), run()[None]), m, run)
            for m, run in authors.items()
        },
        **{f"correlation {HALF} {m}": partial(_alike, m, model, image) for m in authors},
    }


def _alike(method: str, model: Any, image: Tensor) -> float:
    return correlation(raw(method, model, image, precision=HALF), raw(method, model, image))
