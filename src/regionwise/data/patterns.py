"""Patterns of file names, expanded as a shell does."""

from __future__ import annotations

import glob
import os
from pathlib import Path


def matching(pattern: str) -> set[str]:
    """Return the paths that a pattern matches; ``**`` stands for folders at any depth.

    It follows no links: two of them that lead back up give more paths than can ever be looked at.
    Hidden files and folders match only where the pattern spells out their dot.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        return set(glob.glob(pattern))  # noqa: PTH207 - as a shell
    place = parts.index("**")
    rest = [part for part in parts[place + 1 :] if part != "**"]
    found: set[str] = set()
    for base in matching(str(Path(*parts[:place]))) if place else {""}:
        for folder in _folders_below(base):
            name = str(Path(glob.escape(folder), *rest))
            found |= matching(name) if rest else {folder or "."}
    return found


def _folders_below(base: str) -> list[str]:
    """Return a folder and those in it at any depth, without links and what is hidden."""
    found = []
    for folder, names, _ in os.walk(base or "."):
        names[:] = [name for name in names if not name.startswith(".")]
        found.append(folder)
    return found
