"""What was asked of an audit, and the record of what made it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regionwise.apps.audit_bench import Bench
from regionwise.attribution.recipe import Recipe
from regionwise.report.manifest import method_record, versions


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """The arguments of ``regionwise audit``, unchecked; see its help."""

    image: Path
    model: str = "birds-cape"
    methods: tuple[str, ...] = ()
    target: str | None = None
    against: str | None = None
    layer: str | None = None
    weights: str = "pretrained"
    out: Path = Path("audit.html")
    json: bool = False
    thorough: bool = False
    device: str = "cpu"
    seed: int = 0

    @property
    def numbers(self) -> Path:
        """Where the numbers are written."""
        return self.out.with_suffix(".json")

    def command(self) -> str:
        """Return the command line that asks the same."""
        words = ["regionwise", "audit", str(self.image), "--model", self.model]
        for method in self.methods:
            words += ["--method", method]
        for name in ("target", "against", "layer"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name}", value]
        words += ["--weights", self.weights] if self.weights != "pretrained" else []
        words += [f"--{name}" for name in ("json", "thorough") if getattr(self, name)]
        words += ["--device", self.device] if self.device != "cpu" else []
        return shlex.join([*words, "--seed", str(self.seed), "--out", str(self.out)])


def provenance_of(
    bench: Bench, recipes: Mapping[str, Recipe], request: AuditRequest
) -> dict[str, Any]:
    """Return what made the audit, as JSON can hold it."""
    subject = bench.subject
    return {
        "picture": request.image.name,
        "picture_sha256": hashlib.sha256(request.image.read_bytes()).hexdigest(),
        "model": subject.classifier.describe(),
        "layer": subject.classifier.layer,
        "head": subject.head or "other",
        "target": subject.target.name,
        "against": None if subject.against is None else subject.against.name,
        "methods": [method_record(recipe) for recipe in recipes.values()],
        "effort": asdict(bench.effort),
        "seed": bench.seed,
        "device": request.device,
        "versions": versions(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": request.command(),
    }
