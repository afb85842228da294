"""Quantus as a witness, where it is installed: it is no dependency (`pip install quantus`)."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from metric_cases import balanced, case_of, maps_of, network, pixels
from regionwise.metrics import randomising
from regionwise.metrics.case import Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    quantus = pytest.importorskip(
        "quantus", reason="the optional peer Quantus is not installed: pip install quantus"
    )

pytestmark = pytest.mark.filterwarnings("ignore")

SIZE = (12, 16)


class Fed(nn.Module):
    """A network in double precision, for a peer that feeds single precision, or one channel."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.double().expand(-1, 3, -1, -1))


class Counted(nn.Module):
    """A linear score of whole numbers, which sees all rows but the first `silent`."""

    def __init__(self, silent=0):
        super().__init__()
        rows, columns = SIZE
        weights = 1 + torch.arange(rows * columns).reshape(SIZE).double() % 4
        weights[:silent] = 0
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        score = (x[:, 0].double() * self.weights).sum((1, 2))
        return torch.stack([score, -score], dim=1)


def distinct(seed=2):
    """Maps without equal values."""
    generator = torch.Generator().manual_seed(seed)
    count = SIZE[0] * SIZE[1]
    maps = torch.stack([torch.randperm(count, generator=generator) for _ in range(3)])
    return maps.reshape(3, *SIZE).double() / (count - 1)


def seen(channels=3):
    return pixels(3, *SIZE)[:, :channels].float().double()


def case(net=None, channels=3, **given):
    net = Fed(network()).eval() if net is None else net
    own = {"inputs": seen(channels), "saliency": distinct(), "judge": Judge(net)}
    return case_of(n=3, h=SIZE[0], w=SIZE[1], **{**own, **given})


def asked(kind, of, maps, given=None, **call):
    """What a metric of Quantus answers."""
    model = of.judge.classifier.module
    own = None if maps is None else maps.detach().numpy()[:, None].copy()
    metric = getattr(quantus, kind)(disable_warnings=True, **(given or {}))
    how = {"softmax": True, "channel_first": True, **call}
    found = metric(model, of.inputs.numpy(), of.targets.numpy(), own, **how)
    return np.array(list(found.values()) if isinstance(found, dict) else found, dtype=float)


REGIONS = maps_of(3, *SIZE, seed=7) > 0.6


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("pointing-game:tolerance=0,ties=any", "PointingGame"),
        ("relevance-mass", "RelevanceMassAccuracy"),
    ],
)
def test_localisation(ours, theirs):
    maps = maps_of(3, *SIZE)  # with equal values
    of = case(saliency=maps, truth=Truth(regions=REGIONS))
    expected = asked(theirs, of, maps, s_batch=REGIONS.numpy()[:, None])
    np.testing.assert_allclose(metrics.parse(ours)(of).values.numpy(), expected, rtol=1e-12)


