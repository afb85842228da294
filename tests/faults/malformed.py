"""Ways to spoil a file: cut it, alter its bytes, or put something else in place of any value."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from regionwise.errors import RegionwiseError

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 3, 2**40, -(2**70), 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "x", "\0", "birds", "../..", "\u202e", "9" * 5000, "x.py:f", "matched:"),
    *([], [None], ["x"], [1, 2], [[]], [[1.5] * 3] * 3, {}, {"x": 1}, {"name": None}),
)


def spoiled(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield a file cut short, with altered bytes, with bytes twice, and with bytes left out."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for number in range(count):
        found = bytearray(content)
        for _ in range(chance.choice([1, 1, 2, 6])):
            _spoil(found, (number + chance.randrange(2)) % 6, chance)
            if not found:
                break
        yield bytes(found) if found else b""


def _spoil(found: bytearray, kind: int, chance: random.Random) -> None:
    place = chance.randrange(len(found))
    if kind == 0:
        del found[place:]
    elif kind == 1:
        found[place] = chance.randrange(256)
    elif kind == 2:
        found[place] ^= 1 << chance.randrange(8)
    elif kind == 3:
        found[place:place] = found[place : place + chance.randrange(1, 40)]
    elif kind == 4:
        del found[place : place + chance.randrange(1, 20)]
    else:
        found[place : place + 8] = chance.choice([b"\xff" * 8, bytes(8), b"\xfe\xff" * 4])


def altered(value: Any, count: int, seed: int) -> Iterator[Any]:
    """Yield a value with something else, nothing, or one too many in any place of it."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(count):
        found = copy.deepcopy(value)
        for _ in range(chance.choice([1, 1, 1, 3])):
            places = list(_places(found))
            holder, key = chance.choice(places)
            _alter(holder, key, chance)
        yield found


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(pairs):
        yield value, key
        if isinstance(item, dict | list) and item:
            yield from _places(item)


def _alter(holder: Any, key: Any, chance: random.Random) -> None:
    try:
        kind = chance.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif kind == 1:
            holder[str(key) + "x"] = holder[key]
        else:
            holder[key] = copy.deepcopy(chance.choice(JUNK))
    except LookupError:
        pass  # an alteration before took it away


def refused(read: Callable[[], Any], *named: str | Path) -> bool:
    """Return whether reading fails, as it should: on purpose, in words that name one of these."""
    try:
        read()
    except RegionwiseError as error:
        said = str(error)
        assert any(str(name) in said for name in named), said
        assert "Traceback" not in said
        return True
    return False
