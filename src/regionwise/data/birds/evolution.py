"""How the species of a family come about: an ancestor, and bold changes of one part at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.palette import RGB, mark_color
from regionwise.data.birds.plumage import Plumage

_BOLD = 130.0
"""How far apart two colours must be in RGB for nobody to take one for the other."""

_PALETTES = (
    ("brown", "buff", "white", "black"),
    ("blue", "white", "rufous", "grey"),
    ("olive", "yellow", "black", "white"),
    ("grey", "white", "red", "black"),
    ("black", "orange", "white", "grey"),
    ("green", "yellow", "blue", "white"),
    ("rufous", "buff", "grey", "black"),
    ("purple", "pink", "white", "black"),
    ("blue", "yellow", "black", "white"),
    ("grey", "rufous", "black", "white"),
    ("iridescent", "buff", "rufous", "white"),
    ("red", "white", "black", "grey"),
)
"""Colours of a family: above, below, an accent and one more."""

_LEGS = ("black", "red", "yellow", "grey", "orange", "pink", "blue", "white")
_BILLS = ("black", "yellow", "orange", "grey", "red")
_EYES = ("black", "brown", "red", "yellow")
_BILL_FORMS = (
    ("cone", "shorter_than_head"),
    ("needle", "about_the_same_as_head"),
    ("dagger", "about_the_same_as_head"),
    ("hooked", "shorter_than_head"),
    ("spatulate", "about_the_same_as_head"),
    ("curved_(up_or_down)", "about_the_same_as_head"),
    ("all-purpose", "shorter_than_head"),
)
_HEADS = (
    "plain",
    "capped",
    "masked",
    "eyebrow",
    "crested",
    "eyering",
    "malar",
    "striped",
    "eyeline",
)
_PATTERNS = ("solid", "spotted", "striped", "multi-colored")
_CALM_PATTERNS = ("solid", "solid", "solid", *_PATTERNS)
_TAILS = (
    "rounded_tail",
    "forked_tail",
    "fan-shaped_tail",
    "pointed_tail",
    "squared_tail",
    "notched_tail",
)


def family_palette(family: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return a family's colours; once all are used they come again in another order."""
    palette = _PALETTES[family % len(_PALETTES)]
    if family < len(_PALETTES):
        return palette
    return tuple(palette[i] for i in rng.permutation(len(palette)).tolist())


def _pick(rng: np.random.Generator, options: tuple[str, ...] | list[str]) -> str:
    return options[int(rng.integers(len(options)))]


def ancestor(palette: tuple[str, ...], rng: np.random.Generator) -> Plumage:
    """Return the first species of a family, dressed in the family's colours."""
    upper, under, accent, other = palette
    crown = _pick(rng, (upper, accent, other))
    shape, length = _BILL_FORMS[int(rng.integers(len(_BILL_FORMS)))]
    tail = _pick(rng, (upper, accent, other))
    plumage = Plumage(
        bill_shape=shape,
        bill_length=length,
        bill_color=_pick(rng, _BILLS),
        crown_color=crown,
        forehead_color=crown,
        nape_color=_pick(rng, (upper, accent)),
        throat_color=_pick(rng, (under, accent)),
        eye_color=_pick(rng, _EYES),
        upper_tail_color=tail,
        under_tail_color=tail,
    )
    plumage = _with_body(plumage, palette, rng)
    return _with_head(plumage, _pick(rng, _HEADS), palette, rng)


def _with_body(plumage: Plumage, palette: tuple[str, ...], rng: np.random.Generator) -> Plumage:
    """Dress everything but the head, mostly without patterns."""
    upper, under, accent, other = palette
    return replace(
        plumage,
        back_color=_pick(rng, (upper, other)),
        back_pattern=_pick(rng, _CALM_PATTERNS),
        belly_color=_pick(rng, (under, accent)),
        belly_pattern=_pick(rng, _CALM_PATTERNS),
        breast_color=_pick(rng, (under, accent, other)),
        breast_pattern=_pick(rng, _CALM_PATTERNS),
        tail_shape=_pick(rng, _TAILS),
        tail_pattern=_pick(rng, _CALM_PATTERNS),
        leg_color=_pick(rng, _LEGS),
        shape=_pick(rng, ("perching-like", "long-legged-like")),
        wing_color=_pick(rng, (upper, other)),
        wing_shape=_pick(rng, ("rounded-wings", "pointed-wings")),
        wing_pattern=_pick(rng, _CALM_PATTERNS),
    )


