"""What a training was asked for, as plain data. Nothing here imports torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class Told(Protocol):
    """Whom the run tells how far it is."""

    @property
    def advance(self) -> Callable[[int], None]:
        """Some more steps are done."""

    @property
    def say(self) -> Callable[[str], None]:
        """One line for people."""


OpenTold: TypeAlias = Callable[[int], AbstractContextManager[Told]]
"""Opens a progress bar for a number of steps."""


class Silent:
    """Nobody is told."""

    def advance(self, count: int) -> None:
        """Tell nobody."""

    def say(self, line: str) -> None:
        """Tell nobody."""


class Plain(Silent):
    """Lines on standard error, without a bar."""

    def say(self, line: str) -> None:
        """Write the line."""
        sys.stderr.write(f"{line}\n")


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """The arguments of ``regionwise train``, unchecked.

    Attributes:
        data: ``birds:DIR``, ``cub:DIR`` or ``folder:DIR``.
        out: the run's folder.
        head: pooled, cape or calm; ``None`` takes the scheme's.
        scheme: name of a recipe; ``None`` takes the head's usual one.
        settings: what is changed in it: ``("epochs=3", "lr=0.01")``.
        given: a run's folder or a classifier, for backbone and vanilla head (post-fitting), or to
            start the backbone from.
        backbone: what :class:`BackboneSpec` calls source; ``None`` takes that of ``given``.
        options: of the backbone, such as ``{"widths": [8, 8, 16, 16, 32]}``.
        layer: where the backbone is cut.
        larger_map: how many of the last halvings of its map are undone.
        surgery: convolutions behind its features.
        weights: of the backbone: pretrained, random or a file; ``None`` takes what the scheme says.
        size: pixels on a side; 0 takes what the scheme says.
        validation: share of the training images that the best epoch is chosen by.
        groups: file that says which images belong together.
        folds: number of folds for cross-validation; 0 for none.
        fold: the one to test on.
        seed: of everything that is drawn.
        device: cpu, cuda, cuda:1, mps.
        devices: how many of them.
        precision: as Lightning calls it: 32-true, bf16-mixed, 16-mixed.
        accumulate: parts that a step's images are passed through in.
        workers: processes that read pictures.
    """

    data: str
    out: Path
    head: str | None = None
    scheme: str | None = None
    settings: tuple[str, ...] = ()
    given: str | None = None
    backbone: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    layer: str | None = None
    larger_map: int = 0
    surgery: str = "none"
    weights: str | None = None
    size: int = 0
    validation: float = 0.1
    groups: str | None = None
    folds: int = 0
    fold: int = 0
    seed: int = 0
    device: str = "cpu"
    devices: int = 1
    precision: str = "32-true"
    accumulate: int = 1
    workers: int = 0


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        folder: the run's folder.
        card: what its ``card.json`` holds.
        trained: false if the run had been finished before.
    """

    folder: Path
    card: Mapping[str, Any]
    trained: bool
