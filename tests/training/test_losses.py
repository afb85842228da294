"""The losses against literal loops, by hand, and where a number is 0 or infinite."""

import math

import pytest
import torch

from regionwise.errors import SettingError
from regionwise.heads.joint import Joint
from regionwise.training.losses import (
    Bootstrap,
    CapeOutput,
    calm_em,
    calm_ml,
    cape_loss,
    distillation,
    divergences,
    selective,
)
from replicas import losses as replica

LABELS = torch.tensor([0, 3, 1])


@pytest.fixture
def joint(generator):
    maps = torch.randn(3, 4, 2, 3, generator=generator, dtype=torch.float64) * 3
    prior = torch.randn(3, 6, generator=generator, dtype=torch.float64).log_softmax(1)
    return Joint(maps.log_softmax(1), prior.view(3, 2, 3))


@pytest.fixture
def student(generator):
    return (torch.randn(3, 4, generator=generator, dtype=torch.float64) * 2).log_softmax(1)


@pytest.fixture
def teacher(generator):
    return torch.randn(3, 4, generator=generator, dtype=torch.float64) * 5


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("direction", ["teacher-student", "student-teacher"])
def test_distillation_is_the_literal_loop(student, teacher, temperature, direction):
    found = distillation(student, teacher, temperature, direction=direction)
    wanted = replica.distillation(
        student.exp(), teacher, temperature, student_first=direction == "student-teacher"
    )
    assert found.item() == pytest.approx(wanted, rel=1e-10)


def test_distillation_is_torchs_kl_div(student, teacher):
    log_teacher = (teacher / 2).log_softmax(1)
    wanted = torch.nn.functional.kl_div(
        student, log_teacher, log_target=True, reduction="batchmean"
    )
    assert torch.allclose(distillation(student, teacher), 4 * wanted, atol=1e-12)


def test_distillation_by_hand():
    student = torch.tensor([[0.5, 0.5]]).double().log()
    teacher = torch.tensor(
        [[2 * math.log(3), 0.0]], dtype=torch.float64
    )  # softmax(y / 2) = (3/4, 1/4)
    wanted = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert distillation(student, teacher).item() == pytest.approx(wanted, rel=1e-12)


def test_the_teacher_gets_no_gradient(student, teacher):
    teacher.requires_grad_()
    student.requires_grad_()
    (gradient,) = torch.autograd.grad(distillation(student, teacher), student)
    assert torch.allclose(gradient, -4 * (teacher / 2).softmax(1).detach() / 3, atol=1e-12)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(distillation(student, teacher), teacher)


def test_a_class_without_probability_adds_nothing():
    student = torch.tensor([[0.0, -torch.inf]], requires_grad=True)
    teacher = torch.tensor([[400.0, -400.0]])
    loss = distillation(student, teacher, direction="student-teacher")
    assert loss.item() == pytest.approx(0.0)
    (gradient,) = torch.autograd.grad(loss, student)
    assert gradient.isfinite().all()


def test_distillation_is_safe_in_float32():
    student = torch.tensor([[0.0, -200.0, -1e4]])
    teacher = torch.tensor([[1e4, 0.0, -1e4]])
    assert divergences(student, teacher).isfinite().all()


def test_a_temperature_of_zero_is_refused(student, teacher):
    with pytest.raises(SettingError, match="above 0"):
        distillation(student, teacher, 0.0)


def test_selective_counts_the_images_that_disagree_in_a_mean_over_all(student, teacher):
    apart = (student.argmax(1) != teacher.argmax(1)).tolist()
    assert 0 < sum(apart) < 3, "the fixture must hold both kinds"
    found = selective(student, teacher)
    wanted = replica.distillation(student.exp(), teacher, mask=apart)
    assert found.item() == pytest.approx(wanted, rel=1e-10)


def test_selective_asks_the_prediction_without_the_soft_temperature(student, teacher):
    assert selective(student, teacher, log_probabilities=teacher.log_softmax(1)).item() == 0


@pytest.mark.parametrize("kind", ["vanilla", "head"])
def test_cape_loss_adds_its_two_parts(student, teacher, kind):
    soft = (student / 3).log_softmax(1)
    said = student if kind == "head" else teacher.log_softmax(1)
    bootstrap = Bootstrap(alpha=0.3, beta=0.7, cross_entropy=kind)
    found = cape_loss(CapeOutput(student, soft, teacher), LABELS, bootstrap)
    wanted = 0.3 * replica.cross_entropy(said.exp(), LABELS.tolist())
    wanted += 0.7 * replica.distillation(soft.exp(), teacher)
    assert found.item() == pytest.approx(wanted, rel=1e-10)


