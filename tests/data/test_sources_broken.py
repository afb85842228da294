"""Archives that are damaged, lie, or name odd things: the rest is done, what is lost is told."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regionwise.apps.collect import collect_images
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.data.images import open_image
from regionwise.data.sources import find_sources, unfolded
from regionwise.data.stored import Missing
from regionwise.errors import DataError, ImageError, SettingError

from .test_sources import encoded, seeds, write_folder, write_tar

BLOCK = 512


@pytest.fixture(autouse=True)
def ends():
    """End the process if a test waits for ever: an exception would wait for its readers."""
    signal.alarm(60)
    yield
    signal.alarm(0)


def shard(path: Path, count: int = 4, first: int = 0) -> Path:
    """Write a tar of pictures: each takes two blocks, header and content."""
    return write_tar(path, {f"{n}.png": encoded(n) for n in range(first, first + count)})


def found_in(path: Path) -> tuple[list[int], str]:
    """Return which pictures an archive gives, and what is said of the rest."""
    sources = find_sources(str(path))
    lost = [one for one in sources if isinstance(one, Missing)]
    assert len(lost) <= 1
    with pytest.raises(DataError, match=path.name):
        read_benchmark_data(f"{'parquet' if path.suffix == '.parquet' else 'webdataset'}:{path}")
    if not lost:
        return seeds(sources), ""
    with pytest.raises(ImageError, match=path.name) as caught:
        open_image(lost[0])
    return seeds(one for one in sources if one not in lost), str(caught.value)


@pytest.mark.parametrize("cut", [8 * BLOCK, 8 * BLOCK + 100, 6 * BLOCK, 6 * BLOCK + 100])
def test_a_tar_that_ends_too_early_says_so(tmp_path, cut):
    path = shard(tmp_path / "x.tar")
    path.write_bytes(path.read_bytes()[:cut])
    found, says = found_in(path)
    assert found == list(range(cut // BLOCK // 2))
    assert "damaged" in says


@pytest.mark.parametrize("kind", ["flipped", "zeros", "joined"])
def test_what_stands_behind_a_damaged_header_is_not_lost_in_silence(tmp_path, kind):
    path = shard(tmp_path / "x.tar")
    content = bytearray(path.read_bytes())
    if kind == "flipped":
        content[4 * BLOCK + 100] ^= 0xFF
    elif kind == "zeros":
        content[4 * BLOCK : 5 * BLOCK] = bytes(BLOCK)
    else:
        content += shard(tmp_path / "y.tar", first=4).read_bytes()
    path.write_bytes(content)
    found, says = found_in(path)
    assert found == ([0, 1, 2, 3] if kind == "joined" else [0, 1])
    assert "a header is damaged, or more follows" in says


@pytest.mark.parametrize("size", ["-512", "-1", "0x", "99999999999999999999", str(2**63)])
def test_a_member_that_lies_about_its_size(tmp_path, size):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for number, name in enumerate(("a.png", "b.png", "c.png")):
            info = tarfile.TarInfo(name)
            info.size = len(encoded(number))
            info.pax_headers = {"size": size} if name == "b.png" else {}
            tar.addfile(info, io.BytesIO(encoded(number)))
    first, *others = find_sources(str(path))
    assert seeds([first]) == [0]
    assert 0 < len(others) < 3
    with pytest.raises(ImageError, match=r"x\.tar"):
        open_image(others[-1])


def test_more_headers_than_can_be_followed(tmp_path):
    path = tmp_path / "x.tar"
    deep = tarfile.TarInfo("././@LongLink")
    deep.type = tarfile.GNUTYPE_LONGNAME
    path.write_bytes(shard(tmp_path / "y.tar", 1).read_bytes()[: 2 * BLOCK] + deep.tobuf() * 3000)
    assert found_in(path)[0] == [0]


def test_one_broken_archive_of_several_and_the_rest_is_done(tmp_path):
    for number in (0, 1, 3):
        shard(tmp_path / f"s-{number}.tar", 2, 2 * number)
    (tmp_path / "s-1.tar").write_bytes(b"no archive" * 100)
    images, failed = collect_images([f"{tmp_path}/s-{{0..3}}.tar"], None)
    lost = [one.path for one in images if isinstance(one.path, Missing)]
    assert seeds(one.path for one in images if one.path not in lost) == [0, 1, 6, 7]
    assert [one.key for one in lost] == ["s-1.tar", "s-2.tar"]
    assert "does not exist" in lost[1].damage
    assert not failed
    with pytest.raises(DataError, match=r"s-1\.tar"):
        read_benchmark_data(f"webdataset:{tmp_path}/s-{{0..3}}.tar")


def test_braces_that_stand_for_too_many_are_refused_and_the_rest_is_done(tmp_path):
    shard(tmp_path / "x.tar", 1)
    for braces in ("{0..99999}{0..99999}{0..9}", "{a,b}" * 60, "{0..999999999}"):
        with pytest.raises(SettingError, match="more than 100,000"):
            unfolded(braces)
        images, failed = collect_images([f"{braces}.tar", str(tmp_path / "x.tar")], None)
        assert (len(images), len(failed)) == (1, 1)
    assert unfolded("{a,{b,c}}{2..1}x") == []
    assert unfolded("{a,{b,c}}") == ["a", "b", "c"]
    assert unfolded("{0.." + "9" * 5000 + "}") == ["0.." + "9" * 5000]


@pytest.mark.parametrize("name", ["x.tar", "x.parquet"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_an_archive_that_is_no_file_is_not_waited_for(tmp_path, name, kind):
    path = tmp_path / name
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is no regular file"):
        find_sources(str(path))


def test_names_of_classes_that_are_no_file_or_lack_a_line(tmp_path):
    home = write_tar(tmp_path / "x.tar", {"a.png": encoded(0), "a.cls": b"1"})
    names = tmp_path / "classnames.txt"
    os.mkfifo(names)
    with pytest.raises(DataError, match="no regular file"):
        read_benchmark_data(f"webdataset:{home}")
    names.unlink()
    names.write_text("\ufefffinch\r\n\r\nwren\r\n")
    with pytest.raises(DataError, match=r"classnames\.txt', line 2, names no class"):
        read_benchmark_data(f"webdataset:{home}")
    names.write_text("\ufefffinch\r\nwren\r\n\n")
    assert read_benchmark_data(f"webdataset:{home}").class_names == ("finch", "wren")


@pytest.mark.parametrize(
    ("files", "label"),
    [
        ({"cls": b"\xef\xbb\xbf1\r\n"}, 1),
        ({"cls": b"1", "json": b'{"label": "wren"}'}, 1),
        ({"json": b'{"label": 1}', "cls": b"1"}, 1),
        ({"cls": b"1", "json": b'{"label": 0}'}, "the labels 1 and 0"),
        ({"json": b'{"label": true}'}, "no label"),
        ({"json": b"[" * 200_000}, "no label"),
        ({"cls": "1".encode("utf-16")}, "no label"),
        ({"cls": b""}, "no label"),
        ({"cls": b"-1"}, "the label -1"),
        ({"cls": b"9" * 5000, "json": b""}, None),
    ],
)
def test_a_label_is_what_it_says_or_none(tmp_path, files, label):
    members = {f"a.{end}": content for end, content in files.items()}
    path = write_tar(tmp_path / "x.tar", {"a.png": encoded(3), **members})
    assert seeds(find_sources(str(path))) == [3]
    if isinstance(label, int):
        assert [p.label for p in read_benchmark_data(f"webdataset:{path}").pictures] == [label]
    elif label is not None:
        with pytest.raises(DataError, match=rf"x\.tar!a\.png.*{label}"):
            read_benchmark_data(f"webdataset:{path}")


def table(path: Path, notes: object = None, **columns: object) -> Path:
    """Write a Parquet file, with what Hugging Face notes beside it."""
    made = pa.table({"image": [encoded(n) for n in range(4)], **columns})
    if notes is not None:
        made = made.replace_schema_metadata({"huggingface": notes})
    pq.write_table(made, path, row_group_size=2)
    return path


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), "dictionary"])
def test_labels_of_every_type_of_text(tmp_path, kind):
    text = ["wren", "finch", "wren", "finch"]
    labels = pa.array(text) if kind == "dictionary" else pa.array(text, kind)
    labels = labels.dictionary_encode() if kind == "dictionary" else labels
    data = read_benchmark_data(f"parquet:{table(tmp_path / 'x.parquet', label=labels)}")
    assert data.class_names == ("finch", "wren")
    assert [p.label for p in data.pictures] == [1, 0, 1, 0]


@pytest.mark.parametrize("labels", [[0, None, 1, 1], [0.0, 1.0, 1.0, 0.0], [2**40, 0, 1, 1]])
def test_labels_that_are_no_class_are_told(tmp_path, labels):
    path = table(tmp_path / "x.parquet", label=labels)
    assert seeds(find_sources(str(path))) == [0, 1, 2, 3]
    with pytest.raises(DataError, match=r"x\.parquet!x-00000\d' has (no|the) label"):
        read_benchmark_data(f"parquet:{path}")


def noted(names: object) -> str:
    return json.dumps({"info": {"features": {"label": {"names": names}}}})


@pytest.mark.parametrize(
    "notes", ["[" * 100_000, "{", "null", noted("ab"), noted({"a": 1, "b": 2})]
)
def test_names_of_classes_that_are_damaged_are_not_made_up(tmp_path, notes):
    path = table(tmp_path / "x.parquet", notes, label=[0, 1, 0, 1])
    assert read_benchmark_data(f"parquet:{path}").class_names == ("0", "1")


def test_numbers_of_rows_that_cannot_be(tmp_path):
    """A footer has no checksum, and what claims 2**60 rows would be listed for ever."""
    pytest.importorskip("pyarrow", "15")
    from regionwise.data import parquet_images  # noqa: PLC0415

    path = str(tmp_path / "x.parquet")
    for groups, rows, size in (([2, 1], 4, 999), ([-2, 6], 4, 999), ([2**60], 2**60, 999)):
        with pytest.raises(DataError, match=r"x\.parquet' is damaged"):
            parquet_images._check_rows(path, groups, rows, size)
    parquet_images._check_rows(path, [2, 2], 4, 999)


def test_a_damaged_row_group_is_told_of_each_row_and_read_once(tmp_path, monkeypatch):
    path = table(tmp_path / "x.parquet")
    place = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 8] = b"\xff" * 8
    path.write_bytes(content)
    reads = []
    real = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda s, g, **k: reads.append(g) or real(s, g, **k)
    )
    sources = find_sources(str(path))
    assert seeds(sources[:2]) == [0, 1]
    for source in sources[2:]:
        with pytest.raises(ImageError, match=r"x\.parquet!x-00000[23]"):
            open_image(source)
    assert reads == [0, 1]


NAMES = ("../../x", "/", ".", "..", "a\0b", "a\nb", "/etc/passwd", "x" * 400, "b\\c", "-n", " ")


def test_names_in_an_archive_stay_in_the_folder(tmp_path):
    rows = [{"bytes": encoded(n), "path": name} for n, name in enumerate(NAMES)]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": rows}), path)
    images, failed = collect_images([str(path)], None)
    assert (len(images), failed) == (len(NAMES), ())
    out = tmp_path / "out"
    for one in images:
        (out / one.folder).mkdir(parents=True)
        assert (out / one.folder).resolve().parent == out
    assert len({one.folder for one in images}) == len(NAMES)


def test_what_claims_more_than_memory_is_not_read(tmp_path):
    path = shard(tmp_path / "x.tar", 1)
    with path.open("r+b") as file:
        header = tarfile.TarInfo("huge.png")
        header.size = 1 << 40
        file.seek(2 * BLOCK)
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate((1 << 40) + 20 * BLOCK)  # sparse: it takes no room
    huge = find_sources(str(path))[1]
    with pytest.raises(ImageError, match="takes 1024 GiB"):
        open_image(huge)


def test_names_that_are_no_utf8_are_refused_by_a_benchmark(tmp_path):
    home = write_folder(tmp_path / "data")
    (home / "wren" / "c.png").rename(os.fsdecode(os.fsencode(home) + b"/wren/\xff.png"))
    with pytest.raises(DataError, match=r"udcff.*is no UTF-8"):
        read_benchmark_data(f"folder:{home}")


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    home = write_folder(tmp_path / "data")
    real = Path.iterdir

    def denied(folder: Path) -> Sequence[Path]:
        if folder.name == "wren":
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(DataError, match=r"wren'?: Permission denied"):
        read_benchmark_data(f"folder:{home}")
