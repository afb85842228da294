"""Which pairs of classes a report shows: by their numbers, and by what differs."""

import numpy as np
import pytest

from regionwise.apps.report_choice import chosen_pairs, pair_tables
from regionwise.benchmark.per_image import PerImage
from regionwise.benchmark.plan import units_of
from regionwise.benchmark.reading import Table
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.data.birds import write_birds


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "birds"
    return read_benchmark_data(
        f"birds:{write_birds(folder, classes=4, images_per_class=4, size=32)}"
    )


def table(units, values, metric="cue-localisation", target="pairs"):
    columns = {"cam": np.array(values)}
    return PerImage(Table(metric, "id", "net", "hash", ""), target, tuple(units), columns)


def test_by_their_numbers_one_of_the_worst_and_one_of_the_best(data):
    units = [(u.image, u.against) for u in units_of(data, "pairs", 0) if len(u.differing) <= 2]
    units = sorted({image: (image, against) for image, against in units}.values())
    values = np.linspace(0.1, 0.9, len(units))
    found, known = chosen_pairs(data, [table(units, values)], 2, 0)
    assert [(s.unit, s.why) for s in found] == [(units[0], "worst"), (units[-1], "best")]
    assert all(1 <= len(unit.differing) <= 2 for unit in known.values())
    assert set(units) <= set(known)


def test_without_numbers_each_picture_comes_once(data):
    found, known = chosen_pairs(data, [], 1, 0)
    images = [s.unit[0] for s in found]
    assert sorted(images) == sorted({image for image, _ in known})
    assert {s.why for s in found} == {"sample"}


def test_data_without_parts_has_no_pairs(data, tmp_path):
    picture = data.pictures[0].path
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / picture.name).write_bytes(picture.read_bytes())
    assert chosen_pairs(read_benchmark_data(f"folder:{tmp_path}"), [], 3, 0) == ([], {})


def test_numbers_of_one_setting_are_read():
    units, values = [("a", 1)], [0.5]
    first = table(units, values, "cue-localisation:bins=even")
    given = [table(units, values, "pxap"), first, table(units, values)]
    assert pair_tables(given) == [first]
    assert pair_tables([table(units, values, target="predicted")]) == []
