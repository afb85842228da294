"""The folder of a benchmark: rows chunk by chunk, whole or not at all. The listing is the ledger.

::

    DIR/
      plan.json              what is benchmarked; a folder takes one plan
      protocols.json         what the protocol ids in the rows stand for
      rows/CHUNK.parquet     the rows of a chunk that is done
      cost/CHUNK.parquet     what each method costs alone
      summary.csv, ...       made of the rows, again after every run
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from regionwise.benchmark.plan import Chunk, Plan
from regionwise.errors import DataError, OutputError
from regionwise.files import replacing, write_json

if TYPE_CHECKING:
    import pyarrow as pa

PLAN: Final = "plan.json"
PROTOCOLS: Final = "protocols.json"
ROWS: Final = "rows"
COST: Final = "cost"


def begin(folder: Path, plan: Plan, protocols: dict[str, Any]) -> None:
    """Write the plan into a folder, unless it holds rows of another one.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    path = folder / PLAN
    if path.exists():
        old = read_plan(folder)
        if old.get("hash") != plan.hash:
            raise OutputError(
                f"{str(folder)!r} holds another benchmark ({_difference(old, plan)});"
                " choose another --out"
            )
        protocols = {**read_protocols(folder), **protocols}
    elif folder.is_dir() and any(not p.name.endswith(".lock") for p in folder.iterdir()):
        raise OutputError(
            f"the folder {str(folder)!r} is not empty, and no benchmark; choose another --out"
        )
    write_json(folder / PROTOCOLS, protocols)
    write_json(path, plan.to_json())


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what a folder says of its plan.

    Raises:
        DataError: it has none, or a damaged one.
    """
    found = _read(folder / PLAN)
    if found.get("kind") != "regionwise-benchmark":
        raise DataError(f"{str(folder / PLAN)!r} is not the plan of a benchmark")
    return found


def read_protocols(folder: Path) -> dict[str, Any]:
    """Return what the protocol ids in the rows of a folder stand for.

    Raises:
        DataError: it does not say, or the file is damaged.
    """
    return _read(folder / PROTOCOLS)


def finished(folder: Path, kind: str = ROWS) -> frozenset[str]:
    """Return the ids of the chunks that are done: the files that are there under their names."""
    place = folder / kind
    if not place.is_dir():
        return frozenset()
    return frozenset(p.stem for p in place.glob("*.parquet") if not p.name.startswith("."))


def remaining(folder: Path, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return the chunks that are not done, in their order."""
    done = finished(folder)
    return [chunk for chunk in chunks if chunk.id not in done]


def write_rows(folder: Path, chunk_id: str, rows: pa.Table, kind: str = ROWS) -> None:
    """Write the rows of a chunk, to a temporary name that is renamed at the end.

    Raises:
        OutputError: they cannot be written; nothing is left behind.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - the extra

    with replacing(folder / kind / f"{chunk_id}.parquet") as temporary:
        pq.write_table(rows, temporary, compression="zstd")


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written.

    Raises:
        OutputError: it cannot be removed.
    """
    for place in (folder, folder / ROWS, folder / COST):
        for path in place.glob(".*.parquet") if place.is_dir() else ():
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot remove {str(path)!r}: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{str(path.parent)!r} is no benchmark: {path.name} cannot be read"
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{str(path)!r} is damaged: it must hold names and values")
    return found


def _difference(old: dict[str, Any], plan: Plan) -> str:
    new = plan.to_json()
    if old.get("data") != new["data"]:
        return "of other data"
    models = [[(m["source"], m["hash"]) for m in one["models"]] for one in (old, new)]
    if models[0] != models[1]:
        return "of other models"
    if old.get("judges") != new["judges"]:
        return "by other judges"
    if old["recipe"].get("seed") != new["recipe"]["seed"]:
        return "of another seed"
    return "of another version"
