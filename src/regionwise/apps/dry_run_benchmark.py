"""``regionwise benchmark --dry-run``: the plan, then what it will take by a short measurement."""

from __future__ import annotations

from regionwise.apps.dry_run import Line, Where, images_of, plain, print_estimate
from regionwise.apps.progress import OpenProgress
from regionwise.benchmark.context import Context
from regionwise.benchmark.estimate_measure import kinds_of
from regionwise.benchmark.estimate_plan import Left, estimate_plan, left_of
from regionwise.benchmark.plan import Plan
from regionwise.places import Place


def dry_run_benchmark(
    plan: Plan, context: Context, place: Place, where: Where, open_progress: OpenProgress
) -> None:
    """Print what would be done and what it would take; nothing is written.

    Raises:
        RegionwiseError: a model cannot be loaded, or none of the first pictures read.
    """
    _print_plan(plan)
    left = left_of(plan, place)
    if len(left.chunks) < len(plan.chunks):
        plain(f"done before: {len(plan.chunks) - len(left.chunks)} of {len(plan.chunks)} chunks")
    if not left.chunks:
        plain("nothing to score")
        return
    kinds = kinds_of(left.chunks)
    with where.as_a_worker(), open_progress(len(kinds)) as progress:
        progress.say(
            f"measuring {len(kinds)} kinds of chunks for a minute, or as long as one image of each"
            " takes; Ctrl-C ends it"
        )
        found = estimate_plan(plan, left, context, progress.advance)
    lines = [
        Line(kind.measured.name, kind.images, kind.explanations, kind.passes, kind.measured.images)
        for kind in found.kinds
    ]
    print_estimate(lines, found.costs, found.estimate, where)
    plain(*where.said(found.took), *_assumed(left, found.bounded))


def _assumed(left: Left, bounded: int) -> list[str]:
    said = ["Not counted: the start of workers' processes, and the tables at the end."]
    if bounded:
        said.append(f"Cost: {bounded} of {len(left.costs)} methods not measured alone: at most so.")
    pictures = [(c.model, c.methods, c.units) for c in left.chunks]
    if len(set(pictures)) < len(pictures):
        said.append(
            "Pictures that are explained for several classes: a worker who has them all remembers"
            " masked passes, and takes less."
        )
    return said


def _print_plan(plan: Plan) -> None:
    for used in plan.models:
        chunks = [chunk for chunk in plan.chunks if chunk.model == used.source]
        explained = sum(map(len, chunks))
        images = len({unit.image for chunk in chunks for unit in chunk.units})
        counted = f"{images_of(images)}, {len(chunks)} chunks, {explained} explanations"
        plain(f"{used.source}: {counted}")
        for name, methods in used.methods.items():
            if methods:
                plain(f"  {name}: {', '.join(methods)}")
        for name, reason in used.left_out.items():
            plain(f"  left out: {name}: {reason}")
    for name, metrics in plan.metrics.items():
        if metrics:
            plain(f"metrics, {name}: {', '.join(metrics)}")
    for name, reason in plan.left_out.items():
        plain(f"left out: {name}: {reason}")
