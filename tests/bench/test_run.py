"""A group is measured, and what cannot run is left out with its reason."""

import pytest
import torch
from bench.groups import Case, Group
from bench.groups_curve import curve, draw
from bench.measuring import Contender
from bench.run import run_group
from bench.settings import Settings

from regionwise.errors import SettingError


def refuse():
    raise SettingError("there is no such precision")


@pytest.fixture
def calls():
    return []


@pytest.fixture
def group(calls):
    def build(_):
        return Case(
            contenders=[
                Contender("ours", lambda: calls.append("ours"), images=4),
                Contender("peer", lambda: calls.append("peer"), warm=False),
                Contender("memory", lambda: torch.zeros(2**18), timed=False),
                Contender("process", lambda: calls.append("process"), watched=False),
                Contender("broken", refuse),
            ],
            checks={"fine": lambda: 1.5, "refused": refuse},
            facts={"channels": 3},
            reset=lambda: calls.append("reset"),
            close=lambda: calls.append("close"),
        )

    return Group("made up", "tiny", build)


def test_a_row_holds_everything_that_was_measured(group):
    row = run_group(group, Settings(pairs=4))
    assert row["group"] == "made up/tiny"
    assert [len(row["contenders"][name]["seconds"]) for name in ("ours", "peer")] == [4, 4]
    assert "seconds" not in row["contenders"]["memory"]
    assert row["contenders"]["memory"]["bytes"] == 2**20
    assert "bytes" not in row["contenders"]["process"]
    assert row["contenders"]["ours"]["images"] == 4
    assert (row["values"], row["facts"]) == ({"fine": 1.5}, {"channels": 3})


def test_what_a_group_has_open_is_closed_at_the_end_also_after_an_error(group, calls):
    run_group(group, Settings(pairs=1))
    assert calls.index("close") == len(calls) - 1
    calls.clear()

    def interrupted(name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_group(group, Settings(pairs=1), step=interrupted)
    assert calls[-1] == "close"


def test_what_cannot_run_says_why(group):
    row = run_group(group, Settings(pairs=1))
    assert row["contenders"]["broken"]["missing"] == "SettingError: there is no such precision"
    assert row["absent"] == {"refused": "SettingError: there is no such precision"}


def test_ours_are_warmed_up_and_peers_are_not(group, calls):
    run_group(group, Settings(pairs=2))
    # a run to warm up, one that is counted, one that is watched, then two turns
    assert calls[:5] == ["ours", "reset", "ours", "ours", "reset"]
    assert [name for name in calls if name not in {"reset", "close"}][3:] == [
        *("peer", "process"),
        *("ours", "peer", "process", "process", "peer", "ours"),
    ]


def test_progress_ends_at_what_was_expected(group):
    expected, steps = [], []
    run_group(group, Settings(pairs=3), steps.append, expected.append)
    assert expected[-1] == len(steps)


def test_a_bug_is_not_left_out():
    def build(_):
        return Case(contenders=[Contender("bug", lambda: {}["missing"])])

    with pytest.raises(KeyError):
        run_group(Group("made up", "tiny", build), Settings())


def test_a_curve_has_a_point_every_half_decade(tmp_path):
    seen = []
    now = iter(range(1000))
    points = curve(lambda *batch: seen.append(batch), 100, clock=lambda: next(now))
    assert [point["images"] for point in points] == [1, 3, 10, 32, 100]
    assert sum(count for _, count in seen[2:]) == 100
    # a made-up second a batch: of 1, of 2, of 7, of 16 and 6, of 16, 16, 16, 16 and 4
    assert [point["ms"] for point in points] == pytest.approx(
        [1e3, 500, 1e3 / 7, 2e3 / 22, 5e3 / 68]
    )
    draw(points, tmp_path / "curve.svg")
    assert "images explained" in (tmp_path / "curve.svg").read_text()
