"""Cards of metrics that ask what a map does to the classifier's confidence."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard

CARDS: Final[tuple[MetricCard, ...]] = ()
