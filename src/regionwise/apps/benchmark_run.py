"""The work behind ``regionwise benchmark``: plan, run, and print what came of it."""

from __future__ import annotations

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from regionwise.apps.benchmark_command import BenchmarkRequest
from regionwise.apps.claims_output import print_claims, write_claims
from regionwise.apps.dry_run import Where
from regionwise.apps.dry_run_benchmark import dry_run_benchmark
from regionwise.apps.engine_choice import device_here, engine_of
from regionwise.apps.progress import OpenProgress, progress_bar
from regionwise.benchmark.context import Context
from regionwise.benchmark.foreign import with_maps
from regionwise.benchmark.grids import ARROWS, Grid, grids
from regionwise.benchmark.ledger import COST, ROWS
from regionwise.benchmark.preparing import prepare, with_models
from regionwise.benchmark.recipe_files import read_recipe
from regionwise.benchmark.run import Workers, run_plan
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.segments import with_segments
from regionwise.benchmark.summary import Summary, summarise
from regionwise.benchmark.tables import write_tables
from regionwise.places import as_place, mirrored


def run_benchmark(request: BenchmarkRequest, open_progress: OpenProgress) -> int:
    """Run a benchmark, print its tables, and return how many rows hold an error.

    Raises:
        RegionwiseError: the request cannot be met; rows that are done stay.
    """
    recipe = with_models(
        with_maps(read_recipe(request.recipe, request.changes), request.maps),
        request.models,
        request.limit,
    )
    data = with_segments(read_benchmark_data(request.data), request.segments)
    device = device_here(request.engine, request.device)
    context = Context(data, recipe.seed, recipe.judges, device)
    plan = prepare(recipe, context)
    place = as_place(request.out)
    if request.dry_run:
        where = Where(request.device, device, request.engine)
        dry_run_benchmark(plan, context, place, where, progress_bar("Measuring"))
        return 0
    workers = Workers(engine_of(request.engine), request.device)
    with place.holding(doing="benchmarks into"):
        outcome = run_plan(plan, context, place, open_progress, workers)
        with mirrored(place, ROWS, COST) as folder:
            summary = summarise(folder)
            write_tables(folder, summary)
            write_claims(folder, summary.claims)
    print_summary(summary)
    print_claims(summary.claims)
    done = "scored" if outcome.scored else "finished before, nothing to score"
    total = sum(count for *_, count in summary.errors)
    note = f"; {total} errors, see summary.md" if total else ""
    note += f"; {outcome.lost} parts could not be done, see above" if outcome.lost else ""
    typer.echo(f"{done}: {summary.done[0]} of {summary.done[1]} chunks{note}: {place}")
    return total + outcome.lost


def print_summary(summary: Summary) -> None:
    """Print the tables without their intervals, and the ranking."""
    console = Console(highlight=False)
    for grid in grids(summary, intervals=False):
        console.print(_table(grid))
    for ranking in summary.rankings:
        order = sorted(ranking.points, key=lambda name: -ranking.points[name])
        line = ", ".join(f"{name} {ranking.points[name]}" for name in order)
        console.print(f"Borda count over {ranking.metrics} metrics: {line}", markup=False)
    for model, groups in summary.coincide.items():
        for group in groups:
            console.print(f"These coincide on {model}: {', '.join(group)}", markup=False)


def _table(grid: Grid) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), title=grid.title)
    table.add_column("Method", no_wrap=True, style="bold")
    for name, direction in grid.heads:
        table.add_column(
            Text(f"{name} {ARROWS[direction]}".strip()), justify="right", overflow="fold"
        )
    for method, cells in grid.rows:
        texts = [Text(cell.text, style="bold" if cell.best else "") for cell in cells]
        table.add_row(Text(method), *texts)
    return table
