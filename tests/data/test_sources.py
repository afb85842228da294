"""Images that are no files of this machine: the same pictures, names and labels by any way."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from regionwise.benchmark.samples import read_benchmark_data
from regionwise.data.images import open_image
from regionwise.data.sources import archives_of, find_sources, unfolded
from regionwise.errors import DataError, ImageError, SettingError
from regionwise.uris import below, opened

NAMES = ("finch/a.png", "finch/b.png", "wren/a.png", "wren/c.png")
LABELS = (0, 0, 1, 1)


def encoded(seed: int) -> bytes:
    """Return a picture that tells which one it is."""
    stream = io.BytesIO()
    Image.fromarray(np.full((9, 8, 3), seed, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def seeds(sources) -> list[int]:
    """Return which pictures these are."""
    return [open_image(one).getpixel((0, 0))[0] for one in sources]


def write_folder(home: Path) -> Path:
    """Write the four pictures into folders of classes."""
    for seed, name in enumerate(NAMES):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed))
    return home


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    """Write a tar archive."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def shards(home: Path) -> Path:
    """Write two WebDataset shards; keys begin anew in each, and there are masks and captions."""
    home.mkdir()
    for shard, (first, ends) in enumerate(((0, ("cls", "json")), (2, ("cls", "cls")))):
        members = {}
        for number, end in enumerate(ends):
            label = LABELS[first + number]
            told = str(label) if end == "cls" else json.dumps({"label": label, "text": "x"})
            members[f"{number:03d}.png"] = encoded(first + number)
            members[f"{number:03d}.mask.png"] = encoded(99)
            members[f"{number:03d}.{end}"] = told.encode()
        write_tar(home / f"shard-{shard:02d}.tar", members)
    return home


