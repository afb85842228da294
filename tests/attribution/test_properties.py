"""What must hold for any input, tried on inputs that Hypothesis thinks of."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings

from nets import DeepTailNet, PooledNet, seeded
from regionwise import explain
from regionwise.attribution.cam import class_activation_map
from regionwise.attribution.grad_cam import grad_cam_map
from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from regionwise.attribution.gradient import gradient_map
from regionwise.attribution.layer_cam import layer_cam_map
from regionwise.attribution.score_cam import channel_weights_of, score_cam_map
from regionwise.attribution.score_cam_pp import gate, score_cam_pp_map
from regionwise.attribution.xgrad_cam import xgrad_cam_map
from regionwise.evidence.masking import apply_mask, minmax_masks, upsample
from replicas.resize import upsample as upsample_by_hand
from samples import assert_same

quickly = settings(deadline=None, max_examples=40)
rarely = settings(deadline=None, max_examples=8)

# multiples of 1/8: sums are exact, so equal inputs in another order give equal outputs
values = st.integers(-64, 64).map(lambda v: v / 8)
sides = st.integers(1, 4)

FORMULAS = {
    "grad-cam": grad_cam_map,
    "grad-cam, signed": lambda a, g: grad_cam_map(a, g, relu=False),
    "grad-cam++": grad_cam_pp_map,
    "grad-cam++ official": lambda a, g: grad_cam_pp_map(a, g, variant="official"),
    "grad-cam++ local-sum": lambda a, g: grad_cam_pp_map(a, g, variant="local-sum"),
    "grad-cam++ torch-cam": lambda a, g: grad_cam_pp_map(a, g, variant="torch-cam"),
    "xgrad-cam": xgrad_cam_map,
    "layer-cam": layer_cam_map,
    "cam": lambda a, g: class_activation_map(a, g[..., 0, 0]),
    "score-cam": lambda a, g: score_cam_map(a, g[..., 0, 0]),
}


@st.composite
def evidences(draw):
    n, t, k, i, j = (draw(sides) for _ in range(5))
    activations = draw(arrays.arrays(np.float64, (n, k, i, j), elements=values))
    gradients = draw(arrays.arrays(np.float64, (n, t, k, i, j), elements=values))
    return torch.from_numpy(activations), torch.from_numpy(gradients)


@pytest.mark.parametrize("name", FORMULAS)
@quickly
@given(evidence=evidences(), data=st.data())
def test_permuting_a_batch_permutes_the_maps(name, evidence, data):
    activations, gradients = evidence
    order = data.draw(st.permutations(range(len(activations))))
    maps = FORMULAS[name](activations, gradients)
    assert_same(FORMULAS[name](activations[order], gradients[order]), maps[order])


@pytest.mark.parametrize("name", FORMULAS)
@quickly
@given(evidence=evidences())
def test_a_batch_is_its_images_one_by_one(name, evidence):
    activations, gradients = evidence
    one_by_one = [
        FORMULAS[name](activations[n : n + 1], gradients[n : n + 1])
        for n in range(len(activations))
    ]
    assert_same(FORMULAS[name](activations, gradients), torch.cat(one_by_one))


@pytest.mark.parametrize("name", FORMULAS)
@quickly
@given(evidence=evidences(), data=st.data())
def test_permuting_targets_permutes_the_maps(name, evidence, data):
    activations, gradients = evidence
    order = data.draw(st.permutations(range(gradients.shape[1])))
    maps = FORMULAS[name](activations, gradients)
    assert_same(FORMULAS[name](activations, gradients[:, order]), maps[:, order])


@pytest.mark.parametrize("name", FORMULAS)
@quickly
@given(evidence=evidences(), data=st.data())
def test_the_order_of_channels_does_not_matter(name, evidence, data):
    activations, gradients = evidence
    order = data.draw(st.permutations(range(activations.shape[1])))
    maps = FORMULAS[name](activations, gradients)
    assert_same(FORMULAS[name](activations[:, order], gradients[:, :, order]), maps)


@pytest.mark.parametrize("name", [n for n in FORMULAS if n != "cam"])
@quickly
@given(evidence=evidences())
def test_transposing_the_grid_transposes_the_maps(name, evidence):
    activations, gradients = evidence
    if name == "score-cam":
        weights = gradients[..., :1, :1]
        gradients = weights.expand(*gradients.shape)
    maps = FORMULAS[name](activations, gradients)
    turned = FORMULAS[name](activations.transpose(2, 3), gradients.transpose(3, 4))
    assert_same(turned, maps.transpose(2, 3))


@pytest.mark.parametrize("name", FORMULAS)
@quickly
@given(evidence=evidences())
def test_a_formula_changes_nothing_it_is_given(name, evidence):
    activations, gradients = evidence
    before = activations.clone(), gradients.clone()
    FORMULAS[name](activations, gradients)
    assert torch.equal(activations, before[0])
    assert torch.equal(gradients, before[1])


@pytest.mark.parametrize("name", FORMULAS)
@quickly
@given(evidence=evidences())
def test_maps_are_finite_and_rectified_where_they_should_be(name, evidence):
    maps = FORMULAS[name](*evidence)
    assert torch.isfinite(maps).all()
    if name not in ("cam", "grad-cam, signed"):
        assert (maps >= 0).all()


@quickly
@given(evidence=evidences(), scale=st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_channel_weights_scales_the_map(evidence, scale):
    activations, gradients = evidence
    weights = gradients[..., 0, 0]
    for formula in (class_activation_map, score_cam_map, score_cam_pp_map):
        assert torch.equal(
            formula(activations, weights * scale), formula(activations, weights) * scale
        )


@quickly
@given(evidence=evidences(), scale=st.sampled_from([0.25, 2.0, 8.0]))
def test_scaling_activations_scales_xgrad_cam_and_layer_cam(evidence, scale):
    activations, gradients = evidence
    for formula in (grad_cam_map, xgrad_cam_map, layer_cam_map):
        assert_same(
            formula(activations * scale, gradients), formula(activations, gradients) * scale
        )


planes = arrays.arrays(np.float64, st.tuples(st.just(1), sides, sides, sides), elements=values).map(
    torch.from_numpy
)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@quickly
@given(value=values, grid=st.tuples(sides, sides), size=sizes, corners=st.booleans())
def test_upsampling_keeps_constants(value, grid, size, corners):
    maps = torch.full((1, 2, *grid), value, dtype=torch.float64)
    larger = upsample(maps, size, align_corners=corners)
    assert_same(larger, np.full((1, 2, *size), value), tolerance=1e-14)


awkward = st.floats(-1e3, 1e3, allow_subnormal=False)
"""Values whose interpolation rounds, such as 0.7."""


@quickly
@given(value=awkward, grid=st.tuples(sides, sides), size=sizes, single=st.booleans())
@example(value=0.7, grid=(3, 3), size=(10, 10), single=False)
@example(value=0.7, grid=(4, 3), size=(16, 12), single=False)
def test_a_constant_channel_keeps_nothing(value, grid, size, single):
    """Rounding in the interpolation is no contrast that min-max may stretch to [0, 1]."""
    dtype = torch.float32 if single else torch.float64
    maps = torch.full((1, 1, *grid), value, dtype=dtype)
    for order in ("upsample-first", "minmax-first"):
        for corners in (False, True):
            assert not minmax_masks(maps, size, align_corners=corners, order=order).any()


@quickly
@given(maps=planes, size=sizes, corners=st.booleans())
def test_upsampling_stays_within_the_range_and_follows_the_replica(maps, size, corners):
    larger = upsample(maps, size, align_corners=corners)
    assert larger.min() >= maps.min() - 1e-12
    assert larger.max() <= maps.max() + 1e-12
    expected = [
        [upsample_by_hand(plane.numpy(), size, align_corners=corners) for plane in image]
        for image in maps
    ]
    assert_same(larger, expected)


@quickly
@given(maps=planes, size=sizes)
def test_masks_lie_between_zero_and_one_and_reach_both(maps, size):
    masks = minmax_masks(maps, size)
    assert masks.shape == (*maps.shape[:2], *size)
    assert (masks >= 0).all()
    assert (masks <= 1).all()
    for mask in masks[0]:
        blank = not mask.any()
        assert blank or (mask.min() == 0 and mask.max() == 1)


@quickly
@given(maps=planes, size=sizes, shift=values, scale=st.sampled_from([0.5, 2.0, 4.0]))
def test_masks_do_not_see_shift_and_scale(maps, size, shift, scale):
    assume(all(plane.max() - plane.min() > 0.1 for plane in maps[0]))
    assume(size[0] >= maps.shape[2])
    assume(size[1] >= maps.shape[3])
    for order in ("upsample-first", "minmax-first"):
        masks = minmax_masks(maps, size, order=order)
        assert_same(minmax_masks(maps * scale + shift, size, order=order), masks)


def test_the_two_orders_of_masking_differ():
    """Upsampling one bright cell lowers its peak; min-max first leaves it below one."""
    maps = torch.zeros(1, 1, 3, 3)
    maps[0, 0, 1, 1] = 1.0
    first = minmax_masks(maps, (4, 4), order="upsample-first")
    second = minmax_masks(maps, (4, 4), order="minmax-first")
    assert first.max() == 1
    assert second.max() < 1


def test_a_mask_keeps_where_it_is_one_and_fills_where_it_is_zero():
    inputs = torch.tensor([[[[2.0, 4.0]], [[6.0, 8.0]]]])
    keep = torch.tensor([[[[1.0, 0.0]], [[0.25, 0.5]]]])
    zeroed = [[[[[2.0, 0.0]], [[6.0, 0.0]]], [[[0.5, 2.0]], [[1.5, 4.0]]]]]
    assert apply_mask(inputs, keep, 0.0).tolist() == zeroed
    filled = [[[[[2.0, 10.0]], [[6.0, 10.0]]], [[[8.0, 7.0]], [[9.0, 9.0]]]]]
    assert apply_mask(inputs, keep, 10.0).tolist() == filled


@quickly
@given(
    logits=arrays.arrays(np.float64, st.tuples(sides, sides, st.integers(2, 5)), elements=values),
    shift=values,
)
def test_a_shift_of_all_logits_changes_no_channel_weight(logits, shift):
    masked = torch.from_numpy(logits)
    whole = masked[:, 0]
    targets = torch.zeros(len(masked), 1, dtype=torch.int64)
    for variant in ("code", "paper", "pytorch-grad-cam", "torch-cam"):
        weights = channel_weights_of(masked, whole, whole, targets, variant=variant)
        moved = channel_weights_of(masked + shift, whole, whole, targets, variant=variant)
        assert_same(moved, weights)
        assert (weights >= 0).all()
        assert (weights <= 1).all()


@quickly
@given(maps=planes)
def test_gates_stay_in_their_ranges_and_rise(maps):
    low, high = maps, maps + 0.5
    ranges = {"tanh": (-1, 1), "sigmoid": (0, 1), "sig-relu": (0.5, 1), "relu": (0, 100)}
    for activation, (least, most) in ranges.items():
        values = gate(low, activation)
        assert (values >= least).all()
        assert (values <= most).all()
        assert (gate(high, activation) >= values).all()
    # mish and swish have one shallow dip and nothing below it
    assert (gate(low, "mish") >= -0.309).all()
    assert (gate(low, "swish") >= -0.279).all()


@quickly
@given(
    gradients=arrays.arrays(np.float64, st.tuples(*[sides] * 5), elements=values).map(
        torch.from_numpy
    )
)
def test_input_gradients_are_ordered(gradients):
    largest = gradient_map(gradients, reduce="max-abs")
    total = gradient_map(gradients, reduce="sum-abs")
    signed = gradient_map(gradients, reduce="sum")
    assert (largest <= total).all()
    assert (signed.abs() <= total).all()
    assert torch.equal(gradient_map(-gradients, reduce="max-abs"), largest)
    assert torch.equal(gradient_map(-gradients, reduce="sum"), -signed)


METHODS = [
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "layer-cam",
    "score-cam",
    "score-cam++",
    "gradient",
]
NETS = {"features": seeded(PooledNet, 11), "stem": seeded(DeepTailNet, 12)}
inputs = arrays.arrays(np.float64, (3, 3, 8, 6), elements=values).map(torch.from_numpy)


@pytest.mark.parametrize("layer", NETS)
@pytest.mark.parametrize("method", METHODS)
@rarely
@given(inputs=inputs, order=st.permutations(range(3)), targets=st.permutations([0, 1, 3]))
def test_the_front_door_permutes_with_its_batch(method, layer, inputs, order, targets):
    targets = torch.tensor(targets)
    whole = explain(NETS[layer], inputs, method, targets=targets, layer=layer)
    moved = explain(NETS[layer], inputs[order], method, targets=targets[order], layer=layer)
    assert_same(moved.maps, whole.maps[order])
    assert_same(moved.scores, whole.scores[order])
    for n in range(3):
        alone = explain(
            NETS[layer], inputs[n : n + 1], method, targets=targets[n : n + 1], layer=layer
        )
        assert_same(alone.maps, whole.maps[n : n + 1])
