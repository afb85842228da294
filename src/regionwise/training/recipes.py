"""The published schemes, as cards. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from regionwise.errors import SettingError, nearest
from regionwise.training.schemes import Scheme, SchemeCard

_CAPE: Final = "Chowdhury et al. 2024"
_CALM: Final = "Kim et al. 2021"

_CUB: Final = Scheme(size=448)
_SCRATCH: Final = replace(_CUB, head="cape", loss="bootstrap", vanilla=True, detach=True)
_FITTING: Final = replace(
    _SCRATCH,
    frozen=True,
    alpha=0.0,
    lr=1e-4,
    epochs=30,
    augmentation="flip",
    initialisation="given",
    size=0,
)
_EM: Final = Scheme(
    head="calm",
    loss="calm-em",
    lr=0.01,
    groups="backbone",
    multiplier=10.0,
    nesterov=True,
    epochs=40,
    batch=64,
    size=224,
    view="squash",
    augmentation="crop",
)
CARDS: Final = (
    SchemeCard(
        name="vanilla",
        reference=f"{_CAPE}, Sec. 4.1",
        summary="Pooling and one linear layer, by cross entropy: the classifier to compare with.",
        scheme=replace(_CUB, size=0),
        choice="The settings of CAPE's training from scratch on CUB, at the backbone's own size.",
    ),
    SchemeCard(
        name="direct-ce",
        reference=f"{_CAPE}, Table 2 (Direct CE)",
        summary="The CAPE head by cross entropy alone; the backbone learns from it.",
        scheme=replace(_CUB, size=0, head="cape"),
        choice="Settings of the training from scratch on CUB; the paper names none of its own.",
    ),
    SchemeCard(
        name="post-fitting",
        reference=f"{_CAPE}, Sec. 3.2.4 (PF) and 4.1",
        summary="A CAPE head on a finished classifier, which stays as it is and teaches it.",
        scheme=_FITTING,
        choice="Paper: learning rate 1e-4; the code has 1e-3 (post-fitting-code). Images are only"
        " flipped: neither says otherwise, and what the frozen backbone says of them is computed"
        " once and kept, so that an epoch costs the head alone (not with other augmentations).",
    ),
    SchemeCard(
        name="post-fitting-imagenet",
        reference=f"{_CAPE}, Eq. 11 and Sec. 4.1",
        summary="Post-fitting for many classes: only images on which the heads disagree count.",
        scheme=replace(_FITTING, selective=True, epochs=5),
        choice="The selective loss is not in the published code.",
    ),
    SchemeCard(
        name="post-fitting-code",
        reference=f"{_CAPE}, published code",
        summary="Post-fitting as the authors' code does it.",
        scheme=replace(_FITTING, lr=1e-3, temperatures="three", augmentation="resized-crop"),
        choice="Three temperatures, which keep their values if the given network has a CAPE head;"
        " learning rate 1e-3. Its choice of the best epoch on the test images is not repeated.",
    ),
    SchemeCard(
        name="from-scratch",
        reference=f"{_CAPE}, Sec. 3.2.4 (TS) and 4.1, CUB",
        summary="Backbone and vanilla head learn by cross entropy, CAPE from the vanilla head.",
        scheme=_SCRATCH,
        choice="From scratch means from ImageNet's weights, in the paper, too. The cross entropy"
        " is the vanilla head's (Eq. 11 and code); by Eq. 10 as printed nothing would train it.",
    ),
    SchemeCard(
        name="from-scratch-imagenet",
        reference=f"{_CAPE}, Sec. 3.2.4 (TS), Eq. 11 and Sec. 4.1, ImageNet",
        summary="Training from scratch, selective, 90 epochs at 224 pixels.",
        scheme=replace(_SCRATCH, size=224, epochs=90, selective=True),
    ),
    SchemeCard(
        name="from-scratch-cmml",
        reference=f"{_CAPE}, Sec. 3.2.4 (TS) and 4.1, CMML",
        summary="Training from scratch, 100 epochs, the rate falling on a line to 1/100.",
        scheme=replace(_SCRATCH, size=352, epochs=100, schedule="linear", weight_decay=5e-4),
        choice="Five folds by patient: --groups FILE --folds 5 --fold 0 to 4.",
    ),
    SchemeCard(
        name="from-scratch-code",
        reference=f"{_CAPE}, published code",
        summary="Training from scratch with three temperatures, as the authors' code has it.",
        scheme=replace(_SCRATCH, temperatures="three"),
    ),
    SchemeCard(
        name="calm-em",
        reference=f"{_CALM}, Eq. 5-6",
        summary="CALM by expectation maximisation: it names the places, then learns them.",
        scheme=_EM,
        choice="Backbone at 0.01 and new layers at ten times that, which is what the code means"
        " (calm-em-code: what it does). On a ResNet add --larger-map 1 for the paper's 14 x 14.",
    ),
    SchemeCard(
        name="calm-ml",
        reference=f"{_CALM}, Eq. 3-4",
        summary="CALM by maximum likelihood.",
        scheme=replace(_EM, loss="calm-ml"),
        choice="As calm-em.",
    ),
    SchemeCard(
        name="calm-em-code",
        reference=f"{_CALM}, published code",
        summary="CALM-EM with the code's prior and its choice of parameters.",
        scheme=replace(
            _EM, groups="substring", prior="relu", detach_normaliser=True, em_epsilon=1e-10
        ),
        choice="ReLU prior, normaliser detached, 1e-10 in the pseudo-targets. A parameter has 0.01"
        " if its name contains conv1, layer1, layer2 or layer3, else ten times that: most of"
        " layer4 and the stem's norm among them.",
    ),
    SchemeCard(
        name="score-cam++-finetune",
        reference="Mitra et al. 2024, Appendix C",
        summary="A pretrained network goes on learning: Adam at 1e-4, batches of 64, 100 epochs.",
        scheme=replace(
            _CUB,
            size=224,
            optimiser="adam",
            lr=1e-4,
            weight_decay=0.0,
            schedule="constant",
            batch=64,
            epochs=100,
            augmentation="none",
        ),
        choice="No augmentation and no decay are named, so there are none.",
    ),
)

_BY_NAME: Final = {card.name: card for card in CARDS}
_DEFAULTS: Final = {"pooled": "vanilla", "cape": "post-fitting", "calm": "calm-em"}


def scheme_card(name: str) -> SchemeCard:
    """Return a scheme's card.

    Raises:
        SettingError: there is no such scheme; the nearest are offered.
    """
    if name not in _BY_NAME:
        raise SettingError(f"unknown scheme {name!r}: {nearest(name, _BY_NAME)}")
    return _BY_NAME[name]


def default_scheme(head: str) -> str:
    """Return the scheme that is taken for a head if none is named.

    Raises:
        SettingError: there is no such head.
    """
    if head not in _DEFAULTS:
        raise SettingError(f"unknown head {head!r}: {nearest(head, _DEFAULTS)}")
    return _DEFAULTS[head]
