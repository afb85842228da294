"""Metrics beside those of Quantus that score maps: by regions, by their look, by removing pixels.

Quantus is no dependency, not even of the tests: ``pip install quantus``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import torch
from parity_metrics import DENSE, MAPS, Birds, Fed, Row, attempted, numbers
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import quantus

PEER = "Quantus"
STEP = 3584
"""Pixels that are flipped at a time: a fourteenth of a picture."""

USED: set[str] = set()
"""Metrics of Quantus that were asked."""


def asked(
    pictures: Birds, kind: str, maps: np.ndarray | None, given: dict | None = None, **call
) -> Callable[[], np.ndarray]:
    """Return a call of a metric of Quantus, made with the settings ``given``."""
    USED.add(kind)
    net = pictures.classifier.module
    net = net if isinstance(net, Fed) else Fed(net).eval()
    inputs, targets = pictures.inputs.numpy(), pictures.targets.numpy()
    call = {"softmax": True, "channel_first": True, **call}

    def answer() -> np.ndarray:
        metric = getattr(quantus, kind)(disable_warnings=True, **(given or {}))
        own = None if maps is None else maps.copy()  # it changes maps in place
        found = metric(net, inputs, targets, own, **call)
        return np.array(list(found.values()) if isinstance(found, dict) else found, dtype=float)

    return answer


def called(kind: str, given: dict | None = None) -> str:
    """Return how a metric of Quantus was made, as code."""
    return f"`{kind}({', '.join(f'{k}={v!r}' for k, v in (given or {}).items())})`"


def localisation_rows(pictures: Birds) -> Iterator[Row]:
    """Yield the pointing game, shares of energy, and AUC."""
    maps = pictures.saliency(MAPS)
    middle = round(float(pictures.boxed.double().mean(dim=(1, 2)).median()), 3)
    of_region = {"bird": pictures, "breast": pictures.only(4), "right eye": pictures.only(11)}

    def row(metric: str, kind: str, where: str = "bird", reason: str = "", **given) -> Row:
        of = of_region[where]
        masks = (of.boxed if "energy" in metric else of.regions).numpy()[:, None]
        ours = numbers(of.measured(metric, maps).values)
        theirs = attempted(asked(of, kind, maps.numpy()[:, None], given, s_batch=masks))
        return Row(metric, PEER, called(kind, given), f"{MAPS}, {where}", ours, theirs, reason)

    any_hit = "pointing-game:tolerance=0,ties=any"
    yield row(any_hit, "PointingGame", "breast")
    why = "has no tolerance; 15 pixels here unless said"
    yield row("pointing-game", "PointingGame", "breast", why)
    why = "where the part is hidden, its NaN is put among truth values and becomes a hit"
    yield row(any_hit, "PointingGame", "right eye", why)
    why = "its weights are put among truth values, too"
    yield row(any_hit, "PointingGame", "breast", why, weighted=True)
    name = "AttributionLocalisation"
    yield row("energy-pointing-game", name)
    why = (
        "larger boxes are warned of, not left out; and the area of a box is taken as a share of"
        " all values of all pictures but the first two (`x_batch[2:].size`)"
    )
    yield row(f"energy-pointing-game:largest={middle}", name, "bird", why, max_size=middle)
    yield row("relevance-mass", "RelevanceMassAccuracy")
    why = "the area under the ROC curve, not under precision and recall"
    yield row("pxap", "AUC", "bird", why)


def look_rows(pictures: Birds) -> Iterator[Row]:
    """Yield sparseness, complexity and area."""
    maps = pictures.saliency(MAPS)
    pixels = maps[0].numel()
    raw = F.interpolate(pictures.raw(MAPS)[:, None], pictures.inputs.shape[2:], mode="nearest")
    raw = raw.relu()[:, 0]
    highest = raw.amax(dim=(1, 2))

    def row(metric: str, kind: str, reason: str = "", given: dict | None = None, **how):
        seen, share = how.get("maps", maps), how.get("share", 1)
        scaled = seen / seen.amax(dim=(1, 2), keepdim=True)
        ours = numbers(pictures.measured(metric, scaled).values)
        call = {"batch_size": how.get("batch", 64)}
        parts = [(pictures, seen)] if how.get("batch") != 1 else singly(pictures, seen)
        found = [attempted(asked(of, kind, m.numpy()[:, None], given, **call)) for of, m in parts]
        name = called(kind, given) + (" / pixels" if share != 1 else "")
        where = f"raw {MAPS}" if "maps" in how else MAPS
        where += ", one picture at a time" if len(parts) > 1 else ""
        return Row(metric, PEER, name, where, ours, np.concatenate(found) / share, reason)

    yield row("sparseness", "Sparseness")
    yield row("complexity", "Complexity", "entropy of the map as a distribution, not its mean")
    yield row("area:threshold=1e-05", "EffectiveComplexity", share=pixels)
    why = (
        "`normalise_by_max` divides all maps by the largest value of the whole batch; these have"
        f" maxima from {float(highest.min()):.2g} to {float(highest.max()):.2g}"
    )
    half = {"eps": 0.5}
    area = "area:threshold=0.5"
    yield row(area, "EffectiveComplexity", why, half, maps=raw, share=pixels)
    yield row(area, "EffectiveComplexity", "", half, maps=raw, share=pixels, batch=1)


def singly(pictures: Birds, maps: torch.Tensor) -> list[tuple[Birds, torch.Tensor]]:
    """Return each picture and its map by itself."""
    parts = zip(
        *(v.split(1) for v in (pictures.inputs, pictures.targets, pictures.parts, maps)),
        strict=True,
    )
    return [(Birds(pictures.classifier, *part[:3]), part[3]) for part in parts]


def flipping_rows(pictures: Birds) -> Iterator[Row]:
    """Yield deletion beside pixel flipping, step by step."""
    grey, middle = pictures.grey(), pictures.cut(192)
    by_pixels = f"deletion:pixels={STEP}"

    def row(of: Birds, metric: str, reason: str = "", **how) -> Row:
        method = how.get("method", DENSE)
        maps = (middle if of is middle else pictures).saliency(method)
        given = {
            "features_in_step": how.get("step", STEP),
            "perturb_baseline": how.get("fill", 0.0),
        }
        ours = numbers(of.measured(metric, maps).curves["score"][:, 1:])
        theirs = attempted(asked(of, "PixelFlipping", maps.numpy()[:, None], given))
        where = f"{method}, {'grey' if of is grey else 'colour, 192 x 192'}"
        name = f"{called('PixelFlipping', given)}, curve"
        return Row(f"{metric}; curve", PEER, name, where, ours, theirs, reason)

    yield row(grey, by_pixels)
    why = "equal pixels fall as an unstable sort leaves them"
    yield row(grey, by_pixels, why, method=MAPS)
    why = "its black is the lowest value of each picture, as normalised"
    yield row(grey, by_pixels, why, fill="black")
    yield row(middle, "deletion:pixels=1536", step=3 * 1536)
    why = "flips colour values, not pixels: a step of no multiple of 3 ends within a pixel"
    yield row(middle, "deletion:steps=54", why, step=2048)


def area_rows(pictures: Birds) -> Iterator[Row]:
    """Yield the areas under deletion and pixel flipping."""
    maps, grey = pictures.saliency(DENSE), pictures.grey()
    metric = f"deletion:pixels={STEP}"
    found = grey.measured(metric, maps)
    given = {"features_in_step": STEP, "perturb_baseline": 0.0, "return_auc_per_sample": True}
    flipped = asked(grey, "PixelFlipping", maps.numpy()[:, None], given)

    def row(ours: np.ndarray, theirs, reason: str = "", note: str = "") -> Row:
        name = called("PixelFlipping", given)
        return Row(f"{metric}{note}", PEER, name, f"{DENSE}, grey", ours, theirs, reason)

    why = "NumPy 2.4 has no `trapz` any more; the rows below give it `trapezoid` by that name"
    values = numbers(found.values)
    yield row(values, attempted(flipped), why)
    with mock.patch.object(np, "trapz", np.trapezoid, create=True):
        theirs = attempted(flipped)
    yield row(values, theirs, "counts the area in steps, not shares, and begins after the first")
    summed = np.trapezoid(numbers(found.curves["score"][:, 1:]), axis=1)
    yield row(summed, theirs, note="; summed so")


def region_rows(pictures: Birds) -> Iterator[Row]:
    """Yield deletion cell by cell beside the metrics that delete patches."""
    maps, side = pictures.saliency(DENSE), 32
    cells = F.avg_pool2d(maps[:, None], side)[:, 0]
    metric = "deletion:pixels=1,resolution=map"
    curve = numbers(pictures.measured(metric, maps, maps=cells).curves["score"])
    every = {"regions_evaluation": cells[0].numel()}

    def row(what: str, kind: str, ours: np.ndarray, more: dict | None = None) -> Row:
        given = {"patch_size": side, "perturb_baseline": 0.0, **(more or {})}
        theirs = attempted(asked(pictures, kind, maps.numpy()[:, None], given))
        where = f"{DENSE}, means of {side} x {side} pixels"
        return Row(f"{metric}; {what}", PEER, called(kind, given), where, ours, theirs)

    yield row("curve", "Selectivity", curve[:, 1:])
    yield row("drops", "RegionPerturbation", curve[:, :1] - curve[:, 1:], every)


def road_rows(pictures: Birds) -> Iterator[Row]:
    """Yield ROAD, which Quantus measures by what is classified rightly."""
    grey, maps = pictures.grey(), pictures.saliency(DENSE)
    given = {"percentages": [2, 5, 10, 20], "noise": 0.0}
    metric = "road:percents=2/5/10/20,noise=0,ties=first"

    def row(of: Birds, reason: str = "", **call) -> Row:
        ours = numbers(of.measured(metric, maps).curves["hits-morf"].mean(dim=0))
        theirs = attempted(asked(of, "ROAD", maps.numpy()[:, None], given, **call))
        where = f"{DENSE}, {'grey' if of is grey else 'colour'}"
        where += ", batches of 1" if call else ""
        return Row(f"{metric}; hits-morf", PEER, called("ROAD", given), where, ours, theirs, reason)

    yield row(grey)
    yield row(pictures, "it orders the values of all colours, and takes their places for pixels")
    yield row(grey, "reports the first batch only (`evaluation_scores[0]`)", batch_size=1)


def quantus_rows(pictures: Birds) -> Iterator[Row]:
    """Yield the rows of maps, regions and removed pixels."""
    yield from localisation_rows(pictures)
    yield from look_rows(pictures)
    few = pictures.first(2)
    yield from flipping_rows(few)
    yield from area_rows(few)
    yield from region_rows(few)
    yield from road_rows(few)


def unused() -> list[str]:
    """Return the metrics of Quantus that no row has asked."""
    groups = quantus.AVAILABLE_METRICS.values()
    return sorted({kind.__name__ for group in groups for kind in group.values()} - USED)
