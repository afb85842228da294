"""Rows into an object store, pictures out of archives: the same numbers as with folders."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regionwise import remote_places
from regionwise.benchmark.ledger import COST, ROWS, finished
from regionwise.benchmark.pool import Outbox, Witness, outbox, witness_of
from regionwise.benchmark.ray import RayEngine
from regionwise.benchmark.run import Outcome, run_plan
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.summary import summarise
from regionwise.benchmark.work import scoring
from regionwise.errors import DataError, InputError, ModelError, OutputError
from regionwise.places import LocalPlace, as_place, mirrored
from regionwise.uris import below

from .test_run import rows, same

SOFT = [{"name": "soft", "use": ["average-drop", "complexity"]}]


@pytest.fixture
def archived(birds, tmp_path):
    """Write the tested birds as Parquet, as a tar shard and as folders of classes."""
    pictures = read_benchmark_data(f"birds:{birds}").pictures
    content = [(p.name, p.path.read_bytes(), p.label) for p in pictures]
    images = [{"bytes": data, "path": name} for name, data, _ in content]
    labels = [label for *_, label in content]
    pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "birds.parquet")
    with tarfile.open(tmp_path / "birds.tar", "w") as tar:
        for name, data, label in content:
            key = name.rpartition(".")[0]
            for member, value in ((name, data), (f"{key}.cls", str(label).encode())):
                info = tarfile.TarInfo(member)
                info.size = len(value)
                tar.addfile(info, io.BytesIO(value))
    for name, data, _ in content:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
    return {"parquet": "birds.parquet", "webdataset": "birds.tar", "folder": "folder"}


def test_archives_give_the_numbers_of_the_folder(planned, told, archived, tmp_path):
    found = {}
    for kind, name in archived.items():
        plan, context = planned(data=f"{kind}:{tmp_path / name}", metrics=SOFT)
        run_plan(plan, context, tmp_path / f"out-{kind}", told.opened)
        by_key = rows(tmp_path / f"out-{kind}")
        found[kind] = {key[2:]: value for key, value in by_key.items()}  # without data and split
    assert len(found["folder"]) == (6 * 2 + 2) * (2 + 2)
    same(found["parquet"], found["folder"])
    same(found["webdataset"], found["folder"])


def test_rows_in_an_object_store(planned, told, bucket, tmp_path):
    plan, context = planned(cost={"images": 1})
    place = as_place(below(bucket, "bench"))
    assert run_plan(plan, context, place, told.opened) == Outcome(0, len(plan.chunks), 0)
    run_plan(plan, context, tmp_path / "here", told.opened)
    assert place.names() == {"plan.json", "protocols.json", ROWS, COST}
    with mirrored(place, ROWS, COST) as copy:
        same(rows(copy), rows(tmp_path / "here"))
        assert summarise(copy).done == (len(plan.chunks), len(plan.chunks))
    lost = f"{ROWS}/{plan.chunks[0].id}.parquet"
    place.remove(lost)
    assert finished(place) == {chunk.id for chunk in plan.chunks[1:]}
    again = run_plan(plan, context, place, told.opened)
    assert again == Outcome(len(plan.chunks) - 1, 1, 0)
    assert place.read(lost) is not None
    assert "secret" not in json.dumps(plan.to_json())
    other, context = planned(seed=3)
    with pytest.raises(OutputError, match=r"'s3://b.*holds another benchmark \(of another seed"):
        run_plan(other, context, place, told.opened)


def test_a_worker_that_does_not_see_the_folder_hands_its_rows_over(planned, tmp_path):
    plan, context = planned()
    place = as_place(tmp_path / "out")
    with outbox(place, RayEngine()) as box:
        assert box.seen()
        assert not Outbox(LocalPlace(tmp_path / "other"), box.sign).seen()
        other = Outbox(LocalPlace(tmp_path / "other"), box.sign)
        report = scoring(plan, context, other, "cpu").open()(plan.chunks[0])
        assert pq.read_table(io.BytesIO(report.content)).num_rows > 0
        assert not (tmp_path / "other").exists()
        report = scoring(plan, context, box, "cpu").open()(plan.chunks[0])
        assert report.content is None
        assert (tmp_path / "out" / report.name).is_file()
    assert not list((tmp_path / "out").glob(".*"))


def test_a_worker_without_the_pictures_or_with_another_model_ends_the_run(
    planned, networks, tmp_path
):
    plan, context = planned()
    with outbox(as_place(tmp_path), RayEngine()) as box:
        work = scoring(plan, context, box, "cpu")
        assert work.witness == witness_of([context.data.pictures[0].path])
        lost = Witness(tmp_path / "none.png", 3)
        object.__setattr__(work, "witness", lost)
        with pytest.raises(InputError, match=r"does not see .*none\.png.*s3://"):
            work.open()
        context._models[f"{networks}:net"] = context.model(f"{networks}:other")
        context._hashes.clear()
        with pytest.raises(ModelError, match="is not the model that was planned"):
            scoring(plan, context, box, "cpu").open()(plan.chunks[0])


def test_a_put_that_fails_ends_the_run_which_goes_on_later(planned, told, bucket, monkeypatch):
    plan, context = planned(cost={"images": 1})
    place = as_place(below(bucket, "bench"))
    real, calls = remote_places._put, []

    def failing(system, path, content):
        calls.append(path)
        if len(calls) > 4:  # two of the plan, two of rows
            raise OSError("the store is away")
        real(system, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(remote_places, "_put", failing)
        with pytest.raises(OutputError, match=r"cannot write 's3://b.*rows/.*the store is away"):
            run_plan(plan, context, place, told.opened)
    assert finished(place) == {chunk.id for chunk in plan.chunks[:2]}
    again = run_plan(plan, context, place, told.opened)
    assert again == Outcome(2, len(plan.chunks) - 2, 0)


def test_a_folder_that_vanishes_in_mid_run_is_told(planned, told, tmp_path):
    plan, context = planned()
    out, chunks = tmp_path / "out", []

    def advance(count):
        chunks.append(count)
        if len(chunks) == 3:
            shutil.rmtree(out)

    told.advance = advance
    run_plan(plan, context, out, told.opened)
    with pytest.raises(DataError, match=r"is no benchmark: plan.json cannot be read"):
        summarise(out)
