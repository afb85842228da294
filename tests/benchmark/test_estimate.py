"""How long it will take: the arithmetic by hand, and passes of networks whose passes are known."""

import pytest
import torch

from regionwise.benchmark.estimate import (
    FEW,
    LEAST_SPREAD,
    UNREPEATED,
    Estimate,
    Line,
    Measured,
    Part,
    Passes,
    Sample,
    doubling,
    line_through,
    makespan,
)
from regionwise.benchmark.estimate_measure import Bench, families_of, kinds_of, measure_family
from regionwise.benchmark.estimate_meter import Clock, Lap, Trial, trials
from regionwise.benchmark.estimate_plan import estimate_plan, left_of
from regionwise.places import as_place

CPU = torch.device("cpu")


@pytest.mark.parametrize(("workers", "ends"), [(1, 12), (2, 7), (3, 5), (9, 3)])
def test_parts_go_in_order_to_whoever_is_free(workers, ends):
    assert makespan([3, 3, 2, 2, 2], workers) == ends


def test_no_workers_and_no_parts():
    assert makespan([], 4) == 0
    with pytest.raises(ValueError, match="0 workers"):
        makespan([1.0], 0)


@pytest.mark.parametrize(
    ("points", "fixed", "each"),
    [
        ([(2, 7), (6, 15)], 3, 2),
        ([(2, 6), (6, 15), (2, 8)], 3, 2),
        ([(2, 4), (2, 6)], 0, 2.5),  # one size cannot tell
        ([(2, 1), (6, 9)], 0, 1.4),  # nothing takes less than no time
        ([(2, 9), (6, 5)], 7, 0),
    ],
)
def test_a_part_of_a_chunk_and_a_part_of_each_image(points, fixed, each):
    line = line_through(points)
    assert (line.fixed, line.each) == pytest.approx((fixed, each))


def kind(*samples, repeated=True):
    return Measured("", tuple(samples), Passes(), Passes(), 1, repeated)


def test_a_run_by_hand():
    read, explain = Line(0, 1), Line(1, 2)
    samples = [Sample(n, {"read": read.at(n), "explain": explain.at(n)}) for n in (2, 6)]
    known = kind(*samples)
    parts = (Part(known, 4), Part(known, 4), Part(known, 1))
    assert [part.seconds for part in parts] == pytest.approx([13, 13, 4])
    found = Estimate(parts, load=2, alone={"cost": 5.0})
    assert found.stages == pytest.approx({"read": 9, "explain": 21})
    assert found.wall(1).seconds == pytest.approx(2 + 30 + 5)
    two = found.wall(2)
    assert two.seconds == pytest.approx(2 + 17 + 5)
    assert two.busy == pytest.approx(35 / 48)
    assert two.limit == ""
    assert found.wall(8).limit == FEW
    assert Estimate(parts, load=40).wall(3).limit == "loading the model"
    first = Estimate(parts, proof=True)
    assert first.wall(1).seconds == pytest.approx(30)
    assert first.wall(2).seconds == pytest.approx(13 + 13)


def test_what_was_seen_once_is_known_less_well():
    twice = [Sample(2, {"read": 1.0}), Sample(2, {"read": 3.0})]
    assert kind(*twice[:1]).spread == UNREPEATED
    assert kind(*twice[:1], *twice[:1]).spread == LEAST_SPREAD
    assert kind(*twice).spread == pytest.approx(0.5)
    assert kind(*twice, repeated=False).spread == UNREPEATED


def test_workers_are_doubled_as_far_as_there_are_parts():
    assert doubling(5, None) == [1, 2, 4]
    assert doubling(5, 3) == [1, 2, 3, 4]
    assert doubling(1, 12) == [1, 12]
    assert doubling(10**6, None)[-1] == 64


@pytest.mark.parametrize(("budget", "sizes"), [(0.0, [1]), (60.0, [1, 2, 5, 2])])
def test_what_is_dear_is_tried_once(budget, sizes):
    def attempt(count, meter):
        _, lap = meter(lambda: torch.ones(3, 3) @ torch.ones(3, 3))
        return Trial(count, {"explain": lap}, 100)

    found = trials(attempt, 5, budget, CPU)
    assert [trial.images for trial in found] == sizes
    assert found[0].passes("explain", 27.0) == Passes(2.0, 0.0)
    assert all(trial.laps["explain"].forward == 0 for trial in found[1:])


def test_a_clock_never_runs_backwards():
    assert Clock(CPU)(lambda: "x")[0] == "x"
    assert Lap(1.0, 5.0).less(Lap(2.0, 3.0)) == Lap(0.0, 2.0)


def measured(planned, tmp_path, methods, metrics):
    plan, context = planned(methods=[{"use": methods}], metrics=[{"use": metrics}])
    (family,) = families_of(kinds_of(plan.chunks[:1]))
    (found,) = measure_family(family, Bench(plan, context, as_place(tmp_path)), 0.0).values()
    return found


def test_passes_of_a_gradient_method(planned, tmp_path):
    found = measured(planned, tmp_path, ["grad-cam"], ["average-drop"])
    assert found.explain.forward == pytest.approx(2, abs=0.02)  # the class, then the evidence
    assert 0 < found.explain.backward < 0.01  # pooling and a linear layer
    assert found.score.forward == pytest.approx(1, abs=1e-6)
    assert found.score.backward == 0
    assert 100 < found.size < 20_000


def test_passes_of_masks_that_are_shared(planned, tmp_path):
    both = ["score-cam", "score-cam:variant=paper"]
    found = measured(planned, tmp_path, both, ["area", "deletion:steps=3"])
    assert found.explain.forward == pytest.approx(2 + 6 + 1, abs=0.1)  # and a blank image
    assert found.score.forward == pytest.approx(2 * 4, abs=0.1)


def test_metrics_of_several_kinds_are_scored_once(planned):
    plan, _ = planned()  # curves on three images, the rest on all six
    cheap, masked = families_of(kinds_of(plan.chunks))
    assert [len(one.kinds) for one in (cheap, masked)] == [2, 1]
    assert cheap.atoms == (("average-drop", "complexity", "pxap"), ("deletion:steps=3",))
    assert len(masked.atoms) == 1


def test_a_plan_that_is_half_done(planned, told, tmp_path):
    plan, context = planned(cost={"images": 1})
    left = left_of(plan, as_place(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert left.chunks == plan.chunks
    found = estimate_plan(plan, left, context, told.advance, budget=0.0)
    kinds = kinds_of(plan.chunks)
    assert sum(told.advanced) == len(kinds)
    assert sum(k.images for k in found.kinds) == sum(len(c.units) for c in plan.chunks)
    assert sum(k.explanations for k in found.kinds) == sum(map(len, plan.chunks))
    assert found.passes.forward > found.costs.forward > 2 * 3
    assert list(found.estimate.alone) == ["cost of each method"]
    for kind_of, done in (("rows", plan.chunks[1:]), ("cost", left.costs)):
        (tmp_path / "out" / kind_of).mkdir(parents=True)
        for one in done:
            (tmp_path / "out" / kind_of / f"{one.id}.parquet").touch()
    rest = left_of(plan, as_place(tmp_path / "out"))
    assert rest.chunks == plan.chunks[:1]
    assert rest.costs == ()
