"""Models and arguments that break explanation libraries, taken from their issue lists and worse."""

import copy
import math
import pickle

import pytest
import torch
from jaxtyping import config
from torch import nn
from torch.utils.checkpoint import checkpoint

from nets import DeepTailNet, PooledNet, seeded
from regionwise import explain, explain_all
from regionwise.attribution.catalog import methods as catalog
from regionwise.errors import (
    InputError,
    LayerError,
    ModelError,
    SettingError,
    TargetError,
)
from regionwise.evidence.masking import minmax_masks
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS
from regionwise.evidence.probe import Probe
from samples import assert_same, chosen

METHODS = [
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "layer-cam",
    "score-cam",
    "score-cam++",
    "gradient",
]


@pytest.fixture
def unchecked():
    """Without beartype: as users run it, so that the package's own refusals are what is seen."""
    config.update("jaxtyping_disable", value=True)
    yield
    config.update("jaxtyping_disable", value=False)


@pytest.fixture
def reference(deep_tail_net, images):
    """What every disguise of the same network must give."""
    found = explain_all(
        deep_tail_net, images, METHODS, targets=chosen([1, 3], [0, 2], [4, 4]), layer="stem"
    )
    assert all(attribution.maps.any() for attribution in found.values())
    return found


def assert_as_ever(model, images, reference, layer="stem"):
    targets = chosen([1, 3], [0, 2], [4, 4])
    found = explain_all(model, images, METHODS, targets=targets, layer=layer)
    for method, expected in reference.items():
        assert_same(found[method].maps, expected.maps)
        assert not found[method].maps.is_inference()
        assert not found[method].maps.requires_grad


# ------------------------------------------------------------------ modes and surroundings


class WithDropout(DeepTailNet):
    def tail(self, activations):
        return super().tail(nn.functional.dropout(activations, 0.5, training=self.training))


def test_a_model_in_train_mode(deep_tail_net, images, reference):
    model = WithDropout().double()
    model.load_state_dict(deep_tail_net.state_dict())
    assert_as_ever(model.train(), images, reference)
    assert model.training


@pytest.mark.parametrize("trained", [False, True], ids=["eval", "train"])
def test_a_frozen_model(deep_tail_net, images, reference, trained):
    assert_as_ever(deep_tail_net.requires_grad_(False).train(trained), images, reference)


def test_under_no_grad(deep_tail_net, images, reference):
    with torch.no_grad():
        assert_as_ever(deep_tail_net, images, reference)


def test_under_inference_mode(deep_tail_net, images, reference):
    with torch.inference_mode():
        assert_as_ever(deep_tail_net, images, reference)
        # everything is made in here: inputs and targets are inference tensors
        assert_as_ever(deep_tail_net, images.clone(), reference)


def test_tensors_made_under_inference_mode(deep_tail_net, images, reference):
    with torch.inference_mode():
        inputs, targets = images.clone(), chosen([1, 3], [0, 2], [4, 4])
    found = explain_all(deep_tail_net, inputs, METHODS, targets=targets, layer="stem")
    for method, expected in reference.items():
        assert_same(found[method].maps, expected.maps)


def test_a_model_made_under_inference_mode_is_refused_with_a_reason(images):
    with torch.inference_mode():
        model = seeded(DeepTailNet, 12)
    with pytest.raises(ModelError, match="inference_mode"):
        explain(model, images, layer="stem")


def test_a_probe_opened_outside_and_asked_inside_no_grad(deep_tail_net, images, reference):
    with Probe(deep_tail_net, images, chosen([1, 3], [0, 2], [4, 4]), "stem") as probe:
        with torch.no_grad():
            gradients = probe.gradients
        weights = gradients.mean((3, 4))
        maps = torch.einsum("ntk,nkij->ntij", weights, probe.activations).relu()
    assert_same(maps, reference["grad-cam"].maps)


def test_inputs_in_another_layout_and_not_contiguous(deep_tail_net, images, reference):
    assert_as_ever(deep_tail_net, images.to(memory_format=torch.channels_last), reference)
    wide = torch.zeros(3, 3, 16, 24, dtype=torch.float64)
    wide[..., ::2] = images
    assert_as_ever(deep_tail_net, wide[..., ::2], reference)
    assert_as_ever(
        deep_tail_net, images[:1].expand(1, -1, -1, -1).repeat(3, 1, 1, 1) * 0 + images, reference
    )


