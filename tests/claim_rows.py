"""Made-up rows for tests of claims: numbers by network and method, found as if they were read."""

import numpy as np
import torch

from regionwise.benchmark.claims import Claim, Family, Side
from regionwise.benchmark.claims_verdicts import verdicts_on
from regionwise.benchmark.reading import Scored
from regionwise.metrics.recipe import Values

FAMILIES = tuple(Family(name, {"v": f"{name}-v", "c": f"{name}-c"}) for name in "ABC")


def scored(method, numbers, images=None):
    """Return rows of one number per picture."""
    names = images or [f"{place}.png" for place in range(len(numbers))]
    units = tuple((name, -1) for name in names)
    return Scored(method, units, Values(torch.as_tensor(numbers, dtype=torch.float64)))


def around(mean, count=40, spread=0.1, seed=0):
    """Return numbers whose mean is exactly this."""
    drawn = np.random.default_rng(seed).normal(size=count) * spread
    return drawn - drawn.mean() + mean


def claim(kind="better", **changes):
    """Build a claim that method x of role c beats method y of role v in average drop."""
    fields = {
        "id": "it",
        "says": "x beats y",
        "source": "Somebody 1999",
        "kind": kind,
        "metrics": ("average-drop",),
        "target": "label",
        "sides": (Side("c", "x"),),
        "than": () if kind == "bound" else (Side("v", "y"),),
    }
    return Claim(**{**fields, **changes})


def finder(rows):
    """Look rows up by model and method, or by model, method and metric; all else has none."""

    def find(asked):
        by_metric = rows.get((asked.model, asked.method, asked.metric))
        found = by_metric if by_metric is not None else rows.get((asked.model, asked.method))
        return f"{asked.method} on {asked.model} is missing" if found is None else found

    return find


def verdicts(claims, rows, families=FAMILIES[:1], seed=0):
    """Return the verdicts of claims on made-up rows."""
    return verdicts_on(claims, families, finder(rows), seed=seed, data="birds")


def two(first, second, family="A"):
    """Return rows of x on a family's network c, and of y on its network v."""
    return {
        (f"{family}-c", "x"): scored("x", first),
        (f"{family}-v", "y"): scored("y", second),
    }
