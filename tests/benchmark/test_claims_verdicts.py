"""Verdicts on made-up rows: direction, significance, correction, and what is missing."""

import numpy as np
import pytest

from claim_rows import FAMILIES, around, claim, scored, two, verdicts
from regionwise.benchmark.claims import Family, Side
from regionwise.benchmark.claims_verdicts import WORDS
from regionwise.benchmark.statistics import paired_test

LOW, HIGH = around(0.2), around(0.5, seed=1)


def word(claims, rows, **more):
    (verdict,) = verdicts([claims], rows, **more)
    return verdict.word


@pytest.mark.parametrize(
    ("metric", "first", "second", "expected"),
    [
        ("average-drop", LOW, HIGH, "holds"),  # lower is better
        ("average-drop", HIGH, LOW, "does not hold"),
        ("insertion", LOW, HIGH, "does not hold"),
        ("insertion", HIGH, LOW, "holds"),
        ("insertion", around(0.5, seed=2), HIGH, "undecided"),
        ("insertion", LOW, LOW, "undecided"),
    ],
)
def test_a_difference_counts_in_the_direction_of_its_metric(metric, first, second, expected):
    (verdict,) = verdicts([claim(metrics=(metric,))], two(first, second))
    assert verdict.word == expected
    met = verdict.findings[0].compared
    assert (met.first_value, met.second_value) == pytest.approx((first.mean(), second.mean()))
    better = first.mean() - second.mean()
    assert met.difference == pytest.approx(-better if metric == "average-drop" else better)
    assert met.low <= met.difference <= met.high
    assert met.images == 40


def test_two_pictures_decide_nothing():
    assert word(claim(), two([0.1, 0.1], [0.9, 0.9])) == "undecided"
    assert word(claim(), two([0.1] * 20, [0.9] * 20)) == "holds"


def test_equal_sides_do_not_differ_by_rounding():
    (verdict,) = verdicts([claim()], two(LOW, LOW * (1 + 1e-7)))
    met = verdict.findings[0].compared
    assert (met.difference, met.p, verdict.word) == (0.0, 1.0, "undecided")


def test_only_pictures_that_both_sides_have_are_compared():
    rows = two(LOW, HIGH)
    rows["A-v", "y"] = scored("y", HIGH[:25], [f"{place}.png" for place in range(15, 40)])
    (verdict,) = verdicts([claim()], rows)
    met = verdict.findings[0].compared
    assert met.images == 25
    assert met.first_value == pytest.approx(LOW[15:].mean())
    assert met.second_value == pytest.approx(HIGH[:25].mean())


def test_a_picture_without_a_number_on_one_side_is_left_out():
    holes = LOW.copy()
    holes[3] = np.nan
    met = verdicts([claim()], two(holes, HIGH))[0].findings[0].compared
    assert met.images == 39
    assert met.second_value == pytest.approx(np.delete(HIGH, 3).mean())


@pytest.mark.parametrize(
    ("gap", "expected"), [(0.0, "holds"), (0.5, "does not hold"), (0.099, "undecided")]
)
def test_equal_within_a_tolerance(gap, expected):
    same = claim("equal", way="within", limit=0.1)
    first = HIGH + gap + around(0.0, spread=0.02, seed=5)
    (verdict,) = verdicts([same], two(first, HIGH))
    assert verdict.word == expected
    met = verdict.findings[0].compared
    assert met.within == 0.1
    assert met.difference == pytest.approx(gap, abs=1e-9)


@pytest.mark.parametrize(
    ("way", "limit", "expected"),
    [
        ("below", 0.4, "holds"),
        ("below", 0.1, "does not hold"),
        ("above", 0.1, "holds"),
        ("above", 0.2, "undecided"),
    ],
)
def test_a_bound(way, limit, expected):
    bounded = claim("bound", way=way, limit=limit)
    (verdict,) = verdicts([bounded], {("A-c", "x"): scored("x", LOW)})
    assert verdict.word == expected
    met = verdict.findings[0].compared
    assert met.second == f"{way} {limit:g}"
    assert met.difference == pytest.approx(abs(0.2 - limit) * (1 if expected != WORDS[1] else -1))


def test_of_several_pairs_the_weakest_decides_and_one_failure_refutes():
    rows = two(LOW, HIGH)
    rows["A-v", "near"] = scored("near", LOW + around(0.001, spread=0.2, seed=7))
    rows["A-v", "far"] = scored("far", HIGH + 0.3)
    rows["A-v", "best"] = scored("best", LOW - 0.15)
    sides = {name: Side("v", name) for name in ("y", "near", "far", "best")}

    def against(*names):
        (found,) = verdicts([claim(than=tuple(sides[name] for name in names))], rows)
        return found.word, found.findings[0].compared

    assert against("y", "far")[0] == "holds"
    assert against("y", "far")[1].second == "v: y"
    found, met = against("far", "near", "y")
    assert (found, met.second, met.pairs) == ("undecided", "v: near", 3)
    found, met = against("far", "near", "best")
    assert (found, met.second) == ("does not hold", "v: best")
    assert met.p == pytest.approx(3 * against("best")[1].p)


