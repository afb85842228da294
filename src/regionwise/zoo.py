"""Loading a classifier by name, file or factory.

======================  ====================================================================
source                  what is loaded
======================  ====================================================================
``birds``               the newest classifier that is shipped with the package
``birds-1``             that version of it
``birds-cape``          a shipped network that explains itself; ``birds-calm`` is another
``torchvision:NAME``    an architecture of torchvision, with its default weights
``timm:NAME``           an architecture of timm, with its pretrained weights
``hf:NAME``             an image classifier of Hugging Face, by name on the hub or from a folder
``file.py:factory``     what the function ``factory`` in ``file.py`` returns
``RUN``                 a network that was trained here: the folder of its run
a module                the module itself
======================  ====================================================================

``weights`` is ``"pretrained"`` (the default), ``"random"`` (seeded) or a file: safetensors, or a
checkpoint that ``torch.load(weights_only=True)`` accepts. No pickled code is ever run.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from regionwise.errors import ModelError, SettingError, nearest
from regionwise.models.classifier import Classifier
from regionwise.models.runs import load_run, load_shipped_run
from regionwise.models.shipped import is_network, load_shipped, shipped_names
from regionwise.models.sources import PRETRAINED, RANDOM, Wish, of_module, open_source
from regionwise.models.weights import load_weights
from regionwise.models.wrappers import unwrap


def load_model(
    source: str | Path | nn.Module | Classifier,
    *,
    weights: str | Path = PRETRAINED,
    device: str | torch.device = "cpu",
) -> Classifier:
    """Return a classifier in eval mode on ``device``.

    Args:
        source: see the table above.
        weights: ``"pretrained"``, ``"random"`` or a file.
        device: where the network shall run.

    Raises:
        ModelError: the source is unknown or its factory fails.
        WeightsError: weights cannot be read, downloaded, or do not fit.
        SettingError: the device does not exist here.
    """
    device = _checked_device(device)
    if isinstance(source, Classifier):
        classifier = source
    elif isinstance(source, nn.Module):
        classifier = of_module(unwrap(source), "")
    elif isinstance(source, Path):
        classifier = load_run(source, random=str(weights) == RANDOM)
    else:
        classifier = _by_name(source, str(weights))
    if str(weights) not in {PRETRAINED, RANDOM}:
        load_weights(classifier.module, Path(weights))
        classifier = replace(classifier, weights=Path(weights).name)
    if not isinstance(source, str | Path):
        return classifier
    return replace(classifier, module=classifier.module.eval().to(device))


def _by_name(source: str, weights: str) -> Classifier:
    random = weights == RANDOM
    if source in {"birds", *shipped_names()}:
        opened = load_shipped_run if is_network(source) else load_shipped
        return opened(source, random=random)
    found = open_source(source, Wish(pretrained=weights == PRETRAINED))
    if found is not None:
        return found
    with suppress(OSError):  # a name that is too long for one
        if source and Path(source).is_dir():
            return load_run(Path(source), random=random)
    kinds = ["torchvision:NAME", "timm:NAME", "hf:NAME", "file.py:factory", "the folder of a run"]
    known = ["birds", *shipped_names(), *kinds]
    raise ModelError(f"unknown model {source!r}: {nearest(source, known, count=6)}")


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {str(device)!r} here; try 'cpu'") from error
    return found
