"""What is known of a picture, at the size of the model's inputs: the same resize and crop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from regionwise.benchmark.samples import Picture
from regionwise.data.birds.scene import Scene
from regionwise.data.birds.vocabulary import UNITED_PARTS
from regionwise.data.images import label_image
from regionwise.errors import InputError
from regionwise.metrics.case import Edited, Truth
from regionwise.metrics.causal_parts import edited_birds
from regionwise.metrics.cue import (
    exact_part_mask,
    nearest_part_mask,
    united_masks,
    united_points,
)
from regionwise.models.preprocessing import Preprocessing

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of one picture, at the size of the inputs (h w)."""

    region: NDArray[np.bool_] | None
    boxes: tuple[Box, ...] | None
    parts: NDArray[np.bool_] | None
    scene: Scene | None
    size: tuple[int, int]
    segments: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Frame:
    """Where the model's inputs lie in a picture: scaled, then cropped.

    Attributes:
        scaled: columns and rows of the picture after the resize.
        corner: left and top of the crop in it.
        size: rows and columns of the crop.
    """

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]


def frame_of(how: Preprocessing, size: tuple[int, int]) -> Frame:
    """Return the frame of a picture of ``size`` (columns, rows), as the preprocessing cuts it."""
    rows, columns = how.size
    if how.resize is None:
        return Frame((columns, rows), (0, 0), how.size)
    if isinstance(how.resize, tuple):
        scaled = how.resize[1], how.resize[0]
    else:
        short = min(size)
        scaled = int(how.resize * size[0] / short), int(how.resize * size[1] / short)
    corner = round((scaled[0] - columns) / 2), round((scaled[1] - rows) / 2)
    return Frame(scaled, corner, how.size)


def framed_mask(how: Preprocessing, mask: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a mask of numbers as the model would see it, h w: resized by nearest, cropped."""
    nearest = replace(how, interpolation="nearest")
    picture = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(nearest.view(picture), dtype=np.uint8)[..., 0]


def framed_boxes(how: Preprocessing, boxes: Sequence[Box], size: tuple[int, int]) -> list[Box]:
    """Return boxes in the pixels of the inputs, cut at their border; what lies outside is dropped.

    ``size`` is columns and rows of the picture that the boxes are of.
    """
    frame = frame_of(how, size)
    scale = np.array([frame.scaled[0] / size[0], frame.scaled[1] / size[1]] * 2)
    limits = np.array([frame.size[1], frame.size[0]] * 2, dtype=np.float64)
    found = []
    for box in boxes:
        moved = np.clip(np.array(box) * scale - np.array(frame.corner * 2), 0.0, limits)
        left, top, right, bottom = moved.tolist()
        if left < right and top < bottom:
            found.append((left, top, right, bottom))
    return found


def known_of(
    how: Preprocessing, picture: Picture, size: tuple[int, int], scene: Scene | None = None
) -> Known:
    """Read what is known of a picture of ``size`` (columns, rows).

    Raises:
        DataError, ImageError: a mask cannot be read, or is of another size than its picture.
    """
    region = parts = boxes = None
    if picture.segmentation is not None:
        region = framed_mask(how, _mask(picture.segmentation, size) > 0) > 0
    if picture.part_mask is not None:
        united = united_masks(framed_mask(how, _mask(picture.part_mask, size)))
        parts = np.stack([united[name] for name in UNITED_PARTS])
    if picture.instances is not None:
        boxes = _instance_boxes(_mask(picture.instances, size))
    elif picture.box is not None:
        boxes = [picture.box]
    framed = None if boxes is None else tuple(framed_boxes(how, boxes, size))
    segments = None
    if picture.segments is not None:
        segments = framed_mask(how, _mask(picture.segments, size))
    return Known(region, framed, parts, scene, size, segments)


def cue_of(
    how: Preprocessing, picture: Picture, size: tuple[int, int], differing: Collection[str]
) -> NDArray[np.bool_]:
    """Return where two classes differ in a picture of ``size``, h w; empty where it is not seen.

    By the exact masks of the parts where there are any, else by the nearest annotated point.

    Raises:
        InputError: the picture has neither.
    """
    if picture.part_mask is not None:
        mask = exact_part_mask(framed_mask(how, _mask(picture.part_mask, size)), differing)
    elif picture.locations is not None and picture.segmentation is not None:
        frame = frame_of(how, size)
        points = united_points(picture.locations, (size[1], size[0]), frame.scaled[::-1])
        left, top = frame.corner
        moved = [(part, x - left, y - top) for part, x, y in points]
        foreground = framed_mask(how, _mask(picture.segmentation, size) > 0) > 0
        mask = nearest_part_mask(moved, differing, foreground)
    else:
        raise InputError(f"{picture.name!r} has no parts, so there is no cue between two classes")
    return np.zeros(how.size, dtype=np.bool_) if mask is None else mask


def truth_of(
    known: Sequence[Known],
    how: Preprocessing | None,
    device: str | torch.device = "cpu",
    segment_names: Sequence[str] = (),
) -> Truth:
    """Put what is known of several pictures together; a field that one lacks is left out."""
    boxes = [k.boxes for k in known]
    segments = _segments(known, device) if segment_names else None
    parts = _stacked([k.parts for k in known], device)
    return Truth(
        regions=_stacked([k.region for k in known], device),
        boxes=None
        if any(b is None for b in boxes)
        else tuple(
            torch.tensor(b, dtype=torch.float64, device=device).reshape(-1, 4) for b in boxes
        ),
        parts=parts,
        part_names=() if parts is None else UNITED_PARTS,
        edited=_edited(known, how),
        segments=segments,
        segment_names=tuple(segment_names),
    )


def _segments(known: Sequence[Known], device: str | torch.device) -> torch.Tensor | None:
    """Return the segments of all pictures, -1 all over one that has none; or none has any."""
    size = next((k.segments.shape for k in known if k.segments is not None), None)
    if size is None:
        return None
    planes = [np.full(size, -1) if k.segments is None else k.segments for k in known]
    return torch.from_numpy(np.stack(planes).astype(np.int64)).to(device)


def _edited(known: Sequence[Known], how: Preprocessing | None) -> Edited | None:
    scenes = [k.scene for k in known]
    if how is None or any(scene is None or not len(scene.birds) for scene in scenes):
        return None
    drawn = [scene for scene in scenes if scene is not None]

    @cache
    def edited() -> torch.Tensor:
        rows = [
            edited_birds([scene], UNITED_PARTS, how, size=k.size[0])
            for scene, k in zip(drawn, known, strict=True)
        ]
        return torch.cat(rows)

    return edited


def _stacked(
    masks: Sequence[NDArray[np.bool_] | None], device: str | torch.device
) -> torch.Tensor | None:
    given = [torch.from_numpy(mask) for mask in masks if mask is not None]
    return torch.stack(given).to(device) if given and len(given) == len(masks) else None


def _mask(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    mask = label_image(path)
    if mask.shape != (size[1], size[0]):
        raise InputError(
            f"{str(path)!r} is {mask.shape[1]} x {mask.shape[0]} pixels, but its picture is"
            f" {size[0]} x {size[1]}; the two must be of one size"
        )
    return mask


def _instance_boxes(mask: NDArray[np.uint8]) -> list[Box]:
    """Return the box of each instance (numbers from 1), half-open."""
    found = []
    for number in sorted(set(np.unique(mask).tolist()) - {0}):
        rows, columns = np.nonzero(mask == number)
        found.append(
            (
                float(columns.min()),
                float(rows.min()),
                float(columns.max() + 1),
                float(rows.max()) + 1,
            )
        )
    return found
