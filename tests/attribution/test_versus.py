"""A class against another: score differences, map differences, and where they agree."""

import pytest
import torch

from regionwise import Versus, explain, explain_all, methods
from regionwise.errors import InputError, TargetError

LINEAR = ["cam", "grad-cam:relu=false", "hires-cam:relu=false", "input-x-gradient:reduce=sum"]


@pytest.mark.parametrize("method", LINEAR)
def test_where_a_method_is_linear_in_the_score_both_differences_agree(pooled_net, images, method):
    of_scores = explain(pooled_net, images, method, Versus(2, 0))
    of_maps = explain(pooled_net, images, method, [[2, 0]] * len(images)).map_difference()
    assert torch.allclose(of_scores.maps, of_maps.maps, atol=1e-12)
    assert torch.allclose(of_scores.scores, of_maps.scores, atol=1e-12)
    assert of_scores.maps.abs().max() > 1e-6


def test_where_it_is_not_they_differ(deep_tail_net, images):
    of_scores = explain(deep_tail_net, images, "grad-cam", Versus(2, 0), "stem")
    of_maps = explain(deep_tail_net, images, "grad-cam", [[2, 0]] * 3, "stem").map_difference()
    assert not torch.allclose(of_scores.maps, of_maps.maps, atol=1e-6)


@pytest.mark.parametrize("name", [c.name for c in methods.cards() if not c.class_agnostic])
def test_every_method_explains_a_lead_like_the_function_that_computes_it(pooled_net, images, name):
    others = {
        "rise": "rise:masks=8",
        "augmented-grad-cam": None,
        "augmented-grad-cam++": None,
        "cape": "cape:head=off-the-shelf",
        "mu-cape": "mu-cape:head=off-the-shelf",
        "calm": None,
    }
    method = others.get(name, name)
    if method is None:
        pytest.skip(
            "needs a head of its own, see test_calm.py"
            if name == "calm"
            else "hundreds of passes; its gradients are those of grad-cam, tested here"
        )
    lead = explain(pooled_net, images, method, Versus(2, 0))
    other = explain(pooled_net, images, method, Versus(1, 3))
    assert torch.isfinite(lead.maps).all()
    assert not torch.equal(lead.maps, other.maps)


def test_the_lead_is_a_difference_of_logits_and_of_probabilities_under_masks(pooled_net, images):
    found = explain_all(pooled_net, images, ["grad-cam", "score-cam"], Versus(1, 3))
    with torch.no_grad():
        logits = pooled_net(images)
    assert torch.allclose(found["grad-cam"].scores[:, 0], logits[:, 1] - logits[:, 3])
    assert torch.allclose(
        found["grad-cam"].probabilities[:, 0], logits.softmax(dim=1)[:, 1], atol=1e-12
    )
    weights = found["score-cam"].details["channel_weights"]
    both = explain(pooled_net, images, "score-cam", [[1, 3]] * 3).details["channel_weights"]
    assert torch.allclose(weights[:, 0], both[:, 0] - both[:, 1], atol=1e-12)


def test_names_say_who_leads_whom(pooled_net, images):
    found = explain(pooled_net, images, "grad-cam", Versus("top-1", 3 - 3))
    assert all(" vs class 0" in row[0] for row in found.target_names)
    difference = explain(pooled_net, images, "grad-cam", [[1, 2]] * 3).map_difference()
    assert difference.target_names[0] == ("class 1 minus class 2",)


def test_each_image_may_have_its_own_pair(pooled_net, images):
    together = explain(pooled_net, images, "grad-cam", Versus([0, 1, 2], [1, 2, 0]))
    alone = explain(pooled_net, images[1:2], "grad-cam", Versus(1, 2))
    assert torch.allclose(together.maps[1:2], alone.maps, atol=1e-12)


@pytest.mark.parametrize(
    ("pair", "message"),
    [((1, 1), "against itself"), ((1, 99), "out of range"), (("top-2", 0), "not several")],
)
def test_pairs_that_make_no_sense(pooled_net, images, pair, message):
    with pytest.raises(TargetError, match=message):
        explain(pooled_net, images, "grad-cam", Versus(*pair))


def test_a_map_difference_needs_two_targets(pooled_net, images):
    with pytest.raises(InputError, match="top-2"):
        explain(pooled_net, images, "grad-cam").map_difference()
