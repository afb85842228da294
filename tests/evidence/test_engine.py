"""Networks give the same maps whichever way they are run, and refuse ways without harm."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from regionwise import explain, explain_all
from regionwise.evidence.engine import _REFUSED, Engine, Way
from regionwise.metrics.judge import Judge
from ways import NormedNet, assert_plain, drawn, gaps, pictures, plainly

LIBRARY = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=5),
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(num_classes=5, width_mult=0.25),
    "shufflenet": lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=5),
    "densenet": lambda: torchvision.models.DenseNet(8, (2, 2, 2), 16, num_classes=5),
    "convnext": lambda: _timm("convnext_atto"),
    "efficientnet": lambda: _timm("efficientnet_b0"),
    "repvgg": lambda: _timm("repvgg_a0"),
    "vit": lambda: _timm("vit_tiny_patch16_224", img_size=64, depth=3),
}


def _timm(name, **settings):
    return pytest.importorskip("timm").create_model(name, num_classes=5, **settings)


@pytest.mark.parametrize("name", LIBRARY)
def test_library_networks(name):
    """In eight images and one, so with and without copies of the weights."""
    torch.manual_seed(2)
    model = _stirred(LIBRARY[name]())
    fed = pictures(8, size=64)
    for inputs, methods in ((fed, ["grad-cam", "layer-cam"]), (fed[:1], ["layer-cam", "gradient"])):
        for method, gap in _exact_gaps(model, inputs, methods).items():
            assert gap <= 1, f"{name} {method}: {gap:.2f} of what is allowed"


def _stirred(model):
    """Keep the library's weights; shift and scale the statistics of its normalisations."""
    generator = torch.Generator().manual_seed(4)
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            shape = norm.running_mean.shape
            norm.running_mean.copy_(0.05 * torch.randn(shape, generator=generator))
            norm.running_var.mul_(torch.rand(shape, generator=generator) + 0.5)
    return model.eval()


def _exact_gaps(model, fed, methods):
    """How far maps are from the plain way's: in 1e-5, or in four errors of plain numbers."""
    found = explain_all(model, fed, methods, targets=1)
    with plainly():
        plain = explain_all(copy.deepcopy(model), fed, methods, targets=1)
        double = copy.deepcopy(model).double()
        exact = explain_all(double, fed.double(), methods, targets=1)
    result = {}
    for name, one in plain.items():
        scale = one.maps.abs().amax()
        noise = (one.maps - exact[name].maps).abs().amax()
        gap = (found[name].maps - one.maps).abs().amax()
        if scale:
            result[name] = float(gap / max(1e-5 * scale, 4 * noise))
    assert result
    return result


def test_masked_passes_of_a_library_network():
    torch.manual_seed(2)
    model = _stirred(torchvision.models.shufflenet_v2_x0_5(num_classes=5))
    methods = ["score-cam:chunk=8", "recipro-cam"]
    for name, gap in gaps(model, pictures(1, size=64), methods, "stage2").items():
        assert gap <= 1e-5, f"{name}: {gap:.1e}"


@pytest.mark.parametrize("size", [(16, 16), (9, 20), (1, 7)])
def test_sizes(size):
    fed = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert_plain(drawn(NormedNet()), fed)


def test_the_same_call_gives_the_same_bits():
    model = drawn(NormedNet())
    methods = ["grad-cam", "score-cam", "rise:masks=20", "smooth-grad"]
    first, second = (explain_all(model, pictures(9), methods, layer="last") for _ in range(2))
    for name, one in first.items():
        assert torch.equal(one.maps, second[name].maps), name


@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_an_image_is_explained_the_same_in_company(precision):
    model, fed = drawn(NormedNet()), pictures(17)
    methods = ["grad-cam", "score-cam", "gradient"]
    wishes = {"targets": 1, "layer": "last", "precision": precision}
    together = explain_all(model, fed, methods, **wishes)
    for index in (0, 8, 16):
        alone = explain_all(model, fed[index : index + 1], methods, **wishes)
        for name, one in alone.items():
            scale = one.maps.abs().amax()
            slack = 2e-6 if precision is None else 1e-3
            gap = (together[name].maps[index] - one.maps[0]).abs().amax()
            assert gap <= slack * scale, f"{name}: {gap / scale:.1e}"