def test_inputs_of_another_precision_are_cast_to_the_models(deep_tail_net, images):
    ours = explain(deep_tail_net, images.float(), targets=1, layer="stem")
    expected = explain(deep_tail_net, images.float().double(), targets=1, layer="stem")
    assert ours.maps.dtype == torch.float64
    assert torch.equal(ours.maps, expected.maps)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_a_model_in_low_precision(images, dtype):
    model = seeded(PooledNet, 11, dtype=dtype)
    names = ["cam", *METHODS]
    found = explain_all(model, images.to(dtype), names, targets="top-2", layer="features")
    exact = explain_all(
        seeded(PooledNet, 11),
        images.to(dtype).double(),
        names,
        targets=found["cam"].targets,
        layer="features",
    )
    loose = {torch.bfloat16: 0.1, torch.float16: 0.02, torch.float32: 1e-4}[dtype]
    for name, attribution in found.items():
        assert attribution.maps.dtype == dtype
        assert torch.isfinite(attribution.maps).all()
        ours, expected = attribution.saliency((16, 12)), exact[name].saliency((16, 12))
        assert (ours.double() - expected).abs().mean() < loose, name


def test_deterministic_algorithms_are_no_obstacle(deep_tail_net, images, reference):
    torch.use_deterministic_algorithms(mode=True)
    try:
        assert_as_ever(deep_tail_net, images, reference)
    finally:
        torch.use_deterministic_algorithms(mode=False)


def test_another_default_dtype(deep_tail_net, images, reference):
    torch.set_default_dtype(torch.float64)
    try:
        assert_as_ever(deep_tail_net, images, reference)
    finally:
        torch.set_default_dtype(torch.float32)


def test_copies_and_pickles_after_an_explanation(deep_tail_net, images, reference):
    explain(deep_tail_net, images, layer="stem")
    assert_as_ever(copy.deepcopy(deep_tail_net), images, reference)
    assert_as_ever(pickle.loads(pickle.dumps(deep_tail_net)), images, reference)  # noqa: S301


# ------------------------------------------------------------------ networks that work in place


class InPlaceEverywhere(DeepTailNet):
    """The same function; inputs, activations and logits are all overwritten on the way."""

    def trunk(self, x):
        return super().trunk(x.mul_(2.0).div_(2.0))

    def tail(self, activations):
        rectified = activations.relu_()
        mixed = (torch.tanh_(self.mix(rectified)) * 2).add_(rectified)
        return self.out(torch.tanh_(self.hidden(mixed.square().mean((2, 3))))).add_(0.0)


def test_modules_in_place_before_and_behind_the_layer(deep_tail_net, images, reference):
    model = InPlaceEverywhere().double().eval()
    model.load_state_dict(deep_tail_net.state_dict())
    given = images.clone()
    assert_same(model(images.clone()), deep_tail_net(images), tolerance=1e-12)
    assert_as_ever(model, images, reference)
    assert torch.equal(images, given)


def test_the_activations_are_those_of_the_layer_and_not_of_the_relu_behind_it(
    deep_tail_net, images
):
    for needs in (frozenset({GRADIENTS}), frozenset({GRADIENTS, INPUT_GRADIENTS}), frozenset()):
        with Probe(deep_tail_net, images, layer="stem", needs=needs) as probe:
            assert (probe.activations < 0).any()
            assert_same(probe.activations, deep_tail_net.stem(images))


def test_an_in_place_relu_as_the_layer(deep_tail_net, images):
    ours = explain(deep_tail_net, images, targets=1, layer="relu")
    with Probe(deep_tail_net, images, chosen([1], [1], [1]), "relu") as probe:
        assert (probe.activations >= 0).all()
        assert_same(probe.activations, deep_tail_net.stem(images).relu())
        with Probe(deep_tail_net, images, chosen([1], [1], [1]), "stem") as before:
            passed = before.gradients * (before.activations > 0).unsqueeze(1)
        on = (probe.activations > 0).unsqueeze(1)
        assert_same(probe.gradients * on, passed)
    assert ours.maps.any()


