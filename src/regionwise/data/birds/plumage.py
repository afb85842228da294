"""What a bird of a class looks like: one value for every group of attributes a person can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType

from regionwise.data.birds.vocabulary import (
    ATTRIBUTES,
    MEMBERS,
    PART_IDS,
    PARTS,
    UNITED_PARTS,
)
from regionwise.errors import SettingError, nearest


@dataclass(frozen=True)
class Plumage:
    """The attributes of a bird; every field is a group of CUB's, every value one of CUB's words.

    Raises:
        SettingError: a value is not one of its group's words.
    """

    bill_shape: str = "all-purpose"
    bill_length: str = "shorter_than_head"
    bill_color: str = "black"
    head_pattern: str = "plain"
    crown_color: str = "brown"
    forehead_color: str = "brown"
    nape_color: str = "brown"
    throat_color: str = "buff"
    eye_color: str = "black"
    back_color: str = "brown"
    back_pattern: str = "solid"
    belly_color: str = "white"
    belly_pattern: str = "solid"
    breast_color: str = "buff"
    breast_pattern: str = "solid"
    tail_shape: str = "rounded_tail"
    tail_pattern: str = "solid"
    upper_tail_color: str = "brown"
    under_tail_color: str = "brown"
    leg_color: str = "grey"
    shape: str = "perching-like"
    wing_color: str = "brown"
    wing_shape: str = "rounded-wings"
    wing_pattern: str = "solid"

    def __post_init__(self) -> None:
        for group, value in asdict(self).items():
            check_value(group, value)

    def to_json(self) -> dict[str, str]:
        """Return the attributes as a plain dict."""
        return asdict(self)


FIELDS = tuple(field.name for field in fields(Plumage))

FIELDS_OF = MappingProxyType(
    {
        "head": FIELDS[:9],
        "back": ("back_color", "back_pattern"),
        "belly": ("belly_color", "belly_pattern"),
        "breast": ("breast_color", "breast_pattern"),
        "tail": ("tail_shape", "tail_pattern", "upper_tail_color", "under_tail_color"),
        "leg": ("leg_color", "shape"),
        "wing": ("wing_color", "wing_shape", "wing_pattern"),
        "beak": ("bill_shape", "bill_length", "bill_color"),
        "crown": ("crown_color", "head_pattern"),
        "forehead": ("forehead_color",),
        "nape": ("nape_color",),
        "throat": ("throat_color",),
        "left eye": ("eye_color",),
        "right eye": ("eye_color",),
        "left leg": ("leg_color", "shape"),
        "right leg": ("leg_color", "shape"),
        "left wing": ("wing_color", "wing_shape", "wing_pattern"),
        "right wing": ("wing_color", "wing_shape", "wing_pattern"),
    }
)
"""The attributes that belong to a part, united or CUB's."""

Changes = Mapping[str, Mapping[str, str] | None]
"""A part's name -> None (removed) or the attributes it gets instead; 'bird' -> None: all of it."""


def check_value(group: str, value: str) -> None:
    """Refuse a word that is not in its group's vocabulary.

    Raises:
        SettingError: the group or the value does not exist.
    """
    if group not in FIELDS:
        message = f"birds have no attribute {group!r}; {nearest(group, FIELDS)}"
        raise SettingError(message)
    if value not in ATTRIBUTES[group]:
        message = f"{group} cannot be {value!r}; {nearest(str(value), ATTRIBUTES[group])}"
        raise SettingError(message)


def part_ids(part: str) -> frozenset[int]:
    """Return the CUB ids (1..15) of a part, united part or ``'bird'``.

    Raises:
        SettingError: there is no such part.
    """
    if part == "bird":
        return frozenset(PART_IDS.values())
    if part not in FIELDS_OF:
        message = f"birds have no part {part!r}; {nearest(part, ['bird', *UNITED_PARTS, *PARTS])}"
        raise SettingError(message)
    return frozenset(PART_IDS[name] for name in MEMBERS.get(part, (part,)))


def removed_parts(changes: Changes) -> frozenset[int]:
    """Return the CUB ids of the parts that ``changes`` removes."""
    gone = [part_ids(part) for part, new in changes.items() if new is None]
    return frozenset().union(*gone)


def changed(plumage: Plumage, changes: Changes) -> Plumage:
    """Return the plumage with the attributes that ``changes`` replaces.

    Raises:
        SettingError: a part or a value does not exist, or an attribute is not that part's.
    """
    for part, new in changes.items():
        part_ids(part)
        if new is None:
            continue
        for group in new:
            if group not in FIELDS_OF.get(part, FIELDS):
                allowed = ", ".join(FIELDS_OF.get(part, FIELDS))
                message = f"{group!r} is no attribute of the {part}; it has {allowed}"
                raise SettingError(message)
            check_value(group, new[group])
        plumage = replace(plumage, **new)
    return plumage


def differing_parts(first: Plumage, second: Plumage) -> frozenset[str]:
    """Return the united parts in which two plumages differ."""
    return frozenset(
        part
        for part in UNITED_PARTS
        if any(getattr(first, name) != getattr(second, name) for name in FIELDS_OF[part])
    )
