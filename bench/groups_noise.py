"""Methods that average gradients: over noisy copies of an image, or along a path to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import Tensor

from bench import peers, plain
from bench.agreement import correlation, difference
from bench.groups import HALF, Case, Group, as_asked, forget_gradients, rounding, three_ways
from bench.measuring import Contender
from bench.networks import network, pictures
from bench.settings import Settings
from regionwise import explain

LAYER = "layer4"
COPIES = 4  # of torch-cam's Smooth Grad-CAM++
Run = Callable[..., Tensor]


def groups(settings: Settings) -> Iterator[Group]:
    """Yield three groups for each network."""
    for name in settings.networks:
        yield Group("smooth-grad-cam++", name, partial(smooth_grad_cam_pp_case, name))
        yield Group("integrated-gradients", name, partial(integrated_gradients_case, name))
        yield Group("smooth-grad", name, partial(smooth_grad_case, name))


def smooth_grad_cam_pp_case(name: str, settings: Settings) -> Case:
    """Build ours against torch-cam, a few images at once."""
    few = max(1, settings.batch // 4)
    model, inputs = network(name, settings.device), pictures(few, settings.size, settings.device)
    method = f"smooth-grad-cam++:samples={COPIES},variant=torch-cam"
    peer = partial(peers.torch_cam, "smooth-grad-cam++", model, inputs, LAYER, num_samples=COPIES)
    literal = partial(plain.smooth_grad_cam_pp, layer=LAYER, samples=COPIES)
    return _case(method, ("torch-cam", peer), literal, (model, inputs), samples=COPIES)


def integrated_gradients_case(name: str, settings: Settings) -> Case:
    """Build ours against captum, one image."""
    steps = settings.samples
    model, image = network(name, settings.device), pictures(1, settings.size, settings.device)
    peer = partial(peers.captum_integrated_gradients, model, image, steps)
    literal = partial(plain.integrated_gradients, steps=steps)
    method = f"integrated-gradients:steps={steps}"
    return _case(method, ("captum", peer), literal, (model, image), samples=steps)


def smooth_grad_case(name: str, settings: Settings) -> Case:
    """Build ours against captum, one image."""
    samples = settings.samples
    model, image = network(name, settings.device), pictures(1, settings.size, settings.device)
    peer = partial(peers.captum_smooth_grad, model, image, samples)
    literal = partial(plain.smooth_grad, samples=samples)
    method = f"smooth-grad:samples={samples}"
    return _case(method, ("captum", peer), literal, (model, image), samples=samples)


def _case(
    method: str, peer: tuple[str, Run], literal: Run, shown: tuple[Any, Tensor], *, samples: int
) -> Case:
    model, inputs = shown
    who, run = peer
    count = len(inputs)

    def maps(**options: Any) -> Any:
        return as_asked(explain(model, inputs, method, 0, LAYER, **options))

    return Case(
        contenders=[
            Contender("ours", lambda: maps().saliency(), count),
            Contender(f"ours {HALF}", lambda: maps(precision=HALF).saliency(), count),
            Contender(who, run, count, warm=False),
        ],
        checks={
            "difference": lambda: difference(maps().maps, literal(model, inputs)),
            "rounding": lambda: rounding(*three_ways(literal, model, inputs)),
            f"correlation {HALF}": lambda: correlation(maps(precision=HALF).maps, maps().maps),
        },
        facts={"method": method, "samples": samples, "images": count},
        reset=forget_gradients(model),
    )
