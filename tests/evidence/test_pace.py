"""How many images run together: parts of one size, halved where memory does not suffice."""

import pytest
import torch
from torch import nn

from regionwise import explain, explain_all, tune
from regionwise.errors import SettingError
from regionwise.evidence.accelerating import Quick
from regionwise.evidence.engine import _REFUSED, Engine
from regionwise.evidence.pace import LEAST, Pace, usual_chunk
from regionwise.evidence.room import out_of_memory
from regionwise.metrics.judge import Judge
from ways import NormedNet, assert_plain, drawn, pictures

METHODS = ["grad-cam", "layer-cam", "score-cam"]
DEVICE = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
MACHINE = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"
    " to allocate 600000000000 bytes. Error code 12 (Cannot allocate memory)"
)
WINDOWS = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: not enough memory: you tried to"
    " allocate 600000000000 bytes."
)


class Seen:
    """What passes note; a list of the network's own would say that it is another each time."""

    sizes = ()


class Small(NormedNet):
    """Has room for `most` images."""

    most, error = 10**6, DEVICE

    def __init__(self):
        super().__init__()
        self.seen = Seen()
        self.seen.sizes = []

    def forward(self, x):
        self.seen.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error
        return super().forward(x)


def sizes(model, method="layer-cam", count=20, **settings):
    """The numbers of images that ran together behind the pass that looks for readers."""
    model.seen.sizes = []
    explain(model, pictures(count), method, 1, "last", **settings)
    return model.seen.sizes


@pytest.fixture
def model():
    return drawn(Small())


def test_parts_are_even(model):
    sizes(model)
    assert sizes(model) == [7, 7, 6]
    assert sizes(model, count=8) == [8]
    assert sizes(model, count=9) == [5, 4]


def test_more_threads_run_more_images():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert usual_chunk(torch.device("cpu")) == LEAST
        torch.set_num_threads(4)
        assert usual_chunk(torch.device("cpu")) == 16
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("error", [DEVICE, MACHINE, WINDOWS], ids=["cuda", "cpu", "windows"])
def test_parts_are_halved_until_they_fit(error, model):
    fed = pictures(20)
    expected = explain_all(model, fed, METHODS, 1, "last")
    model.error = error
    model.most = 3
    found = explain_all(model, fed, METHODS, 1, "last")
    for name, one in found.items():
        scale = expected[name].maps.abs().amax()
        assert (one.maps - expected[name].maps).abs().amax() <= 1e-6 * scale, name
        assert one.notes == ()
    assert max(sizes(model)) <= 3
    assert max(sizes(model, "score-cam:chunk=6")) <= 3
    assert not any(_REFUSED[model].values())


def test_sizes_that_fitted_are_tried_first_and_kept(model):
    sizes(model)
    model.most = 3
    # the first image is one by which a network with another setting is looked at again
    assert sizes(model) == [1, 7, 3, 3, 3, 3, 3, 3, 2]
    assert sizes(model) == [3, 3, 3, 3, 3, 3, 2]
    # for images of this size alone
    model.most, model.seen.sizes = 10**6, []
    explain(model, pictures(20, size=12), "layer-cam", 1, "last")
    assert model.seen.sizes[-3:] == [7, 7, 6]


@pytest.mark.parametrize("error", [DEVICE, MACHINE], ids=["cuda", "cpu"])
def test_one_image_that_does_not_fit(error, model):
    model.most, model.error = 0, error
    with pytest.raises(RuntimeError) as caught:
        explain(model, pictures(20), "layer-cam", 1, "last")
    assert caught.value is error
    # that is nothing against the way it was run
    assert not any(_REFUSED[model].values())


@pytest.mark.parametrize("error", [DEVICE, MACHINE], ids=["cuda", "cpu"])
def test_no_memory_is_no_refusal(error, model):
    """The error comes out at once; another way would need as much."""
    engine, tried = Engine(model, copies=True), []

    def run():
        tried.append(engine.way)
        raise error

    with pytest.raises(RuntimeError):
        engine.settle(run)
    assert len(tried) == 1
    assert not any(_REFUSED[model].values())


