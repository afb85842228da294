"""What a reader needs to know about a metric. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from regionwise.registry import AnyCard

Direction = Literal["higher", "lower", "none"]
"""Which way is better; ``none``: the number describes a map, and does not judge it."""

_REDUCERS = "regionwise.metrics.reducers"


@dataclass(frozen=True, kw_only=True)
class MetricCard(AnyCard):
    """What a reader, and the benchmark, need to know about a metric.

    Attributes:
        direction: which way is better.
        range: what values are possible, and their unit.
        needs: what of a :class:`regionwise.metrics.case.Case` it uses besides inputs, saliency and
            targets: names of :data:`regionwise.metrics.case.PARTS`.
        reducer: ``"package.module:function"`` that makes one answer of the values of all images:
            (metric, values) -> numbers by name, the main one named ``value``.
        across: ``"package.module:function"`` that compares methods on the same images, where the
            metric is finished only then; empty if it is finished without.
        about_map: whether it says something of the map; what does not, such as accuracy, counts for
            no ranking of methods, and for no comparison with controls.
        columns: further numbers of the reducer that a table shows beside the main one.
    """

    direction: Direction
    range: str = "0 to 1"
    needs: frozenset[str] = field(default_factory=frozenset)
    reducer: str = f"{_REDUCERS}:mean"
    across: str = ""
    about_map: bool = True
    columns: tuple[str, ...] = ()
