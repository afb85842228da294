"""Ours as a Quantus explain function, called as Quantus calls one; Quantus is not needed."""

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.compat.quantus import explain_func
from regionwise.errors import InputError


def test_arrays_in_and_arrays_n_1_h_w_out(pooled_net, images):
    batch, labels = images.float().numpy(), np.array([0, 3, 1])
    found = explain_func(model=pooled_net, inputs=batch, targets=labels, device="cpu")
    assert isinstance(found, np.ndarray)
    assert found.shape == (3, 1, 16, 12)
    expected = explain(pooled_net, images.float().double(), "grad-cam", [0, 3, 1])
    np.testing.assert_allclose(found, expected.saliency(normalize=None).numpy())


def test_method_layer_and_scale(pooled_net, images):
    signed = explain_func(pooled_net, images, [0, 3, 1], "grad-cam:relu=false", layer="features.1")
    assert signed.min() < 0
    scaled = explain_func(pooled_net, images, torch.tensor([0, 3, 1]), normalize="min-max")
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_another_device_is_refused(pooled_net, images):
    with pytest.raises(InputError, match="move it first"):
        explain_func(pooled_net, images, [0, 1, 2], device="cuda:0")
