"""One contract for every registered method on several families of networks.

The networks are torchvision's, and two that explain themselves, with random weights, woken so that
no map is blank, in float64. Methods that run the network once per channel explain an early layer
with few channels. Exceptions are declared by name, with their reason.
"""

import pytest
import torch
import torchvision.models as zoo
from torch import nn

from footprint import assert_untouched, snapshot
from nets import woken
from regionwise import explain, explain_all
from regionwise.attribution.catalog import methods
from regionwise.errors import ModelError
from regionwise.evidence.needs import JOINT
from regionwise.heads.joint import JointHead
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec
from samples import assert_same

CLASSES = 6
SIZE = (64, 96)


def vgg():
    """VGG-11 with a small classifier: the original one has a hundred million weights."""
    with torch.device("meta"):
        layers = zoo.vgg.make_layers(zoo.vgg.cfgs["A"], batch_norm=True)
        model = zoo.vgg.VGG(layers, CLASSES, init_weights=False)
        model.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        model.classifier = nn.Sequential(
            nn.Linear(512 * 4, 32), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(32, CLASSES)
        )
    return model.to_empty(device="cpu")


def plain(name, **settings):
    def build():
        return zoo.get_model(name, weights=None, num_classes=CLASSES, **settings)

    return build


def region(head):
    """A small backbone with a head that explains itself."""

    def build():
        backbone = BackboneSpec("birdnet", options={"widths": (4, 6, 8, 8, 12)})
        return build_network(NetworkSpec(backbone, head, CLASSES), weights="random", size=SIZE)

    return build


# name: (builder, early layer with few channels)
FAMILIES = {
    "resnet18": (plain("resnet18"), "bn1"),
    "vgg11_bn": (vgg, "features.3"),
    "densenet121": (plain("densenet121"), "features.pool0"),
    "mobilenet_v2": (plain("mobilenet_v2"), "features.1"),
    "efficientnet_b0": (plain("efficientnet_b0"), "features.1"),
    "convnext_tiny": (plain("convnext_tiny"), "features.0"),
    "squeezenet1_1": (plain("squeezenet1_1"), "features.3.squeeze"),
    "googlenet": (plain("googlenet", aux_logits=False, init_weights=False), "inception3a.branch4"),
    "inception_v3": (plain("inception_v3", aux_logits=False, init_weights=False), "Conv2d_1a_3x3"),
    "region-cape": (region("cape"), "backbone.network.stem"),
    "region-calm": (region("calm"), "backbone.network.stem"),
}
SIZES = {"inception_v3": (107, 139)}
SEEDS = {"region-cape": 4, "region-calm": 4}
"""Small networks whose top classes have positive evidence against a blurred image, too."""
QUICK = ["mobilenet_v2", "region-cape"]
"""Where methods of many passes run by default; elsewhere they are slow."""
SLOW = ["efficientnet_b0", "convnext_tiny", "googlenet", "inception_v3"]

MASKED = [card.name for card in methods.cards() if "masked-scores" in card.needs]
DIRECT = [card.name for card in methods.cards() if "masked-scores" not in card.needs]
TAILED = [card.name for card in methods.cards() if "tail" in card.needs]

