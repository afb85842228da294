"""Metrics beside what captum, scikit-learn and SciPy call by other names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.stats
import torch
from captum.attr import IntegratedGradients
from parity_metrics import DENSE, MAPS, Birds, Row, numbers
from sklearn.metrics import average_precision_score
from torch import Tensor

from regionwise.metrics.similarity import spearman


def other_rows(pictures: Birds) -> Iterator[Row]:
    """Yield completeness beside captum, AP beside scikit-learn, ranks beside SciPy."""
    model, inputs, targets = pictures.classifier.module, pictures.inputs, pictures.targets
    peer = IntegratedGradients(model)
    found, delta = peer.attribute(inputs, target=targets, return_convergence_delta=True)
    maps = found.detach().sum(dim=1)
    metric = "completeness:score=logit,baseline=zeros"
    dense = pictures.saliency(DENSE)
    ours = numbers(pictures.measured(metric, dense, maps=maps).values)
    zeros = torch.zeros_like(inputs)
    with torch.no_grad():
        change = (model(inputs) - model(zeros)).gather(1, targets[:, None])[:, 0]
    theirs = numbers(delta.abs() / change.abs())
    name = "convergence delta of `IntegratedGradients`, over the change of the score"
    yield Row(metric, "captum", name, "its own", ours, theirs)

    def precision(maps: Tensor) -> np.ndarray:
        pairs = zip(pictures.regions, maps, strict=True)
        return np.array([average_precision_score(r.flatten(), m.flatten()) for r, m in pairs])

    cams = pictures.saliency(MAPS)
    ours = numbers(pictures.measured("pxap", cams).values)
    name = "`average_precision_score`, by picture"
    yield Row("pxap", "scikit-learn", name, MAPS, ours, precision(cams))
    pairs = zip(cams.flatten(1), dense.flatten(1), strict=True)
    theirs = np.array([scipy.stats.spearmanr(a, b)[0] for a, b in pairs])
    ours = numbers(spearman(cams, dense))
    yield Row("spearman()", "SciPy", "`spearmanr`", f"{MAPS} and {DENSE}", ours, theirs)
