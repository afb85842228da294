"""Wrapped, compiled, half-precision and channels-last networks: explained as the plain ones."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from footprint import assert_untouched, snapshot
from nets import DeepTailNet, PooledNet, seeded
from regionwise import explain
from regionwise.errors import ModelError

METHODS = ["grad-cam", "gradient", "score-cam", "ablation-cam"]


@pytest.fixture
def model():
    return seeded(DeepTailNet, seed=12)


def compiled_in_place(model):
    model = copy.deepcopy(model)
    model.compile(backend="eager")
    return model


def part_compiled_in_place(model):
    model = copy.deepcopy(model)
    model.mix.compile(backend="eager")
    return model


def part_compiled(model):
    model = copy.deepcopy(model)
    model.mix = torch.compile(model.mix, backend="eager")
    return model


WRAPPERS = {
    "data parallel": nn.DataParallel,
    "torch.compile": lambda model: torch.compile(model, backend="eager"),
    "compile in place": compiled_in_place,
    "part compiled": part_compiled,
    "part compiled in place": part_compiled_in_place,
    "compiled data parallel": lambda m: torch.compile(nn.DataParallel(m), backend="eager"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("used_before", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_network_gives_the_maps_of_the_plain_one(model, images, wrap, used_before):
    wrapped = wrap(model)
    if used_before:
        with torch.no_grad():
            wrapped(images)
    before = snapshot(wrapped)
    for method in METHODS:
        plain = explain(model, images, method, [[0, 1]] * 3)
        found = explain(wrapped, images, method, [[0, 1]] * 3)
        assert found.layer == plain.layer
        torch.testing.assert_close(found.maps, plain.maps, rtol=1e-10, atol=1e-12)
    assert_untouched(before, wrapped)


@pytest.fixture
def process_group(tmp_path):
    """A group of this process alone, which meets in a file and is taken apart afterwards."""
    if not torch.distributed.is_available():
        pytest.skip("this torch was built without torch.distributed")
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("used_before", [False, True], ids=["new", "used"])
def test_a_distributed_network_gives_the_maps_of_the_plain_one(
    model, images, process_group, used_before
):
    wrapped = DistributedDataParallel(copy.deepcopy(model))
    if used_before:
        wrapped(images).sum().backward()
    before = snapshot(wrapped)
    for method in METHODS:
        for targets in ([[0, 1]] * 3, lambda logits: logits[:, 0] - logits[:, 1]):
            plain = explain(model, images, method, targets)
            found = explain(wrapped, images, method, targets)
            assert found.layer == plain.layer
            torch.testing.assert_close(found.maps, plain.maps, rtol=1e-10, atol=1e-12)
    assert_untouched(before, wrapped)


def test_a_distributed_network_trains_on_as_if_nothing_had_been_explained(
    model, images, process_group
):
    """Gradients of a step after an explanation are those of a step without one."""
    gradients = []
    for explained in (False, True):
        wrapped = DistributedDataParallel(copy.deepcopy(model)).train()
        if explained:
            explain(wrapped, images, "grad-cam", 1)
        wrapped(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in wrapped.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_network_compiled_in_place_is_compiled_afterwards(model, images):
    model.compile(backend="eager")
    compiled = model._compiled_call_impl
    with pytest.raises(ModelError):
        explain(model, images, "cam")
    assert model._compiled_call_impl is compiled
    explain(model, images)
    assert model._compiled_call_impl is compiled


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_scripted_network_is_refused(model, images):
    with pytest.raises(ModelError, match="scripted"):
        explain(torch.jit.trace(model, images), images)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_agrees_within_its_precision(dtype, method, images):
    exact = explain(seeded(PooledNet, seed=11), images, method, 1).maps
    half = seeded(PooledNet, seed=11).to(dtype)
    found = explain(half, images.float(), method, 1)
    assert found.maps.isfinite().all()
    scale = exact.abs().amax()
    assert (found.maps.double() - exact).abs().max() < 40 * torch.finfo(dtype).eps * scale
    assert {p.dtype for p in half.parameters()} == {dtype}
    assert found.saliency((16, 12)).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_channels_last_weights_keep_their_strides(method, images):
    plain = seeded(PooledNet, seed=11)
    model = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    before = snapshot(model)
    inputs = images.contiguous(memory_format=torch.channels_last)
    found = explain(model, inputs, method, 1).maps
    torch.testing.assert_close(found, explain(plain, images, method, 1).maps)
    assert_untouched(before, model)
