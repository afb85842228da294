"""The judge: the classifier whose answers to altered images are scored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from regionwise.errors import ModelError, SettingError, TargetError
from regionwise.evidence.checks import as_logits, check_inputs, finite_logits
from regionwise.evidence.engine import MANY, Engine
from regionwise.evidence.state import borrowed
from regionwise.models.adapters import chances, link_of
from regionwise.models.classifier import Classifier
from regionwise.models.placement import device_of
from regionwise.shapes import Inputs, Logits

Score: TypeAlias = Literal["probability", "logit"]
"""What is read of the judge's answer; a published number is often of the other one."""

REMEMBERED: Final = 2**24
"""Logits kept for metrics that ask for the same altered images (64 MiB in single precision)."""


class Judge:
    """A classifier that scores images, whatever was done to them.

    It is given back as it was after every call. Logits are remembered, not scores: they serve every
    class, and both probability and logit.

    Attributes:
        classifier: the network and its preprocessing.
        temperature: what its logits are divided by; see :meth:`tempered`.
        passes: how many images were run through the network so far.
    """

    def __init__(self, model: nn.Module | Classifier, *, chunk: int | None = None) -> None:
        self.classifier = model if isinstance(model, Classifier) else Classifier(model)
        self.temperature = 1.0
        self.passes = 0
        self._chunk = chunk
        self._known: OrderedDict[Hashable, Tensor] = OrderedDict()

    def tempered(self, temperature: float) -> Judge:
        """Return a judge whose logits are this one's, divided by a temperature above 0.

        Both remember the same answers of the network, which is asked once for them.

        Raises:
            ModelError: the network gives no probabilities by a softmax.
            SettingError: the temperature is not above 0.
        """
        if link_of(self.classifier.module) != "softmax":
            raise ModelError("the judge gives no probabilities by a softmax, so it has no temper")
        if not temperature > 0:
            raise SettingError(f"a temperature is above 0, not {temperature}")
        found = Judge(self.classifier, chunk=self._chunk)
        found.temperature, found._known = self.temperature * temperature, self._known
        return found

    def logits(self, inputs: Inputs) -> Logits:
        """Return the logits n y of any inputs, run in chunks and without a graph.

        Raises:
            InputError: the inputs are no finite images.
            ModelError: the network does not answer with finite logits.
        """
        return self._divided(self._run(inputs))

    def _run(self, inputs: Inputs) -> Logits:
        model = self.classifier.module
        with borrowed(model), torch.no_grad():
            engine = Engine(model, copies=len(inputs) >= MANY)
            fed = check_inputs(inputs).to(device_of(model), engine.dtype)
            engine.fold(fed[:1], "")
            found = engine.settle(lambda: self._answers(engine, fed), ("", *fed.shape[1:]))
        self.passes += len(fed)
        return finite_logits(torch.cat(found), model)

    def _answers(self, engine: Engine, fed: Inputs) -> list[Tensor]:
        def run(part: slice) -> Tensor:
            return as_logits(engine.model(engine.feed(fed[part])), part.stop - part.start)

        with engine.running():
            return engine.pace.over(len(fed), fed, run, asked=self._chunk)

    def under(self, key: Hashable, make: Callable[[], Inputs]) -> Logits:
        """Return the logits of the images that ``make`` gives; a known key is not run again.

        The key must name the images completely: what they were made from, and how. What was asked
        for last is kept, up to :data:`REMEMBERED` numbers.
        """
        if key in self._known:
            self._known.move_to_end(key)
            return self._divided(self._known[key])
        self._known[key] = logits = self._run(make())
        while len(self._known) > 1 and self._remembered() > REMEMBERED:
            self._known.popitem(last=False)
        return self._divided(logits)

    def forget(self) -> None:
        """Drop all remembered logits."""
        self._known.clear()

    def scores(
        self, logits: Float[Tensor, "*b y"], classes: Int[Tensor, "*b"], score: Score
    ) -> Float[Tensor, "*b"]:
        """Return the probability, or the logit, of one class per row, in double precision.

        Raises:
            ModelError: probabilities are asked of a network that gives none.
            TargetError: a class does not exist.
        """
        link = link_of(self.classifier.module)
        if score == "probability" and link == "identity":
            raise ModelError("the judge is a regression and gives no probabilities; score=logit")
        count = logits.shape[-1]
        if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < count:
            raise TargetError(
                f"the judge has classes 0 to {count - 1}, and was asked for"
                f" {int(classes.min())} to {int(classes.max())}"
            )
        values = logits.double()
        if score == "probability":
            values = chances(values, link, dim=-1)
        return values.gather(-1, classes.to(values.device).unsqueeze(-1)).squeeze(-1)

    def _divided(self, logits: Logits) -> Logits:
        return logits if self.temperature == 1 else logits / self.temperature

    def _remembered(self) -> int:
        return sum(logits.numel() for logits in self._known.values())