# ------------------------------------------------------------------ networks that refuse


class Flat(NormedNet):
    """Looks at a map as one row, which it is not with channels last; other sizes are averaged."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6 * 64, 5)
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        a = torch.relu(self.last(self.before(x)))
        if a.shape[2] != 8:
            a = nn.functional.adaptive_avg_pool2d(a, 8).contiguous()
        return self.fc(a.view(len(a), -1))


def test_views_of_maps():
    model = drawn(Flat())
    assert_plain(model)
    engine = Engine(model, copies=True)
    assert engine.way.channels_last
    refused = _REFUSED[model]["last", 3, 16, 16]
    assert all(way.channels_last for way in refused)
    assert any("view" in reason for reason in refused.values())


def test_a_refusal_is_remembered_for_its_size_alone():
    model = drawn(Flat())
    passes = []
    for size in (16, 16, 32):
        model.passes = 0
        explain(model, pictures(size=size), "layer-cam", 1, "last")
        passes.append(model.passes)
    assert passes == [2, 1, 1]


def test_a_refusal_holds_for_half_precision_as_well():
    model = drawn(Flat())
    found = explain(model, pictures(), "score-cam", 1, "last", precision="bfloat16")
    assert "ran in float32 instead of bfloat16" in found.notes[0]
    assert "view" in found.notes[0]
    plain = explain(model, pictures(), "score-cam", 1, "last")
    torch.testing.assert_close(found.maps, plain.maps)


def test_a_network_that_differentiates_by_its_own_weights():
    """No stand-in has a gradient: such a network is run as it is."""

    class Net(NormedNet):
        def forward(self, x):
            with torch.enable_grad():
                out = self.fc(torch.ones(1, 6)).square().sum()
                step = torch.autograd.grad(out, self.fc.weight)[0]
            a = torch.relu(self.last(self.mixed(self.before(x)))).mean((2, 3))
            return a @ (self.fc.weight - 0.01 * step).T

    model = drawn(Net())
    before = [id(parameter) for parameter in model.parameters()]
    assert_plain(model, pictures(9))
    assert [id(parameter) for parameter in model.parameters()] == before
    assert list(_REFUSED[model]["last", 3, 16, 16])[-1] != Way()


@pytest.mark.parametrize("precision", [None, "bfloat16", "float16"])
@pytest.mark.parametrize("error", [ValueError, RuntimeError, TypeError, KeyError, StopIteration])
def test_an_error_of_its_own_is_raised_as_it_is(error, precision):
    class Net(NormedNet):
        broken = True

        def forward(self, x):
            if self.broken:
                raise error("mine")
            return super().forward(x)

    model = drawn(Net())
    with pytest.raises(error, match="mine") as caught:
        explain(model, pictures(), "score-cam", 1, "last", precision=precision)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    model.broken = False
    found = explain(model, pictures(), "score-cam", 1, "last", precision=precision)
    assert found.notes == ()


def test_the_judge_runs_the_same_ways():
    model = drawn(Flat())
    with torch.no_grad():
        expected = model(pictures(9))
    for _ in range(2):
        torch.testing.assert_close(Judge(model).logits(pictures(9)), expected, rtol=1e-5, atol=1e-5)
    normed = drawn(NormedNet())
    judge = Judge(normed)
    for _ in range(2):
        with torch.no_grad():
            expected = normed(pictures(9))
        torch.testing.assert_close(judge.logits(pictures(9)), expected, rtol=1e-5, atol=1e-5)
        normed.mix_norm.running_mean.data += 1


def test_nothing_grows_with_calls():
    model = drawn(NormedNet())
    for _ in range(3):
        explain(model, pictures(), "score-cam", 1, "last")
    assert set(vars(model)) == set(vars(NormedNet()))
    assert len(_REFUSED[model]) == 1
