"""Metrics of torch-cam, pytorch-grad-cam, captum, scikit-learn and SciPy as witnesses.

Beside `test_faithfulness_oracles.py`: maps that the peer makes itself, composites, ranks. What is
measured on pictures of birds, and why other numbers differ, is in docs/parity.md.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from metric_cases import case_of, maps_of, network, pixels
from regionwise import explain
from regionwise.evidence.masking import upsample
from regionwise.metrics.adcc import adcc
from regionwise.metrics.average_drop import AverageDrop
from regionwise.metrics.case import Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.coherency import coherency
from regionwise.metrics.complexity import complexity
from regionwise.metrics.similarity import spearman

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from captum.attr import IntegratedGradients
    from pytorch_grad_cam.metrics import arcc
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
    from torchcam.methods import GradCAM
    from torchcam.metrics import ClassificationMetric

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
TARGETS = torch.tensor([1, 1, 0])
SIZE = (24, 20)


def of_classes(logits):
    return logits.softmax(dim=1).gather(1, TARGETS[:, None])[:, 0]


def scaled_at_the_layer(targets):
    """Grad-CAM as torch-cam's metric sees it, n h w."""
    raw = explain(network(), pixels(3, *SIZE), "grad-cam", targets, "features").maps.detach()
    above = raw - raw.amin(dim=(2, 3), keepdim=True)
    return upsample(above / (above.amax(dim=(2, 3), keepdim=True) + 1e-8), SIZE)[:, 0]


@pytest.mark.parametrize(
    ("score", "of", "explained"),
    [("logit", None, TARGETS), ("probability", lambda z: z.softmax(-1), of_classes)],
)
def test_torch_cam_explains_what_it_scores(score, of, explained):
    peer = ClassificationMetric(GradCAM(network(), "features"), of)
    inputs = pixels(3, *SIZE)
    peer.update(inputs, TARGETS.tolist())
    theirs = peer.summary()["avg_drop"]
    metric = AverageDrop(score=score, denominator="epsilon")

    def ours(maps):
        case = case_of(h=SIZE[0], w=SIZE[1], inputs=inputs, saliency=maps, targets=TARGETS)
        return metric.reduce([metric(case)])["value"]

    assert ours(scaled_at_the_layer(explained)) == pytest.approx(theirs, rel=1e-9)
    default = explain(network(), inputs, "grad-cam", TARGETS, "features").saliency()[:, 0]
    assert abs(ours(default) - theirs) > 1e-3


def test_arcc_is_the_harmonic_mean_with_road_for_the_drop(monkeypatch):
    monkeypatch.setattr(NoisyLinearImputer.__init__, "__defaults__", (0.0, None))
    # two whose ROAD is above zero: below it both are clipped to nothing
    maps, again = maps_of(8, 10, 8, seed=2), maps_of(8, 10, 8, seed=9)
    targets = [lambda out: out.softmax(-1)[1]] * 8
    given = (pixels(8, 10, 8).float(), maps.numpy(), targets, network().float())
    theirs = arcc.ARCC(lambda **_: again.numpy(), [20, 50, 80])(*given)
    road = torch.from_numpy(ROADCombined([20, 50, 80])(*given)).double()
    parts = coherency(maps, again), complexity(maps), 1 - (2 * road).clamp(0, 1)
    np.testing.assert_allclose(adcc(*parts).numpy(), theirs, atol=2e-6)  # its epsilons
    assert theirs.max() > 1e-3


def test_completeness_is_the_convergence_delta_of_captum():
    peer = IntegratedGradients(network())
    found, delta = peer.attribute(
        pixels(), target=TARGETS, n_steps=7, return_convergence_delta=True
    )
    case = case_of(targets=TARGETS, maps=found.detach().sum(dim=1))
    metric = metrics.parse("completeness:score=logit,baseline=zeros")
    logits = network()(pixels()) - network()(torch.zeros_like(pixels()))
    change = logits.gather(1, TARGETS[:, None])[:, 0].detach()
    expected = delta.abs() / change.abs()
    torch.testing.assert_close(metric(case).values, expected, rtol=1e-9, atol=0)
    assert expected.min() > 1e-6


def test_pxap_is_the_average_precision_of_scikit_learn():
    regions = maps_of(seed=8) > 0.7
    found = metrics.parse("pxap")(case_of(truth=Truth(regions=regions))).values
    pairs = zip(regions, maps_of(), strict=True)
    expected = [average_precision_score(r.flatten(), m.flatten()) for r, m in pairs]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert len(set(expected)) == 3


def test_rank_correlation_is_that_of_scipy():
    first = maps_of()
    second = (first + maps_of(seed=9)).mul(5).round()  # many equal values
    pairs = zip(first.flatten(1), second.flatten(1), strict=True)
    expected = [spearmanr(a, b)[0] for a, b in pairs]
    np.testing.assert_allclose(spearman(first, second).numpy(), expected, rtol=1e-12)


def test_every_row_of_the_page_is_explained():
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert "unexplained" not in text
    for peer in ("torch-cam", "pytorch-grad-cam", "captum", "Quantus"):
        assert sum(f"| {peer} |" in row for row in rows) > 0
    ends = ("| same |", "| differs:", "| theirs fails:")
    assert all(sum(end in row for end in ends) == 1 for row in rows)
