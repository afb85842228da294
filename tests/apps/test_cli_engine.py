"""``--engine ray``: what is refused before it starts, and what a worker does and hands over."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regionwise.apps.collect import collect_images
from regionwise.apps.engine_choice import device_here, engine_of
from regionwise.apps.engine_options import EngineRequest
from regionwise.apps.explain_job import opened_job
from regionwise.apps.explain_work import Batch, Explaining, write_images
from regionwise.apps.request import ExplainRequest
from regionwise.benchmark.pool import Here, Outbox, outbox, witness_of
from regionwise.benchmark.ray import RayEngine
from regionwise.errors import InputError, ModelError
from regionwise.places import LocalPlace, as_place
from regionwise.uris import below, opened

RAY = ("--engine", "ray")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--engine", "rya"), "did you mean 'ray'?"),
        (("--workers", "2"), "are for --engine ray"),
        (("--gpus-per-worker", "1"), "are for --engine ray"),
        ((*RAY, "--workers", "4:2"), "--workers cannot be '4:2'; give N, or MIN:MAX"),
        ((*RAY, "--workers", "many"), "give N, or MIN:MAX"),
        ((*RAY, "--workers", "0"), "give N, or MIN:MAX"),
        ((*RAY, "--device", "cuda"), "together with --gpus-per-worker"),
        ((*RAY, "--gpus-per-worker", "1"), "give --device cuda"),
        ((*RAY, "--device", "cuda:1", "--gpus-per-worker", "1"), "say cuda"),
        ((*RAY, "--cpus-per-worker", "0"), "0 CPUs and 0 GPUs"),
    ],
)
@pytest.mark.parametrize("command", ["explain", "benchmark"])
def test_options_that_do_not_go_together(run, command, options, says):
    given = ("x.png",) if command == "explain" else ("quick", "--data", "birds:x")
    ended = run(command, *given, *options)
    assert ended.code == 2
    assert says in ended.err
    assert ended.err.count("\n") == 1


def test_numbers_of_workers():
    def counts(text):
        engine = engine_of(EngineRequest("ray", workers=text))
        return engine.least, engine.most

    assert [counts(t) for t in (None, "3", "2:", ":5", "2:5")] == [
        *((1, None), (3, 3), (2, None), (1, 5), (2, 5))
    ]
    assert engine_of(EngineRequest()) == Here()
    engine = engine_of(EngineRequest("ray", "auto", "4", 2.0, 0.5))
    assert engine == RayEngine("auto", 4, 4, 2.0, 0.5)
    assert engine._room({"CPU": 8.0, "GPU": 1.0}) == 4
    assert replace(engine, most=None, least=1)._room({"CPU": 8.0, "GPU": 1.0}) == 2
    assert device_here(EngineRequest(), "cuda") == "cuda"


@pytest.fixture
def batch(models, pictures):
    """Return a request, its job, and all pictures as one batch."""
    request = ExplainRequest(
        images=(str(pictures),), model=f"{models}:net", methods=("cam", "random"), batch_size=3
    )
    found, _ = collect_images(request.images, None)
    return request, opened_job(request, "cpu"), Batch(0, found, rows=True)


def test_a_worker_elsewhere_does_the_same_and_hands_over_what_it_cannot_write(batch, tmp_path):
    request, job, images = batch
    here, there = as_place(tmp_path / "here"), as_place(tmp_path / "there")
    mine = Explaining(request, job.identity(), Outbox(here), ledger=True, ready=job)
    done = mine.open()(images)
    assert done.unwritten == {}
    assert (tmp_path / "here" / ".regionwise" / "0000000.json").read_bytes() == done.record
    with outbox(there, RayEngine()) as box:
        away = Outbox(LocalPlace(tmp_path / "unseen"), box.sign)
        sent = pickle.loads(  # noqa: S301 - what an engine does
            pickle.dumps(Explaining(request, job.identity(), away, ledger=True, ready=job))
        )
        assert sent.ready is None
        report = sent.open()(images)
    assert not (tmp_path / "unseen").exists()
    assert report.record == done.record
    assert report.rows.keys() == done.rows.keys() == {"a", "b", "c"}
    write_images(there, report.unwritten)
    for path in (tmp_path / "here").rglob("*.npz"):
        with (
            np.load(path) as one,
            np.load(tmp_path / "there" / path.relative_to(here.local)) as two,
        ):
            assert all(np.array_equal(one[name], two[name]) for name in one)


def test_a_worker_with_another_model_or_without_the_images_ends_the_run(batch, models, tmp_path):
    request, job, _ = batch
    box = Outbox(as_place(tmp_path / "out"))
    seen = witness_of([tmp_path / "pics" / "a.png"])
    models.write_text(models.read_text().replace("manual_seed(0)", "manual_seed(1)"))
    work = Explaining(request, job.identity(), box, ledger=False, witness=seen)
    with pytest.raises(ModelError, match="is not the one that the run began with"):
        work.open()
    (tmp_path / "pics" / "a.png").write_bytes(b"shorter")
    with pytest.raises(InputError, match="does not see"):
        work.open()


def test_results_in_an_object_store(explain, run, models, pictures, bucket, tmp_path):
    assert explain(pictures, "--batch-size", 2).code == 0
    system, path = opened(below(bucket, "pics"))
    for picture in pictures.iterdir():
        with system.open_output_stream(f"{path}/{picture.name}") as stream:
            stream.write(picture.read_bytes())
    model = ("--model", f"{models}:net", "--method", "cam", "--batch-size", 2)
    out = below(bucket, "maps")
    ended = run("explain", below(bucket, "pics"), *model, "--out", out)
    assert ended.code == 0, ended.err
    assert "secret" not in ended.out + ended.err
    place = as_place(out)
    assert place.names() == {"a", "b", "c", "manifest.json", "sheet.png"}
    assert place.names(".regionwise") == frozenset()
    for path in Path("out").rglob("*.np?"):
        assert place.read(str(path.relative_to("out"))) == path.read_bytes()
    told = json.loads(place.read("manifest.json"))
    assert "secret" not in json.dumps(told)
    assert told["images"][0]["source"].startswith("s3://b")
    refused = run("explain", pictures, *model, "--out", out)
    assert refused.code == 2
    assert "is not empty" in refused.err


@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_explaining_by_two_workers(explain, models, pictures, where, request):
    pytest.importorskip("ray")
    (pictures / "d.png").write_bytes(b"no picture")
    assert explain(pictures, "--batch-size", 1).code == 1
    out = "ray" if where == "folder" else below(request.getfixturevalue("bucket"), "ray")
    line = [sys.executable, "-m", "regionwise", "explain", str(pictures), "--batch-size", "1"]
    line += ["--model", f"{models}:net", "--method", "cam", "--out", out, *RAY, "--workers", "2"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("skipped: ")
    assert done.stderr.count("\n") == 1, "Ray says nothing"
    assert done.stdout.startswith("3 images explained by 1 method, 1 skipped: ")
    place = as_place(out)
    for path in Path("out").rglob("*.npz"):
        content = place.read(str(path.relative_to("out")))
        Path("copy.npz").write_bytes(content)
        with np.load(path) as one, np.load("copy.npz") as two:
            assert all(np.allclose(one[name], two[name], rtol=1e-5, atol=1e-7) for name in one)
    mine, theirs = (
        json.loads(c) for c in (Path("out/manifest.json").read_bytes(), place.read("manifest.json"))
    )
    assert [i["folder"] for i in mine["images"]] == [i["folder"] for i in theirs["images"]]
    assert mine["failed"] == theirs["failed"]
    assert place.names() == {"a", "b", "c", "manifest.json", "sheet.png"}
