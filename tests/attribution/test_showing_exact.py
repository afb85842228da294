"""Exact maps are shown with the numbers of their regions, and say what they hold."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from heads.joints import head_of
from nets import PooledNet, seeded
from regionwise import Versus, explain
from regionwise.attribution import showing
from regionwise.attribution.showing import cells_of, panel_of, picture_of


def network():
    """A backbone and a CAPE head of four classes."""
    parts = {"backbone": seeded(PooledNet, seed=11).features, "head": head_of("cape", 6, 4)}
    return nn.Sequential(OrderedDict(parts)).eval()


@pytest.fixture
def pictures(images):
    return (images - images.min()) / (images.max() - images.min())


@pytest.fixture
def found(pictures):
    return explain(network(), pictures, "cape", targets="top-2")


def shown(attribution, pictures):
    return cells_of(attribution, 0, picture_of(pictures[0]))


def test_regions_above_a_twentieth_of_the_strongest_get_their_per_cent(found, pictures):
    for cell, map_ in zip(shown(found, pictures), found.maps[0], strict=True):
        strong = {tuple(z) for z in (map_ > 0.05 * map_.max()).nonzero().tolist()}
        assert set(cell.values.texts) == strong
        assert (cell.values.rows, cell.values.columns) == tuple(map_.shape)
        at = max(strong, key=lambda z: map_[z].item())
        assert float(cell.values.texts[at]) == pytest.approx(100 * map_[at].item(), abs=0.51)


def test_the_panel_says_the_probability_that_is_split_up(found, pictures, monkeypatch):
    caught = []
    drawn = showing.panel

    def watched(panels, **named):
        caught.extend(panels)
        return drawn(panels, **named)

    monkeypatch.setattr(showing, "panel", watched)
    panel_of(found, 0, picture_of(pictures[0]))
    for panel, probability in zip(caught, found.probabilities[0].tolist(), strict=True):
        assert panel.probability == pytest.approx(probability)
        assert panel.words.endswith(f"of the {probability:.1%}")
        assert "of 12 regions hold" in panel.words


@pytest.mark.parametrize(
    ("method", "targets"),
    [("cape:quantity=posterior", "top-2"), ("mu-cape", "top-2"), ("cape", Versus(0, 1))],
)
def test_what_adds_up_to_no_probability_gets_no_numbers(pictures, method, targets):
    found = explain(network(), pictures, method, targets=targets)
    assert not found.exact
    assert all(cell.values is None for cell in shown(found, pictures))


def test_the_numbers_can_be_seen(found, pictures):
    """The panel differs from that of the same map without numbers, inside the pictures alone."""
    large = torch.nn.functional.interpolate(pictures, (96, 72))
    found = replace(found, size=(96, 72), images=large)
    with_numbers = np.asarray(panel_of(found, 0, picture_of(large[0])))
    without = np.asarray(panel_of(replace(found, exact=False), 0, picture_of(large[0])))
    assert with_numbers.shape[1] == without.shape[1]
    assert with_numbers.shape[0] > without.shape[0], "a line of words"
