"""What the rows of a benchmark say: answers with intervals, tests between methods, rankings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regionwise.benchmark.answers import Answer, answers_of, numbers_of
from regionwise.benchmark.claims_rows import verdicts_of
from regionwise.benchmark.claims_verdicts import Verdict
from regionwise.benchmark.comparing import PairTest, Ranking, no_better, rankings_of, tests_of
from regionwise.benchmark.ledger import read_protocols
from regionwise.benchmark.reading import Rows, Scored, Table
from regionwise.benchmark.seed_answers import answers_over_seeds, tables_of_seeds
from regionwise.benchmark.seeds import Seeds
from regionwise.benchmark.statistics import Numbers, coinciding
from regionwise.errors import DataError


@dataclass(frozen=True)
class Summary:
    """All that is said of a benchmark's folder.

    ``coincide`` are, by model, groups of methods whose numbers agree; ``no_better`` are table,
    control and the methods that are not shown to be better than it.
    """

    plan: dict[str, Any]
    done: tuple[int, int]
    answers: tuple[Answer, ...]
    tests: tuple[PairTest, ...]
    rankings: tuple[Ranking, ...]
    coincide: dict[str, list[tuple[str, ...]]]
    no_better: tuple[tuple[Answer, str, tuple[str, ...]], ...]
    cost: dict[tuple[str, str], dict[str, float]]
    errors: tuple[tuple[str, str, str, int], ...]
    claims: tuple[Verdict, ...] = ()


def summarise(folder: Path) -> Summary:
    """Return what the rows of a folder say, of the chunks that are done.

    Raises:
        DataError: there are none.
    """
    rows = Rows(folder)
    try:
        return _summary(rows, read_protocols(folder))
    finally:
        rows.close()


def _summary(rows: Rows, protocols: dict[str, Any]) -> Summary:
    seed = int(rows.plan["recipe"]["seed"])
    answers: list[Answer] = []
    tests: list[PairTest] = []
    worse: list[tuple[Answer, str, tuple[str, ...]]] = []
    signatures: dict[str, dict[str, dict[str, Numbers]]] = {}
    for table in _ordered(rows.tables(), rows.plan):
        scored = _ordered_methods(rows.scored(table), rows.plan)
        target = target_of(protocols, table.protocol)
        found = answers_of(table, target, scored, seed)
        answers += found
        tests += tests_of(table, target, scored, seed)
        worse += no_better(found, scored, seed)
        for name, numbers in numbers_of(scored).items():
            of_model = signatures.setdefault(table.model, {}).setdefault(name, {})
            of_model[f"{table.metric} {table.protocol} {table.judge}"] = numbers
    answers += _of_seeds(rows, protocols, seed)
    return Summary(
        plan=rows.plan,
        done=(rows.done, rows.planned),
        answers=tuple(answers),
        tests=tuple(tests),
        rankings=tuple(rankings_of(answers)),
        coincide={model: coinciding(by_method) for model, by_method in signatures.items()},
        no_better=tuple(worse),
        cost=rows.cost(),
        errors=tuple(rows.errors()),
        claims=verdicts_of(rows, protocols),
    )


def seeds_of(plan: dict[str, Any]) -> list[Seeds]:
    """Return the groups of networks that were trained alike, of a plan as it was written."""
    groups = plan["recipe"].get("seeds", ())
    return [Seeds(str(group["name"]), tuple(group["models"])) for group in groups]


def target_of(protocols: dict[str, Any], protocol: str) -> str:
    """Return which class is explained under a protocol.

    Raises:
        DataError: nothing is said of the protocol.
    """
    fields = protocols.get(protocol)
    if not isinstance(fields, dict) or "target" not in fields:
        raise DataError(f"protocols.json says nothing of {protocol!r}; run the benchmark again")
    return str(fields["target"])


def _of_seeds(rows: Rows, protocols: dict[str, Any], seed: int) -> list[Answer]:
    """Return the answers of networks that were trained alike, as one each."""
    found: list[Answer] = []
    tables = _ordered(rows.tables(), rows.plan)
    for group in seeds_of(rows.plan):
        for name, own in tables_of_seeds(tables, group):
            target = target_of(protocols, name.protocol)
            scored = [_ordered_methods(rows.scored(table), rows.plan) for table in own]
            found += answers_over_seeds(name, target, scored, seed)
    return found


def _ordered(tables: Sequence[Table], plan: dict[str, Any]) -> list[Table]:
    """Return tables in the order of the recipe's models, judges and metrics."""
    metrics = [name for names in plan["metrics"].values() for name in names]
    models = [used["source"] for used in plan["models"]]
    judges = ["", *plan["recipe"]["judges"]]
    listed = [t for t in tables if t.metric in metrics]
    return sorted(
        listed,
        key=lambda t: (models.index(t.model), metrics.index(t.metric), judges.index(t.judge)),
    )


def _ordered_methods(scored: Sequence[Scored], plan: dict[str, Any]) -> list[Scored]:
    order = [m for used in plan["models"] for names in used["methods"].values() for m in names]
    return sorted(scored, key=lambda one: order.index(one.method))