NO_POOLED_HEAD = {
    "vgg11_bn": "three linear layers on the flattened map",
    "densenet121": "a ReLU between the last map and the pooling",
    "convnext_tiny": "layer normalisation between the pooling and the linear layer",
    "squeezenet1_1": "a convolution and a ReLU between the last map and the pooling",
    "region-cape": "two softmaxes for every cell, then a sum",
    "region-calm": "a softmax for every cell, weighed by another map",
}
EXPLAINS_ITSELF = {"cape": "region-cape", "mu-cape": "region-cape", "calm": "region-calm"}
"""The one family whose head a method reads."""
CLASS_AGNOSTIC = {
    "random": "noise",
    "centre": "a bump in the middle",
    "edges": "edges of the image",
    "eigen-cam": "the main axis of the activations",
}
ONE_GROUP = {
    ("region-calm", "group-cam"): "of four groups of three channels one speaks for both classes"
}
"""Where the saliencies of two classes coincide although their maps do not."""
FEWER = {
    "union-cam": "theta=20",
    "group-cam": "groups=16",
    "rise": "masks=12",
    "occlusion": "window=32,stride=32",
    "ss-cam": "samples=2",
    "is-cam": "steps=2",
    "integrated-gradients": "steps=2",
    "smooth-grad": "samples=2",
    "var-grad": "samples=2",
    "smooth-grad-cam++": "samples=2",
    "augmented-grad-cam": "copies=6,steps=3",
    "augmented-grad-cam++": "copies=1",
}
"""Settings that make quick what runs the network on many copies of the image."""
AT_INPUT_SIZE = {
    "gradient": "a value per pixel",
    "input-x-gradient": "a value per pixel",
    "integrated-gradients": "a value per pixel",
    "smooth-grad": "a value per pixel",
    "var-grad": "a value per pixel",
    "rise": "masks lie on the image",
    "occlusion": "windows lie on the image",
    "augmented-grad-cam": "one fine map behind all coarse ones",
    "augmented-grad-cam++": "maps are brought back after upsampling",
    "edges": "a value per pixel",
    "score-cam++": "gates are summed after upsampling",
}


def pairs():
    for family in FAMILIES:
        for method in [*DIRECT, *MASKED]:
            if wants_another_head(family, method):
                continue
            dear = method in MASKED or method in FEWER or method in TAILED
            slow = family in SLOW or (dear and family not in QUICK)
            yield pytest.param(
                family, method, id=f"{family}-{method}", marks=pytest.mark.slow if slow else ()
            )


def wants_another_head(family, method):
    return family != EXPLAINS_ITSELF.get(method, family)


every_pair = pytest.mark.parametrize(("family", "method"), list(pairs()))
each_family = pytest.mark.parametrize(
    "family",
    [pytest.param(f, marks=pytest.mark.slow if f in SLOW else ()) for f in FAMILIES],
)
_built = {}
_standard = {}


def network(family):
    if family not in _built:
        build, early = FAMILIES[family]
        size = SIZES.get(family, SIZE)
        generator = torch.Generator().manual_seed(1)
        model = woken(build(), seed=SEEDS.get(family, 2), size=max(size))
        inputs = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
        _built[family] = model, inputs, early
    return _built[family]


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    _built.clear()
    _standard.clear()


def spelled(method, *settings):
    """The method with settings, and with those that keep it quick."""
    settings = [*([FEWER[method]] if method in FEWER else []), *settings]
    return ":".join([method, ",".join(settings)]) if settings else method


def ask(family, method, inputs=None, targets="top-2", *settings):
    """Explain two images, or those given, with the layer that suits the method's cost."""
    model, usual, early = network(family)
    layer = early if method in MASKED else None
    inputs = usual if inputs is None else inputs
    return explain(model, inputs, spelled(method, *settings), targets, layer)


def standard(family, method):
    """The answer that most tests look at, computed once."""
    if (family, method) not in _standard:
        _standard[family, method] = ask(family, method)
    return _standard[family, method]


def refuses(family, method):
    return method == "cam" and family in NO_POOLED_HEAD


@pytest.fixture
def applies(family, method):
    if refuses(family, method):
        with pytest.raises(ModelError, match="pooling"):
            standard(family, method)
        pytest.skip(f"no CAM: {NO_POOLED_HEAD[family]}")


