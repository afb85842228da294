"""Differences of answers that are no means: shared draws, pooled pixels, wins, and Borda counts."""

import numpy as np
import pytest
import torch

from claim_rows import around, claim, scored, two, verdicts
from regionwise.benchmark.blocks import packed, unpacked
from regionwise.benchmark.claims import Side
from regionwise.benchmark.claims_contrasts import FLIPS, contrasts_of
from regionwise.benchmark.claims_precision import pooled_precisions
from regionwise.benchmark.claims_samples import (
    Sample,
    answers_under,
    by_picture,
    pictures_of,
    weights_of,
)
from regionwise.benchmark.reading import Scored, picked
from regionwise.metrics.catalog import metrics
from regionwise.metrics.pixel_metrics import COUNTS
from regionwise.metrics.recipe import Values


def pixels(count, sharp, seed=0, pairs=None):
    """Return rows of pixels whose scores are ``sharp`` higher in the region."""
    drawn = torch.Generator().manual_seed(seed)
    labels = (torch.rand(count, 30, generator=drawn) < 0.3).to(torch.uint8)
    scores = torch.rand(count, 30, generator=drawn) + sharp * labels
    tables = [unpacked(packed(s, y)) for s, y in zip(scores, labels, strict=True)]
    wide = max(table.shape[1] for table in tables)
    counts = torch.zeros(count, 3, wide)
    for row, table in zip(counts, tables, strict=True):
        row[:, : table.shape[1]] = torch.from_numpy(table.copy())
    each = torch.tensor([float(y.double().mean()) for y in labels])
    extras = {COUNTS: counts, "chance": each}
    if pairs is not None:
        extras["pair"] = torch.tensor(pairs, dtype=torch.float64)
    return Values(each, extras=extras)


def contrast(first, second):
    (found,) = contrasts_of([first, second], [(0, 1)], each=False, seed=0)
    return found


def sample(name, values, units=None):
    names = units or tuple((f"{place}.png", -1) for place in range(len(values)))
    return Sample(metrics.parse(name), Scored("m", names, values))


@pytest.mark.parametrize("name", ["pxap", "cue-localisation"])
def test_pooled_pixels_under_draws_are_those_of_the_metric_itself(name):
    pairs = [(0, 1), (0, 2), (0, 1), (0, 2), (1, 2), (0, 1)]
    one = sample(name, pixels(6, 0.3, pairs=pairs))
    weights = weights_of(np.array([0, 1, 1, 2, 3, 4]), seed=1, draws=12)
    assert (weights.sum(axis=1) != 6).any()  # two units belong to one picture
    found = pooled_precisions(one.metric, one.scored.values, weights)
    for draw, met in zip(weights, found, strict=True):
        places = np.repeat(np.arange(6), draw)
        again = one.metric.reduce([picked(one.scored.values, places)])["value"]
        assert met == pytest.approx(again, rel=1e-9)


def test_bins_of_the_published_code_are_pooled_by_the_metric():
    one = sample("pxap:bins=even", pixels(4, 0.3))
    weights = weights_of(np.arange(4), seed=1, draws=3)
    assert pooled_precisions(one.metric, one.scored.values, weights) is None
    assert answers_under(one, weights).shape == (3,)


def test_draws_are_the_same_for_both_sides():
    values = pixels(8, 0.2)
    same = contrast(sample("pxap", values), sample("pxap", values))
    assert (same.value, same.low, same.high, same.p(0.0)) == (0.0, 0.0, 0.0, 1.0)


def test_an_answer_that_is_no_mean_has_an_interval_and_a_test():
    units = 20
    sharp, blunt = (sample("pxap", pixels(units, s, seed=3)) for s in (0.4, 0.1))
    met = contrast(sharp, blunt)
    assert met.value == pytest.approx(sharp.answer - blunt.answer)
    assert met.low < met.value < met.high
    assert met.low > 0
    assert met.p(0.0) < 0.001
    assert met.p(met.value) == 1.0
    assert met.p(met.low) == pytest.approx(0.05, abs=0.03)  # two kinds of the same interval
    few = contrast(*(sample("pxap", pixels(4, s, seed=3)) for s in (0.9, 0.0)))
    assert few.p(0.0) == 0.5**3  # as flipped signs of four pictures could say at most


def test_p_is_never_zero():
    ones, noughts = (sample("pxap", pixels(16, s, seed=2)) for s in (3.0, -3.0))
    assert contrast(ones, noughts).p(0.0) == pytest.approx(1 / (1 + FLIPS))


