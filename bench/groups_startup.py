"""Startup: what it takes until the package is imported, or help is printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from bench.groups import Case, Group
from bench.measuring import Contender
from bench.settings import Settings

IMPORT = "import regionwise"
HELP = """
import sys
sys.argv = ["regionwise", "--help"]
from regionwise.apps.cli import main
try:
    main()
except SystemExit:
    pass
"""
TORCH = "\nimport sys\nprint(sum(name.split('.')[0] == 'torch' for name in sys.modules))"


def groups(_: Settings) -> Iterator[Group]:
    """Yield the one group."""
    yield Group("startup", "python", case)


def case(_: Settings) -> Case:
    """Build new processes."""
    runs = {"python alone": "pass", "import regionwise": IMPORT, "regionwise --help": HELP}
    checks = {
        f"modules of torch after {name}": partial(_modules_of_torch, code)
        for name, code in runs.items()
        if code != "pass"
    }
    return Case(
        contenders=[
            Contender(name, partial(_run, code), watched=False) for name, code in runs.items()
        ],
        checks=checks,
    )


def _run(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - this file's own code
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    return done.stdout


def _modules_of_torch(code: str) -> int:
    return int(_run(code + TORCH).splitlines()[-1])
