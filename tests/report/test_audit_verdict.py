"""From numbers to verdicts, by hand."""

from math import nan

import pytest

from audits import audit, checked, curve
from regionwise.report.audit_result import Curves, Redrawn, Total, mean_of
from regionwise.report.audit_verdict import CHECKS, chance_level, gap_text, span, verdicts_of


def verdict(check, **changes):
    """What the check says of a map that is otherwise faultless."""
    one = checked(**changes)
    found = verdicts_of(audit(one), one)
    assert tuple(v.check for v in found) == CHECKS
    return next(v for v in found if v.check == check)


@pytest.mark.parametrize(
    ("deletion", "grade", "better"),
    [(0.39, "holds", 20), (0.4, "partly", 19), (0.44, "partly", 12), (0.5, "fails", 0)],
)
def test_deletion_is_better_where_it_is_lower(deletion, grade, better):
    """Equal is not better: a map with the area of the best random order beats nineteen."""
    found = verdict("deletion", curves=Curves(curve(deletion), curve(0.8)))
    assert (found.grade, found.note) == (grade, f"better than {better} of 20 random orders")


@pytest.mark.parametrize(("insertion", "grade"), [(0.61, "holds"), (0.6, "partly"), (0.1, "fails")])
def test_insertion_is_better_where_it_is_higher(insertion, grade):
    assert verdict("insertion", curves=Curves(curve(0.2), curve(insertion))).grade == grade


def test_more_random_orders_do_not_make_the_check_harder():
    """One of 40 may do as well: (1 + 1) / (1 + 40) is below 5 %, as 1 / (1 + 20) is."""
    levels = [chance_level(better, 40) for better in (40, 39, 38)]
    assert [level <= 0.05 for level in levels] == [True, True, False]
    assert chance_level(20, 20) <= 0.05 < chance_level(19, 20)
    assert chance_level(0, 20) == 1


@pytest.mark.parametrize(
    ("last", "grade", "number"),
    [
        ((0.4, 0.5), "holds", "0.45"),
        ((0.5, 0.5), "partly", "0.50"),
        ((0.8, 0.8), "fails", "0.80"),
        ((-0.9, -0.7), "holds", "-0.80"),
        ((nan, 0.9), "fails", "0.90"),
        ((nan, nan), "unknown", ""),
    ],
)
def test_a_map_that_stays_when_the_weights_go_fails(last, grade, number):
    redrawn = Redrawn((0.5, 1.0), tuple((0.9, value) for value in last))
    found = verdict("weights drawn anew", redrawn=redrawn)
    assert (found.grade, found.number) == (grade, number)


def test_draws_are_told_with_their_range_and_the_blank_ones():
    redrawn = Redrawn((1.0,), ((0.1,), (0.3,), (nan,)))
    assert verdict("weights drawn anew", redrawn=redrawn).note == "0.10 to 0.30 in 3 draws, 1 blank"
    assert verdict("weights drawn anew", redrawn=Redrawn((1.0,), ((0.1,),))).note == "one draw"
    assert redrawn.means == (pytest.approx(0.2),)


@pytest.mark.parametrize(
    ("noisy", "grade"),
    [((0.9, 0.9), "holds"), ((0.7, 0.9), "partly"), ((0.6, 0.7), "fails"), ((nan, nan), "unknown")],
)
def test_a_map_that_noise_moves_fails(noisy, grade):
    assert verdict("noise", noisy=noisy).grade == grade


def test_only_a_sum_that_is_claimed_is_judged():
    assert verdict("adding up").grade == "unknown"
    right = Total("completeness", 0.5, 2e-8, complete=True)
    assert verdict("adding up", total=right).grade == "holds"
    assert verdict("adding up", total=right).number == "2e-08 off"
    near = Total("completeness", 0.5, 0.05, complete=False)
    assert verdict("adding up", total=near).grade == "partly"
    wrong = Total("completeness:baseline=zeros,score=logit", 3.0, 0.4, complete=False)
    found = verdict("adding up", total=wrong)
    assert (found.grade, found.number, found.note) == (
        "fails",
        "40.00% off",
        "of the logit's change",
    )


def test_what_was_not_run_says_why():
    found = verdict("noise", noisy=None, missing={"noise": "a map costs (K + 1) F"})
    assert (found.grade, found.note) == ("unknown", "a map costs (K + 1) F")
    assert verdict("deletion", curves=None, missing={"removal": "no"}).note == "no"


def test_numbers_for_reading():
    assert gap_text(0.0) == "0.00%"
    assert gap_text(0.0312) == "3.12%"
    assert gap_text(3e-5) == "3e-05"
    assert span([0.3, nan, 0.1]) == "0.10 to 0.30"
    assert span([0.301, 0.299]) == "0.30"
    assert span([-0.001]) == "0.00"
    assert span([nan]) == "not defined"
    assert mean_of([1.0, nan, 2.0]) == 1.5
