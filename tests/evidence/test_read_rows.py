"""Rows that are not read are not computed, and those that are read are what they always were."""

from contextlib import nullcontext

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation
from torch.utils.flop_counter import FlopCounterMode

from nets import seeded, woken
from regionwise import explain
from regionwise.evidence.altered import altered_logits
from regionwise.evidence.needs import TAIL
from regionwise.evidence.probe import Probe
from regionwise.evidence.read_rows import OnlyRead, only_read
from regionwise.evidence.rows import Rows, TakenBackError
from samples import assert_same, chosen

TOKENS, WIDTH = 12, 8
TARGETS = chosen([0, 3], [2, 2])
FAMILIES = {
    "fused attention": lambda: timm.create_model(
        "vit_tiny_patch16_224", img_size=64, depth=2, num_classes=6
    ),
    "two class tokens": lambda: timm.create_model(
        "deit_tiny_distilled_patch16_224", img_size=64, depth=2, num_classes=6
    ),
    "torch's attention": lambda: torchvision.models.VisionTransformer(
        64, 16, 2, 4, 32, 64, num_classes=6
    ),
}


@pytest.fixture(scope="module", params=FAMILIES)
def transformer(request):
    model = woken(FAMILIES[request.param](), seed=4)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2)).double()
    names = [name for name, _ in model.named_modules()]
    last = [name for name in names if name.endswith(("norm1", "ln_1"))][-1]
    return model, images, last


@pytest.fixture
def tokens(generator):
    return torch.randn(2, TOKENS, WIDTH, generator=generator, dtype=torch.float64)


@pytest.fixture
def weight(generator):
    return torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)


def counted(run):
    with FlopCounterMode(display=False) as counter:
        found = run()
    return found, counter.get_total_flops()


def test_transformers_answer_the_same_with_less_work(transformer):
    model, images, layer = transformer
    with Probe(model, images, 0, layer, needs=frozenset({TAIL})) as probe, torch.no_grad():
        assert only_read(probe) is OnlyRead
        maps = torch.randn_like(probe.activations[:1].expand(3, -1, -1, -1))
        # a mode that does nothing: without one torch fuses what cannot be counted
        with torch.overrides.BaseTorchFunctionMode():
            expected, all_work = counted(lambda: probe.tail(1, maps))
        with OnlyRead():
            found, work = counted(lambda: probe.tail(1, maps))
    assert_same(found, expected, tolerance=1e-12)
    assert type(found) is torch.Tensor
    assert work < 0.5 * all_work


def test_gradients_pass_through(transformer):
    model, images, layer = transformer
    with Probe(model, images, 0, layer, needs=frozenset({TAIL})) as probe:
        slopes = []
        for mode in (nullcontext, OnlyRead):
            maps = (0.7 * probe.activations[:1]).requires_grad_()
            with torch.enable_grad(), mode():
                logits = probe.tail(0, maps)
            slopes.append(torch.autograd.grad(logits[0, 2], maps)[0])
    assert slopes[0].abs().max() > 1e-3
    assert_same(slopes[1], slopes[0], tolerance=1e-12)


@pytest.mark.parametrize("method", ["ablation-cam", "recipro-cam", "lift-cam"])
def test_methods_say_the_same(transformer, method, monkeypatch):
    model, images, layer = transformer
    ours = explain(model, images, method, TARGETS, layer).maps
    monkeypatch.setattr("regionwise.evidence.altered.only_read", lambda _: nullcontext)
    monkeypatch.setattr("regionwise.evidence.contributions.only_read", lambda _: nullcontext)
    assert_same(ours, explain(model, images, method, TARGETS, layer).maps, tolerance=1e-9)


def test_maps_of_convolutions_have_no_such_rows(deep_tail_net, images):
    with Probe(deep_tail_net, images, 0, "stem", needs=frozenset({TAIL})) as probe:
        assert only_read(probe) is nullcontext


ROW_BY_ROW = {
    "add": lambda y, x: y + x,
    "add from the left": lambda y, _: 2.0 + y,
    "add with a factor": lambda y, x: torch.add(y, x, alpha=3),
    "subtract": lambda y, x: x - y,
    "scale": lambda y, x: y * x[0, 0],
    "scale each token": lambda y, x: y * x[..., :1],
    "divide": lambda y, _: y / 3,
    "gelu": lambda y, _: F.gelu(y, approximate="tanh"),
    "relu": lambda y, _: F.relu(y),
    "module": lambda y, _: nn.SiLU()(y),
    "linear": lambda y, x: F.linear(y, x[0, :WIDTH]),
    "normalise": lambda y, x: F.layer_norm(y, (WIDTH,), x[0, 0], x[0, 1]),
    "dropout": lambda y, _: F.dropout(y, 0.5, training=False),
    "contiguous": lambda y, _: y.contiguous(),
    "exchange and back": lambda y, _: y.transpose(0, 1).contiguous().permute(1, 0, 2),
    "heads and back": lambda y, _: y.view(2, TOKENS, 2, -1).flatten(2),
    "skip": lambda y, x: y + F.linear(F.gelu(y), x[0, :WIDTH]),
}
ALTOGETHER = {
    "mean": lambda y, _: y - y.mean(1, keepdim=True),
    "normalise over tokens": lambda y, _: F.layer_norm(y, (TOKENS, WIDTH)),
    "softmax over tokens": lambda y, _: y.softmax(1),
    "product": lambda y, x: x @ y.mT @ y,
    "in another dtype": lambda y, _: y.float().double(),
    "mask": lambda y, x: torch.where(y > 0, y, x),
    "unbind": lambda y, _: torch.stack(y.unbind(1), 1),
    "dropout of everything": lambda y, _: F.dropout(y, 1.0, training=True),
    "merged tokens": lambda y, _: y.reshape(-1, WIDTH).view(2, TOKENS, WIDTH),
    "attention of some": lambda y, x: F.scaled_dot_product_attention(
        y, x, x, attn_mask=torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    ),
}


