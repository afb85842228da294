"""What is asked: the lines of the table, each of which names the contenders that it compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.groups import HALF
from bench.groups_gradient import FIVE, FOUR

Measure = Literal["times faster", "times its time", "times less memory", "times its memory"]
Value = Literal["value", "seconds"]

ROUNDING = 1e-5
ALIKE = 0.999


@dataclass(frozen=True)
class Compared:
    """Whose numbers are held against whose; several names are added up.

    Attributes:
        ours: names of contenders; of a value, its name.
        theirs: names of contenders; empty for a value.
        called: which of several this is.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...] = ()
    called: str = ""


@dataclass(frozen=True)
class Claim:
    """A line of the table; of several comparisons the worst counts.

    Attributes:
        group: the name of the group, for every network that it was measured on.
        what: what is ours.
        against: what it is held against.
        measure: of what; ``value`` and ``seconds`` are held against the number itself.
        asked: the number to reach.
        compared: whose numbers.
        at_most: the number is not to be exceeded; otherwise it is to be reached.
    """

    group: str
    what: str
    against: str
    measure: Measure | Value
    asked: float
    compared: tuple[Compared, ...]
    at_most: bool = False


def claims() -> Iterator[Claim]:
    """Yield all lines, in the table's order."""
    yield from _gradient_claims()
    yield from _score_cam_claims()
    yield from _other_claims()
    yield from _cape_claims()
    yield from _ray_claims()


def faster(group: str, what: str, against: str, asked: float, *compared: Compared) -> Claim:
    """Return the claim that ours takes 1 / ``asked`` of the time at most."""
    return Claim(group, what, against, "times faster", asked, compared)


def within(group: str, what: str, against: str, asked: float, *compared: Compared) -> Claim:
    """Return the claim that ours takes ``asked`` times the time at most."""
    return Claim(group, what, against, "times its time", asked, compared, at_most=True)


def lighter(group: str, what: str, against: str, asked: float, *compared: Compared) -> Claim:
    """Return the claim that ours takes 1 / ``asked`` of the memory at most."""
    return Claim(group, what, against, "times less memory", asked, compared)


def same(group: str, what: str, names: Sequence[str]) -> Claim:
    """Return the claim that maps are those of the plain formulation."""
    compared = tuple(Compared((f"difference{name}",), called=name.strip()) for name in names)
    against = "plain formulation, largest difference"
    return Claim(group, what, against, "value", ROUNDING, compared, at_most=True)


def alike(group: str, what: str, names: Sequence[str]) -> Claim:
    """Return the claim that maps in bfloat16 correlate with those in float32."""
    compared = tuple(
        Compared((f"correlation {HALF}{name}",), called=name.strip()) for name in names
    )
    return Claim(group, what, "its maps in float32, correlation", "value", ALIKE, compared)


def _each(ours: str, theirs: str) -> tuple[Compared, ...]:
    """Return the four gradient methods, each against its own peer or against one limit."""
    return tuple(
        Compared((f"{ours} {m}",), (f"{theirs} {m}" if theirs[:5] != "limit" else theirs,), m)
        for m in FOUR
    )


def _gradient_claims() -> Iterator[Claim]:
    what, half = "grad-cam, grad-cam++, xgrad-cam, layer-cam", f"ours {HALF}"
    yield faster("gradient", what, "pytorch-grad-cam", 3.3, *_each("ours", "pytorch-grad-cam"))
    yield lighter("gradient", what, "pytorch-grad-cam", 3.5, *_each("ours", "pytorch-grad-cam"))
    yield faster("gradient", what, "torch-cam", 1.15, *_each("ours", "torch-cam"))
    yield lighter("gradient", what, "torch-cam", 1.2, *_each("ours", "torch-cam"))
    yield faster("gradient", f"{what}, {HALF}", "torch-cam", 2.0, *_each(half, "torch-cam"))
    yield alike("gradient", f"{what}, {HALF}", [f" {m}" for m in FOUR])
    limits = "plain forward, best layout"
    yield within("gradient", what, limits, 1.1, *_each("ours", "limit float32"))
    yield within(
        "gradient", f"{what}, {HALF}", f"{limits}, {HALF}", 1.1, *_each(half, f"limit {HALF}")
    )
    captum = Compared(("ours grad-cam",), ("captum grad-cam",))
    yield faster("gradient", "grad-cam", "captum", 1.0, captum)
    yield same("gradient", f"cam, {what}", [f" {m}" for m in FIVE])
    yield from _together_claims()


def _together_claims() -> Iterator[Claim]:
    torch_cam = tuple(f"torch-cam {m}" for m in FIVE)
    pgc = tuple(f"pytorch-grad-cam {m}" for m in FOUR)
    for dtype, ours, asked in (("", "ours five", (6.5, 17)), (HALF, f"ours {HALF} five", (12, 30))):
        what = f"cam and these four together{dtype and ', '}{dtype}"
        for who, theirs, least in zip(
            ("torch-cam", "pytorch-grad-cam"), (torch_cam, pgc), asked, strict=True
        ):
            against = f"{who}, one after another"
            yield faster("gradient", what, against, least, Compared((ours,), theirs))
    what = "cam and these four together"
    for who, least in (("torch-cam five", 7), ("pytorch-grad-cam four", 5)):
        against = f"{who.rsplit(' ', 1)[0]}, one after another"
        yield lighter("gradient", what, against, least, Compared(("ours five",), (who,)))


