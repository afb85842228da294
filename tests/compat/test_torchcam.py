"""The drop-in against torch-cam, whose names and signatures it has."""

import copy
import inspect

import pytest
import torch
from torch import nn

from footprint import assert_untouched, snapshot
from nets import DeepTailNet, PooledNet, seeded
from regionwise import explain
from regionwise.compat import torchcam as ours
from regionwise.errors import InputError, LayerError, SettingError, TargetError

theirs = pytest.importorskip("torchcam.methods")
SAME = ["CAM", "GradCAM", "XGradCAM", "LayerCAM", "ScoreCAM", "ISCAM"]
NAMES = [*SAME, "GradCAMpp", "SmoothGradCAMpp", "SSCAM"]
SHAPE = (3, 24, 16)
TINY = 1e-5
"""Theirs adds 1e-8 to the maximum by which it divides; maps here are as small as 1e-3."""


@pytest.fixture(params=[PooledNet, DeepTailNet], ids=["pooled", "deep tail"])
def model(request):
    found = seeded(request.param, seed=11)
    if isinstance(found, DeepTailNet):
        found.relu.inplace = False  # theirs keeps what is changed in place
    return found


@pytest.fixture
def inputs():
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def layer_of(model):
    return "features" if isinstance(model, PooledNet) else "stem"


def maps_of(library, name, model, inputs, class_idx=(1, 2), **how):
    """Run the extractor as the documentation of torch-cam does."""
    made = getattr(library, name)
    given = {key: how.pop(key) for key in list(how) if key in {"normalized", "targets"}}
    layer = how.pop("target_layer", layer_of(model))
    with made(model, layer, input_shape=SHAPE, **how) as extractor:
        out = model(inputs)
        asked = None if class_idx is None else list(class_idx)
        return extractor(asked, out, **given)


def skipped(name, model):
    if name == "CAM" and isinstance(model, DeepTailNet):
        pytest.skip("CAM needs pooling and one linear layer")


@pytest.mark.parametrize("normalized", [True, False], ids=["normalised", "raw"])
@pytest.mark.parametrize("name", SAME)
def test_maps_are_those_of_the_library(name, normalized, model, inputs):
    skipped(name, model)
    found = maps_of(ours, name, model, inputs, normalized=normalized)
    expected = maps_of(theirs, name, model, inputs, normalized=normalized)
    assert len(found) == len(expected) == 1
    assert not found[0].requires_grad
    scale = expected[0].abs().max()
    torch.testing.assert_close(found[0] / scale, expected[0] / scale, rtol=0, atol=TINY)


@pytest.mark.parametrize("name", ["GradCAM", "LayerCAM", "ScoreCAM"])
def test_one_class_for_all_and_functions_as_targets(name, model, inputs):
    def lead(output):
        return output[1] - output[0]

    def double(output):
        return 2 * output[2]

    for asked, targets in [(None, lead), (None, [lead, double])]:
        found = maps_of(ours, name, model, inputs, asked, targets=targets)
        expected = maps_of(theirs, name, model, inputs, asked, targets=targets)
        torch.testing.assert_close(found[0], expected[0], rtol=0, atol=TINY)
    with ours.GradCAM(model, layer_of(model)) as mine:
        alike = mine(1, model(inputs)), mine([1, 1], model(inputs))
    assert torch.equal(*(maps[0] for maps in alike))


def test_several_layers_and_their_fusion(inputs):
    model = seeded(PooledNet, seed=11)
    layers = [model.features[1], "features"]
    for name in ["GradCAM", "LayerCAM"]:
        found = maps_of(ours, name, model, inputs, target_layer=list(layers))
        expected = maps_of(theirs, name, model, inputs, target_layer=list(layers))
        assert [tuple(one.shape) for one in found] == [(2, 12, 8), (2, 6, 4)]
        for mine, other in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=TINY)
        for shape in [None, (9, 7)]:
            fused = getattr(ours, name).fuse_cams(found, shape)
            other = getattr(theirs, name).fuse_cams(expected, shape)
            torch.testing.assert_close(fused, other, rtol=0, atol=TINY)
    assert ours.GradCAM.fuse_cams(found[:1]) is found[0]
    with pytest.raises(InputError, match="no maps"):
        ours.GradCAM.fuse_cams([])


def test_grad_cam_pp_divides_where_theirs_does_not(model, inputs):
    found = maps_of(ours, "GradCAMpp", model, inputs, normalized=False)[0]
    expected = maps_of(theirs, "GradCAMpp", model, inputs, normalized=False)[0]
    layer = layer_of(model)
    assert torch.equal(found, explain(model, inputs, "grad-cam++", [1, 2], layer).maps[:, 0])
    port = explain(model, inputs, "grad-cam++:variant=torch-cam", [1, 2], layer).maps[:, 0]
    scale = expected.abs().max()
    torch.testing.assert_close(port / scale, expected / scale, rtol=0, atol=1e-6)
    assert not torch.allclose(found / found.max(), expected / expected.max(), atol=1e-3)


