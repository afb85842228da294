"""The folder of a benchmark: rows chunk by chunk, whole or not at all. The listing is the ledger.

It lies on this machine or behind a URI.

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
from typing import TYPE_CHECKING, Any, Final

from regionwise.benchmark.plan import Chunk, Plan
from regionwise.benchmark.plan_reading import check_plan, check_protocols
from regionwise.errors import DataError, OutputError
from regionwise.files import as_json
from regionwise.files import sweep as sweep_folder
from regionwise.lock import LOCK
from regionwise.places import Place, PlaceLike, as_place

if TYPE_CHECKING:
    import pyarrow as pa

PLAN: Final = "plan.json"
PROTOCOLS: Final = "protocols.json"
ROWS: Final = "rows"
COST: Final = "cost"

_SUFFIX: Final = ".parquet"


def begin(folder: PlaceLike, plan: Plan, protocols: dict[str, Any]) -> None:
    """Write the plan into a folder, unless it holds rows of another one.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    place = as_place(folder)
    written = place.read(PLAN)
    if written is not None:
        old = _checked_plan(_parsed(written, place, PLAN), place)
        if old.get("hash") != plan.hash:
            raise OutputError(
                f"{str(place)!r} holds another benchmark ({_difference(old, plan)});"
                " choose another --out"
            )
        protocols = {**_parsed(place.read(PROTOCOLS), place, PROTOCOLS), **protocols}
    elif place.names() - {LOCK, PROTOCOLS}:  # a run may have been killed between the two
        raise OutputError(
            f"the folder {str(place)!r} is not empty, and no benchmark; choose another --out"
        )
    place.write(PROTOCOLS, as_json(protocols))
    place.write(PLAN, as_json(plan.to_json()))


def read_plan(folder: PlaceLike) -> dict[str, Any]:
    """Return what a folder says of its plan.

    Raises:
        DataError: it has none, or a damaged one.
    """
    place = as_place(folder)
    return _checked_plan(_read(place, PLAN), place)


def read_protocols(folder: PlaceLike) -> dict[str, Any]:
    """Return what the protocol ids in the rows of a folder stand for.

    Raises:
        DataError: it does not say, or the file is damaged.
    """
    place = as_place(folder)
    found = _read(place, PROTOCOLS)
    check_protocols(found, f"{place}/{PROTOCOLS}")
    return found


def finished(folder: PlaceLike, kind: str = ROWS) -> frozenset[str]:
    """Return the ids of the chunks that are done: the files that are there under their names."""
    names = as_place(folder).names(kind)
    return frozenset(n.removesuffix(_SUFFIX) for n in names if n.endswith(_SUFFIX))


def remaining(folder: PlaceLike, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return the chunks that are not done, in their order."""
    done = finished(folder)
    return [chunk for chunk in chunks if chunk.id not in done]


def rows_file(chunk_id: str, rows: pa.Table, kind: str = ROWS) -> tuple[str, bytes]:
    """Return the file of a chunk: its name in the folder, and its content."""
    import pyarrow as pa  # noqa: PLC0415 - the extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", write_page_checksum=True, write_statistics=False)
    return f"{kind}/{chunk_id}{_SUFFIX}", sink.getvalue().to_pybytes()


def sweep(folder: PlaceLike) -> None:
    """Remove what a killed process left half written; an object store keeps no such thing.

    Raises:
        OutputError: it cannot be removed.
    """
    home = as_place(folder).local
    for place in () if home is None else (home, home / ROWS, home / COST):
        sweep_folder(place)


def _read(place: Place, name: str) -> dict[str, Any]:
    try:
        return _parsed(place.read(name), place, name)
    except OutputError as error:
        raise DataError(str(error)) from error


def _parsed(content: bytes | None, place: Place, name: str) -> dict[str, Any]:
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(place)!r} is no benchmark: {name} cannot be read") from error
    if not isinstance(found, dict):
        raise DataError(f"{f'{place}/{name}'!r} is damaged: it must hold names and values")
    return found


def _checked_plan(found: dict[str, Any], place: Place) -> dict[str, Any]:
    if found.get("kind") != "regionwise-benchmark":
        raise DataError(f"{f'{place}/{PLAN}'!r} is not the plan of a benchmark")
    check_plan(found, f"{place}/{PLAN}")
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
