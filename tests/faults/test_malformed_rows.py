"""The folder of a benchmark with anything in its plan, its protocols and its files of rows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regionwise.benchmark.curves import curves_of
from regionwise.benchmark.ledger import read_plan, read_protocols
from regionwise.benchmark.per_image import per_image_of
from regionwise.benchmark.reading import Rows
from regionwise.benchmark.summary import summarise
from regionwise.data.birds import write_birds
from regionwise.errors import DataError
from regionwise.report.benchmark_page import Made, benchmark_page

from .malformed import altered, refused, spoiled

RECIPE = """
chunk = 4
title = "Tiny"
[[methods]]
use = ["grad-cam", "random"]
[[metrics]]
use = ["average-drop", "complexity", "pxap", "deletion:steps=3"]
[cost]
images = 1
"""


@pytest.fixture(scope="module")
def made() -> dict[str, Path]:
    return {}


@pytest.fixture
def bench(made, run, nets, tmp_path, tmp_path_factory) -> Path:
    """The folder of a benchmark that is done; made once, and copied."""
    if not made:
        home = tmp_path_factory.mktemp("rows")
        birds = write_birds(home / "birds", classes=3, images_per_class=2, size=32)
        (home / "tiny.toml").write_text(RECIPE)
        options = ("--data", f"birds:{birds}", "--model", f"{nets}:net", "--out", home / "bench")
        ended = run("benchmark", home / "tiny.toml", *options)
        assert ended.code == 0, ended.err
        made["bench"] = home / "bench"
    return shutil.copytree(made["bench"], tmp_path / "bench")


def page_of(bench: Path) -> str:
    """Read all that a report reads."""
    summary, tables = summarise(bench), per_image_of(bench)
    return benchmark_page(summary, read_protocols(bench), curves_of(bench), tables, Made())


def wrong(bench: Path, read: Callable[[Path], object] = page_of) -> bool:
    return refused(lambda: read(bench), bench, "protocols.json", "'average-drop'")


def test_a_plan_with_altered_bytes(bench):
    path = bench / "plan.json"
    found = []
    for content in spoiled(path.read_bytes(), 150, seed=1):
        path.write_bytes(content)
        found.append(wrong(bench, read_plan))
    assert sum(found) > 100


def test_a_plan_with_anything_for_its_values(bench):
    path = bench / "plan.json"
    for value in altered(json.loads(path.read_text()), 400, seed=2):
        path.write_text(json.dumps(value))
        wrong(bench, read_plan)


@pytest.mark.parametrize("count", [4, pytest.param(600, marks=pytest.mark.slow)])
def test_a_report_of_a_plan_with_anything_for_its_values(bench, count):
    path = bench / "plan.json"
    for value in altered(json.loads(path.read_text()), count, seed=3):
        path.write_text(json.dumps(value))
        wrong(bench)


def test_a_plan_that_says_no_target_for_a_metric(bench):
    """It may be missing; that of the recipe stands then."""
    plan = json.loads((bench / "plan.json").read_text())
    for group in plan["recipe"]["metrics"]:
        group.pop("target")
    (bench / "plan.json").write_text(json.dumps(plan))
    assert "average-drop" in page_of(bench)


@pytest.mark.parametrize("content", ["[" * 200_000, "", "null", '{"kind": "regionwise-benchmark"}'])
def test_a_plan_that_is_hard_to_read(bench, content):
    (bench / "plan.json").write_text(content)
    assert wrong(bench)


def changed(bench: Path, **parts: object) -> None:
    path = bench / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **parts}))


def test_a_plan_that_contradicts_itself_or_its_rows(bench):
    plan = json.loads((bench / "plan.json").read_text())
    recipe, model = plan["recipe"], plan["models"][0]
    odd = [
        {"chunks": [plan["chunks"][0], *plan["chunks"]]},
        {"recipe": {**recipe, "seed": -1}},
        {"recipe": {**recipe, "title": "\ud800"}},
        {"recipe": {**recipe, "judges": []}},
        {"metrics": {"elsewhere": ["average-drop"]}},
        {"models": [{**model, "source": "another"}]},
        {"models": [{**model, "methods": {"group 1": ["random"]}}]},
        {"models": []},
    ]
    for parts in odd:
        changed(bench, **{**plan, **parts})
        assert wrong(bench), parts


def test_protocols_with_anything_for_their_values(bench):
    path = bench / "protocols.json"
    contents = [*map(json.dumps, altered(json.loads(path.read_text()), 12, seed=4)), "[" * 100_000]
    for content in contents:
        path.write_text(content)
        refused(lambda: summarise(bench), bench, "protocols.json")


@pytest.mark.parametrize("kind", ["rows", "cost"])
@pytest.mark.parametrize("count", [5, pytest.param(400, marks=pytest.mark.slow)])
def test_rows_with_altered_bytes_are_never_believed(bench, kind, count):
    """Every page of a file has a checksum: what is read is what was written, or nothing is."""
    path = min((bench / kind).glob("*.parquet"))
    before = page_of(bench)
    for content in spoiled(path.read_bytes(), count, seed=5):
        path.write_bytes(content)
        assert wrong(bench) or page_of(bench) == before


def others(table: pa.Table) -> Iterator[pa.Table]:
    """Yield tables that lack a column, hold something else in it, or have rows twice."""
    count = len(table)
    for name in table.column_names:
        yield table.drop_columns([name])
        place = table.column_names.index(name)
        for values in (["x"] * count, [1] * count, [b"\0\1\2"] * count, [[1.0]] * count):
            yield table.set_column(place, name, pa.array(values))
        yield table.set_column(place, name, pa.nulls(count))
    yield from (pa.table({"x": [1]}), pa.table({}), pa.concat_tables([table, table]))
    yield from (table.slice(0, count - 1), table.slice(1), table.slice(0, 1))


def of_rows(bench: Path, table: pa.Table) -> bool:
    path = min((bench / "rows").glob("*.parquet"))
    pq.write_table(table, path)

    def scored(folder: Path) -> None:
        rows = Rows(folder)
        try:
            for one in rows.tables():
                rows.scored(one)
            rows.errors()
            rows.cost()
        finally:
            rows.close()

    return wrong(bench, scored)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_rows_of_other_columns_or_there_twice(bench, step):
    path = min((bench / "rows").glob("*.parquet"))
    table = pq.read_table(path)
    found = [of_rows(bench, other) for other in list(others(table))[::step]]
    assert sum(found) > 0.8 * len(found)
    assert of_rows(bench, pa.concat_tables([table, table]))
    assert not of_rows(bench, table)
    shuffled = np.random.default_rng(0).permutation(len(table))
    assert not of_rows(bench, table.take(shuffled))


def test_one_row_too_few(bench):
    path = min((bench / "rows").glob("*.parquet"))
    table = pq.read_table(path)
    curves = [i for i, s in enumerate(table["statistic"].to_pylist()) if s.startswith("curve:")]
    kept = [i for i in range(len(table)) if i != curves[1]]
    assert of_rows(bench, table.take(kept))


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_a_file_of_rows_that_is_none(bench, kind):
    path = min((bench / "rows").glob("*.parquet"))
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    assert wrong(bench)


def test_the_command_says_it_in_one_line(run, bench):
    path = min((bench / "rows").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-40])
    ended = run("report", bench, "--gallery", 0)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert path.name in ended.err


def test_a_folder_whose_name_is_a_pattern_is_not_taken_for_another(bench):
    odd, other = bench.with_name("b[1]*?'x"), bench.with_name("b1*?'x")
    shutil.copytree(bench, odd)
    shutil.copytree(bench, other)
    for path in (other / "rows").glob("*.parquet"):
        table = pq.read_table(path)
        place = table.column_names.index("value")
        spoilt = pa.array([0.5] * len(table), table.schema.field("value").type)
        pq.write_table(table.set_column(place, "value", spoilt), path)
    assert page_of(odd) == page_of(bench) != page_of(other)


def test_what_is_refused_is_data(bench):
    (bench / "plan.json").unlink()
    with pytest.raises(DataError, match="bench"):
        summarise(bench)
