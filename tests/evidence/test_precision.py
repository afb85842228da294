"""Half precision in front of the layer alone; single precision from there on, and in the maps."""

import copy

import pytest
import torch
from jaxtyping import config

from regionwise import explain, explain_all
from regionwise.errors import SettingError
from regionwise.evidence.engine import PRECISIONS
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS, MASKED_SCORES, TAIL
from regionwise.evidence.probe import Probe
from regionwise.heads.cape import Cape
from regionwise.models.adapters import Adapted
from ways import NormedNet, drawn, gaps, pictures

HALF = ["bfloat16", "float16"]
CLOSE = {"bfloat16": 0.1, "float16": 0.02, "float32": 1e-5}
METHODS = [
    "grad-cam",
    "layer-cam",
    "score-cam",
    "ablation-cam",
    "recipro-cam",
    "lift-cam",
    "fd-cam",
    "eigen-cam",
]


@pytest.fixture
def model():
    return drawn(NormedNet())


class Watching(NormedNet):
    """Notes in which numbers each part computes."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        a = self.mix(self.before(x))
        b = self.last(torch.relu(self.mix_norm(a)))
        logits = self.fc((torch.relu(b) + a).mean((2, 3)))
        self.seen.append((a.dtype, b.dtype, (b + 0).dtype, logits.dtype))
        return logits


@pytest.mark.parametrize("precision", HALF)
def test_where_the_numbers_change(precision):
    model = drawn(Watching())
    needs = frozenset({GRADIENTS, MASKED_SCORES, TAIL})
    with Probe(model, pictures(), 1, "last", needs=needs, precision=precision) as probe:
        masked = probe.masked_logits("ones", lambda a: torch.ones(*a.shape[:2], 16, 16))
        tail = probe.tail_logits(0, probe.activations[:1])
        found = (probe.activations, probe.gradients, probe.logits, probe.scores, masked, tail)
        assert {tensor.dtype for tensor in found} == {torch.float32}
        torch.testing.assert_close(masked[:, 0], probe.logits, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(tail, probe.logits[:1], rtol=1e-3, atol=1e-3)
    half = PRECISIONS[precision]
    # what passes by the layer is coarse, the rest is not
    trunk = [kinds for kinds in model.seen if kinds[0] == half]
    assert trunk
    assert {kinds[2:] for kinds in model.seen} == {(torch.float32, torch.float32)}
    assert not probe.engine.notes


@pytest.mark.parametrize("precision", HALF)
def test_input_gradients_are_single(precision, model):
    needs = frozenset({GRADIENTS, INPUT_GRADIENTS})
    with Probe(model, pictures(), 1, "last", needs=needs, precision=precision) as probe:
        assert probe.gradients.dtype == probe.input_gradients.dtype == torch.float32
        found = probe.input_gradients
    with Probe(model, pictures(), 1, "last", needs=needs) as probe:
        cosine = torch.cosine_similarity(found.flatten(1), probe.input_gradients.flatten(1))
    assert cosine.min() > 0.99


@pytest.mark.parametrize("precision", PRECISIONS)
def test_maps_are_close_and_single(precision, model):
    found = explain_all(model, pictures(), METHODS, targets=1, layer="last", precision=precision)
    assert {one.maps.dtype for one in found.values()} == {torch.float32}
    assert {one.scores.dtype for one in found.values()} == {torch.float32}
    assert {one.notes for one in found.values()} == {()}
    for name, gap in gaps(model, methods=METHODS, precision=precision).items():
        assert gap <= CLOSE[precision], f"{name}: {gap:.1e}"


@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("method", ["gradient", "smooth-grad", "integrated-gradients"])
def test_methods_by_input_gradients(method, precision, model):
    found = explain(model, pictures(), method, targets=1, layer="last", precision=precision)
    plain = explain(model, pictures(), method, targets=1, layer="last")
    assert found.maps.dtype == torch.float32
    assert found.notes == ()
    both = torch.stack([found.maps.flatten(), plain.maps.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.98


class Around(NormedNet):
    """What is computed in front of the layer goes around it in every kind of way."""

    def forward(self, x):
        a = self.before(x)
        kept = {"a": a, "list": [a.mean((2, 3)), a.new_zeros(len(a), 6)]}
        b = self.last(self.mixed(a))
        b = torch.cat([torch.relu(b), kept["a"]], dim=1)[:, :6] + kept["a"]
        pooled = b.mean((2, 3))
        pooled[:, :2] += kept["list"][0][:, :2]
        pooled.add_(kept["list"][1])
        out = torch.empty_like(a.mean((2, 3)))
        out[:] = pooled
        gate = torch.sigmoid(torch.einsum("nkij,k->n", a, self.fc.weight[0]))
        return self.fc(out) * gate[:, None] + torch.bmm(pooled[:, None], out[:, :, None])[:, 0]


@pytest.mark.parametrize("precision", HALF)
def test_what_goes_around_the_layer(precision):
    model = drawn(Around())
    methods = ["grad-cam", "layer-cam", "score-cam", "ablation-cam"]
    found = explain_all(model, pictures(), methods, targets=1, layer="last", precision=precision)
    assert {one.notes for one in found.values()} == {()}
    for name, gap in gaps(model, methods=methods, precision=precision).items():
        assert gap <= 0.15, f"{name}: {gap:.1e}"


@pytest.mark.parametrize("own", [torch.bfloat16, torch.float16])
def test_networks_in_half_precision_run_in_single(own, model):
    """Their weights are rounded numbers, and all that is computed of them is not."""
    model = model.to(own)
    single = copy.deepcopy(model).float()
    fed = pictures().to(own)
    for precision in ("float32", "bfloat16"):
        found = explain_all(model, fed, METHODS, targets=1, layer="last", precision=precision)
        plain = explain_all(single, fed.float(), METHODS, targets=1, layer="last")
        for name, one in found.items():
            assert one.maps.dtype == torch.float32, name
            gap, scale = (one.maps - plain[name].maps).abs().amax(), plain[name].maps.abs().amax()
            assert gap <= CLOSE[precision] * scale, f"{name} {precision}: {gap:.1e}"
    assert model.mix.weight.dtype == model.mix_norm.running_mean.dtype == own


@pytest.mark.parametrize("head", ["cam", "cape", "mu-cape"])
def test_heads_of_networks_in_half_precision(head):
    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            if head != "cam":
                self.fc = Cape(6, 4)

        def forward(self, x):
            a = self.last(self.mixed(self.before(x)))
            return self.fc(a.mean((2, 3)) if head == "cam" else a)

    model = drawn(Net()).bfloat16()
    single = copy.deepcopy(model).float()
    found = explain(model, pictures(), head, targets=1, layer="last", precision="float32")
    plain = explain(single, pictures(), head, targets=1, layer="last")
    torch.testing.assert_close(found.maps, plain.maps, rtol=1e-4, atol=1e-5)


def test_overflow_falls_back_with_a_note_and_is_not_held_against_the_network(model):
    wishes = {"targets": 1, "layer": "last", "precision": "float16"}
    fine = pictures()
    found = explain(model, 1e6 * fine, "layer-cam", **wishes)
    assert found.notes == ("ran in float32 instead of float16: its answer is not finite",)
    plain = explain(model, 1e6 * fine, "layer-cam", targets=1, layer="last")
    torch.testing.assert_close(found.maps, plain.maps, rtol=1e-5, atol=0)
    assert explain(model, fine, "layer-cam", **wishes).notes == ()


def test_a_map_that_overflows_where_the_answer_does_not():
    class Net(NormedNet):
        def __init__(self):
            super().__init__()
            self.large = torch.nn.Identity()

        def forward(self, x):
            large = self.large(1e6 * torch.relu(self.last(self.mixed(self.before(x)))))
            return self.fc(torch.tanh(large).mean((2, 3)))

    found = explain(drawn(Net()), pictures(), "eigen-cam", layer="large", precision="float16")
    assert found.maps.isfinite().all()
    assert found.notes == ("ran in float32 instead of float16: its answer is not finite",)


def test_a_network_that_refuses_is_run_in_single_precision():
    class Net(NormedNet):
        picky = True

        def mixed(self, x):
            if self.picky and x.shape[2] <= 8 and self.mix(x).dtype != torch.float32:
                raise RuntimeError("in single precision, please\nor else")
            return super().mixed(x)

    model = drawn(Net())
    wishes = {"targets": 1, "layer": "last", "precision": "bfloat16"}
    said = ("ran in float32 instead of bfloat16: in single precision, please",)
    for _ in range(2):
        found = explain(model, pictures(), "layer-cam", **wishes)
        assert found.notes == said
        plain = explain(model, pictures(), "layer-cam", targets=1, layer="last")
        torch.testing.assert_close(found.maps, plain.maps)
    assert explain(model, pictures(size=32), "layer-cam", **wishes).notes == ()


def test_what_there_is_no_precision_for(model):
    config.update("jaxtyping_disable", value=True)
    try:
        with pytest.raises(SettingError, match=r"unknown precision 'float-16': .*'float16'"):
            explain(model, pictures(), precision="float-16")
    finally:
        config.update("jaxtyping_disable", value=False)
    for precision in PRECISIONS:
        with pytest.raises(SettingError, match=r"double precision.*\.float\(\)"):
            explain(model.double(), pictures().double(), layer="last", precision=precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_autocast_around_the_call(precision, model):
    wishes = {"targets": 1, "layer": "last", "precision": precision}
    methods = ["grad-cam", "score-cam", "recipro-cam", "gradient"]
    expected = explain_all(model, pictures(), methods, **wishes)
    with torch.autocast("cpu", torch.bfloat16):
        found = explain_all(model, pictures(), methods, **wishes)
        assert torch.is_autocast_enabled("cpu")
    for name, one in found.items():
        assert torch.equal(one.maps, expected[name].maps), name


@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_inference_mode_around_the_call(precision, model):
    wishes = {"targets": 1, "layer": "last", "precision": precision}
    expected = explain(model, pictures(), "score-cam", **wishes).maps
    with torch.inference_mode():
        found = explain(model, pictures(), "score-cam", **wishes).maps
    assert torch.equal(found, expected)
    assert not found.is_inference()


@pytest.mark.parametrize("precision", HALF)
def test_adapted_networks(precision, model):
    adapted = Adapted(model, output="multi-label")
    found = explain(adapted, pictures(), "score-cam", 1, "network.last", precision=precision)
    assert found.maps.dtype == torch.float32
    assert found.notes == ()


def tokens():
    timm = pytest.importorskip("timm")
    return timm.create_model("vit_tiny_patch16_224", img_size=48, num_classes=5, depth=3)


def windows():
    timm = pytest.importorskip("timm")
    sizes = {
        "img_size": 64,
        "window_size": 4,
        "embed_dim": 16,
        "depths": (1, 1),
        "num_heads": (1, 2),
    }
    return timm.models.swin_transformer.SwinTransformer(num_classes=5, **sizes)


def hugging_face():
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=48,
        num_labels=5,
    )
    return transformers.ViTForImageClassification(config)


@pytest.mark.parametrize(("make", "size"), [(tokens, 48), (windows, 64), (hugging_face, 48)])
def test_token_networks(make, size):
    torch.manual_seed(3)
    model = drawn(make())
    fed = pictures(size=size)
    methods = ["grad-cam", "layer-cam", "eigen-cam"]
    for precision in ("float32", "bfloat16"):
        found = explain_all(model, fed, methods, targets=1, precision=precision)
        assert {one.maps.dtype for one in found.values()} == {torch.float32}
        assert {one.notes for one in found.values()} == {()}
        for name, gap in gaps(model, fed, methods, layer=None, precision=precision).items():
            assert gap <= (1e-5 if precision == "float32" else 0.3), f"{name}: {gap:.1e}"
