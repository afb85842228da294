"""Loading a classifier by name, file or factory.

======================  ====================================================================
source                  what is loaded
======================  ====================================================================
``birds``               the newest classifier that is shipped with the package
``birds-1``             that version of it
``torchvision:NAME``    an architecture of torchvision, with its default weights
``timm:NAME``           an architecture of timm, with its pretrained weights
``hf:NAME``             an image classifier of Hugging Face, by name on the hub or from a folder
``file.py:factory``     what the function ``factory`` in ``file.py`` returns
a module                the module itself
======================  ====================================================================

``weights`` is ``"pretrained"`` (the default), ``"random"`` (seeded) or a file: safetensors, or a
checkpoint that ``torch.load(weights_only=True)`` accepts. No pickled code is ever run.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import torch
from torch import nn

from regionwise.errors import ModelError, SettingError, WeightsError, nearest
from regionwise.models.adapters import Adapted
from regionwise.models.classifier import Classifier
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.shipped import load_shipped, shipped_names
from regionwise.models.weights import load_weights
from regionwise.models.wrappers import unwrap

PRETRAINED: Final = "pretrained"
RANDOM: Final = "random"


def load_model(
    source: str | nn.Module | Classifier,
    *,
    weights: str | Path = PRETRAINED,
    device: str | torch.device = "cpu",
) -> Classifier:
    """Return a classifier in eval mode on ``device``.

    Args:
        source: see the table above.
        weights: ``"pretrained"``, ``"random"`` or a file.
        device: where the network shall run.

    Raises:
        ModelError: the source is unknown or its factory fails.
        WeightsError: weights cannot be read, downloaded, or do not fit.
        SettingError: the device does not exist here.
    """
    device = _checked_device(device)
    if isinstance(source, Classifier):
        classifier = source
    elif isinstance(source, nn.Module):
        classifier = _of_module(unwrap(source), "")
    else:
        classifier = _by_name(source, str(weights))
    if str(weights) not in {PRETRAINED, RANDOM}:
        load_weights(classifier.module, Path(weights))
        classifier = replace(classifier, weights=Path(weights).name)
    if not isinstance(source, str):
        return classifier
    return replace(classifier, module=classifier.module.eval().to(device))


def _by_name(source: str, weights: str) -> Classifier:
    kind, _, name = source.partition(":")
    if source in {"birds", *shipped_names()}:
        return load_shipped(source, random=weights == RANDOM)
    if kind == "torchvision" and name:
        return _from_torchvision(name, weights)
    if kind == "timm" and name:
        return _from_timm(name, weights)
    if kind == "hf" and name:
        return _from_hugging_face(name, weights)
    path, _, factory = source.rpartition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), factory, source)
    known = [
        "birds",
        *shipped_names(),
        "torchvision:NAME",
        "timm:NAME",
        "hf:NAME",
        "file.py:factory",
    ]
    raise ModelError(f"unknown model {source!r}: {nearest(source, known, count=6)}")


def _from_torchvision(name: str, weights: str) -> Classifier:
    from torchvision import models  # noqa: PLC0415 - loaded only when it is asked for

    known = models.list_models(module=models)
    if name not in known:
        raise ModelError(f"torchvision has no classifier {name!r}: {nearest(name, known)}")
    default = models.get_model_weights(name).DEFAULT
    chosen = default if weights == PRETRAINED else None
    extra = {"init_weights": True} if name in {"googlenet", "inception_v3"} and not chosen else {}
    module = _built(lambda: models.get_model(name, weights=chosen, **extra), f"torchvision:{name}")
    how = default.transforms()
    preprocessing = Preprocessing(
        size=(how.crop_size[0], how.crop_size[0]),
        resize=how.resize_size[0],
        mean=tuple(how.mean),
        std=tuple(how.std),
        interpolation=how.interpolation.value,
    )
    names = tuple(default.meta["categories"])
    return Classifier(module, preprocessing, names, f"torchvision:{name}", _origin(weights))


def _from_timm(name: str, weights: str) -> Classifier:
    import timm  # noqa: PLC0415 - loaded only when it is asked for
    from timm.data.config import resolve_data_config  # noqa: PLC0415

    if not timm.is_model(name):
        raise ModelError(f"timm has no model {name!r}: {nearest(name, timm.list_models())}")
    pretrained = weights == PRETRAINED
    module = _built(lambda: timm.create_model(name, pretrained=pretrained), f"timm:{name}")
    config: dict[str, Any] = resolve_data_config({}, model=module)  # type: ignore[no-untyped-call]
    size = (int(config["input_size"][1]), int(config["input_size"][2]))
    squash = config.get("crop_mode", "center") == "squash"
    preprocessing = Preprocessing(
        size=size,
        resize=None if squash else int(min(size) / float(config["crop_pct"])),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
    )
    return Classifier(module, preprocessing, _timm_names(module), f"timm:{name}", _origin(weights))


def _timm_names(module: nn.Module) -> tuple[str, ...] | None:
    names = getattr(module, "pretrained_cfg", {}).get("label_names")
    if names is not None:
        return tuple(names)
    if getattr(module, "num_classes", None) != 1000:
        return None
    from torchvision.models import ResNet18_Weights  # noqa: PLC0415

    return tuple(ResNet18_Weights.DEFAULT.meta["categories"])


def _from_hugging_face(name: str, weights: str) -> Classifier:
    from regionwise.models.hugging_face import load_hugging_face  # noqa: PLC0415 - an extra

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_hugging_face(name, random=weights != PRETRAINED)


def _from_file(path: Path, factory: str, source: str) -> Classifier:
    if not path.is_file():
        raise ModelError(f"there is no file {str(path)!r} to load a model from")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{str(path)!r} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module), f"{str(path)!r} cannot be imported")
    functions = {k: v for k, v in vars(module).items() if callable(v) and not k.startswith("_")}
    if factory not in functions:
        raise ModelError(
            f"{str(path)!r} has no function {factory!r}: {nearest(factory, functions)}"
        )
    made = _guarded(functions[factory], f"{source!r} failed")
    if isinstance(made, Classifier):
        return replace(made, source=source)
    if isinstance(made, nn.Module):
        return _of_module(made, source)
    raise ModelError(f"{source!r} returned {type(made).__name__}, not a torch.nn.Module")


def _of_module(module: nn.Module, source: str) -> Classifier:
    names = module.class_names if isinstance(module, Adapted) else None
    return Classifier(module, class_names=names, source=source or type(module).__name__)


def _guarded(action: Callable[[], Any], what: str) -> Any:
    """Run the user's code; whatever it raises is told in one line."""
    try:
        return action()
    except Exception as error:
        raise ModelError(f"{what}: {type(error).__name__}: {error}") from error


def _built(build: Callable[[], nn.Module], source: str) -> nn.Module:
    """Build a network with a fixed seed; say what to do when its weights cannot be fetched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return build()
        except (URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"the pretrained weights of {source!r} cannot be loaded"
                f" ({type(error).__name__}: {_first_line(error)});"
                " give a file with weights=FILE, or weights='random'"
            ) from error


def _first_line(error: Exception) -> str:
    return inspect.cleandoc(str(error)).split("\n", maxsplit=1)[0][:160]


def _origin(weights: str) -> str:
    return PRETRAINED if weights == PRETRAINED else RANDOM


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {str(device)!r} here; try 'cpu'") from error
    return found
