"""A progress bar on standard error, where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """How a long run tells where it is.

    Attributes:
        advance: some more are done.
        say: one line for people, on standard error.
    """

    advance: Callable[[int], None]
    say: Callable[[str], None]


OpenProgress: TypeAlias = Callable[[int], AbstractContextManager[Progress]]
"""Opens a progress bar for a number of things."""


def progress_bar(label: str) -> OpenProgress:
    """Return what opens a bar called ``label``; without a terminal it only passes lines on."""

    @contextmanager
    def opened(total: int) -> Iterator[Progress]:
        if not sys.stderr.isatty():
            yield Progress(advance=lambda _: None, say=_say_plainly)
            return
        from rich.console import Console  # noqa: PLC0415 - help shall answer at once
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        console = Console(stderr=True, highlight=False)
        with RichProgress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(label, total=total)
            yield Progress(
                advance=lambda count: bar.advance(task, count),
                say=lambda line: console.print(line, markup=False, soft_wrap=True),
            )

    return opened


def _say_plainly(line: str) -> None:
    sys.stderr.write(f"{line}\n")