class Alias(nn.Module):
    """A tap that returns its own input, which a skip also uses, in place, behind the tap."""

    def __init__(self, in_place):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.tap = nn.Identity()
        self.mix = nn.Conv2d(6, 6, 3, padding=1)
        self.out = nn.Linear(6, 5)
        self.in_place = in_place

    def forward(self, x):
        x = self.stem(x)
        tapped = self.tap(x)
        skip = x.tanh_() if self.in_place else x.tanh()
        return self.out((torch.tanh(self.mix(tapped)) + skip).mean((2, 3)))


@pytest.mark.parametrize("in_place", [False, True], ids=["skip", "skip in place"])
def test_sharing_evidence_changes_no_map(images, in_place):
    """Asking for input gradients keeps the graph of the trunk; the other maps must not see it."""
    model = seeded(lambda: Alias(in_place), 3)
    methods = ["grad-cam", "layer-cam", "score-cam:variant=paper", "gradient"]
    together = explain_all(model, images, methods, targets=1, layer="tap")
    for method in methods:
        alone = explain(model, images, method, targets=1, layer="tap")
        assert_same(together[method].maps, alone.maps)
        assert_same(together[method].scores, alone.scores)


VARIANTS = [
    *(f"grad-cam++:variant={v}" for v in ("official", "local-sum", "torch-cam")),
    *(f"score-cam:variant={v}" for v in ("paper", "pytorch-grad-cam", "torch-cam")),
    *(f"score-cam++:activation={a}" for a in ("relu", "sigmoid", "sig-relu", "mish", "swish")),
    *(f"score-cam++:variant={v}" for v in ("equation", "mask-only")),
    "gradient:reduce=sum",
]


@pytest.mark.parametrize("layer", ["stem", "mix", "relu"])
def test_all_methods_at_once_are_the_methods_one_by_one(deep_tail_net, images, layer):
    """Evidence is shared by what it is, and by nothing less: every variant keeps its own."""
    targets = chosen([1, 3], [0, 2], [4, 4])
    methods = [*METHODS, *VARIANTS]
    together = explain_all(deep_tail_net, images, methods, targets=targets, layer=layer)
    backwards = explain_all(deep_tail_net, images, methods[::-1], targets=targets, layer=layer)
    assert list(together) == methods
    for method in methods:
        alone = explain(deep_tail_net, images, method, targets=targets, layer=layer)
        assert_same(together[method].maps, alone.maps)
        assert_same(backwards[method].maps, alone.maps)
        assert together[method].flags == alone.flags


def test_a_score_function_that_works_in_place(deep_tail_net, images):
    def greedy(logits):
        return logits.mul_(3.0)[:, 1]

    ours = explain(deep_tail_net, images, targets=greedy, layer="stem")
    expected = explain(deep_tail_net, images, targets=1, layer="stem")
    assert_same(ours.maps, expected.maps * 3)
    assert ours.top == expected.top


# ------------------------------------------------------------------ unusual networks


