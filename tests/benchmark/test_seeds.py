"""Networks trained alike with other seeds: the recipe, the interval, the answers, the tables."""

import csv
import io
import math

import numpy as np
import pytest

from regionwise.benchmark.preparing import with_models
from regionwise.benchmark.recipe_files import from_table
from regionwise.benchmark.run import run_plan
from regionwise.benchmark.seeds import Seeds, given_models, read_seeds
from regionwise.benchmark.statistics import bootstrap_any_seeds, bootstrap_mean, bootstrap_seeds
from regionwise.benchmark.summary import summarise
from regionwise.benchmark.tables import answers_csv, markdown
from regionwise.errors import SettingError

SMALL = {"methods": [{"use": ["cam"]}], "metrics": [{"use": ["area"]}]}
GROUP = {"name": "cape", "models": ["a", "b"]}


def test_seeds_take_part_beside_the_models():
    assert from_table({**SMALL, "seeds": [GROUP]}, "r").models == ("a", "b")
    found = from_table({**SMALL, "models": ["b", "c"], "seeds": [GROUP]}, "r")
    assert found.models == ("b", "c", "a")
    assert found.seeds == (Seeds("cape", ("a", "b")),)
    assert found.to_json()["seeds"] == ({"name": "cape", "models": ("a", "b")},)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([{"name": "x", "models": ["a"]}], "two networks or more"),
        ([{"name": "x", "models": ["a", "a"]}], "two networks or more"),
        ([{"name": "", "models": ["a", "b"]}], "the name ''"),
        ([{"name": "a", "models": ["a", "b"]}], "the name 'a'"),
        ([{"name": "x", "models": "ab"}], "a list of texts"),
        ([{"name": "x", "models": ["a", 1]}], "a list of texts"),
        ([{"models": ["a", "b"]}], "must have a name and models"),
        (["x"], "must have a name and models"),
        ([GROUP, GROUP], "two groups of seeds 'cape'"),
    ],
)
def test_what_is_no_group(tables, says):
    with pytest.raises(SettingError, match=says):
        read_seeds(tables)


def test_a_group_is_not_called_like_a_network():
    with pytest.raises(SettingError, match="is a network and a group"):
        from_table({**SMALL, "models": ["cape"], "seeds": [GROUP]}, "r")


def test_seeds_on_the_command_line():
    assert given_models(["a", "x=b,c", "timm:n", "p/q=b,d"]) == (
        ("a", "b", "c", "timm:n", "p/q=b,d"),
        (Seeds("x", ("b", "c")),),
    )
    recipe = from_table({**SMALL, "seeds": [GROUP]}, "r")
    other = with_models(recipe, ("x=c,d", "e"), None)
    assert (other.models, other.seeds) == (("c", "d", "e"), (Seeds("x", ("c", "d")),))
    assert with_models(recipe, ("c",), None).seeds == ()
    assert with_models(recipe, (), 3).seeds == recipe.seeds


def drawn(seeds=4, images=60, *, between=0.0, within=1.0, noise=0.0):
    rng = np.random.default_rng(3)
    return (
        between * rng.normal(size=(seeds, 1))
        + within * rng.normal(size=(1, images))
        + noise * rng.normal(size=(seeds, images))
    )


def test_the_interval_is_the_replica():
    values = drawn(3, 7, between=0.5, noise=0.2)
    values[1, 2] = math.nan
    rng = np.random.default_rng([9, 4])
    times = rng.multinomial(3, [1 / 3] * 3, size=50)
    weights = rng.multinomial(7, [1 / 7] * 7, size=50)
    means = []
    for row, counts in zip(times, weights, strict=True):
        total = 0.0
        for s in range(3):
            seen = [(values[s, n], counts[n]) for n in range(7) if not math.isnan(values[s, n])]
            if row[s]:
                total += row[s] * sum(v * c for v, c in seen) / sum(c for _, c in seen)
        means.append(total / 3)
    low, high = np.quantile(means, [0.025, 0.975])
    assert bootstrap_seeds(values, seed=9, draws=50) == (pytest.approx(low), pytest.approx(high))


def width(interval):
    return interval[1] - interval[0]


def test_seeds_that_agree_are_one_seed():
    """They are no further images: the interval is that of one network."""
    values = drawn()
    one = width(bootstrap_mean(values[0], seed=0))
    assert width(bootstrap_seeds(values, seed=0)) == pytest.approx(one, rel=0.15)


