"""birds-cape and birds-calm: what is shipped, on birds that no training has seen."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812

import regionwise
from regionwise import explain, load_model
from regionwise.data.birds import render, sample_scene, species
from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape
from regionwise.heads.network import NetworkSpec
from regionwise.models.shipped import shipped_card

FOLDER = Path(regionwise.__file__).parent / "models" / "weights_shipped"
SEED = 7
NETWORKS = {"birds-cape": ("cape", Cape), "birds-calm": ("calm", Calm)}


@pytest.fixture(scope="module")
def scenes():
    """Two birds of each of the 24 classes."""
    return [
        render(sample_scene(kind, index, seed=SEED), size=224)
        for kind in species(24)
        for index in range(2)
    ]


@pytest.fixture(scope="module", params=NETWORKS)
def found(request, scenes):
    """What a network says of them."""
    method, _ = NETWORKS[request.param]
    pictures = [Image.fromarray(scene.image) for scene in scenes]
    return explain(load_model(request.param), pictures, method)


def test_regions_add_up_to_the_probability(found):
    assert found.exact
    assert found.maps.dtype == torch.float32
    assert found.maps.shape == (48, 1, 14, 14)
    # the regions come from the map, the probability from the network's own pass over it
    assert (found.maps.sum(dim=(2, 3)) - found.probabilities).abs().max() < 5e-6
    assert (found.maps >= 0).all()


def test_nine_of_ten_unseen_birds_are_known(found):
    names = [kind.name for kind in species(24) for _ in range(2)]
    right = sum(top == name for (top, _), name in zip(found.top, names, strict=True))
    assert right >= 0.9 * len(names)


def test_the_contributions_lie_on_the_bird(found, scenes):
    """Cells that a bird touches are a third of the map; a map that knew nothing had a third."""
    masks = torch.from_numpy(np.stack([scene.instance_mask > 0 for scene in scenes]))
    touched = (F.adaptive_avg_pool2d(masks[:, None].float(), 14) > 0).float()[:, 0]
    nearby = F.max_pool2d(touched[:, None], 3, 1, 1)[:, 0]
    maps = found.maps[:, 0]
    on, near = ((maps * c).sum((1, 2)) / maps.sum((1, 2)) for c in (touched, nearby))
    assert touched.mean() < 0.4
    assert on.mean() > 0.85
    assert near.min() > 0.95


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_says_what_was_trained_and_how_good_it_is(name):
    card = shipped_card(name)
    assert NetworkSpec.from_json(card["network"]).head == NETWORKS[name][0]
    classifier = load_model(name)
    assert isinstance(classifier.module.head, NETWORKS[name][1])
    assert card["parameters"] == sum(p.numel() for p in classifier.module.parameters())
    assert tuple(card["class_names"]) == classifier.class_names
    assert SEED not in card["data_seeds"].values()
    assert card["command"].startswith("python scripts/train_birds_heads.py")
    accuracy = card["accuracy"]
    assert 0.9 <= accuracy["test_accuracy"] <= 1
    assert accuracy["bird_erased"] < 2 * accuracy["chance"]
    assert 1 <= accuracy["effective_regions"] <= accuracy["regions"] == 14 * 14


@pytest.mark.parametrize("name", NETWORKS)
def test_two_networks_that_are_mostly_right_mostly_agree(name):
    """P(both right) >= P(a right) + P(b right) - 1, and where both are right they agree."""
    own, other = (shipped_card(n)["accuracy"] for n in (name, "birds-1"))
    least = own["test_accuracy"] + other["test_accuracy"] - 1
    assert own["agreement_with_birds-1"] >= least - 1e-6


def test_all_weights_together_are_at_most_24_megabytes():
    files = list(FOLDER.glob("*.safetensors"))
    assert {file.stem for file in files} >= {"birds-1", "birds-cape", "birds-calm"}
    assert all(json.loads(file.with_suffix(".json").read_text())["name"] for file in files)
    assert sum(file.stat().st_size for file in files) <= 24 * 10**6
