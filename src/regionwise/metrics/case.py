"""A case: one batch, explained by one method, with everything a metric may ask for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from regionwise.errors import InputError
from regionwise.evidence.digest import digest
from regionwise.metrics.judge import Judge, Score
from regionwise.shapes import Inputs, Logits

Again: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Explains other inputs n c h w for targets n with the same method: saliency n h w."""

OnModel: TypeAlias = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Explains inputs n c h w for targets n of another network with the same method: maps n i j."""

T = TypeVar("T")

Edited: TypeAlias = Callable[[], Tensor]
"""Gives the inputs with each part changed in turn, n p c h w."""

PARTS: Final = {
    "judge": "a judge: Judge(model)",
    "labels": "the ground-truth classes of the images",
    "maps": "the raw maps of the method",
    "again": "a function that explains other inputs with the same method",
    "second": "the saliency of the second class",
    "second_maps": "the raw maps of the second class",
    "second_targets": "the second classes",
    "model": "the network that was explained",
    "on_model": "a function that explains another network with the same method",
    "regions": "truth with regions: a mask per image",
    "boxes": "truth with boxes",
    "parts": "truth with a mask per part",
    "edited": "truth with the images rendered again, each part changed in turn",
    "segments": "truth with segments (benchmark --segments DIR)",
}
"""What a metric may need of a case, and how to say that it is missing."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """What is known of the images, at the size of the inputs; each field may be missing.

    Attributes:
        regions: where the object, or the cue, is.
        ignore: pixels that count neither as region nor as background.
        boxes: of each image, b 4: left, top, right, bottom in pixels, half-open.
        parts: a mask per part, in the order of ``part_names``.
        edited: gives the inputs n p c h w in which each part is changed in turn; ``edit`` names
            how, for what is named alike is judged once.
        segments: a number per pixel, an index of ``segment_names``.
        differing: in how many united parts the two classes differ where two are explained, n.
    """

    regions: Bool[Tensor, "n h w"] | None = None
    ignore: Bool[Tensor, "n h w"] | None = None
    boxes: tuple[Float[Tensor, "_ 4"] | Int[Tensor, "_ 4"], ...] | None = None
    parts: Bool[Tensor, "n p h w"] | None = None
    part_names: tuple[str, ...] = ()
    edited: Edited | None = None
    edit: str = "removed"
    segments: Int[Tensor, "n h w"] | None = None
    segment_names: tuple[str, ...] = ()
    differing: Int[Tensor, " n"] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """What a metric gets of one batch of one method.

    Attributes:
        inputs: what the model sees, n c h w.
        saliency: n h w in [0, 1], at the size of the inputs.
        targets: the classes that were explained, n.
        maps: raw and signed, at the method's own resolution, n i j.
        labels: the ground truth, n.
        judge: whose answers are scored.
        truth: what is known of the images.
        again: explains other inputs with the same method.
        second: the saliency of the class that came second, n h w.
        second_maps: the raw maps of a second class, n i j, and ``second_targets``, n: which.
        model: the network that was explained.
        on_model: explains another network with the same method.
        flags: why a map says nothing, n x reasons; empty where it says something.
    """

    inputs: Inputs
    saliency: Float[Tensor, "n h w"]
    targets: Int[Tensor, " n"]
    maps: Float[Tensor, "n i j"] | None = None
    labels: Int[Tensor, " n"] | None = None
    judge: Judge | None = None
    truth: Truth | None = None
    again: Again | None = None
    second: Float[Tensor, "n h w"] | None = None
    second_maps: Float[Tensor, "n i j"] | None = None
    second_targets: Int[Tensor, " n"] | None = None
    model: nn.Module | None = None
    on_model: OnModel | None = None
    flags: tuple[tuple[str, ...], ...] | None = None
    _explained: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)
    _worked_out: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a saliency that does not fit the inputs, or lies outside [0, 1]."""
        n, _, h, w = self.inputs.shape
        if tuple(self.saliency.shape) != (n, h, w):
            raise InputError(
                f"saliency of shape {tuple(self.saliency.shape)} does not fit inputs"
                f" {tuple(self.inputs.shape)}; give ({n}, {h}, {w})"
            )
        low, high = float(self.saliency.min()), float(self.saliency.max())
        if not 0 <= low <= high <= 1:
            raise InputError(
                f"saliency must lie in [0, 1], not in [{low:.4g}, {high:.4g}];"
                " Attribution.saliency() gives it"
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.inputs)

    def need(self, part: str) -> Any:
        """Return a part of :data:`PARTS`.

        Raises:
            InputError: the case has none.
        """
        holder = self if part in _OWN else self.truth
        found = getattr(holder, part, None)
        if found is None:
            raise InputError(f"this metric needs {PARTS[part]}; the case has none")
        return found

    @cached_property
    def blank(self) -> Bool[Tensor, " n"]:
        """Which maps say nothing: flagged, or of one value everywhere."""
        flat = self.saliency.flatten(1)
        constant = flat.amin(dim=1) == flat.amax(dim=1)
        if self.flags is None:
            return constant
        flagged = [bool(reasons) for reasons in self.flags]
        return constant | torch.tensor(flagged, device=constant.device)

    @cached_property
    def inputs_key(self) -> str:
        """A name of the inputs, by their values."""
        return digest(self.inputs)

    @cached_property
    def saliency_key(self) -> str:
        """A name of the saliency, by its values: maps that coincide are scored once."""
        return digest(self.saliency)

    @cached_property
    def maps_key(self) -> str:
        """A name of the raw maps, by their values."""
        return digest(self.need("maps"))

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what ``compute`` gives; metrics that name it alike share it."""
        if key not in self._worked_out:
            self._worked_out[key] = compute()
        found: T = self._worked_out[key]
        return found

    def logits(self) -> Logits:
        """Return the judge's logits of the images as they are, n y."""
        judge: Judge = self.need("judge")
        return judge.under(self.inputs_key, lambda: self.inputs)

    def logits_under(self, key: Hashable, make: Callable[[], Inputs]) -> Logits:
        """Return the judge's logits of images altered by this saliency; see :meth:`Judge.under`.

        ``key`` names how they were altered; whose images and which saliency is added to it.
        """
        judge: Judge = self.need("judge")
        return judge.under((self.inputs_key, self.saliency_key, key), make)

    def scores(
        self, logits: Logits, score: Score, classes: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """Return probability or logit of the targets, or of other classes, n."""
        judge: Judge = self.need("judge")
        return judge.scores(logits, self.targets if classes is None else classes, score)

    def explained(
        self, key: Hashable, make: Callable[[], Inputs], classes: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n h w"]:
        """Return the same method's saliency of altered images, for the targets or other classes.

        ``key`` names how the images were altered, and the classes if they are others; a known key
        is not explained again.
        """
        again: Again = self.need("again")
        if key not in self._explained:
            found = again(make(), self.targets if classes is None else classes)
            self._explained[key] = found.to(self.saliency.device)
        return self._explained[key]


_TRUTH: Final = frozenset({"regions", "boxes", "parts", "edited", "segments"})
_OWN: Final = frozenset(PARTS) - _TRUTH
