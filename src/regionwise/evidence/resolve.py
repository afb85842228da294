"""From what the user gave to resolved targets: classes by index, name or rank, or a function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regionwise.errors import TargetError, nearest
from regionwise.evidence.targets import Targets, TargetSpec, Versus, class_name
from regionwise.shapes import Logits, TargetIndices


def resolve_targets(
    spec: TargetSpec, logits: Logits, class_names: Sequence[str] | None = None
) -> Targets:
    """Turn what the user gave into one or more classes per image, or a score function.

    Raises:
        TargetError: a class that does not exist, a name that fits none or several, or a number of
            targets that does not match the batch.
    """
    logits = logits.detach()
    if callable(spec) and not isinstance(spec, Tensor):
        name = getattr(spec, "__name__", type(spec).__name__)
        return Targets(None, tuple((name,) for _ in logits), spec)
    if isinstance(spec, Versus):
        return _pair(spec, logits, class_names)
    indices = _indices(spec, logits, class_names)
    return Targets(indices, _names(indices, class_names))


def _pair(spec: Versus, logits: Logits, class_names: Sequence[str] | None) -> Targets:
    pair = [_indices(one, logits, class_names) for one in (spec.target, spec.against)]
    if any(one.shape[1] != 1 for one in pair):
        raise TargetError("Versus sets one class of each image against one other, not several")
    same = (pair[0] == pair[1]).flatten()
    if same.any():
        name = class_name(int(pair[0][same][0]), class_names)
        raise TargetError(f"{name!r} cannot be set against itself; give two different classes")
    names = [_names(one, class_names) for one in pair]
    titles = tuple((f"{a[0]} vs {b[0]}",) for a, b in zip(*names, strict=True))
    return Targets(None, titles, pair=(pair[0], pair[1]))


def _names(
    indices: TargetIndices, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(class_name(c, class_names) for c in row) for row in indices.tolist())


def _indices(spec: TargetSpec, logits: Logits, class_names: Sequence[str] | None) -> TargetIndices:
    n, classes = logits.shape
    if spec is None or isinstance(spec, str):
        text = "top-1" if spec is None else spec
        top = re.fullmatch(r"top-?(\d+)", text)
        if top:
            return _top(logits, int(top.group(1)))
        spec = _by_name(text, classes, class_names)
    if isinstance(spec, np.ndarray | np.generic):
        spec = torch.as_tensor(spec)
    if isinstance(spec, int) and not isinstance(spec, bool):
        rows = torch.full((n, 1), spec)
    elif isinstance(spec, Tensor):
        rows = _from_tensor(spec, n)
    elif isinstance(spec, Sequence):
        rows = _from_sequence(spec, classes, class_names)
    else:
        raise TargetError(
            f"a target cannot be {spec!r}; give a class index, a name, 'top-k', one of these per"
            " image, or a function logits -> scores"
        )
    return _checked(rows, n, classes).to(logits.device)


def _top(logits: Logits, k: int) -> TargetIndices:
    classes = logits.shape[1]
    if not 1 <= k <= classes:
        raise TargetError(f"target 'top-{k}' is out of range: the model has {classes} classes")
    return logits.topk(k, dim=1).indices


def _by_name(text: str, classes: int, class_names: Sequence[str] | None) -> int:
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if class_names is None:
        raise TargetError(
            f"class {text!r} cannot be found: this model brings no class names;"
            f" give an index from 0 to {classes - 1} or 'top-k'"
        )
    if text in class_names:
        return list(class_names).index(text)
    folded = _fold(text)
    found = [i for i, name in enumerate(class_names) if _fold(name) == folded]
    found = found or [i for i, name in enumerate(class_names) if folded in _fold(name)]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(repr(class_names[i]) for i in found[:5])
        raise TargetError(f"class {text!r} fits {len(found)} classes ({several}); give one in full")
    raise TargetError(f"unknown class {text!r}: {nearest(text, class_names)}")


def _fold(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name).strip().casefold()


def _from_tensor(spec: Tensor, n: int) -> Tensor:
    if spec.is_floating_point() or spec.is_complex() or spec.dtype == torch.bool:
        raise TargetError(f"targets must be whole numbers, not a tensor of {spec.dtype}")
    if spec.dim() > 2:
        raise TargetError(f"targets must have shape (n,) or (n, t), not {tuple(spec.shape)}")
    if spec.dim() == 0:
        return spec.expand(n, 1).clone()
    return spec.clone().reshape(len(spec), -1)


def _from_sequence(spec: Sequence[Any], classes: int, class_names: Sequence[str] | None) -> Tensor:
    if not len(spec):
        raise TargetError("the list of targets is empty; leave targets out for the top-1 class")
    rows = [
        [item] if isinstance(item, Integral | str) else list(item)
        for item in spec
        if isinstance(item, Integral | str | Sequence)
    ]
    if len(rows) != len(spec):
        raise TargetError(f"targets {spec!r} mix kinds; give class indices or names")
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise TargetError(f"every image needs the same number of targets, not {sorted(lengths)}")
    numbers = [
        [_by_name(c, classes, class_names) if isinstance(c, str) else c for c in row]
        for row in rows
    ]
    if any(isinstance(c, bool) or not isinstance(c, Integral) for row in numbers for c in row):
        raise TargetError(f"targets must be class indices or names, not {spec!r}")
    return torch.tensor(numbers, dtype=torch.int64)


def _checked(rows: Tensor, n: int, classes: int) -> TargetIndices:
    if rows.shape[0] != n:
        raise TargetError(
            f"{rows.shape[0]} targets for {n} image{'s' if n != 1 else ''}: give one per image,"
            " or a nested list for several per image ([[3, 5]] asks two of one image)"
        )
    if rows.shape[1] == 0:
        raise TargetError("no target per image; leave targets out for the top-1 class")
    outside = rows[(rows < 0) | (rows >= classes)]
    if outside.numel():
        raise TargetError(
            f"target {int(outside[0])} is out of range: the model has classes 0 to {classes - 1}"
        )
    return rows.long()
