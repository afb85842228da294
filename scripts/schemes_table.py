"""Train every scheme of CAPE and CALM on rendered birds and write the table in docs/schemes.md.

    python scripts/schemes_table.py --out schemes --write docs/schemes.md

What the papers do on CUB is done in small: a backbone learns other classes first (the role that
ImageNet has there), then each scheme starts from it. Runs that are finished are not trained again,
so that the command can be stopped and given again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from regionwise.data.birds import write_birds
from regionwise.data.cub import CubData, read_cub
from regionwise.data.images import open_image
from regionwise.heads.cape import cape_joint, class_maps_of, naive_joint
from regionwise.heads.joint import Joint
from regionwise.heads.network import RegionNetwork
from regionwise.heads.pooled import Pooled
from regionwise.training.request import TrainRequest
from regionwise.training.run import train
from regionwise.zoo import load_model

CLASSES, OTHERS, PER_CLASS, OTHER_PER_CLASS = 24, 48, 60, 40
SIZE, RENDERED = 128, 146
OPTIONS = {"widths": [24, 48, 96, 160, 256], "depths": [1, 1, 2, 1]}
SHORT = (f"size={SIZE}", "schedule=cosine", "epochs=30", "batch=32")
START = (*SHORT, "initialisation=given")
# CALM sees the same views of the pictures as the others, and keeps its published rates
SEEN = (*START, "view=crop", "augmentation=resized-crop")
# of 0.01, 0.05 and 0.2 the rate with the best validation accuracy; epochs cost a tenth of a second
FITTED = (f"size={SIZE}", "schedule=cosine", "epochs=200", "lr=0.01")
PAPER = {
    "vanilla": 83.34,
    "naive average": 79.01,
    "off-the-shelf": 80.62,
    "direct CE": 80.51,
    "post-fitting": 82.12,
    "from scratch": 82.19,
    "CALM-ML": 59.6,
    "CALM-EM": 71.8,
}
INTRODUCTION = """\
Made by `python scripts/schemes_table.py`; do not edit. Everything here is measured on rendered
birds: {classes} classes, {each} training and {each} test pictures each, {size} pixels, one
backbone (BirdNet, 2.0 M parameters, an 8 x 8 map) that first learnt {others} other classes, the
role that ImageNet has in the papers. One seed ({seed}), {images} test pictures: small differences
between two rows say nothing; the second table says which say something.
"""
LEGEND = """\
Accuracy and confidence (mean probability of the predicted class) on the test pictures; regions:
1 / sum of squared shares, out of 64. Naive average and off-the-shelf re-read the vanilla head and
are not trained. Numbers of the papers: CAPE, Table 2, and for CALM its Table 2, whose vanilla
baseline is 70.6 %; ResNet-50 on CUB. Seconds are wall time on one core that other work shared;
post-fitting runs the backbone once, before them.
"""
TEST = """\
The last columns count test pictures that only one of the two got right (McNemar's exact test,
two-sided, uncorrected for the number of rows).
"""
ORDERINGS = (
    ("naive average", "vanilla", "CAPE, Table 2"),
    ("off-the-shelf", "vanilla", "CAPE, Table 2"),
    ("naive average", "off-the-shelf", "CAPE, Table 2 (CUB)"),
    ("direct CE", "off-the-shelf", "CAPE, Table 2 (CUB)"),
    ("off-the-shelf", "post-fitting", "CAPE, Table 2"),
    ("direct CE", "post-fitting", "CAPE, Table 2"),
    ("post-fitting", "from scratch", "CAPE, Table 2 (CUB)"),
    ("from scratch", "vanilla", "CAPE, Table 2"),
    ("CALM-ML", "CALM-EM", "CALM, Table 2 (CUB)"),
    ("vanilla", "CALM-EM", "CALM, Table 2 (CUB)"),
)


@dataclass(frozen=True)
class Run:
    """One training: its scheme, what is changed in it, and where it starts."""

    name: str
    scheme: str
    settings: tuple[str, ...]
    start: str = "pretext"


RUNS = (
    Run("vanilla", "vanilla", (*START, "lr=0.01")),
    Run("direct CE", "direct-ce", (*START, "lr=0.01")),
    Run("post-fitting", "post-fitting", FITTED, "vanilla"),
    Run("from scratch", "from-scratch", (*START, "lr=0.01")),
    Run("CALM-ML", "calm-ml", SEEN),
    Run("CALM-EM", "calm-em", SEEN),
)


@dataclass(frozen=True)
class Answer:
    """What one network says of the test images: probabilities n y, cells that hold the answer."""

    probabilities: Tensor
    regions: float


def folder_of(name: str, out: Path) -> Path:
    """Return the folder of a run."""
    return out / name.lower().replace(" ", "-")


def write_data(out: Path) -> tuple[Path, Path]:
    """Write the birds, and a folder with the pictures of other classes, if they are not there."""
    birds, others, pretext = out / "birds", out / "other-birds", out / "other-classes"
    if not birds.exists():
        write_birds(birds, classes=CLASSES, images_per_class=PER_CLASS, seed=3, size=RENDERED)
    if not others.exists():
        count = CLASSES + OTHERS
        write_birds(others, classes=count, images_per_class=OTHER_PER_CLASS, seed=4, size=RENDERED)
    pretext.mkdir(exist_ok=True)
    for folder in sorted((others / "images").iterdir())[CLASSES:]:
        link = pretext / folder.name
        if not link.exists():
            link.symlink_to(folder.resolve(), target_is_directory=True)
    return birds, pretext


def train_all(out: Path, seed: int) -> dict[str, float]:
    """Train the backbone on other classes, then every scheme; return seconds by run."""
    birds, pretext = write_data(out)
    print("other classes", flush=True)
    first = TrainRequest(
        data=f"folder:{pretext}",
        out=out / "pretext",
        scheme="vanilla",
        backbone="birdnet",
        options=OPTIONS,
        weights="random",
        settings=(*SHORT[:2], "epochs=20", "batch=64", "lr=0.1", "initialisation=random"),
        precision="bf16-mixed",
        seed=seed,
    )
    seconds = {"other classes": float(train(first).card["seconds"])}
    for run in RUNS:
        started = time.monotonic()
        request = TrainRequest(
            data=f"birds:{birds}",
            out=folder_of(run.name, out),
            scheme=run.scheme,
            settings=run.settings,
            given=str(folder_of(run.start, out)),
            precision="bf16-mixed",
            seed=seed,
        )
        card = train(request).card
        seconds[run.name] = float(card["seconds"])
        print(f"{run.name}: {time.monotonic() - started:.0f} s", flush=True)
    return seconds


def test_inputs(data: CubData, run: Path) -> tuple[Tensor, Tensor]:
    """Return all test pictures as a run's network sees them, and their labels."""
    how = load_model(run).preprocessing
    if how is None:
        raise RuntimeError("a run always has a preprocessing")
    images = data.split(train=False)
    inputs = torch.cat([how(open_image(image.path)) for image in images])
    return inputs, torch.tensor([image.label for image in images])


