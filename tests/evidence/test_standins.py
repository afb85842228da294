"""What stands in for weights says what they say, and is gone afterwards, whatever happens."""

import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import weight_norm as old_weight_norm

from footprint import assert_untouched, snapshot
from regionwise import explain
from regionwise.evidence import standins
from regionwise.evidence.folding import folds_of
from regionwise.evidence.standins import Form, stand_ins
from ways import NormedNet, assert_plain, drawn, pictures

METHOD = "score-cam"


@pytest.fixture
def model():
    return drawn(NormedNet())


# ------------------------------------------------------------------ never stale


def optimizer_step(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model(pictures()).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def load(model):
    model.load_state_dict(drawn(NormedNet(), seed=9).state_dict())


def assign(model):
    model.load_state_dict(drawn(NormedNet(), seed=9).state_dict(), assign=True)


@torch.no_grad()
def in_place(model):
    model.mix.weight.mul_(-1)


def data(model):
    model.mix.weight.data.mul_(-1)


def rows(model):
    model.last.weight.data.copy_(model.last.weight.data.flip(0))


def order(model):
    model.last.weight.data.copy_(model.last.weight.data.transpose(2, 3).clone())


def one_number(model):
    model.last.weight.data[0, 0, 1, 1] += 0.5


def other_data(model):
    model.last.weight.data = model.last.weight.data * 2


def transposed(model):
    model.fc.weight.data = model.fc.weight.data.t()


def parameter(model):
    del model.mix.weight
    model.mix.weight = nn.Parameter(torch.full((6, 6, 3, 3), 0.1))


def statistics(model):
    model.mix_norm.running_mean.data += 1
    model.stem_norm.running_var.data *= 2


def affine(model):
    model.mix_norm.weight.data[2] = -1.0


def epsilon(model):
    model.mix_norm.eps = 0.5


def layout(model):
    model.to(memory_format=torch.channels_last)


def numpy_edit(model):
    model.mix.weight.detach().numpy()[1] += 0.5


def pruned(model):
    prune.random_unstructured(model.last, "weight", 0.5)


def pruned_for_good(model):
    prune.random_unstructured(model.mix, "weight", 0.5)
    prune.remove(model.mix, "weight")


def weight_norm(model):
    parametrizations.weight_norm(model.mix)
    model.mix.parametrizations.weight.original0.data.mul_(2)


def weight_norm_of_old(model):
    with pytest.warns(FutureWarning, match="weight_norm"):
        old_weight_norm(model.mix)
    model.mix.weight_g.data.mul_(2)


def spectral_norm(model):
    parametrizations.spectral_norm(model.last)


def tied(model):
    model.last.weight = model.mix.weight


def shared_by_another_kind(model):
    class Same(nn.Module):
        def __init__(self, linear):
            super().__init__()
            self.weight, self.bias = linear.weight, linear.bias

        def forward(self, x):
            return 3 * nn.functional.linear(x, self.weight, self.bias)

    model.fc = Same(model.fc)


def replaced(model):
    model.last = drawn(nn.Conv2d(6, 6, 1), seed=8)


EDITS = [
    optimizer_step,
    load,
    assign,
    in_place,
    data,
    rows,
    order,
    one_number,
    other_data,
    transposed,
    parameter,
    statistics,
    affine,
    epsilon,
    layout,
    numpy_edit,
    pruned,
    pruned_for_good,
    weight_norm,
    weight_norm_of_old,
    spectral_norm,
    tied,
    shared_by_another_kind,
    replaced,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edit_is_seen(edit, model):
    before = explain(model, pictures(), METHOD, targets=1, layer="last").maps
    edit(model)
    model.eval()
    # the old kind of weight norm makes its weight when it runs; one with a graph has no copy
    with torch.no_grad():
        model(pictures())
    assert_plain(model)
    after = explain(model, pictures(), METHOD, targets=1, layer="last").maps
    assert edit is layout or not torch.equal(before, after)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_edit_is_seen_in_other_numbers(precision, model):
    """Weights of a network in half precision are copied, and so are its buffers."""
    model = model.to(torch.bfloat16)
    wishes = {"targets": 1, "layer": "last", "precision": precision}
    for edit in (data, statistics, affine, transposed):
        before = explain(model, pictures(), "layer-cam", **wishes).maps
        edit(model)
        after = explain(model, pictures(), "layer-cam", **wishes).maps
        assert not torch.equal(before, after), edit.__name__
        fresh = drawn(NormedNet()).to(torch.bfloat16)
        fresh.load_state_dict(model.state_dict())
        assert torch.equal(explain(fresh, pictures(), "layer-cam", **wishes).maps, after)


def test_other_numbers_of_all_weights(model):
    assert_plain(model)
    model.double()
    assert_plain(model, pictures().double(), within=1e-10)
    model.bfloat16()
    maps = explain(model, pictures().bfloat16(), METHOD, targets=1, layer="last").maps
    assert maps.dtype == torch.bfloat16
    model.float()
    assert_plain(model)


def test_they_are_kept_while_nothing_changes(model):
    form = Form(channels_last=True)
    kept = stand_ins(model, form)
    assert stand_ins(model, form) is kept
    model.mix.weight.data[0, 0, 0, 0] += 0.1
    assert stand_ins(model, form) is not kept


def test_sums_see_another_order():
    """Whole numbers, which are summed up without rounding."""
    weight = torch.arange(24.0).view(2, 3, 4)
    others = [weight.flip(axis) for axis in range(3)] + [-weight, weight + 0, 2 * weight]
    equal = [standins._sums(other) == standins._sums(weight) for other in others]
    assert equal == [False, False, False, False, True, False]


def test_they_are_made_whatever_the_default_dtype_is(model):
    standins._weights.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        assert_plain(model)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_plain(model)


def test_one_convolution_run_twice_and_one_weight_in_two():
    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            self.twin = nn.Conv2d(6, 6, 3, padding=1)
            self.twin.weight = self.mix.weight
            self.twin_norm = nn.BatchNorm2d(6)

        def mixed(self, x):
            x = super().mixed(super().mixed(x))
            return torch.relu(self.twin_norm(self.twin(x)))

    assert_plain(drawn(Net()))


def test_what_is_noted_on_a_weight_stays_readable():
    class Net(NormedNet):
        def forward(self, x):
            return super().forward(x) * self.fc.weight.gain * self.mix.weight.gain

    model = drawn(Net())
    model.fc.weight.gain, model.mix.weight.gain = 2.0, 3.0
    expected = explain(model, pictures(), "grad-cam", targets=1, layer="last").scores
    with torch.no_grad():
        torch.testing.assert_close(expected[:, 0], model(pictures())[:, 1])
    explain(model, pictures(), METHOD, targets=1, layer="last")


# ------------------------------------------------------------------ no trace


class Troubled(NormedNet):
    """Raises what it is given, in the middle of its `at`-th pass from now on."""

    trouble, at = None, 0

    def mixed(self, x):
        if self.trouble is not None:
            self.at -= 1
            if self.at < 0:
                raise self.trouble
        return super().mixed(x)


@pytest.fixture
def troubled():
    model = drawn(Troubled())
    model.stem.to(memory_format=torch.channels_last)
    model.mix.requires_grad_(False)
    model.fc.weight.grad = torch.ones_like(model.fc.weight)
    model.train()
    model.stem_norm.eval()
    return model


@pytest.mark.parametrize("precision", [None, "bfloat16"])
@pytest.mark.parametrize("at", [0, 1, 2, 5])
@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), KeyError("mine"), RuntimeError("mine")])
def test_nothing_stays_after_an_error(trouble, at, precision, troubled):
    explain(troubled, pictures(), METHOD, layer="last", precision=precision)
    before = snapshot(troubled)
    troubled.trouble, troubled.at = trouble, at
    with pytest.raises(type(trouble)) as caught:
        explain(troubled, pictures(), f"{METHOD}:chunk=2", layer="last", precision=precision)
    assert caught.value is trouble
    troubled.trouble = None
    del troubled.trouble, troubled.at
    assert_untouched(before, troubled)
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("precision", [None, "float16"])
def test_an_explanation_inside_a_score(precision, troubled):
    inner = []

    def score(logits):
        found = explain(troubled, pictures(), METHOD, layer="last", precision=precision)
        inner.append(found.maps)
        return logits[:, 1]

    before = snapshot(troubled)
    expected = explain(troubled, pictures(), METHOD, layer="last", precision=precision).maps
    found = explain(troubled, pictures(), METHOD, score, layer="last", precision=precision)
    plain = explain(troubled, pictures(), METHOD, 1, layer="last", precision=precision)
    assert all(torch.equal(maps, expected) for maps in inner)
    assert inner
    assert torch.equal(found.scores[:, 0], plain.scores[:, 0])
    assert_untouched(before, troubled)


