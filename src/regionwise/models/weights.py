"""Reading weights from files, without ever running code that lies in them."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from regionwise.errors import WeightsError

_REFUSING: Final = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a state dict into ``module``; every name and shape must fit.

    Reads safetensors, and PyTorch checkpoints with ``weights_only=True``. A ``state_dict`` inside
    a checkpoint and the prefix ``module.`` of data-parallel training are unpacked.

    Raises:
        WeightsError: the file is missing, damaged, holds code, or does not fit; the module is then
            as it was.
    """
    fit_weights(module, tensors_of(path), path)


def fit_weights(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load tensors by name into ``module``; every name and shape must fit.

    Raises:
        WeightsError: they do not fit; ``path`` is named, and the module is as it was.
    """
    own = module.state_dict()
    missing, surplus = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or surplus:
        raise WeightsError(
            f"the weights in {str(path)!r} do not fit the model: {_some('missing', missing)}"
            f"{' and ' if missing and surplus else ''}{_some('unknown', surplus)}"
        )
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise WeightsError(
                f"weight {name!r} in {str(path)!r} has shape {tuple(tensor.shape)},"
                f" the model's has {tuple(own[name].shape)}"
            )
        if _kind(tensor) != _kind(own[name]):
            raise WeightsError(
                f"weight {name!r} in {str(path)!r} holds {_kind(tensor)}, the model's holds"
                f" {_kind(own[name])}"
            )
    module.load_state_dict(state)


def read_state(path: Path) -> dict[str, Any]:
    """Read the tensors of a file by name.

    Raises:
        WeightsError: the file is missing or damaged, or holds code.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {str(path)!r}")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of, it refuses next
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError as error:
        raise WeightsError(f"{str(path)!r} does not fit into memory") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{str(path)!r} holds more than tensors, and code in weights is never run;"
            " save its state_dict, best as safetensors"
        ) from error
    except Exception as error:  # torch raises nearly everything on broken files
        raise WeightsError(f"{str(path)!r} cannot be read as weights: it is damaged") from error
    if not isinstance(loaded, dict):
        raise WeightsError(f"{str(path)!r} holds a {type(loaded).__name__}, not a state_dict")
    return {str(name): value for name, value in loaded.items()}


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Read a file of weights, out of the checkpoint and the prefixes that may be around them.

    Raises:
        WeightsError: the file is missing or damaged, or holds code.
    """
    state = read_state(path)
    for wrapper in _WRAPPERS:
        if isinstance(state.get(wrapper), dict):
            state = state[wrapper]
            break
    return {
        str(name).removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


@contextmanager
def no_code_in_weights() -> Iterator[None]:
    """Have ``torch.load`` refuse code wherever a library calls it, also where it says otherwise."""
    before = os.environ.get(_REFUSING)
    os.environ[_REFUSING] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_REFUSING, None)
        else:
            os.environ[_REFUSING] = before


def _kind(tensor: Tensor) -> str:
    """Return what the numbers of a tensor are; only the same can be copied, and mean the same."""
    if tensor.is_meta or tensor.is_quantized or tensor.layout != torch.strided:
        return "no plain numbers"
    if tensor.is_complex():
        return "complex numbers"
    return "floating point" if tensor.is_floating_point() else "whole numbers"


def _some(word: str, names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(repr(n) for n in names[:3])
    return f"{len(names)} {word} ({shown}{', ...' if len(names) > 3 else ''})"