class Shared(nn.Module):
    """One convolution and one ReLU run twice; the block around them runs once."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.twice = nn.Conv2d(6, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.again = self.twice
        self.last = nn.Sequential(nn.Conv2d(6, 6, 1), self.relu)
        self.out = nn.Linear(6, 5)

    def forward(self, x):
        x = self.relu(self.stem(x))
        x = self.relu(self.twice(x))
        x = self.again(x)
        return self.out(self.last(x).mean((2, 3)))


@pytest.mark.parametrize("layer", ["twice", "again", "relu", "last.1"])
def test_a_module_that_runs_twice_is_refused_as_the_layer(images, layer):
    model = seeded(Shared, 4)
    with pytest.raises(LayerError, match=r"(2|3) times"):
        explain(model, images, layer=layer)


@pytest.mark.parametrize("layer", [None, "stem", "last", "last.0"])
def test_shared_modules_elsewhere_do_no_harm(images, layer):
    model = seeded(Shared, 4)
    ours = explain(model, images, targets=1, layer=layer)
    assert ours.maps.any()
    if layer is None:
        assert ours.layer == "last"


class Strided(nn.Module):
    """Strides that differ between rows and columns, as networks on spectrograms have."""

    def __init__(self, channels, stride):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, stride=stride, padding=1)
        self.out = nn.Linear(channels, 5)

    def forward(self, x):
        return self.out(self.conv(x).relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("channels", "stride"),
    [
        (16, (2, 1)),
        (16, (4, 1)),
        (32, (1, 2)),
        (8, (8, 1)),
        (4, (8, 2)),
        (32, (1, 1)),
        (2, (16, 2)),
    ],
    ids=str,
)
def test_cells_that_are_not_square_are_still_rows_and_columns(channels, stride):
    """(n, k, i, j) must not be taken for (n, i, j, k) because its cells would be squarer."""
    model = seeded(lambda: Strided(channels, stride), 5)
    inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    for layer in ("conv", None):
        with Probe(model, inputs, chosen([1], [1]), layer) as probe:
            assert probe.layer == "conv"
            assert_same(probe.activations, model.conv(inputs))
            assert probe.gradients.shape == (2, 1, *probe.activations.shape[1:])


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_a_single_cell_is_no_map(channels):
    model = seeded(lambda: Strided(channels, (32, 32)), 5)
    inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    for layer in ("conv", None):
        with pytest.raises(LayerError):
            explain(model, inputs, layer=layer)


class Unused(DeepTailNet):
    def __init__(self):
        super().__init__()
        self.idle = nn.Conv2d(3, 3, 1)


class Checkpointed(DeepTailNet):
    def tail(self, activations):
        plain = super().tail
        return checkpoint(lambda a: plain(a.clone()), activations, use_reentrant=False)


class NamedOutput(DeepTailNet):
    def forward(self, x):
        return type("Output", (), {"logits": super().forward(x)})()


class OwnNoGrad(DeepTailNet):
    """Turns gradients off for its trunk by itself, as fine-tuning code does."""

    def forward(self, x):
        with torch.no_grad():
            activations = self.trunk(x)
        return self.tail(activations)


class OwnGrad(DeepTailNet):
    """Turns gradients on by itself."""

    def forward(self, x):
        with torch.enable_grad():
            return super().forward(x)


@pytest.mark.parametrize("kind", [Unused, Checkpointed, NamedOutput, OwnGrad])
def test_disguises_of_the_same_network(deep_tail_net, images, reference, kind):
    model = kind().double().eval()
    model.load_state_dict(deep_tail_net.state_dict(), strict=False)
    assert_as_ever(model, images, reference)


def test_a_network_that_turns_gradients_off_in_its_trunk(deep_tail_net, images, reference):
    """The layer lies inside the network's own no_grad, the tail outside of it."""
    model = OwnNoGrad().double().eval()
    model.load_state_dict(deep_tail_net.state_dict())
    ours = explain(model, images, targets=chosen([1, 3], [0, 2], [4, 4]), layer="stem")
    assert_same(ours.maps, reference["grad-cam"].maps)


def test_a_gradient_that_is_zero_in_places_is_not_flagged(deep_tail_net, images):
    """Behind a ReLU about half of the slopes are zero; the flag is for those that all are."""
    with Probe(deep_tail_net, images, layer="stem") as probe:
        assert (probe.gradients == 0).any()
    ours = explain(deep_tail_net, images, "layer-cam", layer="stem")
    assert ours.maps.flatten(1).any(1).all()
    assert ours.flags == (((),), ((),), ((),))


@pytest.mark.parametrize("methods", [["gradient"], ["grad-cam", "gradient"]], ids=str)
def test_no_input_gradient_behind_a_no_grad_trunk(images, methods):
    model = seeded(OwnNoGrad, 12)
    with pytest.raises(LayerError, match="differentiable"):
        explain_all(model, images, methods, layer="stem")


def test_a_wrapped_network(deep_tail_net, images, reference):
    assert_as_ever(nn.Sequential(deep_tail_net), images, reference, layer="0.stem")
    assert_as_ever(nn.DataParallel(deep_tail_net), images, reference)


