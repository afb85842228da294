"""The Markdown of made-up rows."""

import pytest
from bench.claims import Compared, faster
from bench.judging import judged
from bench.table import (
    contender_lines,
    curve_lines,
    insert,
    machine_lines,
    number,
    page_part,
    verdict_lines,
)


def test_a_line_per_verdict(row):
    claim = faster("made up", "ours", "peer", 1.5, Compared(("ours",), ("peer",)))
    lines = list(verdict_lines([judged(claim, "tiny", row)]))
    assert lines[2].startswith("| ours | peer | tiny | >= 1.5 times faster | 2 | reached |")
    assert lines[2].endswith("| 1000 / 2000 | 1 / 4 | 1 / 3 |")
    assert {line.count("|") for line in lines} == {10}


def test_a_line_per_contender_also_of_those_that_could_not_run(row):
    lines = list(contender_lines({"made up/tiny": row}))
    assert len(lines) == 6
    assert {line.count("|") for line in lines} == {8}
    assert "not measured: SettingError: there is none" in lines[-1]


def test_rows_of_one_machine_are_told_once(row):
    assert len(list(machine_lines([row, row]))) == 1
    other = row | {"machine": row["machine"] | {"threads": 2}}
    assert len(list(machine_lines([row, other]))) == 2


def test_a_curve(row):
    points = [{"images": 1000, "ms": 2.5, "resident MiB": None}]
    lines = list(curve_lines({"curve/x": row | {"values": {"curve": points}}}))
    assert lines[-1] == "| 1,000 | 2.5 | - |"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (2e-6, "2.0e-06"), (0.99991, "0.99991"), (1.234, "1.23"), (195.4, "195")],
)
def test_numbers(value, text):
    assert number(value) == text


def test_text_goes_between_its_markers_and_nowhere_else(row, tmp_path):
    page = tmp_path / "speed.md"
    text = "top\n<!-- bench: {0} begins -->\nold\n<!-- bench: {0} ends -->\nend\n"
    page.write_text(text.format("cpu") + text.format("cuda"))
    insert(page, "cpu", page_part({"made up/tiny": row}))
    written = page.read_text()
    assert written.count("old") == 1
    assert written.endswith(text.format("cuda"))
    assert "made of sand" in written
    insert(page, "cpu", "new")
    assert page.read_text() == (text.format("cpu") + text.format("cuda")).replace("old", "new", 1)


def test_a_page_without_markers_is_refused(tmp_path):
    page = tmp_path / "speed.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="no lines"):
        insert(page, "cpu", "text")
    assert page.read_text() == "nothing\n"
