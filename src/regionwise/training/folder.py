"""The folder of a run: whether it is new, unfinished, finished, or somebody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from regionwise.errors import OutputError, SettingError
from regionwise.files import HALF, sweep, write_json
from regionwise.lock import LOCK
from regionwise.models.runs import KIND
from regionwise.models.weights import read_state
from regionwise.regular import text_of
from regionwise.training.checkpoints import LAST, WEIGHTS

CONFIG: Final = "config.json"
CARD: Final = "card.json"


def finished(folder: Path, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the card if the folder holds this run, finished; nothing is written.

    Raises:
        OutputError: the folder is a file, holds something else, or cannot be read.
        SettingError: it holds a run with other settings; they are named.
        WeightsError: the run is finished, and its weights are lost.
    """
    before = _config_in(folder)
    if before is None:
        return None
    differing = differences(_compared(before), _compared(json.loads(json.dumps(config))))
    if differing and not _is_begun(folder):
        return None
    if differing:
        raise SettingError(
            f"{str(folder)!r} holds a run with other settings: {'; '.join(differing[:5])}"
            f"{f'; and {len(differing) - 5} more' if len(differing) > 5 else ''};"
            " choose another --out, or ask for the same"
        )
    card = read_json(folder / CARD)
    if card is not None:
        read_state(folder / WEIGHTS)
    return card


def enter_folder(folder: Path, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Make the folder ready for a run, and return its card if the run is finished.

    A new or empty folder gets the config, and so does one whose run never came to the end of an
    epoch. One with the same config is gone on with.

    Raises:
        RegionwiseError: as :func:`finished`, or it cannot be written to.
    """
    card = finished(folder, config)
    if card is None:
        sweep(folder)
        write_json(folder / CONFIG, dict(config))
    return card


def _config_in(folder: Path) -> dict[str, Any] | None:
    """Return the config of the run in a folder; None in a new or empty one."""
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{str(folder)!r} is a file, not a folder; choose another --out")
        before = read_json(folder / CONFIG)
        others = [] if before is not None or not folder.exists() else list(folder.iterdir())
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"cannot read the folder {str(folder)!r}: {reason}; choose another --out"
        ) from error
    if any(path.name != LOCK and not path.name.startswith(HALF) for path in others):
        raise OutputError(
            f"the folder {str(folder)!r} is not empty and holds no run; choose another --out"
        )
    if before is not None and before.get("kind") != KIND:
        raise OutputError(
            f"{str(folder / CONFIG)!r} is not of the kind {KIND!r}; choose another --out"
        )
    return before


def _is_begun(folder: Path) -> bool:
    """Whether there is anything that training again would lose."""
    return any((folder / name).exists() for name in (LAST, WEIGHTS, CARD))


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds, None without one.

    Raises:
        OutputError: it cannot be read.
    """
    if not path.exists():
        return None
    try:
        loaded = json.loads(text_of(path))
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"{str(path)!r} cannot be read ({error}); choose another --out"
        ) from error
    if not isinstance(loaded, dict):
        raise OutputError(f"{str(path)!r} holds no run; choose another --out")
    return loaded


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Return every setting that differs, as ``scheme.settings.lr was 0.01, now 0.1``."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*before, *now]))
        return [
            line
            for key in keys
            for line in differences(
                before.get(key, "nothing"), now.get(key, "nothing"), f"{name}.{key}".lstrip(".")
            )
        ]
    if before == now:
        return []
    return [f"{name} was {_short(before)}, now {_short(now)}"]


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what follows from the rest."""
    scheme = {k: v for k, v in dict(config.get("scheme", {})).items() if k != "changed"}
    return {**config, "scheme": scheme}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
