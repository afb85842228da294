"""A common judge: another classifier that scores what was made for the model that is explained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from regionwise.benchmark.samples import classes_for
from regionwise.errors import SettingError
from regionwise.evidence.checks import as_logits
from regionwise.evidence.masking import resized
from regionwise.models.adapters import link_of
from regionwise.models.classifier import Classifier
from regionwise.models.preprocessing import Preprocessing


class Converted(nn.Module):
    """A network that is given what another one sees: colours and size are converted first.

    Colours are not clipped, so that it is an affine map and an altered image stays what it is.
    Classes are put into the order of the other network.
    """

    def __init__(
        self, judge: Classifier, come: Preprocessing, go: Preprocessing, classes: list[int]
    ) -> None:
        super().__init__()
        self.judge = judge.module
        self._come, self._go, self._classes = come, go, classes

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the judge's logits in the order of the other network's classes."""
        mean, std = _constants(self._come, inputs)
        rgb = inputs * std + mean
        if tuple(rgb.shape[2:]) != self._go.size:
            rgb = resized(rgb, self._go.size)
        logits = as_logits(self.judge(self._go.normalize(rgb)), len(rgb))
        return logits[:, self._classes]


def judge_for(model: Classifier, judge: Classifier) -> Classifier:
    """Return a classifier that takes the inputs of ``model`` and answers as ``judge``.

    Raises:
        SettingError: a preprocessing is unknown, the classes are not the same, or the judge gives
            no softmax.
    """
    if model.preprocessing is None or judge.preprocessing is None:
        raise SettingError(
            f"{judge.source!r} cannot judge {model.source!r}: both must know their preprocessing"
        )
    if link_of(judge.module) != "softmax":
        raise SettingError(f"{judge.source!r} cannot judge: it gives no probabilities by a softmax")
    names = model.class_names or ()
    classes = classes_for(names, judge.class_names, len(names)) if names else None
    if classes is None or sorted(classes) != list(range(len(judge.class_names or names))):
        raise SettingError(
            f"{judge.source!r} cannot judge {model.source!r}: their classes are not the same"
        )
    module = Converted(judge, model.preprocessing, judge.preprocessing, classes).eval()
    return replace(judge, module=module, preprocessing=model.preprocessing, class_names=names)


def _constants(how: Preprocessing, like: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = torch.tensor(how.mean), torch.tensor(how.std)
    return mean.to(like)[:, None, None], std.to(like)[:, None, None]
