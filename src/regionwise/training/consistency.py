"""Which settings of a scheme contradict each other. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from regionwise.errors import SettingError

if TYPE_CHECKING:
    from regionwise.training.schemes import Scheme

_LOSSES: Final = {
    "pooled": {"cross-entropy"},
    "cape": {"cross-entropy", "bootstrap"},
    "calm": {"calm-ml", "calm-em"},
}


def check_together(scheme: Scheme) -> None:
    """Refuse numbers that are no numbers or too large, and settings that contradict each other.

    Raises:
        SettingError: names the setting, or both.
    """
    _check_numbers(scheme)
    fits = _LOSSES[scheme.head]
    if scheme.loss not in fits:
        allowed = " or ".join(sorted(fits))
        raise SettingError(
            f"loss={scheme.loss} does not fit head={scheme.head}; give loss={allowed}"
        )
    if scheme.vanilla and scheme.loss != "bootstrap":
        raise SettingError("vanilla=true needs loss=bootstrap; nothing else trains two heads")
    if scheme.frozen and scheme.loss != "bootstrap":
        raise SettingError("frozen=true is for post-fitting; give head=cape and loss=bootstrap")
    if scheme.loss == "bootstrap":
        _check_bootstrap(scheme)
    by_vanilla = scheme.vanilla and scheme.alpha > 0 and scheme.cross_entropy == "vanilla"
    if scheme.detach and not scheme.frozen and not by_vanilla:
        raise SettingError("nothing would train the backbone; give detach=false")


def uses_soft_temperature(scheme: Scheme) -> bool:
    """Whether T', the temperature of CAPE's distillation alone, is in the loss."""
    return scheme.loss == "bootstrap" and scheme.beta > 0


def _check_numbers(scheme: Scheme) -> None:
    for name, value in dataclasses.asdict(scheme).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingError(f"setting {name!r} cannot be {value}; give a finite number")
    if scheme.momentum >= 1:
        raise SettingError(f"momentum must be below 1, not {scheme.momentum}")
    if scheme.em_decay > 1:
        raise SettingError(f"em_decay must be at most 1, not {scheme.em_decay}")
    if scheme.nesterov and scheme.momentum == 0:
        raise SettingError("nesterov=true needs a momentum above 0")
    if scheme.temperature == 0:
        raise SettingError("temperature must be above 0")


def _check_bootstrap(scheme: Scheme) -> None:
    """Refuse a bootstrap loss that has no teacher, or leaves a head untrained."""
    if (scheme.beta > 0 or scheme.cross_entropy == "vanilla") and not scheme.vanilla:
        raise SettingError("loss=bootstrap needs a teacher; give vanilla=true")
    if scheme.beta == 0 and (scheme.alpha == 0 or scheme.cross_entropy == "vanilla"):
        raise SettingError("nothing would train the CAPE head; give beta above 0")
    untaught = scheme.alpha == 0 or scheme.cross_entropy == "head"
    if scheme.beta > 0 and untaught and not scheme.frozen:
        raise SettingError(
            "nothing would train the vanilla head; give alpha above 0 and cross_entropy=vanilla,"
            " or frozen=true with a finished network"
        )
