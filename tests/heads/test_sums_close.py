"""Regions add up to the class probability, in float32, under autocast, at the ends of the range."""

import copy

import pytest
import torch

from heads.joints import HEADS, activations_of, head_of

CLOSE = 1e-6
every_head = pytest.mark.parametrize("kind", HEADS)
SIZES = {
    "one cell": (2, 4, 5, 1, 1),
    "not square": (2, 4, 5, 3, 17),
    "200 classes": (2, 8, 200, 14, 14),
    "1000 classes": (1, 8, 1000, 7, 7),
    "two classes": (3, 4, 2, 28, 28),
}


def assert_closes(joint):
    n, y = joint.log_conditional.shape[:2]
    probabilities = joint.probabilities
    assert probabilities.dtype in (torch.float32, torch.float64)
    shares = joint.attribution(torch.arange(y).expand(n, y))
    assert torch.isfinite(shares).all()
    assert (shares >= 0).all()
    assert (shares.sum((2, 3)) - probabilities).abs().max() <= CLOSE
    assert (probabilities.sum(1) - 1).abs().max() <= CLOSE
    assert (joint.saliency.sum((1, 2)) - 1).abs().max() <= CLOSE
    assert (shares.sum(1) - joint.saliency).abs().max() <= CLOSE
    assert (joint.log_probabilities.softmax(1) - probabilities).abs().max() <= CLOSE
    posterior = joint.posterior(0)
    assert torch.isfinite(posterior).all()
    assert (posterior.sum((2, 3)) - 1).abs().max() <= CLOSE


@every_head
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4], ids=str)
def test_in_float32(kind, size, scale):
    n, k, y, i, j = SIZES[size]
    head = head_of(kind, k, y, dtype=torch.float32)
    assert_closes(head.joint(activations_of(n, k, i, j, dtype=torch.float32, scale=scale)))


@every_head
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_under_autocast(kind, dtype):
    """Weights in float32, activations as autocast leaves them: the head goes on in float32."""
    head, activations = head_of(kind, 8, 50, dtype=torch.float32), activations_of(2, 8, 7, 5)
    low = activations.to(dtype)
    with torch.autocast("cpu", dtype):
        joint = head.joint(low)
        assert_closes(joint)
        logits = head(low)
    assert joint.log_conditional.dtype == torch.float32
    assert logits.dtype == torch.float32
    assert torch.equal(logits, head(low.float()))
    assert joint.log_prior.dtype == torch.float32


@every_head
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_head_in_half_precision(kind, dtype):
    head = head_of(kind, 8, 50, dtype=dtype)
    joint = head.joint(activations_of(2, 8, 7, 5, dtype=dtype))
    assert_closes(joint)
    assert joint.log_prior.dtype == torch.float32


@every_head
def test_float64_stays(kind):
    joint = head_of(kind).joint(activations_of())
    assert joint.log_joint.dtype == torch.float64
    assert (joint.attribution(0).sum((1, 2, 3)) - joint.probabilities[:, 0]).abs().max() < 1e-14


@every_head
def test_logits_of_ten_thousand_have_gradients(kind):
    head = head_of(kind, dtype=torch.float32)
    activations = activations_of(dtype=torch.float32, scale=1e4).requires_grad_()
    assert head.joint(activations).log_conditional.min() < -1e4
    head(activations)[:, 1].sum().backward()
    for tensor in (activations, *head.parameters()):
        assert tensor.grad is None or torch.isfinite(tensor.grad).all()


@every_head
def test_a_batch_is_its_images_one_by_one(kind):
    head, activations = head_of(kind), activations_of(4)
    whole = head.joint(activations)
    for image in range(4):
        alone = head.joint(activations[image : image + 1])
        gap = alone.log_joint.exp() - whole.log_joint[image : image + 1].exp()
        assert gap.abs().max() < 1e-12


@every_head
def test_the_same_again(kind):
    head, activations = head_of(kind, dtype=torch.float32), activations_of(dtype=torch.float32)
    kept = activations.clone()
    assert torch.equal(head.joint(activations).log_joint, head.joint(activations).log_joint)
    assert torch.equal(activations, kept)
    twin = HEADS[kind](4, 5)
    twin.load_state_dict(head.state_dict())
    assert torch.equal(twin(activations), head(activations))
    assert torch.equal(copy.deepcopy(head)(activations), head(activations))


@every_head
def test_on_a_device_without_numbers(kind):
    """The shapes of a network are found out on the meta device."""
    head = head_of(kind, dtype=torch.float32).to("meta")
    assert head(torch.empty(2, 4, 3, 3, device="meta")).shape == (2, 5)


@pytest.mark.gpu
@every_head
def test_on_a_gpu(kind):
    head, activations = head_of(kind), activations_of()
    expected = head.joint(activations)
    ours = head.to("cuda").joint(activations.to("cuda"))
    assert ours.probabilities.is_cuda
    assert (ours.log_joint.exp().cpu() - expected.log_joint.exp()).abs().max() < 1e-10
    for classes in (1, torch.tensor([1, 0]), torch.tensor([[1, 2], [0, 3]])):
        assert (ours.attribution(classes).cpu() - expected.attribution(classes)).abs().max() < 1e-10
    assert (ours.subset([1, 3]).cpu() - expected.subset([1, 3])).abs().max() < 1e-10
    assert ours.top_regions(0, 1).cells == expected.top_regions(0, 1).cells
    low = activations.to("cuda", torch.bfloat16)
    with torch.autocast("cuda", torch.bfloat16):
        assert_closes_on_gpu(head.float().joint(low))


def assert_closes_on_gpu(joint):
    assert joint.log_prior.dtype == torch.float32
    gap = joint.attribution(0).sum((1, 2, 3)) - joint.probabilities[:, 0]
    assert gap.abs().max() <= CLOSE
