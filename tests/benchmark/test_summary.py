"""What is said of the rows: against the metrics themselves, and the words of the tables."""

import csv
import io

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from regionwise import explain
from regionwise.benchmark.loaded import batch_of, open_units
from regionwise.benchmark.run import run_plan
from regionwise.benchmark.summary import summarise
from regionwise.benchmark.tables import answers_csv, latex, markdown, pairs_csv, write_tables
from regionwise.errors import DataError
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge

METRICS = [
    "average-drop",
    "win",
    "pointing-game",
    "pxap",
    "max-box-acc",
    "remove-and-classify:percents=10/50",
]


@pytest.fixture(scope="module")
def made():
    """A folder that is done; made once."""
    return {}


@pytest.fixture
def done(made, planned, told, tmp_path_factory):
    if not made:
        out = tmp_path_factory.mktemp("bench") / "out"
        plan, context = planned(
            methods=[
                {"use": ["random", "cam", "grad-cam", "cam:bias=true"]},
                {"name": "few", "use": ["layer-cam"], "images": 4},
            ],
            metrics=[{"name": "all", "use": METRICS, "target": "label"}],
            published=[
                {"method": "cam", "metric": "average-drop", "value": 0.25, "source": "T1"},
            ],
            cost={"images": 1},
        )
        run_plan(plan, context, out, told.opened)
        made.update(out=out, plan=plan, context=context, summary=summarise(out))
    return made


def answer(done, method, metric):
    (found,) = [
        a for a in done["summary"].answers if (a.method, a.table.metric) == (method, metric)
    ]
    return found


@pytest.mark.parametrize("name", [m for m in METRICS if m != "win"])
def test_an_answer_is_what_the_metric_makes_of_all_images_at_once(done, planned, name):
    """Six images in one chunk, reduced without rows, give what rows of two chunks give."""
    plan, context = planned(
        methods=[{"use": ["grad-cam"]}], metrics=[{"use": [name], "target": "label"}], chunk=6
    )
    (chunk,) = plan.chunks
    metric = metrics.parse(name)
    opened, _ = open_units(chunk, context)
    batch = batch_of(opened, chunk, context, two=False)
    classifier = context.model(chunk.model)
    saliency = explain(classifier, batch.inputs, "grad-cam", batch.targets).saliency()[:, 0]
    case = Case(
        inputs=batch.inputs,
        saliency=saliency,
        targets=batch.targets,
        labels=batch.labels,
        judge=Judge(classifier),
        truth=batch.truth,
    )
    reduced = metric.reduce([metric(case)])
    found = answer(done, "grad-cam", name)
    assert found.images == 6
    tolerance = {"abs": 1e-3} if name == "pxap" else {"rel": 1e-5}
    assert found.value == pytest.approx(reduced.pop("value"), nan_ok=True, **tolerance)
    undefined = reduced.pop("undefined", 0.0)
    assert found.undefined == pytest.approx(undefined)
    assert found.more.keys() == reduced.keys()


def test_methods_of_one_map_coincide_and_tie(done):
    (group,) = done["summary"].coincide.values()
    assert any(set(names) >= {"cam", "cam:bias=true"} for names in group)
    assert answer(done, "cam", "win").value == answer(done, "cam:bias=true", "win").value
    wins = [a for a in done["summary"].answers if a.table.metric == "win"]
    assert sum(a.value for a in wins) == pytest.approx(1)
    assert {a.images for a in wins} == {4}
    tests = {
        (t.first, t.second): t for t in done["summary"].tests if t.table.metric == "average-drop"
    }
    assert len(tests) == 10
    assert tests["cam", "cam:bias=true"].p == 1.0
    assert tests["cam", "layer-cam"].images == 4


def test_answers_on_fewer_images_are_compared_on_those(done):
    few, many = (answer(done, name, "average-drop") for name in ("layer-cam", "cam"))
    assert (few.images, many.images) == (4, 6)
    assert few.common == few.value
    assert many.common != many.value


def test_intervals_hold_the_value(done):
    for a in done["summary"].answers:
        if not np.isnan(a.low):
            assert a.low - 1e-9 <= a.value <= a.high + 1e-9
    assert np.isnan(answer(done, "cam", "pxap").low)
    assert not np.isnan(answer(done, "cam", "max-box-acc").low)


def test_the_ranking_counts_metrics_that_all_have(done):
    (ranking,) = done["summary"].rankings
    assert ranking.judge == "own"
    assert set(ranking.points) == {"random", "cam", "grad-cam", "cam:bias=true", "layer-cam"}
    assert ranking.points["cam"] == ranking.points["cam:bias=true"]
    assert max(ranking.points3.values()) <= 3 * ranking.metrics


