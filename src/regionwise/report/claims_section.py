"""The claims of a benchmark as a section of its page: a plot, and what was compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from regionwise.benchmark.claims_tables import DETAILS, counted, details, explained
from regionwise.benchmark.claims_verdicts import Verdict
from regionwise.report.claims_plot import claims_plot
from regionwise.report.markup import folded, paragraph, section, table, tag, text

_PLOT: Final = (
    "Each claim has a scale of its own; to the right is as claimed. A disc holds, a cross does not,"
    " a ring is undecided; a band is the tolerance of a claim that two are equal."
)


def claims_section(verdicts: Sequence[Verdict]) -> str:
    """Return the section; nothing where nothing is claimed."""
    if not verdicts:
        return ""
    rows = [[text(cell) for cell in detail] for v in verdicts for detail in details(v)]
    return section(
        "claims",
        "Claims",
        tag("p", tag("strong", text(counted(verdicts)))),
        paragraph(f"{explained(verdicts)} {_PLOT}"),
        tag("div", claims_plot(verdicts), class_="wide"),
        folded("What was compared", table(DETAILS, rows)),
    )
