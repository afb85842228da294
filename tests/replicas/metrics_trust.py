"""Metrics that hold a map against its own network, one number at a time.

Ranks: Spearman 1904. SSIM: Wang et al. 2004, Eq. 13. Causal part score: agreement over parts.
"""

import math

from replicas.common import array


def mean(values):
    return sum(values) / len(values)


def pearson(a, b):
    da, db = [v - mean(a) for v in a], [v - mean(b) for v in b]
    norms = math.sqrt(sum(v * v for v in da) * sum(v * v for v in db))
    return sum(x * y for x, y in zip(da, db, strict=True)) / norms if norms else math.nan


def ranks(values):
    return [
        1 + sum(other < value for other in values) + (sum(o == value for o in values) - 1) / 2
        for value in values
    ]


def spearman(a, b):
    return pearson(ranks(a), ranks(b))


def ssim(first, second, *, data_range=1.0, window=11, sigma=1.5):
    first, second = array(first), array(second)
    half = window // 2
    bell = [math.exp(-(k**2) / (2 * sigma**2)) for k in range(-half, half + 1)]
    total = sum(bell)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for y in range(half, first.shape[0] - half):
        for x in range(half, first.shape[1] - half):
            places = [
                (bell[i] * bell[j] / total**2, first[y + i - half, x + j - half],
                 second[y + i - half, x + j - half])
                for i in range(window) for j in range(window)
            ]  # fmt: skip
            ma, mb = sum(w * a for w, a, _ in places), sum(w * b for w, _, b in places)
            va = sum(w * (a - ma) ** 2 for w, a, _ in places)
            vb = sum(w * (b - mb) ** 2 for w, _, b in places)
            cov = sum(w * (a - ma) * (b - mb) for w, a, b in places)
            above = (2 * ma * mb + c1) * (2 * cov + c2)
            found.append(above / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return mean(found)


def part_share(plane, mask):
    plane = array(plane)
    cells = [(y, x) for y in range(plane.shape[0]) for x in range(plane.shape[1])]
    total = sum(abs(plane[c]) for c in cells)
    if not any(mask[c] for c in cells):
        return math.nan
    return sum(plane[c] for c in cells if mask[c]) / total


def same_sign(shares, effects):
    def sign(value):
        return (value > 0) - (value < 0)

    pairs = [(s, e) for s, e in zip(shares, effects, strict=True) if not math.isnan(s)]
    return sum(abs(e) for s, e in pairs if sign(s) == sign(e)) / sum(abs(e) for _, e in pairs)
