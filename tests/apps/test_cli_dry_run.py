"""``--dry-run``: the plan before the bill, and nothing written."""

import pytest

from regionwise.apps import dry_run, dry_run_explain
from regionwise.apps.dry_run import between, lasting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "0.012 s"), (89, "89 s"), (90, "1.5 min"), (9000, "2.5 h"), (1e7, "120 days")],
)
def test_times_have_two_digits_and_a_fitting_unit(seconds, text):
    assert lasting(seconds) == text


def test_a_time_is_a_range():
    assert between(100, 0.25) == "80 s to 2.1 min"
    assert between(36000, 0.25, unit=3600) == "8 to 12"


def test_explain_says_what_it_would_take(explain, pictures, tmp_path):
    (pictures / "bad.png").write_bytes(b"no picture")
    done = explain(pictures, "--dry-run", "--batch-size", 2, methods=("grad-cam", "score-cam"))
    assert done.code == 0, done.err
    assert not (tmp_path / "out").exists()
    assert "4 images, 8 explanations" in done.out
    (together,) = [line for line in done.out.splitlines() if "together" in line]
    assert together.split()[1] == "8"
    assert 4 * 5 <= float(together.split()[2].replace(",", "")) <= 4 * (1 + 8 + 1)
    assert "the bottleneck" in done.out
    workers = done.out.partition("How long")[2].splitlines()
    counts = [line.split()[0] for line in workers[3:] if "%" in line]
    assert counts == ["1", "2"]
    assert "Measured here on cpu" in done.out
    told = float(done.out.partition("Files: about ")[2].split()[0])
    assert explain(pictures, methods=("grad-cam", "score-cam")).code == 1  # the bad one
    written = [*(tmp_path / "out").rglob("cam.*"), *(tmp_path / "out").rglob("*-cam.*")]
    assert told == pytest.approx(sum(f.stat().st_size for f in written) / 1e6 * 4 / 3, rel=0.4)


def test_with_workers_the_number_asked_is_shown_and_no_cluster_started(
    explain, pictures, monkeypatch
):
    monkeypatch.setenv("RAY_ADDRESS", "nowhere:1")
    done = explain(pictures, "--dry-run", "--engine", "ray", "--workers", "2:5")
    assert done.code == 0, done.err
    assert "\n 5 " in done.out
    assert "Measured here on cpu, 1 thread, in " in done.out


def test_a_full_folder_is_refused_by_a_dry_run_too(explain, pictures, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    assert explain(pictures, "--dry-run").code == 2
    assert explain(pictures, "--dry-run", "--overwrite").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_measurement_is_cut_off(explain, pictures, monkeypatch, tmp_path):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(dry_run_explain, "trials", stop)
    ended = explain(pictures, "--dry-run")
    assert ended.code == 130
    assert "3 images, 3 explanations" in ended.out
    assert "interrupted: nothing was written" in ended.err


def test_another_device_says_nothing_of_the_one_asked_for():
    said = dry_run.Where("cuda", "cpu", dry_run.EngineRequest("ray", gpus=1.0)).said(3.0)
    assert "cpu, for want of cuda here" in said[0]
