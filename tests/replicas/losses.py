"""The losses of CAPE and CALM, one number after another, from the equations."""

import math

from .common import array, softmax


def divergence(first, second):
    """sum_y p_y log(p_y / q_y); a class with p_y = 0 adds nothing."""
    return sum(p * math.log(p / q) for p, q in zip(first, second, strict=True) if p > 0)


def distillation(student, teacher_logits, temperature=2.0, *, student_first=False, mask=None):
    """Mean over images of T^2 KL, Eq. 10; ``student`` are probabilities, n y."""
    total = 0.0
    for image, probabilities in enumerate(array(student)):
        if mask is not None and not mask[image]:
            continue
        teacher = softmax([y / temperature for y in array(teacher_logits)[image]])
        pair = (probabilities, teacher) if student_first else (teacher, probabilities)
        total += temperature**2 * divergence(*pair)
    return total / len(array(student))


def cross_entropy(probabilities, labels):
    """Mean over images of -log p_label."""
    rows = array(probabilities)
    return -sum(math.log(rows[n][c]) for n, c in enumerate(labels)) / len(rows)


def calm_ml(conditional, prior, labels):
    """Mean of -log sum_z g_yz h_z, Eq. 4; ``conditional`` n y i j, ``prior`` n i j."""
    total = 0.0
    for n, label in enumerate(labels):
        total -= math.log(sum(_joint(conditional, prior, n, label)))
    return total / len(labels)


def calm_em(conditional, prior, labels, epsilon=0.0, teacher=None):
    """Mean of -sum_z t_z log(g_yz h_z), Eq. 6; ``teacher`` is (g', h'), else (g, h)."""
    total = 0.0
    for n, label in enumerate(labels):
        own = _joint(conditional, prior, n, label)
        other = own if teacher is None else _joint(*teacher, n, label)
        divisor = sum(other) + epsilon
        for mine, theirs in zip(own, other, strict=True):
            if theirs > 0:
                total -= theirs / divisor * math.log(mine)
    return total / len(labels)


def _joint(conditional, prior, n, label):
    g, h = array(conditional)[n][label].ravel(), array(prior)[n].ravel()
    return [a * b for a, b in zip(g, h, strict=True)]
