"""What is kept of a batch of images: a folder each, or all in one file, tar or Parquet."""

from __future__ import annotations

import importlib.util
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np

from regionwise.attribution.showing import arrays_of, file_stem, panel_of
from regionwise.errors import SettingError, nearest
from regionwise.pictures.encoding import encode_png
from regionwise.report.gallery import Explained, image_files

FILES, WEBDATASET, PARQUET = "files", "webdataset", "parquet"
FORMATS: Final = (FILES, WEBDATASET, PARQUET)

SHARDS: Final = "shards"
"""The folder of the files that hold several images."""

SHARDED: Final = {WEBDATASET: ".tar", PARQUET: ".parquet"}
"""The formats that use it, and how the files end."""


@dataclass(frozen=True, eq=False)
class Kept:
    """An image, as it is kept: the name of its results, what is told of it, and its maps."""

    folder: str
    record: Mapping[str, Any]
    explained: Explained


def check_format(name: str) -> None:
    """Refuse a format that does not exist, or whose packages are missing.

    Raises:
        SettingError: says which there are, or what to install.
    """
    if name not in FORMATS:
        raise SettingError(f"there is no format {name!r}: {nearest(name, FORMATS)}")
    if name == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise SettingError(
            "format 'parquet' needs pyarrow; install with: pip install 'regionwise[benchmark]'"
        )


@dataclass(frozen=True)
class Form:
    """How results are kept.

    Attributes:
        name: ``files``: a folder for each image, with METHOD.npz and METHOD.png. ``webdataset``: a
            tar for each batch in which an image is a sample KEY.METHOD.npz, KEY.METHOD.png,
            KEY.json. ``parquet``: a table for each batch with a row for each image and method.
        pictures: whether there are overlays.
    """

    name: str = FILES
    pictures: bool = True

    def shard(self, number: int) -> str | None:
        """Return the file that holds all of a batch; ``None`` where each image has its own."""
        ending = SHARDED.get(self.name)
        return f"{SHARDS}/{number:07d}{ending}" if ending else None

    def names(self, explained: Explained, folder: str, number: int) -> list[str]:
        """Return the files in which an image of a batch is kept."""
        shard = self.shard(number)
        endings = (".png", ".npz") if self.pictures else (".npz",)
        own = [f"{file_stem(m)}{ending}" for m in explained.attributions for ending in endings]
        return [shard] if shard else [f"{folder}/{name}" for name in own]

    def files(self, kept: Sequence[Kept], number: int) -> dict[str, dict[str, bytes]]:
        """Return the files of a batch by folder; a shard has the same bytes for the same images."""
        shard = self.shard(number)
        if shard is None:
            return {one.folder: image_files(one.explained, pictures=self.pictures) for one in kept}
        folder, _, name = shard.partition("/")
        made = _tar if self.name == WEBDATASET else _table
        return {folder: {name: made(kept, pictures=self.pictures)}} if kept else {}


def _tar(kept: Sequence[Kept], *, pictures: bool) -> bytes:
    buffer = BytesIO()
    taken: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for one in kept:
            key = _key(one.folder, taken)
            for name, content in image_files(one.explained, pictures=pictures).items():
                _add(tar, f"{key}.{name}", content)
            _add(tar, f"{key}.json", json.dumps(one.record, ensure_ascii=False).encode())
    return buffer.getvalue()


def _key(folder: str, taken: set[str]) -> str:
    """Return a key without dots: a sample's files are those that are alike up to the first dot."""
    key = plain = folder.replace(".", "_")
    while key in taken:
        key = f"{plain}-{len(taken)}"
    taken.add(key)
    return key


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of no time and nobody
    member.size = len(content)
    tar.addfile(member, BytesIO(content))


def _table(kept: Sequence[Kept], *, pictures: bool) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - the extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = [row for one in kept for row in _rows(one, pictures=pictures)]
    buffer = BytesIO()
    table = pa.Table.from_pylist(rows, schema=_schema(pa))
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _schema(pa: Any) -> Any:
    """Return the columns; the picture as Hugging Face keeps images, the saliency row by row."""
    number, text = pa.float64(), pa.string()
    target = {"name": text, "index": pa.int64(), "score": number, "probability": number}
    return pa.schema(
        {
            "image": text,
            "source": text,
            "method": text,
            "predicted": text,
            "predicted_probability": number,
            "targets": pa.list_(pa.struct(list(target.items()))),
            "flags": pa.list_(pa.list_(text)),
            "map": pa.list_(pa.float32()),
            "map_shape": pa.list_(pa.int32()),
            "saliency": pa.list_(pa.float32()),
            "saliency_shape": pa.list_(pa.int32()),
            "picture": pa.struct([("bytes", pa.binary()), ("path", text)]),
        }
    )


def _rows(one: Kept, *, pictures: bool) -> list[dict[str, Any]]:
    """Return a row for each method; arrays are flat, in the order of rows, with their shapes."""
    found = []
    for method, attribution in one.explained.attributions.items():
        arrays = arrays_of(attribution, 0)
        row = {
            "image": one.folder,
            "source": one.record["source"],
            "method": method,
            "predicted": one.record["predicted"]["name"],
            "predicted_probability": one.record["predicted"]["probability"],
            "targets": one.record["targets"],
            "flags": [list(reasons) for reasons in attribution.flags[0]],
            "picture": None,
        }
        if pictures:
            overlay = encode_png(panel_of(attribution, 0, one.explained.image))
            row["picture"] = {"bytes": overlay, "path": f"{file_stem(method)}.png"}
        for name in ("map", "saliency"):
            row[name] = arrays[name].astype(np.float32).ravel()
            row[f"{name}_shape"] = arrays[name].shape
        found.append(row)
    return found
