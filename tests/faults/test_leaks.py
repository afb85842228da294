"""Many explanations in one process: memory, file handles and hooks stay, and so does every bit."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules import module as global_hooks

from nets import PooledNet, seeded
from regionwise import Preprocessing, explain, explain_all, load_model
from regionwise.data.images import open_image
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.classifier import Classifier

from .corpus import soft

STATUS = Path("/proc/self/statm")
HANDLES = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="needs Linux to count memory")

METHODS = ("grad-cam", "score-cam", "smooth-grad:samples=3", "eigen-cam")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def megabytes() -> float:
    """Return how much memory this process holds, after whatever can be collected is."""
    gc.collect()
    return int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def handles() -> int:
    return len(list(HANDLES.iterdir()))


def hooks(*modules: nn.Module) -> int:
    own = sum(
        len(getattr(m, name)) for module in modules for m in module.modules() for name in HOOKS
    )
    everywhere = sum(len(getattr(global_hooks, f"_global{name}")) for name in HOOKS)
    return own + everywhere


@dataclass(frozen=True)
class Work:
    """Networks, and what is asked of them in turn."""

    networks: tuple[nn.Module, ...]
    calls: tuple[Callable[[int], dict[str, torch.Tensor]], ...]

    def __call__(self, number: int) -> dict[str, torch.Tensor]:
        """Explain; the numbers of a call depend on its number only."""
        return self.calls[number % len(self.calls)](number)


def inputs(number: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(number % 7)
    return torch.randn(2, 3, size, size, generator=generator)


@pytest.fixture
def work() -> Work:
    """A small vanilla network and a small one with a CAPE head, each asked for several methods."""
    vanilla = seeded(PooledNet, seed=11).float()
    small = BackboneSpec("birdnet", options={"widths": [4, 4, 4, 4, 6], "depths": [1, 1, 1, 1]})
    cape = build_network(NetworkSpec(small, "cape", 3), weights="random", size=(32, 32), seed=4)
    joint = Classifier(
        cape, Preprocessing(size=(32, 32), resize=None), tuple("abc"), layer="backbone"
    )

    def of_vanilla(number: int) -> dict[str, torch.Tensor]:
        found = explain_all(vanilla, inputs(number, 16), list(METHODS), 1, "features")
        return {name: one.maps for name, one in found.items()}

    def of_cape(number: int) -> dict[str, torch.Tensor]:
        found = explain_all(joint, inputs(number, 32), ["cape", "mu-cape", "grad-cam"], "top-1")
        return {name: one.maps for name, one in found.items()}

    def alone(number: int) -> dict[str, torch.Tensor]:
        method = METHODS[number % len(METHODS)]
        return {method: explain(vanilla, inputs(number, 24), method, "top-1", "features").maps}

    return Work((vanilla, cape), (of_vanilla, of_cape, alone))


def hold(work: Callable[[int], dict[str, torch.Tensor]], *, first: int, last: int) -> float:
    """Explain so often; return how many megabytes more there are between call first and last."""
    before = {number: work(number) for number in range(12)}
    for number in range(12, first):
        work(number)
    memory, opened = megabytes(), handles()
    for number in range(first, last - 12):
        work(number)
    for number, found in before.items():
        again = work(number)
        assert again.keys() == found.keys()
        for name, maps in found.items():
            assert torch.equal(again[name], maps), (number, name)
    assert handles() == opened
    return megabytes() - memory


def test_three_hundred_explanations(work):
    grown = hold(work, first=100, last=300)
    assert hooks(*work.networks) == 0
    assert grown < 8


def test_results_and_networks_can_be_forgotten(work):
    """Nothing remembers a network, or what was found, once nobody else does."""
    network = seeded(PooledNet, seed=12).float()
    found = explain_all(network, inputs(0, 16), list(METHODS), 1, "features")
    gone = [weakref.ref(network), *(weakref.ref(one.maps) for one in found.values())]
    del network, found
    gc.collect()
    assert [ref() is None for ref in gone] == [True] * len(gone)


def test_hooks_are_gone_after_an_error_too(work):
    class Failing(PooledNet):
        def forward(self, x):
            if x.shape[-1] == 20:
                raise RuntimeError("no")
            return super().forward(x)

    network = seeded(Failing, seed=11).float()
    opened = handles()
    for number in range(30):
        with pytest.raises(RuntimeError, match="no"):
            explain(network, inputs(number, 20), "grad-cam", 1, "features")
    assert hooks(network) == 0
    assert handles() == opened


def test_opening_pictures_leaves_no_handle(tmp_path):
    path = tmp_path / "x.png"
    soft("RGB").save(path)
    (tmp_path / "y.png").write_bytes(path.read_bytes()[:100])
    opened = handles()
    for _ in range(200):
        open_image(path)
        with pytest.raises(Exception, match="cut short"):
            open_image(tmp_path / "y.png")
    assert handles() == opened


@pytest.mark.slow
def test_ten_thousand_explanations(work, record_property):
    """The tiny networks, and birds-1 in every fiftieth call."""
    birds = load_model("birds-1")
    image = soft("RGB", (224, 224))

    def mixed(number: int) -> dict[str, torch.Tensor]:
        if number % 50:
            return work(number)
        return {"birds": explain(birds, image, METHODS[number // 50 % 2], "top-1").maps}

    grown = hold(mixed, first=1000, last=10_000)
    record_property("megabytes", round(grown, 1))
    print(f"between call 1,000 and call 10,000: {grown:+.1f} MB")
    assert hooks(*work.networks, birds.module) == 0
    assert grown < 20
