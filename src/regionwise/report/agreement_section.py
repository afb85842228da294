"""How far the methods' maps agree, as a coloured table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from regionwise.benchmark.agreement import Agreement
from regionwise.benchmark.grids import UNDEFINED
from regionwise.benchmark.per_image import is_control
from regionwise.pictures.colour import DIVERGING, colour_table
from regionwise.report.markup import code, of_models, paragraph, section, table, tag

SAME: Final = 0.995
"""Mean rank correlation from which maps are told to be nearly the same; it is shown as 1.00."""


def agreement_section(agreements: Mapping[str, Agreement]) -> str:
    """Return the section, a matrix for each model; nothing without any."""
    blocks = {model: _of_model(one) for model, one in agreements.items()}
    return section("agreement", "Agreement of the maps", of_models(blocks))


def _of_model(one: Agreement) -> str:
    names = [f"<span>{code(name)}</span>" for name in one.methods]
    heads = ["<th></th>", *(tag("th", name, class_="upright", scope="col") for name in names)]
    rows = [
        [
            tag("th", code(name), scope="row"),
            *(_cell(one, row, column) for column in range(len(names))),
        ]
        for row, name in enumerate(one.methods)
    ]
    note = (
        f"Spearman's rank correlation over the pixels of two maps of the predicted class, as the"
        f" metrics see them; mean over the {one.pictures} pictures of the gallery, which were"
        " explained again for it. Methods that are alike stand together (average linkage). Maps"
        " that are constant have no correlation and are left out."
    )
    return _words(one) + table(heads, rows, "matrix") + paragraph(note, "soft")


def _cell(one: Agreement, row: int, column: int) -> str:
    value, count = float(one.mean[row, column]), int(one.counts[row, column])
    title = f"{one.methods[row]} and {one.methods[column]}: {value:.3f}, {count} pictures"
    if math.isnan(value):
        return tag("td", UNDEFINED, title=title)
    red, green, blue = colour_table(DIVERGING, 257)[128 + round(128 * value)].tolist()
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140
    style = f"background:#{red:02x}{green:02x}{blue:02x};color:{'#fff' if dark else '#111'}"
    return tag("td", _shown(value), title=title, style=style)


def _words(one: Agreement) -> str:
    """Say which methods have nearly the same maps, which differ most, and how near controls are."""
    controls = {place for place, name in enumerate(one.methods) if is_control(name)}
    own = [place for place in range(len(one.methods)) if place not in controls]
    pairs = {(a, b): float(one.mean[a, b]) for k, a in enumerate(own) for b in own[:k]}
    known = {pair: value for pair, value in pairs.items() if math.isfinite(value)}
    parts = []
    if groups := _groups(own, known):
        told = "; ".join(", ".join(code(one.methods[p]) for p in group) for group in groups)
        parts.append(f"Nearly the same order of pixels ({SAME} or more): {told}.")
    if known:
        a, b = min(known, key=lambda pair: known[pair])
        least = f"{code(one.methods[a])} and {code(one.methods[b])}, {_shown(known[a, b])}"
        parts.append(f"Least alike, controls aside: {least}.")
    for place in sorted(controls):
        row = [v for p in own if math.isfinite(v := float(one.mean[place, p]))]
        if row:
            span = " to ".join(dict.fromkeys((_shown(min(row)), _shown(max(row)))))
            parts.append(f"The control {code(one.methods[place])}: {span} with the others.")
    return tag("p", " ".join(parts)) if parts else ""


def _groups(own: list[int], known: Mapping[tuple[int, int], float]) -> list[list[int]]:
    """Return runs of neighbours in the matrix that are nearly the same."""
    runs: list[list[int]] = []
    for place in own:
        if runs and known.get((place, runs[-1][-1]), -1.0) >= SAME:
            runs[-1].append(place)
        else:
            runs.append([place])
    return [run for run in runs if len(run) > 1]


def _shown(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"
