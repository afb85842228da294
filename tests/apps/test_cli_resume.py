"""A run of ``regionwise explain`` that was cut off and goes on: nothing twice, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from regionwise.apps import explain_job, explain_manifest

from .conftest import draw


@pytest.fixture
def archive(tmp_path) -> Path:
    """Return a folder with seven pictures, the third of them broken."""
    for seed in range(7):
        draw(tmp_path / "many" / f"{seed}.png", seed)
    (tmp_path / "many" / "2.png").write_bytes(b"no picture")
    return tmp_path / "many"


@pytest.fixture
def cut(explain, archive, monkeypatch):
    """Cut a run with two images at a time off in the n-th batch; return what was explained."""

    def run(call: int, *more: str) -> list[int]:
        real, sizes = explain_job.explain_all, []

        def counted(classifier, pictures, *arguments, **settings):
            if len(sizes) == call:
                raise KeyboardInterrupt
            sizes.append(len(pictures))
            return real(classifier, pictures, *arguments, **settings)

        with monkeypatch.context() as patched:
            patched.setattr(explain_job, "explain_all", counted)
            assert explain(archive, "--batch-size", 2, *more).code == 130
        return sizes

    return run


def contents(folder: str) -> dict[str, bytes]:
    home = Path(folder)
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_a_run_goes_on_and_ends_as_if_it_had_not_been_cut_off(explain, archive, cut, monkeypatch):
    assert explain(archive, "--batch-size", 2).code == 1
    whole = contents("out")
    assert not Path("out/.regionwise").exists()
    Path("out").rename("whole")
    cut(2)
    before = {p: p.stat().st_mtime_ns for p in Path("out").rglob("*.png")}
    assert len(before) == 3
    explained = []
    real = explain_job.explain_all
    monkeypatch.setattr(
        explain_job,
        "explain_all",
        lambda c, p, *a, **k: explained.append(len(p)) or real(c, p, *a, **k),
    )
    ended = explain(archive, "--batch-size", 2, "--resume")
    assert ended.code == 1
    assert ended.err.startswith("going on: 2 of 4 batches\n")
    assert ended.out == "6 images explained by 1 method, 1 skipped: out/sheet.png\n"
    assert explained == [2, 1, 2, 1], "what was left, then rows of the sheet"
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert contents("out") == whole
    again = explain(archive, "--batch-size", 2, "--resume")
    assert (again.code, again.out) == (0, "explained before, nothing to do: out\n")


def test_a_run_that_was_cut_off_twice(explain, archive, cut):
    cut(1)
    assert cut(1, "--resume") == [1], "the second batch has one picture that can be read"
    ended = explain(archive, "--batch-size", 2, "--resume")
    assert ended.err.startswith("going on: 2 of 4 batches")
    assert [i["folder"] for i in json.loads(Path("out/manifest.json").read_text())["images"]] == [
        *("0", "1", "3", "4", "5", "6")
    ]


@pytest.mark.parametrize("other", [("--method", "centre"), ("--target", "top-2"), ("x.png",)])
def test_what_was_cut_off_is_not_mixed_with_something_else(explain, archive, cut, other):
    draw(Path("x.png"))
    cut(2)
    before = contents("out")
    refused = explain(archive, "--batch-size", 2)
    assert refused.code == 2
    assert "--resume to go on with what was cut off" in refused.err
    refused = explain(archive, "--batch-size", 2, "--resume", *other)
    assert refused.code == 2
    assert "other images, model, methods or settings" in refused.err
    assert contents("out") == before
    assert explain(archive, "--batch-size", 2, "--overwrite", *other).code == 1
    assert not Path("out/.regionwise").exists()


def test_resume_in_an_empty_or_a_foreign_folder(explain, archive):
    assert explain(archive, "--batch-size", 2, "--resume").code == 1
    Path("out/manifest.json").unlink()
    refused = explain(archive, "--batch-size", 2, "--resume")
    assert refused.code == 2
    assert "'out' is not empty" in refused.err


def test_a_damaged_memory_is_another_run(explain, archive, cut):
    cut(2)
    Path("out/.regionwise/run.json").write_text("{")
    refused = explain(archive, "--batch-size", 2, "--resume")
    assert refused.code == 2
    assert refused.err.count("\n") == 1


def test_of_many_images_a_file_tells(explain, archive, monkeypatch):
    monkeypatch.setattr(explain_manifest, "INLINE", 5)
    explain(archive)
    told = json.loads(Path("out/manifest.json").read_text())["images"]
    assert told == {"file": "images.jsonl", "count": 6}
    lines = Path("out/images.jsonl").read_text().splitlines()
    assert [json.loads(line)["folder"] for line in lines] == ["0", "1", "3", "4", "5", "6"]


def test_a_sheet_shows_the_first_that_could_be_explained(explain, tmp_path):
    """More broken files at the front than rows are made for beforehand."""
    for seed in range(30):
        path = draw(tmp_path / "late" / f"{seed:02d}.png", seed)
        if seed < 26:
            path.write_bytes(b"no picture")
    assert explain(tmp_path / "late", "--batch-size", 2).code == 1
    told = json.loads(Path("out/manifest.json").read_text())
    assert told["sheet"] == {"file": "sheet.png", "images": 4, "left_out": 0}


def test_a_second_run_into_the_folder_is_refused(explain, archive, cut):
    cut(2)
    holder = "from pathlib import Path\nfrom regionwise.lock import holding\n"
    holder += "with holding(Path('out/.regionwise')):\n    print(flush=True)\n    input()"
    process = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        process.stdout.readline()
        refused = explain(archive, "--batch-size", 2, "--resume")
        assert refused.code == 2
        assert f"another process (number {process.pid}) explains into" in refused.err
    finally:
        process.communicate("\n", timeout=20)
    assert explain(archive, "--batch-size", 2, "--resume").code == 1
