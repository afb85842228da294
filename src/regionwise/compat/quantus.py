"""Our methods as a Quantus explain function.

>>> from regionwise.compat.quantus import explain_func
>>> metric(model, x_batch, y_batch, explain_func=explain_func,              # doctest: +SKIP
...        explain_func_kwargs={"method": "score-cam", "layer": "layer4"})

Quantus itself is not needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regionwise.attribution.asked import LayerLike, MethodLike
from regionwise.attribution.explain import explain
from regionwise.attribution.scaling import Normalize
from regionwise.errors import InputError
from regionwise.models.placement import device_of, dtype_of


def explain_func(  # noqa: PLR0913 - one parameter for each choice
    model: nn.Module,
    inputs: Any,
    targets: Any,
    method: MethodLike = "grad-cam",
    *,
    layer: LayerLike | None = None,
    normalize: Normalize | None = None,
    device: str | torch.device | None = None,
) -> NDArray[np.generic]:
    """Return maps at the size of the inputs, n 1 h w, in their own units and with their signs.

    Args:
        model: any classifier; it is left as it was.
        inputs: n c h w, an array or a tensor.
        targets: a class for each image, n.
        method: ``"grad-cam"``, ``"score-cam++:activation=mish"``, a recipe, or one of your own.
        layer: name or module; the last spatial map by default.
        normalize: as :meth:`regionwise.Attribution.saliency` does; Quantus has its own, too.
        device: that of the model; Quantus passes it on.

    Raises:
        InputError: the model is on another device than is said.
        RegionwiseError: see :mod:`regionwise.errors`.
    """
    here = device_of(model)
    if device is not None and torch.device(device).type != here.type:
        raise InputError(f"the model is on {str(here)!r}, not {str(device)!r}; move it first")
    fed = torch.as_tensor(np.asarray(inputs) if isinstance(inputs, list) else inputs)
    classes = torch.as_tensor(targets).to(torch.int64).reshape(-1)
    found = explain(model, fed.to(here, dtype_of(model)), method, classes, layer)
    maps: NDArray[np.generic] = found.saliency(normalize=normalize).detach().cpu().numpy()
    return maps