def test_units_of_one_picture_count_once():
    units = (("a", 1), ("a", 2), ("b", 1), ("c", 3), ("c", 4), ("c", 5))
    pictures = pictures_of(units)
    assert pictures.tolist() == [0, 0, 1, 2, 2, 2]
    numbers = np.array([1.0, 3.0, 5.0, np.nan, 6.0, 8.0])
    assert by_picture(numbers, pictures).tolist() == [2.0, 5.0, 7.0]
    assert np.isnan(by_picture(np.array([np.nan, 1.0]), np.array([0, 1]))[0])
    weights = weights_of(pictures, seed=0, draws=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_by_image_takes_the_numbers_of_images():
    values = {name: pixels(12, sharp, seed=4) for name, sharp in (("x", 0.5), ("y", 0.0))}
    rows = {}
    for role, (name, one) in zip("cv", values.items(), strict=True):
        each = torch.from_numpy(around(0.7 if name == "x" else 0.4, 12, 0.05, seed=len(rows)))
        units = tuple((f"{place}", -1) for place in range(12))
        rows[f"A-{role}", name] = Scored(name, units, Values(each, extras=one.extras))
    pooled, alone = (
        verdicts([claim(metrics=("pxap",), by=by)], rows)[0].findings[0].compared
        for by in ("answer", "image")
    )
    assert (alone.first_value, alone.second_value) == pytest.approx((0.7, 0.4))
    assert pooled.first_value != pytest.approx(0.7, abs=0.01)


def test_a_side_may_have_a_metric_of_its_own():
    rows = {
        ("A-c", "x", "insertion"): scored("x", around(0.9, seed=1)),
        ("A-v", "y", "deletion"): scored("y", around(0.4, seed=2)),
    }
    own = claim(metrics=("insertion",), than=(Side("v", "y", "deletion"),))
    (verdict,) = verdicts([own], rows)
    assert verdict.word == "holds"
    assert verdict.findings[0].compared.second == "v: y by deletion"


def test_a_win_is_over_the_methods_of_the_claim():
    kept = {"x": [0.9, 0.8, 0.5, 0.5], "y": [0.1, 0.9, 0.5, 0.2], "z": [0.2, 0.1, 0.5, 0.3]}
    rows = {("A-c" if name == "x" else "A-v", name): scored(name, kept[name]) for name in kept}
    wins = claim(metrics=("win",), than=(Side("v", "y"), Side("v", "z")))
    met = verdicts([wins], rows)[0].findings[0].compared
    assert met.first_value == pytest.approx((1 + 0 + 1 / 3 + 1) / 4)
    assert met.second == "v: y"
    assert met.second_value == pytest.approx((0 + 1 + 1 / 3 + 0) / 4)


def borda(first, others):
    """Return the verdict of a claim that x comes first by two metrics."""
    names = [f"m{place}" for place in range(len(others))]
    rows = {}
    for metric, sign in (("average-drop", 1), ("insertion", -1)):
        rows["A-c", "x", metric] = scored("x", sign * np.asarray(first))
        for name, numbers in zip(names, others, strict=True):
            rows["A-v", name, metric] = scored(name, sign * np.asarray(numbers))
    sides = tuple(Side("v", name) for name in names)
    return verdicts([claim("first", metrics=("average-drop", "insertion"), than=sides)], rows)[0]


def test_the_first_of_a_borda_count():
    low, middle, high = around(0.1), around(0.5, seed=1), around(0.9, seed=2)
    best = borda(low, [middle, high])
    met = best.findings[0].compared
    assert (best.word, met.first_value, met.second_value) == ("holds", 6.0, 4.0)
    assert borda(middle, [low, high]).word == "does not hold"
    tie = borda(low, [low, high])
    assert (tie.word, tie.findings[0].compared.difference) == ("undecided", 0.0)
    near = borda(low, [around(0.101, seed=5), high])
    assert near.word == "undecided"


def test_ratios_of_sums_are_resampled():
    """Remove and classify is a ratio of accuracies, not a mean."""
    drawn = torch.Generator().manual_seed(0)

    def hits(share):
        return (torch.rand(24, 5, generator=drawn) < share).double()

    def rows(share):
        curves = {"hits": hits(share), "scattered": hits(0.9), "blob": hits(0.8)}
        units = tuple((str(place), -1) for place in range(24))
        return Scored("m", units, Values(None, curves, (0.1, 0.3, 0.5, 0.7, 0.9)))

    made = {("A-c", "x"): rows(0.1), ("A-v", "y"): rows(0.8)}
    (verdict,) = verdicts([claim(metrics=("remove-and-classify",))], made)
    met = verdict.findings[0].compared
    assert verdict.word == "holds"
    assert met.difference == pytest.approx(met.second_value - met.first_value)
    assert met.low < met.difference < met.high


def test_the_seed_decides_the_interval():
    made = two(around(0.2), around(0.25, seed=1))
    found = [verdicts([claim()], made, seed=seed)[0].findings[0].compared for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].low != found[2].low
