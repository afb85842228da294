"""Which method to use, what a second buys: by hand on made-up answers."""

import math
from dataclasses import replace

import pytest

from regionwise.benchmark.advice import advice_of
from regionwise.benchmark.answers import Answer
from regionwise.benchmark.comparing import PairTest
from regionwise.benchmark.questions import Main, Question, mains_of
from regionwise.benchmark.reading import Table
from regionwise.benchmark.summary import Summary
from regionwise.benchmark.tradeoff import tradeoff_of

NAN = float("nan")


def table(metric="pxap", judge="", model="net"):
    return Table(metric, f"id of {metric}", model, "hash", judge)


def answer(method, value, metric="pxap", direction="higher", **changes):
    made = Answer(
        table=table(metric),
        target="predicted",
        method=method,
        direction=direction,
        images=40,
        value=value,
        low=value - 0.1,
        high=value + 0.1,
        undefined=0.0,
        common=value,
        win_rate=NAN,
    )
    return replace(made, **changes)


def pair_test(first, second, difference, p, metric="pxap"):
    return PairTest(table(metric), "predicted", first, second, 40, difference, p, p)


def summary(answers, tests=(), seconds=None, no_better=(), coincide=None):
    models = [{"source": "net", "methods": {}}]
    cost = {("net", m): {"seconds": s} for m, s in (seconds or {}).items()}
    return Summary(
        plan={"recipe": {"judges": ["own"]}, "models": models},
        done=(1, 1),
        answers=tuple(answers),
        tests=tuple(tests),
        rankings=(),
        no_better=tuple(no_better),
        coincide=coincide or {},
        cost=cost,
        errors=(),
    )


THREE = [answer("good", 0.8), answer("fair", 0.7), answer("bad", 0.2), answer("centre", 0.5)]
TESTS = [
    pair_test("good", "fair", 0.1, 0.3),
    pair_test("bad", "good", -0.6, 0.01),
    pair_test("bad", "fair", -0.5, 0.01),
]


def test_the_fastest_that_is_not_shown_to_be_worse_is_taken():
    (found,) = advice_of(summary(THREE, TESTS, {"good": 2.0, "fair": 0.1, "bad": 0.01}))
    (one,) = found.standings
    assert (one.best.method, one.equal, one.worse) == ("good", ("fair",), {"bad": 0.01})
    assert one.cheapest == found.pick == "fair"
    assert found.missed == ()


def test_costs_that_are_nearly_equal_leave_the_choice_to_the_answer():
    (found,) = advice_of(summary(THREE, TESTS, {"good": 0.11, "fair": 0.1, "bad": 0.01}))
    assert found.pick == "good"


def test_without_costs_the_best_is_taken():
    (found,) = advice_of(summary(THREE, TESTS))
    assert (found.pick, found.standings[0].cheapest) == ("good", "")


def test_what_a_control_outdoes_is_no_candidate_although_no_test_shows_it_to_be_worse():
    tests = [replace(t, p_holm=0.9) for t in TESTS]
    (found,) = advice_of(summary(THREE, tests, {"good": 2.0, "fair": 1.0, "bad": 0.01}))
    (one,) = found.standings
    assert one.equal == ("fair", "bad")
    assert one.good == {"good", "fair"}
    assert one.cheapest == found.pick == "fair"
    assert one.outdone(answer("bad", 0.2))
    assert not one.outdone(answer("good", 0.8))


def test_small_values_may_be_the_better_ones():
    answers = [replace(a, direction="lower") for a in THREE]
    tests = [pair_test("bad", "good", -0.6, 0.01), pair_test("bad", "fair", -0.5, 0.01)]
    (found,) = advice_of(summary(answers, tests))
    (one,) = found.standings
    assert one.best.method == "bad"
    assert one.worse == {"good": 0.01, "fair": 0.01}


def test_a_test_that_says_the_contrary_shows_nothing_to_be_worse():
    """Answers of pooled pixels and tests of images may contradict each other."""
    tests = [pair_test("good", "fair", -0.1, 0.001)]
    (found,) = advice_of(summary(THREE, tests))
    assert found.standings[0].worse == {}


