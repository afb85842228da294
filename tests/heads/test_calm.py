"""CALM: replica, hand, both priors, the detached normaliser, gradients."""

import math

import numpy as np
import pytest
import torch

from heads.joints import HEADS, SHAPES, activations_of, head_of
from regionwise.errors import ModelError
from regionwise.heads.calm import Calm, calm_joint, log_softplus
from replicas import calm as replica
from replicas.cape import class_maps
from samples import assert_same, float64

CALMS = [kind for kind in HEADS if kind.startswith("calm")]
PRIORS = ["softplus", "relu"]


def random_maps(shape, seed=0):
    n, _, y, i, j = shape
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(n, y + 1, i, j, generator=generator, dtype=torch.float64) * 2
    maps[:, y, 0, 0] = maps[:, y, 0, 0].abs()  # one cell at least is positive
    return maps[:, :y], maps[:, y]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, prior):
    cues, scores = random_maps(shape)
    joint = calm_joint(cues, scores, prior=prior)
    pairs = list(zip(cues.numpy(), scores.numpy(), strict=True))
    assert_same(joint.saliency, np.stack([replica.prior(s, prior) for _, s in pairs]))
    assert_same(joint.log_conditional.exp(), np.stack([replica.given_cell(c) for c, _ in pairs]))
    shares = [replica.joint(c, s, prior) for c, s in pairs]
    assert_same(joint.log_joint.exp(), np.stack(shares))
    assert_same(joint.probabilities, np.array([replica.prediction(image) for image in shares]))
    assert joint.energies is None


@pytest.mark.parametrize("kind", CALMS)
def test_replica_of_the_head(kind):
    head, activations = head_of(kind), activations_of()
    cues = class_maps(activations, head.cue.weight[:, :, 0, 0].detach(), head.cue.bias.detach())
    scores = class_maps(
        activations, head.location.weight[:, :, 0, 0].detach(), head.location.bias.detach()
    )[:, 0]
    shares = [replica.joint(c, s, head.prior) for c, s in zip(cues, scores, strict=True)]
    assert_same(head.joint(activations).log_joint.exp(), np.stack(shares))
    assert_same(head(activations).exp(), np.array([replica.prediction(s) for s in shares]))
    # the two convolutions are what torch would make of them
    assert_same(head.cue(activations), cues)
    assert_same(head.location(activations)[:, 0], scores)


def test_by_hand():
    """Softplus of ln(e - 1) is 1, of ln(e^3 - 1) is 3: cells 1/4 and 3/4."""
    cues = float64([[[[math.log(3), 0.0]], [[0.0, math.log(4)]]]])
    scores = float64([[[math.log(math.e - 1), math.log(math.e**3 - 1)]]])
    joint = calm_joint(cues, scores)
    assert_same(joint.saliency, [[[0.25, 0.75]]], tolerance=1e-14)
    assert_same(joint.attribution(0), [[[[3 / 16, 3 / 20]]]], tolerance=1e-14)
    assert_same(joint.probabilities, [[27 / 80, 53 / 80]], tolerance=1e-14)
    rectified = calm_joint(cues, float64([[[2.0, -1.0]]]), prior="relu")
    assert rectified.saliency.tolist() == [[[1.0, 0.0]]]
    assert_same(rectified.probabilities, [[0.75, 0.25]], tolerance=1e-14)


def test_a_prior_without_a_positive_cell_is_uniform():
    joint = calm_joint(torch.zeros(2, 3, 2, 2), torch.tensor([[[-1.0, 0.0]] * 2] * 2), prior="relu")
    assert joint.saliency.tolist() == [[[0.25, 0.25]] * 2] * 2


def test_the_prior_is_not_the_softmax():
    scores = float64([[[5.0, 1.0]]])
    share = calm_joint(torch.zeros(1, 2, 1, 2), scores).saliency[0, 0, 0]
    assert 0.79 < share < 0.80  # 5.007 / (5.007 + 1.313); the softmax would give 0.98


