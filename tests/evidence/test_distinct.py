"""Equal and empty masks are scored once, and the logits are as if each were scored."""

import pytest
import torch
from torch import nn

from regionwise.evidence.distinct import distinct_channels
from regionwise.evidence.engine import Engine
from regionwise.evidence.masking import minmax_masks
from regionwise.evidence.needs import MASKED_SCORES
from regionwise.evidence.probe import Probe
from regionwise.evidence.remembering import remembering
from regionwise.evidence.scoring import Scorer
from ways import NormedNet, drawn, pictures

NEEDS = frozenset({MASKED_SCORES})


class Counted(NormedNet):
    """Some channels of the last map are equal, some constant, some nothing."""

    def __init__(self):
        super().__init__()
        self.images = 0

    def forward(self, x):
        self.images += len(x)
        a = self.last(self.mixed(self.before(x)))
        return self.fc(torch.relu(a).mean((2, 3)))


class Repeating(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Counted()
        self.last = nn.Identity()
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        self.net.images += len(x)
        a = self.net.last(self.net.before(x))
        extra = [a[:, 2:3], 0 * a[:, :1], 0 * a[:, :1] + 3, a[:, 2:3], 0 * a[:, :1] - 1, a[:, :1]]
        return self.fc(self.last(torch.cat([a, *extra], dim=1)).mean((2, 3)))


@pytest.fixture
def model():
    return drawn(Repeating())


def gate(channels):
    return minmax_masks(channels, (16, 16))


def sigmoid_gate(channels):
    """Constant channels keep something."""
    return torch.nn.functional.interpolate(channels.sigmoid(), (16, 16))


def literal(model, fed, activations, own):
    """Every mask of every channel in a batch of its own."""
    with torch.no_grad():
        masks = own(activations)
        rows = [
            [model((masks[n, k] * fed[n])[None])[0] for k in range(masks.shape[1])]
            for n in range(len(fed))
        ]
    return torch.stack([torch.stack(row) for row in rows])


@pytest.mark.parametrize("own", [gate, sigmoid_gate])
@pytest.mark.parametrize("chunk", [None, 1, 5, 64])
def test_as_if_each_were_scored(own, chunk, model):
    fed = pictures(3)
    with Probe(model, fed, 0, "last", needs=NEEDS) as probe:
        model.net.images = 0
        found = probe.masked_logits("gate", own, chunk=chunk)
        ran = model.net.images
        activations = probe.activations
    expected = literal(model, fed, activations, own)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    # 7 + 0, 3, -1 different channels; the three constants share the one empty image
    assert ran == (3 * 6 + 1 if own is gate else 3 * 9)
    for twin, first in ((6, 2), (9, 2), (11, 0)):
        assert torch.equal(found[:, twin], found[:, first])


def test_some_channels_are_a_part_of_all(model):
    fed = pictures(3)
    channels = torch.tensor([[2, 9, 6, 7], [11, 0, 5, 5], [8, 7, 10, 1]])
    with Probe(model, fed, 0, "last", needs=NEEDS) as probe:
        whole = probe.masked_logits("gate", gate)
    expected = torch.stack([row[own] for row, own in zip(whole, channels, strict=True)])
    with Probe(model, fed, 0, "last", needs=NEEDS) as probe:
        some = probe.masked_logits("gate", gate, channels=channels)
        torch.testing.assert_close(some, expected, rtol=1e-5, atol=1e-6)
        rest = probe.masked_logits("gate", gate)
        torch.testing.assert_close(rest, whole, rtol=1e-5, atol=1e-6)
        model.net.images = 0
        assert torch.equal(probe.masked_logits("gate", gate, channels=channels), some)
        assert model.net.images == 0


def test_what_is_remembered_serves_a_part(model):
    fed, channels = pictures(2), torch.tensor([[2, 9], [11, 4]])
    with remembering(model):
        with Probe(model, fed, 0, "last", needs=NEEDS) as probe:
            part = probe.masked_logits("gate", gate, channels=channels)
        with Probe(model, fed, 0, "last", needs=NEEDS) as probe:
            model.net.images = 0
            assert torch.equal(probe.masked_logits("gate", gate, channels=channels), part)
            assert model.net.images == 0
        with Probe(model, fed, 0, "last", needs=NEEDS) as probe:
            whole = probe.masked_logits("gate", gate)
        with Probe(model, fed.flip(0), 0, "last", needs=NEEDS) as probe:
            model.net.images = 0
            turned = probe.masked_logits("gate", gate, channels=channels.flip(0))
            assert model.net.images == 0
    assert torch.equal(turned.flip(0), whole[torch.arange(2)[:, None], channels])
    torch.testing.assert_close(part, turned.flip(0), rtol=1e-5, atol=1e-6)


def test_images_with_few_masks_share_passes(model):
    sizes = []
    handle = model.fc.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    with Probe(model, pictures(4), 0, "last", needs=NEEDS) as probe:
        sizes.clear()
        channels = torch.tensor([[0, 1], [1, 2], [3, 4], [5, 0]])
        probe.masked_logits("gate", gate, channels=channels)
    handle.remove()
    assert sizes == [8]


def test_memory_does_not_grow_with_the_number_of_masks():
    """At most one batch of masked images is alive, however many masks there are."""
    model = drawn(NormedNet())
    engine, fed = Engine(model, copies=True), pictures(2)
    rooms, asked = [], []
    scorer = Scorer(engine, model.last, fed, 4)
    own = engine.empty

    def empty(count, like):
        rooms.append(count)
        return own(count, like)

    def masks(_, part):
        asked.append(part.stop - part.start)
        return torch.rand(part.stop - part.start, 16, 16)

    engine.empty = empty
    scorer.under(masks, [50, 3])
    assert max(rooms) == max(asked) == 4
    assert sum(asked) == sum(rooms) == 53


# ------------------------------------------------------------------ the formula


def test_by_eye():
    one, two = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 1.0]])
    zero = torch.zeros(1, 2)
    channels = torch.stack([one, two, zero, one, zero, two])
    plain = distinct_channels(channels)
    assert plain.scored.tolist() == [0, 1, 2]
    assert plain.place.tolist() == [0, 1, 2, 0, 2, 1]
    assert not plain.blank.any()
    empty = distinct_channels(channels, lambda c: c)
    assert empty.scored.tolist() == [0, 1]
    assert empty.place.tolist() == [0, 1, 0, 0, 0, 1]
    assert empty.blank.tolist() == [False, False, True, False, True, False]
    part = distinct_channels(channels, lambda c: c, torch.tensor([5, 4, 1]))
    assert part.scored.tolist() == [5]
    assert part.blank.tolist() == [False, True, False]
    logits = part.spread(torch.tensor([[7.0]]), torch.tensor([[3.0]]))
    assert logits.tolist() == [[7.0], [3.0], [7.0]]


