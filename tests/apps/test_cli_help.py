"""Help, versions and cards: at once, and without what only work needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from regionwise import __version__

HEAVY = ("torch", "torchvision", "timm", "numpy", "matplotlib", "PIL")

LIST_HEAVY = f"""
import sys
from regionwise.apps.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
sys.stderr.write(repr([name for name in {HEAVY} if name in sys.modules]))
"""


def fresh(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    how = ["-m", "regionwise.apps.cli"] if code is None else ["-c", code]
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, *how, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


HELP = [
    "--help",
    "--version",
    "explain --help",
    "methods --help",
    "data --help",
    "data birds --help",
]
WRONG = ["explain", "explain a.png --no-such-option", "nonsense", "explain a.png --batch-size 0"]


@pytest.mark.parametrize("line", HELP)
def test_help_loads_nothing_heavy(line):
    done = fresh(*line.split(), code=LIST_HEAVY)
    assert done.stderr == "[]"
    assert done.stdout.strip()


def test_help_names_every_command_and_option():
    top = fresh("--help").stdout
    assert all(name in top for name in ("explain", "methods", "data", "--version"))
    options = fresh("explain", "--help").stdout
    for name in ("model", "method", "target", "layer", "out", "overwrite", "device"):
        assert f"--{name}" in options
    for name in ("batch-size", "weights", "seed"):
        assert f"--{name}" in options


def test_the_version():
    assert fresh("--version").stdout == f"regionwise {__version__}\n"


def test_an_error_is_one_line_and_code_2_in_a_real_process(tmp_path):
    done = fresh("explain", str(tmp_path / "nothing.jpg"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("line", [*WRONG, "explain a.png --seed -1"])
def test_a_wrong_call_is_code_2_without_a_traceback(line, run):
    ended = run(*line.split())
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_methods_are_listed_with_reference_and_cost(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    shown = run("methods").out
    for text in ("grad-cam++", "Zhou et al. 2016", "(K + 1) F"):
        assert text in shown


def test_methods_as_json(run):
    cards = {card["name"]: card for card in json.loads(run("methods", "--json").out)}
    assert {"cam", "grad-cam", "score-cam++", "random"} <= set(cards)
    assert cards["random"]["class_agnostic"] is True
    assert "mish" in cards["score-cam++"]["settings"]["activation"]["allowed"]
    assert cards["score-cam"]["settings"]["chunk"]["run_only"] is True


def test_one_card_in_full(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    shown = run("methods", "score-cam++").out
    assert "tanh by default; one of tanh, relu" in shown
    assert "Nothing is subtracted" in shown


def test_an_unknown_method_offers_its_neighbours(run):
    ended = run("methods", "gradcam")
    assert ended.code == 2
    assert "did you mean 'grad-cam'" in ended.err
