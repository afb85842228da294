"""Measure what UnionCAM's percentile theta does, on seeded birds; write docs/union_theta.md.

    python scripts/union_theta.py             48 birds, about two minutes on one core
    python scripts/union_theta.py --birds 4   to try it; writes nothing

UnionCAM sets gradients below their channel's theta-th percentile to 0, and ReLU does the same to
all negative ones right after. Theta is therefore felt only by positive gradients below the
percentile.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from regionwise.attribution.union_cam import UnionCAM, denoised_gradients
from regionwise.data.birds import render, sample_scene, species
from regionwise.evidence.masking import is_constant, min_max, upsample
from regionwise.evidence.needs import GRADIENTS, MASKED_SCORES
from regionwise.evidence.probe import Probe
from regionwise.files import write_text
from regionwise.zoo import load_model

DOCS = Path(__file__).resolve().parent.parent / "docs"
THETAS = (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
DEFAULT = 10
LAYER, LINEAR_BEHIND = "layer3", "layer4"
SEED = 11
BATCH = 8
COLUMNS = {
    "zeroed": "gradients set to 0",
    "felt": "positive ones set to 0",
    "denoised": "denoised map: correlation",
    "final": "final map: correlation",
    "union": "union chosen",
    "drop": "average drop",
    "denoised drop": "average drop, denoised map",
    "increase": "increase in confidence",
    "denoised increase": "increase, denoised map",
}
PAGE = """\
# What theta does in UnionCAM, measured

UnionCAM (Hu et al. 2024) begins by calling gradients noise that lie below the theta-th percentile
of their channel, theta = 10 by default, and sets them to 0 (Eq. 1). Right after that, Eq. 2 takes
the positive gradients only. So theta is felt where a *positive* gradient lies below the percentile,
that is in channels of which more than 1 - theta / 100 of the gradients are positive.

Measured on {count} rendered birds ({per_class} of each class, seed {seed}), the shipped classifier
`{model}`, its top-1 class, at `{layer}`. Behind `{linear}`, the layer that is explained by default,
there is only pooling and a linear layer: the gradient of a channel is the same everywhere, and so
is its percentile. None of the thetas below sets any gradient to 0 there (measured: {zeroed_there}
of all): UnionCAM on such a head does not depend on theta.

![Gradients set to 0, correlation with theta = 10, average drop](pictures/union-theta.png)

{table}

- *Gradients set to 0*: share of all gradient values that the denoising changes. *Positive ones*:
  share of the positive gradients that it changes; the others would be cut by ReLU all the same.
- *Correlation* with the map of theta = {default}, over the {cells} cells of the layer; mean
  over birds. The *final map* is what UnionCAM returns: the union, or the region map where that
  scores more.
- *Union chosen*: on how many birds the union was selected (Eq. 8).
- *Average drop* max(0, p - p') / p and *increase in confidence* p' > p of the class probability p,
  where p' is that of the normalised image times the map in [0, 1] (0 is the mean colour, not
  black); of the final map, and of the denoised map by itself. Mean over birds, +- its standard
  error.

{reading}

Made by `python scripts/union_theta.py`.
"""


@dataclass(frozen=True)
class Measured:
    """Numbers by theta and column, one for each bird."""

    values: dict[tuple[float, str], np.ndarray]
    cells: int

    def mean(self, theta: float, column: str) -> float:
        """Return the mean over birds."""
        return float(self.values[theta, column].mean())

    def error(self, theta: float, column: str) -> float:
        """Return the standard error of the mean."""
        found = self.values[theta, column]
        return float(found.std(ddof=1) / len(found) ** 0.5)


def birds(count: int) -> list[Image.Image]:
    """Return seeded birds, classes in turn."""
    kinds = species(24)
    scenes = [sample_scene(kinds[n % 24], n // 24, seed=SEED) for n in range(count)]
    return [Image.fromarray(render(scene).image) for scene in scenes]


def measure(classifier, inputs) -> Measured:
    """Return all numbers at ``LAYER``."""
    found = defaultdict(list)
    needs = frozenset({GRADIENTS, MASKED_SCORES})
    for batch in inputs.split(BATCH):
        with Probe(classifier.module, batch, None, LAYER, needs=needs) as probe:
            maps = {theta: UnionCAM(theta=theta)(probe) for theta in THETAS}
            for theta in THETAS:
                for column, values in of_theta(probe, maps, theta).items():
                    found[theta, column].append(np.asarray(values, dtype=float))
            cells = probe.activations[0, 0].numel()
    return Measured({key: np.concatenate(parts) for key, parts in found.items()}, cells)


def of_theta(probe: Probe, maps: dict, theta: float) -> dict[str, np.ndarray]:
    """Return each column's numbers for a batch, one per bird."""
    raw, default = maps[theta], maps[DEFAULT]
    zeroed, felt = shares(probe.gradients, theta)
    return {
        "zeroed": zeroed.numpy(),
        "felt": felt.numpy(),
        "denoised": correlation(raw.details["denoised"], default.details["denoised"]),
        "final": correlation(raw.maps, default.maps),
        "union": raw.details["chose_united"][:, 0].numpy(),
        **confidence(probe, raw.maps, ""),
        **confidence(probe, raw.details["denoised"], "denoised "),
    }


