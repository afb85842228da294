"""The classes of captum.attr as methods: ``captum:IntegratedGradients:n_steps=20``.

Attributions are summed over colours or channels, signs kept. Settings go to the constructor or to
``attribute``, whichever takes them. Random numbers start from the same seed at every call.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from torch import Tensor, nn

from regionwise.attribution.captum_arguments import PATCHES, arguments
from regionwise.attribution.foreign import Foreign, as_maps, classes_of, guarded, together
from regionwise.attribution.foreign_names import ForeignName
from regionwise.attribution.recipe import RawMaps
from regionwise.errors import ModelError, SettingError, nearest
from regionwise.evidence.checks import as_logits
from regionwise.evidence.lending import lent
from regionwise.evidence.probe import Probe
from regionwise.models.layers import find_layer
from regionwise.registry import Card
from regionwise.spelling import given_settings, meant

_NETWORK: Final = ("forward_func", "model")
_FILLED: Final = frozenset({"inputs", "baselines", "sliding_window_shapes"})
"""Obligatory arguments of ``attribute`` that are filled in here."""

_WITHOUT_DEFAULT: Final = frozenset(
    {"baselines", "layer_baselines", "internal_batch_size", "sliding_window_shapes", "strides"}
)
_NOT_ASKED: Final = frozenset(
    {"show_progress", "return_convergence_delta", "return_input_shape", "verbose"}
)
_TOO_MANY: Final = frozenset({"ShapleyValues"})
"""Tries all orders: with seven by seven squares no computer comes to an end."""


class _Logits(nn.Module):
    """A network whose answer is the logits n y, whatever else it answers."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = False

    def forward(self, inputs: Tensor) -> Tensor:
        return as_logits(self.model(inputs), len(inputs))


@dataclass(frozen=True)
class CaptumMethod(Foreign):
    """A class of captum.attr."""

    kind: type[Any]

    def __call__(self, probe: Probe) -> RawMaps:
        """Attribute each target, with the model lent to captum."""
        with lent(probe.model), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            made = guarded(f"{self.id!r} failed", "", lambda: self._made(probe))
            columns = classes_of(probe, self.id).to(probe.inputs.device).unbind(dim=1)
            maps = [self._maps(probe, made, column) for column in columns]
        return RawMaps(together(maps, self.id))

    def _made(self, probe: Probe) -> Any:
        takes = dict(_parameters(self.kind.__init__))
        values = {key: value for key, value in self.changed.items() if key in takes}
        if "layer" in takes:
            values["layer"] = find_layer(probe.model, probe.layer)[1]
        return self.kind(_Logits(probe.model), **values)

    def _maps(self, probe: Probe, made: Any, classes: Tensor) -> Tensor:
        takes = {key: p.default is p.empty for key, p in _parameters(self.kind.attribute)}
        values = {key: value for key, value in self.changed.items() if key in takes}
        more = arguments(probe, takes, values, int(self.settings.get("patches", PATCHES)))
        if "target" in takes:
            more["target"] = classes
        inputs = probe.inputs.detach().clone().requires_grad_()
        found = guarded(f"{self.id!r} failed", "", lambda: made.attribute(inputs, **more))
        found = found[0] if isinstance(found, tuple) and len(found) == 1 else found
        if not isinstance(found, Tensor):
            raise ModelError(f"{self.id!r} gave a {type(found).__name__}, not one attribution")
        return as_maps(self._plane(probe, found.detach()), self.id, (len(inputs),), inputs)

    def _plane(self, probe: Probe, found: Tensor) -> Tensor:
        """Sum over colours, or over the channels of the layer."""
        grid, shape = probe.grid, tuple(found.shape)
        if found.shape == probe.inputs.shape:
            return found.sum(dim=1)
        if grid.layout == "tokens":
            fits = shape[1:2] == (grid.prefix + grid.rows * grid.columns,) and len(shape) == 3
        else:
            sides = shape[2:] if grid.layout == "nchw" else shape[1:3]
            fits = sides == (grid.rows, grid.columns) and len(shape) == 4
        if not fits:
            raise ModelError(
                f"{self.id!r} gave {shape} at layer {probe.layer!r}, which is no map of its"
                f" {grid.rows} x {grid.columns} cells; it may know other kinds of layers only"
            )
        return grid.read(found).sum(dim=1)


def open_captum(named: ForeignName) -> CaptumMethod:
    """Return the method that a class of captum is.

    Raises:
        SettingError: captum is not installed, or has no such class, or it has no such setting.
    """
    captum = _captum(named)
    kinds = {name: getattr(captum, name) for name in captum.__all__}
    kinds = {name: kind for name, kind in kinds.items() if _fits(kind)}
    if named.name not in kinds:
        raise SettingError(
            f"captum has no attribution {named.name!r} of images by a network, or network and"
            f" layer: {nearest(named.name, kinds)}"
        )
    kind = kinds[named.name]
    defaults = _settings(kind)
    given = given_settings(named.label, named.settings, defaults)
    values = {key: meant(text, defaults[key]) for key, text in given.items()}
    changed = {key: value for key, value in values.items() if value != defaults[key]}
    card = _card(named, kind, {**defaults, **changed})
    return CaptumMethod(named, card, _version(), defaults, changed, kind)


def _captum(named: ForeignName) -> ModuleType:
    try:
        return importlib.import_module("captum.attr")
    except ImportError as error:
        raise SettingError(f"{named.text!r} needs captum; pip install captum") from error


def _version() -> str:
    return f"captum {importlib.metadata.version('captum')}"


def _parameters(function: Any) -> Iterator[tuple[str, inspect.Parameter]]:
    """Yield the parameters behind self that have names of their own."""
    packed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if parameter.kind not in packed:
            yield name, parameter


def _fits(kind: Any) -> bool:
    """Whether a class takes a network, or a network and a layer, and nothing else it must have."""
    if not inspect.isclass(kind) or not hasattr(kind, "attribute") or kind.__name__ in _TOO_MANY:
        return False
    first, *others = (n for n, p in _parameters(kind.__init__) if p.default is p.empty)
    needed = {n for n, p in _parameters(kind.attribute) if p.default is p.empty}
    return first in _NETWORK and others in ([], ["layer"]) and needed <= _FILLED


def _settings(kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a class and their defaults: switches, numbers and texts."""
    found = {}
    for name, parameter in (*_parameters(kind.__init__), *_parameters(kind.attribute)):
        default = None if parameter.default is parameter.empty else parameter.default
        simple = isinstance(default, bool | int | float | str) and name not in _NOT_ASKED
        if simple or name in _WITHOUT_DEFAULT:
            found[name] = default
        elif name == "feature_mask":
            found["patches"] = PATCHES
    return found


def _card(named: ForeignName, kind: type[Any], settings: Mapping[str, Any]) -> Card:
    takes = dict(_parameters(kind.__init__))
    return Card(
        name=named.label,
        title=named.name,
        reference=_version(),
        recipe=named.text,
        formula="",
        summary="",
        passes="",
        class_agnostic="target" not in dict(_parameters(kind.attribute)),
        uses_layer="layer" in takes,
        differentiable=False,
        planar=True,
        signed=not (settings.get("abs") or settings.get("relu_attributions")),
    )
