"""Chunks: what they hold, what their ids depend on, and what is left out with a reason."""

import pytest

from regionwise.benchmark.plan import units_of
from regionwise.benchmark.preparing import protocols_of
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.errors import InputError, SettingError


def scored(plan):
    """What is scored how often."""
    return sorted(
        (unit.name, method, metric)
        for chunk in plan.chunks
        for unit in chunk.units
        for method in chunk.methods
        for metric in chunk.metrics
    )


def test_every_method_meets_every_metric_on_as_many_images_as_both_allow(planned):
    plan, _ = planned()
    found = scored(plan)
    assert len(found) == len(set(found)) == 2 * (6 * 3 + 3) + 2 * 4
    order = list(dict.fromkeys(u.name for c in plan.chunks for u in c.units))
    assert {name for name, method, _ in found if method == "score-cam"} == set(order[:2])
    assert {name for name, _, metric in found if metric == "deletion:steps=3"} == set(order[:3])
    assert max(len(chunk.units) for chunk in plan.chunks) <= 4


def test_ids_depend_on_what_decides_rows_and_on_nothing_else(planned, networks):
    ids = {chunk.id for chunk in planned()[0].chunks}
    assert ids == {chunk.id for chunk in planned()[0].chunks}
    assert ids == {c.id for c in planned(title="Other", models=[f"{networks}:net"])[0].chunks}
    for changes in ({"seed": 1}, {"models": [f"{networks}:other"]}, {"target": "label"}):
        assert not ids & {chunk.id for chunk in planned(**changes)[0].chunks}, changes


def test_a_larger_limit_keeps_the_chunks_that_are_full(planned):
    few, many = (
        planned(methods=[{"use": ["random"], "images": n}], metrics=[{"use": ["area"]}], chunk=2)[0]
        for n in (4, 6)
    )
    assert [c.id for c in many.chunks[:2]] == [c.id for c in few.chunks]
    assert few.hash == many.hash


def test_what_does_not_apply_is_left_out_with_a_reason(planned, birds, tmp_path):
    plan, _ = planned(
        methods=[{"use": ["grad-cam", "calm"]}],
        metrics=[{"use": ["area", "attention-placement"]}, {"use": ["pxap"], "target": "label"}],
    )
    assert plan.models[0].methods["group 1"] == ("grad-cam",)
    assert "no head that explains itself" in plan.models[0].left_out["calm"]
    assert "segments" in plan.left_out["attention-placement"]
    assert {chunk.target for chunk in plan.chunks} == {"predicted", "label"}
    plain, _ = planned(data=f"folder:{birds / 'images'}")
    assert "regions" in plain.left_out["pxap"]


def test_labels_of_other_classes_are_not_used(planned, networks):
    plan, _ = planned(
        models=[f"{networks}:stranger"],
        metrics=[{"use": ["area"]}, {"use": ["complexity"], "target": "label"}],
    )
    assert "ground-truth classes" in plan.left_out["complexity"]
    assert {c.metrics for c in plan.chunks} == {("area",)}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"methods": [{"use": ["calm"]}]}, SettingError, "nothing of recipe 'tiny' applies"),
        ({"methods": [{"use": ["cam"]}, {"use": ["cam"]}]}, SettingError, "in two groups"),
        ({"methods": [{"use": ["cam:bia=1"]}]}, SettingError, "no setting 'bia'"),
        ({"judges": ["birds-1"]}, SettingError, "their classes are not the same"),
        ({"models": ["birds", "birds-1"]}, SettingError, "are the same model"),
    ],
)
def test_what_cannot_be_planned_is_refused(planned, changes, error, says):
    with pytest.raises(error, match=says):
        planned(**changes)


def test_a_model_without_preprocessing_is_refused(planned, networks):
    with pytest.raises(InputError, match="no preprocessing"):
        planned(models=[f"{networks}:bare"])


def test_the_same_weights_fed_otherwise_are_another_model(planned, networks):
    plans = [planned(models=[f"{networks}:{name}"])[0] for name in ("net", "smaller")]
    assert plans[0].models[0].hash != plans[1].models[0].hash
    assert plans[0].chunks[0].id != plans[1].chunks[0].id


def test_pairs_are_of_classes_that_differ_in_few_parts(birds):
    data = read_benchmark_data(f"birds:{birds}")
    units = units_of(data, "pairs", 0)
    assert units
    for unit in units:
        assert unit.against != data.picture(unit.image).label
        assert 1 <= len(unit.differing) <= 3
    assert len({unit.name for unit in units}) == len(units)


def test_a_protocol_says_all_settings(planned):
    plan, _ = planned(metrics=[{"use": ["deletion:steps=3"]}, {"use": ["area"], "target": "label"}])
    fields = {p["metric"]: p for p in protocols_of(plan).values()}
    assert fields["deletion"]["settings"]["steps"] == 3
    assert fields["deletion"]["settings"]["fill"] == "mean"
    assert (fields["deletion"]["target"], fields["area"]["target"]) == ("predicted", "label")
