"""Measure Score-CAM's budget on seeded birds: how near its maps are, how often intervals cover.

    python scripts/score_cam_budget.py             24 birds, about fifteen minutes on one core
    python scripts/score_cam_budget.py --birds 2   to try it

Prints the tables of docs/score_cam_budget.md: for each network and share of the channels, over
birds and seeds, the correlation with the map of all channels, the share of cells that lie within
the 90% and 95% intervals, and how many times faster it is, in turns with the full method.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image

from regionwise.attribution.explain import explain
from regionwise.attribution.recipe import Recipe
from regionwise.attribution.score_cam import ScoreCAM
from regionwise.attribution.score_cam_budget import half_width
from regionwise.attribution.score_cam_pp import ScoreCAMpp
from regionwise.data.birds import render, sample_scene, species
from regionwise.evidence.needs import MASKED_SCORES
from regionwise.evidence.probe import Probe
from regionwise.zoo import load_model

SEED = 11
SEEDS = 12
SHARES = (4, 8, 16)
LEVELS = (0.9, 0.95)
CASES = (
    ("birds", "layer4", ScoreCAM),
    ("birds", "layer4", ScoreCAMpp),
    ("birds-cape", None, ScoreCAM),
    ("birds", "layer3", ScoreCAM),
    ("torchvision:resnet18", "layer4", ScoreCAM),
)
RANDOM = "torchvision:resnet18"
"""Random weights: every forward pass is dear, and few birds do."""


@dataclass(frozen=True)
class Run:
    """One draw on one bird.

    Attributes:
        correlation: with the map of all channels.
        error: root mean square of the cells' errors, as a share of the map's standard deviation.
        covered: share of the cells within the interval, by level.
    """

    correlation: float
    error: float
    covered: tuple[float, ...]


def birds(count: int) -> list[Image.Image]:
    """Return seeded birds, classes in turn."""
    kinds = species(24)
    scenes = [sample_scene(kinds[n % 24], n // 24, seed=SEED) for n in range(count)]
    return [Image.fromarray(render(scene).image) for scene in scenes]


def network(name: str):
    """Return a module, and what prepares pictures for the shipped networks."""
    if name != RANDOM:
        return load_model(name).module
    import torchvision  # noqa: PLC0415 - for this case alone

    torch.manual_seed(SEED)
    return torchvision.models.resnet18(weights=None).eval()


def runs(module, layer: str | None, kind: type[Recipe], image) -> dict[int, list[Run]]:
    """Return the draws on one bird by share of the channels; all masks are scored once."""
    with Probe(module, image[None], None, layer, needs=frozenset({MASKED_SCORES})) as probe:
        full, channels = kind()(probe).maps, probe.activations.shape[1]
        says = full[0, 0] != 0  # where no channel says anything there is nothing to estimate
        return {
            share: [
                one(kind(budget=channels // share, seed=seed)(probe), full, says)
                for seed in range(SEEDS)
            ]
            for share in SHARES
        }


def one(found, full, says) -> Run:
    """Compare a map with the full one."""
    away = (found.maps - full)[0, 0][says]
    degrees, error = found.details["degrees_of_freedom"], found.details["standard_error"]
    covered = tuple(
        float((away.abs() <= half_width(error, degrees, level)[0, 0][says]).double().mean())
        for level in LEVELS
    )
    pair = torch.stack([found.maps.flatten(), full.flatten()]).double()
    spread = away.square().mean().sqrt() / full.std()
    return Run(float(torch.corrcoef(pair)[0, 1]), float(spread), covered)


def seconds(module, layer: str | None, method: Recipe, image) -> float:
    """Return what one map costs, in seconds of this process: others may be at work."""
    start = time.process_time()
    explain(module, image[None], method, layer=layer)
    return time.process_time() - start


def faster(module, layer: str | None, kind: type[Recipe], images) -> dict[int, float]:
    """Return how many times faster each share is: the median over birds, taking turns."""
    with Probe(module, images[:1], None, layer) as probe:
        channels = probe.activations.shape[1]
    ratios: dict[int, list[float]] = {share: [] for share in SHARES}
    for image in images:
        fulls = [seconds(module, layer, kind(), image)]
        for share in SHARES:
            part = seconds(module, layer, kind(budget=channels // share), image)
            fulls.append(seconds(module, layer, kind(), image))
            ratios[share].append(part)
        for share, (before, after) in zip(SHARES, pairwise(fulls), strict=True):
            ratios[share][-1] = (before + after) / 2 / ratios[share][-1]
    return {share: float(np.median(found)) for share, found in ratios.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure Score-CAM's budget on seeded birds.")
    parser.add_argument("--birds", type=int, default=24)
    parser.add_argument("--timed", type=int, default=4, help="birds on which time is taken")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    images = load_model("birds").preprocessing(birds(asked.birds))
    print(
        "| network | method | channels | correlation | lowest tenth | error | 90% | 95% | faster |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, layer, kind in CASES:
        module = network(name)
        some = images[:3] if name == RANDOM else images
        found = [runs(module, layer, kind, image) for image in some]
        ratio = faster(module, layer, kind, some[: asked.timed])
        for share in SHARES:
            flat = [run for bird in found for run in bird[share]]
            correlations = [run.correlation for run in flat]
            covered = np.mean([run.covered for run in flat], axis=0)
            print(
                f"| {name} {layer or ''} | {kind.name} | K/{share} | {np.mean(correlations):.4f}"
                f" | {np.quantile(correlations, 0.1):.4f} | {np.mean([r.error for r in flat]):.3f}"
                f" | {covered[0]:.3f} | {covered[1]:.3f} | {ratio[share]:.1f}x |",
                flush=True,
            )


if __name__ == "__main__":
    main()
