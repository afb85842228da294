"""Regionwise: which regions carried a prediction, how much each carried, and how far to trust it.

>>> import regionwise
>>> attribution = regionwise.explain("birds", "bird.png", "grad-cam")    # doctest: +SKIP
>>> attribution.overlay()                                                # doctest: +SKIP

Importing the package is light: torch is loaded when the first of these names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from regionwise._version import __version__

if TYPE_CHECKING:
    from regionwise.attribution.catalog import methods
    from regionwise.attribution.explain import explain, explain_all
    from regionwise.attribution.recipe import RawMaps, Recipe
    from regionwise.attribution.result import Attribution
    from regionwise.errors import RegionwiseError
    from regionwise.evidence.probe import Probe
    from regionwise.evidence.remembering import remembering
    from regionwise.evidence.targets import Versus
    from regionwise.evidence.tuning import tune
    from regionwise.models.adapters import Adapted
    from regionwise.models.classifier import Classifier
    from regionwise.models.preprocessing import Preprocessing
    from regionwise.zoo import load_model

_HOMES = {
    "Adapted": "regionwise.models.adapters",
    "Attribution": "regionwise.attribution.result",
    "Classifier": "regionwise.models.classifier",
    "Preprocessing": "regionwise.models.preprocessing",
    "Probe": "regionwise.evidence.probe",
    "RawMaps": "regionwise.attribution.recipe",
    "Recipe": "regionwise.attribution.recipe",
    "RegionwiseError": "regionwise.errors",
    "Versus": "regionwise.evidence.targets",
    "explain": "regionwise.attribution.explain",
    "explain_all": "regionwise.attribution.explain",
    "load_model": "regionwise.zoo",
    "methods": "regionwise.attribution.catalog",
    "remembering": "regionwise.evidence.remembering",
    "tune": "regionwise.evidence.tuning",
}

__all__ = [
    "Adapted",
    "Attribution",
    "Classifier",
    "Preprocessing",
    "Probe",
    "RawMaps",
    "Recipe",
    "RegionwiseError",
    "Versus",
    "__version__",
    "explain",
    "explain_all",
    "load_model",
    "methods",
    "remembering",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regionwise' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - keeps the package light

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
