"""The command: which groups, in which order, with a progress bar, and the table at the end."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.catalog import groups
from bench.groups import Group
from bench.rows import Ledger, path_of
from bench.run import run_group
from bench.settings import Settings, quick
from bench.table import insert, page_part

console = Console()


def command(asked: argparse.Namespace, page: Path) -> int:
    """Do what was asked; return the exit code."""
    settings = settings_of(asked)
    chosen = groups(settings, asked.only)
    ledger = Ledger(path_of(asked.out, settings))
    if asked.list:
        for group in chosen:
            console.print(group.id)
        return 0
    if asked.table:
        return _write(ledger, settings, page)
    if settings.device == "cuda" and not torch.cuda.is_available():
        console.print("skipped: there is no CUDA device here")
        return 0
    if not chosen:
        console.print(f"no group matches {', '.join(asked.only)}; --list lists them")
        return 2
    torch.set_num_threads(settings.threads)
    left = [one for one in chosen if asked.fresh or not ledger.done(one.id, settings)]
    console.print(f"{len(chosen) - len(left)} groups are done, {len(left)} to measure")
    measure_all(left, settings, ledger)
    console.print(page_part(ledger.rows), markup=False, soft_wrap=True, highlight=False)
    return 0


def settings_of(asked: argparse.Namespace) -> Settings:
    """Return the settings that the command line asks for."""
    given = {"device": asked.device, "threads": asked.threads, "full": asked.full}
    given |= {
        name: value for name in ("pairs", "batch") if (value := getattr(asked, name)) is not None
    }
    if asked.networks:
        given["networks"] = tuple(asked.networks)
    return quick(given) if asked.quick else Settings(**given)


def measure_all(left: Sequence[Group], settings: Settings, ledger: Ledger) -> None:
    """Measure groups one after another, and write each when it is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers' deprecations
        for group in left:
            bar = progress.add_task(group.id, total=None, now="")
            row = run_group(
                group,
                settings,
                step=lambda name, bar=bar: progress.update(bar, advance=1, now=name),
                expect=lambda total, bar=bar: progress.update(bar, total=total),
            )
            ledger.add(row)
            progress.update(bar, now="done")


def _write(ledger: Ledger, settings: Settings, page: Path) -> int:
    if not ledger.rows:
        console.print(f"{ledger.path} holds no rows; measure first")
        return 2
    text = page_part(ledger.rows)
    console.print(text, markup=False, soft_wrap=True, highlight=False)
    if settings.quick:
        console.print("quick rows are for a look, and do not go into the page")
        return 0
    insert(page, settings.device, text)
    console.print(f"written to {page}")
    return 0
