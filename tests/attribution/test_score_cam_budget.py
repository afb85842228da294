"""Score-CAM from a few channels: unbiased, with intervals that cover."""

import numpy as np
import pytest
import torch

from nets import PooledNet, seeded
from regionwise import Versus, explain, explain_all
from regionwise.attribution.noise import stream
from regionwise.attribution.score_cam_budget import draw_channels, estimate_weights, half_width
from regionwise.errors import InputError, SettingError
from replicas.score_cam_budget import estimate, sets
from samples import assert_same, float64

BOTH = pytest.mark.parametrize("method", ["score-cam", "score-cam++"])


class Wide(PooledNet):
    """Twelve channels in `features`, of which the third never fires."""

    def __init__(self):
        super().__init__()
        self.features[2] = torch.nn.Conv2d(5, 12, 3, stride=2, padding=1)
        self.fc = torch.nn.Linear(12, 4)

    def trunk(self, x):
        fired = self.features(x)
        return fired * (torch.arange(12) != 2).to(fired)[:, None, None]


class Silenced(torch.nn.Module):
    """`Wide` whose layer is the map with the silent channel."""

    def __init__(self):
        super().__init__()
        self.wide = seeded(Wide, seed=5)
        self.last = torch.nn.Identity()

    def forward(self, x):
        return self.wide.tail(self.last(self.wide.trunk(x)))


@pytest.fixture
def net():
    return Silenced().eval()


