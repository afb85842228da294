"""Pieces of a page: tags, tables that scroll by themselves, sections, and blocks of a model."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence


def tag(name: str, content: str = "", **attributes: str | None) -> str:
    """Return a tag around ``content``, which is markup already.

    Attributes are escaped; ``class_`` is class, ``data_x`` is data-x, and ``None`` is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{content}</{name}>"


def text(words: object) -> str:
    """Return words as markup."""
    return html.escape(str(words))


def paragraph(words: str, kind: str | None = None) -> str:
    """Return a paragraph of plain words; nothing for none."""
    return tag("p", text(words), class_=kind) if words else ""


def code(words: str) -> str:
    """Return a name of a method or metric, set apart."""
    return tag("code", text(words))


def listed(items: Sequence[str]) -> str:
    """Return a list of items, which are markup already; nothing for none."""
    return tag("ul", "".join(tag("li", item) for item in items)) if items else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str | None = None) -> str:
    """Return a table of markup that scrolls by itself where it is wider than the page.

    Cells that are no ``<td>`` or ``<th>`` become one.
    """
    head = "".join(_cell(one, "th") for one in heads)
    body = "".join(tag("tr", "".join(_cell(one, "td") for one in row)) for row in rows)
    inner = tag("thead", tag("tr", head)) + tag("tbody", body)
    return tag("div", tag("table", inner, class_=kind), class_="wide")


def section(name: str, title: str, *parts: str) -> str:
    """Return a section with its heading, to be linked to by ``name``; nothing if it is empty."""
    content = "".join(parts)
    return tag("section", tag("h2", text(title)) + content, id=name) if content else ""


def of_models(blocks: Mapping[str, str], *, named: bool = True) -> str:
    """Return a block for each model that has something; named where there are several."""
    full = {model: block for model, block in blocks.items() if block}
    named = named and len(full) > 1
    return "".join(
        tag(
            "div",
            (tag("h3", text(model)) if named else "") + block,
            class_="of-model",
            data_model=model,
        )
        for model, block in full.items()
    )


def folded(title: str, content: str) -> str:
    """Return what is shown when somebody asks for it; nothing if it is empty."""
    return tag("details", tag("summary", text(title)) + content) if content else ""


def _cell(content: str, name: str) -> str:
    return content if content.startswith(("<td", "<th")) else tag(name, content)
