"""Train the self-explaining networks that are shipped with the package: birds-cape and birds-calm.

    python scripts/train_birds_heads.py --name birds-cape
    python scripts/train_birds_heads.py --name birds-calm

Both start from birds-1 and see what it was trained on: rendered birds of which half are whole, the
others with parts removed or replaced (see train_birds.py). birds-cape is post-fitted (Chowdhury et
al. 2024): birds-1 stays as it is and teaches the CAPE head, on whose input every picture is run
once. birds-calm is trained by expectation maximisation (Kim et al. 2021), backbone and all; where
a picture fits several classes, its label is drawn anew from them each time.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from train_birds import (
    SHIPPED,
    TEST_SEED,
    TRAINING_SEED,
    VALIDATION_SEED,
    Pictures,
    batch_of,
    evaluate,
    jitter,
    logits_of,
    render_pictures,
)

from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape
from regionwise.heads.network import NetworkSpec, RegionNetwork, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.shipped import load_shipped
from regionwise.training.losses import calm_em, distillation

TEACHER = "birds-1"


@dataclass(frozen=True)
class Fitting:
    """Epochs, rates and batch of a training."""

    epochs: int
    rate: float
    head_rate: float
    batch: int = 64
    seed: int = 0


PLANS = {
    "cape": Fitting(epochs=30, rate=0.0, head_rate=3e-3),
    "calm": Fitting(epochs=8, rate=1e-3, head_rate=5e-3),
}


def post_fit(network: RegionNetwork, pictures: Pictures, how: Preprocessing, plan: Fitting) -> None:
    """Fit the CAPE head to the teacher by distillation, T = 2, on activations computed once."""
    teacher = load_shipped(TEACHER).module.fc
    head = network.head
    if not isinstance(head, Cape):
        raise TypeError("post-fitting is for a CAPE head")
    head.copy_from(teacher)
    kept, said = [], []
    with torch.inference_mode():
        for index in torch.arange(len(pictures.pixels)).split(64):
            maps = network.backbone(batch_of(pictures, index, how)[0])
            kept.append(maps.half())
            said.append(teacher(maps.mean(dim=(-2, -1))))
    activations, answers = torch.cat(kept), torch.cat(said)
    generator = torch.Generator().manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(head.parameters(), plan.head_rate, weight_decay=1e-4)
    steps = plan.epochs * len(activations.split(plan.batch))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(plan.epochs):
        total, agreed = 0.0, 0
        for index in torch.randperm(len(activations), generator=generator).split(plan.batch):
            joint, soft = head.both(activations[index].float())
            loss = distillation(soft, answers[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
            said_by_head = joint.log_probabilities.argmax(dim=1)
            agreed += int((said_by_head == answers[index].argmax(dim=1)).sum())
        n = len(activations)
        print(f"epoch {epoch + 1}: loss {total / n:.4f}, agreement {agreed / n:.4f}", flush=True)


def expectation_maximisation(
    network: RegionNetwork, pictures: Pictures, how: Preprocessing, plan: Fitting
) -> None:
    """Train backbone and CALM head by EM, theta' = theta; AdamW, one cycle, bfloat16 backbone."""
    torch.manual_seed(plan.seed)
    generator = torch.Generator().manual_seed(plan.seed)
    watched = render_pictures(VALIDATION_SEED, 20, how.size[0], altered=False)
    network.to(memory_format=torch.channels_last)
    groups = [
        {"params": network.backbone.parameters(), "lr": plan.rate},
        {"params": network.head.parameters(), "lr": plan.head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    batches = len(pictures.pixels) // plan.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [plan.rate, plan.head_rate], total_steps=plan.epochs * batches
    )
    for epoch in range(plan.epochs):
        network.train()
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(pictures.pixels), generator=generator)
        for index in order.split(plan.batch)[:batches]:
            inputs, fits = batch_of(pictures, index, how)
            labels = torch.multinomial(fits, 1, generator=generator)[:, 0]
            inputs = jitter(inputs, generator, how.size[0])
            with torch.autocast("cpu", torch.bfloat16):
                joint = network.joint(inputs.to(memory_format=torch.channels_last))
            loss = calm_em(joint, labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        right = logits_of(network.eval(), watched, how).argmax(1) == watched.labels.argmax(1)
        print(
            f"epoch {epoch + 1}: loss {total / batches:.4f}, validation"
            f" {right.float().mean():.3f}, {time.monotonic() - started:.0f} s",
            flush=True,
        )


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in half precision, as they are shipped."""
    return {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}


def spread(network: RegionNetwork, how: Preprocessing, per_class: int) -> dict[str, float]:
    """Measure confidence, and over how many regions the answer is spread, on the test scenes."""
    test = render_pictures(TEST_SEED, per_class, how.size[0], altered=False)
    confidence, cells, agreed = [], [], []
    teacher = load_shipped(TEACHER).module.eval()
    with torch.inference_mode():
        for index in torch.arange(len(test.pixels)).split(64):
            inputs = batch_of(test, index, how)[0]
            joint = network.joint(inputs)
            best = joint.probabilities.max(dim=1)
            confidence.append(best.values)
            share = joint.posterior(best.indices).flatten(1)
            cells.append(1 / share.square().sum(dim=1))
            agreed.append(best.indices == teacher(inputs).argmax(dim=1))
    return {
        "mean_confidence": float(torch.cat(confidence).mean()),
        "effective_regions": float(torch.cat(cells).mean()),
        "regions": float(joint.log_prior[0].numel()),
        f"agreement_with_{TEACHER}": float(torch.cat(agreed).float().mean()),
    }


def main() -> None:
    """Render, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, choices=["birds-cape", "birds-calm"])
    parser.add_argument("--per-class", type=int, default=250)
    parser.add_argument("--test-per-class", type=int, default=60)
    parser.add_argument("--cache", type=Path, help="keep the rendered pictures in this file")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--overwrite", action="store_true", help="replace what is shipped")
    arguments = parser.parse_args()
    if (SHIPPED / f"{arguments.name}.safetensors").exists() and not arguments.overwrite:
        sys.exit(f"{arguments.name} is shipped already; --overwrite replaces it")
    kind = arguments.name.removeprefix("birds-")
    classifier, plan = load_shipped(TEACHER), PLANS[kind]
    how, names = classifier.preprocessing, classifier.class_names
    if how is None or names is None:
        sys.exit(f"{TEACHER} brings no preprocessing or class names")
    if arguments.cache and arguments.cache.exists():
        pictures = Pictures(*torch.load(arguments.cache, weights_only=True))
    else:
        pictures = render_pictures(TRAINING_SEED, arguments.per_class, arguments.size, altered=True)
    if arguments.cache and not arguments.cache.exists():
        torch.save((pictures.pixels, pictures.labels), arguments.cache)
    torch.manual_seed(plan.seed)
    spec = NetworkSpec(backbone=BackboneSpec(TEACHER), head=kind, classes=len(names))
    network = build_network(spec, size=how.size)
    train = expectation_maximisation if isinstance(network.head, Calm) else post_fit
    train(network, pictures, how, plan)
    # measure what is shipped: the weights as they are after rounding to half precision
    state = halved(network.to(memory_format=torch.contiguous_format).state_dict())
    network.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    )
    network.eval()
    measured = evaluate(network, how, arguments) | spread(network, how, arguments.test_per_class)
    print(json.dumps(measured, indent=2))
    counts = [f"--per-class={arguments.per_class}", f"--test-per-class={arguments.test_per_class}"]
    words = ["python", "scripts/train_birds_heads.py", "--name", arguments.name, *counts]
    command = shlex.join(words)
    card = {
        "name": arguments.name,
        "network": spec.to_json(),
        "layer": "backbone",
        "parameters": sum(p.numel() for p in network.parameters()),
        "class_names": list(names),
        "preprocessing": how.describe(),
        "command": command,
        "training": vars(plan),
        "data_seeds": {"training": TRAINING_SEED, "test": TEST_SEED, "weights": plan.seed},
        "accuracy": measured,
    }
    save_file(state, SHIPPED / f"{arguments.name}.safetensors")
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (SHIPPED / f"{arguments.name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
