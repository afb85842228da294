"""Building a network from where it comes: torchvision, timm, Hugging Face, or a file of one's own.

Weights are ``pretrained``, or drawn from a seed. No pickled code is ever run.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from regionwise.errors import ModelError, SettingError, WeightsError, nearest
from regionwise.models.adapters import Adapted
from regionwise.models.classifier import Classifier
from regionwise.models.hashes import check_hub_files
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.weights import no_code_in_weights
from regionwise.trust import file_of

PRETRAINED: Final = "pretrained"
RANDOM: Final = "random"

_LOADING: Final = {"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay"}
"""Options of timm that read weights from anywhere, and may be named in a file from anywhere."""
_HASHED: Final = re.compile(r"-[0-9a-f]{8,}\.")


@dataclass(frozen=True)
class Wish:
    """How a network shall be built.

    Attributes:
        pretrained: with the weights that its library offers; else drawn from ``seed``.
        seed: of weights that are drawn.
        options: further arguments of the builder, such as timm's ``img_size``.
    """

    pretrained: bool = True
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where the weights come from, in a word."""
        return PRETRAINED if self.pretrained else RANDOM


def open_source(source: str, wish: Wish) -> Classifier | None:
    """Build the network of a source; ``None`` if the source is of no kind known here.

    Raises:
        ModelError: the library has no such network, or the user's factory fails.
        SettingError: options that this source does not take.
        WeightsError: the pretrained weights cannot be had.
    """
    kind, _, name = source.partition(":")
    if kind == "torchvision" and name:
        return _from_torchvision(name, wish)
    if kind == "timm" and name:
        return _from_timm(name, wish)
    file = file_of(source)
    if not ((kind == "hf" and name) or file):
        return None
    if wish.options:
        raise SettingError(f"{source!r} takes no options, but {sorted(wish.options)} were given")
    if file is None or (kind == "hf" and name):
        return _from_hugging_face(name, wish)
    return _from_file(file, source.rpartition(":")[2], source)


def of_module(module: nn.Module, source: str) -> Classifier:
    """Return a classifier of a module that was built elsewhere."""
    names = module.class_names if isinstance(module, Adapted) else None
    return Classifier(module, class_names=names, source=source or type(module).__name__)


def _from_torchvision(name: str, wish: Wish) -> Classifier:
    from torchvision import models  # noqa: PLC0415 - loaded only when it is asked for

    known = models.list_models(module=models)
    if name not in known:
        raise ModelError(f"torchvision has no classifier {name!r}: {nearest(name, known)}")
    default = models.get_model_weights(name).DEFAULT
    chosen = default if wish.pretrained else None
    extra = dict(wish.options)
    if name in {"googlenet", "inception_v3"} and not chosen:
        extra.setdefault("init_weights", True)
    module = _built(
        lambda: models.get_model(name, weights=chosen, **extra), f"torchvision:{name}", wish
    )
    how = default.transforms()
    preprocessing = Preprocessing(
        size=(how.crop_size[0], how.crop_size[0]),
        resize=how.resize_size[0],
        mean=tuple(how.mean),
        std=tuple(how.std),
        interpolation=how.interpolation.value,
    )
    names = tuple(default.meta["categories"])
    return Classifier(module, preprocessing, names, f"torchvision:{name}", wish.origin)


def _from_timm(name: str, wish: Wish) -> Classifier:
    import timm  # noqa: PLC0415 - loaded only when it is asked for
    from timm.data.config import resolve_data_config  # noqa: PLC0415

    if not timm.is_model(name):
        raise ModelError(f"timm has no model {name!r}: {nearest(name, timm.list_models())}")
    forbidden = sorted(_LOADING & wish.options.keys())
    if forbidden:
        raise SettingError(
            f"'timm:{name}' takes no {forbidden[0]!r}; give a file with weights=FILE"
        )
    told = timm.get_pretrained_cfg(name)
    with _hashes_compared(str(told and told.url)):
        module = _built(
            lambda: timm.create_model(name, pretrained=wish.pretrained, **wish.options),
            f"timm:{name}",
            wish,
        )
    if wish.pretrained and told and told.hf_hub_id:
        check_hub_files(told.hf_hub_id)
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
    return Classifier(module, preprocessing, _timm_names(module), f"timm:{name}", wish.origin)


@contextmanager
def _hashes_compared(url: str) -> Iterator[None]:
    """Have timm compare what it downloads with the hash in the file's name, if there is one."""
    from timm.models import set_pretrained_check_hash  # noqa: PLC0415

    set_pretrained_check_hash(_HASHED.search(url) is not None)
    try:
        yield
    finally:
        set_pretrained_check_hash(False)


def _timm_names(module: nn.Module) -> tuple[str, ...] | None:
    names = getattr(module, "pretrained_cfg", {}).get("label_names")
    if names is not None:
        return tuple(names)
    if getattr(module, "num_classes", None) != 1000:
        return None
    from torchvision.models import ResNet18_Weights  # noqa: PLC0415

    return tuple(ResNet18_Weights.DEFAULT.meta["categories"])


def _from_hugging_face(name: str, wish: Wish) -> Classifier:
    from regionwise.models.hugging_face import load_hugging_face  # noqa: PLC0415 - an extra

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(wish.seed)
        return load_hugging_face(name, random=not wish.pretrained)


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
        return of_module(made, source)
    raise ModelError(f"{source!r} returned {type(made).__name__}, not a torch.nn.Module")


def _guarded(action: Callable[[], Any], what: str) -> Any:
    """Run the user's code; whatever it raises is told in one line."""
    try:
        return action()
    except Exception as error:
        raise ModelError(f"{what}: {type(error).__name__}: {error}") from error


def _built(build: Callable[[], nn.Module], source: str, wish: Wish) -> nn.Module:
    """Build a network from its seed; say what to do when its weights cannot be fetched."""
    with torch.random.fork_rng(devices=[]), no_code_in_weights():
        torch.manual_seed(wish.seed)
        try:
            return build()
        except TypeError as error:
            if not wish.options:
                raise
            raise SettingError(
                f"{source!r} does not take the options {sorted(wish.options)}: {error}"
            ) from error
        except Exception as error:  # libraries raise nearly everything
            if not wish.pretrained:
                raise ModelError(
                    f"{source!r} cannot be built ({type(error).__name__}: {first_line(error)})"
                ) from error
            raise WeightsError(
                f"the pretrained weights of {source!r} cannot be loaded"
                f" ({type(error).__name__}: {first_line(error)});"
                " give a file with weights=FILE, or weights='random'"
            ) from error


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, at most 160 characters."""
    return inspect.cleandoc(str(error)).split("\n", maxsplit=1)[0][:160]
