"""Make what the documentation shows: method pages, the table of choices, the README's tables.

python scripts/make_docs.py           # everything, pictures included
python scripts/make_docs.py --texts   # the texts alone
python scripts/make_docs.py --draw cam occlusion   # texts, and the pictures of these methods
python scripts/make_docs.py --check   # write nothing; fail if the text is out of date
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from before_the_bill import page_parts
from PIL import Image

from regionwise.attribution.catalog import methods
from regionwise.attribution.explain import explain, explain_all
from regionwise.attribution.showing import known_pictures, panels_of
from regionwise.data.birds import differing_parts, render, replacement, sample_scene, species
from regionwise.data.birds.vocabulary import MEMBERS, PART_IDS
from regionwise.models.shipped import shipped_card, shipped_names
from regionwise.pictures.panel import panel
from regionwise.registry import Card
from regionwise.report.regions import compare

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SCENES = ((0, 1), (10, 0), (19, 1))
"""Class and number of the scenes that every method page shows."""
CHOICES = """The default is the paper's equation; where that is misprinted or degenerates, the
authors' code. Everything else is a named setting."""
COSTS = """(F = forward, B = backward, h = forward of what lies behind the layer, K = channels
  and Z = cells of the layer)"""
FURTHER = {"union-cam": "[What theta does, measured](../union_theta.md)."}
"""What else there is to read on a method."""
MODELS = {"cape": "birds-cape", "mu-cape": "birds-cape", "calm": "birds-calm"}
"""What a method is shown on, where that is not the plain classifier."""
REGIONS = {"birds-cape cape": (3, 2, 1), "birds-calm calm": (14, 15, 1)}
"""Model and method; class, another that differs from it in one part, and number of the scene."""
PAIRS = ((0, 1, 1), (7, 8, 0), (16, 17, 3), (14, 15, 1), (22, 23, 1), (19, 20, 1))
"""Class, the next in its chain, and number of the scene, for the page on birds."""


def file_name(name: str) -> str:
    """Return a method's name as a file name."""
    return name.replace("+", "p")


def settings_table(card: Card) -> str:
    """Return a method's settings as Markdown."""
    rows = [
        f"| `{s.name}` | {shown(s.default)} | {allowed_text(s)} |" for s in card.settings().values()
    ]
    if not rows:
        return "None."
    return "\n".join(["| setting | default | allowed |", "|---|---|---|", *rows])


def shown(default: object) -> str:
    """Return a default value for a cell of the table."""
    return "empty" if default == "" else f"`{default}`"


def allowed_text(setting: object) -> str:
    """Say what a setting may be."""
    if setting.allowed is not None:
        return ", ".join(f"`{a}`" for a in setting.allowed)
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    kind = kinds[setting.kind]
    return kind + ("" if setting.at_least is None else f", at least {setting.at_least}")


def method_page(card: Card) -> str:
    """Return the page of one method."""
    needs = ", ".join(sorted(card.needs)) or "the forward pass alone"
    lines = [
        f"# {card.title}",
        card.summary,
        f"![{card.title} on three birds](../pictures/methods/{file_name(card.name)}.jpg)",
        f"    {card.formula}",
        f"- Reference: {card.reference}",
        f"- Cost per image: {card.passes} {COSTS}",
        f"- Evidence: {needs}",
    ]
    if card.class_agnostic:
        lines.append("- The map does not depend on the class that is explained.")
    if card.signed:
        lines.append(f"- Signed{signed_when(card)}: red speaks for the class, blue against it.")
    if card.name in FURTHER:
        lines.append(f"- {FURTHER[card.name]}")
    if card.choice:
        lines += ["## Where paper and code differ", card.choice]
    example = (
        "```python\nimport regionwise\n\n"
        f'model = regionwise.load_model("{MODELS.get(card.name, "birds")}")\n'
        f'attribution = regionwise.explain(model, "bird.png", "{card.name}", targets="top-1")\n'
        'attribution.overlay()[0].save("overlay.png")\n```'
    )
    lines += ["## Example", example, "## Settings", settings_table(card)]
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def signed_when(card: Card) -> str:
    """Say with which settings a method's maps are signed; nothing where they always are."""
    if card.signed is True or card.is_signed(card.load()()):
        return ""
    return " with " + " or ".join(f"`{settings}`" for settings in card.signed.split(" or "))


