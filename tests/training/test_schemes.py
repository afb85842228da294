"""The published recipes, what may be changed in them, and the learning rate over the epochs."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from regionwise.errors import SettingError
from regionwise.training.optimisers import is_slow, learning_names, optimiser_for, set_rate
from regionwise.training.recipes import CARDS, default_scheme, scheme_card
from regionwise.training.schemes import Scheme, changed, learning_rate_factor

# name: lr, epochs, batch, weight decay, schedule, size; PROTOCOLS of CAPE 4.1, CALM and ScoreCAM++
PUBLISHED = {
    "post-fitting": (1e-4, 30, 32, 1e-4, "step", 0),
    "post-fitting-imagenet": (1e-4, 5, 32, 1e-4, "step", 0),
    "post-fitting-code": (1e-3, 30, 32, 1e-4, "step", 0),
    "from-scratch": (1e-3, 200, 32, 1e-4, "step", 448),
    "from-scratch-imagenet": (1e-3, 90, 32, 1e-4, "step", 224),
    "from-scratch-cmml": (1e-3, 100, 32, 5e-4, "linear", 352),
    "calm-em": (0.01, 40, 64, 1e-4, "step", 224),
    "calm-ml": (0.01, 40, 64, 1e-4, "step", 224),
    "score-cam++-finetune": (1e-4, 100, 64, 0.0, "constant", 224),
}


@pytest.mark.parametrize(("name", "values"), PUBLISHED.items())
def test_a_published_recipe_has_the_published_numbers(name, values):
    scheme = scheme_card(name).scheme
    found = (scheme.lr, scheme.epochs, scheme.batch, scheme.weight_decay)
    assert (*found, scheme.schedule, scheme.size) == values


def test_the_kinds_of_training_differ_where_the_papers_say():
    fitting, scratch = scheme_card("post-fitting").scheme, scheme_card("from-scratch").scheme
    assert (fitting.alpha, fitting.beta, fitting.frozen) == (0, 1, True)
    assert (scratch.alpha, scratch.beta, scratch.detach, scratch.frozen) == (1, 1, True, False)
    assert scheme_card("post-fitting-imagenet").scheme.selective
    assert scheme_card("from-scratch-imagenet").scheme.selective
    code = scheme_card("post-fitting-code").scheme
    assert (code.temperatures, code.selective) == ("three", False)
    direct = scheme_card("direct-ce").scheme
    assert (direct.loss, direct.detach, direct.vanilla) == ("cross-entropy", False, False)
    calm = scheme_card("calm-em-code").scheme
    assert (calm.groups, calm.prior, calm.em_epsilon) == ("substring", "relu", 1e-10)
    assert (calm.nesterov, calm.multiplier, calm.detach_normaliser) == (True, 10, True)
    tuned = scheme_card("score-cam++-finetune").scheme
    assert (tuned.head, tuned.optimiser) == ("pooled", "adam")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_says_where_it_is_from(card):
    assert card.reference
    assert card.summary.endswith(".")
    assert scheme_card(card.name) is card


@pytest.mark.parametrize("head", ["pooled", "cape", "calm"])
def test_every_head_has_a_usual_scheme_that_trains_it(head):
    assert scheme_card(default_scheme(head)).scheme.head == head


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: scheme_card("post-fiting"), "post-fitting"),
        (lambda: default_scheme("cappe"), "did you mean 'cape'"),
        (lambda: changed(Scheme(), ["epoch=3"]), "did you mean 'epochs'"),
        (lambda: changed(Scheme(), ["epochs=3", "epochs=4"]), "given twice"),
        (lambda: changed(Scheme(), ["epochs"]), "write setting=value"),
        (lambda: changed(Scheme(), ["epochs=many"]), "a whole number"),
        (lambda: changed(Scheme(), ["epochs=0"]), "at least 1"),
        (lambda: changed(Scheme(), ["nesterov=maybe"]), "true or false"),
        (lambda: changed(Scheme(), ["optimiser=sdg"]), "sgd, adam"),
        (lambda: changed(Scheme(), ["lr=-1"]), "at least 0"),
        (lambda: Scheme(head="calm"), "calm-em or calm-ml"),
        (lambda: Scheme(head="cape", loss="bootstrap"), "vanilla=true"),
        (lambda: Scheme(vanilla=True), "loss=bootstrap"),
        (lambda: Scheme(frozen=True), "post-fitting"),
        (lambda: Scheme(nesterov=True, momentum=0.0), "momentum"),
        (lambda: changed(scheme_card("from-scratch").scheme, ["alpha=0"]), "vanilla head"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(call, says):
    with pytest.raises(SettingError, match=says):
        call()


def test_what_was_changed_is_known():
    scheme = changed(scheme_card("calm-em").scheme, ["epochs=3", "nesterov=off", "lr=0.01"])
    assert scheme.changed_from(scheme_card("calm-em").scheme) == {"epochs": 3, "nesterov": False}


def test_the_rate_steps_after_whole_epochs():
    scheme = Scheme(epochs=90)
    found = [learning_rate_factor(scheme, epoch) for epoch in (0, 29.99, 30, 59, 60)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_the_rate_falls_on_a_line_to_a_hundredth_in_the_last_epoch():
    scheme = scheme_card("from-scratch-cmml").scheme
    found = [learning_rate_factor(scheme, epoch) for epoch in (0, 0.5, 49.5, 99)]
    assert found == pytest.approx([1, 1, 1 - 0.99 * 49 / 99, 0.01])


def test_cosine_and_warm_up():
    scheme = Scheme(schedule="cosine", epochs=10, final=0.0, warmup=2)
    found = [learning_rate_factor(scheme, epoch) for epoch in (0, 1, 5, 10)]
    assert found == pytest.approx([0, (1 + 0.9510565163) / 4, 0.5, 0], abs=1e-9)


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({"layer1": nn.Linear(2, 2), "layer4": nn.Linear(2, 2)})
        self.head, self.vanilla = nn.Linear(2, 2), nn.Linear(2, 2)


def test_new_layers_learn_faster():
    optimiser = optimiser_for(Toy(), scheme_card("calm-em").scheme)
    rates = {group["lr"]: len(group["params"]) for group in optimiser.param_groups}
    assert rates == {0.01: 4, 0.1: 4}
    set_rate([optimiser], 0.001)
    assert [group["lr"] for group in optimiser.param_groups] == [0.001, 0.01]


@pytest.mark.parametrize(
    ("name", "slow"),
    [
        ("backbone.network.layer1.0.bn1.weight", True),
        ("backbone.network.layer4.0.conv1.weight", True),
        ("backbone.network.layer4.0.conv2.weight", False),
        ("backbone.network.bn1.weight", False),
        ("head.cue.weight", False),
    ],
)
def test_the_substring_rule_of_the_published_code(name, slow):
    assert is_slow(name, "substring") is slow
    assert is_slow(name, "backbone") is name.startswith("backbone.")
    assert is_slow(name, "one")


def test_post_fitting_trains_the_head_alone():
    names = learning_names(Toy(), scheme_card("post-fitting").scheme)
    assert names == ["head.weight", "head.bias"]


@pytest.mark.parametrize(
    ("optimiser", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_the_optimiser_is_the_one_asked_for(optimiser, kind):
    made = optimiser_for(Toy(), replace(Scheme(), optimiser=optimiser, weight_decay=0.5))
    assert type(made) is kind
    assert all(group["weight_decay"] == 0.5 for group in made.param_groups)


def test_the_recipes_load_no_torch():
    program = "import sys, regionwise.training.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
