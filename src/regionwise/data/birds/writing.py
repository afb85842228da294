"""Writing a data set of birds in the layout of CUB-200-2011."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from PIL import Image

from regionwise.data.birds.annotations import Annotations
from regionwise.data.birds.classes import Species, check_count, species
from regionwise.data.birds.files import appearing
from regionwise.data.birds.rendering import Rendered, check_size, render
from regionwise.data.birds.sampling import MAX_BIRDS, sample_scene
from regionwise.data.birds.scene import RENDERER_VERSION, Scene
from regionwise.errors import SettingError

Progress = Callable[[int, int], None]


class Choices(TypedDict, total=False):
    """The settings of ``write_birds``, all with defaults; see ``BirdsSettings``."""

    classes: int
    images_per_class: int
    seed: int
    size: int
    birds_per_image: int
    groups: int


@dataclass(frozen=True)
class BirdsSettings:
    """What to write.

    ``classes`` (2..200), ``images_per_class`` (1 or more), ``seed`` (0 or more), ``size`` of the
    pictures in pixels (32..2048), ``birds_per_image`` (1..4, all of the image's class), and
    ``groups`` (0 = none): localities whose birds share a style, for grouped cross-validation.

    Raises:
        SettingError: one of them is out of range.
    """

    classes: int = 24
    images_per_class: int = 60
    seed: int = 0
    size: int = 224
    birds_per_image: int = 1
    groups: int = 0

    def __post_init__(self) -> None:
        check_count(self.classes)
        check_size(self.size)
        for name, low, high in (
            ("images_per_class", 1, 9999),
            ("birds_per_image", 1, MAX_BIRDS),
            ("groups", 0, 9999),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                message = f"{name} is {value}, allowed is {low} to {high}"
                raise SettingError(message)


def write_birds(
    out: str | Path, *, progress: Progress | None = None, **settings: Unpack[Choices]
) -> Path:
    """Write a data set of rendered birds to ``out``, whole or not at all.

    The layout and vocabulary are CUB-200-2011's. Beyond it come ``part_masks/`` (pixel = CUB part
    id), ``instances/`` (pixel = number of the bird) if there are several, ``groups.txt`` if there
    are groups, ``scenes.jsonl`` to draw every picture again, and ``birds.json`` with the settings.
    Pictures are PNG, so that they equal what ``render`` draws, pixel by pixel. ``progress`` is
    called with the number of images written and their total.

    Raises:
        SettingError: a setting is out of range.
        OutputError: ``out`` is not empty, or cannot be written.
    """
    chosen = BirdsSettings(**settings)
    kinds = species(chosen.classes, chosen.seed)
    with appearing(Path(out)) as folder:
        notes = Annotations(folder, kinds, chosen.seed)
        total = chosen.classes * chosen.images_per_class
        with (folder / "scenes.jsonl").open("w", encoding="utf-8", newline="\n") as scenes:
            for number, (kind, scene) in enumerate(_scenes(kinds, chosen), start=1):
                drawn, name = render(scene, size=chosen.size), image_name(kind, scene.index)
                _save_pictures(folder, name, drawn, several=chosen.birds_per_image > 1)
                notes.add(name, scene, drawn)
                line = {"image_id": number, "image": name, "scene": scene.to_json()}
                scenes.write(json.dumps(line) + "\n")
                if progress is not None:
                    progress(number, total)
        notes.write(grouped=chosen.groups > 0)
        _write_settings(folder, chosen)
    return Path(out)


def image_name(kind: Species, index: int) -> str:
    """Return a picture's path below ``images/``: ``001.Common_Finch/Common_Finch_0001.png``."""
    return f"{kind.folder}/{kind.name}_{index + 1:04d}.png"


def group_of(kind: Species, index: int, groups: int) -> int:
    """Return the locality (1..groups) of an image, 0 if there are none; all classes live in all."""
    return (index + 7 * kind.index) % groups + 1 if groups else 0


def _scenes(kinds: tuple[Species, ...], chosen: BirdsSettings) -> Iterator[tuple[Species, Scene]]:
    for kind in kinds:
        for index in range(chosen.images_per_class):
            group = group_of(kind, index, chosen.groups)
            yield (
                kind,
                sample_scene(
                    kind, index, seed=chosen.seed, birds=chosen.birds_per_image, group=group
                ),
            )


def _save_pictures(folder: Path, name: str, drawn: Rendered, *, several: bool) -> None:
    pictures = {
        "images": Image.fromarray(drawn.image),
        "segmentations": Image.fromarray(np.where(drawn.part_mask > 0, 255, 0).astype(np.uint8)),
        "part_masks": _indexed(drawn.part_mask),
    }
    if several:
        pictures["instances"] = _indexed(drawn.instance_mask)
    for kind, picture in pictures.items():
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, compress_level=3)


def _indexed(mask: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    """Return a mask as a palette picture, whose numbers a viewer shows as colours."""
    picture = Image.fromarray(mask)
    picture.putpalette(_PALETTE)
    return picture


_PALETTE = [0, 0, 0] + [
    channel
    for number in range(1, 16)
    for channel in ((number * 97) % 200 + 55, (number * 57) % 200 + 55, (number * 151) % 200 + 55)
]


def _write_settings(folder: Path, chosen: BirdsSettings) -> None:
    meta = {"format": "birds", "renderer_version": RENDERER_VERSION, "settings": asdict(chosen)}
    (folder / "birds.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
