"""Maps that can be differentiated: by weights and inputs, against differences, and in training."""

import pytest
import torch
import torchvision.models as zoo
from torch import nn

from footprint import assert_untouched, snapshot
from nets import seeded, woken
from regionwise import Probe, Versus, explain, explain_all
from regionwise.attribution.catalog import methods
from regionwise.errors import SettingError
from regionwise.evidence.needs import DIRECT, GRADIENTS, INPUT_GRADIENTS, JOINT, TAIL
from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape
from samples import assert_same

FEW = {
    "integrated-gradients": "integrated-gradients:steps=3",
    "smooth-grad": "smooth-grad:samples=3",
    "var-grad": "var-grad:samples=3",
    "smooth-grad-cam++": "smooth-grad-cam++:samples=3",
    "augmented-grad-cam++": "augmented-grad-cam++:copies=2",
}
"""Settings that make quick what runs the network on many copies of the image."""

ABLE = [
    FEW.get(card.name, card.name)
    for card in methods.cards()
    if card.differentiable and card.needs <= DIRECT and JOINT not in card.needs
]
VARIANTS = [
    "grad-cam:relu=false",
    "grad-cam++:variant=official",
    "grad-cam++:variant=local-sum",
    "grad-cam++:variant=torch-cam",
    "eigen-cam:variant=centred",
    "cam:bias=true",
    "gradient:reduce=sum",
    "smooth-grad:samples=2,variant=squared,blur=1.5",
]
UNABLE = [
    card.name for card in methods.cards() if not card.differentiable or not card.needs <= DIRECT
]