def test_seeds_that_differ_widen_it():
    calm, wild = drawn(within=0.1), drawn(within=0.1, between=1.0)
    assert width(bootstrap_seeds(wild, seed=0)) > 5 * width(bootstrap_seeds(calm, seed=0))
    means = wild.mean(axis=1)
    low, high = bootstrap_seeds(wild, seed=0)
    assert means.min() - 0.1 < low < means.mean() < high < means.max() + 0.1


def test_any_answer_agrees_with_the_mean():
    values = drawn(between=0.7)
    found = bootstrap_any_seeds(
        4, 60, lambda s, places: float(values[s, places].mean()), seed=0, draws=1000
    )
    assert width(found) == pytest.approx(width(bootstrap_seeds(values, seed=0)), rel=0.15)


@pytest.mark.parametrize("values", [np.ones((1, 5)), np.ones((5, 1)), np.full((2, 3), np.inf)])
def test_no_interval(values):
    assert np.isnan(bootstrap_seeds(values, seed=0)).all()
    assert np.isnan(bootstrap_any_seeds(1, 5, lambda *_: 0.0, seed=0)).all()


METRICS = ["average-drop", "win", "max-box-acc", "pxap", "accuracy"]


@pytest.fixture(scope="module")
def made():
    """A folder that is done; made once."""
    return {}


@pytest.fixture
def done(made, planned, told, tmp_path_factory, networks):
    if not made:
        out = tmp_path_factory.mktemp("bench") / "out"
        models = [f"{networks}:net", f"{networks}:other"]
        plan, context = planned(
            models=models,
            seeds=[{"name": "both", "models": models}],
            methods=[{"use": ["random", "cam"]}],
            metrics=[{"name": "all", "use": METRICS, "target": "label"}],
            published=[
                {
                    "method": "cam",
                    "metric": "average-drop",
                    "value": 0.25,
                    "source": "A 2020, Table 1, CUB, CAM, AD: 25",
                    "model": "N-1",
                    "data": "CUB",
                }
            ],
        )
        run_plan(plan, context, out, told.opened)
        made.update(out=out, models=models, summary=summarise(out))
    return made


def answers(done, metric, method="cam"):
    """The answers of both networks, and of the group."""
    found = {
        a.table.model: a
        for a in done["summary"].answers
        if (a.table.metric, a.method) == (metric, method)
    }
    return [found[name] for name in (*done["models"], "both")]


@pytest.mark.parametrize("metric", METRICS)
def test_the_answer_is_the_mean_over_networks(done, metric):
    one, other, both = answers(done, metric)
    assert both.value == pytest.approx((one.value + other.value) / 2)
    assert both.more["sd over seeds"] == pytest.approx(abs(one.value - other.value) / math.sqrt(2))
    assert (one.seeds, both.seeds, both.images) == (1, 2, 6)
    if metric in {"win", "pxap"}:
        assert math.isnan(both.low)
    else:
        assert both.low - 1e-9 <= both.value <= both.high + 1e-9


def test_networks_differ_here(done):
    one, other, _ = answers(done, "average-drop")
    assert abs(one.value - other.value) > 1e-3


def test_wins_add_up_and_no_ranking_counts_accuracy(done):
    wins = [answers(done, "win", method)[2].value for method in ("cam", "random")]
    assert sum(wins) == pytest.approx(1)
    ranking = {r.model: r for r in done["summary"].rankings}
    assert set(ranking) == {*done["models"], "both"}
    assert ranking["both"].metrics == 4
    assert {answers(done, "accuracy")[0].direction} == {"none"}
    weak = {answer.table.metric for answer, _, _ in done["summary"].no_better}
    assert "accuracy" not in weak


def test_tables_mark_the_group_and_say_what_was_printed(done):
    text = markdown(done["summary"])
    assert "## all of both, 2 seeds (label class)" in text
    assert "`both` is the mean of " in text
    assert "Published: A 2020, Table 1 (N-1 on CUB)." in text
    lines = list(csv.DictReader(io.StringIO(answers_csv(done["summary"]))))
    rows = [
        r
        for r in lines
        if (r["metric"], r["method"], r["name"]) == ("average-drop", "cam", "value")
    ]
    assert [(r["model"], r["seeds"]) for r in rows][-1] == ("both", "2")
    assert {r["seeds"] for r in rows[:-1]} == {"1"}
    assert {(r["published_model"], r["published_data"]) for r in rows} == {("N-1", "CUB")}
