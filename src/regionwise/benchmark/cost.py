"""What a method costs alone: seconds, and floating-point operations in units of a forward pass.

With shared evidence the seconds of a benchmark mean nothing, so each method is run by itself, one
picture at a time, after a run that warms up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from regionwise.attribution.explain import explain
from regionwise.attribution.recipe import Recipe
from regionwise.benchmark.blocks import EXTRA, Block, Key, Who
from regionwise.benchmark.context import Context
from regionwise.benchmark.digests import digest
from regionwise.benchmark.foreign import AGAIN, opened, versioned
from regionwise.benchmark.loaded import open_units
from regionwise.benchmark.plan import Chunk, Plan, Unit
from regionwise.benchmark.samples import in_order
from regionwise.errors import RegionwiseError
from regionwise.evidence.state import borrowed
from regionwise.models.classifier import Classifier
from regionwise.models.placement import device_of
from regionwise.shapes import Inputs

METRIC: Final = "cost"


@dataclass(frozen=True)
class Work:
    """Floating-point operations of convolutions and matrix products; those of gradients apart."""

    forward: float
    backward: float


@dataclass(frozen=True)
class CostItem:
    """A method of a model that is to be measured; ``id`` names the file of its rows."""

    id: str
    model: str
    method: str


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the operations of whatever runs under it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.forward = self.backward = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if func.overloadpacket.__name__ == "_convolution_pointwise":
            # of a processor's library, by which the engine runs what torch calls convolution
            count = _packed_convolution
        if count is not None:
            amount = float(count(*args, **(kwargs or {}), out_val=out))
            # gradients of matrix products are matrix products, made while autograd is at work
            if torch._C._current_graph_task_id() != -1:  # noqa: SLF001 - there is no public way
                self.backward += amount
            else:
                self.forward += amount
        return out


def _packed_convolution(given: Tensor, weight: Tensor, *_: Any, out_val: Tensor) -> int:
    found: int = conv_flop_count(list(given.shape), list(weight.shape), list(out_val.shape))
    return found


def work_of(run: Callable[[], Any]) -> Work:
    """Return the operations that a call takes."""
    with _Counting() as counted:
        run()
    return Work(counted.forward, counted.backward)


def work_of_pass(classifier: Classifier, image: Inputs) -> float:
    """Return the operations of one forward pass of one image, 1 c h w."""

    def forward() -> None:
        with borrowed(classifier.module), torch.no_grad():
            classifier(image)

    return work_of(forward).forward


def cost_items(plan: Plan) -> list[CostItem]:
    """Return what is to be measured, in the order of the recipe; maps made elsewhere cost nothing.

    The id depends on the content of a method's file.
    """
    if not plan.recipe.cost:
        return []
    return [
        CostItem(digest([METRIC, used.hash, name, plan.recipe.cost]), used.source, method)
        for used in plan.models
        for names in used.methods.values()
        for (method, recipe), name in zip(
            opened(names, used.sources).items(), versioned(names, used.sources), strict=True
        )
        if AGAIN not in recipe.origin.lacks
    ]


def measure_cost(item: CostItem, plan: Plan, context: Context) -> list[Block]:
    """Return seconds and work of a method, one number per picture.

    ``extra:forward`` and ``extra:backward`` are operations divided by those of one forward pass.
    """
    used = next(one for one in plan.models if one.source == item.model)
    names = [picture.name for picture in context.data.pictures]
    chosen = in_order(names, names, context.seed)[: plan.recipe.cost]
    units = tuple(Unit(name) for name in chosen)
    shown, _ = open_units(Chunk("", item.model, "", "predicted", (), (), units), context)
    content = {source.id: source.content for source in used.sources}.get(item.method, "")
    key = Key(item.model, used.hash, item.method, METRIC, content, "", context.seed)
    who = Who(tuple(one.unit.image for one in shown), (-1,) * len(shown), (-1,) * len(shown))
    recipe = opened([item.method], used.sources)[item.method]
    try:
        columns = _columns(recipe, context.model(item.model), [one.inputs[None] for one in shown])
    except RegionwiseError:
        columns = {}  # the rows of the chunks say why
    return [
        Block(key, who, EXTRA + name, (np.nan,), np.array(column)[:, None])
        for name, column in columns.items()
        if column
    ]


def _columns(
    method: Recipe, classifier: Classifier, images: list[Inputs]
) -> dict[str, list[float]]:
    device = device_of(classifier.module)
    found: dict[str, list[float]] = {"seconds": [], "forward": [], "backward": []}
    one = work_of_pass(classifier, images[0]) if images else 0.0
    for number, inputs in enumerate(images):
        if number == 0:
            explain(classifier, inputs, method)
        synchronise(device)
        start = time.perf_counter()
        explain(classifier, inputs, method)
        synchronise(device)
        found["seconds"].append(time.perf_counter() - start)
        work = work_of(lambda inputs=inputs: explain(classifier, inputs, method))  # type: ignore[misc]
        found["forward"].append(work.forward / one if one else float("nan"))
        found["backward"].append(work.backward / one if one else float("nan"))
    return found


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was given, so that a clock may be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
