"""The cards of all built-in metrics. Nothing here imports torch."""

from __future__ import annotations

from typing import Final

from regionwise.metrics.card import MetricCard
from regionwise.metrics.cards_confidence import CARDS as CONFIDENCE_CARDS
from regionwise.metrics.cards_localisation import CARDS as LOCALISATION_CARDS
from regionwise.metrics.cards_removal import CARDS as REMOVAL_CARDS
from regionwise.metrics.cards_trust import CARDS as TRUST_CARDS
from regionwise.registry import Registry

metrics: Final[Registry[MetricCard]] = Registry("metric", "regionwise.metrics")
"""All metrics that can be named, in the order in which they are listed."""

for card in (*CONFIDENCE_CARDS, *REMOVAL_CARDS, *LOCALISATION_CARDS, *TRUST_CARDS):
    metrics.add(card)
