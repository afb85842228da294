"""``regionwise report``: the folder of a benchmark in, one page out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regionwise.apps.progress import progress_bar


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a benchmark.", show_default=False)],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The page.", show_default="report.html in the folder"),
    ] = None,
    gallery: Annotated[
        int, typer.Option("--gallery", min=0, help="Pictures to explain and show.")
    ] = 6,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
) -> None:
    """Write one HTML page: tables, rankings, curves, pictures, and the protocol of each number.

    The page needs nothing else and can be sent by mail. For the gallery the pictures are
    explained again, so data and model must still be where they were; --gallery 0 does without.
    """
    from regionwise.benchmark.rows import check_installed  # noqa: PLC0415 - help answers at once

    check_installed()
    from regionwise.apps.report_run import write_report  # noqa: PLC0415 - loads torch

    path = out if out is not None else folder / "report.html"
    write_report(folder, path, progress_bar("Explaining"), gallery=gallery, device=device)
    typer.echo(f"wrote {path}")
