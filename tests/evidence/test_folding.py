"""Normalisations go into the convolutions before them only where nobody sees the difference."""

import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from regionwise import explain
from regionwise.evidence.folding import folds_of
from ways import NormedNet, assert_plain, drawn, pictures


def folded(model, **settings):
    return {fold.convolution for fold in folds_of(model, pictures(1, **settings))}


def test_normalisations_are_folded_and_the_maps_stay():
    model = drawn(NormedNet())
    assert folded(model) == {"stem", "mix"}
    assert_plain(model)


def test_a_normalisation_without_weights_grouped_and_dilated_convolutions():
    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            self.mix = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3, padding_mode="circular")
            self.mix_norm = nn.BatchNorm2d(6, affine=False)

    model = drawn(Net())
    assert folded(model) == {"stem", "mix"}
    assert_plain(model)


def test_the_explained_convolution_shows_its_own_output():
    model = drawn(NormedNet())
    assert_plain(model, layer="mix")
    assert_plain(model, layer="mix_norm")


def test_a_module_that_passes_it_on_can_be_explained():
    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            self.wrapper = nn.Sequential(self.mix, nn.Identity())

        def mixed(self, x):
            return torch.relu(self.mix_norm(self.wrapper(x)) + x)

    model = drawn(Net())
    assert folded(model) == {"stem", "mix"}
    assert_plain(model, layer="wrapper")


READERS = {
    "a skip": lambda net, _, c: net.mix_norm(c) + c,
    "a view": lambda net, _, c: net.mix_norm(c) + c.flatten(1).mean(1)[:, None, None, None],
    "its data": lambda net, _, c: net.mix_norm(c) + c.data,
    "a condition": lambda net, x, c: net.mix_norm(c) + (x if c.mean() > 9 else 0),
    "in place": lambda net, _, c: net.mix_norm(c.mul_(0.5)),
    "twice normalised": lambda net, x, c: net.mix_norm(c) + net.mix_norm(x),
    "past the hooks": lambda net, x, c: net.mix_norm(c) + net.mix.forward(x),
    "normalised past the hooks": lambda net, x, c: net.mix_norm(c) + net.mix_norm.forward(x),
    "its weight read": lambda net, x, c: (
        net.mix_norm(c) + nn.functional.conv2d(x, net.mix.weight, padding=1)
    ),
    "run twice": lambda net, x, c: net.mix_norm(c) + net.mix(x),
    "a function": lambda net, _, c: torch.relu(net.mix_norm(torch.tanh(c))),
    "batch statistics": lambda net, _, c: net.mix_norm.train()(c),
}


class ReadNet(NormedNet):
    """What the second convolution gives is read as `reader` says."""

    reader = None

    def mixed(self, x):
        return torch.relu(self.reader(x, self.mix(x)))


def pytest_generate_tests(metafunc):
    if "reader" in metafunc.fixturenames:
        metafunc.parametrize("reader", READERS.values(), ids=READERS.keys())


def test_other_readers_see_the_convolution_itself(reader):
    class Net(ReadNet):
        def reader(self, x, c):
            return reader(self, x, c)

    model = drawn(Net())
    assert "mix" not in folded(model)
    statistics = model.mix_norm.running_mean.clone()
    assert_plain(model, pictures(1))
    if not model.mix_norm.training:
        assert torch.equal(model.mix_norm.running_mean, statistics)


def test_what_depends_on_values_is_left_alone():
    """The first image takes one branch, the second another, in which the convolution is read."""

    class Net(NormedNet):
        def mixed(self, x):
            c = self.mix(x)
            normed = self.mix_norm(c)
            return torch.relu(normed + c if x.mean() > 2 else normed)

    model = drawn(Net())
    assert folded(model) == set()
    inputs = torch.stack([torch.zeros(3, 16, 16), torch.full((3, 16, 16), 9.0)])
    with torch.no_grad():
        means = [float(model.before(one[None]).mean()) for one in inputs]
    assert means[0] < 2 < means[1]
    for one in inputs:
        assert_plain(model, one[None])


