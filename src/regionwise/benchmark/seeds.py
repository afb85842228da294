"""Networks that were trained alike with other seeds: named in a recipe, answered as one.

::

    [[seeds]]
    name = "cape"
    models = ["runs/cape-0", "runs/cape-1", "runs/cape-2"]

They take part as any other network. Their mean is one more, under the name of the group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regionwise.errors import SettingError


@dataclass(frozen=True)
class Seeds:
    """A group of networks, two at least; ``name`` is no network's."""

    name: str
    models: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a group without a name, or of fewer than two networks.

        Raises:
            SettingError: says which.
        """
        if not self.name or self.name in self.models:
            raise SettingError(f"a group of seeds cannot have the name {self.name!r}")
        if len(set(self.models)) < 2 or len(set(self.models)) < len(self.models):
            raise SettingError(
                f"the seeds {self.name!r} need two networks or more, each once, not"
                f" {list(self.models)}"
            )


def read_seeds(tables: Sequence[Any]) -> tuple[Seeds, ...]:
    """Return the groups of a recipe.

    Raises:
        SettingError: names the group, and what is wrong.
    """
    found = []
    for number, table in enumerate(tables, start=1):
        if not isinstance(table, dict) or set(table) != {"name", "models"}:
            raise SettingError(
                f"[[seeds]] number {number} is {table!r}; it must have a name and models"
            )
        name, models = table["name"], table["models"]
        if not isinstance(models, list) or not all(isinstance(m, str) for m in [name, *models]):
            raise SettingError(
                f"[[seeds]] number {number} must have a text as name and a list of texts as"
                f" models, not {table!r}"
            )
        found.append(Seeds(name, tuple(models)))
    return _apart(found)


def given_models(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[Seeds, ...]]:
    """Take networks apart into those to run and groups of seeds: ``cape=RUN1,RUN2``.

    Raises:
        SettingError: a group is none.
    """
    models: list[str] = []
    groups = []
    for text in texts:
        name, _, members = text.partition("=")
        if "," in members and re.fullmatch(r"[\w.-]+", name):
            groups.append(Seeds(name, tuple(members.split(","))))
            models += groups[-1].models
        else:
            models.append(text)
    return tuple(dict.fromkeys(models)), _apart(groups)


def _apart(groups: Sequence[Seeds]) -> tuple[Seeds, ...]:
    names = [group.name for group in groups]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SettingError(f"there are two groups of seeds {twice[0]!r}; choose another name")
    return tuple(groups)