@pytest.mark.parametrize("name", [*ROW_BY_ROW, *ALTOGETHER])
@pytest.mark.parametrize("place", [0, TOKENS - 1, -1, slice(2, 5)], ids=str)
def test_every_function_gives_the_rows_it_always_gave(tokens, weight, name, place):
    step = {**ROW_BY_ROW, **ALTOGETHER}[name]
    with torch.no_grad():
        expected, all_work = counted(
            lambda: F.linear(step(F.linear(tokens, weight), tokens), weight)
        )
        with OnlyRead():
            found, work = counted(
                lambda: F.linear(step(F.linear(tokens, weight), tokens), weight)[:, place]
            )
    assert type(found) is torch.Tensor
    assert_same(found, expected[:, place], tolerance=1e-12)
    if name in ROW_BY_ROW:
        assert work <= all_work / 4


@pytest.mark.parametrize(
    "key",
    [0, (0, 1), (slice(None), slice(0, 6)), (..., 0), (slice(None), 1, 2), (slice(None), [0])],
)
def test_every_index_reads_what_it_always_read(tokens, weight, key):
    with torch.no_grad(), OnlyRead():
        found = F.gelu(F.linear(tokens, weight))[key]
    assert_same(found, F.gelu(F.linear(tokens, weight))[key], tolerance=1e-12)


def test_attention_needs_all_keys_and_one_query(tokens):
    heads = tokens.view(2, TOKENS, 2, 4).transpose(1, 2)
    expected = F.scaled_dot_product_attention(heads, heads, heads, scale=0.3)
    with torch.no_grad(), OnlyRead():
        late = F.scaled_dot_product_attention(heads, heads, heads, scale=0.3)
        assert isinstance(late, Rows)
        found, work = counted(lambda: late.transpose(1, 2).reshape(2, TOKENS, WIDTH)[:, 3])
    assert_same(found, expected.transpose(1, 2).flatten(2)[:, 3], tolerance=1e-12)
    assert work == counted(lambda: F.scaled_dot_product_attention(heads[:, :, :1], heads, heads))[1]


def test_what_is_put_off_tells_its_form(tokens, weight):
    with OnlyRead():
        late = F.linear(tokens, weight[:3])
        assert isinstance(late, Rows)
        assert (late.shape, late.size(-1), late.dim(), len(late)) == ((2, TOKENS, 3), 3, 3, 2)
        assert (late.dtype, late.device) == (tokens.dtype, tokens.device)
        assert isinstance(late, Rows)
    # whoever gets hold of it outside gets its numbers
    assert_same(late + 0, F.linear(tokens, weight[:3]), tolerance=1e-12)


def test_what_is_put_off_is_not_changed_in_place(tokens, weight):
    for change in (added, torch.relu_, lambda y: y.mul_(2), lambda y: y.__setitem__(0, 1.0)):
        with torch.no_grad(), OnlyRead(), pytest.raises(TakenBackError, match="in place"):
            change(F.linear(tokens, weight))


def added(y):
    y += 1
    return y


def test_what_was_changed_meanwhile_is_not_used(tokens, weight):
    with torch.no_grad(), OnlyRead():
        late = F.gelu(F.linear(tokens, weight))
        tokens.add_(1)
        with pytest.raises(TakenBackError, match="changed"):
            late[:, 0]
    with torch.no_grad(), OnlyRead():
        parent = F.linear(tokens, weight)
        late = F.gelu(parent)
        parent.view(-1).zero_()
        with pytest.raises(TakenBackError, match="changed"):
            late[:, 0]


class InPlace(nn.Module):
    """Tokens [`layer`], a linear layer, a change in place of what it gave, the first token."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.layer = nn.LayerNorm(WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 4)
        self.num_prefix_tokens = 0

    def forward(self, x):
        tokens = self.layer(self.patches(x).flatten(2).mT)
        mixed = self.mix(tokens)
        mixed += tokens
        return self.head(mixed[:, 0] + tokens.mean(1))


def test_a_network_that_works_in_place_runs_as_it_always_did(images):
    model = seeded(InPlace, 6)
    with Probe(model, images, 0, "layer", needs=frozenset({TAIL})) as probe:
        assert only_read(probe) is nullcontext
        found = altered_logits(
            probe, lambda _, own, part: own * torch.ones(len(range(2)[part]), 1, 1, 1), 2
        )
        assert_same(found[:, 1], probe.logits, tolerance=1e-12)
