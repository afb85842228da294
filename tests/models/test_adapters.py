"""Answers that are no plain logits, and inputs that are more than an image."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nets import PooledNet, seeded
from regionwise import Adapted, Classifier, explain, load_model
from regionwise.errors import LayerError, ModelError, SettingError
from regionwise.evidence.checks import as_logits


class Answering(nn.Module):
    """A pooled network that gives its answer in another form."""

    def __init__(self, form):
        super().__init__()
        self.net = seeded(PooledNet, seed=11)
        self.form = form

    def forward(self, x, *more, **named):
        return self.form(self.net(x), *more, **named)


@pytest.fixture
def plain(images):
    return explain(seeded(PooledNet, seed=11), images, "grad-cam", 1).maps


LOGITS_IN = {
    "attribute": lambda y: SimpleNamespace(logits=y),
    "entry": lambda y: {"loss": y.sum(), "logits": y},
    "out": lambda y: {"aux": y * 2, "out": y},
    "the only entry": lambda y: {"scores": y},
    "tuple": lambda y: (y.sum(), y),
    "list": lambda y: [y],
}


@pytest.mark.parametrize("form", LOGITS_IN.values(), ids=LOGITS_IN)
def test_logits_are_found_in_the_answer(form, images, plain):
    assert torch.equal(explain(Answering(form), images, "grad-cam", 1).maps, plain)


@pytest.mark.parametrize(
    "answer", [None, "cat", (), {}, {"a": 1}, torch.zeros(3, 5, 4, 4), torch.zeros(2, 5)]
)
def test_an_answer_without_logits_is_refused_with_a_hint(answer):
    with pytest.raises(ModelError, match="Adapted"):
        as_logits(answer, 3)


@pytest.mark.parametrize(
    "form", [lambda y: (y * 2, y), lambda y: {"embedding": y * 2, "scores": y}]
)
def test_features_beside_the_logits_are_not_taken_for_them(form, images):
    with pytest.raises(ModelError, match="select="):
        explain(Answering(form), images, "grad-cam", 1)


def test_any_part_of_an_answer_can_be_selected(images, plain):
    network = Answering(lambda y: {"boxes": torch.zeros(len(y), 4), "deep": [y, y * 2]})
    model = Adapted(network, select=lambda answer: answer["deep"][0])
    assert torch.equal(explain(model, images, "grad-cam", 1).maps, plain)


def test_further_inputs_follow_the_images(images, plain):
    network = Answering(lambda y, age: y + age.sum(dim=1, keepdim=True))
    age = torch.ones(1, 2, dtype=torch.float64)
    model = Adapted(network, call=lambda net, x: net(x, age.expand(len(x), -1)))
    assert torch.equal(explain(model, images, "grad-cam", 1).maps, plain)
    for method in ("score-cam", "ablation-cam"):
        assert explain(model, images, method, 1).maps.any()


@pytest.mark.parametrize("flat", [True, False])
def test_a_binary_network_has_two_classes_and_a_sigmoid(images, flat):
    network = Answering(lambda y: y[:, 1] - y[:, 0] if flat else (y[:, 1] - y[:, 0])[:, None])
    logit = network(images).reshape(-1)
    model = Adapted(network, "binary")
    positive = explain(model, images, "grad-cam:relu=false", "positive")
    negative = explain(model, images, "grad-cam:relu=false", "negative")
    assert torch.allclose(positive.probabilities[:, 0], logit.sigmoid())
    assert torch.allclose(negative.probabilities[:, 0], 1 - logit.sigmoid())
    assert torch.allclose(positive.maps, -negative.maps)
    assert torch.allclose(positive.scores[:, 0], logit / 2)
    top = explain(model, images).target_names
    assert [row[0] for row in top] == ["positive" if s > 0 else "negative" for s in logit]
    two = Answering(lambda y: torch.stack([-y[:, 1] + y[:, 0], y[:, 1] - y[:, 0]], 1) / 2)
    assert torch.allclose(positive.maps, explain(two, images, "grad-cam:relu=false", 1).maps)


def test_each_label_of_several_has_a_probability_of_its_own(images):
    network = Answering(lambda y: y)
    labels = explain(Adapted(network, "multi-label"), images, "score-cam", [[0, 1]] * 3)
    assert torch.allclose(labels.probabilities, network(images)[:, :2].sigmoid())
    classes = explain(network, images, "score-cam", [[0, 1]] * 3)
    assert not torch.allclose(labels.maps, classes.maps), "masked images are scored by sigmoid"
    assert labels.top[0][1] == pytest.approx(float(network(images).detach()[0].sigmoid().max()))


def test_a_value_is_explained_as_it_is(images):
    network = Answering(lambda y: y[:, 2])
    value = network(images)
    model = Adapted(network, "regression", class_names=("age",))
    found = explain(model, images, "grad-cam:relu=false")
    assert torch.allclose(found.scores[:, 0], value)
    assert found.probabilities.isnan().all()
    assert found.target_names[0] == ("age",)
    assert math.isnan(found.top[0][1])
    against = explain(model, images, "grad-cam:relu=false", lambda y: -y[:, 0])
    assert torch.allclose(against.maps, -found.maps)
    near = explain(model, images, "grad-cam:relu=false", lambda y: -(y[:, 0] - 1e3).abs())
    assert torch.allclose(near.maps, found.maps)
    assert explain(model, images, "score-cam").maps.isfinite().all()


@pytest.mark.parametrize("flat", [True, False])
def test_one_number_per_image_is_never_guessed(images, flat):
    network = Answering(lambda y: y[:, 0] if flat else y[:, :1])
    with pytest.raises(ModelError, match=r"Adapted\(model, "):
        explain(network, images)


def test_two_logits_are_not_binary(images):
    with pytest.raises(ModelError, match="'classes'"):
        explain(Adapted(Answering(lambda y: y[:, :2]), "binary"), images)


def test_an_unknown_meaning_is_refused():
    with pytest.raises(SettingError, match="multi-label"):
        Adapted(nn.Identity(), "softmax")


def test_a_part_of_the_answer_must_be_named(images):
    with pytest.raises(ModelError, match="select="):
        explain(Adapted(Answering(lambda y: {"scores": y}), "multi-label"), images)


def test_layers_keep_their_names(images, plain):
    model = Adapted(Answering(lambda y: y))
    named = explain(model, images, "grad-cam", 1, "net.features")
    assert named.layer == "network.net.features"
    assert torch.equal(named.maps, plain)
    with pytest.raises(LayerError, match=r"net\.features"):
        explain(model, images, layer="net.featurs")


def test_loading_keeps_the_names_of_the_classes(tmp_path):
    assert load_model(Adapted(nn.Identity(), "binary")).class_names == ("negative", "positive")
    named = Adapted(nn.Identity(), class_names=["cat", "dog"])
    assert load_model(named).class_names == ("cat", "dog")
    assert load_model(Classifier(named)).class_names is None
    (tmp_path / "net.py").write_text(
        "from regionwise import Adapted\nfrom torch import nn\n"
        "def build():\n    return Adapted(nn.Identity(), 'binary')\n"
    )
    assert load_model(f"{tmp_path}/net.py:build").class_names == ("negative", "positive")
