"""The folder of a run: whole chunks, the listing as ledger, and going on."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from regionwise.benchmark import work as working
from regionwise.benchmark.ledger import finished, remaining
from regionwise.benchmark.rows import KEY, check_installed
from regionwise.benchmark.run import Outcome, run_plan
from regionwise.errors import DataError, OutputError, SettingError


def rows(out, kind="rows"):
    found = {}
    for path in sorted((out / kind).glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            key = tuple(row[name] for name in KEY)
            assert key not in found, "a row is there twice"
            found[key] = (row["value"], row["cell"], row["error"])
    return found


def same(one, other):
    assert one.keys() == other.keys()
    for key, (value, cell, error) in one.items():
        assert value == pytest.approx(other[key][0], rel=1e-5, nan_ok=True)
        assert (cell, error) == other[key][1:]


def test_a_run_writes_its_chunks_and_a_second_one_does_nothing(planned, told, tmp_path):
    plan, context = planned(cost={"images": 2})
    out = tmp_path / "out"
    assert run_plan(plan, context, out, told.opened) == Outcome(0, len(plan.chunks), 0)
    assert finished(out) == {chunk.id for chunk in plan.chunks}
    assert sum(told.advanced) == told.total == sum(map(len, plan.chunks))
    assert not [p for p in out.rglob("*") if p.name.startswith(".")]
    again = run_plan(plan, context, out, told.opened)
    assert again == Outcome(len(plan.chunks), 0, 0)
    assert told.said == [f"going on: {len(plan.chunks)} of {len(plan.chunks)} chunks are done"]
    cost = {key[KEY.index("statistic")] for key in rows(out, "cost")}
    assert cost == {"extra:seconds", "extra:forward", "extra:backward"}
    protocols = {key[KEY.index("protocol")] for key in rows(out)}
    assert protocols <= set(json.loads((out / "protocols.json").read_text()))


def test_what_was_cut_off_goes_on_with_the_same_rows(planned, told, tmp_path, monkeypatch):
    plan, context = planned()
    run_plan(plan, context, tmp_path / "whole", told.opened)
    real, calls = working.score_chunk, []

    def interrupted(chunk, context):
        calls.append(chunk)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(chunk, context)

    monkeypatch.setattr(working, "score_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, context, tmp_path / "cut", told.opened)
    assert len(finished(tmp_path / "cut")) == 1
    leftover = tmp_path / "cut" / "rows" / ".half.parquet"
    leftover.write_bytes(b"half a chunk")
    outcome = run_plan(plan, context, tmp_path / "cut", told.opened)
    assert outcome == Outcome(1, len(plan.chunks) - 1, 0)
    assert not leftover.exists()
    same(rows(tmp_path / "cut"), rows(tmp_path / "whole"))


def test_errors_are_told_once_and_written(planned, told, birds, tmp_path):
    copy = shutil.copytree(birds, tmp_path / "copy")
    plan, context = planned(data=f"birds:{copy}")
    bad = plan.chunks[0].units[0].image
    (copy / "images" / bad).write_bytes(b"no picture")
    outcome = run_plan(plan, context, tmp_path / "out", told.opened)
    assert outcome.failed == 3
    assert len(told.said) == 2, "once for each chunk"
    errors = [v[2] for v in rows(tmp_path / "out").values() if v[2]]
    assert len(errors) == 3


def test_a_folder_takes_one_plan(planned, told, tmp_path, networks):
    plan, context = planned()
    out = tmp_path / "out"
    run_plan(plan, context, out, told.opened)
    for changes, says in (
        ({"seed": 1}, "another seed"),
        ({"models": [f"{networks}:other"]}, "models"),
    ):
        other, another = planned(**changes)
        with pytest.raises(OutputError, match=says):
            run_plan(other, another, out, told.opened)
    more, context = planned(metrics=[{"use": ["area"]}])
    assert run_plan(more, context, out, told.opened).before == 0
    assert finished(out) == {c.id for c in (*plan.chunks, *more.chunks)}
    assert remaining(out, plan.chunks) == []


def test_a_folder_with_something_else_is_refused(planned, told, tmp_path):
    plan, context = planned()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        run_plan(plan, context, tmp_path / "out", told.opened)
    (tmp_path / "out" / "plan.json").write_text("{}")
    with pytest.raises(DataError, match="not the plan"):
        run_plan(plan, context, tmp_path / "out", told.opened)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"pyarrow and duckdb.*regionwise\[benchmark\]"):
        check_installed()
