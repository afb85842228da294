"""The measurement of a group: warm up, look once at memory and passes, check, take turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from bench.counting import counted
from bench.groups import Case, Group
from bench.machine import machine
from bench.measuring import Contender, frozen, measure
from bench.memory import peak
from bench.rows import Row
from bench.settings import Settings
from regionwise.errors import RegionwiseError

LEFT_OUT = (RegionwiseError, TypeError, ImportError, torch.OutOfMemoryError)
"""What says that something cannot be measured here; anything else is a bug of the benchmark."""

Step = Callable[[str], None]


def run_group(
    group: Group,
    settings: Settings,
    step: Step = lambda _: None,
    expect: Callable[[int], None] = lambda _: None,
) -> Row:
    """Return the row of one group.

    Args:
        group: what to measure.
        settings: how.
        step: called after each piece of work with its name, for a progress bar.
        expect: called with how many pieces there are, as soon as that is known better.
    """
    case = group.build(settings)
    try:
        return _measured(group, case, settings, step, expect)
    finally:
        case.close()


def _measured(
    group: Group, case: Case, settings: Settings, step: Step, expect: Callable[[int], None]
) -> Row:
    pairs = settings.pairs if case.pairs is None else case.pairs
    expect(pieces(case, len(case.contenders), pairs))
    with frozen():
        watched = {one.name: watch(one, case, settings.device, step) for one in case.contenders}
    values, absent = checked(case, step)
    able = [one for one in case.contenders if one.timed and "missing" not in watched[one.name]]
    expect(pieces(case, len(able), pairs))
    seconds = measure(able, pairs, before=case.reset, after=step)
    for name, found in seconds.items():
        watched[name]["seconds"] = found
    return {
        "group": group.id,
        "settings": settings.key,
        "machine": machine(settings.device, settings.threads),
        "facts": dict(case.facts),
        "contenders": watched,
        "values": values,
        "absent": absent,
    }


def watch(one: Contender, case: Case, device: str, step: Step) -> dict[str, Any]:
    """Run a contender untimed; return its memory and passes, or why it cannot run."""
    found: dict[str, Any] = {"images": one.images}
    try:
        if one.warm:
            one.run()
        case.reset()
        if one.watched:
            if one.warm:
                # what is kept for a network that is being counted is kept apart
                with counted():
                    one.run()
            with counted() as passes:
                found["bytes"] = peak(one.run, device)
            found |= {
                "passes": passes.images / one.images,
                "backward calls": passes.backward,
            }
    except LEFT_OUT as error:
        found["missing"] = _sentence(error)
    step(one.name)
    return found


def checked(case: Case, step: Step) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of the checks, and why some could not be had."""
    values: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for name, check in case.checks.items():
        try:
            values[name] = check()
        except LEFT_OUT as error:
            absent[name] = _sentence(error)
        step(name)
    return values, absent


def pieces(case: Case, timed: int, pairs: int) -> int:
    """Return how many pieces of work a group has, if so many take turns."""
    return len(case.contenders) + len(case.checks) + timed * pairs


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
