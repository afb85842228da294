"""The Markdown of the page: verdicts, and what every contender took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bench.claims import claims
from bench.judging import Verdict, turns, verdicts
from bench.rows import Row
from regionwise.files import write_text

CURVE = "![Cost per image and memory, 1 to 10,000 images](pictures/speed-curve.svg)"
BEGIN, END = "<!-- bench: {} begins -->", "<!-- bench: {} ends -->"


def page_part(rows: Mapping[str, Row]) -> str:
    """Return all that the page says of one file of rows."""
    parts = [
        *machine_lines(rows.values()),
        "",
        *verdict_lines(verdicts(claims(), rows)),
        *curve_lines(rows),
        "",
        "### Every contender",
        "",
        *contender_lines(rows),
    ]
    return "\n".join(parts)


def insert(path: Path, name: str, text: str) -> None:
    """Put text between the markers of that name.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = BEGIN.format(name), END.format(name)
    page = path.read_text(encoding="utf-8")
    if begin not in page or end not in page:
        raise ValueError(f"{path.name} has no lines {begin} and {end}")
    before, rest = page.split(begin, 1)
    write_text(path, f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def machine_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield where the rows were measured; several lines if not all on the same machine."""
    for told in dict.fromkeys(_machine(row) for row in rows):
        yield f"- {told}"


def _machine(row: Row) -> str:
    found, asked = row["machine"], row["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    accelerator = f"{found['accelerator']}, " if found["accelerator"] else ""
    return (
        f"{accelerator}{found['processor']}, {found['cores']} cores, {found['threads']} threads,"
        f" {found['system']}, Python {found['python']}; {versions}; {asked['pairs']} turns of each"
        f" contender, images of {asked['size']} x {asked['size']}, batch {asked['batch']}"
    )


def verdict_lines(found: Iterable[Verdict]) -> Iterator[str]:
    """Yield the judged table."""
    yield "| what | against | on | asked | measured | verdict | ms | MiB | passes |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in found:
        ours, theirs = one.sides
        cells = [
            one.claim.what,
            one.claim.against,
            one.of,
            _asked(one),
            _measured(one),
            one.word,
            _both(ours.ms, theirs.ms),
            _both(ours.mib, theirs.mib),
            _both(ours.passes, theirs.passes),
        ]
        yield f"| {' | '.join(cells)} |"


def _asked(one: Verdict) -> str:
    unit = {"value": "", "seconds": " s"}.get(one.claim.measure, f" {one.claim.measure}")
    return f"{'<=' if one.claim.at_most else '>='} {one.claim.asked:g}{unit}"


def _measured(one: Verdict) -> str:
    found = one.found
    if found is None:
        return "-"
    called = f" ({one.called})" if one.called else ""
    if one.rounding is not None:
        called += f"; rounding alone {number(one.rounding)}"
    if found.low == found.high:
        return f"{number(found.value)}{called}"
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]{called}"


def number(value: float) -> str:
    """Return a number as a reader wants it: three digits, more where it is close to one."""
    if 0.99 < value < 1 or 0 < value < 1e-3:
        return f"{value:.5f}" if value > 0.5 else f"{value:.1e}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _both(ours: float | None, theirs: float | None) -> str:
    shown = [number(value) for value in (ours, theirs) if value is not None]
    return " / ".join(shown) or "-"


def contender_lines(rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield what each contender took: median, quartiles, memory, passes."""
    columns = ("group", "contender", "ms per image", "quartiles", "MiB", "passes")
    yield f"| {' | '.join(columns)} | backward calls |"
    yield "|---|---|---|---|---|---|---|"
    for group, row in rows.items():
        for name, one in row["contenders"].items():
            cells = [group, name, *_times(name, row), *_watched(one)]
            yield f"| {' | '.join(cells)} |"


def _times(name: str, row: Row) -> tuple[str, str]:
    one = row["contenders"][name]
    if "missing" in one:
        return f"not measured: {one['missing']}", "-"
    if len(one.get("seconds", [])) < 2:
        return "-", "-"
    ms = [1e3 * seconds for seconds in turns([name], row)]
    quarters = statistics.quantiles(ms, n=4, method="inclusive")
    return number(statistics.median(ms)), f"{number(quarters[0])} to {number(quarters[2])}"


def _watched(one: Mapping[str, float]) -> tuple[str, str, str]:
    if "bytes" not in one:
        return "-", "-", "-"
    return number(one["bytes"] / 2**20), number(one["passes"]), number(one["backward calls"])


def curve_lines(rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield the curve's table, where it was measured."""
    for row in rows.values():
        points = row["values"].get("curve", [])
        if not points:
            continue
        yield from ("", "### A stream of images", "", CURVE, "")
        yield "| images explained | ms per image | memory of the process, MiB |"
        yield "|---|---|---|"
        for point in points:
            held = point["resident MiB"]
            shown = "-" if held is None else f"{held:.0f}"
            yield f"| {point['images']:,} | {number(point['ms'])} | {shown} |"
