"""What ``--dry-run`` says before anything is written: passes, seconds, and what takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from regionwise.apps.engine_options import EngineRequest
from regionwise.benchmark.estimate import Estimate, Passes, Stage, doubling

STAGES: Final[Mapping[Stage, str]] = {
    "read": "reading and resizing images",
    "explain": "network and maps",
    "score": "scoring by metrics",
    "draw": "pictures, and compressing",
    "write": "writing files",
}

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_UNIT: Final = (
    "Passes: operations in units of one forward pass of one image; a pass through the end of the"
    " network counts for its share. Backward: those of gradients."
)


@dataclass(frozen=True)
class Line:
    """One kind of work: its name, images, explanations, passes, and on how many it was measured."""

    name: str
    images: int
    explanations: int
    passes: Passes
    measured: int


@dataclass(frozen=True)
class Where:
    """Where was measured: the device that was asked for, the one at hand, and threads."""

    asked: str
    here: str
    engine: EngineRequest

    @property
    def most(self) -> int | None:
        """The number of workers that was asked for, if one was."""
        if self.engine.workers is None:
            return None
        least, most = self.engine.counts()
        return most or least

    @property
    def threads(self) -> int:
        """The threads of a worker."""
        return max(1, int(self.engine.cpus)) if self.engine.ray else torch.get_num_threads()

    @contextmanager
    def as_a_worker(self) -> Iterator[None]:
        """Take as many threads as a worker has."""
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(self.threads)
            yield
        finally:
            torch.set_num_threads(before)

    def said(self, took: float) -> list[str]:
        """Say on what was measured, and what is taken for granted."""
        device = self.asked
        if self.here != self.asked:
            device = f"{self.here}, for want of {self.asked} here: it says nothing of that"
        counted = f"{self.threads} thread{'s' * (self.threads != 1)}"
        assumed = (
            f"Assumed: every worker has a device and {counted} like these for itself"
            f" (this machine has {os.cpu_count()} cores); images and storage as those measured."
            " More than one worker: --engine ray --workers N."
        )
        return [f"Measured here on {device}, {counted}, in {lasting(took)}.", _UNIT, assumed]


def print_estimate(lines: Sequence[Line], more: Passes, estimate: Estimate, where: Where) -> None:
    """Print passes, what takes how long, and how long so many workers take."""
    console = Console(highlight=False)
    console.print(_passes_table(lines, more))
    console.print(_stages_table(estimate))
    console.print(_workers_table(estimate, where.most))
    plain(f"Files: about {volume(estimate.size)}.")


def _passes_table(lines: Sequence[Line], more: Passes) -> Table:
    heads = ("images", "explanations", "forward", "backward", "sample")
    table = _table("Passes of the network", "", *heads)
    total = more
    for line in lines:
        total = total.plus(line.passes)
        counts = (f"{line.images:,}", f"{line.explanations:,}")
        table.add_row(line.name, *counts, *_passes(line.passes), images_of(line.measured))
    if more.forward:
        table.add_row("cost of each method", "", "", *_passes(more), "")
    explanations = sum(line.explanations for line in lines)
    table.add_row("together", "", f"{explanations:,}", *_passes(total), "", style="bold")
    return table


def _stages_table(estimate: Estimate) -> Table:
    table = _table("Where the time goes", "", "one worker", "share")
    seconds = {STAGES[stage]: found for stage, found in estimate.stages.items()}
    seconds |= {name: found for name, found in estimate.alone.items() if found}
    total = sum(seconds.values()) or 1.0
    longest = max(seconds.values(), default=0.0)
    for name, found in seconds.items():
        most = found == longest
        note = "  the bottleneck" if most else ""
        table.add_row(f"{name}{note}", lasting(found), f"{found / total:.0%}", style=_bold(most))
    return table


def _workers_table(estimate: Estimate, asked: int | None) -> Table:
    table = _table("How long", "workers", "takes", "busy", "device hours", "limited by")
    spread = estimate.spread
    for count in doubling(len(estimate.parts), asked):
        wall = estimate.wall(count)
        held = wall.seconds * count
        table.add_row(
            f"{count}",
            between(wall.seconds, spread),
            f"{wall.busy:.0%}",
            between(held, spread, unit=_HOUR),
            wall.limit or "the work itself",
            style=_bold(count == asked),
        )
    return table


def lasting(seconds: float) -> str:
    """Return seconds in the unit that suits them, with two digits."""
    for name, unit in (("days", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= 1.5 * unit:
            return f"{_two(seconds / unit)} {name}"
    return f"{_two(seconds)} s"


def between(seconds: float, spread: float, unit: float | None = None) -> str:
    """Return from where to where a time lies that is known to a share of ``spread``."""
    low, high = seconds / (1 + spread), seconds * (1 + spread)
    if unit is not None:
        return f"{_two(low / unit)} to {_two(high / unit)}"
    return f"{lasting(low)} to {lasting(high)}"


def volume(size: float) -> str:
    """Return bytes in the unit that suits them, with two digits."""
    for name, unit in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= unit:
            return f"{_two(size / unit)} {name}"
    return f"{_two(size / 1e3)} kB"


def images_of(count: int) -> str:
    """Return a number of images in words."""
    return f"{count:,} image{'s' * (count != 1)}"


def plain(*lines: str) -> None:
    """Print lines as they are."""
    for line in lines:
        typer.echo(line)


def _two(value: float) -> str:
    """Return a number with two digits, and no more noughts than it takes."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _passes(passes: Passes) -> tuple[str, str]:
    return tuple(_count(number) for number in (passes.forward, passes.backward))  # type: ignore[return-value]


def _count(number: float) -> str:
    if 0 < number < 0.1:
        return "< 0.1"
    return f"{number:,.0f}" if number >= 10 or not number else f"{number:.1f}"


def _bold(yes: bool) -> str:  # noqa: FBT001 - a style
    return "bold" if yes else ""


def _table(title: str, *heads: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left"
    )
    table.add_column(heads[0])
    for head in heads[1:]:
        table.add_column(head, justify="right")
    return table
