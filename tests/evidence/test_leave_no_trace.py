"""A model and the process come back as they were, after success and after every failure."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from footprint import assert_untouched, snapshot
from nets import DeepTailNet, seeded
from regionwise import explain, explain_all
from regionwise.errors import LayerError, ModelError, RegionwiseError, TargetError
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS, MASKED_SCORES
from regionwise.evidence.probe import Probe
from samples import assert_same, chosen

METHODS = ["grad-cam", "grad-cam++", "score-cam", "score-cam++", "gradient", "random", "edges"]


class Everything(nn.Module):
    """Dropout, batch and spectral normalisation, frozen parts, mixed modes and layouts."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout2d(0.5)
        self.wide = nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3, padding=1))
        self.instance = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
        self.head = nn.Linear(4, 5)
        self.trouble = None

    def forward(self, x):
        x = self.drop(self.relu(self.norm(self.conv(x))))
        x = self.instance(self.wide(x))
        if self.trouble is not None:
            raise self.trouble
        return self.head(x.relu_().mean((2, 3)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Everything().double()
    model.conv.to(memory_format=torch.channels_last)
    model.norm.requires_grad_(False)
    # a mixed training run: everything trains except the frozen normalisation
    model.train()
    model.norm.eval()
    model.head.weight.grad = torch.full_like(model.head.weight, 3.0)
    return model


@pytest.fixture
def inputs(generator):
    return torch.randn(2, 3, 8, 6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", [None, "conv", "norm", "wide"])
def test_after_an_explanation(model, inputs, method, layer):
    before, given = snapshot(model), inputs.clone()
    explain(model, inputs, method, targets=1, layer=layer)
    assert_untouched(before, model)
    assert torch.equal(inputs, given)


def test_after_all_methods_at_once(model, inputs):
    before = snapshot(model)
    explain_all(model, inputs, METHODS, targets="top-2")
    assert_untouched(before, model)


class TroubleError(Exception):
    pass


@pytest.mark.parametrize("method", METHODS)
def test_after_the_forward_pass_raises(model, inputs, method):
    explain(model, inputs, method)  # so that the layer is known and the next forward is the probe's
    model.trouble = TroubleError("in the forward pass")
    before = snapshot(model)
    with pytest.raises(TroubleError):
        explain(model, inputs, method)
    assert_untouched(before, model)
    with pytest.raises(TroubleError):
        explain(model, inputs, method, layer="wide")
    assert_untouched(before, model)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_after_the_forward_pass_is_interrupted(model, inputs, error):
    model.trouble = error()
    before = snapshot(model)
    with pytest.raises(error):
        explain(model, inputs, "grad-cam", layer="wide")
    assert_untouched(before, model)


def test_after_the_first_look_for_the_layer_raises(model, inputs):
    model.trouble = TroubleError("while the layers are traced")
    before = snapshot(model)
    with pytest.raises(TroubleError):
        explain(model, inputs)
    assert_untouched(before, model)


@pytest.mark.parametrize("method", ["score-cam", "score-cam++"])
def test_after_a_masked_pass_raises(model, inputs, method):
    """The third forward pass fails: the first is whole, the others are masked."""
    passes = []

    def count(*_):
        passes.append(1)
        if len(passes) == 3:
            raise TroubleError

    explain(model, inputs, "grad-cam")
    handle = model.head.register_forward_hook(count)
    before = snapshot(model)
    with pytest.raises(TroubleError):
        explain(model, inputs, f"{method}:chunk=1")
    assert len(passes) == 3
    assert_untouched(before, model)
    handle.remove()


def raising(logits):
    raise TroubleError


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"targets": 99}, TargetError),
        ({"targets": raising}, TroubleError),
        ({"targets": lambda logits: logits.sum()}, TargetError),
        ({"targets": lambda logits: logits[:, 0] * torch.nan}, ModelError),
        ({"layer": "nowhere"}, LayerError),
        ({"layer": "head"}, LayerError),
        ({"method": "cam", "layer": "conv"}, ModelError),
    ],
    ids=["target", "raising", "scalar", "nan", "layer", "flat-layer", "no-head"],
)
def test_after_a_refusal(model, inputs, settings, error):
    before = snapshot(model)
    with pytest.raises(error):
        explain(model, inputs, **{"method": "grad-cam", **settings})
    assert_untouched(before, model)


def test_after_the_user_raises_inside_an_open_probe(model, inputs):
    before = snapshot(model)

    def use():
        with Probe(model, inputs) as probe:
            assert probe.gradients.any()
            raise TroubleError

    with pytest.raises(TroubleError):
        use()
    assert_untouched(before, model)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_grad_mode_comes_back(model, inputs, enabled):
    with torch.set_grad_enabled(enabled):
        explain_all(model, inputs, METHODS)
        assert torch.is_grad_enabled() is enabled
        with pytest.raises(RegionwiseError):
            explain(model, inputs, layer="head")
        assert torch.is_grad_enabled() is enabled


