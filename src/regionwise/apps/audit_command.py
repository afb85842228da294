"""``regionwise audit``: one prediction, several maps of it, and how far they can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regionwise.apps.progress import progress_bar


def audit(  # noqa: PLR0913 - one parameter for each option
    image: Annotated[Path, typer.Argument(help="The picture.", show_default=False)],
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="birds-cape, birds, torchvision:NAME, timm:NAME, hf:NAME, file.py:factory, a run.",
        ),
    ] = "birds-cape",
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="A method, settings behind a colon. May be repeated.",
            show_default="what suits the network: its head's own, Layer-CAM, Score-CAM up to 256"
            " channels, and the centre as a control",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", "-t", help="A class, by name or index.", show_default="the most probable"
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="The class to compare with.", show_default="the next most probable"
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option("--layer", help="The layer.", show_default="the last with a spatial map"),
    ] = None,
    weights: Annotated[
        str, typer.Option("--weights", help="pretrained, random, or a file with weights.")
    ] = "pretrained",
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "audit.html"
    ),
    json: Annotated[
        bool, typer.Option("--json", help="Write all numbers beside it, with the suffix .json.")
    ] = False,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="Finer curves, more random orders, and all checks of methods that run the network"
            " dozens of times: some six times as long.",
        ),
    ] = False,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    seed: Annotated[
        int,
        typer.Option(
            "--seed", min=0, max=2**31 - 1, help="Of random orders, drawn weights, and noise."
        ),
    ] = 0,
) -> None:
    """Write one page on one prediction: what the maps say, and how far they can be trusted.

    Region percentages where the network's head gives exact ones; how far the methods agree;
    deletion and insertion against random orders; whether the maps depend on what was learnt, and
    stand small noise; what speaks for the class and against the next one; and where all of it
    comes from. The page needs nothing else and can be printed or sent by mail. For the shipped
    networks it takes about 20 seconds on one core of a CPU.
    """
    from regionwise.apps.audit_provenance import AuditRequest  # noqa: PLC0415 - loads torch
    from regionwise.apps.audit_run import audit_image  # noqa: PLC0415

    request = AuditRequest(
        image=image,
        model=model,
        methods=tuple(method or ()),
        target=target,
        against=against,
        layer=layer,
        weights=weights,
        out=out,
        json=json,
        thorough=thorough,
        device=device,
        seed=seed,
    )
    typer.echo(audit_image(request, progress_bar("Auditing")))
