"""The arithmetic of large runs: passes counted on real networks, times a speed that is assumed.

python scripts/before_the_bill.py                      # the tables of docs/plan.md
python scripts/before_the_bill.py --speed resnet50=2800 --gpus 1 4   # with numbers of your own
python scripts/before_the_bill.py --count resnet50     # count passes again (minutes)
python scripts/before_the_bill.py --host               # time decoding and scoring again, one core
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "docs" / "results" / "before_the_bill.json"
NETWORKS = {"resnet50": "torchvision:resnet50", "vit_b_16": "torchvision:vit_b_16"}
GRADIENTS = ("grad-cam", "grad-cam++", "hires-cam", "xgrad-cam", "layer-cam")
TAILS = ("ablation-cam", "fd-cam", "lift-cam")
MASKED = ("score-cam", "score-cam++", "union-cam", "group-cam")
TWELVE = (*GRADIENTS, *TAILS, *MASKED)
CHEAPER = (*GRADIENTS, *TAILS, "score-cam:budget=64", "score-cam++:budget=64", "group-cam")
SETS = {
    "all 12": TWELVE,
    "Score-CAM by budget=64": CHEAPER,
    "gradients and tails": GRADIENTS + TAILS,
}
IMAGES = (50_000, 1_280_000)
GPUS = (1, 8, 64)
SPEEDS = {"resnet50": (1200.0, 4500.0), "vit_b_16": (2000.0,)}
"""Images a second and GPU; where they are from, docs/plan.md says."""
LIGHT = ["average-drop", "increase-in-confidence", "win", "average-drop-in-deletion"]
MAPS = ["complexity", "pointing-game", "energy-pointing-game", "pxap"]
CURVES = ["deletion:steps=20", "insertion:steps=20"]
EXPLAIN = "files of explain"
SCORED = {EXPLAIN: [], "8 metrics": LIGHT + MAPS, "10 metrics": LIGHT + MAPS + CURVES}


def count(name: str, *, alone: bool) -> dict:
    """Count the passes of one picture by each set of methods, and by each dear method alone."""
    import torch  # noqa: PLC0415 - the tables need none of it
    from PIL import Image  # noqa: PLC0415

    from regionwise.attribution.explain import explain_all  # noqa: PLC0415
    from regionwise.benchmark.cost import work_of, work_of_pass  # noqa: PLC0415
    from regionwise.data.birds import render, sample_scene, species  # noqa: PLC0415
    from regionwise.evidence.probe import Probe  # noqa: PLC0415
    from regionwise.zoo import load_model  # noqa: PLC0415

    torch.manual_seed(0)
    classifier = load_model(NETWORKS[name], weights="random")
    picture = render(sample_scene(species(24)[0], 1, seed=7), size=448).image
    inputs = classifier.preprocessing(Image.fromarray(picture))
    one = work_of_pass(classifier, inputs)

    def passes(methods: tuple[str, ...]) -> dict[str, float]:
        start = time.monotonic()
        work = work_of(lambda: explain_all(classifier, inputs, list(methods)))
        print(name, methods, round(time.monotonic() - start), "s", flush=True)
        return {"forward": work.forward / one, "backward": work.backward / one}

    with Probe(classifier.module, inputs, None, classifier.layer, needs=frozenset()) as probe:
        channels = probe.activations.shape[1]
    found = {"source": NETWORKS[name], "operations": one, "channels": channels}
    for label, methods in reversed(SETS.items()):
        found[label] = passes(methods)
    if alone:
        found["alone"] = {method: passes((method,)) for method in TWELVE}
    return found


def host() -> dict:
    """Time on one core what a GPU does not do, and count the passes of scoring an explanation."""
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    from regionwise.data.birds import render, sample_scene, species  # noqa: PLC0415
    from regionwise.data.images import open_image  # noqa: PLC0415
    from regionwise.zoo import load_model  # noqa: PLC0415

    how = load_model(NETWORKS["resnet50"], weights="random").preprocessing
    picture = Image.fromarray(render(sample_scene(species(24)[0], 1, seed=7), size=512).image)
    pixels = np.asarray(picture.resize((500, 375)), dtype=float)
    noisy = pixels + np.random.default_rng(0).normal(0, 12, pixels.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bird.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        size = path.stat().st_size
        decode = median(lambda: how(open_image(path)), 40)
        found = {"decode": decode, "jpeg_bytes": size, **drawing(picture)}
        return {**found, **scoring(Path(folder))}


def drawing(picture) -> dict:
    """Time the picture and the arrays of an explanation, compressed as ``explain`` writes them."""
    from regionwise.attribution.explain import explain_all  # noqa: PLC0415
    from regionwise.report.gallery import image_files, split_batch  # noqa: PLC0415

    (explained,) = split_batch(explain_all("birds", [picture], list(GRADIENTS)))
    files, count = image_files(explained), len(GRADIENTS)
    seconds = median(lambda: image_files(explained), 9) / count
    return {"draw": seconds, "file_bytes": sum(map(len, files.values())) / count}


def scoring(folder: Path) -> dict:
    """Score explanations on the shipped network: passes, and seconds of what needs no network."""
    from dataclasses import replace  # noqa: PLC0415

    from regionwise.benchmark.context import Context  # noqa: PLC0415
    from regionwise.benchmark.cost import work_of, work_of_pass  # noqa: PLC0415
    from regionwise.benchmark.ledger import rows_file  # noqa: PLC0415
    from regionwise.benchmark.preparing import prepare  # noqa: PLC0415
    from regionwise.benchmark.recipe_files import from_table  # noqa: PLC0415
    from regionwise.benchmark.rows import table_of  # noqa: PLC0415
    from regionwise.benchmark.samples import read_benchmark_data  # noqa: PLC0415
    from regionwise.benchmark.score import score_chunk  # noqa: PLC0415
    from regionwise.data.birds import write_birds  # noqa: PLC0415

    birds = write_birds(folder / "birds", classes=24, images_per_class=2, size=224)
    data = read_benchmark_data(f"birds:{birds}")
    methods = [*GRADIENTS, "centre", "random", "edges"]

    def planned(metrics: list[str]):
        asked = {"models": ["birds"], "images": 4, "chunk": 4, "cost": {"images": 0}}
        asked |= {"methods": [{"use": methods}], "metrics": [{"use": metrics}]}
        recipe = from_table(asked, "host")
        context = Context(data, recipe.seed, recipe.judges)
        return prepare(recipe, context), context

    def passes(metrics: list[str]) -> float:
        plan, context = planned(metrics)
        (chunk,) = plan.chunks
        score_chunk(chunk, context)
        whole, bare = (
            work_of(lambda c=c: score_chunk(c, context)).forward
            for c in (chunk, replace(chunk, metrics=()))
        )
        image = context.model("birds").noise()
        return (whole - bare) / work_of_pass(context.model("birds"), image) / len(chunk)

    plan, context = planned(MAPS)
    (chunk,) = plan.chunks
    bare = replace(chunk, metrics=())
    blocks = score_chunk(chunk, context)
    seconds = median(lambda: score_chunk(chunk, context), 7)
    seconds -= median(lambda: score_chunk(bare, context), 7)
    _, content = rows_file(chunk.id, table_of(blocks, "birds", "test"))
    write = median(lambda: rows_file(chunk.id, table_of(blocks, "birds", "test")), 7)
    return {
        "score": seconds / len(chunk),
        "write": write / len(chunk),
        "row_bytes": len(content) / len(chunk),
        "passes": {name: passes(metrics) if metrics else 0.0 for name, metrics in SCORED.items()},
    }


def median(run, times: int) -> float:
    """Return the middle of the seconds that a processor works on something; others may wait."""
    run()
    found = []
    for _ in range(times):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return sorted(found)[times // 2]


def passes_of(facts: dict, network: str, methods: str) -> float:
    """Return all passes of explaining an image; those of gradients count alike."""
    found = facts["networks"][network][methods]
    return found["forward"] + found["backward"]


def stages(facts: dict, network: str, methods: str, scored: str, speed: float) -> dict[str, float]:
    """Return the seconds of an image, of a worker with one GPU and one core, by stage."""
    host, count = facts["host"], len(SETS[methods])
    files = scored == EXPLAIN
    return {
        "decode": host["decode"],
        "network": passes_of(facts, network, methods) / speed,
        "scoring, network": count * host["passes"][scored] / speed,
        "scoring, host": 0.0 if files else count * host["score"],
        "pictures" if files else "writing": count * host["draw" if files else "write"],
    }


def passes_table(facts: dict) -> str:
    """Return the passes of an image by each method alone, and by sets together."""
    networks = facts["networks"]
    named = {f"`{m}`": [n.get("alone", {}).get(m) for n in networks.values()] for m in TWELVE}
    named |= {f"**{name}, together**": [n[name] for n in networks.values()] for name in SETS}
    head = ["", *(f"{name}, {one['channels']} channels" for name, one in networks.items())]
    return markdown([head, *([name, *map(both, found)] for name, found in named.items())])


def both(found: dict | None) -> str:
    """Return passes forward and backward."""
    if found is None:
        return "-"
    back = found["backward"]
    digits = 0 if found["forward"] >= 10 else 1
    return f"{found['forward']:,.{digits}f}" + (f" + {back:.2g} back" if back >= 0.005 else "")


def hours_table(facts: dict, speeds: dict, images: tuple[int, ...], gpus: tuple[int, ...]) -> str:
    """Return how long it takes, and what the most of the time goes to."""
    heads = ["network", "images/s", "methods", "then"]
    heads += [f"{n:,} images, {g} GPU{'s' * (g > 1)}" for n in images for g in gpus]
    rows = [[*heads, "most of it"]]
    for network in facts["networks"]:
        for speed in speeds[network]:
            for methods in SETS:
                for scored in SCORED:
                    found = stages(facts, network, methods, scored, speed)
                    one = sum(found.values())
                    most = max(found, key=lambda name: found[name])
                    walls = [lasting(n * one / g) for n in images for g in gpus]
                    share = f"{most} ({found[most] / one:.0%})"
                    rows.append([network, f"{speed:,.0f}", methods, scored, *walls, share])
    return markdown(rows)


def host_lines(facts: dict) -> str:
    """Return what was measured on one core."""
    host = facts["host"]
    rows = [
        ["on one core", ""],
        [f"a JPEG of 500 x 375 ({host['jpeg_bytes'] / 1e3:.0f} kB) decoded, brought to 224 x 224"],
        ["the metrics that ask no network, an explanation"],
        [f"its rows as Parquet ({host['row_bytes'] / 1e3:.2g} kB)"],
        [f"the files of `explain`, an explanation ({host['file_bytes'] / 1e3:.0f} kB)"],
    ]
    for row, name in zip(rows[1:], ("decode", "score", "write", "draw"), strict=True):
        row.append(f"{1e3 * host[name]:.2g} ms")
    for name, count in host["passes"].items():
        if count:
            rows.append([f"passes of scoring an explanation, {name}", f"{count:.0f}"])
    return markdown(rows)


def lasting(seconds: float) -> str:
    """Return seconds in hours or days, with two digits."""
    for name, unit in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * unit:
            value = float(f"{seconds / unit:.2g}")
            return f"{value:,.0f} {name}" if value >= 10 else f"{value:g} {name}"
    return f"{seconds:.0f} s"


def markdown(rows: list[list[str]]) -> str:
    """Return a table whose first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def page_parts() -> dict[str, str]:
    """Return what docs/plan.md shows, by the names of its markers."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return {
        "plan-passes": passes_table(facts),
        "plan-host": host_lines(facts),
        "plan-hours": hours_table(facts, SPEEDS, IMAGES, GPUS),
    }


def save(key: str, value: dict) -> None:
    """Put facts into the file."""
    facts = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.exists() else {}
    facts.setdefault(key, {}).update(value)
    FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Count, time, or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", nargs="+", choices=NETWORKS, default=(), help="count passes")
    parser.add_argument("--alone", action="store_true", help="count each method alone too")
    parser.add_argument("--host", action="store_true", help="time what one core does")
    parser.add_argument("--speed", nargs="+", default=(), metavar="NAME=N", help="images a second")
    parser.add_argument("--images", nargs="+", type=int, default=IMAGES)
    parser.add_argument("--gpus", nargs="+", type=int, default=GPUS)
    arguments = parser.parse_args()
    for name in arguments.count:
        save("networks", {name: count(name, alone=arguments.alone)})
    if arguments.host:
        save("host", host())
    if arguments.count or arguments.host:
        return
    speeds = dict(SPEEDS)
    for text in arguments.speed:
        name, _, value = text.partition("=")
        speeds[name] = (float(value),)
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    hours = hours_table(facts, speeds, tuple(arguments.images), tuple(arguments.gpus))
    print("\n\n".join([passes_table(facts), host_lines(facts), hours]))


if __name__ == "__main__":
    main()