def test_the_sign_of_zero_and_what_is_no_number():
    channels = torch.tensor([[[0.0, 1.0]], [[-0.0, 1.0]], [[torch.nan, 1.0]], [[torch.nan, 1.0]]])
    assert distinct_channels(channels).scored.tolist() == [0, 2, 3]


def test_equal_sums_are_no_proof():
    """Numbers whose weighted sum is the same in double precision are told apart."""
    large = torch.full((1, 1, 2), 2.0**60)
    other = large.clone()
    other[0, 0, 0] -= 2.0**37
    tiny = torch.zeros(2, 1, 2)
    tiny[1] = 1e-30
    channels = torch.cat([large, other, tiny, large + 0])
    assert distinct_channels(channels).scored.tolist() == [0, 1, 2, 3]
    inf = torch.tensor([[[torch.inf, 1.0]], [[torch.inf, 2.0]], [[torch.inf, 1.0]]])
    assert distinct_channels(inf).scored.tolist() == [0, 1]


def test_nothing_but_empty_masks():
    plan = distinct_channels(torch.zeros(3, 2, 2), lambda c: c)
    assert not len(plan.scored)
    assert plan.spread(None, torch.tensor([[1.0, 2.0]])).tolist() == [[1.0, 2.0]] * 3
    with pytest.raises(ValueError, match="nothing is known"):
        plan.spread(None, None)
