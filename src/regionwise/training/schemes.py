"""How a network is trained: a frozen recipe, and what may be changed in it.

Nothing here imports torch. A recipe is recorded beside what was changed in it, so that a run says
which published setting it started from.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from regionwise.errors import SettingError, nearest
from regionwise.registry import Setting, check_settings, settings_of
from regionwise.training.consistency import check_together

_FROM_ZERO: Final = {"at_least": 0}
_FROM_ONE: Final = {"at_least": 1}


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """All settings of a training.

    Attributes:
        head: the head that is trained: pooled (vanilla), cape or calm.
        loss: cross-entropy, bootstrap (CAPE Eq. 10-11), calm-ml or calm-em.
        vanilla: a vanilla head beside the head, as a teacher.
        frozen: backbone and vanilla head come from a finished network and stay as they are.
        detach: no gradient from the head to the backbone.
        alpha: weight of the cross entropy in the bootstrap loss.
        beta: weight of the distillation in it.
        temperature: T of the teacher.
        selective: distil only where the two heads disagree.
        cross_entropy: which prediction gets the cross entropy of the bootstrap loss.
        direction: which distribution the divergence starts from.
        temperatures: CAPE's learnable ones.
        prior: CALM's p(z | x).
        detach_normaliser: of CALM's prior.
        em_teacher: what gives CALM-EM's pseudo-targets: the network itself, or a slow copy.
        em_decay: how much of the slow copy stays in each step.
        em_epsilon: added to the pseudo-targets' denominator.
        optimiser: sgd, adam or adamw.
        lr: learning rate at the start.
        groups: which parameters have ``lr`` itself: all (one), those of the backbone, or those
            whose name contains conv1, layer1, layer2 or layer3 (substring).
        multiplier: how many times ``lr`` the other parameters have.
        momentum: of sgd.
        nesterov: of sgd.
        weight_decay: of all parameters, temperatures included.
        schedule: constant, step, linear or cosine.
        step: epochs between two steps.
        factor: what a step multiplies the rate by.
        final: the share of the rate that linear and cosine end with.
        warmup: epochs in which the rate grows from 0.
        epochs: passes over the training images.
        batch: images of one step, over all devices.
        size: pixels on a side of what the network sees; 0 takes the backbone's own.
        view: what is seen of a test image: its centre after the shorter side is brought to 8/7 of
            ``size`` (crop) or to ``size`` (fit), or all of it, both sides brought to ``size``
            (squash). Without a ``size`` it is the backbone's own.
        augmentation: resized-crop (random scale and place, flip), crop (both sides to 8/7 of
            ``size``, random place, flip), flip, or none.
        initialisation: the backbone's weights: pretrained, random, or of the network given.
    """

    head: Literal["pooled", "cape", "calm"] = "pooled"
    loss: Literal["cross-entropy", "bootstrap", "calm-ml", "calm-em"] = "cross-entropy"
    vanilla: bool = False
    frozen: bool = False
    detach: bool = False
    alpha: float = field(default=1.0, metadata=_FROM_ZERO)
    beta: float = field(default=1.0, metadata=_FROM_ZERO)
    temperature: float = field(default=2.0, metadata=_FROM_ZERO)
    selective: bool = False
    cross_entropy: Literal["vanilla", "head"] = "vanilla"
    direction: Literal["teacher-student", "student-teacher"] = "teacher-student"
    temperatures: Literal["one", "three"] = "one"
    prior: Literal["softplus", "relu"] = "softplus"
    detach_normaliser: bool = False
    em_teacher: Literal["self", "ema"] = "self"
    em_decay: float = field(default=0.999, metadata=_FROM_ZERO)
    em_epsilon: float = field(default=0.0, metadata=_FROM_ZERO)
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = field(default=1e-3, metadata=_FROM_ZERO)
    groups: Literal["one", "backbone", "substring"] = "one"
    multiplier: float = field(default=1.0, metadata=_FROM_ZERO)
    momentum: float = field(default=0.9, metadata=_FROM_ZERO)
    nesterov: bool = False
    weight_decay: float = field(default=1e-4, metadata=_FROM_ZERO)
    schedule: Literal["constant", "step", "linear", "cosine"] = "step"
    step: int = field(default=30, metadata=_FROM_ONE)
    factor: float = field(default=0.1, metadata=_FROM_ZERO)
    final: float = field(default=0.01, metadata=_FROM_ZERO)
    warmup: int = field(default=0, metadata=_FROM_ZERO)
    epochs: int = field(default=200, metadata=_FROM_ONE)
    batch: int = field(default=32, metadata=_FROM_ONE)
    size: int = field(default=0, metadata=_FROM_ZERO)
    view: Literal["crop", "fit", "squash"] = "crop"
    augmentation: Literal["resized-crop", "crop", "flip", "none"] = "resized-crop"
    initialisation: Literal["pretrained", "random", "given"] = "pretrained"

    def __post_init__(self) -> None:
        """Refuse a setting out of range, and settings that contradict each other."""
        check_settings(self, "a scheme")
        check_together(self)

    def changed_from(self, other: Scheme) -> dict[str, Any]:
        """Return the settings in which this scheme differs from another, with its own values."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return {name: value for name, value in mine.items() if value != theirs[name]}