@pytest.mark.parametrize("name", ["SmoothGradCAMpp", "SSCAM"])
def test_without_noise_the_noisy_ones_are_those_of_the_library(name, model, inputs):
    """Theirs refuses a standard deviation of 0; 1e-9 is none that a map would feel.

    Gradients are made large beside the 1e-8 that theirs adds to a denominator.
    """
    with torch.no_grad():
        (model.fc if isinstance(model, PooledNet) else model.out).weight.mul_(100)
    how = {"num_samples": 2, "std": 1e-9, "normalized": False}
    found = maps_of(ours, name, model, inputs, **how)[0]
    expected = maps_of(theirs, name, model, inputs, **how)[0]
    scale = expected.abs().max()
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["SmoothGradCAMpp", "SSCAM"])
def test_noise_comes_from_the_seed_alone(name, model, inputs):
    first, again, other = (
        maps_of(ours, name, model, inputs, num_samples=2, seed=seed)[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_signatures_are_theirs(name):
    """Every argument of theirs is accepted, at its place and with its default."""
    mine = inspect.signature(getattr(ours, name)).parameters
    for place, (key, parameter) in enumerate(
        inspect.signature(getattr(theirs, name)).parameters.items()
    ):
        assert list(mine)[place] == key or parameter.kind is parameter.VAR_KEYWORD
        if parameter.kind is not parameter.VAR_KEYWORD and key != "batch_size":
            assert mine[key].default == parameter.default


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_left_as_it_was(name, model, inputs):
    skipped(name, model)
    model.train()
    before = snapshot(model)
    maps_of(ours, name, model, inputs)
    assert_untouched(before, model)
    with pytest.raises(TargetError), getattr(ours, name)(model, layer_of(model)) as extractor:
        extractor(99, model(inputs))
    assert_untouched(before, model)


def test_the_graph_of_the_user_is_left_alone(model, inputs):
    with ours.GradCAM(model, layer_of(model)) as extractor:
        out = model(inputs)
        first = extractor([1, 2], out, retain_graph=False)
        second = extractor([1, 2], out)
        out.sum().backward()
    assert torch.equal(first[0], second[0])


def test_passes_of_ours_are_not_taken_for_yours(model, inputs):
    with ours.ScoreCAM(model, layer_of(model)) as extractor:
        model(inputs)
        first, second = extractor([1, 2]), extractor([1, 2])
        assert torch.equal(first[0], second[0])


def test_an_input_of_inference_mode_has_gradients_too(model, inputs):
    plain = maps_of(ours, "GradCAM", model, inputs)[0]
    with ours.GradCAM(model, layer_of(model)) as extractor:
        with torch.inference_mode():
            model(inputs.clone())
        assert torch.equal(extractor([1, 2])[0], plain)


def test_what_the_model_saw_last_is_explained(model, inputs):
    changed = inputs.clone()
    with ours.GradCAM(model, layer_of(model)) as extractor:
        model(changed)
        changed.zero_()
        first = extractor([1, 2])
        extractor.disable_hooks()
        model(changed[:1])
        assert torch.equal(extractor([1, 2])[0], first[0])
        extractor.enable_hooks()
        out = model(inputs[:1])
        assert len(extractor(1, out)[0]) == 1
        with pytest.raises(InputError, match="scores of 2 images"):
            extractor(1, torch.zeros(2, 4))
        extractor.reset_hooks()
        with pytest.raises(InputError, match="has not run"):
            extractor(1)
    model(inputs)
    with pytest.raises(InputError, match="has not run"):
        extractor(1)


def test_the_default_layer_is_found_when_the_model_has_run(model, inputs):
    with ours.GradCAM(model) as extractor:
        found = extractor([1, 2], model(inputs))
    assert torch.equal(found[0], ours_default(model, inputs))


def ours_default(model, inputs):
    with ours.GradCAM(model, explain(model, inputs).layer) as extractor:
        return extractor([1, 2], model(inputs))[0]


def test_a_constant_map_is_zero(inputs):
    model = seeded(PooledNet, seed=11)
    with torch.no_grad():
        model.fc.weight[1] = 0
    assert not maps_of(ours, "GradCAM", model, inputs, (1, 1))[0].any()


def test_what_makes_no_sense_is_refused(model, inputs):
    layer = layer_of(model)
    with pytest.raises(LayerError, match="nowhere"):
        ours.GradCAM(model, "nowhere")
    with pytest.raises(SettingError, match="one target_layer"):
        ours.CAM(model, [layer, layer])
    with pytest.raises(SettingError, match="give target_layer"):
        ours.GradCAM(model, reshape_transform=lambda x: x)
    with ours.GradCAM(model, layer) as extractor:
        out = model(inputs)
        with pytest.raises(TargetError, match="either class_idx or targets"):
            extractor(None, out)
        with pytest.raises(TargetError, match="either class_idx or targets"):
            extractor(1, out, targets=lambda output: output[1])
        with pytest.raises(TargetError, match="3 targets for 2 images"):
            extractor([1, 2, 3], out)
        with pytest.raises(TargetError, match="1 targets for 2 images"):
            extractor(None, out, targets=[lambda output: output[1]])
    assert not model._forward_pre_hooks


def test_a_linear_layer_that_is_not_the_head_is_refused(inputs):
    model = seeded(PooledNet, seed=11)
    model.other = nn.Linear(6, 4).double()
    found = maps_of(ours, "CAM", model, inputs, fc_layer=model.fc)
    assert torch.equal(found[0], maps_of(ours, "CAM", model, inputs)[0])
    with pytest.raises(SettingError, match=r"'other', but what follows the pooling is 'fc'"):
        maps_of(ours, "CAM", model, inputs, fc_layer="other")
    with pytest.raises(TargetError, match="explains classes"):
        maps_of(ours, "CAM", model, inputs, None, targets=lambda output: output[0])


def test_a_model_of_two_inputs_is_refused(model, inputs):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = copy.deepcopy(model)

        def forward(self, images, other):
            return self.inner(images) + other

    both = Two()
    with ours.GradCAM(both, f"inner.{layer_of(model)}") as extractor:
        both(inputs, 0.0)
        with pytest.raises(InputError, match="Adapted"):
            extractor(1)