def test_several_sides_must_all_be_better():
    rows = two(LOW, HIGH)
    rows["A-c", "z"] = scored("z", HIGH + 0.2)
    both = claim(sides=(Side("c", "x"), Side("c", "z")))
    (verdict,) = verdicts([both], rows)
    assert verdict.word == "does not hold"
    assert verdict.findings[0].compared.first == "c: z"


def overall(*gaps):
    rows = {}
    for family, gap in zip(FAMILIES, gaps, strict=False):
        if gap is not None:
            rows |= two(LOW, LOW + gap + around(0, seed=9), family.name)
    (verdict,) = verdicts([claim()], rows, families=FAMILIES)
    return verdict.word, verdict.share


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ((0.3, 0.3, 0.3), ("holds", "3 of 3")),
        ((0.3, 0.3, None), ("holds", "2 of 2")),
        ((0.3, 0.3, 0.0), ("undecided", "2 of 3")),
        ((0.3, -0.3, 0.3), ("undecided", "2 of 3")),
        ((-0.3, 0.0, 0.0), ("does not hold", "0 of 3")),
        ((-0.3, None, None), ("does not hold", "0 of 1")),
        ((0.0, 0.0, 0.0), ("undecided", "0 of 3")),
        ((None, None, None), ("not measured", "0 of 0")),
    ],
)
def test_over_all_families(gaps, expected):
    assert overall(*gaps) == expected


def test_what_was_not_measured_says_why():
    rows = two(LOW, HIGH)
    families = (*FAMILIES[:2], Family("D", {"v": "D-v"}))
    (verdict,) = verdicts([claim()], rows, families=families)
    assert [one.word for one in verdict.findings] == ["holds", "not measured", "not measured"]
    assert verdict.findings[1].reason == "x on B-c is missing; y on B-v is missing"
    assert verdict.findings[2].reason.startswith("no network in the role 'c'")
    rows["A-v", "y"] = scored("y", HIGH, [f"other {place}" for place in range(40)])
    assert "no picture in common" in verdicts([claim()], rows)[0].findings[0].reason
    nothing = two(np.full(9, np.nan), np.full(9, np.nan))
    assert verdicts([claim()], nothing)[0].findings[0].reason == "no picture has a number"


def literal_holm(values):
    """Holm 1979: the smallest p is held against alpha / m, the next against alpha / (m - 1), ..."""
    m = len(values)
    ordered = sorted(range(m), key=lambda place: values[place])
    corrected, largest = [0.0] * m, 0.0
    for rank, place in enumerate(ordered):
        largest = max(largest, min(1.0, (m - rank) * values[place]))
        corrected[place] = largest
    return corrected


def test_p_is_corrected_over_all_claims_and_families():
    rows = {}
    for place, family in enumerate(FAMILIES):
        rows |= two(LOW, LOW + 0.02 * place + around(0.02, seed=place + 20), family.name)
    claims = [
        claim(id="a"),
        claim(id="b", metrics=("insertion",)),
        claim(id="c", sides=(Side("v", "y"),), than=(Side("c", "x"),)),
    ]
    found = verdicts(claims, rows, families=FAMILIES)
    findings = [one for verdict in found for one in verdict.findings]
    raw = [one.compared.p for one in findings]
    assert len(raw) == 9
    assert [one.p_holm for one in findings] == pytest.approx(literal_holm(raw))
    alone = verdicts(claims[:1], rows)
    assert alone[0].findings[0].p_holm == pytest.approx(raw[0])


def test_many_claims_make_each_harder():
    rows = two(LOW, LOW + around(0.04, seed=3))
    alone = verdicts([claim()], rows)[0]
    assert alone.word == "holds"
    crowd = verdicts([claim(id=str(place)) for place in range(6)], rows)[0]
    assert crowd.word == "undecided"
    assert alone.findings[0].compared.p == crowd.findings[0].compared.p > 0.05 / 6


def test_the_test_is_that_of_flipped_signs():
    met = verdicts([claim()], two(LOW, LOW + around(0.03, seed=3)))[0].findings[0].compared
    differences = around(0.03, seed=3)
    assert met.p == pytest.approx(paired_test(differences, seed=5, draws=50_000), rel=0.3)
