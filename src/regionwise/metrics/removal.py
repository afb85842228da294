"""Removing pixels in an order: images after each step, and the judge's answers to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import SettingError
from regionwise.metrics.judge import Judge


def removed_under(
    ranks: Int[Tensor, "i j"], counts: tuple[int, ...], size: tuple[int, int]
) -> Bool[Tensor, "s h w"]:
    """Return which pixels are removed at each step: those whose rank is below the count, s h w.

    Ranks of a coarser grid are spread over the pixels: each pixel belongs to one cell.
    """
    limits = torch.tensor(counts, device=ranks.device)[:, None, None]
    removed = ranks < limits
    if tuple(ranks.shape) == size:
        return removed
    return F.interpolate(removed[:, None].float(), size, mode="nearest")[:, 0] > 0.5


def replaced(
    image: Float[Tensor, "c h w"],
    instead: Float[Tensor, "c h w"],
    removed: Bool[Tensor, "s h w"],
) -> Float[Tensor, "s c h w"]:
    """Return the image with removed pixels taken from ``instead``, once for each mask."""
    return torch.where(removed.to(image.device).unsqueeze(1), instead, image)


def logits_of_each(
    judge: Judge, keys: list[Hashable], make: Callable[[int], Tensor]
) -> Float[Tensor, "n s y"]:
    """Return the logits of ``make(index)``, s c h w, for each image; one image at a time.

    Memory grows with the steps of one image, not with the batch. Keys name the altered images.
    """
    rows = [
        judge.under(key, lambda index=index: make(index))  # type: ignore[misc]
        for index, key in enumerate(keys)
    ]
    return torch.stack(rows)


def shares_of(name: str, text: str) -> tuple[float, ...]:
    """Return shares written as percents, ``"10/30/50"``, as numbers in (0, 1), in rising order.

    Raises:
        SettingError: a part is no number between 0 and 100, or the parts do not rise.
    """
    try:
        shares = tuple(float(part) / 100 for part in text.split("/"))
    except ValueError:
        shares = ()
    if (
        not shares
        or not all(0 < share < 1 for share in shares)
        or list(shares) != sorted(set(shares))
    ):
        raise SettingError(
            f"setting 'percents' of {name!r} is a rising list such as '10/30/50', each above 0 and"
            f" below 100, not {text!r}"
        )
    return shares
