"""What is kept of every epoch: a table, and a plot of both heads' accuracy (CAPE, Figure 4)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from regionwise.files import replacing, write_text

METRICS: Final = "metrics.csv"
CURVES: Final = "curves.png"

Row = Mapping[str, float]

_COLOURS: Final = {"accuracy": "#0b6fa4", "vanilla_accuracy": "#c26a00"}
_LABELS: Final = {"accuracy": "head", "vanilla_accuracy": "vanilla head"}


def write_metrics(rows: Sequence[Row], path: Path) -> None:
    """Write one line for each epoch, columns in the order in which they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    held = io.StringIO()
    writer = csv.DictWriter(held, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, held.getvalue())


def write_curves(rows: Sequence[Row], path: Path, *, title: str) -> None:
    """Plot loss and accuracy over the epochs, in training (dotted) and validation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for part, style in (("train", ":"), ("validation", "-")):
        _draw(left, epochs, [row.get(f"{part}_loss") for row in rows], style, "#444444", part)
        for name, colour in _COLOURS.items():
            values = [row.get(f"{part}_{name}") for row in rows]
            _draw(right, epochs, values, style, colour, f"{_LABELS[name]}, {part}")
    for axes, name in ((left, "loss"), (right, "accuracy")):
        axes.set_xlabel("epoch")
        axes.set_title(name, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        axes.xaxis.get_major_locator().set_params(integer=True)
    right.set_ylim(-0.02, 1.02)
    figure.suptitle(title, fontsize=10)
    with replacing(path) as temporary:
        held = io.BytesIO()
        figure.savefig(held, format="png", dpi=120)
        temporary.write_bytes(held.getvalue())


def _draw(
    axes: Any, epochs: list[float], values: list[float | None], style: str, *look: str
) -> None:
    if all(value is None for value in values):
        return
    colour, label = look
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, values, style, color=colour, label=label, marker=marker)
