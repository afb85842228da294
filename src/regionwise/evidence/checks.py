"""What no network can be fed with, and what no network may answer: refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from regionwise.errors import InputError, LayerError, ModelError, SettingError
from regionwise.evidence.needs import DIRECT, NEEDS
from regionwise.models.grids import Grid, Hints, grid_of
from regionwise.shapes import Fed, Logits, Scores


def check_inputs(inputs: Any, *, keep_graph: bool = False) -> Fed:
    """Refuse what no network can be fed with; return the rest, without its graph by default.

    Raises:
        InputError: no floating tensor n c h w, or n c d h w, with n >= 1; or NaN or infinity in it.
    """
    if not isinstance(inputs, Tensor):
        raise InputError(f"inputs must be a tensor (n, c, h, w), not {type(inputs).__name__}")
    if inputs.dim() not in {4, 5} or 0 in inputs.shape:
        raise InputError(
            f"inputs must have shape (n, c, h, w), or (n, c, d, h, w) for volumes, not"
            f" {tuple(inputs.shape)}"
        )
    if not inputs.is_floating_point():
        raise InputError(f"inputs must be floating numbers, not {inputs.dtype}; divide by 255")
    # a sum is finite if all is; a sum of finite numbers may yet overflow
    if not torch.isfinite(inputs.detach().sum()):
        broken = ~torch.isfinite(inputs).flatten(1).all(dim=1)
        if broken.any():
            raise InputError(f"input {int(broken.nonzero()[0])} contains NaN or infinity")
    if inputs.is_inference():
        return inputs.detach().clone()
    return inputs if keep_graph else inputs.detach()


def check_volumes(model: nn.Module, inputs: Fed, needs: frozenset[str]) -> None:
    """Refuse volumes where evidence needs a plane, or where all convolutions are flat.

    Raises:
        InputError: the network has two-dimensional convolutions, and nothing else.
        SettingError: masked images or changed activations are needed.
    """
    if inputs.dim() != 5:
        return
    if needs - DIRECT:
        raise SettingError(
            f"volumes (n, c, d, h, w) have no {', '.join(map(repr, sorted(needs - DIRECT)))};"
            f" only {', '.join(map(repr, sorted(DIRECT)))} can be had of them"
        )
    kinds = [type(module).__name__ for module in model.modules()]
    if "Conv2d" in kinds and not any("3d" in kind for kind in kinds):
        raise InputError(
            f"inputs of shape {tuple(inputs.shape)} are volumes, but the network has"
            " two-dimensional layers only; give images (n, c, h, w)"
        )


def as_map(output: Any, layer: str, image: tuple[int, ...], hints: Hints) -> Grid:
    """Return how a layer's output is read as a map of several cells.

    Raises:
        LayerError: it is no such map.
    """
    if isinstance(output, Tensor) and output.is_floating_point():
        grid = grid_of(output.shape, image, hints)
        if grid is not None:
            return grid
    raise LayerError(
        f"layer {layer!r} gives {_kind_of(output)}, not a map of several cells"
        " (n, channels, rows, columns, or tokens on a grid;"
        " of a volume n, channels, slices, rows, columns);"
        " leave the layer out, and the last one that does is found;"
        " `regionwise layers MODEL` lists them"
    )


def as_logits(output: Any, n: int) -> Logits:
    """Return the logits n y that the model answered with.

    They may be the answer itself, its attribute ``logits``, its entry ``logits`` or ``out``, or
    the only part of a tuple, list or dictionary that has the form n y. For anything else, such as
    features beside the logits, see :class:`regionwise.models.adapters.Adapted`.

    Raises:
        ModelError: it answered with something else.
    """
    output = _picked(output, n)
    fits = isinstance(output, Tensor) and output.dim() == 2 and output.shape[0] == n
    if fits and output.is_floating_point():
        return cast("Tensor", output)
    raise ModelError(
        f"the model must return logits of shape ({n}, classes), not {_kind_of(output)};"
        " regionwise.Adapted(model, output=..., select=...) says what its answer means"
    )


def _picked(output: Any, n: int) -> Any:
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, Mapping):
        named = [output[key] for key in ("logits", "out") if key in output]
        parts = named[:1] or list(output.values())
    elif isinstance(output, list | tuple):
        parts = list(output)
    else:
        return output
    fitting = [p for p in parts if isinstance(p, Tensor) and p.dim() == 2 and p.shape[0] == n]
    if len(fitting) == 1:
        return fitting[0]
    return parts[0] if len(parts) == 1 else output


def check_classes(logits: Logits, link: str) -> None:
    """Refuse a single output whose meaning was not told: its softmax would always be one.

    Raises:
        ModelError: there is one output per image, and it was not said to be a value.
    """
    if logits.shape[1] == 1 and link == "softmax":
        raise ModelError(
            "the model answers with one number per image, which may be a logit or a value; say"
            " which: regionwise.Adapted(model, 'binary'), or 'regression', or 'multi-label'"
        )


def _kind_of(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"{tuple(output.shape)} of {output.dtype}"
    if isinstance(output, list | tuple) and output:
        return f"a {type(output).__name__} of " + ", ".join(_kind_of(part) for part in output)
    return f"a {type(output).__name__}"


def finite_logits(logits: Logits, model: nn.Module) -> Logits:
    """Return the logits if they are finite.

    Raises:
        ModelError: they are not; the weight that is not finite is named, if there is one.
    """
    if torch.isfinite(logits).all():
        return logits
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(f"the logits are not finite: weight {name!r} has NaN or infinity")
    raise ModelError("the logits are not finite, though inputs and weights are; try float32")


def finite_scores(scores: Scores) -> Scores:
    """Return the scores if they are finite.

    Raises:
        ModelError: they are not.
    """
    if not torch.isfinite(scores).all():
        raise ModelError("the score explained is not finite; check the score function")
    return scores


def check_known(needs: frozenset[str]) -> None:
    """Refuse evidence that no probe has.

    Raises:
        ModelError: names it.
    """
    if not needs <= NEEDS:
        raise ModelError(f"unknown evidence {sorted(needs - NEEDS)}; known: {sorted(NEEDS)}")


def check_declared(need: str, needs: frozenset[str]) -> None:
    """Refuse to give what the probe was not opened for.

    Raises:
        ModelError: names it.
    """
    if need not in needs:
        raise ModelError(
            f"this probe was opened without {need!r}: name it in `needs`, or in the method's"
            " card, so that the one forward pass can prepare for it"
        )


def ran_message(layer: str, times: int) -> str:
    """Say that a layer ran never, or more than once."""
    if times == 0:
        return f"layer {layer!r} did not run in the forward pass; choose one that does"
    return (
        f"layer {layer!r} runs {times} times in one forward pass, so its map is ambiguous;"
        " choose a module that runs once, such as the block around it"
    )
