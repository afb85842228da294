"""Train the same rendered birds on other families of networks, each in three versions.

    python scripts/birds_families.py --out families

The families are a small DenseNet (``dense``) and a plain network without skips (``plain``). Of each
there is ``vanilla``, which is pooling and a linear layer; ``cape``, a CAPE head that is post-fitted
to the vanilla network; and ``calm``, a CALM network that expectation maximisation trains from the
vanilla one's backbone. They see what the shipped birds were trained on (see train_birds.py), at
144 x 144. Each network becomes a run folder, ``OUT/dense-cape``, which ``regionwise`` opens; one
that is finished is not trained again. Everything is seeded. Run it, and what opens the plain
networks, from the repository's root: they name scripts/birds_backbones.py.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation
from train_birds import (
    TEST_SEED,
    TRAINING_SEED,
    VALIDATION_SEED,
    Pictures,
    batch_of,
    jitter,
    logits_of,
    pair_accuracies,
    render_pictures,
    shrunk,
)
from train_birds_heads import Fitting, expectation_maximisation

from regionwise.data.birds import species
from regionwise.files import write_json
from regionwise.heads.cape import Cape
from regionwise.heads.joint import JointHead
from regionwise.heads.network import Head, NetworkSpec, RegionNetwork, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.runs import CONFIG, KIND, VERSION, RunConfig, load_run
from regionwise.models.sources import RANDOM
from regionwise.training.checkpoints import WEIGHTS, write_weights
from regionwise.training.folder import CARD, read_json
from regionwise.training.losses import distillation

SIZE, SMALL = 144, 96
HOW = Preprocessing(size=(SIZE, SIZE), resize=SIZE, interpolation="bilinear")
CLASSES = tuple(kind.name for kind in species(24))

# three blocks of layers, so that the last map has stride 16
FAMILIES = {
    "dense": BackboneSpec(
        "timm:densenet121", options={"growth_rate": 24, "block_config": [2, 5, 8]}
    ),
    "plain": BackboneSpec("scripts/birds_backbones.py:plain"),
}
HEADS: dict[str, Head] = {"vanilla": "pooled", "cape": "cape", "calm": "calm"}
PLANS = {
    "vanilla": Fitting(epochs=14, rate=4e-3, head_rate=4e-3, batch=48),
    "cape": Fitting(epochs=30, rate=0.0, head_rate=3e-3),
    "calm": Fitting(epochs=5, rate=1e-3, head_rate=5e-3),
}


@dataclass(frozen=True)
class Bench:
    """What all trainings share: where they write, and the pictures."""

    out: Path
    seen: Pictures
    test: Pictures
    counts: dict[str, int]

    def folder(self, family: str, version: str) -> Path:
        """Return the run folder of a network."""
        return self.out / f"{family}-{version}"


def from_scratch(network: RegionNetwork, pictures: Pictures, plan: Fitting) -> None:
    """Train backbone and pooled head: AdamW, one cycle; the first epochs at a smaller size."""
    torch.manual_seed(plan.seed)
    generator = torch.Generator().manual_seed(plan.seed)
    small = shrunk(pictures, SMALL)
    watched = render_pictures(VALIDATION_SEED, 20, SIZE, altered=False)
    network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.05)
    batches = len(pictures.pixels) // plan.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.rate, total_steps=plan.epochs * batches
    )
    for epoch in range(plan.epochs):
        size, seen = (SMALL, small) if epoch < 0.57 * plan.epochs else (SIZE, pictures)
        network.train()
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(seen.pixels), generator=generator)
        for index in order.split(plan.batch)[:batches]:
            inputs, labels = batch_of(seen, index, HOW)
            inputs = jitter(inputs, generator, size)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(inputs.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        right = logits_of(network.eval(), watched, HOW).argmax(1) == watched.labels.argmax(1)
        print(
            f"epoch {epoch + 1}: {size} px, loss {total / batches:.4f}, validation"
            f" {right.float().mean():.3f}, {time.monotonic() - started:.0f} s",
            flush=True,
        )


def answers_of(network: RegionNetwork, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Return the maps n k i j, in half precision, and the logits of all pictures."""
    maps, logits = [], []
    with torch.inference_mode():
        for index in torch.arange(len(pictures.pixels)).split(64):
            activations = network.backbone(batch_of(pictures, index, HOW)[0])
            maps.append(activations.half())
            logits.append(network.head(activations))
    return torch.cat(maps), torch.cat(logits)


