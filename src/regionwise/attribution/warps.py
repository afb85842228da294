"""Turning and shifting pictures, and taking maps back to where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.noise import generator_of
from regionwise.shapes import Inputs

Interpolation = Literal["bilinear", "nearest"]


@dataclass(frozen=True, eq=False)
class Warp:
    """A turn about the middle followed by a shift, one per picture.

    Attributes:
        angles: in radians, clockwise as seen on the screen, n.
        shifts: rows and columns in pixels, down and to the right, n 2.
    """

    angles: Float[Tensor, " n"]
    shifts: Float[Tensor, "n 2"]


def draw_warps(inputs: Inputs, *, copies: int, angle: float, shift: float, seed: int) -> list[Warp]:
    """Draw ``copies`` warps: angles in [-angle, angle], shifts up to ``shift`` of each side.

    An image's warps depend on the seed and its pixels, not on its place in the batch; more copies
    continue the same series.
    """
    sides = torch.tensor(inputs.shape[2:], dtype=torch.float64)
    series = [
        torch.rand(copies, 3, generator=generator_of(image, seed), dtype=torch.float64) * 2 - 1
        for image in inputs
    ]
    return [
        Warp(draws[:, 0] * angle, draws[:, 1:] * shift * sides)
        for draws in torch.stack(series, dim=1).unbind()
    ]


def unmoved(count: int) -> Warp:
    """Return the warp of ``count`` pictures that changes nothing."""
    zeros = torch.zeros(count, 3, dtype=torch.float64)
    return Warp(zeros[:, 0], zeros[:, 1:])


def sources(size: tuple[int, int], warp: Warp, *, back: bool = False) -> Float[Tensor, "n h w 2"]:
    """Return where each pixel of the result is read: rows and columns in pixels, n h w 2.

    The turned and shifted picture reads p at R(-angle) (p - shift), both measured from the middle;
    going ``back`` reads p at R(angle) p + shift. R(a) turns (row, column) clockwise by a.
    """
    rows = torch.arange(size[0], dtype=torch.float64) - (size[0] - 1) / 2
    columns = torch.arange(size[1], dtype=torch.float64) - (size[1] - 1) / 2
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
    turn = warp.angles if back else -warp.angles
    cos, sin = torch.cos(turn)[:, None, None], torch.sin(turn)[:, None, None]
    shifts = warp.shifts[:, None, None]
    row, column = (places if back else places - shifts).expand(len(turn), -1, -1, -1).unbind(-1)
    turned = torch.stack([cos * row + sin * column, cos * column - sin * row], dim=-1)
    middle = torch.tensor([(size[0] - 1) / 2, (size[1] - 1) / 2], dtype=torch.float64)
    return (turned + shifts if back else turned) + middle


def warped(
    pictures: Float[Tensor, "n c h w"],
    warp: Warp,
    *,
    back: bool = False,
    interpolation: Interpolation = "bilinear",
) -> Float[Tensor, "n c h w"]:
    """Turn and shift pictures, or take them ``back``; what comes from outside is 0."""
    size = (pictures.shape[2], pictures.shape[3])
    return read_at(pictures, sources(size, warp, back=back), interpolation=interpolation)


def read_at(
    pictures: Float[Tensor, "n c h w"],
    places: Float[Tensor, "n i j 2"],
    *,
    interpolation: Interpolation = "bilinear",
) -> Float[Tensor, "n c i j"]:
    """Read pictures between pixels, at rows and columns in pixels; 0 outside."""
    sides = torch.tensor(pictures.shape[2:], dtype=places.dtype)
    grid = ((places * 2 + 1) / sides - 1).flip(-1).to(pictures)
    return F.grid_sample(
        pictures, grid, mode=interpolation, padding_mode="zeros", align_corners=False
    )
