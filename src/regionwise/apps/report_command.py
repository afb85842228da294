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
        int, typer.Option("--gallery", min=0, help="Pictures to explain again and show.")
    ] = 6,
    pairs: Annotated[
        int | None,
        typer.Option(
            "--pairs",
            min=0,
            help="Pictures held against a class that differs in few parts, where data has parts.",
            show_default="3, or 0 without a gallery",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="Metric by which best, worst and typical pictures are chosen.",
            show_default="the first main metric with a number for each picture",
        ),
    ] = "",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
) -> None:
    """Write one HTML page on a benchmark, from what to use down to the protocol of each number.

    Leaderboard, curves, quality against cost, how far the maps agree, and a gallery of the best,
    the worst and typical pictures that can be sorted by any metric. The page needs nothing else,
    can be sent by mail, read on a phone, and printed. For the pictures the networks explain again,
    so data and networks must still be where they were; --gallery 0 does without.
    """
    from regionwise.benchmark.rows import check_installed  # noqa: PLC0415 - help answers at once

    check_installed()
    from regionwise.apps.report_pictures import Wanted  # noqa: PLC0415 - loads torch
    from regionwise.apps.report_run import ReportRequest, write_report  # noqa: PLC0415

    path = out if out is not None else folder / "report.html"
    figures = (3 if gallery else 0) if pairs is None else pairs
    wanted = Wanted(gallery, figures, by, device)
    write_report(ReportRequest(folder, path, wanted), progress_bar("Explaining"))
    typer.echo(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
