"""Pair figures show the very difference that the metric scores."""

import numpy as np
import pytest
import torch

from regionwise.attribution.result import Attribution
from regionwise.metrics.cue import cue_map
from regionwise.metrics.pixel_metrics import CueLocalisation
from regionwise.report.pair_figures import (
    PairFigure,
    methods_for,
    pair_row,
    signed_difference,
    truth_addresses,
)
from regionwise.report.pairs_section import pairs_section


@pytest.mark.parametrize("order", ["normalise-first", "difference-first"])
@pytest.mark.parametrize("normalize", ["min-max", "max", "image", "none"])
def test_the_magnitude_of_what_is_shown_is_what_is_scored(order, normalize, generator):
    maps = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64)
    metric = CueLocalisation(order=order, normalize=normalize)
    shown = signed_difference(maps, (12, 16), metric)
    scored = cue_map(maps, (12, 16), order=order, normalize=normalize)
    assert torch.allclose(unit(shown.abs()), unit(scored))
    other = signed_difference(maps.flip(1), (12, 16), metric)
    assert torch.allclose(other, -shown)
    maps[:, :, 0, 0] = torch.tensor([100.0, -100.0])  # the corner speaks for the first class
    assert (signed_difference(maps, (12, 16), metric)[:, 0, 0] > 0).all()


def unit(maps):
    """Return maps of one image each in [0, 1]: what is shown keeps its own units."""
    flat = maps.flatten(1)
    low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    return (flat - low) / (high - low)


def attribution():
    maps = torch.tensor([[[[0.3, 0.0], [0.0, 0.1]], [[0.0, 0.2], [0.0, 0.0]]]])
    return Attribution(
        method="cam",
        maps=maps,
        targets=torch.tensor([[3, 5]]),
        target_names=(("wren", "tit"),),
        scores=torch.zeros(1, 2),
        probabilities=torch.tensor([[0.75, 0.2]]),
        layer="x",
        size=(16, 16),
        flags=(((), ()),),
        top=(("wren", 0.75),),
        images=torch.full((1, 3, 16, 16), 0.5),
    )


def test_a_row_has_three_pictures_and_both_probabilities():
    truth = np.zeros((16, 16), bool)
    truth[:8, :8] = True
    row = pair_row("net", attribution(), truth, CueLocalisation(), 0.5)
    assert len({row.first, row.second, row.difference}) == 3
    assert row.chances == ("75.0%", "20.0%")
    plain, outlined = truth_addresses(np.zeros((16, 16, 3), np.uint8), truth)
    assert plain != outlined


def test_the_exact_method_comes_first_then_the_best_and_a_plain_one():
    able = ["grad-cam", "layer-cam", "cam", "calm", "score-cam"]
    scores = {"layer-cam": 0.6, "cam": 0.2, "calm": 0.3, "score-cam": 0.5}
    assert methods_for(able, ["calm"], scores) == ["calm", "layer-cam", "cam"]
    assert methods_for(able, [], scores) == ["layer-cam", "cam", "score-cam"]
    assert methods_for(able, [], {}) == ["cam", "grad-cam", "layer-cam"]
    assert methods_for(["rise"], [], {}) == ["rise"]


def test_the_section_names_classes_parts_models_and_numbers():
    truth = np.eye(16, dtype=bool)
    rows = [
        pair_row(model, attribution(), truth, CueLocalisation(), number)
        for model, number in (("one<net", 0.1234), ("two", float("nan")))
    ]
    figure = PairFigure(
        "a.png", ("001.Wren", "Tit"), ("head", "wing"), "best", "p", "t", tuple(rows)
    )
    page = pairs_section([figure])
    for words in ("Wren", "differs from it in: head and wing", "one&lt;net", "0.123"):
        assert words in page
    assert "001." not in page
    assert page.count("<img") == 2 + 2 * 3
    assert page.count("<b>") == 1
    assert pairs_section([]) == ""
