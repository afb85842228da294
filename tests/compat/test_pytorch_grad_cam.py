"""The drop-in against the library whose signatures it has."""

import numpy as np
import pytest
import torch

from nets import DeepTailNet, PooledNet, seeded
from regionwise.compat import pytorch_grad_cam as ours
from regionwise.errors import SettingError, TargetError

theirs = pytest.importorskip("pytorch_grad_cam")
SAME = ["GradCAM", "XGradCAM", "LayerCAM", "HiResCAM", "GradCAMPlusPlus", "ScoreCAM"]


@pytest.fixture(params=[PooledNet, DeepTailNet], ids=["pooled", "deep tail"])
def model(request):
    """Gradients are made large beside the 1e-6 that theirs adds in Grad-CAM++.

    Nothing works in place behind the layer: there, theirs keeps the changed activations.
    """
    found = seeded(request.param, seed=11, dtype=torch.float32)
    if isinstance(found, DeepTailNet):
        found.relu.inplace = False
    with torch.no_grad():
        (found.fc if isinstance(found, PooledNet) else found.out).weight.mul_(100)
    return found


@pytest.fixture
def inputs():
    return torch.randn(2, 3, 24, 16, generator=torch.Generator().manual_seed(8))


def layer_of(model):
    return model.features if isinstance(model, PooledNet) else model.stem


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("given", [True, False], ids=["targets", "top class"])
def test_maps_are_those_of_the_library(name, given, model, inputs):
    layers = [layer_of(model)]
    asked = [ours.ClassifierOutputTarget(i) for i in (1, 2)] if given else None
    with getattr(theirs, name)(model=model, target_layers=layers) as cam:
        expected = cam(input_tensor=inputs, targets=asked)
    with getattr(ours, name)(model=model, target_layers=layers) as cam:
        found = cam(input_tensor=inputs, targets=asked)
    assert found.dtype == np.float32
    assert found.shape == (2, 24, 16)
    # on a signed layer the denominator of Grad-CAM++ may come close to zero, and to their 1e-6
    signed = name == "GradCAMPlusPlus" and isinstance(model, DeepTailNet)
    np.testing.assert_allclose(found, expected, atol=2e-2 if signed else 2e-3)


def test_several_layers_and_any_callable(inputs):
    model = seeded(PooledNet, seed=11, dtype=torch.float32)
    layers = [model.features[1], model.features]

    def margin(output):
        return output[1] - output[0]

    expected = theirs.GradCAM(model, layers)(inputs, [margin, margin])
    found = ours.GradCAM(model, ["features.1", model.features])(inputs, [margin, margin])
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["AblationCAM", "EigenCAM"])
def test_the_others_run(name, model, inputs):
    found = getattr(ours, name)(model, [layer_of(model)])(inputs)
    assert found.max() == pytest.approx(1)
    assert found.min() >= 0


def test_too_few_targets_are_refused(model, inputs):
    with pytest.raises(TargetError, match="1 targets for 2 images"):
        ours.GradCAM(model, [layer_of(model)])(inputs, [ours.ClassifierOutputTarget(1)])


def test_what_is_not_offered_is_refused(model, inputs):
    with pytest.raises(SettingError, match="aug_smooth"):
        ours.GradCAM(model, [layer_of(model)])(inputs, None, aug_smooth=True)
    with pytest.raises(SettingError, match="target_layers"):
        ours.GradCAM(model, [])
