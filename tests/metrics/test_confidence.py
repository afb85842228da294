"""Average drop, increase, win, drops in deletion: replicas, hand examples, identities."""

import math

import pytest
import torch

from metric_cases import Constant, Planted, case_of, judge, maps_of, network, pixels, uniform
from regionwise.errors import SettingError
from regionwise.metrics.altered import filling
from regionwise.metrics.average_drop import AverageDrop, relative_drop
from regionwise.metrics.catalog import metrics
from regionwise.metrics.deletion_drop import AverageDropInDeletion, DropInLogit
from regionwise.metrics.increase_in_confidence import IncreaseInConfidence, increased
from regionwise.metrics.judge import Judge
from regionwise.metrics.recipe import Values
from regionwise.metrics.win import Win, across, win_shares
from replicas import metrics_confidence as replica
from samples import assert_same, float64

FILLS = ["mean", "black", "blur", "blur-rise"]


def scored(metric, case, **how):
    """Y and O (or D) of each image by the replica, with the settings of a metric."""
    fill = filling(case.inputs, metric.fill, case.judge.classifier.preprocessing)
    settings = {"keep": metric.keep, "score": getattr(metric, "score", "logit"), **how}
    return [
        replica.before_and_after(
            network(), case.inputs[n], case.saliency[n], int(case.targets[n]),
            instead=fill[n], **settings,
        )
        for n in range(len(case))
    ]  # fmt: skip


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("keep", ["soft", "top-half"])
def test_replica_of_drop_and_increase(keep, fill):
    case = case_of()
    for metric, formula in [
        (AverageDrop(keep=keep, fill=fill), replica.average_drop),
        (IncreaseInConfidence(keep=keep, fill=fill), replica.increase),
    ]:
        expected = [formula(y, o) for y, o in scored(metric, case)]
        assert_same(metric(case).values, expected)
    assert len(set(metrics.parse("average-drop")(case).values.tolist())) > 1


def test_replica_on_logits():
    case = case_of(n=6, targets=network()(pixels(6)).argmax(1))
    metric = AverageDrop(score="logit")
    pairs = scored(metric, case)
    expected = [replica.average_drop(y, o) if y > 0 else math.nan for y, o in pairs]
    assert 1 < sum(y > 0 for y, _ in pairs) < 6
    torch.testing.assert_close(metric(case).values, float64(expected), equal_nan=True)


@pytest.mark.parametrize("keep", ["soft", "top-half"])
def test_replica_of_drop_in_deletion(keep):
    case = case_of()
    metric = AverageDropInDeletion(keep=keep)
    pairs = scored(metric, case, remove=True)
    assert_same(metric(case).values, [replica.average_drop(y, d) for y, d in pairs])
    loose = AverageDropInDeletion(keep=keep, clamped=False)
    assert_same(loose(case).values, [(y - d) / y for y, d in pairs])
    assert min(y - d for y, d in pairs) < 0 < max(y - d for y, d in pairs)


def test_replica_of_drop_in_logit():
    case = case_of(labels=torch.tensor([3, 2, 0]))
    pairs = scored(DropInLogit(), case, remove=True)
    assert_same(DropInLogit(of="target")(case).values, [y - d for y, d in pairs])
    other = case_of(targets=torch.tensor([3, 2, 0]))
    expected = [y - d for y, d in scored(DropInLogit(), other, remove=True)]
    assert_same(DropInLogit()(case).values, expected)


def test_by_hand():
    before, after = float64([0.5, 0.5, 0.8, 0.4]), float64([0.25, 0.75, 0.8, 0.0])
    assert_same(relative_drop(before, after), [0.5, 0.0, 0.0, 1.0])
    assert_same(relative_drop(before, after, clamped=False), [0.5, -0.5, 0.0, 1.0])
    assert_same(relative_drop(before, after, denominator="none"), [0.25, 0.0, 0.0, 0.4])
    shifted = relative_drop(before, after, denominator="epsilon")
    assert_same(shifted, [0.25 / 0.5000001, 0, 0, 0.4 / 0.4000001])
    assert_same(increased(before, after), [0, 1, 0, 0])
    assert_same(increased(before, after, strict=False), [0, 1, 1, 0])


def test_no_share_of_a_score_that_is_not_positive():
    drop = relative_drop(float64([-1.0, 0.0, 2.0]), float64([-2.0, -1.0, 1.0]))
    assert drop.isnan().tolist() == [True, True, False]
    answer = AverageDrop().reduce([Values(drop)])
    assert answer == {"value": 0.5, "undefined": pytest.approx(2 / 3)}


def test_the_whole_image_drops_nothing():
    case = case_of(saliency=uniform(1.0))
    assert AverageDrop()(case).values.tolist() == [0, 0, 0]
    assert IncreaseInConfidence()(case).values.tolist() == [0, 0, 0]
    assert IncreaseInConfidence(strict=False)(case).values.tolist() == [1, 1, 1]
    y = case.scores(case.logits(), "probability")
    nothing = case.scores(case.judge.logits(torch.zeros_like(case.inputs)), "probability")
    assert_same(AverageDropInDeletion(clamped=False)(case).values, (y - nothing) / y)


def test_nothing_of_the_image():
    case = case_of(saliency=uniform(0.0))
    y = case.scores(case.logits(), "probability")
    nothing = case.scores(case.judge.logits(torch.zeros_like(case.inputs)), "probability")
    assert_same(AverageDrop()(case).values, (y - nothing).clamp_min(0) / y)
    assert AverageDropInDeletion(clamped=False)(case).values.tolist() == [0, 0, 0]


