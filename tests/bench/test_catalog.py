"""Groups are built, on tiny pictures, and every claim finds its contenders in one of them."""

import pytest
import torch
from bench.catalog import groups as listed
from bench.claims import claims
from bench.groups_tail import LARGE
from bench.settings import Settings, quick

from bench import catalog, groups, groups_cape, networks

SETTINGS = quick({"networks": ("resnet18",), "full": True, "device": "cpu"})


@pytest.fixture
def tiny(monkeypatch):
    """No pictures are drawn and no limit is looked for: nothing is run that takes time."""

    def pictures(count, *_):
        return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))

    for file in (*catalog.FILES, groups):
        if hasattr(file, "pictures"):
            monkeypatch.setattr(file, "pictures", pictures)
    monkeypatch.setattr(groups, "limit_of", lambda *_: torch.nn.Identity())
    monkeypatch.setattr(groups_cape, "NETWORK", "resnet18")
    monkeypatch.setattr(groups_cape, "best", lambda *_: torch.nn.Identity())
    monkeypatch.setattr(networks, "settled", lambda model, _: model.eval())
    yield
    networks.network.cache_clear()
    networks.first_channels.cache_clear()


@pytest.mark.parametrize(
    "group", [one for one in listed(SETTINGS) if one.of != LARGE], ids=lambda one: one.id
)
def test_the_claims_of_a_group_name_contenders_that_it_has(group, tiny):
    case = group.build(SETTINGS)
    known = {*(one.name for one in case.contenders), *case.checks}
    assert len(known) == len(case.contenders) + len(case.checks)
    own = [claim for claim in claims() if claim.group == group.name]
    compared = [one for claim in own for one in claim.compared]
    strays = {name for one in compared for name in (*one.ours, *one.theirs)} - known
    # memory is asked of other channels in a quick measurement, graphs are for a GPU
    elsewhere = {"512 channels", "cuda-graphs"}
    assert group.of.startswith("vit") or strays <= elsewhere
    assert own or group.name == "curve"


def test_every_claim_belongs_to_a_group():
    names = {group.name for group in listed(SETTINGS)}
    assert {claim.group for claim in claims()} <= names


def test_groups_are_chosen_by_name_or_by_name_and_network():
    assert [one.id for one in listed(SETTINGS, ["score-cam"])] == ["score-cam/resnet18"]
    both = listed(SETTINGS, ["*/birds-1", "startup"])
    assert {one.name for one in both} == {"startup", "score-cam-budget", "ray", "curve"}
    assert listed(SETTINGS, ["nothing"]) == []


def test_what_takes_minutes_is_measured_only_if_asked_for():
    everything = {one.id for one in listed(SETTINGS)}
    usual = {one.id for one in listed(Settings(networks=("resnet18",)))}
    assert {"curve/birds-1", "ablation-cam/resnet50"} <= everything - usual
    assert len({one.id for one in listed(SETTINGS)}) == len(listed(SETTINGS))