def test_energy_in_boxes():
    boxes = tuple(torch.tensor([[2, 3, 9 + n, 8]]) for n in range(3))
    masks = np.zeros((3, 1, *SIZE), dtype=bool)
    for n in range(3):
        masks[n, 0, 3:8, 2 : 9 + n] = True
    of = case(truth=Truth(boxes=boxes))
    expected = asked("AttributionLocalisation", of, distinct(), s_batch=masks)
    found = metrics.parse("energy-pointing-game")(of).values
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_look():
    of, pixels_of_one = case(), SIZE[0] * SIZE[1]
    gini = metrics.parse("sparseness")(of).values
    np.testing.assert_allclose(gini.numpy(), asked("Sparseness", of, distinct()), rtol=1e-6)
    area = metrics.parse("area:threshold=0.3")(of).values
    expected = asked("EffectiveComplexity", of, distinct(), {"eps": 0.3})
    np.testing.assert_allclose(area.numpy() * pixels_of_one, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_flipping_is_deletion(channels):
    of = case(channels=channels)
    given = {"features_in_step": 16 * channels, "perturb_baseline": 0.0}
    found = metrics.parse("deletion:pixels=16")(of).curves["score"][:, 1:]
    expected = asked("PixelFlipping", of, distinct(), given)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert np.ptp(expected, axis=1).min() > 1e-3


def test_selectivity_is_deletion_cell_by_cell():
    cells = F.avg_pool2d(distinct()[:, None], 4)[:, 0]
    of = case(maps=cells)
    found = metrics.parse("deletion:pixels=1,resolution=map")(of).curves["score"][:, 1:]
    given = {"patch_size": 4, "perturb_baseline": 0.0}
    expected = asked("Selectivity", of, distinct(), given)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_road_in_one_channel():
    model = Fed(balanced()).eval()
    labels = model(seen(1)).argmax(1)
    of = case(model, channels=1, targets=labels, labels=labels)
    metric = metrics.parse("road:percents=10/30/50/70/90,noise=0,ties=first")
    found = metric(of).curves
    given = {"percentages": [10, 30, 50, 70, 90], "noise": 0.0}
    hits = found["hits-morf"].mean(0)
    np.testing.assert_allclose(hits.numpy(), asked("ROAD", of, distinct(), given))
    assert not torch.equal(hits, found["hits-lerf"].mean(0))


@pytest.mark.parametrize("spoiled", [0.0, 0.25])
def test_completeness_to_the_last_digit(spoiled):
    model = Counted().eval()
    inputs = (seen(1) * 4).round()
    parts = inputs[:, 0] * model.weights.detach()
    parts[1, 0, 0] += spoiled
    of = case(model, 1, inputs=inputs, maps=parts, targets=torch.zeros(3, dtype=torch.int64))
    metric = metrics.parse("completeness:score=logit,baseline=zeros,tolerance=0")
    given = {"normalise": False, "perturb_baseline": 0.0}
    expected = asked("Completeness", of, parts, given, softmax=False)
    assert metric(of).extras["complete"].tolist() == expected.tolist() == [1, spoiled == 0, 1]


def test_non_sensitivity_counts_silent_pixels_where_all_matter():
    model, side = Counted().eval(), 12
    maps = distinct()[:, :, :side] * (torch.arange(side)[:, None] >= 5) + 0.0
    with torch.no_grad():
        model.weights = nn.Parameter(model.weights[:, :side].clone())
    inputs = seen(1)[..., :side].abs() + 1
    of = case_of(
        n=3, h=side, w=side, inputs=inputs, saliency=maps, maps=maps, judge=Judge(model),
        targets=torch.zeros(3, dtype=torch.int64),
    )  # fmt: skip
    found = metrics.parse(f"sensitivity:side={side},tolerance=0")(of).values
    given = {"perturb_baseline": 0.0, "normalise": False}
    expected = asked("NonSensitivity", of, maps, given, softmax=False)
    np.testing.assert_allclose((1 - found.numpy()) * side**2, expected)
    assert expected.min() >= 5 * side


def test_mprt_is_the_sanity_check_with_its_weights(monkeypatch):
    of = case()
    model = of.judge.classifier.module

    def maps_by(net, inputs, targets):
        inputs = inputs.detach().clone().requires_grad_()
        with torch.enable_grad():
            score = net(inputs).gather(1, targets[:, None]).sum()
            return torch.autograd.grad(score, inputs)[0].sum(1)

    def explained(model, inputs, targets, **_):
        return maps_by(model, torch.from_numpy(inputs), torch.from_numpy(targets)).numpy()

    own = randomising.randomise
    monkeypatch.setattr(randomising, "randomise", lambda *m, **how: own(*m, **how | {"seed": 43}))
    maps = maps_by(model, of.inputs, of.targets)
    asking = replace(case(model, maps=maps), model=model, on_model=maps_by)
    metric = metrics.parse("sanity-check:similarity=spearman-abs,stages=3")
    expected = asked("MPRT", of, None, explain_func=explained)
    found = metric(asking).curves["similarity"]
    np.testing.assert_allclose(found.numpy(), expected[1:].T, rtol=1e-9)
    assert np.ptp(expected[1:]) > 1e-3
