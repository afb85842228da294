"""The causal part score: does a map weigh the parts as the network does?

The effect of a part on the network is known where a scene can be rendered again without it, or with
another in its place: e_p = f(x) - f(x with p changed). A map's word for it is its mass on the part.

Reference: ours, for rendered birds; after Hesse, Schaub-Meyer and Roth 2023, FunnyBirds (single
deletion), which correlates ranks per image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from regionwise.attribution.scaling import saliency_of
from regionwise.data.birds.classes import Species, replacement
from regionwise.data.birds.plumage import Changes
from regionwise.data.birds.rendering import render
from regionwise.data.birds.scene import Scene
from regionwise.errors import DataError, InputError, RegionwiseError
from regionwise.metrics.case import Case
from regionwise.metrics.coherency import correlation
from regionwise.metrics.judge import Judge, Score
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined
from regionwise.metrics.similarity import average_ranks
from regionwise.models.preprocessing import Preprocessing
from regionwise.shapes import Inputs

Agreement: TypeAlias = Literal["spearman", "pearson"]
Sign: TypeAlias = Literal["signed", "magnitude"]
Parts: TypeAlias = Float[Tensor, "n p"]

LEAST = 3
"""A correlation needs as many parts in an image, or as many pairs in all."""


def part_shares(maps: Float[Tensor, "n h w"], parts: Bool[Tensor, "n p h w"]) -> Parts:
    """Return the share of each part in a map, sum_part s / sum |s|: signed as the map is.

    NaN where a part shows no pixel, and where the map is zero.
    """
    values = maps.double()
    sums = torch.einsum("nhw,nphw->np", values, parts.double())
    shares = sums / values.abs().sum(dim=(1, 2))[:, None]
    return shares.masked_fill(~parts.flatten(2).any(dim=2), torch.nan)


def part_effects(
    judge: Judge,
    inputs: Inputs,
    edited: Float[Tensor, "n p c h w"],
    targets: Int[Tensor, " n"],
    *,
    score: Score = "logit",
) -> Parts:
    """Return e_p = f(x) - f(x with part p changed) of the targets: positive if p spoke for them."""
    n, p = edited.shape[:2]
    whole = judge.scores(judge.logits(inputs), targets, score)
    logits = judge.logits(edited.flatten(0, 1))
    changed = judge.scores(logits, targets.repeat_interleave(p), score)
    return whole[:, None] - changed.reshape(n, p)


def agreement(
    shares: Parts, effects: Parts, kind: Agreement = "spearman", sign: Sign = "signed"
) -> Float[Tensor, " n"]:
    """Return the correlation of shares and effects over the parts of each image, -1 to 1.

    Parts that are NaN in either are left out. ``magnitude`` compares |share| and |effect|, for maps
    that cannot say against. NaN with fewer than three parts, or where either is constant.
    """
    rows = [_correlated(s, e, kind, sign) for s, e in zip(shares, effects, strict=True)]
    return torch.stack(rows) if rows else shares.new_zeros(0)


def pooled_agreement(
    shares: Parts, effects: Parts, kind: Agreement = "spearman", sign: Sign = "signed"
) -> float:
    """Return the correlation over all parts of all images together."""
    return float(_correlated(shares.flatten(), effects.flatten(), kind, sign))


def sign_agreement(shares: Parts, effects: Parts) -> Float[Tensor, " n"]:
    """Return the share of the effect, in magnitude, on which the map has the same sign.

    Sum over parts of |e| [sign s = sign e], divided by the sum of |e|. NaN without an effect.
    """
    known = shares.isfinite() & effects.isfinite()
    weight = effects.abs().masked_fill(~known, 0.0)
    same = (shares.sign() == effects.sign()) & known
    return (weight * same).sum(dim=1) / weight.sum(dim=1)


def edited_birds(
    scenes: Sequence[Scene],
    parts: Sequence[str],
    preprocessing: Preprocessing,
    *,
    instead: Species | None = None,
    size: int = 224,
) -> Float[Tensor, "n p c h w"]:
    """Render each scene again with each part removed, or as another species has it.

    Raises:
        SettingError: there is no such part.
    """
    changes: list[Changes] = [
        {part: None if instead is None else replacement(part, instead)} for part in parts
    ]
    pictures = [_rendered(scene, change, size) for scene in scenes for change in changes]
    fed = preprocessing(pictures)
    return fed.reshape(len(scenes), len(parts), *fed.shape[1:])


def _rendered(scene: Scene, change: Changes, size: int) -> Image.Image:
    """Render a scene, which a file may have made of values that no bird has."""
    try:
        return Image.fromarray(render(scene, change, size).image)
    except RegionwiseError:
        raise
    except Exception as error:
        raise DataError(
            f"the scene of class {scene.label}, number {scene.index}, in scenes.jsonl cannot be"
            f" rendered ({type(error).__name__}: {error}); write the data set again"
        ) from error


def per_image_and_pooled(metric: Metric, values: Values) -> dict[str, float]:
    """Return the mean over images, the agreement of all parts pooled, and that of the signs."""
    if values.values is None or not isinstance(metric, CausalPartScore):
        raise InputError(f"{metric.id!r} has no effects of parts")
    shares, effects = values.extras["shares"], values.extras["effects"]
    value, undefined = mean_of_defined(values.values)
    return {
        "value": value,
        "pooled": pooled_agreement(shares, effects, metric.kind, metric.sign),
        "same_sign": mean_of_defined(sign_agreement(shares, effects))[0],
        "undefined": undefined,
    }


@dataclass(frozen=True)
class CausalPartScore(Metric):
    """Agreement of a map's mass per part with the change of the score when it is rendered again.

    Attributes:
        kind: correlation of ranks, or of values.
        sign: compare signed numbers, or magnitudes.
        score: what the effect is measured in.
        of: the ``saliency`` in [0, 1], or the raw ``maps`` with their signs.
    """

    name: ClassVar[str] = "causal-part-score"
    kind: Agreement = "spearman"
    sign: Sign = "signed"
    score: Score = "logit"
    of: Literal["saliency", "maps"] = "saliency"

    def measure(self, case: Case) -> Values:
        """Return the agreement of each image; shares and effects of its parts."""
        parts: Tensor = case.need("parts")
        maps = case.saliency
        if self.of == "maps":
            size = (maps.shape[1], maps.shape[2])
            maps = saliency_of(case.need("maps")[:, None], size, None)[:, 0]
        shares = part_shares(maps, parts)
        effects = self._effects(case, parts.shape[1]).to(shares.device)
        found = agreement(shares, effects, self.kind, self.sign)
        return Values(found, extras={"shares": shares, "effects": effects})

    def _effects(self, case: Case, count: int) -> Parts:
        judge: Judge = case.need("judge")
        make = case.need("edited")
        edit = (case.truth.edit, case.truth.part_names) if case.truth else ()
        key = (case.inputs_key, "edited", edit)
        changed = judge.under(key, lambda: make().flatten(0, 1))
        whole = case.scores(case.logits(), self.score)
        by_part = changed.reshape(len(case), count, -1)
        targets = case.targets[:, None].expand(-1, count)
        return whole[:, None] - judge.scores(by_part, targets, self.score)


def _correlated(shares: Tensor, effects: Tensor, kind: Agreement, sign: Sign) -> Tensor:
    known = shares.isfinite() & effects.isfinite()
    a, b = shares[known].double()[None], effects[known].double()[None]
    if sign == "magnitude":
        a, b = a.abs(), b.abs()
    if a.shape[1] < LEAST:
        return torch.tensor(torch.nan, dtype=torch.float64, device=shares.device)
    if kind == "spearman":
        a, b = average_ranks(a), average_ranks(b)
    return correlation(a[:, None], b[:, None])[0]
