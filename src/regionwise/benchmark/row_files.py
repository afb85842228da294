"""Files of rows, looked at before they are believed: whole, unaltered, and of the right columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regionwise.benchmark.rows import KEY, schema_of_rows
from regionwise.errors import DataError
from regionwise.regular import bytes_of

_NEVER_EMPTY = frozenset(KEY) - {"level"}


def check_rows(files: Iterable[Path]) -> None:
    """Refuse files that are damaged or hold something else; every checksum in them is compared.

    Raises:
        DataError: names the file, and says what to do.
    """
    import pyarrow as pa  # noqa: PLC0415 - the extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    for path in files:
        try:
            content = pa.BufferReader(bytes_of(path))
            table = pq.ParquetFile(content, page_checksum_verification=True).read()
            table.validate(full=True)
            said = _oddity(table, schema_of_rows(pa))
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
        if said:
            raise DataError(
                f"{str(path)!r} is damaged ({said}); remove it and run the same command"
            )


def _oddity(table: Any, schema: Any) -> str:
    """Return what is wrong with the columns; empty if nothing is."""
    for field in schema:
        if field.name not in table.column_names:
            return f"it has no column {field.name!r}"
        kind = table.schema.field(field.name).type
        if _plain(kind) != _plain(field.type):
            return f"its column {field.name!r} holds {_plain(kind)}"
        if field.name in _NEVER_EMPTY and table[field.name].null_count:
            return f"its column {field.name!r} has gaps"
    return ""


def _plain(kind: Any) -> str:
    """Return the type of a column's values, whether they are stored once each or not."""
    return str(getattr(kind, "value_type", kind))
