"""The losses of CAPE and CALM against literal loops, and their gradients by central differences."""

import math

import numpy as np
import pytest
import torch

from regionwise.heads.calm import calm_joint
from regionwise.heads.cape import cape_joint
from regionwise.training.losses import (
    Bootstrap,
    CapeOutput,
    calm_em,
    calm_ml,
    cape_loss,
    distillation,
    selective,
)
from replicas import calm, cape
from replicas.common import array, softmax
from samples import assert_same

N, Y, CELLS = 3, 4, (2, 3)
LABELS = torch.tensor([2, 0, 3])
PRIORS = ["softplus", "relu"]


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64) * 1.5


@pytest.fixture
def maps():
    return numbers(N, Y, *CELLS)


@pytest.fixture
def scores():
    scores = numbers(N, *CELLS, seed=1)
    scores[:, 0, 0] = scores[:, 0, 0].abs()  # the ReLU leaves one cell at least
    return scores


@pytest.fixture
def teacher(maps):
    """Logits of the vanilla head; on the last image it names the class that CAPE names."""
    logits = numbers(N, Y, seed=2)
    logits[-1, int(np.argmax(cape.prediction(array(maps[-1]))))] += 9
    return logits


def soft_of(maps):
    return cape.every(cape.prediction, maps, 0.2, -0.1, 0.5)


def shares_of(cues, scores, kind, totals=None):
    totals = [None] * len(cues) if totals is None else totals
    images = zip(array(cues), array(scores), totals, strict=True)
    return np.stack([calm.joint(c, s, kind, total) for c, s, total in images])


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_distillation(maps, teacher, temperature):
    log_soft = cape_joint(maps, 0.2, -0.1, 0.5).log_probabilities
    ours = distillation(log_soft, teacher, temperature)
    assert_same(ours, cape.distillation(soft_of(maps), teacher, temperature))


