"""Folders for results: on this machine, in an object store, and in stores that cannot do much."""

from __future__ import annotations

from pathlib import Path

import pyarrow.fs
import pytest

from regionwise.errors import OutputError, SettingError
from regionwise.places import LocalPlace, as_place, mirrored, read_all
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

    monkeypatch.setattr("regionwise.places._put", interrupted)
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
