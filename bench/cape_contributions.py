"""CAPE's contributions from class maps: two softmaxes against the reference formulation.

    python bench/cape_contributions.py [--images 8] [--classes 200] [--side 14] [--repeats 15]

The reference formulation is that of the authors' code: at every location, exp(M'_c + mean M') of
all classes is weighed against every other location, through a tensor of images x classes x
locations x locations. Ours keeps to images x classes x locations. Both run in turns in one
process; the time is a median, the memory the peak of what torch allocated.
"""

import argparse
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from regionwise.heads.cape import cape_joint


def reference(maps):
    """Return contributions n y z, with the location term taken against every other location.

    1 / sum_l sum_y exp(M'_yz - M'_cz) ... written as the authors' code computes it: differences of
    every pair of locations for every class, exponentials, sums, reciprocals.
    """
    flat = maps.flatten(2)
    mean = flat.mean(dim=1, keepdim=True)
    total = flat + mean
    within = flat.softmax(dim=1)
    pairs = (mean.expand_as(total)[:, :, None, :] - mean.expand_as(total)[:, :, :, None]).exp()
    return (within / pairs.sum(dim=3)).view_as(maps)


def ours(maps):
    """Return contributions n y i j from the joint."""
    return cape_joint(maps).log_joint.exp()


def peak(run, maps):
    """Return the largest number of bytes that torch held at once while it ran, beyond the maps."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        run(maps)
    held = most = 0
    for event in watched.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--side", type=int, default=14)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    torch.manual_seed(0)
    maps = torch.randn(asked.images, asked.classes, asked.side, asked.side)
    runs = {"reference formulation": reference, "regionwise": ours}
    gap = (reference(maps) - ours(maps)).abs().max()
    times = {who: [] for who in runs}
    with torch.inference_mode():
        for repeat in range(asked.repeats + 1):
            for who, run in runs.items():
                started = time.perf_counter()
                run(maps)
                if repeat:
                    times[who].append(time.perf_counter() - started)
        held = {who: peak(run, maps) for who, run in runs.items()}
    middle = {who: statistics.median(found) for who, found in times.items()}
    table = Table("", "ms", "MiB", "times slower", "times more memory")
    for who in runs:
        table.add_row(
            who,
            f"{1e3 * middle[who]:.2f}",
            f"{held[who] / 2**20:.1f}",
            f"{middle[who] / middle['regionwise']:.0f}",
            f"{held[who] / held['regionwise']:.0f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{asked.images} images, {asked.classes} classes, {asked.side} x {asked.side};"
        f" largest difference {gap:.1e}; {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
