"""Twelve methods by all confidence metrics: together, and one method and one metric at a time.

    python bench/shared_benchmark.py --birds 64

Together is what `regionwise benchmark` does: evidence is gathered once for all methods of a chunk,
and no image is scored twice. One at a time explains anew for every metric, with a judge of its own.
Both run in this process, one after the other, on the same pictures; explanations of altered images
(coherency, ADCC) are part of both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from regionwise import explain
from regionwise.benchmark.blocks import VALUE
from regionwise.benchmark.context import Context
from regionwise.benchmark.loaded import open_units
from regionwise.benchmark.preparing import prepare
from regionwise.benchmark.recipe_files import from_table
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.score import score_chunk
from regionwise.data.birds import write_birds
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge

METHODS = [
    *("cam", "grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "layer-cam"),
    *("eigen-cam", "gradient", "input-x-gradient", "score-cam", "score-cam++", "lift-cam"),
]
METRICS = [
    *("average-drop", "average-drop:keep=top-half", "increase-in-confidence", "win"),
    *("average-drop-in-deletion", "drop-in-logit:of=target", "coherency", "complexity", "adcc"),
]


def together(plan, context):
    return [block for chunk in plan.chunks for block in score_chunk(chunk, context)]


def one_at_a_time(plan, context):
    classifier = context.model("birds")
    found = {}
    for chunk in plan.chunks:
        inputs = torch.stack([one.inputs for one in open_units(chunk, context)[0]])
        for method in METHODS:

            def again(images, targets, method=method):
                return explain(classifier, images, method, targets).saliency()[:, 0]

            for name in METRICS:
                attribution = explain(classifier, inputs, method)
                case = Case(
                    inputs=inputs,
                    saliency=attribution.saliency()[:, 0],
                    targets=attribution.targets[:, 0],
                    judge=Judge(classifier),
                    again=again,
                )
                values = metrics.parse(name)(case).values
                found.setdefault((method, name), []).extend(values.tolist())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--birds", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    table = {"methods": [{"use": METHODS}], "metrics": [{"use": METRICS}], "images": chosen.birds}
    with tempfile.TemporaryDirectory() as folder:
        each = -(-chosen.birds // 24) * 2
        write_birds(Path(folder) / "birds", images_per_class=each)
        context = Context(read_benchmark_data(f"birds:{folder}/birds"))
        plan = prepare(from_table(table, "shared"), context)
        start = time.perf_counter()
        blocks = together(plan, context)
        middle = time.perf_counter()
        alone = one_at_a_time(plan, context)
        end = time.perf_counter()
    worst = 0.0
    for key, values in alone.items():
        own = [b for b in blocks if (b.key.method, b.key.metric, b.statistic) == (*key, VALUE)]
        met = torch.tensor([v for b in own for v in b.values[:, 0]])
        worst = max(worst, float((met - torch.tensor(values)).abs().nan_to_num().max()))
    shared, apart = middle - start, end - middle
    print(f"{chosen.birds} birds, {len(METHODS)} methods, {len(METRICS)} metrics,", end=" ")
    print(
        f"{chosen.threads} threads: together {shared:.1f} s, one at a time {apart:.1f} s,", end=" "
    )
    print(f"{apart / shared:.1f} times; largest difference of values {worst:.1e}")


if __name__ == "__main__":
    main()