def test_distillation_by_hand():
    """Teacher 1/2 1/2 at T = 2, student 1/4 3/4: KL = ln(2 / sqrt 3), times four."""
    student = torch.tensor([[0.25, 0.75]], dtype=torch.float64).log()
    ours = distillation(student, torch.tensor([[6.0, 6.0]], dtype=torch.float64), 2.0)
    assert_same(ours, 4 * math.log(2 / math.sqrt(3)), tolerance=1e-14)
    turned = distillation(student, torch.zeros(1, 2).double(), 2.0, direction="student-teacher")
    expected = 4 * (0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    assert_same(turned, expected, tolerance=1e-14)


def test_selective_distillation(maps, teacher):
    joint, soft = cape_joint(maps, 0.2, -0.1), cape_joint(maps, 0.2, -0.1, 0.5)
    said = cape.every(cape.prediction, maps, 0.2, -0.1)
    agree = said.argmax(1) == teacher.numpy().argmax(1)
    assert agree[-1]
    assert not agree.all()
    ours = selective(
        soft.log_probabilities, teacher, 2.0, log_probabilities=joint.log_probabilities
    )
    expected = cape.selective(soft_of(maps), teacher, said, 2.0)
    assert_same(ours, expected)
    assert 0 < expected < cape.distillation(soft_of(maps), teacher, 2.0)


def test_gradients_of_distillation(maps, teacher):
    """The teacher is held fixed; the student's slopes are those of the loops."""
    leaf, fixed = maps.clone().requires_grad_(), teacher.clone().requires_grad_()
    loss = distillation(cape_joint(leaf, 0.2, -0.1, 0.5).log_probabilities, fixed, 2.0)
    ours, none = torch.autograd.grad(loss, (leaf, fixed), allow_unused=True)
    assert none is None

    def slow(values):
        return cape.distillation(soft_of(values), teacher, 2.0)

    assert_same(ours, calm.central_differences(slow, maps), tolerance=1e-8)


def test_the_learnt_temperature_has_a_gradient(maps, teacher):
    log_soft = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    loss = distillation(cape_joint(maps, 0.2, -0.1, log_soft).log_probabilities, teacher, 2.0)
    (ours,) = torch.autograd.grad(loss, log_soft)

    def slow(values):
        soft = cape.every(cape.prediction, maps, 0.2, -0.1, float(values))
        return cape.distillation(soft, teacher, 2.0)

    assert_same(ours, calm.central_differences(slow, 0.5), tolerance=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("beta", [0.0, 1.0, 0.7])
@pytest.mark.parametrize("which", ["vanilla", "head"])
@pytest.mark.parametrize("chosen", [False, True])
def test_the_whole_loss_of_cape(maps, teacher, alpha, beta, which, chosen):
    """Eq. 10 (which = head) and Eq. 11 (vanilla, selective)."""
    joint, soft = cape_joint(maps), cape_joint(maps, 0.0, 0.0, 0.5)
    output = CapeOutput(joint.log_probabilities, soft.log_probabilities, teacher)
    how = Bootstrap(alpha=alpha, beta=beta, selective=chosen, cross_entropy=which)
    said = cape.every(cape.prediction, maps)
    softened = cape.every(cape.prediction, maps, 0.0, 0.0, 0.5)
    vanilla = [softmax(row) for row in teacher.tolist()]
    crossed = vanilla if which == "vanilla" else said
    cross = -sum(math.log(p[c]) for p, c in zip(crossed, LABELS, strict=True)) / N
    distil = (
        cape.selective(softened, teacher, said) if chosen else cape.distillation(softened, teacher)
    )
    assert_same(cape_loss(output, LABELS, how), alpha * cross + beta * distil)


@pytest.mark.parametrize("kind", PRIORS)
def test_marginal_likelihood(maps, scores, kind):
    joint = calm_joint(maps, scores, prior=kind)
    expected = calm.marginal_loss(shares_of(maps, scores, kind), LABELS)
    assert_same(calm_ml(joint, LABELS), expected)


@pytest.mark.parametrize("epsilon", [0.0, 1e-10, 1e-2])
@pytest.mark.parametrize("kind", PRIORS)
def test_expectation_maximisation(maps, scores, kind, epsilon):
    shares = shares_of(maps, scores, kind)
    ours = calm_em(calm_joint(maps, scores, prior=kind), LABELS, epsilon)
    assert_same(ours, calm.em_loss(shares, shares, LABELS, epsilon))


def test_expectation_maximisation_with_a_slow_copy(maps, scores):
    """theta' of Eq. 6 is another set of parameters."""
    other = numbers(N, Y, *CELLS, seed=8), numbers(N, *CELLS, seed=9)
    ours = calm_em(calm_joint(maps, scores), LABELS, teacher=calm_joint(*other))
    slow = shares_of(*other, "softplus")
    expected = calm.em_loss(shares_of(maps, scores, "softplus"), slow, LABELS)
    assert_same(ours, expected)
    assert abs(float(ours) - float(calm_em(calm_joint(maps, scores), LABELS))) > 1e-3


@pytest.mark.parametrize("kind", PRIORS)
def test_the_bound_of_equation_5(maps, scores, kind):
    """EM is above -log p by the entropy of the posterior, if theta' = theta; else by more."""
    joint = calm_joint(maps, scores, prior=kind)
    shares = shares_of(maps, scores, kind)
    entropies = [
        calm.posterior_entropy(image, int(c)) for image, c in zip(shares, LABELS, strict=True)
    ]
    gap = calm_em(joint, LABELS) - calm_ml(joint, LABELS)
    assert_same(gap, np.mean(entropies))
    assert gap > 0


def test_the_bound_is_tight_where_the_cue_is_certain():
    """With one cell there is no doubt where the cue was."""
    joint = calm_joint(numbers(N, Y, 1, 1), numbers(N, 1, 1))
    assert_same(calm_em(joint, LABELS), calm_ml(joint, LABELS))


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("kind", PRIORS)
@pytest.mark.parametrize("loss", ["ml", "em"])
def test_gradients_of_calm(maps, scores, kind, loss, detached):
    """Central differences of the loops with theta' as it was, and the sums where held fixed."""
    leaves = maps.clone().requires_grad_(), scores.clone().requires_grad_()
    joint = calm_joint(*leaves, prior=kind, detach_normaliser=detached)
    value = calm_ml(joint, LABELS) if loss == "ml" else calm_em(joint, LABELS)
    ours = torch.autograd.grad(value, leaves)
    slow_shares = shares_of(maps, scores, kind)
    planes = [calm.unnormalised(plane, kind) for plane in scores.numpy()]
    totals = [float(plane.sum()) for plane in planes] if detached else None

    def slow(cues, where):
        shares = shares_of(cues, where, kind, totals)
        if loss == "ml":
            return calm.marginal_loss(shares, LABELS)
        return calm.em_loss(shares, slow_shares, LABELS)

    by_cues = calm.central_differences(lambda values: slow(values, scores), maps)
    by_scores = calm.central_differences(lambda values: slow(maps, values), scores)
    assert_same(ours[0], by_cues, tolerance=1e-8)
    assert_same(ours[1], by_scores, tolerance=1e-8)


def test_with_the_same_parameters_ml_and_em_have_the_same_gradient(maps, scores):
    """Fisher's identity: the gradient of -log p is the posterior's mean of that of -log p(y, z)."""
    leaves = maps.requires_grad_(), scores.requires_grad_()
    joint = calm_joint(*leaves)
    ml = torch.autograd.grad(calm_ml(joint, LABELS), leaves, retain_graph=True)
    em = torch.autograd.grad(calm_em(joint, LABELS), leaves)
    for one, other in zip(ml, em, strict=True):
        assert_same(one, other)
