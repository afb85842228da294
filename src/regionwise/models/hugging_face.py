"""Image classifiers of Hugging Face transformers, by name or from a folder.

Weights come as safetensors only, and no code that lies beside them is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLError
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from torch import nn

from regionwise.errors import InputError, ModelError, WeightsError
from regionwise.models.adapters import Adapted, Output
from regionwise.models.classifier import Classifier
from regionwise.models.hashes import check_hub_files
from regionwise.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from regionwise.models.weights import no_code_in_weights

_FILTERS: Final = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_PROCESSORS: Final = ("preprocessor_config.json", "processor_config.json")
_PATIENCE: Final = 10.0
"""Seconds until a hub that does not answer counts as out of reach."""

_MEANINGS: Final[dict[str, Output]] = {
    "multi_label_classification": "multi-label",
    "regression": "regression",
}


def load_hugging_face(name: str, *, random: bool = False) -> Classifier:
    """Load an image classifier: its network, its image processor, and the names of its classes.

    Args:
        name: a folder that ``save_pretrained`` wrote, or a name on the hub.
        random: build it from its configuration, with random weights.

    Raises:
        ModelError: transformers is not installed, or this is no image classifier.
        WeightsError: it is neither here nor can it be fetched, or its weights do not fit.
    """
    try:
        import transformers  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ModelError("hf: needs transformers; pip install 'regionwise[hf]'") from error
    auto: Any = transformers.AutoModelForImageClassification
    with _quietly(transformers.utils.logging):
        config = _found(transformers.AutoConfig.from_pretrained, name, name)
        if type(config) not in auto._model_mapping:  # noqa: SLF001 - it has no public name
            raise ModelError(f"'hf:{name}' is a {config.model_type}, no image classifier")
        _check_kernels(config, name)
        module = auto.from_config(config) if random else _pretrained(auto, name)
        preprocessing = _preprocessing(transformers.AutoImageProcessor, name)
    names = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    meaning = _MEANINGS.get(config.problem_type or "")
    network: nn.Module = module if meaning is None else Adapted(module, meaning)
    return Classifier(network, preprocessing, names, f"hf:{name}", _origin(random=random))


def _check_kernels(config: Any, name: str) -> None:
    """Refuse a configuration that has compiled code fetched from the hub for its attention."""
    asked = str(getattr(config, "_attn_implementation", None) or "")
    if "/" in asked:
        raise ModelError(
            f"'hf:{name}' asks for the code {asked!r} of the hub, which is never run; remove"
            " attn_implementation from its config.json"
        )


def _origin(*, random: bool) -> str:
    return "random" if random else "pretrained"


def _pretrained(auto: Any, name: str) -> nn.Module:
    def load(which: str, **how: Any) -> Any:
        return auto.from_pretrained(
            which, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **how
        )

    with no_code_in_weights():
        module, told = _found(load, name, name)
    if not Path(name).is_dir():
        check_hub_files(name)
    missing = sorted(told["missing_keys"])
    if missing:
        raise WeightsError(
            f"'hf:{name}' has no weights for {missing[0]!r}, which would stay random;"
            " give a checkpoint that was trained to classify"
        )
    loaded: nn.Module = module
    return loaded


def _found(load: Callable[..., Any], name: str, shown: str) -> Any:
    """Load from the folder or the cache; ask the hub only for what is not there."""
    try:
        return load(name, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        if Path(name).is_dir():
            raise _not_loaded(shown, error) from error
    _check_hub(shown)
    try:
        return load(name, trust_remote_code=False)
    except Exception as error:
        raise _not_loaded(shown, error) from error


def _not_loaded(shown: str, error: Exception) -> WeightsError:
    """Tell the first line of what went wrong; transformers raises nearly everything."""
    first = (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0][:160]
    return WeightsError(f"'hf:{shown}' cannot be loaded: {first}")


def _check_hub(shown: str) -> None:
    """Knock at the hub once: its own client knocks six times in half a minute.

    Any answer will do, also a refusal; so will a certificate that only the client can check.

    Raises:
        WeightsError: nobody answers.
    """
    from huggingface_hub import constants  # noqa: PLC0415 - comes with transformers

    if constants.HF_HUB_OFFLINE:
        return
    knock = Request(constants.ENDPOINT, method="HEAD")  # noqa: S310 - the hub, or HF_ENDPOINT
    try:
        urlopen(knock, timeout=_PATIENCE).close()  # noqa: S310
    except HTTPError:
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, SSLError):
            return
        raise WeightsError(
            f"'hf:{shown}' is not in the cache, and {constants.ENDPOINT}"
            f" does not answer ({reason});"
            " connect, or give a folder that save_pretrained wrote"
        ) from error


def _preprocessing(auto: Any, name: str) -> Preprocessing | None:
    """Return what the image processor does; ``None`` where there is none.

    Raises:
        WeightsError: there is one, and it is damaged.
    """
    try:
        processor = _found(auto.from_pretrained, name, name)
    except WeightsError:
        if any((Path(name) / file).exists() for file in _PROCESSORS):
            raise
        return None
    try:
        return preprocessing_of(processor.to_dict())
    except (InputError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise WeightsError(f"the image processor of 'hf:{name}' makes no sense: {error}") from error


def preprocessing_of(told: Mapping[str, Any]) -> Preprocessing:
    """Turn the settings of an image processor into a preprocessing.

    A centre crop that leaves an odd number of pixels may lie one pixel off theirs.

    Raises:
        ModelError: they ask for something that is no resizing, cropping and scaling.
    """
    size, resize = _sizes(told)
    # (p f - mean) / std of pixels p in [0, 255] is (x - mean / 255 f) / (std / 255 f) of x = p/255
    factor = 255 * (float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale", 1) else 1)
    normal = bool(told.get("do_normalize", True))
    mean = told.get("image_mean") or IMAGENET_MEAN if normal else (0.0, 0.0, 0.0)
    std = told.get("image_std") or IMAGENET_STD if normal else (1.0, 1.0, 1.0)
    filters = _FILTERS.get(int(told.get("resample", 2)), "bilinear")
    return Preprocessing(
        size=size,
        resize=resize,
        mean=tuple(float(m) / factor for m in mean),
        std=tuple(float(s) / factor for s in std),
        interpolation=filters,
    )


def _sizes(told: Mapping[str, Any]) -> tuple[tuple[int, int], int | tuple[int, int] | None]:
    """Return the size that the network sees, and what the picture is resized to before."""
    size = told.get("size") or {}
    short = size.get("shortest_edge")
    both = (int(size["height"]), int(size["width"])) if "height" in size else None
    crop = told.get("crop_size") or {}
    if told.get("do_center_crop") and "height" in crop:
        cut = (int(crop["height"]), int(crop["width"]))
        return cut, both if short is None else int(short)
    if both is not None:
        return both, None
    if short is None:
        raise ModelError(f"an image processor with size {size!r} is not known")
    square = (int(short), int(short))
    share = told.get("crop_pct")
    if share is not None and short < 384:
        return square, int(short / share)
    return square, None if share is not None else int(short)


@contextmanager
def _quietly(logging: Any) -> Iterator[None]:
    """Keep the library's progress bars and remarks off the screen."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
