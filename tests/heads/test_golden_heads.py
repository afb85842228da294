"""The authors' code of CAPE and CALM on random inputs: heads, losses, gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch

from regionwise.heads.calm import Calm
from regionwise.heads.cape import cape_joint
from regionwise.training.losses import calm_em, calm_ml, distillation
from replicas import calm as calm_replica
from replicas import cape as cape_replica
from samples import assert_same

FOLDER = Path(__file__).parents[1] / "golden"


def arrays_of(file, case):
    with np.load(FOLDER / file) as arrays:
        prefix = f"{case}/"
        names = [name for name in arrays.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): torch.from_numpy(arrays[name]) for name in names}


CAPES = pytest.mark.parametrize(("case", "tolerance"), [(0, 1e-9), (1, 1e-9), (2, 1e-6)])


@CAPES
def test_cape(case, tolerance):
    golden = arrays_of("cape.npz", case)
    maps = golden["class_map"].double()
    t1, t2, t3 = golden["log_temperatures"]
    joint, soft = cape_joint(maps, t1, t2), cape_joint(maps, t1, t2, t3)
    classes = torch.arange(maps.shape[1]).expand(maps.shape[:2])
    assert_same(joint.attribution(classes), golden["contributions"], tolerance=tolerance)
    assert_same(joint.probabilities, golden["prediction"], tolerance=tolerance)
    assert_same(soft.probabilities, golden["soft_prediction"], tolerance=tolerance)
    assert_same(joint.mu(classes), golden["mu_map"], tolerance=tolerance)
    loss = distillation(soft.log_probabilities, golden["teacher_logits"], 2.0)
    assert_same(loss, golden["kd_loss_T2"][0], tolerance=tolerance)
    # relative to the value, too: most contributions of 200 classes are below the tolerance
    ratio = joint.attribution(classes) / golden["contributions"]
    assert_same(ratio, np.ones(ratio.shape), tolerance=1e-9 if case < 2 else 1e-5)


@pytest.mark.parametrize("case", [0, 1])
def test_the_replica_of_cape_agrees_with_the_authors(case):
    golden = arrays_of("cape.npz", case)
    maps, times = golden["class_map"], golden["log_temperatures"].tolist()
    shares = cape_replica.every(cape_replica.contributions, maps, *times[:2])
    assert_same(shares, golden["contributions"])
    soft = cape_replica.every(cape_replica.prediction, maps, *times)
    assert_same(soft, golden["soft_prediction"])
    assert_same(cape_replica.every(cape_replica.mu_map, maps, *times[:2]), golden["mu_map"])
    loss = cape_replica.distillation(soft, golden["teacher_logits"])
    assert_same(loss, golden["kd_loss_T2"][0])


def test_the_temperatures_can_be_told_apart():
    """A golden test that any order of the three would pass could not fail."""
    golden = arrays_of("cape.npz", 1)
    t1, t2, t3 = golden["log_temperatures"]
    assert len({float(t1), float(t2), float(t3)}) == 3
    for order in ((t2, t1), (t1, t3), (t3, t2)):
        other = cape_joint(golden["class_map"], *order).probabilities
        assert (other - golden["prediction"]).abs().max() > 1e-3


def calm_of(golden):
    """The code's head: ReLU, and the sum held fixed."""
    classes, channels = golden["cue_weight"].shape[:2]
    head = Calm(channels, classes, prior="relu", detach_normaliser=True).double()
    with torch.no_grad():
        head.cue.weight.copy_(golden["cue_weight"])
        head.cue.bias.copy_(golden["cue_bias"])
        head.location.weight.copy_(golden["prior_weight"])
        head.location.bias.copy_(golden["prior_bias"])
    return head


@pytest.mark.parametrize("case", [0, 1])
def test_calm(case):
    golden = arrays_of("calm_relu_prior.npz", case)
    joint = calm_of(golden).joint(golden["features"])
    n, y = joint.log_conditional.shape[:2]
    classes = torch.arange(y).expand(n, y)
    assert_same(joint.conditional(classes), golden["p_y_given_z"], tolerance=1e-9)
    assert_same(joint.saliency[:, None], golden["p_z"], tolerance=1e-9)
    assert_same(joint.attribution(classes), golden["p_yz"], tolerance=1e-9)
    assert_same(joint.posterior(classes), golden["p_z_given_y"], tolerance=1e-9)
    assert_same(joint.probabilities, golden["p_y"], tolerance=1e-9)
    # the case is not a trivial one: some cells have no prior at all
    assert (golden["p_z"] == 0).any()


@pytest.mark.parametrize("loss", ["ml", "em"])
@pytest.mark.parametrize("case", [0, 1])
def test_calm_learns_the_same(case, loss):
    golden = arrays_of("calm_relu_prior.npz", case)
    head, features = calm_of(golden), golden["features"].clone().requires_grad_()
    joint = head.joint(features)
    labels = golden["targets"]
    value = calm_ml(joint, labels) if loss == "ml" else calm_em(joint, labels, epsilon=1e-10)
    assert_same(value, golden[f"{loss}_loss"], tolerance=1e-9)
    sources = (features, head.cue.weight, head.location.weight)
    slopes = torch.autograd.grad(value, sources)
    for slope, name in zip(slopes, ("features", "cue_weight", "prior_weight"), strict=True):
        assert_same(slope, golden[f"{loss}_grad_{name}"], tolerance=1e-9)


def test_the_detached_sum_is_seen_in_the_gradients():
    golden = arrays_of("calm_relu_prior.npz", 0)
    head = calm_of(golden)
    head.detach_normaliser = False
    loss = calm_ml(head.joint(golden["features"]), golden["targets"])
    (slope,) = torch.autograd.grad(loss, head.location.weight)
    assert (slope - golden["ml_grad_prior_weight"]).abs().max() > 1e-2


@pytest.mark.parametrize("case", [0, 1])
def test_the_replica_of_calm_agrees_with_the_authors(case):
    golden = arrays_of("calm_relu_prior.npz", case)
    features, labels = golden["features"], golden["targets"]
    cues = cape_replica.class_maps(features, golden["cue_weight"][:, :, 0, 0], golden["cue_bias"])
    scores = cape_replica.class_maps(
        features, golden["prior_weight"][:, :, 0, 0], golden["prior_bias"]
    )
    pairs = zip(cues, scores[:, 0], strict=True)
    shares = np.stack([calm_replica.joint(c, s, "relu") for c, s in pairs])
    assert_same(shares, golden["p_yz"])
    assert_same(calm_replica.marginal_loss(shares, labels), golden["ml_loss"])
    assert_same(calm_replica.em_loss(shares, shares, labels, 1e-10), golden["em_loss"])
