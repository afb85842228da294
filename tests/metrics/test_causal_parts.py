"""The causal part score: shares, effects, agreement; a network that knows one part of a bird."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from metric_cases import case_of, maps_of
from regionwise.data.birds import render, sample_scene, species
from regionwise.errors import SettingError
from regionwise.metrics.case import Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.causal_parts import (
    agreement,
    edited_birds,
    part_effects,
    part_shares,
    pooled_agreement,
    sign_agreement,
)
from regionwise.metrics.cue import united_masks
from regionwise.metrics.judge import Judge
from regionwise.models.preprocessing import Preprocessing
from replicas import metrics_trust as replica
from samples import assert_same, float64

PARTS = ("head", "wing", "tail", "belly")
PLAIN = Preprocessing(size=(48, 48), resize=None, mean=(0, 0, 0), std=(1, 1, 1))
NAN = math.nan


def parts_of(n=3, p=4, seed=0):
    masks = torch.rand(n, p, 8, 6, generator=torch.Generator().manual_seed(seed)) < 0.2
    masks[0, 1] = False
    return masks


def test_shares_are_their_replica():
    maps, parts = maps_of() - 0.5, parts_of()
    expected = [
        [replica.part_share(m, mask) for mask in row] for m, row in zip(maps, parts, strict=True)
    ]
    torch.testing.assert_close(part_shares(maps, parts), float64(expected), equal_nan=True)
    assert part_shares(maps, parts)[0, 1].isnan()
    assert part_shares(maps * 0, parts).isnan().all()


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
@pytest.mark.parametrize("sign", ["signed", "magnitude"])
def test_agreement_is_its_replica(kind, sign):
    generator = torch.Generator().manual_seed(2)
    shares = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    effects = (2 * torch.randn(5, 6, generator=generator, dtype=torch.float64)).round()
    correlate = getattr(replica, kind)
    change = abs if sign == "magnitude" else float

    def expected(s, e):
        return correlate([change(v) for v in s], [change(v) for v in e])

    rows = [expected(s, e) for s, e in zip(shares.tolist(), effects.tolist(), strict=True)]
    assert_same(agreement(shares, effects, kind, sign), rows)
    flat = expected(shares.flatten().tolist(), effects.flatten().tolist())
    assert pooled_agreement(shares, effects, kind, sign) == pytest.approx(flat)
    signs = [
        replica.same_sign(s, e) for s, e in zip(shares.tolist(), effects.tolist(), strict=True)
    ]
    assert_same(sign_agreement(shares, effects), signs)


def test_agreement_by_hand():
    effects = float64([[3, 2, 1, -1]])
    assert_same(agreement(float64([[0.5, 0.3, 0.2, 0.0]]), effects), [1.0])
    assert_same(agreement(float64([[0.0, 0.1, 0.2, 0.9]]), effects), [-1.0])
    against = float64([[-0.3, -0.2, -0.1, 0.05]])
    assert_same(agreement(against, effects), [-1.0])
    assert_same(agreement(against, effects, "pearson", "magnitude").round(decimals=1), [1.0])
    assert_same(sign_agreement(against, effects), [0.0])
    assert_same(sign_agreement(float64([[0.1, -0.1, NAN, -1.0]]), effects), [4 / 6])
    left_out = float64([[0.5, NAN, 0.2, 0.0]])
    assert_same(agreement(left_out, effects), [1.0])
    assert agreement(float64([[0.5, NAN, NAN, 0.0]]), effects).isnan().all()
    assert agreement(float64([[0.5, 0.5, 0.5, 0.5]]), effects).isnan().all()


class HeadOnly(nn.Module):
    """Its first logit is the mean of the pixels in a region; the other one is 0."""

    def __init__(self, region):
        super().__init__()
        self.region = region

    def forward(self, x):
        seen = 9 * (x.mean(1) * self.region).sum((1, 2)) / self.region.sum()
        return torch.stack([seen, 0 * seen], 1)


@pytest.fixture(scope="module")
def bird():
    scene = sample_scene(species(2)[0], 3, seed=1)
    drawn = render(scene, size=48)
    masks = united_masks(drawn.part_mask)
    parts = torch.stack([torch.from_numpy(masks[part]) for part in PARTS])[None]
    image = torch.from_numpy(drawn.image / 255.0).permute(2, 0, 1)[None].float()
    return scene, image, parts


def test_a_part_is_removed_or_replaced(bird):
    scene, image, parts = bird
    removed = edited_birds([scene, scene], PARTS, PLAIN, size=48)
    assert removed.shape == (2, 4, 3, 48, 48)
    assert torch.equal(removed[0], removed[1])
    for index in range(len(PARTS)):
        changed = (removed[0, index] - image[0]).abs().amax(0) > 0.02
        assert (changed & parts[0, index]).sum() > 0.8 * parts[0, index].sum()
    other = edited_birds([scene], PARTS, PLAIN, instead=species(12)[8], size=48)
    assert not torch.equal(other, removed[:1])
    with pytest.raises(SettingError, match="fin"):
        edited_birds([scene], ["fin"], PLAIN, size=48)


def test_the_network_that_looks_at_the_head_is_found_out(bird):
    scene, image, parts = bird
    model = HeadOnly(parts[0, 0].float())
    truth = Truth(
        parts=parts, part_names=PARTS, edited=lambda: edited_birds([scene], PARTS, PLAIN, size=48)
    )
    effects = part_effects(Judge(model), image, truth.edited(), torch.tensor([0]))
    assert float(effects[0, 0].abs()) > 10 * float(effects[0, 1:].abs().max())

    def scored(saliency, text="causal-part-score:kind=pearson,sign=magnitude"):
        metric = metrics.parse(text)
        case = case_of(
            model, n=1, inputs=image, saliency=saliency, targets=torch.tensor([0]), truth=truth,
            maps=saliency[:, ::2, ::2] - 0.5,
        )  # fmt: skip
        found = metric(case)
        assert_same(found.extras["effects"], effects)
        return metric.reduce([found])

    perfect, inverted = parts[:, 0].float(), 1 - parts[:, 0].float()
    noise = torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(0))
    answers = [scored(saliency)["value"] for saliency in (perfect, noise, inverted)]
    assert answers[0] > 0.99
    assert answers[0] > answers[1] > answers[2]
    assert scored(perfect)["pooled"] == pytest.approx(answers[0])
    assert scored(noise, "causal-part-score:of=maps")["value"] != answers[1]


def test_edited_images_are_judged_once_for_all_methods(bird):
    scene, image, parts = bird
    calls = []

    def edited():
        calls.append(1)
        return edited_birds([scene], PARTS, PLAIN, size=48)

    truth = Truth(parts=parts, part_names=PARTS, edited=edited)
    case = case_of(
        HeadOnly(parts[0, 0].float()), n=1, inputs=image, saliency=parts[:, 0].float(),
        targets=torch.tensor([0]), truth=truth,
    )  # fmt: skip
    for text in ("causal-part-score", "causal-part-score:score=probability"):
        metrics.parse(text)(case)
    assert len(calls) == 1
    assert case.judge.passes == 5
    metrics.parse("causal-part-score")(replace(case, truth=replace(truth, edit="replaced")))
    assert len(calls) == 2
