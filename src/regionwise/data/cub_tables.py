"""Text files of numbered lines, as CUB-200-2011 has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from regionwise.errors import DataError
from regionwise.regular import text_of

_DIGITS: Final = 18


@dataclass(frozen=True)
class Table:
    """The lines of a file by the number that each begins with; values are still text."""

    path: Path
    rows: Mapping[int, tuple[str, ...]]

    @classmethod
    def read(cls, path: Path, columns: int, *, like: Table | None = None) -> Table:
        """Read a file of lines with a number and ``columns`` values.

        ``like`` is another table that must have the same numbers; without one they must count from
        1. With one column the value may hold spaces.

        Raises:
            DataError: the file is missing, a line does not fit, or a number is missing or repeated.
        """
        rows: dict[int, tuple[str, ...]] = {}
        for place, line in read_lines(path):
            first, *values = line.split(maxsplit=1) if columns == 1 else line.split()
            if not _is_whole(first) or len(values) != columns:
                message = (
                    f"{str(path)!r}, line {place}, needs a number and {columns} values: {line!r}"
                )
                raise DataError(message)
            if int(first) in rows:
                message = f"{str(path)!r}, line {place}, repeats the number {first}; remove one"
                raise DataError(message)
            rows[int(first)] = tuple(values)
        _check_numbers(path, rows, like)
        return cls(path, dict(sorted(rows.items())))

    def integers(self, low: int, high: int | None) -> dict[int, int]:
        """Return the first value of every line as an integer in ``low``..``high``.

        Raises:
            DataError: one is none, or out of range.
        """
        found = {}
        for number, (text, *_) in self.rows.items():
            fits = _is_whole(text) and low <= int(text) and (high is None or int(text) <= high)
            if not fits:
                allowed = f"{low} to {high}" if high is not None else f"{low} or more"
                message = f"{str(self.path)!r}, number {number}: {text!r} should be {allowed}"
                raise DataError(message)
            found[number] = int(text)
        return found

    def numbers(self) -> dict[int, tuple[float, ...]]:
        """Return the values of every line as numbers.

        Raises:
            DataError: one is none.
        """
        found = {}
        for number, row in self.rows.items():
            try:
                found[number] = tuple(finite(text) for text in row)
            except ValueError as error:
                message = f"{str(self.path)!r}, number {number}: {error}"
                raise DataError(message) from error
        return found

    def names(self) -> tuple[str, ...]:
        """Return the first value of every line.

        Raises:
            DataError: two are the same.
        """
        found: dict[str, int] = {}
        for number, (name, *_) in self.rows.items():
            if name in found:
                raise DataError(
                    f"{str(self.path)!r} has {name!r} as {found[name]} and as {number}; remove one"
                )
            found[name] = number
        return tuple(found)


def _is_whole(text: str) -> bool:
    """Return whether a text is a whole number; ``int`` refuses thousands of digits."""
    return text.isdecimal() and len(text) <= _DIGITS


def finite(text: str) -> float:
    """Return the number that a text is.

    Raises:
        ValueError: it is none, or NaN or infinite.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no finite number")
    return value


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that are not blank, each with its number from 1.

    Raises:
        DataError: the file is missing, empty, or not text.
    """
    try:
        text = text_of(path)
    except FileNotFoundError as error:
        message = f"{str(path)!r} is missing; copy it from the archive or write the data set again"
        raise DataError(message) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"{str(path)!r} cannot be read: {error}"
        raise DataError(message) from error
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        message = f"{str(path)!r} is empty; copy it from the archive or write the data set again"
        raise DataError(message)
    return lines


def _check_numbers(path: Path, rows: Mapping[int, object], like: Table | None) -> None:
    expected = set(like.rows) if like else set(range(1, len(rows) + 1))
    odd = sorted(expected ^ set(rows))
    if odd:
        where = f"those of {like.path.name}" if like else f"1 to {len(rows)}"
        message = f"the numbers in {str(path)!r} are not {where}: {odd[0]} is missing or too many"
        raise DataError(message)
