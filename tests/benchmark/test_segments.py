"""Segments that the user brings: read, framed, named, told apart by content."""

import numpy as np
import pytest
import torch
from PIL import Image

from regionwise import explain
from regionwise.benchmark.context import Context
from regionwise.benchmark.loaded import preprocessing_of
from regionwise.benchmark.preparing import prepare
from regionwise.benchmark.run import run_plan
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.score import score_chunk
from regionwise.benchmark.segments import with_segments
from regionwise.benchmark.summary import summarise
from regionwise.data.images import label_image, open_image
from regionwise.errors import DataError
from regionwise.metrics.attention_placement import zone_shares, zones_of

NAMES = ("ground", "bird")


@pytest.fixture
def data(birds):
    return read_benchmark_data(f"birds:{birds}")


@pytest.fixture
def folder(data, tmp_path):
    """Segments of all pictures: 0 outside the bird, 1 on it, named."""
    found = tmp_path / "segments"
    for picture in data.pictures:
        path = (found / picture.name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((label_image(picture.segmentation) > 0).astype(np.uint8)).save(path)
    (found / "names.txt").write_text("ground\nbird\n")
    return found


def planned(recipe, data, **changes):
    asked = recipe(
        methods=[{"use": ["grad-cam"]}],
        metrics=[{"use": ["attention-placement:width=2"]}],
        **changes,
    )
    context = Context(data, asked.seed, asked.judges)
    return prepare(asked, context), context


def test_shares_are_those_of_the_segments_as_the_model_sees_them(recipe, data, folder):
    plan, context = planned(recipe, with_segments(data, folder))
    blocks = score_chunk(plan.chunks[0], context)
    got = {b.statistic: b.values[:, 0] for b in blocks}
    for place, unit in enumerate(plan.chunks[0].units):
        picture = data.picture(unit.image)
        how = preprocessing_of(context, plan.chunks[0].model)
        maps = explain(
            context.model(plan.chunks[0].model), how(open_image(picture.path)), "grad-cam"
        )
        zones = zones_of((label_image(picture.segmentation) > 0).astype(np.uint8), 2, 2.0)
        shares = zone_shares(maps.saliency()[:, 0], torch.from_numpy(zones)[None], 3)[0]
        assert got["extra:share:bird"][place] == pytest.approx(float(shares[1]), abs=1e-6)
        assert got["value"][place] == pytest.approx(float(shares[2]), abs=1e-6)


def test_without_segments_the_metric_is_left_out(recipe, data):
    with pytest.raises(Exception, match="segments"):
        planned(recipe, data)


def test_a_picture_without_segments_gives_an_error_and_the_others_numbers(
    recipe, data, folder, told, tmp_path
):
    gone = data.pictures[0]
    (folder / gone.name).with_suffix(".png").unlink()
    plan, context = planned(recipe, with_segments(data, folder))
    outcome = run_plan(plan, context, tmp_path / "out", told.opened)
    assert outcome.failed == 1
    assert told.said == [f"{gone.name}: the picture has no segments"]
    answer = summarise(tmp_path / "out").answers[0]
    assert answer.images == len(data.pictures) - 1
    assert answer.more["share:ground"] + answer.more["share:bird"] + answer.value == pytest.approx(
        1, abs=1e-6
    )


def test_what_a_segment_holds_decides_the_plan(recipe, data, folder):
    before = planned(recipe, with_segments(data, folder))[0]
    assert before.data["segments"] == str(folder)
    path = (folder / data.pictures[0].name).with_suffix(".png")
    Image.fromarray(1 - label_image(path)).save(path)
    after = planned(recipe, with_segments(data, folder))[0]
    assert before.hash != after.hash
    assert {c.id for c in before.chunks}.isdisjoint(c.id for c in after.chunks)
    assert data.fingerprint() == read_benchmark_data(data.source).fingerprint()


def test_names_are_numbers_where_none_are_given(data, folder):
    assert with_segments(data, folder).segment_names == NAMES
    (folder / "names.txt").unlink()
    assert with_segments(data, folder).segment_names == ("0", "1")


def test_files_may_lie_flat(data, folder, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for picture in data.pictures:
        (folder / picture.name).with_suffix(".png").rename(
            (flat / picture.path.name).with_suffix(".png")
        )
    assert all(p.segments.parent == flat for p in with_segments(data, flat).pictures)


@pytest.mark.parametrize("content", ["", "a\na\n", b"\xff\xfe\xff"])
def test_bad_names_are_refused(data, folder, content):
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "names.txt").write_bytes(raw)
    with pytest.raises(DataError, match=r"names\.txt"):
        with_segments(data, folder)


def test_a_folder_of_something_else_is_refused(data, tmp_path):
    with pytest.raises(DataError, match="no folder"):
        with_segments(data, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no picture has segments.*\.png"):
        with_segments(data, tmp_path)


def test_numbers_beyond_the_names_are_told(recipe, data, folder):
    (folder / "names.txt").write_text("ground\n")
    plan, context = planned(recipe, with_segments(data, folder))
    errors = {b.error for b in score_chunk(plan.chunks[0], context)}
    assert any("0 to 0" in error for error in errors)
