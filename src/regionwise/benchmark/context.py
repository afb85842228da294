"""What scoring a chunk needs at hand: models, judges and pictures, each loaded once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from regionwise.benchmark.digests import digest
from regionwise.benchmark.judges import judge_for
from regionwise.benchmark.matching import (
    SAMPLE,
    Matched,
    mean_confidence,
    sample_logits,
    temperature_for,
)
from regionwise.benchmark.recipe import OWN, matched_to
from regionwise.benchmark.samples import BenchmarkData, classes_for
from regionwise.evidence.remembering import Memory
from regionwise.evidence.room import Room
from regionwise.metrics.judge import Judge
from regionwise.models.classifier import Classifier
from regionwise.zoo import load_model


@dataclass(eq=False)
class Context:
    """Loads what chunks need, once in this process.

    Attributes:
        data: the pictures.
        seed: of the sample; it is written with every row.
        judges: names of judges: ``own``, ``matched:0.9``, ``matched:SOURCE``, or what
            ``load_model`` takes.
        device: where networks run.
    """

    data: BenchmarkData
    seed: int = 0
    judges: Sequence[str] = (OWN,)
    device: str = "cpu"
    _models: dict[str, Classifier] = field(default_factory=dict, repr=False)
    _memories: dict[str, Memory] = field(default_factory=dict, repr=False)
    _judges: dict[tuple[str, str], Judge] = field(default_factory=dict, repr=False)
    _hashes: dict[str, str] = field(default_factory=dict, repr=False)
    _classes: dict[str, list[int] | None] = field(default_factory=dict, repr=False)
    _matched: dict[tuple[str, str], Matched] = field(default_factory=dict, repr=False)
    _confident: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _rooms: dict[Hashable, Room] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what is loaded, when it is sent to another process; measured is enough."""
        kept = ("data", "seed", "judges", "device", "_matched")
        fresh = Context(*(getattr(self, name) for name in kept[:4]))
        return {**vars(fresh), "_matched": dict(self._matched)}

    def model(self, source: str) -> Classifier:
        """Return a model, loaded at the first call."""
        if source not in self._models:
            self._models[source] = load_model(source, device=self.device)
        return self._models[source]

    def memory(self, source: str) -> Memory:
        """Return what is remembered of masked pictures of a model; of one model at a time."""
        if source not in self._memories:
            self._memories.clear()
            self._memories[source] = Memory(self.model(source).module)
        return self._memories[source]

    def judge(self, name: str, model: str) -> Judge:
        """Return who scores the altered inputs of a model."""
        key = (name, model)
        if key not in self._judges and matched_to(name) is not None:
            temperature = self.matched(name, model).temperature
            self._judges[key] = self.judge(OWN, model).tempered(temperature)
        elif key not in self._judges:
            own = self.model(model)
            classifier = own if name in {OWN, model} else judge_for(own, self.model(name))
            self._judges[key] = Judge(classifier)
        return self._judges[key]

    def matched(self, name: str, model: str) -> Matched:
        """Return how a model is brought to the confidence of a judge such as ``matched:0.9``."""
        if (name, model) not in self._matched:
            wanted = matched_to(name)
            logits = self._sampled(model)
            if isinstance(wanted, float):
                reference = wanted
            else:
                reference = mean_confidence(self._sampled(str(wanted)))
            self._matched[name, model] = Matched(
                temperature_for(logits, reference), mean_confidence(logits), reference, len(logits)
            )
        return self._matched[name, model]

    def judge_hash(self, name: str) -> str:
        """Return a hash of who a judge other than the model itself is."""
        wanted = matched_to(name)
        if wanted is None:
            return self.hash(name)
        reference = wanted if isinstance(wanted, float) else self.hash(wanted)
        return digest(["matched", reference, SAMPLE])

    def _sampled(self, source: str) -> Tensor:
        if source not in self._confident:
            judge = self.judge(OWN, source)
            self._confident[source] = sample_logits(judge, self.data, self.seed).cpu()
        return self._confident[source]

    def classes(self, source: str, outputs: int) -> list[int] | None:
        """Return the model's class for each label of the data; ``None`` if they are others."""
        if source not in self._classes:
            names = self.model(source).class_names
            self._classes[source] = classes_for(self.data.class_names, names, outputs)
        return self._classes[source]

    def hash(self, source: str) -> str:
        """Return a hash of all that decides a model's answers, and the layer explained."""
        if source not in self._hashes:
            one = self.model(source)
            how = None if one.preprocessing is None else one.preprocessing.describe()
            kind = type(one.module).__name__
            content = [one.weights_hash(), kind, how, one.class_names, one.layer]
            self._hashes[source] = digest(content)
        return self._hashes[source]

    def room(self, kind: Hashable) -> Room:
        """Return how many images of one kind of chunk fit into memory together."""
        return self._rooms.setdefault(kind, Room())

    def clear(self) -> None:
        """Drop all that is remembered and could be worked out again: memory did not suffice."""
        for memory in self._memories.values():
            memory.forget()
        self.forget()

    def forget(self) -> None:
        """Drop the logits that judges remember: the next chunk has other images."""
        for judge in self._judges.values():
            judge.forget()
        if torch.cuda.is_available() and torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()
