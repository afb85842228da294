"""CAPE: what an explanation adds to a classification, and its contributions' formula."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from bench.agreement import difference
from bench.groups import FULL, Case, Group, forget_gradients
from bench.limits import best
from bench.measuring import Contender
from bench.networks import network, pictures
from bench.settings import Settings
from regionwise import explain
from regionwise.heads.cape import cape_joint
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec

CLASSES = 200
NETWORK = "resnet50"
IMAGES, SIDE = 8, 14

Maps = Float[Tensor, "n y i j"]


def groups(_: Settings) -> Iterator[Group]:
    """Yield both."""
    yield Group("cape", NETWORK, explanation_case)
    yield Group("cape-contributions", f"{IMAGES}x{CLASSES}x{SIDE}x{SIDE}", contributions_case)


def explanation_case(settings: Settings) -> Case:
    """Build an explained network of 200 classes against the vanilla one that only classifies."""
    inputs = pictures(settings.batch, settings.size, settings.device)
    vanilla = network(NETWORK, settings.device, CLASSES)
    spec = NetworkSpec(BackboneSpec(f"torchvision:{NETWORK}"), "cape", CLASSES)
    explained = build_network(spec, weights="random").to(settings.device)
    way = best(vanilla, FULL, inputs, 1 if settings.quick else 2)
    count = len(inputs)

    def classify(model: torch.nn.Module) -> None:
        with torch.inference_mode():
            model(inputs)

    return Case(
        contenders=[
            Contender("limit float32", lambda: way(inputs), count),
            Contender("vanilla network as it is", partial(classify, vanilla), count),
            Contender("CAPE network as it is", partial(classify, explained), count),
            Contender("ours", lambda: explain(explained, inputs, "cape", 0).saliency(), count),
        ],
        facts={"classes": CLASSES, "batch": count, "limit float32": str(way)},
        reset=forget_gradients(explained),
    )


def contributions_case(settings: Settings) -> Case:
    """Build two softmaxes against the authors' formulation."""
    torch.manual_seed(0)
    maps = torch.randn(IMAGES, CLASSES, SIDE, SIDE).to(settings.device)
    return Case(
        contenders=[
            Contender("ours", lambda: two_softmaxes(maps), IMAGES),
            Contender("reference formulation", lambda: reference(maps), IMAGES, warm=False),
        ],
        checks={"difference": lambda: difference(two_softmaxes(maps), reference(maps))},
    )


@torch.inference_mode()
def two_softmaxes(maps: Maps) -> Maps:
    """Return the contributions from the joint: images x classes x locations, and no more."""
    return cape_joint(maps).log_joint.exp()


@torch.inference_mode()
def reference(maps: Maps) -> Maps:
    """Return the contributions as the authors' code computes them.

    The mean map at every location is weighed against every other location, for each class: a
    tensor of images x classes x locations x locations.
    """
    flat = maps.flatten(2)
    mean = flat.mean(dim=1, keepdim=True).expand_as(flat)
    pairs = (mean[:, :, None, :] - mean[:, :, :, None]).exp()
    return (flat.softmax(dim=1) / pairs.sum(dim=3)).view_as(maps)
