"""The way of the data: a stage imports only from the stages before it."""

import ast
from pathlib import Path

import pytest

import regionwise

ROOT = Path(regionwise.__file__).parent
STAGES = (
    "data",
    "models",
    "evidence",
    "attribution",
    "metrics",
    "benchmark",
    "training",
    "report",
    "compat",
    "apps",
)
# What every stage may use: it knows nothing of the stages.
COMMON = {
    "errors",
    "files",
    "lock",
    "places",
    "uris",
    "shapes",
    "registry",
    "plugins",
    "spelling",
    "trust",
    "regular",
    "_version",
    "pictures",
}
# Part of a stage although it lies beside it.
MEMBERS = {"heads": "models", "zoo": "models"}


def stage_of(module):
    first = module.split(".")[0]
    return MEMBERS.get(first, first)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith("regionwise.")
        ):
            yield node.module.removeprefix("regionwise.")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("regionwise."):
                    yield alias.name.removeprefix("regionwise.")


FILES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.stem in MEMBERS)


def offences(path, own, imported):
    stage = stage_of(imported)
    if stage in COMMON:
        return False
    if own in COMMON:
        return True
    return STAGES.index(stage) > STAGES.index(own)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_stage_imports_only_from_the_stages_before_it(path):
    own = stage_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    wrong = [name for name in imports_of(path) if offences(path, own, name)]
    assert not wrong, f"{own} imports {wrong}"


def test_the_rule_can_fail():
    assert offences(ROOT / "models/layers.py", "models", "evidence.probe")
    assert offences(ROOT / "pictures/colour.py", "pictures", "attribution.result")
    assert not offences(ROOT / "apps/cli.py", "apps", "attribution.result")


def test_hooks_and_autograd_live_in_the_evidence_alone():
    words = ("register_forward_hook", "register_forward_pre_hook", "autograd.grad", ".backward(")
    found = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    ]
    assert {Path(f).parts[0] for f in found} == {"evidence"}


def test_no_file_is_longer_than_an_idea():
    long = {
        str(p.relative_to(ROOT)): n
        for p in ROOT.rglob("*.py")
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long


def test_there_is_no_assert_and_no_bare_except():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Assert), path
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), path