def post_fit(head: Cape, teacher: RegionNetwork, pictures: Pictures, plan: Fitting) -> None:
    """Fit a CAPE head to the vanilla network by distillation, T = 2, on maps computed once."""
    head.copy_from(teacher.get_submodule("head.linear"))  # type: ignore[arg-type]  # it is linear
    activations, answers = answers_of(teacher, pictures)
    generator = torch.Generator().manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(head.parameters(), plan.head_rate, weight_decay=1e-4)
    steps = plan.epochs * len(activations.split(plan.batch))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(plan.epochs):
        total = 0.0
        for index in torch.randperm(len(activations), generator=generator).split(plan.batch):
            soft = head.soft_log_probabilities(activations[index].float())
            loss = distillation(soft, answers[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
        print(f"epoch {epoch + 1}: loss {total / len(activations):.4f}", flush=True)


def train(bench: Bench, family: str, version: str) -> tuple[NetworkSpec, RegionNetwork]:
    """Train one network; the two that explain themselves begin with the vanilla one."""
    spec, plan = NetworkSpec(FAMILIES[family], HEADS[version], len(CLASSES)), PLANS[version]
    network = build_network(spec, weights=RANDOM, size=HOW.size, seed=plan.seed)
    if version == "vanilla":
        from_scratch(network, bench.seen, plan)
    else:
        vanilla = vanilla_of(bench, family)
        network.backbone.load_state_dict(vanilla.backbone.state_dict())
        if isinstance(network.head, Cape):
            post_fit(network.head, vanilla, bench.seen, plan)
        else:
            expectation_maximisation(network, bench.seen, HOW, plan)
    return spec, network.to(memory_format=torch.contiguous_format).eval()


def vanilla_of(bench: Bench, family: str) -> RegionNetwork:
    """Open the vanilla network of a family, which must be finished."""
    network = load_run(bench.folder(family, "vanilla")).module
    if not isinstance(network, RegionNetwork):
        raise TypeError(f"{family}-vanilla holds a {type(network).__name__}")
    return network.eval()


def measure(network: RegionNetwork, bench: Bench, vanilla: RegionNetwork) -> dict[str, float]:
    """Measure on whole birds in scenes that no training saw."""
    labels = bench.test.labels.argmax(dim=1)
    logits = logits_of(network, bench.test, HOW)
    chosen, taught = logits.argmax(dim=1), logits_of(vanilla, bench.test, HOW).argmax(dim=1)
    pairs = pair_accuracies(logits, labels, 1)
    found = {
        "test_accuracy": float((chosen == labels).float().mean()),
        "one_part_pairs": sum(pairs) / len(pairs),
        "agreement_with_vanilla": float((chosen == taught).float().mean()),
        "mean_confidence": float(logits.softmax(dim=1).amax(dim=1).mean()),
        "test_images": len(labels),
    }
    return found | (effective_regions(network, bench.test, chosen) if has_joint(network) else {})


def has_joint(network: RegionNetwork) -> bool:
    """Whether a network explains itself."""
    return isinstance(network.head, JointHead)


def effective_regions(network: RegionNetwork, test: Pictures, chosen: Tensor) -> dict[str, float]:
    """Measure over how many regions the answer is spread."""
    cells, regions = [], 0
    with torch.inference_mode():
        for index in torch.arange(len(test.pixels)).split(64):
            joint = network.joint(batch_of(test, index, HOW)[0])
            share = joint.posterior(chosen[index]).flatten(1)
            cells.append(1 / share.square().sum(dim=1))
            regions = share.shape[1]
    return {"effective_regions": float(torch.cat(cells).mean()), "regions": regions}


def finished(bench: Bench, family: str, version: str) -> bool:
    """Whether a network is there; one of other settings is refused."""
    card = read_json(bench.folder(family, version) / CARD)
    if card is None:
        return False
    if card["training"] != asdict(PLANS[version]) | bench.counts:
        sys.exit(f"{bench.folder(family, version)} has other settings; choose another --out")
    print(f"{family}-{version}: there already, {card['accuracy']['test_accuracy']:.4f}", flush=True)
    return True


def make(bench: Bench, family: str, version: str) -> None:
    """Train a network and write its run folder, whole or not at all."""
    if finished(bench, family, version):
        return
    started = time.monotonic()
    spec, network = train(bench, family, version)
    seconds = time.monotonic() - started
    folder = bench.folder(family, version)
    vanilla = network if version == "vanilla" else vanilla_of(bench, family)
    card = {
        "name": folder.name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "command": command_of(family, version, bench),
        "training": asdict(PLANS[version]) | bench.counts,
        "data_seeds": {"training": TRAINING_SEED, "test": TEST_SEED},
        "training_seconds": round(seconds, 1),
        "accuracy": measure(network, bench, vanilla),
    }
    unfinished = bench.out / f".{folder.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    config = {"kind": KIND, "version": VERSION, **RunConfig(spec, HOW, CLASSES).to_json()}
    write_json(unfinished / CONFIG, config)
    write_weights(network, unfinished / WEIGHTS)
    write_json(unfinished / CARD, card)
    unfinished.replace(folder)
    print(f"{folder.name}: {card['accuracy']}, {seconds:.0f} s", flush=True)


def command_of(family: str, version: str, bench: Bench) -> str:
    """Return the command that trains one network; where it writes changes nothing."""
    words = ["--out", "families", "--families", family, "--versions", version]
    counts = [f"--per-class={bench.counts['per_class']}", f"--epochs={PLANS[version].epochs}"]
    return shlex.join(["python", "scripts/birds_families.py", *words, *counts])


def bench_of(arguments: argparse.Namespace) -> Bench:
    """Render the pictures, or read what is kept of them."""
    cache = arguments.cache
    if cache and cache.exists():
        seen = Pictures(*torch.load(cache, weights_only=True))
    else:
        seen = render_pictures(TRAINING_SEED, arguments.per_class, SIZE, altered=True)
    if cache and not cache.exists():
        torch.save((seen.pixels, seen.labels), cache)
    if len(seen.pixels) != arguments.per_class * len(CLASSES):
        sys.exit(f"{cache} holds {len(seen.pixels)} pictures; remove it")
    test = render_pictures(TEST_SEED, arguments.test_per_class, SIZE, altered=False)
    return Bench(arguments.out, seen, test, {"per_class": arguments.per_class})


def main() -> None:
    """Render, then train, measure and write one network after another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--families", nargs="+", choices=[*FAMILIES], default=[*FAMILIES])
    parser.add_argument("--versions", nargs="+", choices=[*HEADS], default=[*HEADS])
    parser.add_argument("--per-class", type=int, default=300)
    parser.add_argument("--test-per-class", type=int, default=60)
    parser.add_argument("--epochs", type=int, help="other numbers of epochs, to try the script")
    parser.add_argument("--cache", type=Path, help="keep the rendered pictures in this file")
    arguments = parser.parse_args()
    if not Path("scripts/birds_backbones.py").is_file():
        sys.exit("run this from the repository's root")
    if arguments.epochs:
        PLANS.update({k: replace(v, epochs=arguments.epochs) for k, v in PLANS.items()})
    bench = bench_of(arguments)
    for family in arguments.families:
        for version in arguments.versions:
            make(bench, family, version)


if __name__ == "__main__":
    main()