@every_pair
@pytest.mark.usefixtures("applies")
def test_shape_dtype_values_and_names(family, method):
    model, inputs, _ = network(family)
    ours = standard(family, method)
    with torch.no_grad():
        logits = model(inputs)
    assert ours.method == methods.parse(spelled(method)).id
    assert ours.maps.shape[:2] == (2, 2)
    assert ours.maps.dtype == torch.float64
    assert ours.maps.device == inputs.device
    assert not ours.maps.requires_grad
    assert torch.isfinite(ours.maps).all()
    assert (tuple(ours.maps.shape[2:]) == tuple(inputs.shape[2:])) == (method in AT_INPUT_SIZE)
    assert ours.targets.tolist() == logits.topk(2).indices.tolist()
    assert_same(ours.scores, logits.topk(2).values)
    assert_same(ours.probabilities, logits.softmax(1).topk(2).values)
    assert ours.size == tuple(inputs.shape[2:])
    assert model.get_submodule(ours.layer) is not None
    assert [len(row) for row in ours.flags] == [2, 2]
    saliency = ours.saliency()
    assert saliency.shape == (2, 2, *inputs.shape[2:])
    assert saliency.min() == 0
    assert saliency.max() == 1
    # the top class has a map that says something, or the flags say why not
    for image in range(2):
        assert saliency[image, 0].any() or ours.flags[image][0]
    assert saliency[:, 0].any()


@every_pair
@pytest.mark.usefixtures("applies")
def test_the_same_question_has_the_same_answer(family, method):
    first, second = standard(family, method), ask(family, method)
    assert torch.equal(first.maps, second.maps)
    assert torch.equal(first.scores, second.scores)


@every_pair
@pytest.mark.usefixtures("applies")
def test_a_batch_is_its_images_one_by_one(family, method):
    _, inputs, _ = network(family)
    whole = standard(family, method)
    for image in range(2):
        alone = ask(family, method, inputs[image : image + 1], whole.targets[image : image + 1])
        scale = float(whole.maps[image].abs().max()) or 1.0
        assert_same(alone.maps / scale, whole.maps[image : image + 1] / scale, tolerance=1e-9)


@every_pair
@pytest.mark.usefixtures("applies")
def test_the_two_most_likely_classes_get_different_maps(family, method):
    first, second = standard(family, method).saliency().unbind(1)
    for image in range(2):
        difference = (first[image] - second[image]).abs().max()
        if (family, method) in ONE_GROUP:
            maps = standard(family, method).maps[image]
            assert not torch.equal(maps[0], maps[1])
        elif method in CLASS_AGNOSTIC:
            assert difference == 0
        else:
            assert difference > 1e-4


@every_pair
@pytest.mark.usefixtures("applies")
def test_targets_do_not_disturb_each_other(family, method):
    both = standard(family, method)
    for t in range(2):
        alone = ask(family, method, targets=both.targets[:, t])
        assert_same(alone.maps[:, 0], both.maps[:, t], tolerance=1e-9)


@pytest.mark.parametrize(
    ("family", "method"), [(family, method) for method in MASKED for family in QUICK]
)
def test_the_chunk_size_changes_nothing(family, method):
    expected = standard(family, method)
    for chunk in (5,) if method in FEWER else (1, 7, 1000):
        other = ask(family, method, None, "top-2", f"chunk={chunk}")
        assert other.method == expected.method
        assert_same(other.maps, expected.maps, tolerance=1e-9)


@every_pair
def test_the_model_is_left_as_it_was(family, method):
    model, inputs, _ = network(family)
    model.train()
    before, given = snapshot(model), inputs.clone()
    try:
        if refuses(family, method):
            with pytest.raises(ModelError):
                ask(family, method)
        else:
            in_training = ask(family, method).maps
        assert_untouched(before, model)
        assert torch.equal(inputs, given)
    finally:
        model.eval()
    if not refuses(family, method):
        assert_same(in_training, standard(family, method).maps, tolerance=1e-12)


class TroubleError(Exception):
    pass


