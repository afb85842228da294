"""What annotators would have written: CUB's attribute labels of classes and images."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.plumage import Plumage
from regionwise.data.birds.vocabulary import ATTRIBUTES, PART_IDS

CERTAINTIES = ("not visible", "guessing", "probably", "definitely")
"""CUB's four certainties; the number of one is its place here, counted from 1."""

MISTAKES = 0.06
"""How often an annotator writes the opposite."""

_LIMIT = 0.15
"""At most this share of a class's labels of one attribute is wrong, so that 50 % is not crossed."""

_SEEN_ON = {
    "bill": ("beak",),
    "crown": ("crown",),
    "forehead": ("forehead",),
    "nape": ("nape",),
    "throat": ("throat",),
    "eye": ("left eye", "right eye"),
    "head": ("crown", "forehead", "nape", "throat"),
    "back": ("back",),
    "upperparts": ("back",),
    "belly": ("belly",),
    "underparts": ("belly",),
    "breast": ("breast",),
    "tail": ("tail",),
    "upper_tail": ("tail",),
    "under_tail": ("tail",),
    "leg": ("left leg", "right leg"),
    "wing": ("left wing", "right wing"),
}
"""The parts to look at for a group of attributes, by the group's name up to its last underscore."""


def class_attributes(plumage: Plumage) -> NDArray[np.bool_]:
    """Return which of the 312 attributes a species has, ``(312,)``."""
    words = {
        **plumage.to_json(),
        "upperparts_color": plumage.back_color,
        "underparts_color": plumage.belly_color,
        "primary_color": plumage.wing_color,
        "size": "small_(5_-_9_in)",
    }
    return np.array(
        [words[group] == value for group, values in ATTRIBUTES.items() for value in values]
    )


def image_attributes(
    truth: NDArray[np.bool_], images: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return what annotators wrote about each image of a class, ``(images, 312)``.

    ``truth`` is ``(312,)``. They err at 6 %, and never in more than 15 % of the images, so that
    the percentage of an attribute stays on its side of 50.
    """
    wrong = rng.uniform(size=(images, len(truth))) < MISTAKES
    wrong &= np.cumsum(wrong, axis=0) <= int(_LIMIT * images)
    return np.asarray(truth[None, :] ^ wrong)


def image_certainties(visible: Collection[int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the certainty (1..4) of an image's 312 labels; ``visible`` holds the ids of parts.

    What shows is 'probably' or 'definitely'; what does not is 'guessing', for the annotators were
    told the species.
    """
    certainty: list[int] = []
    for group, values in ATTRIBUTES.items():
        parts = _SEEN_ON.get(group.rpartition("_")[0], ())
        hidden = parts and not any(PART_IDS[part] in visible for part in parts)
        level = 2 if hidden else 4 if rng.uniform() < 0.8 else 3
        certainty.extend([level] * len(values))
    return np.array(certainty)
