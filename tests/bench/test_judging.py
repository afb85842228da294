"""Verdicts of made-up rows: the unfavourable end of the interval decides."""

import pytest
from bench.claims import Claim, Compared, faster, lighter, within
from bench.judging import judged, verdicts

OURS = Compared(("ours",), ("peer",), "one")


def verdict(row, asked, *compared, make=faster):
    return judged(make("made up", "ours", "peer", asked, *(compared or (OURS,))), "tiny", row)


def test_twice_as_fast(row):
    found = verdict(row, 1.9)
    assert found.found.value == pytest.approx(2)
    assert (found.word, found.called) == ("reached", "")
    assert (found.sides[0].ms, found.sides[1].ms) == (1000, 2000)
    assert (found.sides[0].mib, found.sides[1].passes) == (1, 3)


def test_the_unfavourable_end_decides(row):
    noisy = row["contenders"]["ours"]["seconds"]
    noisy[:3] = [1.0, 3.0, 0.9]
    found = verdict(row, 1.99)
    assert found.found.low < 1.99 <= found.found.value
    assert found.word == "reached by the median"
    assert verdict(row, 9).word == "falls short"


def test_images_per_run_and_several_contenders_added_up(row):
    both = Compared(("ours",), ("peer", "slow peer"))
    assert verdict(row, 1, both).found.value == pytest.approx(6)


def test_time_to_stay_within(row):
    assert verdict(row, 0.51, make=within).word == "reached"
    assert verdict(row, 0.49, make=within).word == "falls short"


def test_memory(row):
    found = verdict(row, 4, make=lighter)
    assert (found.found.value, found.word) == (4, "reached")


def test_the_worst_of_several_counts(row):
    other = Compared(("ours",), ("slow peer",), "other")
    assert verdict(row, 1, other, OURS).called == "one"
    assert verdict(row, 1, other, OURS, make=within).called == "one"


def test_what_is_missing_is_said(row):
    found = verdict(row, 1, OURS, Compared(("broken",), ("peer",)))
    assert found.word == "not measured: SettingError: there is none"
    value = Claim("made up", "", "", "value", 1, (Compared(("gone",)),))
    assert judged(value, "tiny", row).word == "not measured: TypeError: no such thing"


def test_too_few_turns_are_said(row):
    for one in ("ours", "peer"):
        row["contenders"][one]["seconds"] = row["contenders"][one]["seconds"][:4]
    assert verdict(row, 1).word == "reached (too few turns)"


@pytest.mark.parametrize(
    ("own", "word"), [(1e-6, "falls short"), (3e-5, "within rounding"), (None, "falls short")]
)
def test_a_difference_that_float32_makes_by_itself(row, own, word):
    if own is None:
        del row["values"]["rounding"]
    else:
        row["values"]["rounding"] = own
    same = Claim("made up", "", "", "value", 1e-5, (Compared(("difference",)),), at_most=True)
    assert judged(same, "tiny", row).word == word


def test_claims_meet_the_rows_that_have_their_contenders(row):
    claims = [
        faster("made up", "ours", "peer", 1, OURS),
        faster("made up", "ours", "nobody", 1, Compared(("ours",), ("nobody",))),
        faster("other", "ours", "peer", 1, OURS),
    ]
    found = list(verdicts(claims, {"made up/tiny": row, "made up/other": row}))
    assert [(one.claim.against, one.of) for one in found] == [("peer", "tiny"), ("peer", "other")]


def test_of_a_transformer_less_is_asked(row):
    claim = faster("ablation-cam", "", "", 500, OURS)
    found = list(verdicts([claim], {"ablation-cam/vit_x": row, "ablation-cam/resnet18": row}))
    assert [one.claim.asked for one in found] == [20, 500]
