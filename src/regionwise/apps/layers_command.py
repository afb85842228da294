"""``regionwise layers``: which layers of a network have a map, and which one is chosen."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.table import Table

_UNBOUND: Final = 160
"""Columns where nobody watches: a file or a pipe has no edge to break lines at."""


def layers(
    model: Annotated[
        str,
        typer.Argument(help="birds, torchvision:NAME, timm:NAME, hf:NAME, or file.py:factory."),
    ],
    *,
    weights: Annotated[
        str, typer.Option("--weights", help="pretrained, random, or a file with weights.")
    ] = "pretrained",
    size: Annotated[
        int | None,
        typer.Option(
            "--size", min=1, help="Rows and columns of the input.", show_default="the model's own"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the layers of a network that can be explained, and mark the one chosen by default.

    Reach is the share of the score's gradient that arrives at the layer's cells rather than at
    tokens that stand for no place: a layer that it does not reach has a blank map.
    """
    from regionwise.apps.layers_run import list_layers  # noqa: PLC0415 - loads torch

    found = list_layers(model, weights=weights, size=size)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from rich.console import Console  # noqa: PLC0415 - help shall answer at once

    rows, columns = found["size"]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _UNBOUND)
    console.print(_table(found["layers"]))
    console.print(f"input {rows} x {columns}; * chosen by default", markup=False)


def _table(records: list[dict[str, Any]]) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("Layer", style="bold", overflow="fold")
    table.add_column("Kind", style="dim", overflow="fold")
    table.add_column("Map", justify="right", no_wrap=True)
    table.add_column("Reach", justify="right", no_wrap=True)
    table.add_column("Read as", no_wrap=True)
    table.add_column("Note", style="dim", overflow="fold")
    for r in records:
        lead = f", {r['prefix']} lead" if r["prefix"] else ""
        size = f"{r['channels']} x {r['rows']} x {r['columns']}"
        names = ("*" if r["chosen"] else "", r["name"], r["kind"])
        cells = (*names, size, _percent(r["reach"]), f"{r['layout']}{lead}", r["note"])
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.3g} %"
