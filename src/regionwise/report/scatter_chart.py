"""A scatter chart as SVG: a cost on a logarithmic axis, and an answer, better ones further up."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

WIDTH, HEIGHT = 420, 300
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 48, 14, 360, 238
_LETTER, _LINE, _AWAY = 6.0, 12.0, 8.0

FRONT: Final = "#b2182b"
OTHER: Final = "#4477aa"
CONTROL: Final = "#8a8a8a"

_Rect: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class Dot:
    """A point: its name, cost, value with interval (NaN unknown), and what it is."""

    name: str
    cost: float
    value: float
    low: float
    high: float
    front: bool = False
    control: bool = False
    title: str = ""


@dataclass(frozen=True)
class Axes:
    """What the two axes reach from and to; ``up`` is false where small values are drawn on top."""

    costs: tuple[float, float]
    values: tuple[float, float]
    up: bool

    def x(self, cost: float) -> float:
        """Return where a cost lies."""
        first, last = (math.log10(end) for end in self.costs)
        return LEFT + PLOT_WIDTH * (math.log10(cost) - first) / (last - first)

    def y(self, value: float) -> float:
        """Return where a value lies."""
        low, high = self.values
        share = (value - low) / (high - low)
        return TOP + PLOT_HEIGHT * (1 - share if self.up else share)


def axes_of(dots: Sequence[Dot], *, up: bool) -> Axes:
    """Return axes that hold all dots and intervals, with some room."""
    costs = [dot.cost for dot in dots]
    ends = [v for d in dots for v in (d.value, d.low, d.high) if math.isfinite(v)]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return Axes((min(costs) / 1.5, max(costs) * 1.5), (low - room, high + room), up)


def scatter_chart(dots: Sequence[Dot], *, up: bool, label: str) -> tuple[str, list[str]]:
    """Return the SVG, and the names for which there was no room in it.

    Dots of the front are red and joined by steps, controls are grey squares. ``up`` is false where
    small values are better: they are drawn on top.
    """
    axes = axes_of(dots, up=up)
    ordered = sorted(dots, key=lambda dot: (not dot.front, dot.control, dot.cost))
    labels, missing = _labels(ordered, axes)
    parts = [_frame(axes), _steps([d for d in dots if d.front], axes)]
    parts += [_mark(dot, axes) for dot in reversed(ordered)]
    name = html.escape(label)
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
    return f"{head}{''.join(parts)}{labels}</svg>", missing


def ticks(first: float, last: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two costs; only the powers if these are many.

    Two at least, if need be the ends.
    """
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        found = [s * 10.0**p for p in powers for s in steps if first <= s * 10.0**p <= last]
        if len(found) >= 3:
            return found
    return found if len(found) >= 2 else [first, last]


def even_ticks(low: float, high: float) -> list[float]:
    """Return two to seven round numbers between two values."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [number * step for number in range(first, last + 1)]


def _frame(axes: Axes) -> str:
    bottom, right = TOP + PLOT_HEIGHT, LEFT + PLOT_WIDTH
    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#999"/>']
    for cost in ticks(*axes.costs):
        x = axes.x(cost)
        parts.append(f'<path d="M{x:.1f} {TOP}V{bottom + 4}" stroke="#e6e6e6"/>')
        parts.append(_text(x, bottom + 17, f"{cost:.3g}", "middle"))
    heights = [(value, axes.y(value) + 4) for value in even_ticks(*axes.values)]
    parts += [_text(LEFT - 6, y, f"{value:.3g}", "end") for value, y in heights]
    parts.append(_text(LEFT + PLOT_WIDTH / 2, HEIGHT - 10, "seconds an image (log)", "middle"))
    return "".join(parts)


def _steps(front: Sequence[Dot], axes: Axes) -> str:
    """Join the front: up to the next cost, an image is explained no better than so far."""
    ordered = sorted(front, key=lambda dot: dot.cost)
    if not ordered:
        return ""
    path = f"M{axes.x(ordered[0].cost):.1f} {axes.y(ordered[0].value):.1f}"
    for dot in ordered[1:]:
        path += f"H{axes.x(dot.cost):.1f}V{axes.y(dot.value):.1f}"
    path += f"H{LEFT + PLOT_WIDTH}"
    return f'<path d="{path}" fill="none" stroke="{FRONT}" stroke-opacity=".45"/>'


def _mark(dot: Dot, axes: Axes) -> str:
    x, y = axes.x(dot.cost), axes.y(dot.value)
    colour = FRONT if dot.front else CONTROL if dot.control else OTHER
    parts = [f"<title>{html.escape(dot.title or dot.name)}</title>"]
    if math.isfinite(dot.low) and math.isfinite(dot.high):
        span = f"M{x:.1f} {axes.y(dot.low):.1f}V{axes.y(dot.high):.1f}"
        parts.append(f'<path d="{span}" stroke="{colour}" stroke-opacity=".35"/>')
    if dot.control:
        parts.append(
            f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
        )
    else:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
    return f'<g class="dot">{"".join(parts)}</g>'


def _labels(dots: Sequence[Dot], axes: Axes) -> tuple[str, list[str]]:
    """Name dots where their names hide nothing, in the order given; return what has no room."""
    places = [(axes.x(dot.cost), axes.y(dot.value)) for dot in dots]
    taken: list[_Rect] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    parts, missing = [], []
    for dot, (x, y) in zip(dots, places, strict=True):
        free = (spot for spot in _spots(dot.name, x, y) if not _hits(spot[1], taken))
        found = next(free, None)
        if found is None:
            missing.append(dot.name)
            continue
        (left, base, anchor), rect = found
        taken.append(rect)
        parts.append(_text(left, base, dot.name, anchor))
    return "".join(parts), missing


def _spots(name: str, x: float, y: float) -> list[tuple[tuple[float, float, str], _Rect]]:
    """Return where a name may stand around its dot, each place with the room that it takes."""
    long = _LETTER * len(name)
    found = []
    for dx, dy, anchor in (
        (_AWAY, 4.0, "start"),
        (-_AWAY, 4.0, "end"),
        (0.0, -_AWAY, "middle"),
        (0.0, _AWAY + _LINE - 2, "middle"),
        (_AWAY, -_AWAY, "start"),
        (_AWAY, _AWAY + _LINE - 4, "start"),
        (-_AWAY, -_AWAY, "end"),
        (-_AWAY, _AWAY + _LINE - 4, "end"),
    ):
        start = {"start": 0.0, "middle": -long / 2, "end": -long}[anchor]
        left, base = x + dx + start, y + dy
        found.append(((x + dx, base, anchor), (left, base - _LINE + 3, left + long, base + 2)))
    return found


def _hits(rect: _Rect, taken: Sequence[_Rect]) -> bool:
    left, top, right, bottom = rect
    outside = left < LEFT or right > WIDTH or top < 0 or bottom > TOP + PLOT_HEIGHT
    return outside or any(
        left < r and right > one and top < b and bottom > t for one, t, r, b in taken
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
