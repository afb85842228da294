"""Folders for results: on this machine, in an object store, and in stores that cannot do much."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.fs
import pytest

from regionwise.errors import OutputError, SettingError
from regionwise.files import sweep
from regionwise.places import LocalPlace, as_place, mirrored, read_all, remove_all
from regionwise.uris import below, is_uri, local_path, opened, shown


@pytest.fixture(params=["local", "file", "s3", "memory"])
def place(request, tmp_path):
    """Return a place of each kind that is not there yet."""
    if request.param == "local":
        return as_place(tmp_path / "out")
    if request.param == "file":
        return as_place(f"file://{tmp_path}/with%20space")
    if request.param == "s3":
        return as_place(below(request.getfixturevalue("bucket"), "deep/out"))
    return as_place(f"memory://{tmp_path}/out")


def test_files_are_written_listed_read_and_removed(place):
    assert place.names() == frozenset()
    assert place.read("plan.json") is None
    place.write("plan.json", b"{}")
    place.write("rows/a.parquet", b"1")
    place.write("rows/b.parquet", b"2" * 6_000_000)
    place.write("rows/.half", b"")
    assert place.names() == {"plan.json", "rows"}
    assert place.names("rows") == {"a.parquet", "b.parquet"}
    place.write("plan.json", b"[]")
    assert place.read("plan.json") == b"[]"
    names = ["rows/a.parquet", "rows/none", "rows/b.parquet"]
    assert [(n, len(c)) for n, c in read_all(place, names)] == [
        (names[0], 1),
        (names[2], 6_000_000),
    ]
    place.remove("plan.json")
    place.remove("plan.json")
    assert place.names() == {"rows"}


def test_a_mirror_is_written_back(place):
    place.write("plan.json", b"{}")
    place.write("rows/a.parquet", b"1")
    place.write("other/x", b"1")
    with mirrored(place, "rows", "cost") as folder:
        assert (folder / "rows" / "a.parquet").read_bytes() == b"1"
        assert (folder / "plan.json").read_bytes() == b"{}"
        (folder / "summary.md").write_text("all is well")
    assert place.read("summary.md") == b"all is well"
    assert place.read("plan.json") == b"{}"


def test_what_fails_is_told_and_leaves_nothing(tmp_path):
    place = as_place(tmp_path / "out")
    place.write("a", b"1")
    with pytest.raises(OutputError, match="cannot write"):
        place.write("a/b", b"1")
    assert place.names() == {"a"}


def test_a_store_that_refuses_is_told_without_the_password(s3_server):
    place = as_place(s3_server("nowhere").replace("&allow_bucket_creation=true", ""))
    with pytest.raises(
        OutputError, match=r"cannot write 's3://nowhere.*x'.*NO_SUCH_BUCKET"
    ) as told:
        place.write("x", b"1")
    assert "secret" not in str(told.value)


def test_a_store_that_is_not_whole_by_itself_gets_another_name_first(tmp_path, monkeypatch):
    place = as_place(f"memory://{tmp_path}/out")
    system, _ = opened(place.uri)
    assert "memory" in system.type_name
    names = []

    def interrupted(_, path, content):
        names.append((Path(path).name, content))
        raise KeyboardInterrupt

    monkeypatch.setattr("regionwise.remote_places._put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place.write("rows/a.parquet", b"1")
    assert names[0][0].startswith(".")
    assert place.names("rows") == frozenset()


def test_uris_and_paths():
    assert is_uri("s3://bucket/x")
    assert not is_uri("C:/pictures")
    assert not is_uri("pics/a.png")
    assert local_path("file:///a/b%20c") == Path("/a/b c")
    assert local_path("s3://bucket") is None
    assert isinstance(as_place("out"), LocalPlace)
    assert shown("s3://me:word@bucket/x?region=eu") == "s3://bucket/x?region=eu"
    assert below("s3://bucket/a/?region=eu", "b/c") == "s3://bucket/a/b/c?region=eu"
    assert str(as_place("s3://me:word@bucket/x")) == "s3://bucket/x"
    assert "word" not in repr(as_place("s3://me:word@bucket/x"))


def test_an_unknown_scheme_is_refused_in_one_line():
    with pytest.raises(SettingError, match=r"'ftpx://x' names no file system.*s3://BUCKET"):
        opened("ftpx://x/y")


def test_a_file_system_is_opened_once(monkeypatch):
    real, asked = pyarrow.fs.FileSystem.from_uri, []

    class Counting:
        @staticmethod
        def from_uri(uri):
            asked.append(uri)
            return real(uri)

    monkeypatch.setattr(pyarrow.fs, "FileSystem", Counting)
    root = "s3://one-bucket/{}?scheme=http&endpoint_override=localhost:1&region=us-east-1"
    paths = [opened(root.format(name))[1] for name in ("a", "b/c", "")]
    assert paths == ["one-bucket/a", "one-bucket/b/c", "one-bucket"]
    assert len(asked) == 1


def test_many_lines_are_written_one_by_one_whole_or_not_at_all(place):
    def lines(fails):
        for number in range(4):
            yield b"%d" % number * 3_000_000
            if number == fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.write_lines("a.jsonl", lines(fails=2))
    assert place.names() == frozenset()
    place.write_lines("a.jsonl", lines(fails=9))
    assert place.read("a.jsonl") == b"".join(lines(fails=9))
    place.write_lines("none.jsonl", [])
    assert place.read("none.jsonl") == b""


def test_no_more_is_read_than_soon_asked_for(tmp_path):
    class Counting(LocalPlace):
        def read(self, name):
            asked.append(name)
            return name.encode()

    asked = []
    names = [str(number) for number in range(1000)]
    reading = read_all(Counting(tmp_path), names)
    assert next(reading) == ("0", b"0")
    reading.close()
    assert len(asked) < 100
    assert [content.decode() for _, content in read_all(Counting(tmp_path), names)] == names


NAMES = ["a b", "a+b", "100%", "%41", "größe", "日本", "a&b=c", "it's", "x#y", "dot.", "(1)", "~"]


def test_names_that_uris_have_another_sign_for(place):
    for name in NAMES:
        place.write(f"rows/{name}", name.encode())
        place.write(f"{name}/inside", b"")
    assert place.names("rows") == {*NAMES}
    assert place.names() == {"rows", *NAMES}
    assert dict(read_all(place, [f"rows/{name}" for name in NAMES])) == {
        f"rows/{name}": name.encode() for name in NAMES
    }
    remove_all(place, [f"rows/{name}" for name in NAMES])
    assert place.names("rows") == frozenset()


@pytest.mark.slow
def test_a_listing_of_more_objects_than_a_page_holds(bucket):
    place = as_place(below(bucket, "out"))
    names = [f"rows/{number:04d}.parquet" for number in range(1100)]
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda name: place.write(name, b"1"), names))
    assert place.names("rows") == {name.removeprefix("rows/") for name in names}
    assert place.names() == {"rows"}
    assert [name for name, _ in read_all(place, names)] == names
    remove_all(place, names)
    assert place.names("rows") == frozenset()


def test_a_sweep_leaves_folders(tmp_path):
    """Of an image that is called ``.half-1.png``."""
    (tmp_path / ".half-1").mkdir()
    (tmp_path / ".half-2.png").touch()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".half-1"]