def choices_page() -> str:
    """Return the table of methods, defaults, variants and why."""
    head = [
        "# Defaults, and where papers and code differ\n",
        CHOICES + "\n",
        "| method | reference | formula of the default | what was chosen, and what else there is |",
        "|---|---|---|---|",
    ]
    rows = [
        (
            f"| [`{c.name}`](methods/{file_name(c.name)}.md) | {c.reference}"
            f" | `{escaped(c.formula)}` | {escaped(c.choice) or 'paper and code agree'} |"
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
    page = DOCS / "birds.md"
    found[page] = between(page.read_text(encoding="utf-8"), "birds-card", birds_card())
    page = DOCS / "plan.md"
    found[page] = page.read_text(encoding="utf-8")
    for name, content in page_parts().items():
        found[page] = between(found[page], name, content)
    found[readme] = between(readme.read_text(encoding="utf-8"), "methods", methods_table())
    return found


def birds_card() -> str:
    """Return what the shipped classifier's card says, as Markdown."""
    plain = [name for name in shipped_names() if re.fullmatch(r"birds-\d+", name)]
    card = shipped_card(plain[-1])
    found = card["accuracy"]
    rows = {
        f"test accuracy ({found['test_images']} pictures)": found["test_accuracy"],
        "deciding between classes that differ in one part": found["one_part_pairs"],
        "the same, the hardest pair": found["one_part_pairs_worst"],
        "the bird erased (chance is 4.2 %)": found["bird_erased"],
        "logistic regression on colour histograms": found["colour_histogram"],
    }
    lines = [f"| {name} | {share:.1%} |" for name, share in rows.items()]
    head = f"`{card['name']}`, {card['parameters'] / 1e6:.1f} M parameters, made by"
    command = f"\n\n    {card['command']}\n"
    return "\n".join([head + command, "| measured on unseen scenes | |", "|---|---|", *lines])


def draw_pairs() -> None:
    """Put pairs of classes that differ in one part side by side, each pair one scene."""
    kinds, side, gap = species(24), 224, 16
    wide = 3 * (2 * side + gap) - gap
    page = Image.new("RGB", (wide, 2 * side + gap), "white")
    for number, (first, second, index) in enumerate(PAIRS):
        scene = sample_scene(kinds[first], index, seed=7)
        parts = differing_parts(kinds[first].plumage, kinds[second].plumage)
        changes = {part: replacement(part, kinds[second]) for part in parts}
        left, top = number % 3 * (2 * side + gap), number // 3 * (side + gap)
        for step, edit in enumerate(({}, changes)):
            page.paste(Image.fromarray(render(scene, edit).image), (left + step * side, top))
    save(page, DOCS / "pictures" / "bird-pairs.jpg", width=1600)


def make_pictures() -> None:
    """Draw the pairs, the panel of each method page, and the demo's sheet."""
    draw_pairs()
    draw_panels(list(methods))
    draw_regions()
    draw_sheet()


def draw_sheet() -> None:
    """Run the demo and keep its sheet."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, ROOT / "examples" / "demo.py", scratch], check=True)
        with Image.open(Path(scratch) / "explained" / "sheet.png") as sheet:
            save(sheet.convert("RGB"), DOCS / "pictures" / "demo-sheet.jpg", width=1600)


def draw_panels(names: list[str]) -> None:
    """Draw the maps of each method on the same three birds, side by side."""
    kinds = species(24)
    scenes = [sample_scene(kinds[label], index, seed=7) for label, index in SCENES]
    birds = [Image.fromarray(render(scene, size=448).image) for scene in scenes]
    for model in sorted({MODELS.get(name, "birds") for name in names}):
        mine = [name for name in names if MODELS.get(name, "birds") == model]
        for method, found in explain_all(model, birds, mine).items():
            pictures = enumerate(known_pictures(found, None))
            panels = [panels_of(found, n, picture)[0] for n, picture in pictures]
            page = panel(panels, method=method)
            save(page, DOCS / "pictures" / "methods" / f"{file_name(method)}.jpg", width=1200)


def draw_regions() -> None:
    """Set two classes that differ in one part against each other, with the part beside it."""
    kinds = species(24)
    for name, (first, second, index) in REGIONS.items():
        rendered = render(sample_scene(kinds[first], index, seed=7), size=224)
        differing = differing_parts(kinds[first].plumage, kinds[second].plumage)
        members = {PART_IDS[m] for part in differing for m in MEMBERS[part]}
        model, method = name.partition(" ")[::2]
        found = explain(model, Image.fromarray(rendered.image), method, [[first, second]])
        page = compare(found, truth=np.isin(rendered.part_mask, list(members))).picture
        save(page, DOCS / "pictures" / f"regions-{model.removeprefix('birds-')}.jpg", width=1600)


def save(picture: Image.Image, target: Path, *, width: int) -> None:
    """Save a picture at ``width`` pixels or less."""
    target.parent.mkdir(parents=True, exist_ok=True)
    share = min(1.0, width / picture.width)
    size = (round(picture.width * share), round(picture.height * share))
    smaller = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    smaller.save(target, quality=88, optimize=True)


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    parser.add_argument("--texts", action="store_true", help="leave the pictures as they are")
    parser.add_argument("--draw", nargs="+", metavar="METHOD", help="draw these methods alone")
    arguments = parser.parse_args()
    stale = []
    for path, text in texts().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(ROOT))
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if arguments.check and stale:
        sys.exit(f"out of date, run `make docs`: {', '.join(map(str, stale))}")
    if arguments.draw == ["regions"]:
        draw_regions()
    elif arguments.draw:
        draw_panels(arguments.draw)
    elif not (arguments.check or arguments.texts):
        make_pictures()


if __name__ == "__main__":
    main()
