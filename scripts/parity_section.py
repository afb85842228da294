"""The section on metrics in docs/parity.md, which ``parity.py`` writes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import torch
from parity_metrics import SAME, Row, birds
from parity_others import other_rows
from parity_peers import peer_rows

from regionwise.metrics.catalog import metrics

QUANTUS = find_spec("quantus") is not None
METRICS = f"""## Metrics

The same number by a peer's metric and by ours: on rendered birds (seeded), the shipped classifier
`birds-1` in float64, its predicted classes, and the same maps in [0, 1] at the size of the
pictures unless the table says otherwise. Numbers are means over pictures (over all points of a
curve); the difference is the largest of any picture, relative to the largest of the peer's
numbers, and up to {SAME:.0e} is called the same. Where what the verdict says can be undone, a
further row undoes it. "softmax" means that the peer was asked for probabilities. Quantus and the
imputation of pytorch-grad-cam round pictures to single precision; their networks are given those.
"""


def metric_rows() -> Iterator[Row]:
    """Yield the rows of all metrics; those of Quantus where it is installed."""
    torch.manual_seed(0)
    pictures = birds()
    yield from peer_rows(pictures)
    yield from other_rows(pictures.first(2))
    if QUANTUS:
        from parity_quantus import quantus_rows  # noqa: PLC0415 - optional
        from parity_quantus_trust import trust_rows  # noqa: PLC0415

        yield from quantus_rows(pictures)
        yield from trust_rows(pictures)


def metric_lines() -> Iterator[str]:
    """Yield the section of metrics, and what one side has alone."""
    yield METRICS
    if not QUANTUS:
        yield "Quantus was not installed: its rows are missing (`pip install quantus`).\n"
    yield "| metric here | peer | its metric | maps | ours | theirs | difference | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    compared = set()
    for row in metric_rows():
        compared.add(row.metric.partition(":")[0])
        yield str(row)
    yield from alone_lines(compared)


def alone_lines(compared: set[str]) -> Iterator[str]:
    """Yield which metrics only the peers have, and which only we have."""
    yield "\n### Without a counterpart\n"
    if QUANTUS:
        from parity_quantus import unused  # noqa: PLC0415 - optional

        yield f"- Quantus has, and Regionwise has not: {', '.join(f'`{n}`' for n in unused())}."
        yield (
            "  Nearest: `pxap`, a mean of precisions, to `RelevanceRankAccuracy` and"
            " `TopKIntersection`, precisions at one depth; `top2-iou` to `RandomLogit`;"
            " `sanity-check` to `EfficientMPRT` and `SmoothMPRT`. `implementation-invariance` is"
            " another axiom than `InputInvariance`.\n"
        )
    yield (
        "- captum has, and Regionwise has not: `sensitivity_max` and `infidelity`. Its"
        " `sensitivity_max` asks how much a map moves with the picture; `sensitivity` here is the"
        " axiom of Sundararajan et al. 2017.\n"
    )
    yield (
        "- pytorch-grad-cam has, and Regionwise has not: removal at Otsu's threshold"
        ' (`percentile="auto"`), and ARCC, whose parts are here.\n'
    )
    ours = [name for name in metrics if name not in compared]
    yield f"- Regionwise has, and no row above compares: {', '.join(f'`{n}`' for n in ours)}."