def test_the_pick_is_good_by_as_many_metrics_as_any():
    other = [answer(m, v, "deletion", "lower") for m, v in (("good", 0.9), ("fair", 0.1))]
    tests = [*TESTS, pair_test("good", "fair", 0.8, 0.01, "deletion")]
    (found,) = advice_of(summary([*THREE, *other], tests, {"good": 0.1, "fair": 9.0}))
    assert found.pick == "fair"
    (found,) = advice_of(summary([*THREE, *other], [replace(TESTS[0], p_holm=0.01), tests[-1]]))
    assert found.pick == "good"
    assert [one.main.first.table.metric for one in found.missed] == ["deletion"]


def test_controls_alone_give_no_advice():
    assert advice_of(summary([answer("centre", 0.5), answer("random", 0.1)])) == []


def test_a_question_is_answered_by_the_first_metric_that_is_there():
    given = [
        answer(m, 0.5, name)
        for name in ("pointing-game", "energy-pointing-game", "area")
        for m in ("cam", "random")
    ]
    given += [answer(m, 0.5, "insertion:steps=9") for m in ("cam", "random")]
    names = [main.first.table.metric for main in mains_of(given, "net", ["own"])]
    assert names == ["energy-pointing-game", "insertion:steps=9"]


def test_where_no_question_is_answered_each_metric_asks_its_own():
    given = [answer(m, 0.5, "my-metric") for m in ("cam", "random")]
    (main,) = mains_of(given, "net", ["own"])
    assert main.question.name == "my-metric"
    unknown = [answer(m, NAN, common=NAN) for m in ("cam", "random")]
    none = [answer(m, 0.5, "area", "none") for m in ("cam", "random")]
    assert mains_of([*unknown, *none], "net", ["own"]) == []


def test_the_first_judge_is_asked_and_this_model():
    own = [replace(answer(m, 0.5), table=table(judge="own")) for m in ("cam", "random")]
    other = [replace(answer(m, 0.9), table=table(judge="other")) for m in ("cam", "random")]
    away = [replace(answer(m, 0.7), table=table(model="x")) for m in ("cam", "random")]
    (main,) = mains_of([*other, *away, *own], "net", ["own", "other"])
    assert {a.value for a in main.answers} == {0.5}


def test_answers_on_different_images_are_compared_on_the_common_ones():
    few = answer("few", 0.9, images=10, common=0.9)
    many = answer("many", 0.7, images=40, common=0.95)
    main = Main(Question("x", "y", ()), (few, many))
    assert main.images == 10
    value, low, _ = main.fair(many)
    assert value == 0.95
    assert math.isnan(low)
    assert Main(main.question, (many,)).fair(many) == (0.7, 0.6, pytest.approx(0.8))


def traded(answers, seconds, tests=()):
    main = Main(Question("x", "y", ()), tuple(answers))
    return tradeoff_of(main, seconds, tests)


def test_the_front_holds_what_no_cheaper_one_equals():
    names = {"a": (0.1, 0.5), "b": (1.0, 0.4), "c": (2.0, 0.5), "d": (3.0, 0.9), "e": (9.0, 0.9)}
    answers = [answer(name, value) for name, (_, value) in names.items()]
    found = traded(answers, {name: cost for name, (cost, _) in names.items()})
    assert [p.method for p in found.front] == ["a", "d"]
    (step,) = found.steps
    assert step.gain == pytest.approx(0.4)
    assert math.isnan(step.p)  # no test


def test_of_equal_costs_the_better_one_is_on_the_front_and_of_twins_one():
    answers = [answer("a", 0.5), answer("b", 0.6), answer("c", 0.6 + 1e-7)]
    found = traded(answers, {"a": 1.0, "b": 1.1, "c": 1.12})
    assert [p.method for p in found.front] == ["b"]


def test_small_is_better_where_the_metric_says_so_and_the_test_is_told():
    answers = [answer(m, v, direction="lower") for m, v in (("a", 0.5), ("b", 0.2))]
    tests = [pair_test("a", "b", 0.3, 0.02)]
    (step,) = traded(answers, {"a": 1.0, "b": 4.0}, tests).steps
    assert (step.cheaper.method, step.dearer.method) == ("a", "b")
    assert step.gain == pytest.approx(0.3)
    assert step.p == 0.02


def test_controls_are_shown_but_never_on_the_front():
    found = traded([answer("a", 0.5), answer("centre", 0.9)], {"a": 1.0, "centre": 0.1})
    assert [(p.method, p.front, p.control) for p in found.points] == [
        ("centre", False, True),
        ("a", True, False),
    ]
    assert traded([answer("centre", 0.9)], {"centre": 0.1}) is None
    assert traded([answer("a", 0.9)], {}) is None
