"""``regionwise compare``: these regions, this much, for one class against another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(  # noqa: PLR0913 - one parameter for each option
    image: Annotated[Path, typer.Argument(help="The picture.", show_default=False)],
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="birds-cape, birds-calm, a run, or any pooling + linear network."
        ),
    ] = "birds-cape",
    target: Annotated[
        str | None,
        typer.Option(
            "--target", "-t", help="A class, by name or index.", show_default="the most probable"
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="The other class.", show_default="the next most probable"),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="A picture that is not black where the classes truly differ."),
    ] = None,
    truth_value: Annotated[
        list[int] | None,
        typer.Option(
            "--truth-value",
            help="Only pixels of this value count (a part's number in part_masks/)."
            " May be repeated.",
            show_default="all but 0",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write.")] = Path(
        "comparison.png"
    ),
    least: Annotated[
        float,
        typer.Option("--least", help="Regions above this share of the strongest get a number."),
    ] = 0.05,
    band: Annotated[int, typer.Option("--band", help="Regions in a band of the difference.")] = 5,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
) -> None:
    """Say which regions hold how much of a class's probability, and of its lead over another.

    Exact for networks that explain themselves. A vanilla pooling + linear network is read as
    off-the-shelf CAPE, whose probabilities are not its own; the output then says so.
    """
    from regionwise.apps.compare_run import CompareRequest, compare_image  # noqa: PLC0415 - torch

    request = CompareRequest(
        image=image,
        model=model,
        target=target,
        against=against,
        truth=truth,
        truth_values=tuple(truth_value or ()),
        out=out,
        least=least,
        band=band,
        device=device,
    )
    typer.echo(compare_image(request))