@pytest.mark.parametrize("layer", ["stem", None])
def test_a_compiled_network_is_explained(deep_tail_net, images, layer):
    """Its layers have the names that they had before it was compiled."""
    expected = explain(deep_tail_net, images, targets=1, layer=layer)
    model = torch.compile(deep_tail_net, backend="eager")
    model(images)
    ours = explain(model, images, targets=1, layer=layer)
    assert ours.layer == expected.layer
    assert_same(ours.maps, expected.maps)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.usefixtures("unchecked")  # dynamo cannot look through beartype
def test_a_network_compiled_in_place_or_in_part(deep_tail_net, images, reference):
    in_part = copy.deepcopy(deep_tail_net)
    in_part.stem = torch.compile(in_part.stem, backend="eager")
    assert_as_ever(in_part, images, reference)
    deep_tail_net.compile(backend="eager")
    deep_tail_net(images)
    assert_as_ever(deep_tail_net, images, reference)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@pytest.mark.parametrize("layer", ["stem", None])
def test_a_scripted_network_is_refused(deep_tail_net, images, layer):
    for model in (torch.jit.script(deep_tail_net), torch.jit.trace(deep_tail_net, images)):
        with pytest.raises(ModelError):
            explain(model, images, layer=layer)


def test_a_layer_given_as_a_module(deep_tail_net, images, reference):
    assert_as_ever(deep_tail_net, images, reference, layer=deep_tail_net.stem)


def test_the_layer_is_found_again_after_the_network_was_changed(images):
    model = seeded(PooledNet, 11)
    assert explain(model, images).layer == "features"
    model.features = nn.Sequential(model.features[:2], nn.Flatten(2), nn.Unflatten(2, (8, 6)))
    model.fc = seeded(lambda: nn.Linear(5, 4), 1)
    assert explain(model, images).maps.shape == (3, 1, 8, 6)


# ------------------------------------------------------------------ numbers that are no numbers


@pytest.mark.parametrize(
    ("where", "value"),
    [("stem.weight", math.nan), ("mix.bias", math.nan), ("out.weight", math.inf)],
)
def test_broken_weights_are_named(deep_tail_net, images, where, value):
    with torch.no_grad():
        deep_tail_net.get_parameter(where).view(-1)[0] = value
    with pytest.raises(ModelError, match=where.replace(".", r"\.")):
        explain(deep_tail_net, images, layer="stem")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_inputs_are_counted(deep_tail_net, images, value):
    images[2, 0, 3, 3] = value
    with pytest.raises(InputError, match="input 2 "):
        explain(deep_tail_net, images, layer="stem")


def test_logits_that_overflow_are_told_from_broken_weights(deep_tail_net, images):
    with torch.no_grad():
        deep_tail_net.out.weight.fill_(1e308)
        deep_tail_net.out.bias.fill_(1e308)
    with pytest.raises(ModelError, match="not finite"):
        explain(deep_tail_net, images, layer="stem")


class Sqrt(PooledNet):
    """The slope of sqrt at 0 is infinite: a finite network with gradients that are not."""

    def tail(self, activations):
        return self.fc(torch.sqrt(activations).mean((2, 3)))


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "xgrad-cam", "layer-cam"])
def test_infinite_gradients_are_flagged_and_leave_no_nan(images, method):
    model = seeded(Sqrt, 11)
    ours = explain(model, images, method, targets=1, layer="features")
    assert torch.isfinite(ours.maps).all()
    assert torch.isfinite(ours.saliency()).all()
    for image in range(3):
        assert "not finite" in ours.flags[image][0]


def test_a_class_that_nothing_speaks_for_is_flagged(pooled_net, images):
    with torch.no_grad():
        pooled_net.fc.weight[0] = -1
        pooled_net.fc.weight[1] = 0
        pooled_net.fc.weight[2] = 1
    ours = explain(pooled_net, images, targets=chosen(*[[0, 1, 2]] * 3), layer="features")
    for image in range(3):
        assert ours.flags[image][0] == ("no positive evidence",)
        assert "zero gradient" in ours.flags[image][1]
        assert ours.flags[image][2] == ()


