"""What one asks of a map, in plain words, and the metric of a benchmark that answers it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.per_image import is_control


@dataclass(frozen=True)
class Question:
    """A question, and the metrics that answer it; the first that a benchmark has is taken.

    ``says`` is what a good map does.
    """

    name: str
    says: str
    metrics: tuple[str, ...]


QUESTIONS: Final = (
    Question(
        "localisation",
        "lies on the object",
        (
            *("pxap", "energy-pointing-game", "relevance-mass", "max-box-acc-v2", "max-box-acc"),
            *("pointing-game", "object-coverage"),
        ),
    ),
    Question("cues", "lies where two similar classes differ", ("cue-localisation",)),
    Question("parts", "weighs the parts as the network does", ("causal-part-score",)),
    Question(
        "faithfulness, removing",
        "marks pixels without which the network loses the class",
        ("deletion", "average-drop-in-deletion", "remove-and-classify", "road", "drop-in-logit"),
    ),
    Question(
        "faithfulness, keeping",
        "marks pixels that are enough for the network",
        ("insertion", "average-drop", "increase-in-confidence"),
    ),
)
"""Two kinds of faithfulness: they often name different methods."""

_OTHER: Final = "does well by this metric"


@dataclass(frozen=True)
class Main:
    """The answers to one question: those of a metric to all methods of a model."""

    question: Question
    answers: tuple[Answer, ...]

    @property
    def first(self) -> Answer:
        """Any of the answers, for what they share: table, target, direction."""
        return self.answers[0]

    @property
    def images(self) -> int:
        """On how many images all methods have an answer, at most."""
        return min(answer.images for answer in self.answers)

    @property
    def alike(self) -> bool:
        """Whether all methods were measured on as many images."""
        return len({answer.images for answer in self.answers}) == 1

    def fair(self, answer: Answer) -> tuple[float, float, float]:
        """Return value and interval to be compared with the others'.

        On the images that all methods have; the interval is NaN where some have more.
        """
        if self.alike:
            return answer.value, answer.low, answer.high
        return answer.common, math.nan, math.nan


def mains_of(answers: Sequence[Answer], model: str, judges: Sequence[str]) -> list[Main]:
    """Return what a benchmark says to each question about a model, by the first judge.

    Where no metric answers a question, every metric with a direction asks its own.
    """
    tables: dict[tuple[str, str, str], list[Answer]] = {}
    for answer in answers:
        table = answer.table
        if table.model == model and table.judge in {"", judges[0]} and answer.direction != "none":
            tables.setdefault((table.metric, answer.target, table.protocol), []).append(answer)
    full = {key: kept for key, found in tables.items() if len(kept := _known(found)) > 1}
    found = []
    for question in QUESTIONS:
        for name in question.metrics:
            keys = [key for key in full if key[0].partition(":")[0] == name]
            if keys:
                found.append(Main(question, tuple(full[keys[0]])))
                break
    if found:
        return found
    return [Main(Question(key[0], _OTHER, key[:1]), tuple(one)) for key, one in full.items()]


def _known(answers: Sequence[Answer]) -> list[Answer]:
    """Return answers that are numbers, if some are of methods that know the network."""
    known = [answer for answer in answers if math.isfinite(answer.common)]
    return known if any(not is_control(answer.method) for answer in known) else []