@dataclass(frozen=True, kw_only=True)
class SchemeCard:
    """What a reader needs to know about a scheme.

    Attributes:
        name: as on the command line.
        reference: where it is published.
        summary: one sentence.
        scheme: its settings.
        choice: what was chosen where paper and code differ, or where they say nothing.
    """

    name: str
    reference: str
    summary: str
    scheme: Scheme
    choice: str = ""


def changed(scheme: Scheme, texts: Sequence[str] | Mapping[str, Any]) -> Scheme:
    """Return the scheme with settings changed: ``["epochs=3", "lr=0.01"]``, or values by name.

    Raises:
        SettingError: a setting does not exist (the nearest are offered), is given twice, cannot
            have this value, or contradicts another.
    """
    known = settings_of(Scheme)
    values: dict[str, Any] = {}
    for name, value in _items(texts):
        if name not in known:
            raise SettingError(f"a scheme has no setting {name!r}: {nearest(name, known)}")
        if name in values:
            raise SettingError(f"setting {name!r} is given twice")
        values[name] = _read(known[name], value) if isinstance(value, str) else value
    return dataclasses.replace(scheme, **values)


def learning_rate_factor(scheme: Scheme, epoch: float) -> float:
    """Return what ``lr`` is multiplied by at ``epoch``, which counts from 0 and has fractions.

    Step and linear change from epoch to epoch: factor^floor(epoch / step), and a line from 1 in
    the first epoch to ``final`` in the last. Cosine and the warm-up change from step to step.

    Choice: the first step of the rate comes after ``step`` whole epochs, as StepLR has it.
    """
    whole, share = math.floor(epoch), epoch / scheme.epochs
    factor = 1.0
    if scheme.schedule == "step":
        factor = scheme.factor ** (whole // scheme.step)
    elif scheme.schedule == "linear":
        factor = 1 - (1 - scheme.final) * whole / max(1, scheme.epochs - 1)
    elif scheme.schedule == "cosine":
        factor = scheme.final + (1 - scheme.final) * (1 + math.cos(math.pi * share)) / 2
    return factor * min(1.0, epoch / scheme.warmup) if scheme.warmup else factor


def _items(texts: Sequence[str] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(texts, Mapping):
        return list(texts.items())
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingError(f"{text!r} is no setting; write setting=value, such as epochs=3")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _read(setting: Setting, text: str) -> Any:
    switches = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    try:
        value = switches[text.lower()] if setting.kind is bool else setting.kind(text)
    except (KeyError, ValueError):
        raise SettingError(_refusal(setting, text)) from None
    if not setting.accepts(value):
        raise SettingError(_refusal(setting, text))
    return value


def _refusal(setting: Setting, text: str) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number"}
    allowed = kinds.get(setting.kind, "a name")
    if setting.allowed is not None:
        allowed = "one of " + ", ".join(str(value) for value in setting.allowed)
    elif setting.at_least is not None:
        allowed += f", at least {setting.at_least}"
    return f"setting {setting.name!r} cannot be {text!r}; give {allowed}"
