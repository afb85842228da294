"""Make what the documentation shows: method pages, the table of choices, the README's tables.

python scripts/make_docs.py           # everything, pictures included
python scripts/make_docs.py --check   # write nothing; fail if the text is out of date
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from regionwise.attribution.catalog import methods
from regionwise.data.birds import render, sample_scene, species
from regionwise.registry import Card

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SCENES = ((6, 3), (13, 8), (19, 5))
"""Class and number of the scenes that every method page shows."""


def file_name(name: str) -> str:
    """Return a method's name as a file name."""
    return name.replace("+", "p")


def settings_table(card: Card) -> str:
    """Return a method's settings as Markdown."""
    rows = [f"| `{s.name}` | `{s.default}` | {allowed_text(s)} |" for s in card.settings().values()]
    if not rows:
        return "None."
    return "\n".join(["| setting | default | allowed |", "|---|---|---|", *rows])


def allowed_text(setting: object) -> str:
    """Say what a setting may be."""
    if setting.allowed is not None:
        return ", ".join(f"`{a}`" for a in setting.allowed)
    kind = {bool: "true or false", int: "a whole number", float: "a number"}[setting.kind]
    return kind + ("" if setting.at_least is None else f", at least {setting.at_least}")


def method_page(card: Card) -> str:
    """Return the page of one method."""
    needs = ", ".join(sorted(card.needs)) or "the forward pass alone"
    lines = [
        f"# {card.title}",
        card.summary,
        f"![{card.title} on three birds](../pictures/methods/{file_name(card.name)}.png)",
        f"    {card.formula}",
        f"- Reference: {card.reference}",
        f"- Cost per image: {card.passes} (F = forward, B = backward, K = channels of the layer)",
        f"- Evidence: {needs}",
    ]
    if card.class_agnostic:
        lines.append("- The map does not depend on the class that is explained.")
    if card.choice:
        lines += ["## Where paper and code differ", card.choice]
    example = (
        "```python\nimport regionwise\n\n"
        'model = regionwise.load_model("birds")\n'
        f'attribution = regionwise.explain(model, "bird.png", "{card.name}", targets="top-1")\n'
        'attribution.overlay()[0].save("overlay.png")\n```'
    )
    lines += ["## Example", example, "## Settings", settings_table(card)]
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def choices_page() -> str:
    """Return the table of methods, defaults, variants and why."""
    head = [
        "# Defaults, and where papers and code differ",
        "",
        "The default is the paper's equation; where that is misprinted or degenerates, the authors'"
        " code. Everything else is a named setting.",
        "",
        "| method | reference | formula of the default | what was chosen, and what else there is |",
        "|---|---|---|---|",
    ]
    rows = [
        (
            f"| [`{c.name}`](methods/{file_name(c.name)}.md) | {c.reference}"
            f" | `{escaped(c.formula)}` | {c.choice or 'paper and code agree'} |"
        )
        for c in methods.cards()
    ]
    return "\n".join([*head, *rows]) + "\n"


def escaped(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def methods_table() -> str:
    """Return the README's table of methods."""
    rows = [
        f"| [`{c.name}`](docs/methods/{file_name(c.name)}.md) | {c.summary} | {c.passes}"
        f" | {c.reference} |"
        for c in methods.cards()
    ]
    return "\n".join(["| method | what it does | cost | from |", "|---|---|---|---|", *rows])


def between(text: str, name: str, content: str) -> str:
    """Put ``content`` between the markers of ``name``."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def texts() -> dict[Path, str]:
    """Return every generated text by its file."""
    readme = ROOT / "README.md"
    found = {DOCS / "methods" / f"{file_name(c.name)}.md": method_page(c) for c in methods.cards()}
    found[DOCS / "choices.md"] = choices_page()
    found[readme] = between(readme.read_text(encoding="utf-8"), "methods", methods_table())
    return found


def make_pictures() -> None:
    """Draw the sheet of each method page, and the demo's sheet."""
    with tempfile.TemporaryDirectory() as scratch:
        birds = []
        for label, index in SCENES:
            scene = sample_scene(species(24)[label], index, seed=7)
            birds.append(Path(scratch) / f"{species(24)[label].name}.png")
            Image.fromarray(render(scene, size=448).image).save(birds[-1])
        for card in methods.cards():
            draw_sheet(birds, card.name, Path(scratch) / "out")
        subprocess.run([sys.executable, ROOT / "examples" / "demo.py", scratch], check=True)
        target = DOCS / "pictures" / "demo-sheet.png"
        save_smaller(Path(scratch) / "explained" / "sheet.png", target, width=1600)


def draw_sheet(birds: list[Path], method: str, out: Path) -> None:
    """Put the panels of one method on three birds side by side."""
    command = [sys.executable, "-m", "regionwise", "explain", *map(str, birds)]
    subprocess.run(
        [*command, "--method", method, "--target", "top-2", "--out", str(out), "--overwrite"],
        check=True,
    )
    target = DOCS / "pictures" / "methods" / f"{file_name(method)}.png"
    save_smaller(out / "sheet.png", target, width=900)
    shutil.rmtree(out)


def save_smaller(source: Path, target: Path, *, width: int) -> None:
    """Save a picture at ``width`` pixels or less."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        share = min(1.0, width / image.width)
        size = (round(image.width * share), round(image.height * share))
        smaller = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    smaller.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for path, text in texts().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(ROOT))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit(f"out of date, run `make docs`: {', '.join(map(str, stale))}")
    if not check:
        make_pictures()


if __name__ == "__main__":
    main()