def _with_head(
    plumage: Plumage, pattern: str, palette: tuple[str, ...], rng: np.random.Generator
) -> Plumage:
    """Give the head a marking, and a cap a colour that stands out."""
    if pattern == "capped":
        crown = _pick(rng, _bold(palette, plumage.nape_color))
        plumage = replace(plumage, crown_color=crown, forehead_color=crown)
    if pattern in ("plain", "masked", "eyering", "eyeline"):
        face = plumage.nape_color
        plumage = replace(plumage, crown_color=face, forehead_color=face)
    return _legible(replace(plumage, head_pattern=pattern), palette)


def _legible(plumage: Plumage, palette: tuple[str, ...]) -> Plumage:
    """Keep a brow from drowning in a cap, and a moustache in a throat, of its own colour."""
    mark = mark_color(plumage)
    if plumage.head_pattern == "eyebrow" and _distance(plumage.crown_color, mark) < _BOLD:
        face = plumage.nape_color
        return replace(plumage, crown_color=face, forehead_color=face)
    if plumage.head_pattern == "malar" and _distance(plumage.throat_color, mark) < _BOLD:
        return replace(plumage, throat_color=max(palette, key=lambda name: _distance(name, mark)))
    return plumage


def _distance(name: str, color: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.array(RGB[name]) - color))


def _bold(palette: tuple[str, ...], color: str) -> tuple[str, ...]:
    """Return the colours that nobody takes for ``color``, farthest first."""
    old = np.array(RGB[color], dtype=np.float64)
    far = {name: _distance(name, old) for name in palette}
    ranked = sorted(palette, key=lambda name: -far[name])
    return tuple(name for name in ranked if far[name] > _BOLD) or (ranked[0],)


def step(
    plumage: Plumage, part: str, palette: tuple[str, ...], rng: np.random.Generator
) -> Plumage:
    """Return the next species of a chain, which differs boldly in one part."""
    if part == "head":
        return _new_head(plumage, palette, rng)
    if part == "wing":
        shape = {"rounded-wings": "pointed-wings", "pointed-wings": "rounded-wings"}
        plumage = replace(plumage, wing_shape=shape[plumage.wing_shape])
        if rng.uniform() < 0.4:
            plumage = replace(plumage, wing_color=_pick(rng, _bold(palette, plumage.wing_color)))
        return replace(plumage, wing_pattern=_other(rng, _PATTERNS, plumage.wing_pattern))
    if part == "tail":
        plumage = replace(plumage, tail_shape=_other(rng, _TAILS, plumage.tail_shape))
        return replace(plumage, tail_pattern=_other(rng, _PATTERNS, plumage.tail_pattern))
    if part == "leg":
        shape = {"perching-like": "long-legged-like", "long-legged-like": "perching-like"}
        color = _pick(rng, _bold(_LEGS, plumage.leg_color)[:4])
        return replace(plumage, shape=shape[plumage.shape], leg_color=color)
    return _new_region(plumage, part, palette, rng)


def _other(rng: np.random.Generator, options: tuple[str, ...], value: str) -> str:
    return _pick(rng, [option for option in options if option != value])


def _new_head(plumage: Plumage, palette: tuple[str, ...], rng: np.random.Generator) -> Plumage:
    pattern = _other(rng, _HEADS, plumage.head_pattern)
    forms = [form for form in _BILL_FORMS if form[0] != plumage.bill_shape]
    shape, length = forms[int(rng.integers(len(forms)))]
    plumage = replace(plumage, bill_shape=shape, bill_length=length)
    return _with_head(plumage, pattern, palette, rng)


def _new_region(
    plumage: Plumage, part: str, palette: tuple[str, ...], rng: np.random.Generator
) -> Plumage:
    """Change the pattern of back, belly or breast, now and then its colour too."""
    pattern = _other(rng, _PATTERNS, getattr(plumage, f"{part}_pattern"))
    new = {f"{part}_pattern": pattern}
    if rng.uniform() < 0.5:
        new[f"{part}_color"] = _pick(rng, _bold(palette, getattr(plumage, f"{part}_color")))
    return replace(plumage, **new)