def test_a_small_contrast_in_bfloat16_is_no_blank_map():
    """Six levels between 157 and 163: two hundred parts in eight bits are still a map."""
    maps = torch.arange(157, 164, dtype=torch.bfloat16).reshape(1, 1, 1, 7)
    masks = minmax_masks(maps, (1, 7))
    assert masks.min() == 0
    assert masks.max() == 1


# ------------------------------------------------------------------ wrong arguments


@pytest.mark.parametrize(
    "targets",
    [
        5,
        -1,
        [0, 1],
        [0, 1, 5],
        [[0], [1], [-2]],
        [[0, 1], [1], [2]],
        [],
        [[], [], []],
        "top-0",
        "top-6",
        "sparrow",
        1.0,
        True,
        [True, False, True],
        [0.0, 1.0, 2.0],
        torch.tensor([0.0, 1.0, 2.0]),
        torch.tensor([[[0]], [[1]], [[2]]]),
        torch.tensor([True, False, True]),
        torch.zeros(3, 0, dtype=torch.int64),
        torch.tensor([0, 1]),
        {"class": 1},
        lambda logits: logits,
        lambda _: 1.0,
        lambda logits: logits[:2, 0],
    ],
    ids=lambda targets: "function" if callable(targets) else str(targets),
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_targets(deep_tail_net, images, targets):
    with pytest.raises(TargetError):
        explain(deep_tail_net, images, targets=targets, layer="stem")


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (3, [[3], [3], [3]]),
        ("3", [[3], [3], [3]]),
        ([0, 4, 2], [[0], [4], [2]]),
        ((0, 4, 2), [[0], [4], [2]]),
        ([[0, 1], [4, 3], [2, 2]], [[0, 1], [4, 3], [2, 2]]),
        (torch.tensor(2), [[2], [2], [2]]),
        (torch.tensor([0, 4, 2]), [[0], [4], [2]]),
        (torch.tensor([[0], [4], [2]], dtype=torch.uint8), [[0], [4], [2]]),
        (torch.tensor([0, 4, 2], dtype=torch.int32), [[0], [4], [2]]),
    ],
    ids=str,
)
def test_targets_in_many_spellings(deep_tail_net, images, targets, expected):
    ours = explain(deep_tail_net, images, targets=targets, layer="stem")
    assert ours.targets.tolist() == expected
    assert_same(ours.scores, deep_tail_net(images).gather(1, torch.tensor(expected)))


def test_without_a_target_the_top_class_of_each_image_is_explained(deep_tail_net, images):
    ours = explain(deep_tail_net, images, layer="stem")
    logits = deep_tail_net(images)
    assert ours.targets.tolist() == logits.argmax(1, keepdim=True).tolist()
    assert_same(ours.probabilities, logits.softmax(1).amax(1, keepdim=True))
    both = explain(deep_tail_net, images, targets="top-2", layer="stem")
    assert both.targets.tolist() == logits.topk(2).indices.tolist()


def test_a_score_function_is_the_difference_it_says(deep_tail_net, images):
    """Gradients are linear in the score: the signed map of y_1 - y_3 is the difference of maps."""
    method = "grad-cam:relu=false"
    ours = explain(deep_tail_net, images, method, targets=lambda y: y[:, 1] - y[:, 3], layer="stem")
    both = explain(deep_tail_net, images, method, targets=chosen(*[[1, 3]] * 3), layer="stem").maps
    assert_same(ours.maps[:, 0], both[:, 0] - both[:, 1])


@pytest.mark.parametrize("layer", ["", "nowhere", "stem.0", "out", "hidden", "idle", nn.ReLU(), 3])
@pytest.mark.usefixtures("unchecked")
def test_wrong_layers(images, layer):
    model = seeded(Unused, 12)
    with pytest.raises(LayerError):
        explain(model, images, layer=layer)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(1, 3, 0, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 8, dtype=torch.complex64),
        [torch.zeros(3, 8, 8)],
        "picture.png",
        None,
        3,
    ],
    ids=lambda value: (
        str(tuple(value.shape)) + str(value.dtype) if torch.is_tensor(value) else str(value)
    ),
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_inputs(deep_tail_net, inputs):
    with pytest.raises(InputError):
        explain(deep_tail_net, inputs, layer="stem")


