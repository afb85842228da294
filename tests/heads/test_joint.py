"""What can be asked of p(y, z | x): replica, hand, identities, refusals."""

import math

import numpy as np
import pytest
import torch

from heads.joints import HEADS, SHAPES, head_of, joint_of
from regionwise.errors import SettingError, TargetError
from regionwise.heads.calm import Calm, calm_joint
from regionwise.heads.cape import Cape, cape_joint
from regionwise.heads.joint import Joint
from replicas import calm as replica
from samples import assert_same, chosen, float64

every_head = pytest.mark.parametrize("kind", HEADS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture
def by_hand():
    """Two classes, three cells in a row: prior 1/2 1/4 1/4, p(class 0 | cell) 1/2, 3/4, 0."""
    given = float64([[[[0.5, 0.75, 0.0]], [[0.5, 0.25, 1.0]]]])
    return Joint(given.log(), float64([[[0.5, 0.25, 0.25]]]).log())


def test_every_question_by_hand(by_hand):
    def same(ours, expected):
        assert_same(ours, expected, tolerance=1e-14)

    same(by_hand.probabilities, [[0.4375, 0.5625]])
    same(by_hand.attribution(0), [[[[0.25, 0.1875, 0.0]]]])
    same(by_hand.attribution(1), [[[[0.25, 0.0625, 0.25]]]])
    same(by_hand.saliency, [[[0.5, 0.25, 0.25]]])
    same(by_hand.conditional(0), [[[[0.5, 0.75, 0.0]]]])
    same(by_hand.posterior(0), [[[[4 / 7, 3 / 7, 0.0]]]])
    same(by_hand.counterfactual(0, 1), [[[[0.0, 0.125, -0.25]]]])
    same(by_hand.subset([0, 1]), [[[0.5, 0.25, 0.25]]])
    same(by_hand.subset([1]), [[[0.25, 0.0625, 0.25]]])


@every_head
@every_shape
def test_every_question_is_the_replicas(kind, shape):
    joint = joint_of(kind, shape)
    n, _, y, _, _ = shape
    shares = joint.log_joint.exp().detach()
    probabilities = [replica.prediction(image) for image in shares.numpy()]
    assert_same(joint.probabilities, np.array(probabilities))
    for c in range(y):
        assert_same(joint.attribution(c)[:, 0], shares[:, c])
        posterior = [replica.posterior(image, c) for image in shares.numpy()]
        assert_same(joint.posterior(c)[:, 0], np.stack(posterior))
        difference = [replica.counterfactual(image, c, 0) for image in shares.numpy()]
        assert_same(joint.counterfactual(c, 0)[:, 0], np.stack(difference))
    subset = [replica.subset(image, [0, y - 1]) for image in shares.numpy()]
    assert_same(joint.subset([0, y - 1]), np.stack(subset))
    saliency = [replica.saliency(image) for image in shares.numpy()]
    assert_same(joint.saliency, np.stack(saliency))
    assert joint.attribution(0).shape == (n, 1, *shape[3:])


@every_head
@every_shape
def test_identities(kind, shape):
    joint = joint_of(kind, shape)
    n, _, y, _, _ = shape
    every = torch.arange(y).expand(n, y)
    shares = joint.attribution(every)
    assert_same(shares.sum((2, 3)), joint.probabilities)
    assert_same(shares.sum((1, 2, 3)), np.ones(n))
    assert_same(shares.sum(1), joint.saliency)
    assert_same(joint.subset(range(y)), joint.saliency)
    assert_same(joint.conditional(every).sum(1), np.ones((n, *shape[3:])))
    assert_same(joint.posterior(every).sum((2, 3)), np.ones((n, y)))
    assert_same(joint.posterior(every) * joint.probabilities[..., None, None], shares)
    assert_same(joint.log_probabilities.softmax(1), joint.probabilities)
    gap = joint.probabilities[:, 0] - joint.probabilities[:, 1]
    assert_same(joint.counterfactual(0, 1).sum((1, 2, 3)), gap)
    assert_same(joint.counterfactual(0, 0), torch.zeros(n, 1, *shape[3:]))
    top = joint.top_regions(0, 1, share=1.0)
    assert_same(top.held, joint.probabilities[0, 1])
    difference = joint.top_differences(0, 0, 1, band=2)
    bands = [*difference.lead, *difference.trail]
    assert_same(sum(band.sum for band in bands), gap[0])
    assert_same(difference.total, gap[0])


@every_head
def test_classes_may_be_one_for_all_one_each_or_several(kind):
    joint = joint_of(kind, (3, 4, 5, 2, 4))
    each = joint.attribution(torch.tensor([4, 0, 2]))
    several = joint.attribution(chosen([4, 1], [0, 0], [2, 3]))
    assert each.shape == (3, 1, 2, 4)
    assert several.shape == (3, 2, 2, 4)
    assert torch.equal(several[:, :1], each)
    for image, pair in enumerate([(4, 1), (0, 0), (2, 3)]):
        for t, c in enumerate(pair):
            assert torch.equal(several[image, t], joint.attribution(c)[image, 0])
    assert torch.equal(joint.attribution(torch.tensor([4, 0, 2], dtype=torch.int32)), each)


def test_a_cell_that_no_cue_may_lie_in_is_zero_in_every_answer():
    """The ReLU's prior has logarithms of minus infinity; no NaN may come of them."""
    scores = float64([[[1.0, -1.0, 3.0]], [[-1.0, -2.0, -3.0]]])
    cues = float64([[[[0.0, 1.0, -2.0]], [[1.0, 0.0, 3.0]]]] * 2).requires_grad_()
    joint = calm_joint(cues, scores, prior="relu")
    assert_same(joint.saliency, [[[0.25, 0.0, 0.75]], [[1 / 3] * 3]])
    answers = [
        joint.probabilities,
        joint.log_probabilities,
        joint.attribution(0),
        joint.conditional(1),
        joint.posterior(0),
        joint.subset([0]),
        joint.counterfactual(0, 1),
    ]
    for answer in answers:
        assert torch.isfinite(answer).all()
        (slope,) = torch.autograd.grad(answer.sum(), cues, retain_graph=True)
        assert torch.isfinite(slope).all()
    assert joint.attribution(0)[0, 0, 0, 1] == 0
    assert joint.posterior(0)[0, 0, 0, 1] == 0
    assert joint.counterfactual(0, 1)[0, 0, 0, 1] == 0
    assert joint.top_regions(0, 0, share=1.0).total == 3
    assert len(joint.top_regions(0, 0, share=1.0).cells) == 2
    assert len(joint.top_differences(0, 0, 1).lead + joint.top_differences(0, 0, 1).trail) == 1


def test_what_cannot_be_asked(by_hand):
    three = Joint(
        by_hand.log_conditional.expand(3, -1, -1, -1), by_hand.log_prior.expand(3, -1, -1)
    )
    for classes in (2, -1, torch.tensor([0, 1, 2]), chosen([0, 1], [1, 1], [-1, 0])):
        for ask in (three.attribution, three.conditional, three.posterior):
            with pytest.raises(TargetError, match="there are 2"):
                ask(classes)
        with pytest.raises(TargetError, match="there are 2"):
            three.counterfactual(0, classes)
    with pytest.raises(Exception, match="classes"):  # beartype under test, TargetError without it
        three.attribution(torch.tensor([0, 1]))
    for classes in ([], [1, 1]):
        with pytest.raises(TargetError, match="each once"):
            three.subset(classes)
    with pytest.raises(TargetError, match="no class 5"):
        three.subset([0, 5])
    with pytest.raises(TargetError, match="no image 3"):
        three.top_regions(3, 0)
    with pytest.raises(TargetError, match="no image -1"):
        three.top_differences(-1, 0, 1)
    with pytest.raises(TargetError, match="no class 7"):
        three.top_regions(0, 7)
    with pytest.raises(TargetError, match="energies"):
        three.mu(0)


def test_classes_are_whole_numbers():
    joint = joint_of("cape", (2, 3, 4, 2, 2))
    with pytest.raises(Exception, match="classes"):  # beartype under test, TargetError without it
        joint.attribution(torch.tensor([0.0, 1.0]))


@every_head
def test_an_empty_batch_has_empty_answers(kind):
    joint = head_of(kind).joint(torch.zeros(0, 4, 3, 2, dtype=torch.float64))
    assert joint.probabilities.shape == (0, 5)
    assert joint.attribution(1).shape == (0, 1, 3, 2)
    assert joint.posterior(torch.zeros(0, 2, dtype=torch.int64)).shape == (0, 2, 3, 2)
    assert joint.subset([1, 3]).shape == (0, 3, 2)
    with pytest.raises(TargetError, match="no image 0"):
        joint.top_regions(0, 1)


@every_head
def test_nan_stays_nan(kind):
    """A network that broke must not look like one that cannot decide."""
    head, activations = head_of(kind), torch.zeros(2, 4, 3, 2, dtype=torch.float64)
    activations[0, 1, 2, 1] = math.nan
    joint = head.joint(activations)
    assert joint.probabilities[0].isnan().all()
    assert not joint.probabilities[1].isnan().any()
    for question in (joint.top_regions, lambda *a: joint.top_regions(*a, share=0.9)):
        with pytest.raises(TargetError, match="not finite"):
            question(0, 1)
    with pytest.raises(TargetError, match="not finite"):
        joint.top_differences(0, 1, 2)
    assert joint.top_regions(1, 1).total == 6


def test_a_broken_location_branch_is_seen():
    for prior in ("softplus", "relu"):
        joint = calm_joint(torch.zeros(1, 2, 1, 2), torch.full((1, 1, 2), math.nan), prior=prior)
        assert joint.probabilities.isnan().all()


@pytest.mark.parametrize("head", [Cape, Calm])
def test_a_head_needs_channels_and_classes(head):
    for sizes in ((0, 3), (3, 0), (-1, 2)):
        with pytest.raises(SettingError, match="needs channels and classes"):
            head(*sizes)


def test_one_class_is_certain():
    for kind in HEADS:
        joint = joint_of(kind, (2, 3, 1, 3, 2))
        assert_same(joint.probabilities, np.ones((2, 1)))
        assert_same(joint.attribution(0)[:, 0], joint.saliency)


def test_the_energies_are_those_before_the_softmaxes():
    maps = float64([[[[2.0, -3.0]], [[0.0, 1.0]]]])
    joint = cape_joint(maps)
    # mean over the classes: 1, -1
    assert_same(joint.energies, [[[[3.0, -4.0]], [[1.0, 0.0]]]])
    assert_same(joint.mu(0), [[[[3.0, 0.0]]]])
    assert_same(joint.mu(1), [[[[1.0, 0.0]]]])