def parquet(path: Path, *, group: int = 2, **columns) -> Path:
    """Write the four pictures as Hugging Face does, with names of classes in the schema."""
    rows = [{"bytes": encoded(seed), "path": name} for seed, name in enumerate(NAMES)]
    table = pa.table({"image": rows, "label": list(LABELS), **columns})
    classes = {"info": {"features": {"label": {"names": ["finch", "wren"], "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(classes)})
    pq.write_table(table, path, row_group_size=group)
    return path


def uploaded(home: Path, uri: str) -> str:
    """Copy a folder into a bucket."""
    for path in sorted(p for p in home.rglob("*") if p.is_file()):
        system, inside = opened(below(uri, path.relative_to(home).as_posix()))
        with system.open_output_stream(inside) as stream:
            stream.write(path.read_bytes())
    return uri


@pytest.mark.parametrize("where", ["here", "s3"])
@pytest.mark.parametrize("kind", ["folder", "tar", "parquet"])
def test_the_same_pictures_by_any_way(tmp_path, kind, where, request):
    home = tmp_path / "data"
    if kind == "folder":
        write_folder(home)
    elif kind == "tar":
        shards(home)
    else:
        home.mkdir()
        parquet(home / "test-0.parquet")
    place = str(home)
    if where == "s3":
        place = uploaded(home, below(request.getfixturevalue("bucket"), "some"))
    assert seeds(find_sources(place)) == [0, 1, 2, 3]
    data = read_benchmark_data({"tar": "webdataset"}.get(kind, kind) + f":{place}")
    assert seeds([p.path for p in data.pictures]) == [0, 1, 2, 3]
    assert tuple(p.label for p in data.pictures) == LABELS
    assert data.class_names == (("0", "1") if kind == "tar" else ("finch", "wren"))
    assert len({p.name for p in data.pictures}) == 4
    assert "secret" not in repr(data.source) + "".join(str(p.path) for p in data.pictures)
    assert data.fingerprint() == data.fingerprint()
    assert data.knows() == frozenset()


def test_patterns_braces_and_single_files(tmp_path, bucket):
    home = shards(tmp_path / "data")
    braces, stars = f"{home}/shard-{{00..01}}.tar", f"{home}/*.tar"
    assert seeds(find_sources(braces)) == seeds(find_sources(stars)) == [0, 1, 2, 3]
    assert seeds(find_sources(f"{home}/shard-01.tar")) == [2, 3]
    remote = uploaded(home, below(bucket, "some"))
    assert seeds(find_sources(below(remote, "shard-{00..01}.tar"))) == [0, 1, 2, 3]
    assert seeds(find_sources(below(remote, "*.tar"))) == [0, 1, 2, 3]
    uploaded(write_folder(tmp_path / "pics"), below(bucket, "pics"))
    assert seeds(find_sources(below(bucket, "pics/wren/c.png"))) == [3]
    assert seeds(find_sources(below(bucket, "pics/*/a.png"))) == [0, 2]
    assert unfolded("a{1..3}{x,y}") == ["a1x", "a1y", "a2x", "a2y", "a3x", "a3y"]
    with pytest.raises(SettingError, match="more than 100,000"):
        unfolded("{0..200000}.tar")


def test_keys_that_come_twice_get_their_archive_in_front(tmp_path):
    home = shards(tmp_path / "data")
    keys = [one.key for one in find_sources(str(home))]
    assert keys == ["shard-00/000.png", "shard-00/001.png", "shard-01/000.png", "shard-01/001.png"]
    assert [one.key for one in find_sources(f"{home}/shard-00.tar")] == ["000.png", "001.png"]
    (home / "deep").mkdir()
    (home / "shard-00.tar").rename(home / "deep" / "shard-01.tar")
    with pytest.raises(DataError, match="have the same name"):
        read_benchmark_data(f"webdataset:{home}")


def test_a_row_group_is_read_once(tmp_path, monkeypatch):
    file = parquet(tmp_path / "x.parquet")
    reads = []
    real = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda s, g, **k: reads.append(g) or real(s, g, **k)
    )
    assert seeds(find_sources(str(file))) == [0, 1, 2, 3]
    assert reads == [0, 1]


def test_columns_of_parquet(tmp_path):
    plain = tmp_path / "plain.parquet"
    content = [encoded(seed) for seed in range(3)]
    pq.write_table(pa.table({"png": content, "cls": ["wren", "finch", "wren"]}), plain)
    data = read_benchmark_data(f"parquet:{plain}")
    assert data.class_names == ("finch", "wren")
    assert [p.label for p in data.pictures] == [1, 0, 1]
    assert [p.name for p in data.pictures] == [f"plain-{n:06d}" for n in range(3)]
    pq.write_table(pa.table({"one": content, "two": content}), plain)
    with pytest.raises(DataError, match=r"several columns of bytes \('one', 'two'\)"):
        find_sources(str(plain))
    pq.write_table(pa.table({"one": [1, 2]}), plain)
    with pytest.raises(DataError, match=r"no column of bytes \('one'\)"):
        find_sources(str(plain))


def test_an_image_that_is_broken_is_told_by_its_place(tmp_path):
    noise = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(noise, "PNG")
    members = {"a.png": noise.getvalue()[:2000], "b.png": b"", "c.png": encoded(3)}
    tar = write_tar(tmp_path / "x.tar", members)
    for source, says in zip(find_sources(str(tar)), ("cut short", "is empty"), strict=False):
        with pytest.raises(ImageError, match=rf"x\.tar!{source.key}.*{says}"):
            open_image(source)
    rows = pa.array([{"bytes": None, "path": "p.png"}, {"bytes": b"x", "path": "q.png"}])
    pq.write_table(pa.table({"image": rows}), tmp_path / "x.parquet")
    first, second = find_sources(str(tmp_path / "x.parquet"))
    with pytest.raises(ImageError, match=r"x\.parquet!p\.png.*holds no bytes"):
        open_image(first)
    with pytest.raises(ImageError, match="is not an image"):
        open_image(second)


def test_an_archive_that_goes_away_is_told(tmp_path):
    tar = write_tar(tmp_path / "x.tar", {"a.png": encoded(1)})
    file = parquet(tmp_path / "y.parquet", group=3)
    sources = (*find_sources(str(tar)), *find_sources(str(file)))
    tar.write_bytes(tar.read_bytes()[:520])
    with pytest.raises(ImageError, match="the archive ends before it"):
        open_image(sources[0])
    tar.unlink()
    file.unlink()
    for source in sources:
        with pytest.raises(ImageError, match="cannot read"):
            open_image(source)


def test_archives_that_cannot_be_read_are_refused_in_one_line(tmp_path):
    whole = write_tar(tmp_path / "z.tar", {"a.png": encoded(1)}, "w:gz")
    with pytest.raises(DataError, match="must not be compressed as a whole"):
        find_sources(str(whole))
    whole.write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match="no tar archive"):
        find_sources(str(whole))
    write_tar(whole, {"a.txt": b"words"})
    with pytest.raises(DataError, match="holds no image"):
        find_sources(str(whole))
    (tmp_path / "z.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(DataError, match=r"cannot read .*z\.parquet"):
        find_sources(str(tmp_path / "z.parquet"))
    with pytest.raises(DataError, match="does not exist, or matches nothing"):
        find_sources(str(tmp_path / "none-{0..3}.tar"))
    with pytest.raises(DataError, match="does not exist, is empty, or matches nothing"):
        find_sources(f"memory://{tmp_path}/none")
    with pytest.raises(ImageError, match="does not exist"):
        find_sources(str(tmp_path / "none.png"))


def test_members_that_are_no_plain_files_are_left_out(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("a.png", tarfile.SYMTYPE), ("b.png", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("../../up.png", ".hidden/c.png", "d.png"):
            info = tarfile.TarInfo(name)
            info.size = len(encoded(5))
            tar.addfile(info, io.BytesIO(encoded(5)))
    assert [(one.key, one.stem) for one in find_sources(str(path))] == [("d.png", "d")]


def test_a_folder_of_pictures_is_not_searched_for_archives(tmp_path):
    write_folder(tmp_path)
    write_tar(tmp_path / "backup.tar", {"a.png": encoded(7)})
    assert archives_of(str(tmp_path)) == []
    assert seeds(find_sources(str(tmp_path))) == [0, 1, 2, 3]


def test_labels_that_cannot_be(tmp_path):
    home = shards(tmp_path / "data")
    (home / "classnames.txt").write_text("finch\nwren\n")
    assert read_benchmark_data(f"webdataset:{home}").class_names == ("finch", "wren")
    (home / "classnames.txt").write_text("finch\n")
    with pytest.raises(DataError, match=r"the label 1; it must be 0 to 0"):
        read_benchmark_data(f"webdataset:{home}")
    write_tar(home / "shard-01.tar", {"x.png": encoded(0)})
    with pytest.raises(DataError, match="no label"):
        read_benchmark_data(f"webdataset:{home}")
    with pytest.raises(DataError, match=r"holds no \.tar and no \.parquet"):
        read_benchmark_data(f"parquet:{write_folder(tmp_path / 'pics')}")
    with pytest.raises(DataError, match="cub must lie on this machine, not at 's3://b/x'"):
        read_benchmark_data("cub:s3://me:word@b/x")
