"""Measuring how many images run fastest together, on request."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from regionwise.errors import SettingError
from regionwise.evidence.checks import check_inputs
from regionwise.evidence.engine import Engine, Precision
from regionwise.evidence.pace import fastest_chunk, keep_chunk
from regionwise.evidence.state import borrowed
from regionwise.models.classifier import Classifier
from regionwise.models.placement import device_of
from regionwise.models.wrappers import unwrap
from regionwise.shapes import Fed

SIZES = (4, 8, 16, 32, 64)


def tune(
    model: nn.Module | Classifier,
    inputs: Fed,
    *,
    precision: Precision | None = None,
    sizes: Sequence[int] = SIZES,
) -> int:
    """Measure how many images like these run fastest together, and keep to it in this process.

    Without it the number is a rule of the device and its threads. It changes how long a call takes
    and, because sums are taken in another order, the last digits; so it is measured only here.

    Args:
        model: a module or a classifier.
        inputs: at least one image as the model sees it, n c h w.
        precision: as it will be asked for.
        sizes: numbers of images to try.

    Returns:
        The number that is used from now on.

    Raises:
        InputError: no images n c h w.
        SettingError: no sizes, or one below 1; an unknown precision.
    """
    if not sizes or min(sizes) < 1:
        raise SettingError(f"sizes to try are whole numbers from 1, not {tuple(sizes)}")
    module = unwrap(model.module if isinstance(model, Classifier) else model)
    with borrowed(module), torch.no_grad():
        engine = Engine(module, precision, copies=True)
        fed = check_inputs(inputs)[:1].to(device_of(module), engine.dtype)
        engine.fold(fed, "")

        def run(batch: Tensor) -> None:
            # coarse from end to end: what changes at a layer costs little beside it
            with engine.running(), engine.passing(module):
                module(engine.feed(batch))

        engine.settle(lambda: run(fed), ("", *fed.shape[1:]))
        best = fastest_chunk(run, fed, sorted(sizes))
    keep_chunk(module, fed, best)
    return best
