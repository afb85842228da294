"""Parquet files with a column of encoded images, as Hugging Face writes them: rows, names, labels.

Of the images only the index is read: which column, and how many rows each row group has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from regionwise.data.stored import LABELS, Index, Labelled, ParquetImage, open_parquet
from regionwise.errors import DataError
from regionwise.uris import is_uri, opened, shown

_IMAGES: Final = ("image", "img", "jpg", "jpeg", "png", "webp", "picture")
_NAMES: Final = ("path", "file_name", "filename", "__key__")


def parquet_index(file: str) -> Index:
    """Return the rows of a file as images, with names and labels where there are columns of them.

    Raises:
        DataError: no column holds images, or several may; or the file contradicts itself.
        OSError, ValueError, SettingError, pyarrow.ArrowException: the file cannot be read.
    """
    with open_parquet(file) as parquet:
        schema = parquet.schema_arrow
        column, names, label = _image_column(schema, file), _name_column(schema), _label_of(schema)
        wanted = [".".join(path) for path in (names, label) if path]
        table = parquet.read(columns=wanted) if wanted else None
        groups = [parquet.metadata.row_group(g).num_rows for g in range(parquet.num_row_groups)]
        size, rows = _size(file), parquet.metadata.num_rows
    _check_rows(file, groups, rows if table is None else len(table), size)
    told, labels = _values(table, names), _values(table, label)
    stem = PurePosixPath(_bare(file)).stem
    images: list[Labelled] = []
    for group, count in enumerate(groups):
        for row in range(count):
            number = len(images)
            key = str((told and told[number]) or f"{stem}-{number:06d}")
            image = ParquetImage(key, file, column, group, row, size)
            images.append(Labelled(image, labels[number] if labels else None))
    return Index(tuple(images), _class_names(schema, label))


def _check_rows(file: str, groups: Sequence[int], rows: int, size: int) -> None:
    """Refuse numbers of rows that contradict each other, or that cannot be.

    Raises:
        DataError: they do; a footer has no checksum.
    """
    if sum(groups) != rows or min(groups, default=0) < 0 or rows > size:
        raise DataError(
            f"{shown(file)!r} is damaged: it claims {rows} rows, and {sum(groups)} in its row"
            f" groups, in {size} bytes; copy or download it again"
        )


def _bare(file: str) -> str:
    return file.partition("?")[0] if is_uri(file) else file


def _values(table: Any, path: Sequence[str]) -> list[Any]:
    if not path:
        return []
    import pyarrow.compute as pc  # noqa: PLC0415 - the extra

    column = table[path[0]]
    values: list[Any] = (pc.struct_field(column, path[1]) if len(path) > 1 else column).to_pylist()
    return values


def _image_column(schema: Any, file: str) -> tuple[str, ...]:
    """Return the column with the images: one of bytes, or with a field ``bytes`` as in ``hf``."""
    found = {field.name: path for field in schema if (path := _bytes_in(field))}
    for name in _IMAGES:
        if name in found:
            return found[name]
    if len(found) != 1:
        there = ", ".join(repr(name) for name in (found or schema.names))
        what = "several columns of bytes" if found else "no column of bytes"
        raise DataError(f"{shown(file)!r} has {what} ({there}); call that of the images 'image'")
    return next(iter(found.values()))


def _bytes_in(field: Any) -> tuple[str, ...]:
    from pyarrow import types  # noqa: PLC0415 - the extra

    kind = field.type
    tests = (types.is_binary, types.is_large_binary, types.is_binary_view)
    if any(is_a(kind) for is_a in tests):
        return (field.name,)
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return (field.name, "bytes")
    return ()


def _name_column(schema: Any) -> tuple[str, ...]:

    for field in schema:
        if _bytes_in(field) == (field.name, "bytes"):
            place = field.type.get_field_index("path")
            if place >= 0 and _is_text(field.type.field(place).type):
                return (field.name, "path")
    texts = {field.name for field in schema if _is_text(field.type)}
    return next(((name,) for name in _NAMES if name in texts), ())


def _label_of(schema: Any) -> tuple[str, ...]:
    """Return the column of labels; numbers that are not whole are refused where labels matter."""
    from pyarrow import types  # noqa: PLC0415 - the extra

    def fits(kind: Any) -> bool:
        if types.is_dictionary(kind):
            return fits(kind.value_type)
        return types.is_integer(kind) or types.is_floating(kind) or _is_text(kind)

    there = {field.name for field in schema if fits(field.type)}
    return next(((name,) for name in LABELS if name in there), ())


def _is_text(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - the extra

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _class_names(schema: Any, label: Sequence[str]) -> tuple[str, ...]:
    """Return the names that Hugging Face writes beside a schema."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = told["info"]["features"][label[0]]["names"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ()
    fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if fits else ()


def _size(file: str) -> int:
    if not is_uri(file):
        return Path(file).stat().st_size
    system, path = opened(file)
    return int(system.get_file_info(path).size or 0)
