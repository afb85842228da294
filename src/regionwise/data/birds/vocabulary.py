"""The words of CUB-200-2011: 15 parts, 312 attributes, and CALM's seven united parts.

Names and numbers are those of the original data set, so that whatever reads CUB reads birds.

Reference: Wah et al. 2011 (parts and attributes); Kim et al. 2021, CALM, section 4.2 (united
parts).
"""

from __future__ import annotations

from types import MappingProxyType

PARTS = (
    "back",
    "beak",
    "belly",
    "breast",
    "crown",
    "forehead",
    "left eye",
    "left leg",
    "left wing",
    "nape",
    "right eye",
    "right leg",
    "right wing",
    "tail",
    "throat",
)
"""The 15 parts; the id of a part in every file and mask is its place here, counted from 1."""

PART_IDS = MappingProxyType({name: number for number, name in enumerate(PARTS, start=1)})

UNITED_PARTS = ("head", "back", "belly", "breast", "tail", "leg", "wing")
"""CALM's seven united parts, in its order."""

MEMBERS = MappingProxyType(
    {
        "head": ("beak", "crown", "forehead", "left eye", "nape", "right eye", "throat"),
        "back": ("back",),
        "belly": ("belly",),
        "breast": ("breast",),
        "tail": ("tail",),
        "leg": ("left leg", "right leg"),
        "wing": ("left wing", "right wing"),
    }
)
"""The parts that each united part is made of."""

_HEAD_WORDS = ("bill", "crown", "eye", "forehead", "head", "nape", "throat")


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


COLORS = words(
    "blue brown iridescent purple rufous grey yellow olive green pink orange black white red buff"
)
_EYE_COLORS = tuple(color for color in COLORS if color != "iridescent")
_PATTERNS = ("solid", "spotted", "striped", "multi-colored")

ATTRIBUTES = MappingProxyType(
    {
        "bill_shape": words(
            "curved_(up_or_down) dagger hooked needle hooked_seabird spatulate all-purpose cone "
            "specialized"
        ),
        "wing_color": COLORS,
        "upperparts_color": COLORS,
        "underparts_color": COLORS,
        "breast_pattern": _PATTERNS,
        "back_color": COLORS,
        "tail_shape": tuple(
            f"{shape}_tail" for shape in words("forked rounded notched fan-shaped pointed squared")
        ),
        "upper_tail_color": COLORS,
        "head_pattern": words(
            "spotted malar crested masked unique_pattern eyebrow eyering plain eyeline striped "
            "capped"
        ),
        "breast_color": COLORS,
        "throat_color": COLORS,
        "eye_color": _EYE_COLORS,
        "bill_length": ("about_the_same_as_head", "longer_than_head", "shorter_than_head"),
        "forehead_color": COLORS,
        "under_tail_color": COLORS,
        "nape_color": COLORS,
        "belly_color": COLORS,
        "wing_shape": tuple(
            f"{shape}-wings" for shape in words("rounded pointed broad tapered long")
        ),
        "size": (
            "large_(16_-_32_in)",
            "small_(5_-_9_in)",
            "very_large_(32_-_72_in)",
            "medium_(9_-_16_in)",
            "very_small_(3_-_5_in)",
        ),
        "shape": words(
            "upright-perching_water-like chicken-like-marsh long-legged-like duck-like owl-like "
            "gull-like hummingbird-like pigeon-like tree-clinging-like hawk-like sandpiper-like "
            "upland-ground-like swallow-like perching-like"
        ),
        "back_pattern": _PATTERNS,
        "tail_pattern": _PATTERNS,
        "belly_pattern": _PATTERNS,
        "primary_color": COLORS,
        "leg_color": COLORS,
        "bill_color": COLORS,
        "crown_color": COLORS,
        "wing_pattern": _PATTERNS,
    }
)
"""The 28 groups of attributes and their values, in the order of CUB's attributes.txt."""


def attribute_names() -> tuple[str, ...]:
    """Return the 312 attribute names in CUB's order, such as ``has_bill_shape::dagger``."""
    return tuple(
        f"has_{group}::{value}" for group, values in ATTRIBUTES.items() for value in values
    )


def united_parts_of(attribute: str) -> frozenset[str]:
    """Return the united parts that an attribute name speaks of, by CALM's substring rule.

    The rule works on substrings, so ``has_shape::long-legged-like`` speaks of the leg.

    Reference: Kim et al. 2021, CALM, section 4.2 and its code.
    """
    found = {part for part in UNITED_PARTS if part != "head" and part in attribute}
    if any(word in attribute for word in _HEAD_WORDS):
        found.add("head")
    return frozenset(found)
