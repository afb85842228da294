"""Where the verdicts of a benchmark's folder come from: its recipe, and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regionwise.attribution.catalog import methods as known_methods
from regionwise.attribution.foreign_names import foreign_name
from regionwise.benchmark.claims import ANY, Claim, Family, Side
from regionwise.benchmark.claims_verdicts import Asked, Verdict, verdicts_on
from regionwise.benchmark.reading import Rows, Scored, Table


def verdicts_of(rows: Rows, protocols: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """Return the verdicts of the claims of a folder's recipe; none if it makes none.

    Args:
        rows: of the folder.
        protocols: the fields behind each protocol of the rows.
    """
    recipe = rows.plan["recipe"]
    claims = [_claim(fields) for fields in recipe.get("claims", ())]
    if not claims:
        return ()
    families = [Family(**fields) for fields in recipe["families"]]
    targets = {name: str(f["target"]) for name, f in protocols.items() if "target" in f}
    return verdicts_on(
        claims,
        families,
        _Lookup(rows, targets),
        seed=int(recipe["seed"]),
        data=rows.plan["data"]["source"].partition(":")[0],
    )


class _Lookup:
    """Finds the rows of what is asked."""

    def __init__(self, rows: Rows, targets: Mapping[str, str]) -> None:
        self._rows = rows
        self._judges = list(rows.plan["recipe"]["judges"])
        self._tables = {
            (table.model, table.metric, targets.get(table.protocol, ""), table.judge): table
            for table in rows.tables()
        }
        self._scored: dict[Table, dict[str, Scored]] = {}

    def __call__(self, asked: Asked) -> Scored | str:
        judge = asked.judge or self._judges[0]
        keys = [(asked.model, asked.metric, asked.target, name) for name in (judge, "")]
        table = next((self._tables[key] for key in keys if key in self._tables), None)
        if table is None or judge not in self._judges:
            return self._why(asked)
        if table not in self._scored:
            self._scored[table] = {one.method: one for one in self._rows.scored(table)}
        scored = self._scored[table]
        if asked.method == ANY:
            return next(iter(scored.values()))
        return scored.get(self._id(asked)) or self._why(asked)

    def _id(self, asked: Asked) -> str:
        """Return a method's id in the rows."""
        sources = (s for one in self._rows.plan["models"] for s in one.get("sources", ()))
        foreign = {str(source["text"]): str(source["id"]) for source in sources}
        if asked.method in foreign or foreign_name(asked.method) is not None:
            return foreign.get(asked.method, asked.method)
        return str(known_methods.parse(asked.method).id)

    def _why(self, asked: Asked) -> str:
        """Say why there are no rows."""
        plan = self._rows.plan
        used = next((one for one in plan["models"] if one["source"] == asked.model), None)
        if used is None:
            return f"{asked.model!r} was not run"
        if asked.judge and asked.judge not in self._judges:
            return f"the recipe has no judge {asked.judge!r}"
        if asked.method and self._id(asked) in used["left_out"]:
            return f"{asked.method} does not apply to {asked.model!r}"
        if not any(table.model == asked.model for table in self._tables.values()):
            return f"{asked.model!r} has no rows yet"
        for text, reason in plan["left_out"].items():
            if text == asked.metric:
                return f"{asked.metric} is left out: {reason}"
        where = f"on {asked.model!r} ({asked.target} class)"
        return f"{asked.method or 'nothing'} has no rows by {asked.metric} {where}"


def _claim(fields: Mapping[str, Any]) -> Claim:
    """Return a claim as the plan's JSON holds it."""
    ends = {name: tuple(Side(**side) for side in fields[name]) for name in ("sides", "than")}
    return Claim(**{**fields, **ends, "metrics": tuple(fields["metrics"])})
