"""Cost per image from 1 to 10,000 images in a stream of batches, and what the process holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib import ticker
from matplotlib.figure import Figure

from bench.groups import Case, Group
from bench.measuring import wait
from bench.memory import resident
from bench.networks import pictures
from bench.settings import Settings
from regionwise import explain, load_model
from regionwise.files import replacing

NETWORK, METHOD = "birds-1", "grad-cam"
BATCH, DRAWN = 16, 48
MANY, FEW = 10_000, 320
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "speed-curve.svg"


def groups(_: Settings) -> Iterator[Group]:
    """Yield the one group."""
    yield Group("curve", NETWORK, case)


def case(settings: Settings) -> Case:
    """Build a stream of batches; its curve is one of the checks."""
    classifier = load_model(NETWORK)
    classifier.module.to(settings.device)
    birds = pictures(DRAWN, 224, settings.device)

    def explain_some(place: int, count: int) -> None:
        chosen = [(place + i) % DRAWN for i in range(count)]
        explain(classifier, birds[chosen], METHOD).saliency()

    def measure() -> list[dict[str, Any]]:
        points = curve(explain_some, FEW if settings.quick else MANY)
        if not settings.quick:
            draw(points, PICTURE)
        return points

    return Case(contenders=[], checks={"curve": measure}, facts={"method": METHOD, "batch": BATCH})


def curve(
    run: Callable[[int, int], Any],
    images: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, Any]]:
    """Explain so many images; after 1, 10, 100, ... say what one cost since the last point.

    ``run`` takes the place of the first image of a batch, and how many the batch has.
    """
    for count in (1, min(BATCH, images)):
        run(0, count)  # what is made once, for either shape, is no cost per image
    points: list[dict[str, Any]] = []
    done, last, seconds = 0, 0, 0.0
    while done < images:
        count = 1 if done == 0 else min(BATCH, images - done, _next(done) - done)
        started = clock()
        run(done, count)
        wait()
        seconds += clock() - started
        done += count
        if done in {images, _next(done - count)}:
            held = resident()
            points.append(
                {"images": done, "ms": 1e3 * seconds / (done - last), "resident MiB": _mib(held)}
            )
            last, seconds = done, 0.0
    return points


def _next(done: int) -> int:
    """Return the next number of images at which a point is taken: 1, 3, 10, 32, 100, ..."""
    half_decades = (round(10 ** (i / 2)) for i in range(12))
    return next((point for point in half_decades if point > done), 10**9)


def _mib(held: int | None) -> float | None:
    return None if held is None else held / 2**20


def draw(points: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw cost per image, and what the process holds, against the number of images."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    titles = {"ms": "ms per image", "resident MiB": "memory of the process, MiB"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        shown = [(p["images"], p[name]) for p in points if p[name] is not None]
        axes.plot(*zip(*shown, strict=True), marker="o", color="#2166ac")
        axes.set(xscale="log", xlabel="images explained", ylabel=title)
        axes.set_ylim(0, 1.3 * max(value for _, value in shown))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.spines[["top", "right"]].set_visible(b=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
