"""The page on faults: every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_what_the_page_names_is_there():
    named = re.findall(r"`(?:(tests/[\w/]+\.py))?(?:::)?(test_\w+)?`", PAGE)
    files = {file for file, _ in named if file}
    tests = {test for _, test in named if test}
    assert len(files) > 10
    assert len(tests) > 20
    assert [file for file in sorted(files) if not (ROOT / file).is_file()] == []
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    there = set(re.findall(r"^def (test_\w+)", "\n".join(sources), flags=re.MULTILINE))
    assert sorted(tests - there) == []