@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_an_explanation_inside_a_pass(precision, troubled):
    """A hook of the user's explains the network that is being explained."""
    wishes = {"targets": 1, "layer": "last", "precision": precision}
    expected = explain(troubled, pictures(), METHOD, **wishes).maps
    found = []

    def inside(*_):
        if not found:
            found.append(None)
            found[0] = explain(troubled, pictures(), METHOD, **wishes).maps

    before = snapshot(troubled)
    handle = troubled.fc.register_forward_hook(inside)
    outer = explain(troubled, pictures(), METHOD, **wishes).maps
    handle.remove()
    slack = 1e-5 if precision is None else 0.05
    scale = expected.abs().amax()
    assert (outer - expected).abs().amax() <= slack * scale
    assert (found[0] - expected).abs().amax() <= slack * scale
    assert torch.equal(explain(troubled, pictures(), METHOD, **wishes).maps, expected)
    assert_untouched(before, troubled)


def test_one_inside_the_other(model):
    """The outer one still stands after the inner one is gone."""
    with torch.no_grad():
        expected = model(pictures())
        own = stand_ins(model, Form(channels_last=True, folds=folds_of(model, pictures(1))))
        before = snapshot(model)
        with own.in_place():
            with own.in_place():
                torch.testing.assert_close(model(pictures()), expected)
            torch.testing.assert_close(model(pictures()), expected)
        assert_untouched(before, model)


def test_two_threads_and_one_network(troubled):
    wishes = ({}, {"precision": "bfloat16"}, {"precision": "float32"})
    fed = pictures()
    expected = [explain(troubled, fed, METHOD, layer="last", **wish).maps for wish in wishes]
    before, wrong = snapshot(troubled), []

    def work(number):
        for turn in range(4):
            at = (number + turn) % len(wishes)
            found = explain(troubled, fed, METHOD, layer="last", **wishes[at]).maps
            if not torch.equal(found, expected[at]):
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert_untouched(before, troubled)


def test_the_hook_of_the_user_sees_the_networks_own_output(model):
    seen = []
    model.last.register_forward_hook(lambda _, __, output: seen.append(output.detach().clone()))
    with torch.no_grad():
        model(pictures())
    explain(model, pictures(), METHOD, layer="last")
    whole = [one for one in seen[1:] if len(one) == len(seen[0])]
    torch.testing.assert_close(whole[0], seen[0])
