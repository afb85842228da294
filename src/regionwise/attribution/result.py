"""An attribution: maps for a batch, and everything needed to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from regionwise.attribution.scaling import Normalize, saliency_of
from regionwise.attribution.score_cam_budget import half_width
from regionwise.attribution.showing import (
    as_html,
    file_stem,
    known_pictures,
    panel_of,
    write_one,
)
from regionwise.attribution.volume import flat
from regionwise.errors import InputError
from regionwise.files import replacing
from regionwise.pictures.encoding import encode_png
from regionwise.shapes import GridMaps, Scores, TargetIndices

Flags: TypeAlias = tuple[tuple[tuple[str, ...], ...], ...]


@dataclass(frozen=True, eq=False)
class Attribution:
    """What one method says about a batch.

    Attributes:
        method: canonical id of the method.
        maps: raw and signed, at the method's own resolution, n t i j; of volumes n t d i j.
        targets: classes explained, n t; ``None`` where a score function was.
        target_names: what they are called, n x t.
        scores: the explained scalars (logits, or the function's values), n t.
        probabilities: softmax probabilities of the targets, n t; NaN for a score function.
        layer: path of the explained layer; of several that were fused, joined by ``+``.
        size: rows and columns of the inputs; of volumes slices, rows and columns.
        flags: why a map says nothing, n x t x reasons; empty where it says something.
        top: the predicted class of each image and its probability.
        details: what the method decided on the way.
        images: RGB in [0, 1] as the model saw them, n c h w or n c d h w, for pictures.
        signed: zero says nothing, positive values speak for the target and negative ones against
            it; pictures then show red and blue instead of a scale from 0 to 1.
        exact: the cells of a map add up to the probability of its class, by the network's own
            head; pictures then say which regions hold how much.
        uses_layer: the maps depend on the layer; pictures then name it.
        notes: what ran otherwise than asked, in words: a precision that the network refuses, say.

    Asked for with ``create_graph=True``, maps, scores and probabilities carry the graph to the
    model's parameters, and so does the saliency.
    """

    method: str
    maps: GridMaps
    targets: TargetIndices | None
    target_names: tuple[tuple[str, ...], ...]
    scores: Scores
    probabilities: Scores
    layer: str
    size: tuple[int, ...]
    flags: Flags
    top: tuple[tuple[str, float], ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    images: Float[Tensor, "n c *s h w"] | None = None
    signed: bool = False
    exact: bool = False
    uses_layer: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.maps)

    def saliency(
        self, size: tuple[int, ...] | None = None, *, normalize: Normalize | None = "min-max"
    ) -> Float[Tensor, "n t *s h w"]:
        """Return maps in [0, 1] at ``size`` (rows, columns), the inputs' size by default.

        Volumes have three sizes: slices, rows, columns. Bilinear (trilinear) upsampling first,
        then normalisation: ``min-max`` per map; ``max``: negative values to 0, then divided by the
        largest; ``image``: min-max over all targets of an image together (CAPE, Chowdhury et al.
        2024, Sec. 3.1). A constant map becomes zero. ``None`` upsamples only, and keeps units and
        signs.

        Raises:
            InputError: a size below 1, or an unknown normalisation.
        """
        size = self.size if size is None else tuple(int(length) for length in size)
        return saliency_of(self.maps, size, normalize)

    def interval(self, level: float = 0.95) -> tuple[GridMaps, GridMaps]:
        """Return the ends of the interval around every cell, n t i j, of a map that was estimated.

        By Student's distribution, around the signed sum of the channels; a cell of the map may be
        that sum cut at zero, and so may the interval.

        Args:
            level: how often intervals are to cover, in (0, 1).

        Raises:
            InputError: the method estimates nothing; ``score-cam:budget=32`` does.
            SettingError: another level.
        """
        if "standard_error" not in self.details:
            raise InputError(f"{self.method!r} has no standard error; 'score-cam:budget=32' has")
        error, degrees = self.details["standard_error"], self.details["degrees_of_freedom"]
        reach = half_width(error, degrees, level)
        return self.maps - reach, self.maps + reach

    def detach(self) -> Attribution:
        """Return the same without a graph, which it has if ``create_graph`` was asked for."""
        return replace(
            self,
            maps=self.maps.detach(),
            scores=self.scores.detach(),
            probabilities=self.probabilities.detach(),
        )

    def one(self, index: int) -> Attribution:
        """Return the attribution of one image of the batch."""
        if not 0 <= index < len(self):
            raise InputError(f"there is no image {index}; the batch has {len(self)}")
        here = slice(index, index + 1)
        return replace(
            self,
            maps=self.maps[here],
            targets=None if self.targets is None else self.targets[here],
            target_names=self.target_names[here],
            scores=self.scores[here],
            probabilities=self.probabilities[here],
            flags=self.flags[here],
            top=self.top[here],
            details={},
            images=None if self.images is None else self.images[here],
        )

    def map_difference(self, first: int = 0, second: int = 1) -> Attribution:
        """Return the difference s_a - s_b of the maps of two targets, by their places in t.

        This is the *map difference*. The *score difference*, the map of y_a - y_b, is another
        thing: ask for ``targets=Versus(a, b)``. They agree where the method is linear in the
        score, as CAM is.

        Raises:
            InputError: there are no such two targets.
        """
        count = self.maps.shape[1]
        if first == second or not (0 <= first < count and 0 <= second < count):
            raise InputError(
                f"there are no two targets {first} and {second} to subtract: {count} were asked"
                " per image; ask for two, as in targets='top-2'"
            )
        maps = self.maps[:, [first]] - self.maps[:, [second]]
        names = tuple((f"{row[first]} minus {row[second]}",) for row in self.target_names)
        return replace(
            self,
            maps=maps,
            targets=None,
            target_names=names,
            scores=self.scores[:, [first]] - self.scores[:, [second]],
            probabilities=self.probabilities[:, [first]],
            flags=flags_of(maps),
            details={},
            signed=True,
            exact=False,
        )

    def overlay(self, images: Tensor | None = None) -> list[Image.Image]:
        """Return one picture per image: the map of each target over it, with its probability.

        A volume is shown as up to nine of its slices, side by side.

        Args:
            images: RGB in [0, 1], n c h w (or n c d h w); by default those that were explained.

        Raises:
            InputError: the images are not known, or do not fit.
        """
        shown, given = flat(self.detach(), images)
        pictures = known_pictures(shown, given)
        return [panel_of(shown, index, picture) for index, picture in enumerate(pictures)]

    def save(self, folder: str | Path, images: Tensor | None = None) -> list[Path]:
        """Write METHOD.npz, and METHOD.png where images are known, and return the folders.

        A single image goes into ``folder`` itself, several into ``folder/0``, ``folder/1``, ...
        The archive holds ``map`` (t i j), ``saliency`` (t h w), ``target``, ``score`` and
        ``probability`` (t); map and saliency of a volume have its slices (t d i j, t d h w).

        Raises:
            OutputError: the folder cannot be written.
        """
        folder, kept = Path(folder), self.detach()
        shown, given = flat(kept, images)
        pictures = [None] * len(self) if given is None else known_pictures(shown, given)
        places = [folder] if len(self) == 1 else [folder / str(i) for i in range(len(self))]
        for index, (place, picture) in enumerate(zip(places, pictures, strict=True)):
            if picture is not None:
                with replacing(place / f"{file_stem(self.method)}.png") as path:
                    path.write_bytes(encode_png(panel_of(shown, index, picture)))
            write_one(kept, index, place, None)
        return places

    def _repr_html_(self) -> str:
        return as_html(flat(self.detach(), None)[0])

    def __repr__(self) -> str:
        """Say what was explained, shortly."""
        n, t, *cells = self.maps.shape
        blank = sum(bool(reasons) for row in self.flags for reasons in row)
        note = f", {blank} blank" if blank else ""
        return (
            f"Attribution({self.method!r}, {n} image{'s' * (n != 1)} x {t} target{'s' * (t != 1)},"
            f" maps {' x '.join(map(str, cells))} at {self.layer!r}{note})"
        )


def flags_of(maps: GridMaps, *, gradients: Tensor | None = None) -> Flags:
    """Say of each map why it says nothing, n x t x reasons; nothing of a map that says something.

    Reasons: ``not finite``; ``zero gradient``; ``no positive evidence`` (nowhere above zero);
    ``constant``.
    """
    cells = maps.detach().flatten(2)
    finite = torch.isfinite(cells).all(dim=2)
    low, high = cells.amin(dim=2), cells.amax(dim=2)
    reasons = {
        "not finite": ~finite,
        "no positive evidence": finite & (high <= 0),
        "constant": finite & (low == high) & (high > 0),
    }
    if gradients is not None:
        reasons["zero gradient"] = ~gradients.flatten(2).any(dim=2)
    holds = {name: where.tolist() for name, where in reasons.items()}
    return tuple(
        tuple(
            tuple(name for name, where in holds.items() if where[n][t])
            for t in range(maps.shape[1])
        )
        for n in range(maps.shape[0])
    )
