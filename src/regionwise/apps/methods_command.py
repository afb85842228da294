"""``regionwise methods``: the cards, as a table, one in full, or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regionwise.attribution.catalog import methods as known
from regionwise.errors import SettingError

if TYPE_CHECKING:
    from rich.table import Table

    from regionwise.registry import Card, Setting


def methods(
    name: Annotated[
        str | None, typer.Argument(help="A method, to read its card in full.", show_default=False)
    ] = None,
    *,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            help="A model: which methods apply to it, and which coincide on it.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option("--weights", help="With --on: pretrained, random, or a file.")
    ] = "pretrained",
    thorough: Annotated[
        bool, typer.Option("--all", help="With --on: run the methods of many passes, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the methods: where they are from, what they need, and what they cost.

    F is a forward pass, B a backward pass to the layer, h a forward pass of what lies behind the
    layer, K the layer's channels, Z its cells.
    """
    if on is not None:
        if name is not None:
            raise SettingError(f"--on compares all methods; leave {name!r} out")
        from regionwise.apps.methods_on import methods_on  # noqa: PLC0415 - loads torch

        _print_on(methods_on(on, weights=weights, thorough=thorough), as_json=as_json)
        return
    cards = known.cards() if name is None else [known.card(name)]
    if as_json:
        typer.echo(json.dumps([card_record(card) for card in cards], indent=2, ensure_ascii=False))
        return
    from rich.console import Console  # noqa: PLC0415 - help shall answer at once

    console = Console(highlight=False)
    console.print(_overview(cards) if name is None else _in_full(cards[0]))


def _print_on(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from rich import box  # noqa: PLC0415 - help shall answer at once
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Method", no_wrap=True, style="bold")
    for heading in ("Applies", "Coincides with", "Passes"):
        table.add_column(heading, overflow="fold")
    for row in found["methods"]:
        same = ", ".join(row["coincides_with"])
        table.add_row(*(Text(cell) for cell in (row["name"], _applies(row), same, row["passes"])))
    console = Console(highlight=False)
    console.print(table)
    layer = f"layer {found['layer']}, K = {found['channels']}; tail: {found['tail']}"
    console.print(f"{layer}; measured on noise and on a rendered bird", markup=False)
    left_out = [row["name"] for row in found["methods"] if row["applies"] is None]
    if left_out:
        console.print(
            f"{len(left_out)} methods of many passes were not run: {', '.join(left_out)}."
            " Add --all to run them, too; that can take minutes.",
            markup=False,
        )


def _applies(row: dict[str, Any]) -> str:
    if row["applies"] is None:
        return "not run (--all)"
    return "yes" if row["applies"] else f"no: {row['reason']}"


def card_record(card: Card) -> dict[str, Any]:
    """Return a card as JSON can hold it."""
    return {
        "name": card.name,
        "title": card.title,
        "reference": card.reference,
        "summary": card.summary,
        "formula": card.formula,
        "choice": card.choice,
        "needs": sorted(card.needs),
        "passes": card.passes,
        "class_agnostic": card.class_agnostic,
        "settings": {
            setting.name: {
                "default": setting.default,
                "allowed": list(setting.allowed) if setting.allowed else setting.kind.__name__,
                "run_only": setting.run_only,
            }
            for setting in card.settings().values()
        },
    }


def _overview(cards: list[Card]) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Method", no_wrap=True, style="bold")
    table.add_column("Passes per image")
    table.add_column("Per class")
    table.add_column("Reference", style="dim")
    for card in cards:
        row = (card.name, card.passes, _per_class(card), card.reference)
        table.add_row(*(Text(cell) for cell in row))
    table.caption = "regionwise methods NAME shows a method's formula, settings and variants"
    return table


def _in_full(card: Card) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    entries = {
        "method": card.name,
        "title": card.title,
        "": card.summary,
        "formula": card.formula,
        "reference": card.reference,
        "choice": card.choice,
        "needs": _needs(card),
        "passes": card.passes,
        "per class": _per_class(card),
    }
    settings = {f"  {name}": _at_length(setting) for name, setting in card.settings().items()}
    for label, text in (entries | ({"settings": " "} if settings else {}) | settings).items():
        if text:
            table.add_row(label, Text(text.strip()))
    return table


def _needs(card: Card) -> str:
    return ", ".join(sorted(card.needs)) or "nothing"


def _per_class(card: Card) -> str:
    return "no" if card.class_agnostic else "yes"


def _at_length(setting: Setting) -> str:
    if setting.allowed:
        allowed = "one of " + ", ".join(str(value) for value in setting.allowed)
    else:
        kinds = {"bool": "true or false", "int": "a whole number", "float": "a number"}
        allowed = kinds.get(setting.kind.__name__, setting.kind.__name__)
    note = "; changes how it runs, not the result" if setting.run_only else ""
    return f"{_spelled(setting.default)} by default; {allowed}{note}"


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
