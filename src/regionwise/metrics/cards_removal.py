"""Cards of metrics that ask what happens as pixels are removed in the order of a map."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard

CARDS: Final[tuple[MetricCard, ...]] = ()
