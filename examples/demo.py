"""Render a few birds, explain them with eight methods and three controls, measure, show where.

    python examples/demo.py [FOLDER]

The birds are two pairs: each pair is one scene rendered twice, the second time with one part
replaced by that of the neighbouring class: the head of the finch, the tail of the thrush. A network
that explains itself then says which regions hold how much, and a small benchmark ends in a report.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from regionwise.data.birds import differing_parts, render, replacement, sample_scene, species

METHODS = [
    "cam",
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "layer-cam",
    "score-cam",
    "score-cam++",
    "gradient",
    "random",
    "centre",
    "edges",
]
PAIRS = [(0, 1, 1), (14, 15, 1)]  # class, its neighbour in the chain, number of the scene


def write_birds(folder):
    """Write each scene as its own class, and again with the one part that makes it the other."""
    kinds = species(24)
    for first, second, index in PAIRS:
        scene = sample_scene(kinds[first], index, seed=7)
        parts = differing_parts(kinds[first].plumage, kinds[second].plumage)
        changes = {part: replacement(part, kinds[second]) for part in parts}
        for kind, edit in ((kinds[first], {}), (kinds[second], changes)):
            path = folder / f"{kind.name}.png"
            Image.fromarray(render(scene, edit, size=448).image).save(path)
            yield path


def regionwise(*words):
    """Run the command."""
    subprocess.run([sys.executable, "-m", "regionwise", *map(str, words)], check=True)


def benchmark(out):
    """Measure cheap methods on a few more birds, and write the report."""
    data, folder = out / "data", out / "benchmark"
    if not data.exists():
        regionwise("data", "birds", "--out", data, "--images-per-class", 2)
    where = ("--data", f"birds:{data}", "--model", "birds", "--out", folder)
    regionwise("benchmark", "quick", *where, "--limit", 8)
    regionwise("report", folder)
    return folder / "report.html"


def main():
    """Render, explain, measure, say where."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    birds = out / "birds"
    birds.mkdir(parents=True, exist_ok=True)
    paths = [str(path) for path in write_birds(birds)]
    methods = [word for name in METHODS for word in ("--method", name)]
    regionwise("explain", *paths, *methods, "--out", out / "explained", "--overwrite")
    regionwise("compare", paths[2], "--model", "birds-calm", "--out", out / "comparison.png")
    report = benchmark(out)
    print(f"\nThe sheet: {out / 'explained' / 'sheet.png'}")
    print(f"Regions that hold the answer: {out / 'comparison.png'}")
    print(f"How far the maps can be trusted, on a few birds: {report}")
    print(f"Each map, as picture and as numbers: {out / 'explained'}{'/*/'}")


if __name__ == "__main__":
    main()