def answers(out: Path, data: CubData) -> tuple[dict[str, Answer], Tensor]:
    """Return what every network says of the test images, and the true labels."""
    said: dict[str, Answer] = {}
    for run in RUNS:
        inputs, labels = test_inputs(data, folder_of(run.name, out))
        network = load_model(folder_of(run.name, out)).module
        if not isinstance(network, RegionNetwork):
            raise TypeError("a run holds a network of regions")
        maps = _maps(network, inputs)
        if isinstance(network.head, Pooled):
            said[run.name] = Answer(_vanilla(network.head, maps), float("nan"))
            linear = network.head.linear
            class_maps = class_maps_of(maps, linear.weight.detach(), linear.bias.detach())
            said["naive average"] = _answer(naive_joint(class_maps))
            said["off-the-shelf"] = _answer(cape_joint(class_maps))
        else:
            with torch.inference_mode():
                said[run.name] = _answer(network.head.joint(maps))
    return said, labels


def _maps(network: RegionNetwork, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network.backbone(part) for part in inputs.split(64)]).clone()


def _vanilla(head: Pooled, maps: Tensor) -> Tensor:
    with torch.inference_mode():
        return head(maps).softmax(dim=1)


def _answer(joint: Joint) -> Answer:
    best = joint.probabilities.argmax(dim=1)
    share = joint.posterior(best).flatten(1)
    return Answer(joint.probabilities, float((1 / share.square().sum(dim=1)).mean()))


