"""A line chart as SVG that stands inside a page."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Final

COLOURS: Final = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"),
    *("#000000", "#dd8452", "#55a868", "#8172b3", "#937860", "#64b5cd"),
)
"""Paul Tol's bright colours, then others; dashes tell the second dozen from the first."""

GREYS: Final = ("#e2e2e2", "#c9c9c9")
"""Of bands, which lie below the lines."""

WIDTH, HEIGHT = 460, 300
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 46, 12, 396, 236


def line_chart(
    levels: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    across: str,
    up: str,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> str:
    """Return an SVG of lines over ``levels``, with a legend in HTML behind it.

    Values that are not finite are left out; the axis reaches from 0, or below, to the largest.
    ``bands`` lie below the lines, each in a grey of its own from a lower to an upper edge; theirs
    must be finite.
    """
    bands = bands or {}
    edges = [edge for band in bands.values() for edge in band]
    known = [v for line in (*lines.values(), *edges) for v in line if math.isfinite(v)]
    low, high = min(0.0, *known, 0.0), max(known, default=1.0)
    high = high if high > low else low + 1.0
    first, last = levels[0], levels[-1] if levels[-1] > levels[0] else levels[0] + 1.0

    def place(level: float, value: float) -> str:
        x = LEFT + PLOT_WIDTH * (level - first) / (last - first)
        y = TOP + PLOT_HEIGHT * (1 - (value - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    parts = []
    for index, (below, above) in enumerate(bands.values()):
        there = [place(level, value) for level, value in zip(levels, below, strict=True)]
        back = [place(level, value) for level, value in zip(levels, above, strict=True)]
        points = " ".join([*there, *reversed(back)])
        parts.append(f'<polygon points="{points}" fill="{GREYS[index % len(GREYS)]}"/>')
    parts += [_axes(first, last, low, high), _names(across, up)]
    for index, line in enumerate(lines.values()):
        points = " ".join(
            place(level, value)
            for level, value in zip(levels, line, strict=True)
            if math.isfinite(value)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke-width="1.6"'
            f' stroke="{colour(index)}"{dash(index)}/>'
        )
    label = html.escape(f"{up} over {across}")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
        + _legend(list(lines), list(bands))
    )


def colour(index: int) -> str:
    """Return the colour of a line."""
    return COLOURS[index % len(COLOURS)]


def dash(index: int) -> str:
    """Return how a line is dashed; the first dozen is not."""
    return ' stroke-dasharray="5 3"' if (index // len(COLOURS)) % 2 else ""


def _axes(first: float, last: float, low: float, high: float) -> str:
    bottom, right = TOP + PLOT_HEIGHT, LEFT + PLOT_WIDTH
    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#999"/>']
    for share in (0.0, 0.5, 1.0):
        x, y = LEFT + share * PLOT_WIDTH, bottom - share * PLOT_HEIGHT
        across, up = first + share * (last - first), low + share * (high - low)
        parts.append(
            f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{across:.3g}</text>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{up:.3g}</text>')
    return "".join(parts)


def _names(across: str, up: str) -> str:
    x, y = LEFT + PLOT_WIDTH / 2, HEIGHT - 14
    return (
        f'<text x="{x:.0f}" y="{y}" text-anchor="middle">{html.escape(across)}</text>'
        f'<text x="{LEFT + 6}" y="{TOP + 8}">{html.escape(up)}</text>'
    )


def _legend(names: Sequence[str], bands: Sequence[str]) -> str:
    items = [
        f'<span><svg viewBox="0 0 20 8" class="key"><path d="M0 4H20" stroke-width="8"'
        f' stroke="{GREYS[index % len(GREYS)]}"/></svg>{html.escape(name)}</span>'
        for index, name in enumerate(bands)
    ]
    items += [
        f'<span><svg viewBox="0 0 20 8" class="key"><path d="M0 4H20" stroke-width="2.4"'
        f' stroke="{colour(index)}"{dash(index)}/></svg>{html.escape(name)}</span>'
        for index, name in enumerate(names)
    ]
    return f'<p class="legend">{"".join(items)}</p>'