def _score_cam_claims() -> Iterator[Claim]:
    ours, half = ("ours score-cam",), (f"ours {HALF} score-cam",)
    pgc, torch_cam = ("pytorch-grad-cam score-cam",), ("torch-cam score-cam",)
    group = "score-cam"
    yield faster(group, "score-cam", "pytorch-grad-cam", 1.4, Compared(ours, pgc))
    yield faster(group, "score-cam", "torch-cam", 1.4, Compared(ours, torch_cam))
    one = "the authors' one mask at a time"
    for method in ("score-cam", "score-cam++"):
        pair = Compared((f"ours {method}",), (f"authors {method}",))
        yield faster(group, method, one, 1.0, pair)
    yield faster(group, f"score-cam, {HALF}", "pytorch-grad-cam", 3.0, Compared(half, pgc))
    yield alike(group, f"score-cam, score-cam++, {HALF}", (" score-cam", " score-cam++"))
    limits = "live channels x plain forward, best layout"
    yield within(group, "score-cam", limits, 1.08, Compared(ours, ("limit float32",)))
    pair = Compared(half, (f"limit {HALF}",))
    yield within(group, f"score-cam, {HALF}", f"{limits}, {HALF}", 1.08, pair)
    yield same(group, "score-cam, score-cam++", (" score-cam", " score-cam++"))
    for many, few in (("512 channels", "64 channels"), ("64 channels", "16 channels")):
        against = f"of {few}"
        pair = Compared((many,), (few,))
        measure = "times its memory"
        what = f"memory of score-cam on {many}"
        yield Claim("score-cam-memory", what, against, measure, 1.1, (pair,), at_most=True)
    pair = Compared(("all channels",), ("few channels",))
    yield within("score-cam-all-channels", "score-cam, all channels, per pass", "few", 1.05, pair)
    yield from _accelerated_claims()
    yield from _budget_claims()


def _accelerated_claims() -> Iterator[Claim]:
    for way in ("compile", "cuda-graphs"):
        pair = Compared((way,), ("eager",))
        yield faster("accelerate", f"score-cam, accelerate={way}", "score-cam", 1.0, pair)


def _budget_claims() -> Iterator[Claim]:
    group, what = "score-cam-budget", "score-cam:budget=K/8"
    yield faster(group, what, "full score-cam of ours", 6.0, Compared(("budget",), ("full",)))
    mean, cover = (
        (Compared((f"{name} of the budget",)),) for name in ("mean correlation", "coverage")
    )
    yield Claim(group, what, "its raw maps, mean correlation", "value", 0.99, mean)
    yield Claim(group, what, "cells in their 95 % interval", "value", 0.95, cover)
    names = ("score-cam", *FOUR)
    yield alike(group, f"{', '.join(names)}, {HALF}, trained network", [f" {m}" for m in names])


def _other_claims() -> Iterator[Claim]:
    group = "union-cam"
    for dtype in ("", f"{HALF} "):
        pair = Compared((f"ours {dtype}union-cam",), (f"ours {dtype}score-cam",))
        what = f"union-cam{dtype and ', '}{dtype.strip()}"
        yield within(group, what, "our own score-cam", 1.05, pair)
    yield alike(group, f"union-cam, {HALF}", (" union-cam",))
    yield same(group, "union-cam", (" union-cam",))
    pair = Compared(("ours",), ("pytorch-grad-cam",))
    yield faster("ablation-cam", "ablation-cam", "pytorch-grad-cam", 500, pair)
    yield same("ablation-cam", "ablation-cam", ("",))
    for group, peer in (
        ("smooth-grad-cam++", "torch-cam"),
        ("integrated-gradients", "captum"),
        ("smooth-grad", "captum"),
    ):
        yield faster(group, group, peer, 1.2, Compared(("ours",), (peer,)))
        half = Compared((f"ours {HALF}",), (peer,))
        yield faster(group, f"{group}, {HALF}", peer, 2.0, half)
        yield alike(group, f"{group}, {HALF}", ("",))
        yield same(group, group, ("",))


def _cape_claims() -> Iterator[Claim]:
    what = "CAPE explanation on top of classification"
    vanilla = Compared(("ours",), ("limit float32",))
    yield within("cape", what, "the vanilla network, best layout", 1.03, vanilla)
    as_it_is = Compared(("ours",), ("vanilla network as it is",))
    yield within("cape", what, "the vanilla network as it is", 1.03, as_it_is)
    group, what = "cape-contributions", "CAPE contributions"
    pair = Compared(("ours",), ("reference formulation",))
    yield faster(group, what, "reference formulation", 150, pair)
    yield lighter(group, what, "reference formulation", 100, pair)
    yield same(group, what, ("",))
    for name in ("import regionwise", "regionwise --help"):
        alone = (Compared((name,)),)
        yield Claim("startup", name, "-", "seconds", 0.25, alone, at_most=True)
        torch = (Compared((f"modules of torch after {name}",)),)
        yield Claim(
            "startup", f"modules of torch after {name}", "-", "value", 0, torch, at_most=True
        )


def _ray_claims() -> Iterator[Claim]:
    group, two = "ray", "two Ray workers of one thread each"
    yield faster(group, two, "one", 1.7, Compared(("two workers",), ("one worker",)))
    limit = Compared(("two workers",), ("two processes",))
    yield within(group, two, "two plain processes without an engine", 1.05, limit)
    beside = (Compared(("beside the work",)),)
    what = "share of the work that the engine takes besides, chunks of 32 images"
    yield Claim(group, what, "-", "value", 0.05, beside, at_most=True)
    vain = (Compared(("begun in vain",)),)
    what = "chunks done again per worker after kill -9 of the driver"
    yield Claim(group, what, "-", "value", 1, vain, at_most=True)