def test_only_batch_normalisation_itself():
    class Own(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    model = NormedNet()
    model.stem_norm = Own(6)
    model.mix_norm = nn.BatchNorm2d(6, track_running_stats=False)
    drawn(model)
    assert folded(model) == set()
    assert_plain(model, pictures(1))


# ------------------------------------------------------------------ what changes after a first call


def changed(change):
    """The maps are right before and after a change to the same network."""
    model = drawn(NormedNet())
    assert_plain(model)
    change(model)
    assert_plain(model)
    return model


def test_a_hook_that_is_added_later_sees_the_convolution():
    model, seen = drawn(NormedNet()), []
    assert_plain(model)
    with torch.no_grad():
        expected = model.mix(model.before(pictures(1)))
    handle = model.mix.register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    explain(model, pictures(1), "score-cam", layer="last")
    handle.remove()
    torch.testing.assert_close(seen[0], expected)
    assert folded(model) == {"stem", "mix"}


def test_a_hook_on_what_passes_it_on_in_a_tuple_sees_the_convolution():
    class Pair(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x), None

    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            self.pair = Pair(self.mix)

        def mixed(self, x):
            return torch.relu(self.mix_norm(self.pair(x)[0]) + x)

    model = drawn(Net())
    assert folded(model) == {"stem", "mix"}
    model.pair.register_forward_hook(lambda *_: None)
    assert folded(model) == {"stem"}


def test_a_hook_for_all_modules_of_the_process():
    model = drawn(NormedNet())
    assert folded(model)
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        assert folded(model) == set()
    finally:
        handle.remove()
    assert folded(model)


def test_a_network_of_another_class():
    class Net(NormedNet):
        def mixed(self, x):
            c = self.mix(x)
            return torch.relu(self.mix_norm(c) + c)

    def change(model):
        model.__class__ = Net

    assert folded(changed(change)) == {"stem"}


def test_a_switch_of_the_network():
    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            self.taps = []

        def mixed(self, x):
            c = self.mix(x)
            return torch.relu(self.mix_norm(c) + sum((c for _ in self.taps), start=x))

    model = drawn(Net())
    assert_plain(model)
    model.taps.append("mix")
    assert_plain(model)
    assert folded(model) == {"stem"}


def test_a_forward_that_is_replaced():
    def change(model):
        own = model.mix_norm.forward
        model.mix_norm.forward = lambda x: 2 * own(x)

    model = changed(change)
    assert folded(model) == {"stem"}
    assert "forward" in vars(model.mix_norm)


def test_a_normalisation_that_gives_its_weights_to_another():
    class Own(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    def change(model):
        other = Own(6).eval()
        other._parameters.update(model.mix_norm._parameters)
        other._buffers.update(model.mix_norm._buffers)
        model.kept = [model.mix_norm]
        model.mix_norm = other

    assert folded(changed(change)) == {"stem"}


def test_modules_that_come_and_go():
    def change(model):
        model.mix_norm = nn.Identity()

    assert folded(changed(change)) == {"stem"}

    def back(model):
        model.mix_norm = drawn(nn.BatchNorm2d(6), seed=4)
        model.mix = drawn(nn.Conv2d(6, 6, 1), seed=5)

    assert folded(changed(back)) == {"stem", "mix"}


def test_pruning_and_parametrizations():
    class Twice(nn.Module):
        def forward(self, weight):
            return 2 * weight

    def pruned(model):
        prune.l1_unstructured(model.mix, "weight", 0.5)

    def parametrized(model):
        parametrize.register_parametrization(model.mix, "weight", Twice())

    def on_the_norm(model):
        parametrize.register_parametrization(model.mix_norm, "weight", Twice())

    for change in (pruned, parametrized, on_the_norm):
        assert folded(changed(change)) == {"stem"}


def test_folds_of_another_size_are_looked_for_again():
    class Net(NormedNet):
        def mixed(self, x):
            c = self.mix(x)
            return torch.relu(self.mix_norm(c) + (c if x.shape[2] > 8 else x))

    model = drawn(Net())
    assert folded(model) == {"stem", "mix"}
    assert folded(model, size=24) == {"stem"}
    assert_plain(model, pictures(2, size=24))
    assert_plain(model)