def test_a_constant_network_drops_nothing():
    case = case_of(Constant())
    for name in ("average-drop", "average-drop-in-deletion", "increase-in-confidence"):
        assert metrics.parse(name)(case).values.tolist() == [0, 0, 0]


def test_what_a_blank_map_scores():
    saliency = maps_of()
    saliency[1] = 0
    case = case_of(saliency=saliency)
    assert AverageDrop(blank="lost")(case).values[1] == 1
    assert AverageDrop(blank="undefined")(case).values.isnan().tolist() == [False, True, False]
    assert AverageDrop()(case).values[1] != 1
    flagged = case_of(flags=(("zero gradient",), (), ()))
    assert AverageDrop(blank="lost")(flagged).values.tolist()[0] == 1
    gained = IncreaseInConfidence(blank="undefined")(case).values
    assert gained.isnan().tolist() == [False, True, False]


def test_mean_over_images_with_a_drop():
    values = Values(float64([0.5, 0.0, 0.25, math.nan]))
    assert AverageDrop().reduce([values])["value"] == pytest.approx(0.25)
    assert AverageDrop(averaged="dropped").reduce([values])["value"] == pytest.approx(0.375)


def test_win_by_hand():
    kept = float64([[0.5, 0.9, 0.2, 0.3], [0.5, 0.1, 0.2, 0.3], [0.4, 0.3, 0.2, 0.9]])
    assert_same(win_shares(kept), [(1 / 2 + 1 + 1 / 3) / 4, (1 / 2 + 1 / 3) / 4, (1 / 3 + 1) / 4])
    assert_same(win_shares(kept, ties="first"), [0.75, 0.0, 0.25])


@pytest.mark.parametrize("ties", ["split", "first"])
def test_win_replica(ties):
    generator = torch.Generator().manual_seed(1)
    kept = torch.randint(0, 4, (5, 40), generator=generator).double()
    shares = win_shares(kept, ties=ties)
    assert_same(shares, replica.win_shares(kept.tolist(), ties))
    assert float(shares.sum()) == pytest.approx(1)


def test_win_across_methods_ignores_what_is_undefined():
    kept = {
        "a": Values(float64([0.5, math.nan, math.nan])),
        "b": Values(float64([0.4, 0.1, math.nan])),
    }
    assert across(Win(), kept) == {"a": pytest.approx(1 / 3), "b": pytest.approx(1 / 3)}


def test_win_by_drop_lets_gains_tie():
    case = case_of(saliency=uniform(1.0))
    assert Win(by="drop")(case).values.tolist() == [0, 0, 0]
    assert_same(Win()(case).values, case.scores(case.logits(), "probability"))


def test_permuting_a_batch_permutes_values():
    case, order = case_of(), torch.tensor([2, 0, 1])
    turned = case_of(
        inputs=case.inputs[order],
        saliency=case.saliency[order],
        targets=case.targets[order],
        labels=case.labels[order],
    )
    for card in metrics.cards():
        if card.needs <= {"judge", "labels"}:
            here, there = card.load()()(case), card.load()()(turned)
            if here.values is not None:
                torch.testing.assert_close(here.values[order], there.values, equal_nan=True)
            for name, curve in here.curves.items():
                torch.testing.assert_close(curve[order], there.curves[name])


def test_metrics_that_ask_for_the_same_images_share_a_pass():
    shared = judge()
    case = case_of(judge=shared)
    for metric in (AverageDrop(), IncreaseInConfidence(), Win(), AverageDrop(score="logit")):
        metric(case)
    assert shared.passes == 2 * len(case)
    case_of(judge=shared, targets=torch.tensor([3, 3, 3])).logits()
    assert shared.passes == 2 * len(case)
    AverageDrop(fill="blur")(case)
    assert shared.passes == 3 * len(case)


def test_maps_that_share_a_judge_are_told_apart():
    shared, other = judge(), maps_of(seed=5)
    AverageDrop()(case_of(judge=shared))
    second = AverageDrop()(case_of(judge=shared, saliency=other)).values
    assert_same(second, AverageDrop()(case_of(saliency=other)).values)
    assert not torch.equal(second, AverageDrop()(case_of()).values)


def test_black_needs_the_preprocessing():
    with pytest.raises(SettingError, match="black"):
        AverageDrop(fill="black")(case_of(judge=Judge(network())))


def test_planted_truth_is_ranked():
    region = torch.zeros(8, 6, dtype=torch.float64)
    region[2:5, 1:4] = 1
    inputs = pixels().abs() * 0.1
    inputs[:, :, 2:5, 1:4] += 1
    answers = {name: [] for name in ("average-drop", "average-drop-in-deletion", "drop-in-logit")}
    for maps in (region.expand(3, 8, 6), maps_of(seed=6), 1 - region.expand(3, 8, 6)):
        zeros = torch.zeros(3, dtype=torch.int64)
        case = case_of(Planted(region), inputs=inputs, saliency=maps, targets=zeros, labels=zeros)
        for name, found in answers.items():
            found.append(float(metrics.parse(name)(case).values.mean()))
    drop = answers.pop("average-drop")
    assert drop[0] + 0.05 < drop[1] < drop[2] - 0.05
    for perfect, random, inverted in answers.values():
        assert perfect - 0.05 > random > inverted + 0.05