class Smooth(nn.Module):
    """Two curved convolutions [`features`], pooling, linear: 61 + 12 parameters."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.Softplus(), nn.Conv2d(3, 3, 2), nn.Tanh()
        )
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


class Forgetful(Smooth):
    """The same with batch normalisation and dropout, which training and evaluation tell apart."""

    def __init__(self):
        super().__init__()
        self.features.insert(1, nn.BatchNorm2d(3))
        self.features.append(nn.Dropout2d(0.5))


@pytest.fixture
def model():
    return seeded(Smooth, 5)


@pytest.fixture
def inputs(generator):
    return torch.randn(2, 1, 9, 7, generator=generator, dtype=torch.float64)


def asked(model, inputs, method, **settings):
    return explain(model, inputs, method, [[0, 2], [1, 0]], "features", **settings)


def weighted(values):
    """A loss that no symmetry of the map hides from."""
    generator = torch.Generator().manual_seed(0)
    return (values * torch.randn(values.shape, generator=generator, dtype=values.dtype)).sum()


def rise(loss, tensor, direction, step=1e-5):
    """The central difference of a loss along a direction in one tensor."""
    ends = []
    with torch.no_grad():
        for sign in (1, -1):
            tensor += sign * step * direction
            ends.append(float(loss()))
            tensor -= sign * step * direction
    return (ends[0] - ends[1]) / (2 * step)


def direction_in(tensor, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


@pytest.mark.parametrize("method", ABLE + VARIANTS)
def test_the_derivative_by_every_parameter_is_the_slope_of_the_loss(model, inputs, method):
    kept = asked(model, inputs, method, create_graph=True)
    parameters = dict(model.named_parameters())
    slopes = torch.autograd.grad(weighted(kept.maps), tuple(parameters.values()), allow_unused=True)
    seen = 0.0
    for seed, (name, slope) in enumerate(zip(parameters, slopes, strict=True)):
        direction = direction_in(parameters[name], seed)
        expected = rise(
            lambda: weighted(asked(model, inputs, method).maps), parameters[name], direction
        )
        found = 0.0 if slope is None else float((slope * direction).sum())
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-8), name
        seen = max(seen, abs(found))
    assert seen > 1e-3


@pytest.mark.parametrize("method", ABLE)
def test_the_derivative_by_the_inputs_is_the_slope_of_the_loss(model, inputs, method):
    watched = inputs.clone().requires_grad_()
    kept = asked(model, watched, method, create_graph=True)
    (slope,) = torch.autograd.grad(weighted(kept.maps), watched)
    direction = direction_in(inputs, 9)
    expected = rise(lambda: weighted(asked(model, inputs, method).maps), inputs, direction)
    if method.startswith(("smooth", "var", "augmented")):  # other pixels draw other copies
        assert slope.isfinite().all()
        return
    assert float((slope * direction).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert abs(expected) > 1e-3


class Explaining(Smooth):
    """The same convolutions, with a head that explains itself."""

    def __init__(self, head):
        super().__init__()
        self.head = head(3, 3)

    def forward(self, x):
        return self.head(self.features(x))


@pytest.mark.parametrize(
    ("head", "method"),
    [(Cape, "cape"), (Cape, "mu-cape"), (Cape, "cape:quantity=posterior"), (Calm, "calm")],
)
def test_self_explaining_networks(head, method, inputs):
    model = seeded(lambda: Explaining(head), 6)
    plain, kept = (asked(model, inputs, method, create_graph=keep) for keep in (False, True))
    assert torch.equal(plain.maps, kept.maps)
    assert not plain.maps.requires_grad
    slopes = torch.autograd.grad(weighted(kept.maps), list(model.parameters()), allow_unused=True)
    for seed, (parameter, slope) in enumerate(zip(model.parameters(), slopes, strict=True)):
        direction = direction_in(parameter, seed)
        expected = rise(lambda: weighted(asked(model, inputs, method).maps), parameter, direction)
        found = 0.0 if slope is None else float((slope * direction).sum())
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert sum(slope is not None and bool(slope.any()) for slope in slopes) >= 5


@pytest.mark.parametrize("normalize", ["min-max", "max", "image", None])
def test_the_saliency_carries_the_graph(model, inputs, normalize):
    def loss(**settings):
        kept = asked(model, inputs, "grad-cam:relu=false", **settings)
        return weighted(kept.saliency((11, 5), normalize=normalize))

    weight = model.features[2].weight
    (slope,) = torch.autograd.grad(loss(create_graph=True), weight)
    direction = direction_in(weight, 1)
    expected = rise(loss, weight, direction)
    assert float((slope * direction).sum()) == pytest.approx(expected, rel=1e-5)
    assert abs(expected) > 1e-3


@pytest.mark.parametrize("targets", [Versus(0, 2), lambda y: y[:, 0] * y[:, 1].tanh(), "top-2"])
def test_other_targets_and_fused_layers(model, inputs, targets):
    def loss(**settings):
        layers = ["features.1", "features"]
        return weighted(
            explain(model, inputs, "layer-cam", targets, layers, fuse="scaled-max", **settings).maps
        )

    weight = model.features[0].weight
    (slope,) = torch.autograd.grad(loss(create_graph=True), weight)
    direction = direction_in(weight, 1)
    expected = rise(loss, weight, direction)
    assert float((slope * direction).sum()) == pytest.approx(expected, rel=1e-5)
    assert abs(expected) > 1e-3


@pytest.mark.parametrize("method", ABLE + VARIANTS)
def test_in_evaluation_mode_the_maps_are_the_ordinary_ones(model, inputs, method):
    plain, kept = (asked(model, inputs, method, create_graph=keep) for keep in (False, True))
    # copies of the images share a pass where no graph is kept
    assert_same(plain.maps, kept.maps.detach(), tolerance=1e-12)
    assert_same(plain.saliency(), kept.saliency().detach(), tolerance=1e-12)
    assert (plain.flags, plain.top, plain.layer) == (kept.flags, kept.top, kept.layer)
    assert torch.equal(plain.scores, kept.scores)
    assert not plain.maps.requires_grad
    assert kept.maps.requires_grad
    assert kept.scores.requires_grad


def transformer():
    return zoo.VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=5)


@pytest.mark.parametrize(
    ("build", "tolerance"),
    [
        (lambda: zoo.squeezenet1_1(num_classes=5), 0),
        (lambda: zoo.shufflenet_v2_x0_5(num_classes=5), 0),
        (lambda: zoo.convnext.ConvNeXt([zoo.convnext.CNBlockConfig(8, 8, 2)], num_classes=5), 0),
        (transformer, 1e-10),  # attention is computed by another kernel
        pytest.param(lambda: zoo.resnet18(num_classes=5), 0, marks=pytest.mark.slow),
    ],
    ids=["squeezenet", "shufflenet", "convnext", "transformer", "resnet18"],
)
def test_library_networks_give_the_ordinary_maps(build, tolerance, generator):
    network = woken(build(), 3, size=32)
    inputs = torch.randn(2, 3, 32, 32, generator=generator, dtype=torch.float64)
    names = ["grad-cam", "layer-cam", "gradient"]
    plain = explain_all(network, inputs, names, "top-2")
    kept = explain_all(network, inputs, names, "top-2", create_graph=True)
    for name in names:
        assert (plain[name].maps - kept[name].maps).abs().max() <= tolerance
    loss = sum(one.maps.square().sum() for one in kept.values())
    slopes = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    assert all(s is None or s.isfinite().all() for s in slopes)
    assert sum(s is not None and bool(s.any()) for s in slopes) > 5


def test_training_lowers_an_attention_loss_and_keeps_the_classes(inputs):
    """Attention that is asked to stay in the left half goes there."""
    torch.manual_seed(1)
    model = Forgetful().double().train()
    labels = torch.tensor([0, 1])
    outside = torch.zeros(9, 7, dtype=torch.float64)
    outside[:, 3:] = 1
    descent = torch.optim.SGD(model.parameters(), lr=0.05)
    shares = []
    for _ in range(30):
        kept = explain(model, inputs, "grad-cam:relu=false", labels, "features", create_graph=True)
        attention = kept.saliency(normalize=None).square()
        share = (attention * outside).sum() / (attention.sum() + 1e-6)
        descent.zero_grad()
        (share - 0.01 * kept.probabilities.log().mean()).backward()
        descent.step()
        shares.append(float(share.detach()))
    assert sum(shares[-5:]) < 0.7 * sum(shares[:5])


def test_training_stays_training_and_the_buffers_move_as_in_any_pass(inputs):
    first, second = seeded(Forgetful, 7).train(), seeded(Forgetful, 7).train()
    torch.manual_seed(4)
    kept = explain(first, inputs, "grad-cam", 0, "features", create_graph=True)
    torch.manual_seed(4)
    logits = second(inputs)
    assert first.training
    assert first.features[1].training
    assert torch.equal(kept.scores[:, 0], logits[:, 0])
    for (name, one), other in zip(first.named_buffers(), second.buffers(), strict=True):
        assert torch.equal(one, other), name
    assert first.features[1].num_batches_tracked == 1
    after = torch.random.get_rng_state()
    explain(first, inputs, "grad-cam", 0, "features", create_graph=True)
    assert not torch.equal(after, torch.random.get_rng_state())


def test_without_it_nothing_is_kept_and_nothing_moves(inputs):
    model = seeded(Forgetful, 7).train()
    before = snapshot(model)
    for method in ABLE:
        if method == "cam":
            continue
        plain = asked(model, inputs.clone().requires_grad_(), method)
        assert not plain.maps.requires_grad
        assert not plain.scores.requires_grad
    assert_untouched(before, model)


def test_with_it_only_what_a_pass_moves_has_moved(model, inputs):
    before = snapshot(model)
    asked(model, inputs, "grad-cam", create_graph=True)
    assert_untouched(before, model)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("method", UNABLE)
def test_methods_without_a_graph_are_refused_at_the_door(model, inputs, method):
    def fail(*_):
        raise AssertionError("the model ran")

    model.register_forward_hook(fail)
    with pytest.raises(SettingError, match=f"'{method.replace('+', '[+]')}'.*grad-cam.*layer-cam"):
        asked(model, inputs, method, create_graph=True)


def test_the_probe_refuses_evidence_without_a_graph(model, inputs):
    with pytest.raises(SettingError, match="'tail'"):
        Probe(model, inputs, needs=frozenset({TAIL}), create_graph=True).__enter__()


def test_the_probe_keeps_everything(model, inputs):
    needs = frozenset({GRADIENTS, INPUT_GRADIENTS})
    with Probe(model, inputs, 1, "features", needs=needs, create_graph=True) as probe:
        found = [probe.activations, probe.logits, probe.scores, probe.probabilities]
        found += [probe.gradients, probe.input_gradients]
    (slope,) = torch.autograd.grad(sum(f.square().sum() for f in found), model.head.weight)
    assert slope.abs().min() > 0


def test_a_model_with_nothing_to_learn_is_refused(model, inputs):
    model.requires_grad_(requires_grad=False)
    with pytest.raises(SettingError, match="nothing to differentiate"):
        asked(model, inputs, "grad-cam", create_graph=True)
    kept = asked(model, inputs.requires_grad_(), "grad-cam", create_graph=True)
    assert torch.autograd.grad(kept.maps.sum(), inputs)[0].any()


def test_a_frozen_trunk_leaves_the_tail_to_learn(model, inputs):
    model.features.requires_grad_(requires_grad=False)
    kept = asked(model, inputs, "grad-cam", create_graph=True)
    (slope,) = torch.autograd.grad(kept.maps.sum(), model.head.weight)
    assert slope.any()
    with pytest.raises(SettingError, match="depends on nothing"):
        asked(model, inputs, "eigen-cam", create_graph=True)


def test_behind_a_frozen_trunk_a_head_that_explains_itself_learns(inputs):
    model = seeded(lambda: Explaining(Cape), 6)
    model.features.requires_grad_(requires_grad=False)
    kept = asked(model, inputs, "cape", create_graph=True)
    weights = [p for p in model.head.parameters() if p.requires_grad]
    slopes = torch.autograd.grad(kept.maps.square().sum(), weights, allow_unused=True)
    assert any(s is not None and s.any() for s in slopes)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_is_kept_whatever_the_user_switched_off(model, inputs, mode):
    with mode():
        kept = asked(model, inputs, "grad-cam", create_graph=True)
    slopes = torch.autograd.grad(kept.maps.sum(), model.features[0].weight)
    assert slopes[0].any()


def test_pictures_and_files_need_no_graph(model, inputs, tmp_path):
    kept = asked(model, inputs.sigmoid().requires_grad_(), "grad-cam", create_graph=True)
    grey = inputs.sigmoid()
    assert len(kept.overlay(grey)) == 2
    kept.save(tmp_path, grey)
    assert (tmp_path / "1" / "grad-cam.npz").is_file()
    assert (tmp_path / "1" / "grad-cam.png").is_file()
    assert "grad-cam" in kept._repr_html_()
    assert not kept.detach().saliency().requires_grad
    assert kept.one(1).maps.requires_grad
    assert_same(kept.map_difference().maps, (kept.maps[:, [0]] - kept.maps[:, [1]]).detach())


def test_blank_maps_have_a_derivative_that_is_finite(model, inputs):
    """Where nothing speaks for the target the loss is flat, not broken."""
    with torch.no_grad():
        model.features[2].weight.zero_()
        model.features[2].bias.zero_()
    for method in ["grad-cam", "grad-cam++", "xgrad-cam", "layer-cam", "hires-cam"]:
        kept = asked(model, inputs, method, create_graph=True)
        assert kept.flags[0][0]
        loss = kept.saliency().sum() + kept.saliency(normalize="max").sum()
        slopes = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        assert all(s is None or s.isfinite().all() for s in slopes), method
