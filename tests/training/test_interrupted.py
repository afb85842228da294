"""Runs that are cut off for good, in processes of their own, and several devices."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from regionwise.training.run import train

pytestmark = pytest.mark.slow

WIDTHS = "widths=[4,4,8,8,12]"


@pytest.fixture
def command(birds, tmp_path):
    """Return the command line for a run folder."""

    def line(out, *more):
        return [
            *(sys.executable, "-m", "regionwise", "train", "--data", f"birds:{birds}"),
            *("--backbone", "birdnet", "--option", WIDTHS, "--weights", "random", "--size", "32"),
            *("--validation", "0.25", "--set", "batch=4", "--set", "lr=0.01", "--epochs", "12"),
            *("--out", str(tmp_path / out), *more),
        ]

    return line


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    return done


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def cut_off(command, out: Path, how):
    """Start a run, and stop it once three epochs are written; return its code and its words."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    table = out / "metrics.csv"
    deadline = time.monotonic() + 120
    while not (table.exists() and len(table.read_text().splitlines()) > 3):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(how)
    _, words = process.communicate(timeout=60)
    return process.returncode, words


@pytest.mark.parametrize(
    "scheme", [("--scheme", "from-scratch"), ("--scheme", "calm-em", "--set", "em_teacher=ema")]
)
def test_after_kill_9_the_same_command_ends_with_the_same_weights(command, tmp_path, scheme):
    run(command("whole", *scheme))
    code, _ = cut_off(command("cut", *scheme), tmp_path / "cut", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "cut" / "card.json").exists()
    done = run(command("cut", *scheme))
    assert "going on after epoch" in done.stderr
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    name = "weights.safetensors"
    assert (whole / name).read_bytes() == (cut / name).read_bytes()
    states = [torch.load(run / "last.ckpt", weights_only=True) for run in (whole, cut)]
    for key, tensor in states[0]["state_dict"].items():
        assert torch.equal(tensor, states[1]["state_dict"][key]), key
    rows = [(run / "metrics.csv").read_text().splitlines() for run in (whole, cut)]
    assert [r.rsplit(",", 1)[0] for r in rows[0]] == [r.rsplit(",", 1)[0] for r in rows[1]]
    assert "nothing to do" in run(command("cut", *scheme)).stdout


def test_ctrl_c_keeps_the_best_so_far_and_the_same_command_goes_on(command, tmp_path):
    out = tmp_path / "cut"
    code, words = cut_off(command("cut", "--head", "calm"), out, signal.SIGINT)
    assert code == 130
    assert "goes on from there" in words
    assert "Traceback" not in words
    assert (out / "weights.safetensors").exists()
    assert (out / "curves.png").exists()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    run(command("cut", "--head", "calm"))
    run(command("whole", "--head", "calm"))
    name = "weights.safetensors"
    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


PLAIN = """
import torch
from torch import nn


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
"""


def test_two_processes_take_the_steps_of_one(birds, tmp_path):
    """Without batch normalisation, which would see parts, the mean of gradients is the whole's."""
    (tmp_path / "plain.py").write_text(PLAIN)
    line = [
        *(sys.executable, "-m", "regionwise", "train", "--data", f"birds:{birds}"),
        *("--backbone", f"{tmp_path / 'plain.py'}:net", "--size", "32", "--validation", "0"),
        *("--scheme", "from-scratch", "--epochs", "2", "--set", "batch=4", "--set", "lr=0.1"),
    ]
    run([*line, "--out", str(tmp_path / "one")])
    done = run([*line, "--out", str(tmp_path / "two"), "--devices", "2"])
    assert "epoch 2: loss" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    states = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    ]
    for name, tensor in states[0].items():
        assert torch.allclose(tensor, states[1][name], atol=1e-5), name
    rows = [(tmp_path / n / "metrics.csv").read_text().splitlines() for n in ("one", "two")]
    assert len(rows[0]) == len(rows[1]) == 3
    for one, two in zip(rows[0][1:], rows[1][1:], strict=True):
        numbers = [[float(v) for v in row.split(",")[:-1]] for row in (one, two)]
        assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)


def test_a_failure_in_a_process_is_told_as_it_is(ask):
    from regionwise.errors import ModelError  # noqa: PLC0415

    with pytest.raises(ModelError, match="the loss is"):
        train(ask("lr=1e30", "epochs=3", head="calm", devices=2))