def toy(count=6, cells=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(count, cells, generator=generator, dtype=torch.float64)
    scores = torch.rand(2, count, generator=generator, dtype=torch.float64)
    sizes = torch.rand(count, generator=generator, dtype=torch.float64) * 3 + 0.1
    return scores, sizes, masks


def estimated(scores, sizes, masks, drawn):
    drawn = torch.tensor(drawn)
    return estimate_weights(scores[:, drawn], drawn, sizes, masks)


@pytest.mark.parametrize("drawn", [(0, 1), (1, 3, 4), (0, 2, 3, 5)])
def test_replica(drawn):
    scores, sizes, masks = toy()
    ours = estimated(scores, sizes, masks, drawn)
    for target, row in enumerate(scores.numpy()):
        weights, scale, errors = estimate(row, sizes.numpy(), masks, drawn)
        assert_same(ours.weights[target], weights)
        assert_same(ours.scale[target], scale)
        summands = torch.randn(6, 2, 5, dtype=torch.float64, generator=stream(target))
        variance = np.einsum("kij,kl,lij->ij", summands, errors, summands) * scale
        assert_same(ours.standard_error(summands)[target], np.sqrt(variance))


@pytest.mark.parametrize("budget", [2, 3, 4])
def test_the_expected_weight_of_every_channel_is_its_score(budget):
    scores, sizes, masks = toy(seed=1)
    found, chances = sets(sizes, budget)
    weights = [estimated(scores, sizes, masks, one).weights.numpy() for one in found]
    assert_same(np.tensordot(chances, np.stack(weights), 1), scores)
    # and not because every draw gives it
    assert np.abs(np.stack(weights) - scores.numpy()).max() > 0.3


def test_by_hand():
    # three channels of one mask: each guess is the other score or, of the third, their mean
    sizes, masks = float64([1.0, 1.0, 1.0]), float64([[0.5, 0.1]] * 3)
    ours = estimated(float64([[0.2, 0.6, 9.0]]), sizes, masks, (0, 1))
    # q = 1/2: guesses (0.2 + 0.6) / 2, and half the misses -0.4 and 0.4, twice
    assert_same(ours.weights, [[0.0, 0.8, 0.4]])
    summands = float64([[[1.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
    # simple random sampling: K^2 (1 - n / K) s^2 / n, s^2 = 0.08; a mean of two for a third
    variance = [9 * (1 / 3) * 0.08 / 2, 0.08 * 3 / 2]
    assert_same(ours.standard_error(summands).square(), [[variance]])
    assert ours.degrees.tolist() == [1.0]


def test_sets_are_drawn_in_proportion_to_the_product_of_their_sizes():
    sizes, draws = float64([0.3, 1.0, 2.0, 0.0, 5.0]), 600
    found, chances = sets(sizes, 2)
    generator = stream(7)
    met = [tuple(draw_channels(sizes, 2, generator).tolist()) for _ in range(draws)]
    counts = np.array([met.count(one) for one in found])
    assert counts.sum() == draws
    spread = np.sqrt(draws * chances * (1 - chances))
    assert (np.abs(counts - draws * chances) <= 4 * spread).all()
    assert not counts[[3 in one for one in found]].any()


def test_what_has_no_size_is_drawn_last():
    sizes = float64([0.0, 2.0, 0.0, 1.0, 0.0])
    assert draw_channels(sizes, 2, stream(1)).tolist() == [1, 3]
    assert draw_channels(sizes, 3, stream(1)).tolist() == [0, 1, 3]
    assert draw_channels(0 * sizes, 2, stream(1)).tolist() == [0, 1]


def test_sizes_of_all_orders_are_drawn_from():
    sizes = torch.logspace(-200, 200, 41, dtype=torch.float64)
    assert draw_channels(sizes, 3, stream(1)).tolist() == [38, 39, 40]


def test_intervals_cover_at_their_rate():
    """Scores are a curved function of the mask, and noise; sizes differ by a factor of ten."""
    count, budget, covered, off = 48, 12, [], []
    for seed in range(150):
        generator = torch.Generator().manual_seed(seed)
        draw = torch.randn(count, 3, generator=generator, dtype=torch.float64)
        masks = torch.sigmoid(draw @ torch.ones(3, 9).to(draw) * torch.linspace(-1, 1, 9).to(draw))
        noise = 0.1 * torch.randn(1, count, generator=generator, dtype=torch.float64)
        scores = torch.sigmoid(4 * masks[:, 0] - 2)[None] + noise
        sizes = torch.rand(count, generator=generator, dtype=torch.float64) * 0.9 + 0.1
        summands = (masks * sizes[:, None])[:, None]
        found = estimated(scores, sizes, masks, draw_channels(sizes, budget, generator).tolist())
        away = torch.einsum("tk,kij->tij", found.weights - scores, summands)[None]
        error = found.standard_error(summands)[None]
        degrees = found.degrees[None]
        covered.append(
            [
                float((away.abs() <= half_width(error, degrees, level)).double().mean())
                for level in (0.5, 0.9, 0.95)
            ]
        )
        off.append(float((away / error).square().mean()))
    assert np.abs(np.mean(covered, axis=0) - [0.5, 0.9, 0.95]).max() < 0.05
    assert 0.75 < np.mean(off) < 1.35


@pytest.mark.parametrize(
    ("level", "degrees", "expected"),
    [(0.95, 1.0, 12.706), (0.95, 31.0, 2.0395), (0.9, 4.0, 2.1318), (0.5, 7.0, 0.7111)],
)
def test_half_widths_by_the_table_of_student(level, degrees, expected):
    wide = half_width(torch.full((1, 2, 1, 3), 2.0), torch.full((1, 2), degrees), level)
    assert wide.shape == (1, 2, 1, 3)
    assert_same(wide, np.full(wide.shape, 2 * expected), tolerance=3e-3)


def test_half_widths_refuse_a_level_that_is_none():
    with pytest.raises(SettingError, match="between 0 and 1"):
        half_width(torch.ones(1, 1, 1), torch.ones(1, 1), 1.0)


@BOTH
@pytest.mark.parametrize("budget", [11, 12, 500])
def test_a_budget_for_all_that_fire_is_the_full_method(net, images, method, budget):
    full = explain(net, images, method, layer="last")
    ours = explain(net, images, f"{method}:budget={budget}", layer="last")
    assert_same(ours.maps, full.maps)
    assert not ours.details["standard_error"].any()
    assert ours.details["standard_error"].shape == ours.maps.shape
    assert ours.details["scored_channels"].shape == (3, min(budget, 12))


@BOTH
def test_what_is_kept_on_the_attribution(net, images, method):
    ours = explain(net, images, f"{method}:budget=4,seed=3", targets="top-2", layer="last")
    assert ours.method == f"{method}:budget=4,seed=3"
    assert ours.details["standard_error"].shape == ours.maps.shape
    assert (ours.details["standard_error"] > 0).any()
    assert ours.details["degrees_of_freedom"].shape == (3, 2)
    assert ours.details["scored_channels"].shape == (3, 4)
    assert (ours.details["scored_channels"] != 2).all()
    assert ours.details["channel_weights"].shape == (3, 2, 12)


def test_only_the_drawn_channels_are_run(net, images):
    seen = []
    handle = net.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    explain(net, images[:1], "score-cam:budget=4", layer="last")
    handle.remove()
    assert sum(seen) == 1 + 4


@BOTH
def test_the_mean_over_seeds_is_the_full_map(net, images, method):
    methods = [method, *(f"{method}:budget=5,seed={seed}" for seed in range(60))]
    full, *some = explain_all(net, images[:1], methods, layer="last").values()
    maps = torch.stack([one.details["channel_weights"] for one in some])
    away = (maps.mean(dim=0) - full.details["channel_weights"])[0, 0]
    error = maps.std(dim=0)[0, 0] / 60**0.5
    error[2] = torch.inf  # never fires: its weight is of no map
    assert (away.abs() < 4.5 * error).all()


@BOTH
def test_a_draw_depends_on_seed_and_picture_alone(net, images, method):
    asked = f"{method}:budget=4"
    batch = explain(net, images, asked, layer="last")
    for place in range(3):
        alone = explain(net, images[[place]], asked, layer="last")
        assert_same(alone.maps, batch.maps[[place]])
        same = alone.details["scored_channels"] == batch.details["scored_channels"][[place]]
        assert same.all()
    again = explain(net, images, f"{asked},seed=1", layer="last")
    assert not torch.equal(again.details["scored_channels"], batch.details["scored_channels"])


@BOTH
def test_one_set_of_channels_serves_every_target(net, images, method):
    asked = f"{method}:budget=4"
    two = explain(net, images, asked, targets=[[0, 1]] * 3, layer="last")
    one = explain(net, images, asked, targets=1, layer="last")
    assert_same(two.maps[:, [1]], one.maps)
    weights = two.details["channel_weights"]
    against = explain(net, images, asked, targets=Versus(0, 1), layer="last")
    assert_same(against.details["channel_weights"], weights[:, [0]] - weights[:, [1]])
    function = explain(net, images, asked, targets=lambda y: y.softmax(1)[:, 1], layer="last")
    assert_same(function.maps, one.maps)
    assert_same(function.details["standard_error"], one.details["standard_error"])


@pytest.mark.parametrize("settings", ["activation=sigmoid", "variant=mask-only"])
def test_other_gates_and_summands(net, images, settings):
    full = explain(net, images, f"score-cam++:{settings}", layer="last")
    some = explain(net, images, f"score-cam++:budget=6,{settings}", layer="last")
    assert some.details["standard_error"].shape == some.maps.shape == full.maps.shape
    away = (some.maps - full.maps).abs() / some.details["standard_error"].clamp(min=1e-12)
    assert 0.05 < away.square().mean() < 20


def test_what_is_subtracted_from_all_weights_has_no_error(net, images):
    plain, less = explain_all(
        net, images, ["score-cam++:budget=6", "score-cam++:budget=6,variant=equation"], layer="last"
    ).values()
    shift = plain.details["channel_weights"] - less.details["channel_weights"]
    assert_same(shift, plain.probabilities[..., None].expand(-1, -1, 12))
    assert_same(less.details["standard_error"], plain.details["standard_error"])


@BOTH
def test_a_blank_map_has_no_error(net, images, method):
    with torch.no_grad():
        net.wide.features[2].bias.fill_(-1e3)
    found = explain(net, images, f"{method}:budget=3", layer="last")
    assert not found.maps.any()
    assert not found.details["standard_error"].any()
    assert found.flags[0][0] == ("no positive evidence",)


@pytest.mark.parametrize(
    ("method", "match"),
    [
        ("score-cam:budget=1", "at least 2"),
        ("score-cam++:budget=0", "at least 2"),
        ("score-cam:budget=8,variant=paper", "softmax over the scores of all"),
        ("score-cam:seed=1", "needs a budget"),
        ("score-cam++:seed=1", "needs a budget"),
    ],
)
def test_settings_that_are_refused(net, images, method, match):
    with pytest.raises(SettingError, match=match):
        explain(net, images, method, layer="last")


def test_an_attribution_gives_its_interval(net, images):
    found = explain(net, images, "score-cam:budget=5", "top-2", "last")
    low, high = found.interval(0.9)
    error, degrees = (found.details[name] for name in ("standard_error", "degrees_of_freedom"))
    assert_same((high - low) / 2, half_width(error, degrees, 0.9))
    assert_same((high + low) / 2, found.maps)
    assert (found.interval(0.99)[1] > high)[error > 0].all()
    with pytest.raises(InputError, match=r"'score-cam' has no standard error"):
        explain(net, images, "score-cam", 0, "last").interval()


def test_budgets_share_their_channels_with_the_whole(net, images):
    """Asked for together, no mask is scored twice."""
    seen = []
    net.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    explain_all(net, images, ["score-cam"], 0, "last")
    alone, seen[:] = sum(seen), []
    explain_all(net, images, ["score-cam:budget=5", "score-cam", "score-cam:budget=7"], 0, "last")
    assert sum(seen) == alone