def test_the_tables_say_it(done):
    summary = done["summary"]
    text = markdown(summary)
    assert "## all of" in text
    assert "average-drop ↓" in text
    assert "(published 0.250)" in text
    assert "Methods that coincide" in text
    assert "## Cost" in text
    lines = list(csv.DictReader(io.StringIO(answers_csv(summary))))
    (line,) = [
        row
        for row in lines
        if (row["method"], row["metric"], row["name"]) == ("cam", "average-drop", "value")
    ]
    assert float(line["value"]) == answer(done, "cam", "average-drop").value
    assert (line["published"], line["source"]) == ("0.25", "T1")
    assert len(list(csv.DictReader(io.StringIO(pairs_csv(summary))))) == len(summary.tests)
    tex = latex(summary)
    assert tex.count(r"\toprule") == 1
    assert r"\downarrow" in tex
    write_tables(done["out"], summary)
    names = {"summary.csv", "summary.md", "summary.tex", "tests.csv"}
    assert names <= {p.name for p in done["out"].iterdir()}


def test_the_cost_of_each_method_is_known(done):
    cost = done["summary"].cost
    assert {method for _, method in cost} == {
        "random",
        "cam",
        "grad-cam",
        "cam:bias=true",
        "layer-cam",
    }
    for numbers in cost.values():
        assert numbers["seconds"] > 0
        assert numbers["forward"] == pytest.approx(1, abs=0.2)


def test_rows_of_chunks_that_are_not_planned_are_not_looked_at(done, planned, told, tmp_path):
    plan, context = planned(
        methods=[{"use": ["random"]}], metrics=[{"use": ["area", "complexity"]}]
    )
    run_plan(plan, context, tmp_path, told.opened)
    plan, context = planned(methods=[{"use": ["random"]}], metrics=[{"use": ["area"]}])
    run_plan(plan, context, tmp_path, told.opened)
    assert {a.table.metric for a in summarise(tmp_path).answers} == {"area"}
    assert len(list((tmp_path / "rows").iterdir())) == 4


def test_an_empty_folder_is_no_benchmark(tmp_path, planned):
    with pytest.raises(DataError, match="no benchmark"):
        summarise(tmp_path)


@pytest.mark.parametrize("kind", ["rows", "cost"])
def test_a_damaged_file_of_rows_is_named(planned, told, tmp_path, kind):
    plan, context = planned(
        methods=[{"use": ["random"]}], metrics=[{"use": ["area"]}], cost={"images": 1}
    )
    run_plan(plan, context, tmp_path, told.opened)
    path = next((tmp_path / kind).iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=path.name):
        summarise(tmp_path)


@pytest.mark.parametrize("name", ["plan.json", "protocols.json"])
@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_damaged_words_are_named(planned, told, tmp_path, name, text):
    plan, context = planned(methods=[{"use": ["random"]}], metrics=[{"use": ["area"]}])
    run_plan(plan, context, tmp_path, told.opened)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=name):
        summarise(tmp_path)


def test_columns_by_the_number_of_parts_stand_in_the_table(planned, told, tmp_path):
    """Also with rows of an earlier version, which lack what was added since, but without them."""
    column = "cue-localisation, 1 part"
    printed = {"method": "cam", "metric": column, "value": 0.125, "source": "A 2021, Table 1, x"}
    plan, context = planned(
        methods=[{"use": ["cam"]}],
        metrics=[{"use": ["cue-localisation"], "target": "pairs"}],
        published=[printed],
    )
    assert len(plan.chunks) > 1
    run_plan(plan, context, tmp_path, told.opened)
    summary = summarise(tmp_path)
    (found,) = summary.answers
    text = markdown(summary)
    assert f"| {column} ↑ |" in text
    assert f"{found.more['1 part']:.3f}** (published 0.125)" in text
    assert "Published: A 2021, Table 1." in text
    lines = csv.DictReader(io.StringIO(answers_csv(summary)))
    assert [row["published"] for row in lines if row["name"] == "1 part"] == ["0.125"]
    path = next((tmp_path / "rows").iterdir())
    rows = pq.read_table(path)
    pq.write_table(rows.filter(pc.not_equal(rows["statistic"], "extra:differing")), path)
    (older,) = summarise(tmp_path).answers
    assert older.value == found.value
    assert "1 part" not in older.more
