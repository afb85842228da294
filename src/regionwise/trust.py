"""Whose code runs: what the user names, and nothing that only a file names.

``file.py:factory`` runs where the user writes it, on the command line or in a call. The
configuration of a run, a recipe, and the plan of a benchmark are data, and may come from anywhere:
what they name runs only if the user names that file too, by ``regionwise --trust file.py ...``,
:func:`trust`, or the variable ``REGIONWISE_TRUST``. Packages that are installed are trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from regionwise.errors import SettingError

VARIABLE: Final = "REGIONWISE_TRUST"
"""Files, apart by the system's separator of paths; processes that are started inherit it."""


def trust(*files: str | Path) -> None:
    """Let what runs, recipes and plans name in these files run, in this process and its children.

    Raises:
        SettingError: there is no such file.
    """
    for file in files:
        if not Path(file).is_file():
            raise SettingError(f"there is no file {str(file)!r} to trust")
    if not files:
        return
    named = [*_trusted(), *(str(Path(file).resolve()) for file in files)]
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(named))


def file_of(source: str) -> Path | None:
    """Return the file of code that a model's source names, None if it names something else."""
    path = source.rpartition(":")[0]
    return Path(path) if path.endswith(".py") else None


def check_named(files: Iterable[Path], where: str) -> None:
    """Refuse files of code that only another file names.

    Args:
        files: the files of code.
        where: what names them, for people.

    Raises:
        SettingError: one is not trusted; says how to.
    """
    for file in files:
        if str(file.resolve()) not in _trusted():
            raise SettingError(
                f"{where} names code in {str(file)!r}, which runs only if you name it too; if you"
                f" trust it: regionwise --trust {file} ..."
            )


def _trusted() -> list[str]:
    return [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]
