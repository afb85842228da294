"""From what was asked to what will be done, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from regionwise.errors import ModelError, SettingError
from regionwise.heads.cape import Cape
from regionwise.heads.network import NetworkSpec, RegionNetwork, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.surgery import Surgery
from regionwise.training.checking import check_order, check_request
from regionwise.training.data import SplitChoice, Splits, split
from regionwise.training.given import Given, open_given, vanilla_of
from regionwise.training.recipes import default_scheme, scheme_card
from regionwise.training.records import data_record, scheme_record, training_record
from regionwise.training.request import TrainRequest
from regionwise.training.samples import read_data
from regionwise.training.schemes import Scheme, SchemeCard, changed
from regionwise.training.views import preprocessing_of


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a run needs, and the config that says so.

    Attributes:
        request: what was asked.
        card: the published recipe.
        scheme: the recipe with what was changed.
        splits: the images.
        network: the network before its first step.
        preprocessing: from a picture to its inputs.
        config: what ``config.json`` holds.
        notes: what somebody should know before it begins.
    """

    request: TrainRequest
    card: SchemeCard
    scheme: Scheme
    splits: Splits
    network: RegionNetwork
    preprocessing: Preprocessing
    config: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def make_plan(request: TrainRequest) -> Plan:
    """Check a request and prepare its run; nothing is written.

    Raises:
        RegionwiseError: the request cannot be met; says which part of it.
    """
    card, scheme = scheme_of(request)
    check_request(request, scheme)
    data = read_data(request.data, groups=request.groups)
    choice = SplitChoice(request.validation, request.folds, request.fold, request.seed)
    splits = split(data, choice)
    given = None if request.given is None else open_given(request.given)
    notes = check_order(data, given) if given is not None and scheme.frozen else ()
    spec = network_spec(request, scheme, given, len(data.class_names))
    network, preprocessing = _built(request, scheme, spec, given)
    config = {
        "kind": "regionwise-run",
        "version": 1,
        "network": spec.to_json(),
        "preprocessing": preprocessing.describe(),
        "class_names": list(data.class_names),
        "scheme": scheme_record(card, scheme),
        "data": data_record(data, splits, request),
        "training": training_record(request),
    }
    return Plan(request, card, scheme, splits, network, preprocessing, config, notes)


def scheme_of(request: TrainRequest) -> tuple[SchemeCard, Scheme]:
    """Return the recipe's card, and the recipe with what the request changes in it.

    Raises:
        SettingError: an unknown scheme or setting, or a head that is not the scheme's.
    """
    card = scheme_card(request.scheme or default_scheme(request.head or "cape"))
    scheme = changed(card.scheme, request.settings)
    if request.head is not None and request.head != scheme.head:
        default_scheme(request.head)
        raise SettingError(
            f"scheme {card.name!r} trains a {scheme.head} head, not {request.head!r};"
            f" take {default_scheme(request.head)!r}, or leave --head out"
        )
    return card, replace(scheme, size=request.size) if request.size else scheme


def network_spec(
    request: TrainRequest, scheme: Scheme, given: Given | None, classes: int
) -> NetworkSpec:
    """Return how the network is built.

    Raises:
        ModelError: post-fitting on another backbone than the one given.
    """
    backbone = _backbone_spec(request, given)
    if scheme.frozen and given is not None and backbone != given.backbone:
        raise ModelError(
            f"post-fitting keeps the network {given.source!r} as it is; leave --backbone,"
            " --larger-map, --surgery and --layer out"
        )
    options: dict[str, Any] = {}
    if scheme.head == "cape":
        options = {"temperatures": scheme.temperatures}
    elif scheme.head == "calm":
        options = {"prior": scheme.prior, "detach_normaliser": scheme.detach_normaliser}
    return NetworkSpec(backbone, scheme.head, classes, options, vanilla=scheme.vanilla)


def _backbone_spec(request: TrainRequest, given: Given | None) -> BackboneSpec:
    if request.backbone is None and given is not None:
        spec = given.backbone
        return replace(
            spec,
            layer=request.layer or spec.layer,
            larger=request.larger_map or spec.larger,
            surgery=cast("Surgery", request.surgery) if request.surgery != "none" else spec.surgery,
        )
    return BackboneSpec(
        str(request.backbone),
        layer=request.layer,
        larger=request.larger_map,
        surgery=cast("Surgery", request.surgery),
        options=dict(request.options),
    )


def _built(
    request: TrainRequest, scheme: Scheme, spec: NetworkSpec, given: Given | None
) -> tuple[RegionNetwork, Preprocessing]:
    """Build the network at the size it will be used with, and copy what is given."""
    weights = request.weights or ("random" if given else scheme.initialisation)
    own = None if given is None else given.preprocessing
    preprocessing = preprocessing_of(scheme, own)
    network = build_network(spec, weights=weights, size=preprocessing.size, seed=request.seed)
    if own is None:
        preprocessing = preprocessing_of(scheme, network.backbone.preprocessing)
        if preprocessing.size != preprocessing_of(scheme, None).size:
            size = preprocessing.size
            network = build_network(spec, weights=weights, size=size, seed=request.seed)
    if given is not None:
        copy_given(network, given, with_head=scheme.frozen)
    return network, preprocessing


def copy_given(network: RegionNetwork, given: Given, *, with_head: bool) -> None:
    """Copy the backbone's weights; for post-fitting the vanilla head's, too, into both heads.

    Raises:
        ModelError: the backbone is another one, or there is no such head.
    """
    try:
        network.backbone.load_state_dict(dict(given.state))
    except RuntimeError as error:
        raise ModelError(
            f"the backbone of {given.source!r} is not the one asked for; leave --backbone out"
        ) from error
    if not with_head or network.vanilla is None:
        return
    linear = vanilla_of(given, network.head.classes)
    with torch.no_grad():
        network.vanilla.linear.weight.copy_(linear.weight)
        network.vanilla.linear.bias.copy_(linear.bias)
    if isinstance(network.head, Cape):
        network.head.copy_from(linear)
        learnt = given.temperatures
        if learnt is not None and learnt.shape == network.head.log_temperatures.shape:
            with torch.no_grad():
                network.head.log_temperatures.copy_(learnt)
