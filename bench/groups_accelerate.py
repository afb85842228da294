"""Options that prepare the passes of masked images: ``torch.compile`` and CUDA graphs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.groups import Case, Group
from bench.groups_masked import ours
from bench.measuring import Contender
from bench.networks import first_channels, pictures
from bench.settings import Settings


def groups(settings: Settings) -> Iterator[Group]:
    """Yield the first network's."""
    name = settings.networks[0]
    yield Group("accelerate", name, partial(case, name))


def case(name: str, settings: Settings) -> Case:
    """Build Score-CAM of one image, eagerly and accelerated."""
    channels = settings.channels_of(name)
    model = first_channels(name, channels, settings.device)
    image = pictures(1, settings.size, settings.device)
    ways = [None, "compile"] + (["cuda-graphs"] if settings.device == "cuda" else [])
    run = partial(ours, "score-cam", model, image)
    return Case(
        contenders=[Contender(way or "eager", partial(run, accelerate=way)) for way in ways],
        facts={"channels": channels},
    )