@each_family
def test_the_model_is_left_as_it_was_when_its_forward_raises(family):
    model, inputs, early = network(family)
    explain(model, inputs, targets=0)  # the layer is known from here on

    def fail(*_):
        raise TroubleError

    heads = [module for module in model.modules() if isinstance(module, JointHead)]
    linear = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    handle = (heads or linear)[-1].register_forward_hook(fail)
    model.train()
    try:
        before = snapshot(model)
        for method in [*DIRECT, *MASKED]:
            with pytest.raises(TroubleError):
                explain(model, inputs, spelled(method), 0, early if method in MASKED else None)
            assert_untouched(before, model)
    finally:
        handle.remove()
        model.eval()


@each_family
def test_all_methods_at_once_are_the_methods_one_by_one(family):
    model, inputs, _ = network(family)
    names = [
        method
        for method in DIRECT
        if not refuses(family, method)
        and not wants_another_head(family, method)
        and (family in QUICK or (method not in FEWER and method not in TAILED))
    ]
    together = explain_all(model, inputs, [spelled(name) for name in names], targets="top-2")
    assert len(together) == len(names)
    for method, ours in zip(names, together.values(), strict=True):
        assert ours.method.split(":")[0] == method
        assert_same(ours.maps, standard(family, method).maps, tolerance=1e-9)


@each_family
def test_the_probed_forward_pass_is_the_models_own(family):
    """The hook stands in for the layer's output and must not change what the network says."""
    model, inputs, early = network(family)
    with torch.no_grad():
        logits = model(inputs)
    for layer in (None, early):
        for method in ("random", "grad-cam", "gradient"):
            ours = explain(model, inputs, method, targets=[[0, 5], [4, 1]], layer=layer)
            assert_same(ours.scores, logits[[[0], [1]], [[0, 5], [4, 1]]])


@each_family
@pytest.mark.parametrize("method", EXPLAINS_ITSELF)
def test_a_network_with_another_head_is_refused_and_told_why(family, method):
    if family == EXPLAINS_ITSELF[method]:
        assert standard(family, method).maps.any()
        return
    model, _, _ = network(family)
    before = snapshot(model)
    other = family in EXPLAINS_ITSELF.values()
    message = "the head is .* ask for" if other else "no head that explains itself .* --head"
    with pytest.raises(ModelError, match=f"^{method} does not apply: .*{message}"):
        ask(family, method)
    assert_untouched(before, model)


@each_family
@pytest.mark.parametrize("method", ["cape", "mu-cape"])
def test_a_vanilla_head_is_read_as_cape_where_cam_applies(family, method):
    model, inputs, _ = network(family)
    shelf = f"{method}:head=off-the-shelf"
    if family in NO_POOLED_HEAD:
        with pytest.raises(ModelError, match="pooling"):
            explain(model, inputs, shelf)
        pytest.skip(f"no linear layer behind the pooling: {NO_POOLED_HEAD[family]}")
    ours = explain(model, inputs, shelf, "top-2")
    assert ours.maps.any()
    assert ours.layer == standard(family, "cam").layer
    if method == "cape":
        read = ours.details["probabilities"].gather(1, ours.targets)
        assert_same(ours.maps.sum((2, 3)), read)


def test_the_exceptions_are_needed():
    """An exception that nothing takes would hide a method that is wrong."""
    for card in methods.cards():
        assert card.class_agnostic == (card.name in CLASS_AGNOSTIC)
    names = {card.name for card in methods.cards()}
    assert set(CLASS_AGNOSTIC) | set(AT_INPUT_SIZE) | set(FEWER) <= names
    assert set(NO_POOLED_HEAD) | set(EXPLAINS_ITSELF.values()) <= set(FAMILIES)
    joint = {card.name for card in methods.cards() if JOINT in card.needs}
    assert set(EXPLAINS_ITSELF) == joint
    for family in FAMILIES:
        if family not in NO_POOLED_HEAD and family not in SLOW:
            assert standard(family, "cam").maps.any()
