"""The command ``regionwise``. Asking for help loads neither torch nor numpy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from regionwise._version import __version__
from regionwise.apps.audit_command import audit
from regionwise.apps.benchmark_command import benchmark
from regionwise.apps.compare_command import compare
from regionwise.apps.data_command import data
from regionwise.apps.explain_command import explain
from regionwise.apps.export_command import export
from regionwise.apps.layers_command import layers
from regionwise.apps.methods_command import methods
from regionwise.apps.report_command import report
from regionwise.apps.train_command import train
from regionwise.errors import RegionwiseError
from regionwise.trust import trust

app = typer.Typer(
    name="regionwise",
    help="Which regions of an image carried a classifier's prediction, and how much each carried.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(explain)
app.command()(compare)
app.command()(audit)
app.command()(layers)
app.command()(methods)
app.command()(train)
app.command()(benchmark)
app.command()(report)
app.command()(export)
app.add_typer(data, name="data")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; print any error made on purpose as one line and exit with code 2."""
    try:
        app(None if arguments is None else list(arguments))
    except RegionwiseError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def _print_version(wanted: bool) -> bool:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(f"regionwise {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    trusted: Annotated[
        list[Path] | None,
        typer.Option(
            "--trust",
            metavar="FILE.py",
            help="Run the code in this file where a run, recipe or benchmark names it; repeatable.",
        ),
    ] = None,
) -> None:
    del version  # its callback has done the work
    trust(*(trusted or ()))


if __name__ == "__main__":
    main()
