"""What can be asked of a training, refused before anything is read or written."""

from __future__ import annotations

import re
from typing import Final

import torch

from regionwise.errors import DataError, SettingError
from regionwise.training.given import Given
from regionwise.training.request import TrainRequest
from regionwise.training.samples import LabelledData
from regionwise.training.schemes import Scheme

PRECISIONS: Final = ("32-true", "bf16-mixed", "16-mixed", "64-true")
_DEVICES: Final = ("cpu", "cuda", "mps")


def check_request(request: TrainRequest, scheme: Scheme) -> None:
    """Refuse numbers out of range, and a start that is missing.

    Raises:
        SettingError: names the option.
    """
    if request.precision not in PRECISIONS:
        raise SettingError(f"precision {request.precision!r} is none of {', '.join(PRECISIONS)}")
    if request.devices < 1 or request.accumulate < 1 or request.workers < 0:
        raise SettingError("devices and accumulate are 1 or more, workers 0 or more")
    check_device(request.device, request.devices)
    if scheme.batch % (request.accumulate * request.devices):
        raise SettingError(
            f"a batch of {scheme.batch} cannot be shared by {request.devices} devices in"
            f" {request.accumulate} parts each; change --set batch=N, --devices or --accumulate"
        )
    if request.fold and not request.folds:
        raise SettingError(f"--fold {request.fold} of how many? give --folds")
    _check_start(request, scheme)


def _check_start(request: TrainRequest, scheme: Scheme) -> None:
    """Refuse a start that is missing, or of which a part would be ignored."""
    if request.given is None and (scheme.frozen or scheme.initialisation == "given"):
        raise SettingError("this scheme starts from a finished network; give --from RUN or birds-1")
    if request.given is None and request.backbone is None:
        raise SettingError("give --backbone, such as timm:resnet18, or --from RUN")
    if request.options and request.backbone is None:
        raise SettingError("--option is for --backbone; the network of --from is built as it was")
    if request.given is not None and request.weights is not None:
        raise SettingError("--from brings weights; leave --weights out")


def check_device(name: str, count: int) -> None:
    """Refuse a device that is not here, or not so many times.

    Raises:
        SettingError: names it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {name!r} here; try cpu") from error
    if device.type not in _DEVICES or (device.type == "cpu" and ":" in name):
        raise SettingError(f"training does not run on {name!r}; give cpu, cuda, cuda:1 or mps")
    if ":" in name and count > 1:
        raise SettingError(f"{name!r} is one device; leave the number out to have {count}")
    if device.type == "cuda" and count > torch.cuda.device_count():
        raise SettingError(
            f"there are {torch.cuda.device_count()} devices of {name!r}, not {count}"
        )


def check_order(data: LabelledData, given: Given) -> tuple[str, ...]:
    """Refuse a teacher that has the same classes in another order; tell of other names.

    Raises:
        DataError: names the first that differs.
    """
    if given.class_names is None:
        return ()
    own, other = _plain(data.class_names), _plain(given.class_names)
    if own == other or len(own) != len(other):
        return ()
    place = next(i for i, (a, b) in enumerate(zip(own, other, strict=True)) if a != b)
    where = f"class {place} is {own[place]!r} in {data.source!r} and {other[place]!r} in"
    if sorted(own) == sorted(other):
        raise DataError(f"{where} {given.source!r}; the order must be the same")
    return (f"note: {where} {given.source!r}; they are taken for the same",)


def _plain(names: tuple[str, ...]) -> list[str]:
    return [re.sub(r"^\d+\.", "", name) for name in names]