class Returning(DeepTailNet):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(super().forward(x))


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y[0],
        lambda y: y[:, :, None, None],
        lambda y: y[:1],
        lambda y: y.tolist(),
        lambda _: None,
        lambda y: y.argmax(1, keepdim=True),
    ],
    ids=["one image", "maps", "too few", "list", "none", "classes"],
)
@pytest.mark.usefixtures("unchecked")
def test_outputs_that_are_no_logits(images, change):
    model = seeded(lambda: Returning(change), 12)
    with pytest.raises(ModelError):
        explain(model, images, layer="stem")


@pytest.mark.parametrize(
    "change",
    [
        lambda y: (y, y[:, :, None, None]),
        lambda y: [y],
        lambda y: {"loss": y.sum(), "logits": y},
        lambda y: {"features": y * 2, "out": y},
    ],
    ids=["tuple", "list", "dict with logits", "dict with out"],
)
def test_logits_inside_another_answer(deep_tail_net, images, reference, change):
    model = seeded(lambda: Returning(change), 12)
    model.load_state_dict(deep_tail_net.state_dict())
    assert_as_ever(model, images, reference)


class CutOff(DeepTailNet):
    def tail(self, activations):
        return super().tail(activations.detach())


class Rounded(DeepTailNet):
    def forward(self, x):
        return super().forward(x).detach().round()


@pytest.mark.parametrize("kind", [CutOff, Rounded])
@pytest.mark.parametrize("method", ["grad-cam", "layer-cam"])
def test_a_score_without_a_gradient_is_an_error_and_not_a_blank_map(images, kind, method):
    model = seeded(kind, 12)
    with pytest.raises(LayerError, match="differentiable"):
        explain(model, images, method, layer="stem")


class PassingBy(DeepTailNet):
    """The logits do not depend on `mix` at all."""

    def tail(self, activations):
        self.mix(activations)
        return self.out(torch.tanh(self.hidden(activations.square().mean((2, 3)))))


def test_a_layer_beside_the_way_to_the_logits_is_refused(images):
    model = seeded(PassingBy, 12)
    with pytest.raises(LayerError, match="depend"):
        explain(model, images, layer="mix")


@pytest.mark.parametrize(
    "method",
    [
        "grad-kam",
        "grad-cam:",
        "grad-cam:relu",
        "grad-cam:relu=perhaps",
        "grad-cam:rely=true",
        "grad-cam:relu=true,relu=false",
        "score-cam:variant=best",
        "score-cam:chunk=0",
        "score-cam:chunk=-1",
        "score-cam:chunk=1.5",
        "score-cam++:chunk=0",
        "score-cam++:activation=cosine",
        "gradient:reduce=mean",
        "centre:width=0",
        "centre:width=nan",
        "",
        ":",
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_methods(deep_tail_net, images, method):
    with pytest.raises(SettingError):
        explain(deep_tail_net, images, method, layer="stem")


@pytest.mark.usefixtures("unchecked")
def test_no_method_and_no_list_of_methods(deep_tail_net, images):
    for methods in ([], "grad-cam", None, [None]):
        with pytest.raises(SettingError):
            explain_all(deep_tail_net, images, methods, layer="stem")


def test_evidence_that_was_not_announced_is_refused(deep_tail_net, images):
    with Probe(deep_tail_net, images, layer="stem", needs=frozenset()) as probe:
        for evidence in ("gradients", "input_gradients", "pooled_head"):
            with pytest.raises(ModelError):
                getattr(probe, evidence)


def test_a_method_does_not_change_the_evidence_of_the_next(deep_tail_net, images):
    needs = frozenset({GRADIENTS, INPUT_GRADIENTS, "masked-scores", "pooled-head"})
    with Probe(deep_tail_net, images, chosen([1], [2], [3]), "stem", needs=needs) as probe:
        kept = [
            probe.activations,
            probe.gradients,
            probe.input_gradients,
            probe.logits,
            probe.inputs,
        ]
        before = [tensor.clone() for tensor in kept]
        for method in METHODS:
            catalog.parse(method)(probe)
        for tensor, expected in zip(kept, before, strict=True):
            assert torch.equal(tensor, expected)
