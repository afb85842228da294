"""What a reader of a benchmark's tables must know: data, intervals, seeds, judges, legends."""

from __future__ import annotations

from regionwise.benchmark.grids import Grid
from regionwise.benchmark.summary import Summary, seeds_of


def notes(summary: Summary) -> list[str]:
    """Return what holds for all tables, a paragraph in sentences."""
    recipe, data = summary.plan["recipe"], summary.plan["data"]
    done, planned = summary.done
    about = (
        f"Data: `{data['source']}` ({data['split']}, {data['pictures']} pictures), seed"
        f" {recipe['seed']}; {done} of {planned} chunks are done. Intervals are 95 % bootstrap"
        " intervals over images. The best number of a column is bold."
    )
    return [about, *_seeds(summary), *_matched(summary)]


def legend(grid: Grid) -> str:
    """Return where the published numbers of a table stand, and of what they are."""
    return f"Published: {'; '.join(grid.legend)}." if grid.legend else ""


def _seeds(summary: Summary) -> list[str]:
    return [
        f"`{group.name}` is the mean of {', '.join(f'`{m}`' for m in group.models)}, trained alike"
        " with other seeds; its intervals are over networks and images."
        for group in seeds_of(summary.plan)
    ]


def _matched(summary: Summary) -> list[str]:
    found = []
    for judge in summary.plan["recipe"]["judges"]:
        own = {
            used["source"]: used["record"]["matched"][judge]
            for used in summary.plan["models"]
            if judge in used["record"].get("matched", ())
        }
        if own:
            first = next(iter(own.values()))
            how = "; ".join(
                f"`{source}` by {one['temperature']:.4g} (before: {one['confidence']:.3f})"
                for source, one in own.items()
            )
            found.append(
                f"Judge `{judge}`: logits are divided, so that the mean largest probability over"
                f" {first['pictures']} pictures is {first['reference']:.3f}: {how}."
            )
    return found
