"""Twelve methods by all confidence metrics: together, and one method and one metric at a time.

    python bench/shared_benchmark.py --birds 64

Together is what `regionwise benchmark` does: evidence is gathered once for all methods of a chunk,
and no image is scored twice. One at a time explains anew for every metric, with a judge of its own.
Both run in this process on the same pictures, a chunk of 16 by turns, so that a machine that is
busy with something else slows both alike; explanations of altered images (coherency, ADCC) are part
of both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import contextmanager
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
    *("eigen-cam", "gradient", "input-x-gradient", "score-cam", "ablation-cam", "lift-cam"),
]
METRICS = [
    *("average-drop", "average-drop:keep=top-half", "increase-in-confidence", "win"),
    *("average-drop-in-deletion", "drop-in-logit:of=target", "coherency", "complexity", "adcc"),
]


def together(chunk, context):
    return score_chunk(chunk, context)


def one_at_a_time(chunk, context):
    classifier = context.model("birds")
    found = {}
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


@contextmanager
def timed(spent):
    """Add wall time and processor time to ``spent``."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    spent[0] += time.perf_counter() - wall
    spent[1] += time.process_time() - processor


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
        blocks, alone = [], {}
        spent = {name: [0.0, 0.0] for name in ("together", "apart")}
        for number, chunk in enumerate(plan.chunks, 1):
            with timed(spent["together"]):
                blocks += together(chunk, context)
            with timed(spent["apart"]):
                values = one_at_a_time(chunk, context)
            for key, column in values.items():
                alone.setdefault(key, []).extend(column)
            print(f"chunk {number} of {len(plan.chunks)}: {spent}", flush=True)
    worst = 0.0
    for key, values in alone.items():
        own = [b for b in blocks if (b.key.method, b.key.metric, b.statistic) == (*key, VALUE)]
        met = torch.tensor([v for b in own for v in b.values[:, 0]])
        worst = max(worst, float((met - torch.tensor(values)).abs().nan_to_num().max()))
    shared, apart = spent["together"], spent["apart"]
    print(
        f"{chosen.birds} birds, {len(METHODS)} methods, {len(METRICS)} metrics,"
        f" {chosen.threads} threads: together {shared[0]:.1f} s, one at a time {apart[0]:.1f} s,"
        f" {apart[0] / shared[0]:.1f} times (of processor time {apart[1] / shared[1]:.1f} times);"
        f" largest difference of values {worst:.1e}"
    )


if __name__ == "__main__":
    main()
