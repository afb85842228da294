"""Prepared passes give the same maps, or a note says why they were not prepared."""

import pytest
import torch
from jaxtyping import config

from footprint import assert_untouched, snapshot
from regionwise import explain
from regionwise.errors import SettingError
from regionwise.evidence.accelerating import Quick
from ways import NormedNet, drawn, gaps, pictures

METHODS = ["score-cam", "score-cam++"]


@pytest.fixture
def model():
    return drawn(NormedNet())


def assert_same_maps(model, **wishes):
    for name, gap in gaps(model, methods=METHODS, **wishes).items():
        assert gap <= 1e-5, f"{name}: {gap:.1e}"


def notes(model, **wishes):
    return explain(model, pictures(), "score-cam", 1, "last", **wishes).notes


@pytest.mark.parametrize("error", [RuntimeError("no compiler\nat all"), KeyError(), OSError("no")])
def test_a_compiler_that_fails(error, model, monkeypatch):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(torch, "compile", broken)
    before = snapshot(model)
    assert_same_maps(model, accelerate="compile")
    reason = str(error).partition("\n")[0] or type(error).__name__
    assert notes(model, accelerate="compile") == (f"ran without compile: {reason}",)
    assert_untouched(before, model)


def test_a_compiled_network_that_fails(model, monkeypatch):
    def compiled(*_, **__):
        def fails(_):
            raise RuntimeError("in the kernel")

        return fails

    monkeypatch.setattr(torch, "compile", compiled)
    assert_same_maps(model, accelerate="compile")
    assert notes(model, accelerate="compile") == ("ran without compile: in the kernel",)


def test_prepared_passes_are_of_one_size(model, monkeypatch):
    """Smaller batches are filled up and cut again; small ones run as they are."""
    ran = []

    def compiled(network, **_):
        def run(fed):
            ran.append(tuple(fed.shape))
            return network(fed)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    for chunk in (None, 4):
        ran.clear()
        method = "score-cam" if chunk is None else f"score-cam:chunk={chunk}"
        for gap in gaps(model, methods=[method], accelerate="compile").values():
            assert gap <= 1e-5
        assert ran
        assert len(set(ran)) == 1
    assert notes(model, accelerate="compile") == ()


def test_filling_up():
    quick = Quick("compile", [])
    quick._size, seen = 5, []
    quick._prepared = lambda fed: seen.append(fed) or fed.flatten(1)
    fed = pictures(3).to(memory_format=torch.channels_last)
    assert torch.equal(quick(fed, None, len), fed.flatten(1))
    assert seen[0].shape[0] == 5
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert quick(pictures(1), None, lambda _: "as ever") == "as ever"
    assert quick(pictures(6), None, lambda _: "as ever") == "as ever"


def test_an_error_of_the_network_is_its_own(monkeypatch):
    class Net(NormedNet):
        def forward(self, x):
            if len(x) == 6:
                raise ValueError("mine")
            return super().forward(x)

    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    with pytest.raises(ValueError, match="mine"):
        explain(drawn(Net()), pictures(1), "score-cam:chunk=6", 1, "last", accelerate="compile")


def test_cuda_graphs_on_the_cpu(model):
    assert_same_maps(model, accelerate="cuda-graphs")
    said = ("ran without cuda-graphs: there are no CUDA graphs on 'cpu'",)
    assert notes(model, accelerate="cuda-graphs") == said


def test_half_precision_is_not_compiled(model):
    found = notes(model, accelerate="compile", precision="bfloat16")
    assert found == (
        "ran without compile: a pass that changes its precision on the way is not compiled",
    )


def test_nothing_is_prepared_where_nothing_is_masked(model):
    for wish in ("compile", "cuda-graphs"):
        assert explain(model, pictures(), "grad-cam", 1, "last", accelerate=wish).notes == ()


def test_what_there_is_not(model):
    config.update("jaxtyping_disable", value=True)
    try:
        with pytest.raises(SettingError, match=r"unknown acceleration 'compiled': .*'compile'"):
            explain(model, pictures(), "grad-cam", accelerate="compiled")
    finally:
        config.update("jaxtyping_disable", value=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_for_real(model):
    before = snapshot(model)
    assert_same_maps(model, accelerate="compile")
    found = explain(model, pictures(), "score-cam", 1, "last", accelerate="compile")
    assert found.notes == ()
    assert_untouched(before, model)
    model.mix.weight.data.mul_(-1)
    assert_same_maps(model, accelerate="compile")