def table(said: dict[str, Answer], labels: Tensor, seconds: dict[str, float]) -> list[str]:
    """Return the table as Markdown lines."""
    reference = said["vanilla"].probabilities.argmax(dim=1)
    titles = ("head, scheme", "accuracy", "confidence", "other class than vanilla")
    more = ("regions that hold the answer", "training, s", "paper, CUB")
    lines = [f"| {' | '.join((*titles, *more))} |", "| --- |" + " ---: |" * 6]
    for name, published in PAPER.items():
        answer = said[name]
        best = answer.probabilities.max(dim=1)
        accuracy = float((best.indices == labels).float().mean())
        other = float((best.indices != reference).float().mean())
        cells = "" if answer.regions != answer.regions else f"{answer.regions:.1f}"
        spent = f"{seconds[name]:.0f}" if name in seconds else "0"
        lines.append(
            f"| {name} | {accuracy:.1%} | {float(best.values.mean()):.1%} |"
            f" {'' if name == 'vanilla' else f'{other:.1%}'} | {cells} | {spent} |"
            f" {published:.1f} % |"
        )
    return lines


def orderings(said: dict[str, Answer], labels: Tensor) -> list[str]:
    """Return for each ordering of the papers whether it holds here, with McNemar's counts."""
    right = {name: a.probabilities.argmax(dim=1) == labels for name, a in said.items()}
    lines = [
        "| the papers say | where | here | first alone right | second alone right | exact p |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for low, high, where in ORDERINGS:
        first, second = right[low], right[high]
        alone = int((first & ~second).sum()), int((second & ~first).sum())
        p = sign_test(*alone)
        holds = (
            "holds" if alone[1] > alone[0] else "the other way" if alone[0] > alone[1] else "tie"
        )
        sure = "" if p < 0.05 else ", not significant"
        lines.append(
            f"| {low} < {high} | {where} | {holds}{sure} | {alone[0]} | {alone[1]} | {p:.2g} |"
        )
    return lines


def sign_test(a: int, b: int) -> float:
    """Return the two-sided exact probability of counts at least as uneven (McNemar's test)."""
    n, k = a + b, min(a, b)
    if n == 0:
        return 1.0
    log_choose = torch.lgamma(torch.tensor(n + 1.0, dtype=torch.float64))
    i = torch.arange(k + 1, dtype=torch.float64)
    logs = (
        log_choose
        - torch.lgamma(i + 1)
        - torch.lgamma(n - i + 1)
        - n * torch.log(torch.tensor(2.0, dtype=torch.float64))
    )
    return min(1.0, 2 * float(logs.exp().sum()))


def page(said: dict[str, Answer], labels: Tensor, seconds: dict[str, float], seed: int) -> str:
    """Return the page of the documentation."""
    settings = [f"- {run.name}: `{run.scheme}` with `{' '.join(run.settings)}`" for run in RUNS]
    facts = {"seed": seed, "images": len(labels), "each": PER_CLASS // 2}
    lines: Sequence[str] = [
        "# What the schemes cost in accuracy",
        "",
        INTRODUCTION.format(**facts, classes=CLASSES, others=OTHERS, size=SIZE),
        *table(said, labels, seconds),
        "",
        LEGEND,
        "## Which orderings hold",
        "",
        *orderings(said, labels),
        "",
        TEST,
        "## Settings",
        "",
        "The published recipes, shortened for two processor cores; what is changed in each:",
        "",
        *settings,
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("schemes"))
    parser.add_argument("--write", type=Path, help="Markdown page to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    seconds = train_all(arguments.out, arguments.seed)
    said, labels = answers(arguments.out, read_cub(arguments.out / "birds"))
    text = page(said, labels, seconds, arguments.seed)
    (arguments.out / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
