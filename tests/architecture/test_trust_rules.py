"""What the code must not do, so that a file from elsewhere stays data: held by reading it."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import regionwise

ROOT = Path(regionwise.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PROJECT = Path(__file__).parents[2] / "pyproject.toml"

PICKLING = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
RUNNING = {"subprocess", "pty", "ctypes", "cffi", "code", "runpy", "imp", "pdb"}
PARSING = {"yaml", "ruamel"}

MAY_RUN_CODE = {
    "exec": {"attribution/foreign_code.py"},  # a method in a file that the user named
    "exec_module": {"models/sources.py"},  # a network in a file that the user named
    "spec_from_file_location": {"models/sources.py"},
    "import_module": {"__init__.py", "registry.py", "attribution/captum_methods.py"},
    **dict.fromkeys(("load_module", "__import__", "popen", "eval", "compile"), frozenset()),
}
MAY_READ_THE_CLOCK = {"apps/audit_provenance.py"}  # the date of a page
MAY_CONNECT = {"models/hugging_face.py", "benchmark/ray.py"}  # is the hub, is the cluster there?


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls_in(path: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield what is called: what stands before the last dot, the name, and the call."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield ast.unparse(node.func.value), node.func.attr, node
            elif isinstance(node.func, ast.Name):
                yield "", node.func.id, node


@cache
def calls() -> list[tuple[str, str, str, ast.Call]]:
    """Return all calls of the package, each with the file that it is in."""
    return [(name_of(path), *call) for path in FILES for call in calls_in(path)]


@cache
def imports() -> set[tuple[str, str]]:
    """Return who imports what: files of the package and names of modules, with and without dots."""
    found = set()
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            else:
                continue
            found |= {(name_of(path), part) for m in modules for part in (m, m.partition(".")[0])}
    return found


def given(call: ast.Call, name: str) -> object:
    """Return a keyword of a call that is written out, None if it is not."""
    values = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def test_there_is_code_to_look_at():
    assert len(FILES) > 200
    assert len(calls()) > 5000
    assert ("models/weights.py", "pickle") in imports()


def test_code_runs_nowhere_else():
    own = {"eval", "compile"}  # as methods they are of modules and patterns
    found = {
        (file, name)
        for file, owner, name, _ in calls()
        if name in MAY_RUN_CODE and not (name in own and owner) and file not in MAY_RUN_CODE[name]
    }
    assert not found
    assert not {file for file, owner, name, _ in calls() if (owner, name) == ("os", "system")}
    assert not {(file, m) for file, m in imports() if m in RUNNING | PARSING}


def test_nothing_is_unpickled():
    """The one import is for the name of an error."""
    assert {(file, m) for file, m in imports() if m in PICKLING} == {
        ("models/weights.py", "pickle")
    }
    text = (ROOT / "models" / "weights.py").read_text(encoding="utf-8")
    assert set(re.findall(r"\bpickle\.\w+", text)) == {"pickle.UnpicklingError"}


def test_readers_are_told_to_refuse_code():
    torch_loads = [call for _, owner, name, call in calls() if (owner, name) == ("torch", "load")]
    assert torch_loads
    assert {given(call, "weights_only") for call in torch_loads} == {True}
    arrays = [(n, c) for _, owner, n, c in calls() if owner in {"np", "numpy"} and n in ARRAYS]
    assert {(name, given(call, "allow_pickle")) for name, call in arrays} == {("load", False)}
    hubs = {"torch.hub", "torch.jit", "torch.package", "torch.utils.model_zoo"}
    assert not {f for f, owner, name, _ in calls() if owner in hubs and name.startswith("load")}
    assert not {f for f, *_, call in calls() if given(call, "trust_remote_code") is True}


ARRAYS = {"load", "fromfile", "memmap", "loadtxt", "genfromtxt", "fromregex"}


def test_no_archive_is_unpacked_onto_the_disk():
    """Members of tar archives are read as bytes, whatever path they are called by."""
    unpacking = {"extractall", "unpack_archive"}
    assert not {(file, name) for file, _, name, _ in calls() if name in unpacking}
    archives = {file for file, module in imports() if module in {"tarfile", "zipfile"}}
    assert archives <= {"data/tar_shards.py", "report/shards.py"}  # the second writes
    assert not {file for file, _, name, _ in calls() if file in archives and name == "extract"}


def test_connections_are_made_by_libraries():
    modules = {"urllib.request", "http", "socket", "requests", "httpx", "ftplib"}
    assert {file for file, module in imports() if module in modules} <= MAY_CONNECT


def test_durations_are_measured_by_a_clock_that_cannot_be_set():
    walls = {("time", name) for name in ("time", "time_ns", "localtime", "gmtime", "ctime")}
    walls |= {(owner, n) for owner in ("datetime", "date") for n in ("now", "today", "utcnow")}
    found = {file for file, owner, name, _ in calls() if (owner.split(".")[-1], name) in walls}
    assert found == MAY_READ_THE_CLOCK


def test_hugging_face_never_runs_code_that_lies_beside_weights():
    own = [(n, call) for file, _, n, call in calls() if file == "models/hugging_face.py"]
    weights = [call for name, call in own if name == "from_pretrained"]
    assert [given(call, "use_safetensors") for call in weights] == [True]
    loads = [given(call, "trust_remote_code") for name, call in own if name == "load"]
    assert loads == [False, False]


def test_the_security_rules_of_ruff_are_on():
    lint = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert not [rule for rule in lint["ignore"] if re.fullmatch(r"S\d*", rule)]
    for where, rules in lint["per-file-ignores"].items():
        assert "src" not in where, rules


def test_every_security_rule_that_is_waived_is_known():
    waived = {
        (name_of(path), rule)
        for path in FILES
        for comment in re.findall(r"noqa:([^#\n-]*)", path.read_text(encoding="utf-8"))
        for rule in re.findall(r"\bS\d{3}\b", comment)
    }
    assert waived == {
        ("attribution/foreign_code.py", "S102"),  # exec of the file that the user named
        ("benchmark/reading.py", "S608"),  # paths of ours, quotes doubled
        ("models/hugging_face.py", "S310"),  # the hub, or HF_ENDPOINT
    }
