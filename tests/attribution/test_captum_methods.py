"""The classes of captum as methods: against captum called by hand, and against ours."""

import sys

import captum.attr
import pytest
import torch
from torch import nn

from footprint import assert_untouched, snapshot
from nets import seeded
from regionwise import explain, explain_all
from regionwise.attribution.asked import as_recipe
from regionwise.attribution.captum_methods import _fits
from regionwise.errors import ModelError, SettingError, TargetError

TOP2 = [[0, 1], [2, 3], [1, 2]]


def test_the_same_as_captum_by_hand(pooled_net, images):
    found = explain(pooled_net, images, "captum:IntegratedGradients:n_steps=5,baselines=0.5", TOP2)
    by_hand = captum.attr.IntegratedGradients(pooled_net)
    for place in (0, 1):
        target = torch.tensor(TOP2)[:, place]
        expected = by_hand.attribute(images, baselines=0.5, target=target, n_steps=5)
        torch.testing.assert_close(found.maps[:, place], expected.sum(dim=1))
    assert found.method == "captum:IntegratedGradients:baselines=0.5,n_steps=5"
    assert found.signed


@pytest.mark.parametrize(
    ("theirs", "ours", "factor"),
    [
        ("LayerGradCam", "grad-cam:relu=false", 1),
        ("LayerGradCam:relu_attributions=true", "grad-cam", 1),
        ("LayerGradientXActivation", "hires-cam:relu=false", 1),
        ("InputXGradient", "input-x-gradient", 1),
        ("Saliency:abs=false", "gradient:reduce=sum", 1),
        ("Saliency", "gradient:reduce=sum-abs", 1),
    ],
)
def test_they_agree_with_ours(pooled_net, images, theirs, ours, factor):
    own = explain(pooled_net, images, ours, TOP2)
    found = explain(pooled_net, images, f"captum:{theirs}", TOP2)
    torch.testing.assert_close(found.maps * factor, own.maps)
    assert found.signed == own.signed
    assert found.uses_layer == own.uses_layer


def test_layers_and_colours_of_a_window(pooled_net, images):
    first = explain(pooled_net, images, "captum:LayerGradCam", layer="features.1")
    assert first.maps.shape == (3, 1, 8, 6)
    found = explain(pooled_net, images, "captum:Occlusion:sliding_window_shapes=4,strides=2")
    by_hand = captum.attr.Occlusion(pooled_net).attribute(
        images, (3, 4, 4), (3, 2, 2), target=pooled_net(images).argmax(dim=1)
    )
    torch.testing.assert_close(found.maps[:, 0].float(), by_hand.sum(dim=1))


def test_what_hides_single_numbers_hides_squares_and_cells(pooled_net, images):
    found = explain(pooled_net, images, "captum:FeatureAblation:patches=2")
    corners = found.maps[:, 0, ::8, ::6]
    assert torch.equal(found.maps[:, 0], corners.repeat_interleave(8, 1).repeat_interleave(6, 2))
    cells = explain(pooled_net, images, "captum:LayerFeatureAblation").maps
    cam = explain(pooled_net, images, "hires-cam:relu=false").maps
    torch.testing.assert_close(cells, 6 * cam)  # a linear tail; once for each of six channels


def test_all_that_fit_run_and_leave_no_trace(pooled_net, images):
    few = {"n_steps": 3, "n_samples": 3, "patches": 2}
    names = [name for name in captum.attr.__all__ if _fits(getattr(captum.attr, name))]
    assert len(names) >= 25
    assert {"ShapleyValues", "NeuronGradient", "NoiseTunnel", "LimeBase"}.isdisjoint(names)
    before, failed = snapshot(pooled_net), []
    for name in names:
        if name == "Lime":
            continue  # loads scikit-learn, which takes seconds
        settings = as_recipe(f"captum:{name}").settings
        text = ",".join(f"{key}={value}" for key, value in few.items() if key in settings)
        try:
            found = explain(pooled_net, images[:2, :, :8, :8], f"captum:{name}:{text}".rstrip(":"))
        except ModelError as error:
            failed.append((name, str(error)))
            continue
        assert found.maps.dim() == 4
        assert torch.isfinite(found.maps).all()
    assert_untouched(before, pooled_net)
    # captum 0.9: the one takes the layer's map for logits, the other wants a layer without parts
    assert {name for name, _ in failed} <= {"LayerFeaturePermutation", "LayerLRP"}, failed


def test_random_numbers_start_alike(pooled_net, images):
    method = "captum:GradientShap:stdevs=0.5"
    first, second = (explain(pooled_net, images, method).maps for _ in range(2))
    assert torch.equal(first, second)
    beside = explain_all(pooled_net, images, ["random", method])[method]
    assert torch.equal(first, beside.maps)


class Tokens(nn.Module):
    """A class token and patches of 4 x 4 pixels, as a transformer has them."""

    num_prefix_tokens = 1

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))
        return self.head(tokens.square().mean(1))


def test_tokens_are_read_as_cells_or_refused(images):
    model = seeded(Tokens, seed=3)
    found = explain(model, images, "captum:LayerGradientXActivation", layer="norm")
    ours = explain(model, images, "hires-cam:relu=false", layer="norm")
    assert found.maps.shape == (3, 1, 4, 3)
    torch.testing.assert_close(found.maps, ours.maps)
    cells = explain(model, images, "captum:LayerFeatureAblation", layer="norm").maps
    assert cells.flatten(2).std(dim=2).min() > 0
    with pytest.raises(ModelError, match=r"no map of its 4 x 3 cells"):
        explain(model, images, "captum:LayerGradCam", layer="norm")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("captum:Salincy", SettingError, "did you mean 'Saliency'"),
        ("captum:NoiseTunnel", SettingError, "no attribution 'NoiseTunnel'"),
        ("captum:Saliency:target=1", SettingError, "no setting 'target'"),
        ("captum:", SettingError, "is cut short"),
    ],
)
def test_what_is_refused(text, error, says):
    with pytest.raises(error, match=says):
        as_recipe(text)


def test_a_fault_of_captum_is_told(pooled_net, images):
    with pytest.raises(ModelError, match="'captum:IntegratedGradients:method=no' failed: "):
        explain(pooled_net, images, "captum:IntegratedGradients:method=no")
    with pytest.raises(TargetError, match="explains classes"):
        explain(pooled_net, images, "captum:Saliency", lambda logits: logits[:, 0])


def test_without_captum_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(SettingError, match="needs captum; pip install captum"):
        as_recipe("captum:Saliency")
