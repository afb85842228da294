"""Write docs/networks.md: what the layer resolver chooses in every architecture.

python scripts/network_table.py            all, about ten minutes on one core
python scripts/network_table.py vit swin   only these; their rows are replaced
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from architectures import ALL, Architecture  # noqa: E402
from measured import Measured, measure  # noqa: E402
from regionwise.errors import RegionwiseError  # noqa: E402
from regionwise.files import write_text  # noqa: E402

PAGE: Final = ROOT / "docs" / "networks.md"
HEADER: Final = """\
# Networks

What is chosen as the layer to explain, where nothing else is asked for, in every classification
architecture of torchvision and in a member of each family of timm that people use. Random weights,
woken (a head of zeros or a LayerScale of 1e-6 would make every map blank), small inputs, not
square where the network permits it. Made by `python scripts/network_table.py`; the tests compare.

- **layer**: name and class of the module; `regionwise layers MODEL` shows what else has a map.
- **read as**: nchw and nhwc maps, or tokens; *lead* are tokens that stand for no place.
- **CAM**: whether behind the layer there is average pooling and one linear layer, so that CAM
  applies; where not, what runs there. Element-wise functions without a module are not seen.
- **tail**: *replay* runs only what lies behind the layer, checked against the network's own
  logits; *full* runs the whole network with the layer's output replaced.
- **corners**: where the cells had to be put into rows and columns, how many of the image's four
  corners, when changed, move their own corner of the map more than any other corner does. A map
  read in the wrong order would fail it.

Where a network classifies every cell and then pools (SqueezeNet, the auxiliary head of VOLO), the
features in front of that classifier are taken, and its class maps are passed over: each of their
channels serves one class, so that a gradient has nothing to weigh. In a vision transformer that
reads only the class token, no gradient reaches the patches behind the last block; the layer is the
normalisation before its attention. CrossViT has two branches of tokens, which no single layer
joins: the finer one that still carries gradient is taken.

| architecture | input | layer | read as | map | CAM | tail | corners |
|---|---|---|---|---|---|---|---|
"""


def row(architecture: Architecture) -> str:
    """Return the architecture's line of the table."""
    try:
        return line(architecture, measure(architecture))
    except (RegionwiseError, RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return f"{_start(architecture)} | fails: {reason} | | | | | |"


def line(architecture: Architecture, found: Measured) -> str:
    """Return what was found, as a line of the table."""
    cam = "yes" if found.cam else f"no: {found.behind or 'functions'}"
    size = f"{found.channels} x {found.grid[0]} x {found.grid[1]}"
    corners = "" if found.corners is None else f"{found.corners} / 4"
    layer = f"`{found.layer}` {found.kind}"
    found_cells = f"{layer} | {found.reading} | {size} | {cam} | {found.tail} | {corners}"
    return f"{_start(architecture)} | {found_cells} |"


def _start(architecture: Architecture) -> str:
    rows, columns = architecture.size
    return f"| {architecture.source} | {rows} x {columns}"


def known_rows() -> dict[str, str]:
    """Return the lines that the page has already, by architecture."""
    if not PAGE.is_file():
        return {}
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("| t")}


def main(words: list[str]) -> None:
    """Measure all architectures, or those whose name contains one of the words."""
    warnings.simplefilter("ignore")
    rows = known_rows() if words else {}
    for architecture in ALL:
        if not words or any(word in architecture.source for word in words):
            rows[architecture.source] = row(architecture)
            print(rows[architecture.source], flush=True)
    ordered = [rows[a.source] for a in ALL if a.source in rows]
    write_text(PAGE, HEADER + "\n".join(ordered) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
