"""``regionwise train``: labelled pictures in, a network that explains itself out."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regionwise.apps.progress import progress_bar
from regionwise.errors import SettingError
from regionwise.training.recipes import CARDS, scheme_card
from regionwise.training.request import RunResult, TrainRequest
from regionwise.training.schemes import SchemeCard

if TYPE_CHECKING:
    from rich.table import Table

_NEEDED = ("lightning", "tensorboard")


def train(  # noqa: PLR0913 - one parameter for each option
    *,
    data: Annotated[
        str | None,
        typer.Option("--data", help="birds:DIR, cub:DIR, or folder:DIR (a folder per class)."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run.")] = None,
    head: Annotated[
        str | None,
        typer.Option("--head", help="pooled, cape or calm.", show_default="the scheme's"),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            "--scheme",
            help="A published recipe; --list shows them.",
            show_default="vanilla, post-fitting or calm-em, by head",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: lr=0.01. May be repeated."),
    ] = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A run's folder or a classifier (birds-1, timm:NAME): its backbone, and for"
            " post-fitting its head.",
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            help="birdnet, birds-1, timm:NAME, torchvision:NAME, file.py:factory.",
            show_default="that of --from",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="Of the backbone: widths=[8,8,16,16,32]. May be repeated."),
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Cut the backbone behind this layer.")
    ] = None,
    larger_map: Annotated[
        int, typer.Option("--larger-map", min=0, help="Undo the map's last N halvings.")
    ] = 0,
    surgery: Annotated[
        str, typer.Option("--surgery", help="none, vgg-gap or inception-gap.")
    ] = "none",
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            help="Of the backbone: pretrained, random, or a file.",
            show_default="the scheme's",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=0, help="Pixels on a side.", show_default="the scheme's")
    ] = 0,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Short for --set epochs=N.")
    ] = None,
    validation: Annotated[
        float, typer.Option("--validation", help="Share of training images to choose by.")
    ] = 0.1,
    groups: Annotated[
        str | None, typer.Option("--groups", help="File of images and their groups (patients).")
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="Cross-validation in so many folds, by group.")
    ] = 0,
    fold: Annotated[int, typer.Option("--fold", min=0, help="The fold to test on, from 0.")] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Of all draws.")] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")] = "cpu",
    devices: Annotated[int, typer.Option("--devices", min=1, help="How many of them.")] = 1,
    precision: Annotated[
        str, typer.Option("--precision", help="32-true, bf16-mixed, 16-mixed, 64-true.")
    ] = "32-true",
    accumulate: Annotated[
        int, typer.Option("--accumulate", min=1, help="Pass a step's images through in N parts.")
    ] = 1,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes that read pictures.")
    ] = 0,
    listing: Annotated[
        bool, typer.Option("--list", help="List the schemes, or with --scheme one in full.")
    ] = False,
) -> None:
    """Train a network that explains itself, by a published recipe.

    The same command goes on where it was cut off, and does nothing once it is done. The run's
    folder can be given to explain --model.
    """
    if listing:
        print_schemes(scheme)
        return
    if data is None or out is None:
        raise SettingError(f"give {'--data' if data is None else '--out'}")
    check_installed()
    request = TrainRequest(
        data=data,
        out=out,
        head=head,
        scheme=scheme,
        settings=(*(settings or ()), *([f"epochs={epochs}"] if epochs is not None else ())),
        given=given,
        backbone=backbone,
        options=dict(_option(text) for text in option or ()),
        layer=layer,
        larger_map=larger_map,
        surgery=surgery,
        weights=weights,
        size=size,
        validation=validation,
        groups=groups,
        folds=folds,
        fold=fold,
        seed=seed,
        device=device,
        devices=devices,
        precision=precision,
        accumulate=accumulate,
        workers=workers,
    )
    _run(request)


def check_installed() -> None:
    """Refuse to train without the extra.

    Raises:
        SettingError: says how to install it.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            f"training needs {' and '.join(missing)}; install with: pip install 'regionwise[train]'"
        )


def print_schemes(name: str | None) -> None:
    """Print all schemes, or one with its settings."""
    from rich.console import Console  # noqa: PLC0415 - help shall answer at once

    console = Console(highlight=False)
    console.print(_overview() if name is None else _in_full(scheme_card(name)))


def summary(result: RunResult) -> str:
    """Return a line on what came of a run."""
    tested = result.card["results"]["test"] or result.card["results"]["validation"]
    which = "test" if result.card["results"]["test"] else "validation"
    parts = [] if tested is None else [f"{which} accuracy {tested['accuracy']:.4f}"]
    if tested is not None and "vanilla_accuracy" in tested:
        parts.append(f"vanilla {tested['vanilla_accuracy']:.4f}")
    parts.append(f"best epoch {result.card['best_epoch']} of {result.card['epochs']}")
    done = "trained" if result.trained else "finished before, nothing to do"
    return f"{done}: {', '.join(parts)}: {result.folder}"


def _run(request: TrainRequest) -> None:
    try:
        from regionwise.training.run import train as run  # noqa: PLC0415 - loads torch

        result = run(request, progress_bar("Training"))
    except KeyboardInterrupt:
        left = f"what is in {str(request.out)!r} is whole, and the same command goes on from there"
        typer.echo(
            f"interrupted: {left if request.out.exists() else 'nothing was written'}", err=True
        )
        raise typer.Exit(130) from None
    typer.echo(summary(result))


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingError(f"{text!r} is no option; write name=value, such as widths=[8,8,16]")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _overview() -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Scheme", no_wrap=True, style="bold")
    table.add_column("Head")
    table.add_column("What it does")
    table.add_column("Reference", style="dim")
    for card in CARDS:
        row = (card.name, card.scheme.head, card.summary, card.reference)
        table.add_row(*(Text(cell) for cell in row))
    table.caption = "regionwise train --list --scheme NAME shows a scheme's settings"
    return table


def _in_full(card: SchemeCard) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    entries = {
        "scheme": card.name,
        "": card.summary,
        "reference": card.reference,
        "choice": card.choice,
        "settings": " ",
    }
    settings = dataclasses.asdict(card.scheme)
    entries |= {f"  {name}": str(value) for name, value in settings.items()}
    for label, text in entries.items():
        if text:
            table.add_row(label, Text(text.strip()))
    return table
