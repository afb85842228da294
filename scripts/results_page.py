"""Put what a full benchmark and the claims found into the documentation.

    regionwise data birds --out birds --images-per-class 20
    regionwise benchmark birds --data birds:birds --out birds-benchmark
    regionwise report birds-benchmark
    python scripts/birds_families.py --out families
    regionwise benchmark scripts/birds_families.toml --data birds:birds --out birds-claims
    python scripts/results_page.py birds-benchmark birds-claims

Nothing is computed here that the commands before did not write; the answer in words is that of the
report.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

from regionwise.benchmark.advice import advice_of
from regionwise.benchmark.summary import summarise
from regionwise.files import write_text
from regionwise.report.answer_section import answer_section

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULTS = DOCS / "results"
MARKS = {"strong": "**", "code": "`"}
HEAD = """\
# Results on birds

What one full benchmark says of {methods} methods on one network, and what {claims} claims of the
papers come to on three families of networks. Rendered birds are a small world with known truth;
nothing here is said of other pictures or networks. BirdNet sees 224 pixels, the other two families
144, and each network was trained once. Run the same on yours: the commands are below.

Made by `python scripts/results_page.py`; do not edit.

## Which method should I use?

"""
BODY = """
All of it, with curves, agreement, cost, and pictures that can be sorted:
[the report](results/birds.html) (one file; download and open it). All tables with their intervals:
[results/birds.md](results/birds.md).

## Do the papers' claims hold here?

{counted}

{lists}

![every claim in every family](results/claims.svg)

Every claim with its test, its interval in each family and the verdict:
[results/claims.md](results/claims.md).

## The commands

```bash
{commands}
```

{provenance}
"""


LISTS = {
    "holds": "Hold in every family",
    "does not hold": "Do not hold: against the claim in one family at least, and for it in none",
    "undecided": "Undecided, with the number of families in which it holds",
}


def claims_by_verdict(path: Path) -> str:
    """Return the claims as lists, one for each verdict over all families."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["claim"]: row for row in csv.DictReader(file)}.values()
    blocks = []
    for word, title in LISTS.items():
        found = [row for row in rows if row["overall"] == word]
        said = [
            f"- {row['says']} ({row['source']})"
            + (f": {row['holds_in']}" if word == "undecided" else "")
            for row in found
        ]
        blocks.append("\n".join([f"**{title}** ({len(found)}):", "", *said]))
    return "\n\n".join(blocks)


class Markdown(HTMLParser):
    """Paragraphs, lists, bold and code of the report's answer as Markdown."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - the parser gives them
        """Open a mark."""
        if tag in {"h2", "h3"}:
            self._skipped += 1
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in {"p", "ul"}:
            self.parts.append("\n\n")
        self.parts.append(MARKS.get(tag, ""))

    def handle_endtag(self, tag):
        """Close a mark."""
        self._skipped -= tag in {"h2", "h3"}
        self.parts.append(MARKS.get(tag, ""))

    def handle_data(self, data):
        """Keep words, but no headings."""
        if not self._skipped:
            self.parts.append(data)


def as_markdown(markup: str) -> str:
    """Return simple markup as Markdown."""
    reader = Markdown()
    reader.feed(markup)
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts)).strip()


def main() -> None:
    """Write the page and what it links to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("claims", type=Path)
    given = parser.parse_args()
    summary = summarise(given.benchmark)
    RESULTS.mkdir(exist_ok=True)
    shutil.copyfile(given.benchmark / "report.html", RESULTS / "birds.html")
    shutil.copyfile(given.benchmark / "summary.md", RESULTS / "birds.md")
    for name in ("claims.md", "claims.csv", "claims.svg"):
        shutil.copyfile(given.claims / name, RESULTS / name)
    counted = (given.claims / "claims.md").read_text(encoding="utf-8").splitlines()[2]
    commands = "\n".join(line.strip() for line in __doc__.splitlines() if line.startswith("    "))
    plan = summary.plan
    used = plan["models"][0]
    methods = sum(map(len, used["methods"].values()))
    data = plan["data"]
    provenance = (
        f"Network `{used['source']}` (hash `{used['hash']}`), {data['pictures']} test pictures of"
        f" which each metric takes a part, seed {plan['recipe']['seed']}."
    )
    page = HEAD.format(methods=methods, claims=counted.split()[0])
    page += as_markdown(answer_section(advice_of(summary))) + "\n"
    page += BODY.format(
        counted=counted,
        lists=claims_by_verdict(given.claims / "claims.csv"),
        commands=commands,
        provenance=provenance,
    )
    write_text(DOCS / "results.md", page)


if __name__ == "__main__":
    main()