@pytest.mark.parametrize("method", METHODS)
def test_no_generator_moves(model, inputs, method):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the generator that users share
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    explain(model, inputs, method)
    found = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    assert torch.equal(found[0], expected[0])
    assert (found[1] == expected[1]).all()


class Dicing(DeepTailNet):
    """Draws random numbers in evaluation mode too, as Monte Carlo dropout does."""

    def tail(self, activations):
        return super().tail(nn.functional.dropout(activations, 0.3, training=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", ["stem", None])
def test_a_network_that_throws_dice_leaves_them_as_they_lay(inputs, method, layer):
    model = seeded(Dicing, 12)
    before = snapshot(model)
    first = explain(model, inputs, method, targets=1, layer=layer)
    assert_untouched(before, model)
    second = explain(model, inputs, method, targets=1, layer=layer)
    if layer is not None:  # otherwise the first call also threw to find the layer
        assert torch.equal(first.maps, second.maps)


def test_the_users_hooks_stay_and_run(model, inputs):
    calls = []
    for module in (model.conv, model.wide, model):
        module.register_forward_hook(lambda module, _, __: calls.append(type(module)))
        module.register_forward_pre_hook(lambda module, _: calls.append(type(module)))
    before = snapshot(model)
    explain(model, inputs, "grad-cam", layer="wide")
    assert len(calls) == 6
    assert_untouched(before, model)


def test_a_hook_that_replaces_the_output_is_explained_as_it_runs(inputs):
    model = seeded(DeepTailNet, 12)
    model.stem.register_forward_hook(lambda _, __, output: output * 2)
    with Probe(model, inputs, layer="stem") as probe:
        assert_same(probe.activations, 2 * model.trunk(inputs) / 2)
        assert_same(probe.logits, model(inputs))


def test_gradients_of_the_user_stay_the_same_tensor(model, inputs):
    gradient = model.head.weight.grad
    explain_all(model, inputs, METHODS)
    assert model.head.weight.grad is gradient
    assert (gradient == 3).all()
    assert model.conv.weight.grad is None


def test_inputs_that_want_gradients_get_none(model, inputs):
    inputs.requires_grad_()
    ours = explain_all(model, inputs, METHODS)
    assert inputs.grad is None
    assert inputs.requires_grad
    for found in ours.values():
        assert not found.maps.requires_grad
        assert not found.scores.requires_grad
        assert not found.probabilities.requires_grad


def test_nothing_keeps_the_model_or_its_evidence_alive(inputs):
    model = seeded(DeepTailNet, 12)
    with Probe(model, inputs, layer="stem", needs=frozenset({GRADIENTS, INPUT_GRADIENTS})) as probe:
        kept = weakref.ref(probe.gradients), weakref.ref(probe.input_gradients)
    ours = explain(model, inputs, "grad-cam", layer="stem")
    watch = weakref.ref(model)
    del model, probe
    gc.collect()
    assert watch() is None
    assert kept[0]() is None
    assert kept[1]() is None
    assert ours.maps.shape == (2, 1, 4, 3)


def test_an_exception_does_not_keep_the_lock(model, inputs):
    with pytest.raises(TargetError):
        explain(model, inputs, targets=99)
    done = []
    thread = threading.Thread(target=lambda: done.append(explain(model, inputs, targets=1)))
    thread.start()
    thread.join(timeout=30)
    assert done


def test_two_threads_share_one_model(inputs):
    model = seeded(DeepTailNet, 12).train()
    jobs = [
        ("grad-cam", "stem"),
        ("layer-cam", "mix"),
        ("score-cam", "stem"),
        ("gradient", None),
    ] * 3
    alone = [explain(model, inputs, method, targets=1, layer=layer) for method, layer in jobs]
    before = snapshot(model)
    found = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def work(place):
        start.wait()
        method, layer = jobs[place]
        found[place] = explain(model, inputs, method, targets=1, layer=layer)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for expected, ours in zip(alone, found, strict=True):
        assert_same(ours.maps, expected.maps)
    assert_untouched(before, model)


def test_two_probes_of_one_model_do_not_disturb_each_other(inputs):
    model = seeded(DeepTailNet, 12)
    alone = explain(model, inputs, "grad-cam", targets=1, layer="stem").maps
    needs = frozenset({GRADIENTS, MASKED_SCORES})
    with Probe(model, inputs, chosen([1], [1]), "stem", needs=needs) as outer:
        with Probe(model, inputs, chosen([2], [2]), "mix") as inner:
            assert inner.gradients.any()
        again = explain(model, inputs, "grad-cam", targets=1, layer="stem").maps
        from_outer = torch.einsum("ntk,nkij->ntij", outer.gradients.mean((3, 4)), outer.activations)
    assert_same(again, alone)
    assert_same(from_outer.relu(), alone)


def test_a_closed_probe_does_not_keep_its_graph(inputs):
    model = seeded(DeepTailNet, 12)
    with Probe(model, inputs, layer="stem") as probe:
        activations = probe.activations
    assert not activations.requires_grad
    assert activations.grad_fn is None
    assert probe.logits.grad_fn is None