def confidence(probe: Probe, maps, which: str) -> dict[str, np.ndarray]:
    """Return the drop and the increase of each bird's probability under its own map."""
    masks = min_max(upsample(maps, probe.size), constant=is_constant(maps))
    whole = probe.probabilities[:, 0]
    logits = probe.forward(probe.inputs * masks)
    masked = logits.softmax(dim=1).gather(1, probe.targets.indices)[:, 0]
    drop = (whole - masked).relu() / whole
    return {f"{which}drop": drop.numpy(), f"{which}increase": (masked > whole).numpy()}


def shares(gradients, theta):
    """Return the share of gradients that the denoising changes: of all, and of the positive."""
    changed = denoised_gradients(gradients, theta) != gradients
    positive = gradients > 0
    felt = (changed & positive).flatten(1).sum(1) / positive.flatten(1).sum(1).clamp_min(1)
    return changed.flatten(1).double().mean(1), felt


def correlation(one, other):
    """Return Pearson's correlation of each bird's map, n."""
    pairs = zip(one.flatten(1).numpy(), other.flatten(1).numpy(), strict=True)
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])


def share_behind_pooling(classifier, inputs) -> float:
    """Return the largest share that any theta changes where gradients are constant."""
    needs = frozenset({GRADIENTS})
    with Probe(classifier.module, inputs, None, LINEAR_BEHIND, needs=needs) as probe:
        return max(float(shares(probe.gradients, theta)[0].max()) for theta in THETAS)


def table(found: Measured) -> str:
    """Return the numbers as Markdown."""
    lines = [f"| theta | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for theta in THETAS:
        cells = []
        for column in COLUMNS:
            mean = found.mean(theta, column)
            if column in {"denoised", "final"}:
                cells.append(f"{mean:.5f}")
            elif "drop" in column:
                cells.append(f"{mean:.1%} +- {found.error(theta, column):.1%}")
            else:
                cells.append(f"{mean:.1%}")
        shown = f"**{theta}**" if theta == DEFAULT else str(theta)
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(found: Measured, path: Path) -> None:
    """Draw what changes, how the maps follow, and what confidence says."""
    import matplotlib as mpl  # noqa: PLC0415 - for the figure alone

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    titles = ("Gradients set to 0", f"Correlation with theta = {DEFAULT}", "Average drop")
    columns = (("zeroed", "felt"), ("denoised", "final"), ("denoised drop", "drop"))
    names = {"zeroed": "of all", "felt": "of the positive", "denoised": "denoised map"}
    names |= {"final": "final map", "drop": "final map", "denoised drop": "denoised map"}
    for axis, title, kinds in zip(axes, titles, columns, strict=True):
        for column, colour in zip(kinds, ("#3b6fb6", "#c1443c"), strict=True):
            means = np.array([found.mean(theta, column) for theta in THETAS])
            axis.plot(THETAS, means, "o-", color=colour, label=names[column], markersize=4)
            if "drop" in column:
                errors = np.array([found.error(theta, column) for theta in THETAS])
                axis.fill_between(THETAS, means - errors, means + errors, color=colour, alpha=0.2)
        axis.axvline(DEFAULT, color="0.75", linewidth=1, zorder=0)
        axis.set_title(title, fontsize=11, loc="left")
        axis.set_xlabel("theta (percentile)")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def reading(found: Measured) -> str:
    """Say in words what the numbers say, from the numbers."""
    felt, without = found.mean(DEFAULT, "felt"), found.mean(0, "denoised")
    lowest = min(THETAS, key=lambda theta: found.mean(theta, "final"))
    drops = [found.mean(theta, "drop") for theta in THETAS]
    return (
        f"At the default, {felt:.1%} of the positive gradients are set to 0, and the denoised map\n"
        f"correlates with the one made without denoising (theta = 0) by {without:.5f}. The final\n"
        f"map is furthest from the default's at theta = {lowest}, with a correlation of"
        f" {found.mean(lowest, 'final'):.5f}.\nOver all thetas its average drop lies between"
        f" {min(drops):.2%} and {max(drops):.2%}."
    )


def main() -> None:
    """Measure, write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--birds", type=int, default=48)
    count = parser.parse_args().birds
    classifier = load_model("birds")
    inputs = classifier.preprocessing(birds(count))
    found = measure(classifier, inputs)
    zeroed_there = share_behind_pooling(classifier, inputs)
    page = PAGE.format(
        count=count,
        per_class=count // 24,
        seed=SEED,
        model=classifier.source,
        layer=LAYER,
        linear=LINEAR_BEHIND,
        zeroed_there=f"{zeroed_there:.1%}",
        table=table(found),
        default=DEFAULT,
        cells=found.cells,
        reading=reading(found),
    )
    print(page)
    if count >= 24:
        write_text(DOCS / "union_theta.md", page)
        draw(found, DOCS / "pictures" / "union-theta.png")


if __name__ == "__main__":
    main()