def test_cape_loss_of_equation_11(student, teacher):
    found = cape_loss(CapeOutput(student, student, teacher), LABELS, Bootstrap(selective=True))
    apart = (student.argmax(1) != teacher.argmax(1)).tolist()
    wanted = replica.cross_entropy(teacher.softmax(1), LABELS.tolist())
    wanted += replica.distillation(student.exp(), teacher, mask=apart)
    assert found.item() == pytest.approx(wanted, rel=1e-10)


def test_cape_loss_without_a_vanilla_head_is_refused(student):
    with pytest.raises(SettingError, match="vanilla head"):
        cape_loss(CapeOutput(student, student), LABELS, Bootstrap())
    found = cape_loss(CapeOutput(student, student), LABELS, Bootstrap(beta=0, cross_entropy="head"))
    assert found.item() == pytest.approx(replica.cross_entropy(student.exp(), LABELS.tolist()))


def test_calm_ml_is_the_literal_loop(joint):
    wanted = replica.calm_ml(joint.log_conditional.exp(), joint.log_prior.exp(), LABELS.tolist())
    assert calm_ml(joint, LABELS).item() == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("epsilon", [0.0, 1e-10, 0.1])
@pytest.mark.parametrize("taught", [False, True])
def test_calm_em_is_the_literal_loop(joint, generator, epsilon, taught):
    other = torch.randn(3, 4, 2, 3, generator=generator, dtype=torch.float64).log_softmax(1)
    teacher = Joint(other, joint.log_prior.flip(-1)) if taught else None
    found = calm_em(joint, LABELS, epsilon, teacher)
    wanted = replica.calm_em(
        joint.log_conditional.exp(),
        joint.log_prior.exp(),
        LABELS.tolist(),
        epsilon,
        None if teacher is None else (other.exp(), teacher.log_prior.exp()),
    )
    assert found.item() == pytest.approx(wanted, rel=1e-10)


def test_calm_em_lies_above_calm_ml(joint):
    """Equation 5: the difference is the entropy of the pseudo-targets."""
    posterior = joint.posterior(LABELS)
    entropy = -(posterior * posterior.log()).flatten(1).sum(1).mean()
    assert torch.allclose(calm_em(joint, LABELS), calm_ml(joint, LABELS) + entropy, atol=1e-10)


def test_the_gradients_of_em_and_ml_agree_when_the_teacher_is_the_student(generator):
    """The E step is exact, so its gradient is that of the likelihood."""
    maps = torch.randn(3, 4, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    prior = torch.zeros(3, 2, 3, dtype=torch.float64) - math.log(6)
    gradients = [
        torch.autograd.grad(loss(Joint(maps.log_softmax(1), prior), LABELS), maps)[0]
        for loss in (calm_em, calm_ml)
    ]
    assert torch.allclose(*gradients, atol=1e-12)


def test_a_cell_without_a_share_adds_nothing_and_gives_finite_gradients():
    maps = torch.randn(1, 2, 1, 3, requires_grad=True)
    prior = torch.tensor([[[0.0, -torch.inf, -torch.inf]]])
    loss = calm_em(Joint(maps.log_softmax(1), prior), torch.tensor([1]))
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient[..., 1:].eq(0).all()
    assert gradient[..., 0].ne(0).any()


def test_a_class_without_any_probability_is_infinite_without_epsilon_and_0_with_it():
    log_conditional = torch.tensor([0.0, -torch.inf]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    joint = Joint(log_conditional, torch.full((1, 1, 2), -math.log(2)))
    assert calm_em(joint, torch.tensor([1])).item() == math.inf
    assert calm_em(joint, torch.tensor([1]), 1e-10).item() == 0


def test_calm_em_is_safe_in_float32():
    maps = torch.tensor([0.0, -400.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3).clone().requires_grad_()
    joint = Joint(maps.log_softmax(1), torch.full((1, 1, 3), -math.log(3)))
    loss = calm_em(joint, torch.tensor([1]))
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss.item() == pytest.approx(400 + math.log(3))
    assert gradient[0, 1].sum().item() == pytest.approx(-1.0)
