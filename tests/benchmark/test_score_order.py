"""A chunk gives the same rows bit by bit, whoever does it, and whatever was done before."""

from __future__ import annotations

import random

from regionwise.benchmark.context import Context
from regionwise.benchmark.ledger import rows_file
from regionwise.benchmark.rows import table_of
from regionwise.benchmark.score import score_chunk

METHODS = [
    {"name": "some", "use": ["score-cam", "rise:masks=6", "random"]},
    {"name": "one", "use": ["union-cam"], "images": 3},
]
METRICS = [
    {"name": "all", "use": ["average-drop"]},
    {"name": "few", "use": ["insertion:steps=3"], "images": 3},
]


def files(context, chunks):
    """Return the file of each chunk."""
    return dict(
        rows_file(chunk.id, table_of(score_chunk(chunk, context), "birds", "test"))
        for chunk in chunks
    )


def test_rows_do_not_depend_on_what_was_done_before(planned):
    plan, context = planned(
        methods=METHODS, metrics=METRICS, chunk=4, judges=["own", "matched:0.9"], images=5
    )
    assert len(plan.chunks) > 3

    def fresh():
        return Context(context.data, context.seed, context.judges)

    alone = {name: file for chunk in plan.chunks for name, file in files(fresh(), [chunk]).items()}
    assert len(alone) == len(plan.chunks)
    shuffled = random.Random(5).sample(plan.chunks, len(plan.chunks))  # noqa: S311
    assert files(fresh(), shuffled) == alone
    assert files(fresh(), shuffled[::-1]) == alone
