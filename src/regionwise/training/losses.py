"""The losses of CAPE and CALM, as functions of logarithms of probabilities.

Nothing is divided by a probability and no logarithm is taken of one, so that all of them hold in
float32. Every loss is a mean over the images of the batch.

Reference: Chowdhury et al. 2024 (CAPE), Eq. 10-11; Kim et al. 2021 (CALM), Eq. 3-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import SettingError
from regionwise.heads.joint import Joint
from regionwise.shapes import Logits

Labels: TypeAlias = Int[Tensor, " n"]
Loss: TypeAlias = Float[Tensor, ""]
PerImage: TypeAlias = Float[Tensor, " n"]
Direction: TypeAlias = Literal["teacher-student", "student-teacher"]


@dataclass(frozen=True)
class Bootstrap:
    """The settings of CAPE's loss.

    Attributes:
        alpha: weight of the cross entropy; 0 leaves it out.
        beta: weight of the distillation; 0 leaves it out.
        temperature: T of the teacher.
        selective: distil only where the two heads name different classes (Eq. 11).
        cross_entropy: which prediction gets the cross entropy.
        direction: which of the two distributions the divergence starts from.
    """

    alpha: float = 1.0
    beta: float = 1.0
    temperature: float = 2.0
    selective: bool = False
    cross_entropy: Literal["vanilla", "head"] = "vanilla"
    direction: Direction = "teacher-student"


@dataclass(frozen=True, eq=False)
class CapeOutput:
    """What CAPE's network says of a batch.

    Attributes:
        log_probabilities: log p(y | x) of the CAPE head, n y.
        soft_log_probabilities: the same at the learnt temperature T', n y.
        vanilla: logits of the pooled head, n y; None without one.
    """

    log_probabilities: Logits
    soft_log_probabilities: Logits
    vanilla: Logits | None = None


def cross_entropy(log_probabilities: Logits, labels: Labels) -> Loss:
    """Return the mean over images of -log p(label | x)."""
    return F.nll_loss(log_probabilities, labels)


def divergences(
    soft_log_probabilities: Logits,
    teacher_logits: Logits,
    temperature: float = 2.0,
    *,
    direction: Direction = "teacher-student",
) -> PerImage:
    """Return T^2 KL(p_T || q) of each image, n; p_T is the teacher's softmax(y / T), held fixed.

    q are the student's soft probabilities, whose own temperature has been learnt. A class of which
    the first distribution is exactly 0 adds 0.

    Raises:
        SettingError: the temperature is not positive.

    Reference: Chowdhury et al. 2024, Eq. 10; Hinton, Vinyals and Dean 2015 (the factor T^2).
    Choice: the printed D_KL(p_hat_T', p_T) begins with the student (``student-teacher``); the code
    has KL(teacher || student), the default. The factor T^2 is the code's; the paper has none.
    """
    if temperature <= 0:
        raise SettingError(f"the temperature must be above 0, not {temperature}")
    teacher = (teacher_logits.detach() / temperature).log_softmax(dim=1)
    first, second = soft_log_probabilities, teacher
    if direction == "teacher-student":
        first, second = second, first
    holds = first > -torch.inf
    zero = torch.zeros_like(first)
    gap = torch.where(holds, first, zero) - torch.where(holds, second, zero)
    return (first.exp() * gap).sum(dim=1) * temperature**2


def distillation(
    soft_log_probabilities: Logits,
    teacher_logits: Logits,
    temperature: float = 2.0,
    *,
    direction: Direction = "teacher-student",
) -> Loss:
    """Return the mean over images of T^2 KL(p_T || q); see :func:`divergences`."""
    return divergences(
        soft_log_probabilities, teacher_logits, temperature, direction=direction
    ).mean()


def disagreeing(log_probabilities: Logits, teacher_logits: Logits) -> Bool[Tensor, " n"]:
    """Return for which images the two name different classes."""
    return log_probabilities.argmax(dim=1) != teacher_logits.argmax(dim=1)


def selective(
    soft_log_probabilities: Logits,
    teacher_logits: Logits,
    temperature: float = 2.0,
    *,
    log_probabilities: Logits | None = None,
    direction: Direction = "teacher-student",
) -> Loss:
    """Return the mean over all images of 1(c_hat != c) T^2 KL(p_T || q).

    c_hat is the class of ``log_probabilities``, the student's prediction without T' (with T' if
    they are not given).

    Reference: Chowdhury et al. 2024, Eq. 11.
    Choice: the paper does not say whether c_hat is taken with T'; it is the class that CAPE
    predicts, so without. Images that agree count as 0 in the mean. The code has no such loss.
    """
    each = divergences(soft_log_probabilities, teacher_logits, temperature, direction=direction)
    said = soft_log_probabilities if log_probabilities is None else log_probabilities
    chosen = disagreeing(said, teacher_logits)
    return torch.where(chosen, each, torch.zeros_like(each)).mean()


def cape_loss(output: CapeOutput, labels: Labels, bootstrap: Bootstrap) -> Loss:
    """Return alpha H(p, label) + beta KL, the loss of CAPE's network.

    Raises:
        SettingError: the loss needs vanilla logits and there are none.

    Reference: Chowdhury et al. 2024, Eq. 10 (``cross_entropy="head"``: p is CAPE's prediction) and
    Eq. 11 (``cross_entropy="vanilla"``, ``selective=True``).
    Choice: by default p is the vanilla prediction and nothing is selective, as in the code:
    training from scratch would else never train the vanilla head.
    """
    vanilla = output.vanilla
    if vanilla is None and (bootstrap.beta or bootstrap.cross_entropy == "vanilla"):
        raise SettingError("this loss needs a vanilla head beside CAPE's; train with one")
    total = output.log_probabilities.new_zeros(())
    if bootstrap.alpha:
        total = total + bootstrap.alpha * _cross_entropy_of(output, labels, bootstrap)
    if bootstrap.beta and vanilla is not None:
        total = total + bootstrap.beta * _distilled(output, vanilla, bootstrap)
    return total


def calm_ml(joint: Joint, labels: Labels) -> Loss:
    """Return the mean over images of -log sum_z p(label | x, z) p(z | x).

    Reference: Kim et al. 2021, Eq. 3-4.
    """
    return cross_entropy(joint.log_probabilities, labels)


def calm_em(
    joint: Joint, labels: Labels, epsilon: float = 0.0, teacher: Joint | None = None
) -> Loss:
    """Return the mean over images of -sum_z t_z log p(label, z | x).

    t_z = p'(label, z | x) / (sum_l p'(label, l | x) + epsilon) is the pseudo-target, held fixed;
    p' is the teacher's joint, by default the joint itself. A cell whose pseudo-target is exactly 0
    adds 0, also where its own logarithm is -inf. Where the class has no probability at all, the
    loss is infinite without ``epsilon``, and 0 with one.

    Reference: Kim et al. 2021, Eq. 5-6.
    Choice: ``epsilon=1e-10`` is the authors' code; the equation has none.
    """
    own = _of_label(joint, labels)
    other = (own if teacher is None else _of_label(teacher, labels)).detach()
    total = other.logsumexp(dim=1)
    possible = total > -torch.inf
    target = torch.where(possible[:, None], other.softmax(dim=1), 0.0)  # sums to one in float32
    if epsilon:
        with_epsilon = torch.logaddexp(total, torch.full_like(total, epsilon).log())
        target = target * (total - with_epsilon).exp()[:, None]
    counts = target > 0
    terms = torch.where(counts, target * torch.where(counts, own, 0.0), 0.0)
    each = -terms.sum(dim=1)
    if not epsilon:
        each = torch.where(possible, each, torch.inf)
    return each.mean()


def _of_label(joint: Joint, labels: Labels) -> Float[Tensor, "n z"]:
    """Return log p(label, z | x), n z."""
    rows = joint.log_conditional[torch.arange(len(labels), device=labels.device), labels]
    return (rows + joint.log_prior).flatten(1)


def _cross_entropy_of(output: CapeOutput, labels: Labels, bootstrap: Bootstrap) -> Loss:
    if bootstrap.cross_entropy == "vanilla" and output.vanilla is not None:
        return F.cross_entropy(output.vanilla, labels)
    return cross_entropy(output.log_probabilities, labels)


def _distilled(output: CapeOutput, vanilla: Logits, bootstrap: Bootstrap) -> Loss:
    soft, how = output.soft_log_probabilities, bootstrap.direction
    if bootstrap.selective:
        said = output.log_probabilities
        return selective(
            soft, vanilla, bootstrap.temperature, log_probabilities=said, direction=how
        )
    return distillation(soft, vanilla, bootstrap.temperature, direction=how)