def test_the_logarithm_of_the_softplus():
    values = torch.linspace(-60, 60, 2401, dtype=torch.float64)
    expected = [
        math.log(math.log1p(math.exp(x))) if x > -30 else x - math.exp(x) / 2 for x in values
    ]
    np.testing.assert_allclose(log_softplus(values).numpy(), expected, rtol=0, atol=2e-13)
    extremes = torch.tensor([-1e4, -88.0, 0.0, 88.0, 1e4], requires_grad=True)
    ours = log_softplus(extremes)
    expected = torch.tensor([-1e4, -88, math.log(math.log(2)), math.log(88), math.log(1e4)])
    assert_same(ours, expected, tolerance=1e-6)
    (slope,) = torch.autograd.grad(ours.sum(), extremes)
    expected = [1.0, 1.0, 0.5 / math.log(2), 1 / 88, 1e-4]
    assert_same(slope, expected, tolerance=1e-5)


def test_slopes_of_the_logarithm_of_the_softplus():
    values = float64([-40.0, -15.01, -14.99, -3.0, 0.0, 2.0, 19.9, 20.1, 39.0, 41.0])
    assert torch.autograd.gradcheck(log_softplus, values.requires_grad_())


def test_a_vector_added_to_all_cue_weights_changes_nothing():
    """Gauge: p(y|x,z) is a softmax over classes, and the prior has weights of its own."""
    head, activations = head_of("calm"), activations_of()
    before = head.joint(activations)
    with torch.no_grad():
        head.cue.weight += torch.linspace(-1, 1, 4, dtype=torch.float64)[None, :, None, None]
        head.cue.bias += 2.0
    after = head.joint(activations)
    assert_same(after.log_conditional, before.log_conditional)
    assert torch.equal(after.log_prior, before.log_prior)
    assert_same(after.probabilities, before.probabilities)


@pytest.mark.parametrize("kind", [kind for kind in CALMS if "detached" not in kind])
def test_gradients(kind):
    head = head_of(kind, 3, 4)
    names = [name for name, _ in head.named_parameters()]

    def run(activations, *parameters):
        state = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(head, state, (activations,))

    inputs = [activations_of(2, 3, 2, 2), *(p.detach().clone() for p in head.parameters())]
    assert torch.autograd.gradcheck(run, [tensor.requires_grad_() for tensor in inputs])


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("detached", [True, False])
def test_the_normaliser_may_be_held_fixed(prior, detached):
    """Central differences of the replica, with the sums as they were or as they become."""
    cues, scores = random_maps((1, 1, 3, 2, 2), seed=3)
    scores.requires_grad_()
    joint = calm_joint(cues, scores, prior=prior, detach_normaliser=detached)
    (ours,) = torch.autograd.grad(joint.log_probabilities[0, 1], scores)
    start = scores.detach()[0].numpy()
    total = float(replica.unnormalised(start, prior).sum()) if detached else None

    def log_probability(values):
        shares = replica.joint(cues[0].numpy(), values, prior, total)
        return math.log(replica.prediction(shares)[1])

    expected = replica.central_differences(log_probability, start)
    assert_same(ours[0], expected, tolerance=1e-8)
    if prior == "relu":
        # with the sum held fixed, the likelihood seems to grow with the scale of the prior
        assert_same((ours * scores).sum(), float(detached))


def test_how_it_starts():
    torch.manual_seed(0)
    head = Calm(64, 32)
    for layer in (head.cue, head.location):
        assert not layer.bias.any()
        bound = math.sqrt(6 / (layer.weight.shape[0] + layer.weight.shape[1]))
        assert 0.9 * bound < layer.weight.abs().max() <= bound


def test_what_it_takes():
    with pytest.raises(ModelError, match=r"activations \(n, 4, rows, columns\)"):
        Calm(4, 5)(torch.zeros(2, 3, 2, 2))
    with pytest.raises(Exception, match="prior"):
        Calm(4, 5, prior="sigmoid")
    with pytest.raises(Exception, match="prior"):
        calm_joint(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1), prior="sigmoid")
