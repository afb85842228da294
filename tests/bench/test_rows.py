"""Rows are written whole, and a group that is done is not measured again."""

from bench.rows import Ledger, path_of
from bench.settings import Settings, quick


def as_measured(row, settings):
    measured = {"settings": settings.key, "absent": {}, "contenders": {}}
    return row | measured


def test_a_group_is_done_under_its_own_settings_only(row, tmp_path):
    settings, path = Settings(threads=1), tmp_path / "deep" / "cpu.jsonl"
    Ledger(path).add(as_measured(row, settings))
    again = Ledger(path)
    assert again.done("made up/tiny", settings)
    assert again.done("made up/tiny", Settings(threads=1, networks=("vgg16",), full=True))
    assert not again.done("made up/tiny", Settings(threads=2))
    assert not again.done("another/tiny", settings)


def test_what_was_missing_is_tried_again(row, tmp_path):
    settings = Settings()
    ledger = Ledger(tmp_path / "cpu.jsonl")
    ledger.add(as_measured(row, settings) | {"absent": row["absent"]})
    assert not ledger.done("made up/tiny", settings)
    ledger.add(as_measured(row, settings) | {"contenders": row["contenders"]})
    assert not ledger.done("made up/tiny", settings)


def test_a_row_takes_the_place_of_the_older_one(row, tmp_path):
    path = tmp_path / "cpu.jsonl"
    ledger = Ledger(path)
    ledger.add(row)
    ledger.add(row | {"group": "other/tiny"})
    ledger.add(row | {"facts": {"new": 1}})
    assert len(path.read_text().splitlines()) == 2
    assert Ledger(path).rows["made up/tiny"]["facts"] == {"new": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["cpu.jsonl"]


def test_quick_rows_lie_apart(tmp_path):
    assert path_of(tmp_path, Settings()) != path_of(tmp_path, quick({}))
    assert quick({"pairs": 2}).pairs == 2
