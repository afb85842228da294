"""``regionwise benchmark``: a recipe, data and models in; rows, tables and rankings out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from regionwise.apps.engine_options import (
    LOCAL,
    Address,
    Cpus,
    EngineName,
    EngineRequest,
    Gpus,
    WorkerCount,
)
from regionwise.apps.progress import progress_bar
from regionwise.errors import SettingError
from regionwise.uris import is_uri, shown


@dataclass(frozen=True, kw_only=True)
class BenchmarkRequest:
    """The arguments of ``regionwise benchmark``, unchecked; fields as the options."""

    recipe: str
    data: str
    out: str
    models: tuple[str, ...] = ()
    maps: tuple[Path, ...] = ()
    segments: Path | None = None
    changes: tuple[str, ...] = ()
    limit: int | None = None
    device: str = "cpu"
    dry_run: bool = False
    engine: EngineRequest = LOCAL


def benchmark(  # noqa: PLR0913 - one parameter for each option
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe by name (--list shows them) or a TOML file.", show_default=False
        ),
    ] = None,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="birds:DIR, cub:DIR, folder:DIR (a folder per class, as ImageNet's val), "
            "parquet:FILES or webdataset:SHARDS; the last three also behind s3://, gs://, ...",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="birds, a run's folder, torchvision:NAME, ... May be repeated.",
            show_default="the recipe's",
        ),
    ] = None,
    maps: Annotated[
        list[Path] | None,
        typer.Option(
            "--maps",
            help="A folder of maps that were made elsewhere, DIR/IMAGE.npy. May be repeated.",
        ),
    ] = None,
    segments: Annotated[
        Path | None,
        typer.Option(
            "--segments",
            help="A folder of segments, DIR/IMAGE.png with a number per pixel, and names.txt.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for rows and tables; also s3://, gs://, ...")
    ] = "benchmark-out",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many images.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a key of the recipe: images=20, methods.masked.images=8. May be repeated.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say what would be done and, by a short measurement, how long."
        ),
    ] = False,
    engine: EngineName = "local",
    address: Address = None,
    workers: WorkerCount = None,
    cpus: Cpus = 1.0,
    gpus: Gpus = 0.0,
    listing: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
) -> None:
    """Measure how far explanations can be trusted: data x models x methods x metrics.

    The same command goes on where it was cut off. Rows are Parquet files in the folder; tables
    are written beside them.
    """
    if listing:
        _print_recipes()
        return
    if recipe is None or data is None:
        raise SettingError(f"give {'a recipe; --list shows them' if recipe is None else '--data'}")
    from regionwise.benchmark.rows import check_installed  # noqa: PLC0415 - help answers at once

    check_installed()
    request = BenchmarkRequest(
        recipe=recipe,
        data=data,
        out=out,
        models=tuple(model or ()),
        maps=tuple(maps or ()),
        segments=segments,
        changes=tuple(settings or ()),
        limit=limit,
        device=device,
        dry_run=dry_run,
        engine=EngineRequest(engine, address, workers, cpus, gpus),
    )
    request.engine.check(device)
    try:
        from regionwise.apps.benchmark_run import run_benchmark  # noqa: PLC0415 - loads torch

        failed = run_benchmark(request, progress_bar("Benchmarking"))
    except KeyboardInterrupt:
        left = f"what is in {shown(out)!r} is whole, and the same command goes on from there"
        some = not dry_run and (is_uri(out) or Path(out).exists())
        typer.echo(f"interrupted: {left if some else 'nothing was written'}", err=True)
        raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


def _print_recipes() -> None:
    from regionwise.benchmark.recipe_files import read_recipe, recipe_names  # noqa: PLC0415

    for name in recipe_names():
        typer.echo(f"{name}: {read_recipe(name).summary}")
