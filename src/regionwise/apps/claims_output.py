"""Writing and printing the claims of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from regionwise.benchmark.claims_tables import (
    claims_csv,
    claims_markdown,
    counted,
    difference,
    families_of,
    overall,
)
from regionwise.benchmark.claims_verdicts import Finding, Verdict, Word
from regionwise.files import write_text
from regionwise.report.claims_plot import claims_plot

PICTURE: Final = "claims.svg"
_STYLES: Final[dict[Word, str]] = {
    "holds": "blue",
    "does not hold": "red",
    "undecided": "",
    "not measured": "dim",
}


def write_claims(folder: Path, verdicts: Sequence[Verdict]) -> None:
    """Write ``claims.md``, ``claims.csv`` and ``claims.svg``; nothing where nothing is claimed.

    Raises:
        OutputError: one cannot be written.
    """
    if verdicts:
        write_text(folder / "claims.md", claims_markdown(verdicts, PICTURE))
        write_text(folder / "claims.csv", claims_csv(verdicts))
        write_text(folder / PICTURE, claims_plot(verdicts) + "\n")


def print_claims(verdicts: Sequence[Verdict]) -> None:
    """Print a table of claims by families, and how many hold."""
    if not verdicts:
        return
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), title="Claims")
    table.add_column("Claim")
    for family in families_of(verdicts):
        table.add_column(Text(family))
    table.add_column("Verdict")
    for verdict in verdicts:
        found = [_text(finding) for finding in verdict.findings]
        table.add_row(
            Text(verdict.claim.says), *found, Text(overall(verdict), _STYLES[verdict.word])
        )
    console.print(table)
    console.print(counted(verdicts), markup=False)


def _text(finding: Finding) -> Text:
    shown = finding.word if finding.compared is None else difference(finding.compared)
    return Text(shown, _STYLES[finding.word])