def test_the_judge_halves_as_well(model):
    fed = pictures(20)
    expected = Judge(model).logits(fed)
    model.most = 2
    torch.testing.assert_close(Judge(model).logits(fed), expected, rtol=1e-6, atol=1e-6)
    assert Judge(model, chunk=1).logits(fed).shape == expected.shape
    assert model.seen.sizes[-20:] == [1] * 20


def test_the_tail_halves_as_well(model):
    expected = explain(model, pictures(1), "lift-cam", 1, "last").maps
    model.most = 2
    found = explain(model, pictures(1), "lift-cam", 1, "last").maps
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_batches_that_hang_together_are_not_cut():
    class Coupled(Small):
        def __init__(self):
            super().__init__()
            self.mix_norm = nn.BatchNorm2d(6, track_running_stats=False)

    model = drawn(Coupled())
    assert sizes(model)[-1] == 20
    assert_plain(model, pictures(20), ["layer-cam"])
    model.most = 8
    with pytest.raises(torch.OutOfMemoryError):
        explain(model, pictures(20), "layer-cam", 1, "last")


def test_chunks_that_are_asked_for(model):
    sizes(model, "score-cam", count=1)
    assert sizes(model, "score-cam:chunk=2", count=1) == [1, 2, 2, 2]
    assert sizes(model, "score-cam:chunk=6", count=1) == [1, 6]


def test_other_errors_pass():
    pace, seen = Pace(drawn(NormedNet()), torch.device("cpu")), []

    def run(part):
        seen.append(part)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        pace.over(20, pictures(1), run)
    assert len(seen) == 1
    assert not out_of_memory(ValueError("can't allocate memory"))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65])
def test_all_parts_follow_each_other(count):
    pace = Pace(drawn(NormedNet()), torch.device("cpu"))
    parts = pace.over(count, pictures(1), lambda part: range(part.start, part.stop))
    assert [number for part in parts for number in part] == list(range(count))
    assert max(map(len, parts), default=0) <= LEAST
    assert len({len(part) for part in parts}) <= 2


def test_tuning_changes_the_chunk_alone(model):
    fed = pictures(20)
    expected = explain_all(model, fed, METHODS, 1, "last")
    best = tune(model, fed, sizes=(3,))
    assert best == 3
    assert sizes(model) == [3, 3, 3, 3, 3, 3, 2]
    assert sizes(model, "score-cam:chunk=5", count=1)[-2:] == [3, 3]
    found = explain_all(model, fed, METHODS, 1, "last")
    for name, one in found.items():
        assert torch.allclose(one.maps, expected[name].maps, rtol=1e-5, atol=1e-7), name
    model.seen.sizes = []
    explain(model, pictures(20, size=12), "layer-cam", 1, "last")
    assert model.seen.sizes[-3:] == [7, 7, 6]


def test_tuning_ends_where_memory_does(model):
    model.most = 5
    assert tune(model, pictures(1), sizes=(2, 4, 8, 16)) in {2, 4}
    assert 16 not in model.seen.sizes
    with pytest.raises(SettingError, match="from 1"):
        tune(model, pictures(1), sizes=(0, 4))


def test_what_was_prepared_is_forgotten_where_memory_ends(monkeypatch):
    """The next, smaller batch is prepared anew instead of being filled up to what did not fit."""
    room, ran, notes = [3], [], []

    def compiled(run, **_):
        def prepared(fed):
            ran.append(len(fed))
            if len(fed) > room[0]:
                raise DEVICE
            return run(fed)

        return prepared

    monkeypatch.setattr(torch, "compile", compiled)
    network, quick = nn.Flatten(), Quick("compile", notes)
    with pytest.raises(torch.OutOfMemoryError):
        quick(pictures(4), network, network)
    assert quick(pictures(2), network, network).shape == (2, 768)
    assert ran == [4, 2]
    assert notes == []
