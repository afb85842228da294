"""Rows: one JSON line for each group that is done, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.settings import Settings
from regionwise.files import write_text

Row = dict[str, Any]


class Ledger:
    """The rows of one file, by group; the latest of each group."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows: dict[str, Row] = {row["group"]: row for row in map(json.loads, lines)}

    def done(self, group: str, settings: Settings) -> bool:
        """Whether a group was measured with these settings, and nothing of it was missing."""
        row = self.rows.get(group)
        if row is None or row["settings"] != _as_json(settings.key) or row["absent"]:
            return False
        return not any("missing" in one for one in row["contenders"].values())

    def add(self, row: Row) -> None:
        """Take a row in, in the place of an older one of its group, and write the file."""
        self.rows[row["group"]] = _as_json(row)
        text = "".join(json.dumps(one, allow_nan=False) + "\n" for one in self.rows.values())
        write_text(self.path, text)


def path_of(folder: Path, settings: Settings) -> Path:
    """Return where rows of a device and size lie."""
    return folder / f"{settings.device}{'-quick' if settings.quick else ''}.jsonl"


def _as_json(value: Mapping[str, Any]) -> Row:
    """Return what comes back from a file: tuples are lists there."""
    return json.loads(json.dumps(value, allow_nan=False))
