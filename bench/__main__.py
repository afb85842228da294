"""Measure speed side by side with peers: ``python -m bench``.

    python -m bench                   everything, more than half an hour on two cores
    python -m bench --quick           everything small, under five minutes
    python -m bench --only score-cam  some groups, by pattern; "gradient/resnet18", "*cape*"
    python -m bench --table           measure nothing, put the table into docs/speed.md

A group that is done is written at once; Ctrl-C loses the one that runs, and the same command goes
on from there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parser() -> argparse.ArgumentParser:
    """Return what the command understands."""
    found = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--quick", action="store_true", help="everything small")
    found.add_argument("--full", action="store_true", help="with what takes minutes a turn")
    found.add_argument("--only", action="append", default=[], metavar="GROUP", help="a pattern")
    found.add_argument("--list", action="store_true", help="list the groups")
    found.add_argument("--networks", nargs="+", metavar="NAME", help="of torchvision")
    found.add_argument("--pairs", type=int, metavar="N", help="turns of each contender (16)")
    found.add_argument("--batch", type=int, metavar="N", help="images of gradient methods (16)")
    found.add_argument("--threads", type=int, default=2, metavar="N", help="of the CPU (2)")
    found.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    found.add_argument("--out", type=Path, default=ROOT / "bench" / "results", metavar="DIR")
    found.add_argument("--fresh", action="store_true", help="measure again what is done")
    found.add_argument("--table", action="store_true", help="only write docs/speed.md")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    asked = parser().parse_args(arguments)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler talks to the terminal
    from bench.command import command  # noqa: PLC0415 - torch and the peers, not for --help

    try:
        return command(asked, ROOT / "docs" / "speed.md")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on from here\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
