"""The work behind ``regionwise report``: rows, and pictures explained again, into one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regionwise.apps.progress import OpenProgress
from regionwise.apps.report_pictures import Wanted, pictures_made
from regionwise.benchmark.curves import curves_of
from regionwise.benchmark.ledger import read_protocols
from regionwise.benchmark.per_image import per_image_of
from regionwise.benchmark.summary import summarise
from regionwise.files import write_text
from regionwise.report.benchmark_page import Made, benchmark_page


@dataclass(frozen=True)
class ReportRequest:
    """What was asked; see ``regionwise report --help``."""

    folder: Path
    out: Path
    wanted: Wanted


def write_report(request: ReportRequest, open_progress: OpenProgress) -> None:
    """Write the page of a benchmark.

    Raises:
        RegionwiseError: the folder holds no rows; or, for the pictures, data or model are gone, or
            no metric of that name chooses them.
    """
    summary = summarise(request.folder)
    tables = per_image_of(request.folder)
    made = Made()
    if request.wanted.gallery or request.wanted.pairs:
        made = pictures_made(request.wanted, summary, tables, open_progress)
    protocols, curves = read_protocols(request.folder), curves_of(request.folder)
    write_text(request.out, benchmark_page(summary, protocols, curves, tables, made))
