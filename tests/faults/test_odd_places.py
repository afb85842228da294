"""Odd names, links, pipes and folders: each is done or refused, the rest is done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import told_in_lines
from .corpus import soft

NAMES = [
    "with space.png",
    'quote\'s "double" `tick`.png',
    "new\nline.png",
    "tab\there.png",
    "\x1b[31mred\x1b[0m.png",
    "bird \U0001f426 \u9ce5 \u202e.png",
    "$x_1$ {brace} %s %d.png",
    "-n.png",
    "~.png",
    "~root.png",
    "[a-z]*.png",
    "[bold]red.png",
    "<b>&amp;.png",
    "sheet.png.png",
    "manifest.json.png",
    "back\\slash.png",
    "CON.png",
    "..png",
    "...png",
    " .png",
    "n" * 251 + ".png",
    "n" * 255,
    "\u9ce5" * 83 + ".png",
]


class Hangs(BaseException):
    """Not to be taken for an error that the code expects."""


@pytest.fixture
def stopped_in_time():
    """End a test that waits for ever."""

    def late(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 10)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


pytestmark = pytest.mark.usefixtures("stopped_in_time")


def picture(path: Path | bytes, seed: int = 0) -> Path | bytes:
    soft("RGB", seed=seed).save(os.fspath(path), "PNG")
    return path


def told() -> dict:
    return json.loads(Path("out/manifest.json").read_text())


def below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def test_odd_names_are_explained_and_stay_in_the_folder(explain, tmp_path):
    (tmp_path / "pics").mkdir()
    for seed, name in enumerate(NAMES):
        picture(tmp_path / "pics" / name, seed)
    before = below(tmp_path)
    ended = explain(*(tmp_path / "pics" / name for name in NAMES))
    told_in_lines(ended)
    assert ended.code == 0, ended.err
    record = told()
    assert not record["failed"]
    assert [Path(image["source"]).name for image in record["images"]] == NAMES
    folders = [image["folder"] for image in record["images"]]
    assert len({folder.lower() for folder in folders}) == len(NAMES)
    for folder in folders:
        assert (tmp_path / "out" / folder).resolve().parent == tmp_path / "out"
        assert {p.name for p in (tmp_path / "out" / folder).iterdir()} == {"cam.npz", "cam.png"}
    new = {Path(name).parts[0] for name in below(tmp_path) - before}
    assert new == {"out"}


def test_odd_names_in_a_folder_and_by_a_pattern(explain, tmp_path):
    (tmp_path / "pics").mkdir()
    for seed, name in enumerate(NAMES):
        picture(tmp_path / "pics" / name, seed)
    ended = explain(tmp_path / "pics", "pics/*.png")
    told_in_lines(ended)
    assert ended.code == 0
    seen = {name for name in NAMES if not name.startswith(".") and name.endswith(".png")}
    assert {Path(image["source"]).name for image in told()["images"]} == seen


def test_a_name_that_is_no_utf8(explain, tmp_path):
    picture(os.fsencode(tmp_path) + b"/wren\xff\xfe.png")
    picture(os.fsencode(tmp_path) + b"/" + b"\xff" * 251 + b".png", 1)
    (tmp_path / os.fsdecode(b"broken\xe9.png")).write_bytes(b"no picture")
    ended = explain(tmp_path)
    told_in_lines(ended)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "broken" in ended.err
    record = told()
    assert [Path(image["source"]).name for image in record["images"]][:1] == [
        "wren\ufffd\ufffd.png"
    ]
    assert len(record["images"]) == 2
    assert len(record["failed"]) == 1


def test_links_and_pipes_that_lead_nowhere(explain, tmp_path, whole):
    folder = tmp_path / "pics"
    folder.mkdir()
    picture(folder / "good.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "ping.png").symlink_to("pong.png")
    (folder / "pong.png").symlink_to("ping.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    picture(folder / "folder.png" / "inside.png", 1)
    (folder / "again.png").symlink_to("good.png")
    ended = explain(folder)
    assert ended.code == 0, ended.err
    sources = [Path(image["source"]).name for image in told()["images"]]
    assert sorted(sources) == ["again.png", "inside.png"]  # good.png is the same file as again.png


@pytest.mark.parametrize(
    "kind", ["dangling.png", "loop.png", "pipe.png", "empty.png", "device.png", "closed.png/x.png"]
)
def test_one_that_is_no_file_is_skipped_and_the_rest_is_done(explain, tmp_path, whole, kind):
    path = tmp_path / kind
    if kind == "dangling.png":
        path.symlink_to("nowhere.png")
    elif kind == "loop.png":
        path.symlink_to(path)
    elif kind == "pipe.png":
        os.mkfifo(path)
    elif kind == "empty.png":
        path.mkdir()
    elif kind == "device.png":
        path.symlink_to("/dev/zero")
    else:
        (tmp_path / "closed.png").write_bytes(b"a file where a folder should be")
    ended = explain(path, whole)
    told_in_lines(ended)
    assert ended.code == 1
    assert kind in ended.err
    assert ended.out.startswith("1 image explained by 1 method, 1 skipped")
    assert [failure["source"] for failure in told()["failed"]] == [str(path)]


@pytest.mark.parametrize("pattern", ["tree/**/*.png", "tree/**", "**/*.png", "tree/*/*/*.png"])
def test_folders_that_link_to_themselves_end(explain, tmp_path, pattern):
    for name in ("a", "b"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        for link in ("one", "two", "three"):
            (tmp_path / "tree" / name / link).symlink_to(tmp_path / "tree")
    picture(tmp_path / "tree" / "a" / "bird.png")
    picture(tmp_path / "tree" / "a" / ".hidden.png", 1)
    ended = explain(pattern, tmp_path / "tree")
    told_in_lines(ended)
    assert ended.code in {0, 1}, ended.err
    assert [Path(image["source"]).name for image in told()["images"]] == ["bird.png"]


def test_an_argument_that_is_longer_than_any_path(explain, whole):
    ended = explain("x" * 5000 + ".png", "y/" * 3000 + "z.png", whole)
    told_in_lines(ended)
    assert ended.code == 1
    assert len(told()["failed"]) == 2


def test_a_zero_byte_in_a_name(explain, whole):
    ended = explain("a\0b.png", whole)
    told_in_lines(ended)
    assert ended.code == 1


def test_out_is_a_loop_of_links(explain, tmp_path, whole):
    (tmp_path / "out").symlink_to(tmp_path / "out")
    ended = explain(whole)
    told_in_lines(ended)
    assert ended.code == 2


def test_the_command_as_a_process_neither_waits_nor_shows_a_traceback(tmp_path, nets, whole):
    os.mkfifo(tmp_path / "pipe.png")
    picture(os.fsencode(tmp_path) + b"/wren\xff.png")
    (tmp_path / "text.png").write_text("no picture")
    names = [b"pipe.png", b"wren\xff.png", b"text.png", b"whole.png"]
    options = [b"--model", b"nets.py:net", b"--method", b"cam", b"--out", b"out"]
    command = [os.fsencode(sys.executable), b"-m", b"regionwise", b"explain", *names, *options]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    lines = ended.stderr.decode().splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["skipped", "skipped"]
    assert "pipe.png" in lines[0]
    assert "text.png" in lines[1]
    assert ended.stdout.decode().startswith("2 images explained by 1 method, 2 skipped")
