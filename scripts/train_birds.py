"""Train the classifier that is shipped with the package, and write its weights and its card.

    python scripts/train_birds.py --name birds-1

The network learns from rendered birds of which half are whole; of the others, parts are removed or
replaced by another class's, or the bird is erased. What such a picture should be called is known:
the label is spread evenly over the classes that the parts left in it fit best, so that an erased
bird says nothing and a bird without the one part that tells two classes apart says "one of these
two". Everything is seeded; pictures are rendered once and kept in memory.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

import regionwise
from regionwise.data.birds import (
    UNITED_PARTS,
    differing_parts,
    render,
    replacement,
    sample_scene,
    species,
)
from regionwise.data.birds.plumage import changed
from regionwise.models.birdnet import BirdNet
from regionwise.models.preprocessing import Preprocessing

WIDTHS, DEPTHS = (24, 48, 96, 160, 256), (1, 1, 2, 1)
SHIPPED = Path(regionwise.__file__).parent / "models" / "weights_shipped"
TRAINING_SEED, VALIDATION_SEED, TEST_SEED = 1_000, 2_000, 0


@dataclass(frozen=True)
class Pictures:
    """Rendered pictures and the classes that they fit."""

    pixels: Tensor  # uint8 n h w 3
    labels: Tensor  # float n y, rows sum to 1


def draw_changes(rng: np.random.Generator, label: int, classes: int) -> dict[str, object]:
    """Choose what happens to a bird: nothing (half), parts removed, parts replaced, erased."""
    fate = rng.random()
    if fate < 0.5:
        return {}
    if fate > 0.95:
        return {"bird": None}
    parts = rng.choice(list(UNITED_PARTS), size=int(rng.integers(1, 4)), replace=False)
    if fate < 0.75:
        return dict.fromkeys(parts.tolist())
    other = int((label + rng.integers(1, classes)) % classes)
    donor = species(classes)[other]
    return {part: replacement(part, donor) for part in parts.tolist()}


def soft_label(label: int, changes: dict[str, object], classes: int) -> np.ndarray:
    """Spread one unit over the classes that the remaining parts fit best."""
    if "bird" in changes:
        return np.full(classes, 1 / classes, np.float32)
    kinds = species(classes)
    look = changed(kinds[label].plumage, changes)
    gone = {part for part, attributes in changes.items() if attributes is None}
    mismatches = [len(differing_parts(look, kind.plumage) - gone) for kind in kinds]
    best = np.array(mismatches) == min(mismatches)
    return (best / best.sum()).astype(np.float32)


def render_share(task: tuple[int, int, int, int, int, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Render scenes ``start`` to ``stop`` of one class."""
    seed, label, start, stop, size, altered = task
    classes = 24
    pixels, labels = [], []
    for index in range(start, stop):
        scene = sample_scene(species(classes)[label], index, seed=seed)
        rng = np.random.default_rng([seed, label, index, 77])
        changes = draw_changes(rng, label, classes) if altered else {}
        pixels.append(render(scene, changes, size=size).image)
        labels.append(soft_label(label, changes, classes))
    return np.stack(pixels), np.stack(labels)


def render_pictures(seed: int, per_class: int, size: int, *, altered: bool) -> Pictures:
    """Render ``per_class`` pictures of each of the 24 classes on all cores."""
    step = 25
    tasks = [
        (seed, label, start, min(start + step, per_class), size, altered)
        for label in range(24)
        for start in range(0, per_class, step)
    ]
    pixels, labels = [], []
    with ProcessPoolExecutor() as pool, Progress() as progress:
        bar = progress.add_task(f"rendering, seed {seed}", total=len(tasks))
        for image, label in pool.map(render_share, tasks):
            pixels.append(torch.from_numpy(image))
            labels.append(torch.from_numpy(label))
            progress.advance(bar)
    return Pictures(torch.cat(pixels), torch.cat(labels))


def shrunk(pictures: Pictures, size: int) -> Pictures:
    """Return the pictures at another size."""
    chunks = [
        F.interpolate(
            pixels.permute(0, 3, 1, 2).float(), (size, size), mode="bilinear", antialias=True
        )
        .round()
        .byte()
        .permute(0, 2, 3, 1)
        for pixels in pictures.pixels.split(200)
    ]
    return Pictures(torch.cat(chunks).contiguous(), pictures.labels)


