"""Versions of a batch: the evidence of each as if it were probed alone, in few passes."""

import pytest
import torch
from torch import nn

from nets import PooledNet, seeded
from regionwise import Versus, explain
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS
from regionwise.evidence.pace import keep_chunk
from regionwise.evidence.probe import Probe
from regionwise.evidence.versions import each_version
from samples import assert_same, chosen

BOTH = frozenset({GRADIENTS, INPUT_GRADIENTS})
TOGETHER = 4
TARGETS = {
    "classes": chosen([0, 3], [2, 2], [1, 0]),
    "against another": Versus(torch.tensor([0, 2, 1]), 3),
    "top": "top-2",
    "score function": lambda y: (y.softmax(1) * torch.arange(len(y))[:, None]).sum(1),
}


@pytest.fixture
def net(images):
    """Four images of its size run together; ``fed`` are the sizes of its passes."""
    model = seeded(PooledNet, seed=11)
    keep_chunk(model, images, TOGETHER)
    model.fed = []
    model.register_forward_pre_hook(lambda _, given: model.fed.append(len(given[0])))
    return model


def ask(probe):
    return probe.activations, probe.gradients, probe.input_gradients


def versions_of(images, count):
    return [images * (1 + 0.1 * i) + 0.05 * i for i in range(count)]


def found_and_expected(net, images, targets, count=5):
    with Probe(net, images, targets, "features", needs=BOTH) as probe:
        net.fed.clear()
        found = list(each_version(probe, versions_of(images, count), BOTH, ask))
        sizes = list(net.fed)
        expected = []
        for version in versions_of(images, count):
            with probe.again(version, BOTH) as other:
                expected.append(ask(other))
    return found, expected, sizes


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_they_are_what_a_probe_of_each_gives(net, images, kind, n):
    targets = TARGETS[kind]
    if kind == "classes":
        targets = targets[:n]
    elif kind == "against another":
        targets = Versus(targets.target[:n], 3)
    found, expected, _ = found_and_expected(net, images[:n], targets)
    assert len(found) == 5
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other, tolerance=1e-12)


@pytest.mark.parametrize(
    ("n", "sizes"), [(1, [4, 1]), (2, [4, 4, 2]), (3, [3, 3, 3, 3, 3])], ids=str
)
def test_small_batches_share_a_pass(net, images, n, sizes):
    assert found_and_expected(net, images[:n], 1)[2] == sizes


def test_large_batches_are_cut(net, images):
    many = images.repeat(3, 1, 1, 1)
    assert found_and_expected(net, many, 1, count=2)[2] == [3] * 6


def test_a_score_function_sees_whole_batches(net, images):
    assert found_and_expected(net, images, TARGETS["score function"])[2] == [3] * 5
    assert found_and_expected(net, images[:1], lambda y: y[:, 0])[2] == [1] * 5


def test_statistics_of_a_batch_stay_those_of_a_version(net, images):
    net.features.insert(2, nn.BatchNorm2d(5, track_running_stats=False).double())
    found, expected, sizes = found_and_expected(net, images[:2], 1)
    assert sizes == [2] * 5
    for ours, theirs in zip(found, expected, strict=True):
        assert_same(ours[2], theirs[2], tolerance=1e-12)


def test_versions_are_made_when_they_are_needed(net, images):
    made = []

    def endless():
        while True:
            made.append(len(made))
            yield images[:1] + made[-1]

    with Probe(net, images[:1], 1, "features", needs=BOTH) as probe:
        running = each_version(probe, endless(), BOTH, ask)
        for _ in range(TOGETHER + 1):
            next(running)
        assert len(made) == 2 * TOGETHER


@pytest.mark.parametrize(
    ("method", "copies"),
    [
        ("smooth-grad:samples=6", [4, 2]),
        ("var-grad:samples=6,variant=calm", [4, 2]),
        ("smooth-grad-cam++:samples=6", [4, 2]),
        ("integrated-gradients:steps=6", [4, 2, 1]),  # and the score of the baseline
    ],
)
def test_passes_of_the_methods(net, images, method, copies):
    explain(net, images[:1], method, 1, "features")
    net.fed.clear()
    explain(net, images[:1], method, 1, "features")
    assert net.fed == [1, *copies]


@pytest.mark.parametrize(
    "method",
    ["smooth-grad", "var-grad", "smooth-grad-cam++", "smooth-grad-cam++:variant=torch-cam"],
)
def test_how_many_run_together_changes_nothing(net, images, method):
    settings = f"{method}{',' if ':' in method else ':'}samples=5"
    expected = explain(net, images, settings, "top-2").maps
    for together in (1, 6, 64):
        keep_chunk(net, images, together)
        assert_same(explain(net, images, settings, "top-2").maps, expected, tolerance=1e-12)
