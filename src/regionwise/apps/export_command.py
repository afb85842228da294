"""``regionwise export``: a network that explains itself, as ONNX or as a PyTorch program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[
        str, typer.Argument(help="A network with a CAPE or CALM head: a run's folder, birds-cape.")
    ],
    file: Annotated[Path, typer.Argument(help="FILE.onnx, or FILE.pt2 for torch.export.load.")],
    *,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", min=1, help="Rows and columns of the input.", show_default="the model's own"
        ),
    ] = None,
) -> None:
    """Write a network whose outputs are its explanation.

    It takes inputs n c h w, preprocessed, and gives the class probabilities n y, the contribution
    of every region to every class n y i j, which add up to them, and how much each region counts
    for any class, n i j. It runs without Regionwise and without gradients.
    """
    from regionwise.apps.export_run import export_to  # noqa: PLC0415 - loads torch

    told = export_to(model, file, size=size)
    typer.echo(told)
