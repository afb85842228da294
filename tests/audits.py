"""Audits by hand: what the tests of its words, verdicts and page are given."""

from dataclasses import replace

import numpy as np
import torch

from regionwise.attribution.result import Attribution
from regionwise.report.audit_result import (
    Audit,
    Chance,
    Checked,
    Contrast,
    Curve,
    Curves,
    Noise,
    Ranked,
    Redrawn,
    Total,
)

CELLS = [[0.30, 0.10, 0.0], [0.05, 0.0, 0.05]]
OTHER = [[0.10, 0.05, 0.0], [0.00, 0.0, 0.05]]
LEVELS = (0.0, 0.1, 0.2, 1.0)


def curve(area, scores=(0.5, 0.4, 0.3, 0.1)):
    return Curve(LEVELS, scores, area)


def attribution(*maps, method="cam", names=("wren", "robin"), **changes):
    stacked = torch.tensor([maps], dtype=torch.float64)
    count = len(maps)
    values = {
        "method": method,
        "maps": stacked,
        "targets": torch.arange(count)[None],
        "target_names": (names[:count],),
        "scores": stacked.sum((2, 3)),
        "probabilities": stacked.sum((2, 3)),
        "layer": "features",
        "size": (16, 24),
        "flags": (((),) * count,),
        "top": (("wren", 0.5),),
        "images": torch.full((1, 3, 16, 24), 0.5),
    }
    return Attribution(**(values | changes))


def checked(method="cam", **changes):
    """A map that passes everything against :func:`audit`'s random orders."""
    passes = {
        "curves": Curves(curve(0.2), curve(0.8)),
        "patches": 1.0,
        "redrawn": Redrawn((0.5, 1.0), ((0.4, 0.1), (0.6, -0.1))),
        "noisy": (0.95, 0.99),
        "control": False,
        "blank": (),
        "grain": "cells",
    }
    return Checked(method=method, **(passes | changes))


def audit(*rows, **changes):
    """An audit of `wren`, 50 %, against `robin`; maps agree by 0.8 unless that is changed.

    Twenty random orders have areas from 0.4 to 0.5 in deletion, from 0.5 to 0.6 in insertion.
    """
    rows = rows or (checked(),)
    names = [one.method for one in rows]
    spread = [k / 190 for k in range(20)]
    chance = Chance(
        "cells",
        tuple(curve(0.4 + s) for s in spread),
        tuple(curve(0.5 + s) for s in spread),
    )
    wren, robin = Ranked(0, "wren", 0.5), Ranked(1, "robin", 0.2)
    values = {
        "source": "bird.png",
        "image": np.full((16, 24, 3), 128, np.uint8),
        "top": (wren, robin),
        "classes": 4,
        "exclusive": True,
        "target": wren,
        "maps": {name: attribution(CELLS, method=name) for name in names},
        "checked": rows,
        "chance": {"cells": chance},
        "agreement": tuple(tuple(1.0 if a == b else 0.8 for b in names) for a in names),
        "same": (),
        "exact": None,
        "total": None,
        "contrast": None,
        "noise": Noise(0.02, (0.49, 0.51)),
        "metrics": ("deletion:steps=10",),
        "provenance": {"model": {"source": "net", "weights": "given"}, "layer": "x", "date": "now"},
    }
    return Audit(**(values | changes))


def exact(total=None, **changes):
    """An audit of a head that gives exact contributions, to `wren` and to `robin`."""
    found = attribution(CELLS, OTHER, method="cape", exact=True)
    return audit(
        checked("cape", total=total),
        exact=found,
        total=total or Total("completeness", 0.5, 1e-9, complete=True),
        contrast=contrast(),
        **changes,
    )


def contrast(**changes):
    """Robin is ahead once a tenth of the pixels is gone."""
    lead = attribution((torch.tensor(CELLS) - torch.tensor(OTHER)).tolist(), signed=True)
    found = Contrast(
        Ranked(1, "robin", 0.2), lead, curve(0.2), curve(0.3, scores=(0.2, 0.45, 0.4, 0.1))
    )
    return replace(found, **changes)