def batch_of(pictures: Pictures, index: Tensor, how: Preprocessing) -> tuple[Tensor, Tensor]:
    """Return inputs and labels of some pictures."""
    images = pictures.pixels[index].permute(0, 3, 1, 2).float() / 255
    return how.normalize(images), pictures.labels[index]


def jitter(inputs: Tensor, generator: torch.Generator, size: int) -> Tensor:
    """Mirror, shift and rescale a batch, each picture by itself (labels never depend on these)."""
    n = len(inputs)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    zoom = 1 + 0.12 * (torch.rand(n, generator=generator) * 2 - 1)
    shift = 0.08 * (torch.rand(n, 2, generator=generator) * 2 - 1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = flip * zoom, zoom, shift
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(inputs, grid, padding_mode="reflection", align_corners=False)


def train(pictures: Pictures, how: Preprocessing, arguments: argparse.Namespace) -> BirdNet:
    """Train from scratch: AdamW, one cycle; the last epochs at full size."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    small = shrunk(pictures, 144)
    watched = render_pictures(VALIDATION_SEED, 20, how.size[0], altered=False)
    model = BirdNet(24, WIDTHS, DEPTHS).to(memory_format=torch.channels_last)
    steps = arguments.epochs * (len(pictures.pixels) // arguments.batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for epoch in range(arguments.epochs):
        full = epoch >= 0.7 * arguments.epochs
        size, seen = (how.size[0], pictures) if full else (144, small)
        model.train()
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(pictures.pixels), generator=generator)
        batches = order.split(arguments.batch)[: len(order) // arguments.batch]
        for index in batches:
            inputs, labels = batch_of(seen, index, how)
            inputs = jitter(inputs, generator, size).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(inputs)
            loss = F.cross_entropy(logits.float(), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        right = logits_of(model.eval(), watched, how).argmax(1) == watched.labels.argmax(1)
        print(
            f"epoch {epoch + 1}: {size} px, loss {total / len(batches):.4f},"
            f" validation {right.float().mean():.3f}, {time.monotonic() - started:.0f} s",
            flush=True,
        )
    return model.eval()


def logits_of(model: nn.Module, pictures: Pictures, how: Preprocessing) -> Tensor:
    """Return logits of all pictures in float32."""
    chunks = torch.arange(len(pictures.pixels)).split(64)
    with torch.inference_mode():
        return torch.cat([model(batch_of(pictures, index, how)[0]) for index in chunks])


def pair_accuracies(logits: Tensor, labels: Tensor, differences: int) -> list[float]:
    """Accuracy of deciding between the two classes of each pair that differs in so many parts."""
    kinds, found = species(24), []
    for a, b in combinations(range(24), 2):
        if len(differing_parts(kinds[a].plumage, kinds[b].plumage)) != differences:
            continue
        of_pair = (labels == a) | (labels == b)
        chosen = torch.where(logits[of_pair, a] > logits[of_pair, b], a, b)
        found.append(float((chosen == labels[of_pair]).float().mean()))
    return found


def histograms(pictures: Pictures) -> Tensor:
    """Return 8 x 8 x 8 colour histograms, square roots of shares."""
    codes = (pictures.pixels.long() // 32 * torch.tensor([64, 8, 1])).sum(dim=-1).flatten(1)
    counts = torch.stack([torch.bincount(row, minlength=512) for row in codes])
    return (counts / codes.shape[1]).sqrt()


def histogram_accuracy(train_on: Pictures, test_on: Pictures) -> float:
    """Test accuracy of logistic regression on colour histograms, trained on whole birds."""
    x, y = histograms(train_on), train_on.labels.argmax(dim=1)
    mean, std = x.mean(dim=0), x.std(dim=0) + 1e-3
    linear = nn.Linear(512, 24)
    optimiser = torch.optim.LBFGS(linear.parameters(), max_iter=300)

    def closure() -> Tensor:
        optimiser.zero_grad()
        penalty = 1e-3 * linear.weight.square().sum()
        loss = F.cross_entropy(linear((x - mean) / std), y) + penalty
        loss.backward()
        return loss

    optimiser.step(closure)
    found = linear((histograms(test_on) - mean) / std).argmax(dim=1)
    return float((found == test_on.labels.argmax(dim=1)).float().mean())


def erased(test: Pictures, per_class: int, size: int) -> Pictures:
    """Render the test scenes again without their bird."""
    pixels = [
        render(sample_scene(species(24)[label], i, seed=TEST_SEED), {"bird": None}, size=size)
        for label in range(24)
        for i in range(per_class)
    ]
    return Pictures(torch.stack([torch.from_numpy(p.image) for p in pixels]), test.labels)


def evaluate(
    model: nn.Module, how: Preprocessing, arguments: argparse.Namespace
) -> dict[str, float]:
    """Measure what the card promises, on scenes of a seed that training never saw."""
    size = how.size[0]
    test = render_pictures(TEST_SEED, arguments.test_per_class, size, altered=False)
    labels = test.labels.argmax(dim=1)
    logits = logits_of(model, test, how)
    blank = logits_of(model, erased(test, arguments.test_per_class, size), how)
    pairs = {k: pair_accuracies(logits, labels, k) for k in (1, 2, 3)}
    plain = render_pictures(VALIDATION_SEED, 100, size, altered=False)
    return {
        "test_accuracy": float((logits.argmax(dim=1) == labels).float().mean()),
        "one_part_pairs": float(np.mean(pairs[1])),
        "one_part_pairs_worst": float(np.min(pairs[1])),
        "two_part_pairs": float(np.mean(pairs[2])),
        "three_part_pairs": float(np.mean(pairs[3])),
        "bird_erased": float((blank.argmax(dim=1) == labels).float().mean()),
        "chance": 1 / 24,
        "colour_histogram": histogram_accuracy(plain, test),
        "test_images": len(labels),
    }


def write(model: BirdNet, how: Preprocessing, name: str, card: dict[str, object]) -> None:
    """Write weights in half precision and the card; an existing version is never overwritten."""
    card = {
        "name": name,
        "architecture": {"widths": list(WIDTHS), "depths": list(DEPTHS)},
        "layer": "layer4",
        "parameters": sum(p.numel() for p in model.parameters()),
        "class_names": [kind.name for kind in species(24)],
        "preprocessing": how.describe(),
        **card,
    }
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, SHIPPED / f"{name}.safetensors")
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (SHIPPED / f"{name}.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Render, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="name of the new version, such as birds-1")
    parser.add_argument("--per-class", type=int, default=500)
    parser.add_argument("--test-per-class", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keep the rendered pictures in this file")
    parser.add_argument("--size", type=int, default=224)
    arguments = parser.parse_args()
    if (SHIPPED / f"{arguments.name}.safetensors").exists():
        sys.exit(f"{arguments.name} is shipped already; a new version needs a new name")
    how = Preprocessing(size=(arguments.size,) * 2, resize=arguments.size, interpolation="bilinear")
    if arguments.cache and arguments.cache.exists():
        pictures = Pictures(*torch.load(arguments.cache, weights_only=True))
    else:
        pictures = render_pictures(TRAINING_SEED, arguments.per_class, arguments.size, altered=True)
    if arguments.cache and not arguments.cache.exists():
        torch.save((pictures.pixels, pictures.labels), arguments.cache)
    model = train(pictures, how, arguments)
    # measure what is shipped: the weights as they are after rounding to half precision
    model.load_state_dict(
        {
            k: v.half().to(v.dtype) if v.is_floating_point() else v
            for k, v in model.state_dict().items()
        }
    )
    measured = evaluate(model, how, arguments)
    print(json.dumps(measured, indent=2))
    settings = {k: v for k, v in vars(arguments).items() if k != "cache"}  # changes nothing
    words = [f"--{k.replace('_', '-')}={v}" for k, v in settings.items()]
    command = shlex.join(["python", "scripts/train_birds.py", *words])
    seeds = {"training": TRAINING_SEED, "test": TEST_SEED, "weights": arguments.seed}
    card = {"command": command, "data_seeds": seeds, "accuracy": measured}
    write(model, how, arguments.name, card)


if __name__ == "__main__":
    main()
