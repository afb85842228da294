"""From words of colour to the paints of a bird: each zone in four tones."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.plumage import Plumage
from regionwise.data.birds.scene import Bird

Color = NDArray[np.float64]

RGB = MappingProxyType(
    {
        "blue": (54, 104, 184),
        "brown": (110, 76, 50),
        "iridescent": (28, 122, 120),
        "purple": (118, 66, 148),
        "rufous": (172, 82, 38),
        "grey": (132, 136, 140),
        "yellow": (238, 200, 48),
        "olive": (124, 122, 56),
        "green": (66, 142, 62),
        "pink": (230, 140, 152),
        "orange": (236, 130, 36),
        "black": (40, 38, 42),
        "white": (240, 238, 232),
        "red": (196, 38, 36),
        "buff": (218, 186, 136),
    }
)
"""What each of CUB's colours looks like in even light, 0..255."""

CROWN, FOREHEAD, NAPE, THROAT, BEAK, EYE, BACK, BREAST, BELLY, WING, TAIL, VENT, LEG, MARK = range(
    14
)
BASE, DARK, LIGHT, INK = range(4)
ZONES = 14
PER_BIRD = 4 * ZONES
MAX_BIRDS = 4

_DARK_INK: Color = np.array([38.0, 32.0, 30.0])
_PALE_INK: Color = np.array([242.0, 238.0, 226.0])


def code(bird: int, zone: int, tone: int = BASE) -> int:
    """Return the paint code (1..224) of a bird's zone and tone; 0 is nothing."""
    return 1 + bird * PER_BIRD + zone * 4 + tone


def luma(color: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lightness of RGB colours, 0..255 (ITU-R BT.601)."""
    return np.asarray(color @ np.array([0.299, 0.587, 0.114]))


def bird_paints(bird: Bird, look: Plumage) -> NDArray[np.float64]:
    """Return the ``(56, 3)`` paints of a bird wearing ``look``, each 0..255."""
    words = _zone_colors(look)
    base = _shifted(words, bird)
    pale = (luma(words) < 118.0)[:, None]
    ink = np.where(pale, _PALE_INK, _DARK_INK)
    tones = np.stack([base, base * 0.66 + 4.0, base + (255.0 - base) * 0.28, ink], axis=1)
    _finish_head(tones, look)
    return np.asarray(np.clip(tones.reshape(PER_BIRD, 3), 0.0, 255.0))


def _zone_colors(look: Plumage) -> NDArray[np.float64]:
    words = (
        look.crown_color,
        look.forehead_color,
        look.nape_color,
        look.throat_color,
        look.bill_color,
        look.eye_color,
        look.back_color,
        look.breast_color,
        look.belly_color,
        look.wing_color,
        look.upper_tail_color,
        look.under_tail_color,
        look.leg_color,
        look.nape_color,
    )
    return np.array([RGB[word] for word in words], dtype=np.float64)


def _shifted(colors: NDArray[np.float64], bird: Bird) -> NDArray[np.float64]:
    a = math.radians(bird.hue)
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turn = np.array(
        [[1.0, 0.0, 0.0], [0.0, math.cos(a), -math.sin(a)], [0.0, math.sin(a), math.cos(a)]]
    )
    turn[1:] *= bird.saturation
    turned = colors @ (np.linalg.inv(to_yiq) @ turn @ to_yiq).T
    shade = np.random.Generator(np.random.Philox(bird.seed)).uniform(0.9, 1.1, (len(colors), 1))
    return np.asarray(np.clip(turned * shade * bird.value, 0.0, 255.0))


def mark_color(look: Plumage) -> NDArray[np.float64]:
    """Return the colour of the head's marking, one that stands out from the face."""
    face = luma(np.array(RGB[look.nape_color], dtype=np.float64))
    dark = look.head_pattern in ("masked", "malar", "eyeline")
    if look.head_pattern == "eyering" and face > 195.0:
        return np.array(RGB["red"], dtype=np.float64)
    if look.head_pattern == "striped":
        dark = bool(luma(np.array(RGB[look.crown_color], dtype=np.float64)) >= 118.0)
    elif face < 75.0 if dark else face > 195.0:
        dark = not dark
    return _DARK_INK if dark else _PALE_INK


def _finish_head(tones: NDArray[np.float64], look: Plumage) -> None:
    """Give the eye its pupil, glint and rim, and the marking its colour."""
    face = luma(np.array(RGB[look.nape_color], dtype=np.float64))
    tones[EYE, DARK] = (14.0, 12.0, 14.0)
    tones[EYE, LIGHT] = (250.0, 250.0, 250.0)
    tones[EYE, INK] = _DARK_INK if face > 90.0 else 0.5 * _PALE_INK
    tones[MARK, BASE] = mark_color(look)
