"""What a benchmark shall do: a TOML file, read into frozen dataclasses. Nothing here imports torch.

::

    title = "..."                       # what it is, for people
    models = ["birds"]                  # what `load_model` takes
    judges = ["own"]                    # who scores altered images: the model itself, another, or
                                        # matched:0.9: see regionwise.benchmark.matching
    target = "predicted"                # the class explained: predicted, label
    images = 200                        # at most, for groups that say nothing themselves
    seed = 0                            # of the sample
    chunk = 16                          # images that are explained and written together

    [[methods]]                         # groups whose evidence is gathered together
    name = "masked"
    images = 64
    use = ["score-cam", "score-cam++:activation=mish"]
    metrics = ["soft"]                  # only these groups of metrics; all if left out
    roles = ["vanilla"]                 # only networks with these roles (families)

    [[metrics]]
    name = "cues"
    target = "pairs"                    # two classes that differ in few parts, where data has them
    use = ["cue-localisation"]

    [cost]
    images = 4                          # 0 leaves the measurement of cost out

    [[published]]                       # printed beside ours
    method = "score-cam"
    metric = "average-drop"
    value = 0.315
    source = "Wang et al. 2020, Table 1"
    model = "VGG-16"                    # of which network, and on which data, if known
    data = "ImageNet"

A method is scored by a metric on as many images as both of their groups allow. ``[[families]]`` and
``[[claims]]``: see :mod:`regionwise.benchmark.claims`; with families, ``models`` are all that they
name unless it is given. ``extends``: see :mod:`regionwise.benchmark.recipe_extends`. ``[[seeds]]``:
see :mod:`regionwise.benchmark.seeds`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from regionwise.benchmark.claims import Claim, Family
from regionwise.benchmark.seeds import Seeds
from regionwise.errors import SettingError

TARGETS: Final = ("predicted", "label", "pairs")
OWN: Final = "own"
_MATCHED: Final = "matched:"


@dataclass(frozen=True)
class Group:
    """Methods, or metrics, that are run on the same number of images.

    ``target`` is the class explained where a group of metrics asks for another than the recipe.
    ``metrics`` and ``roles`` narrow a group of methods to these groups of metrics, and to networks
    with these roles; empty for all.
    """

    name: str
    use: tuple[str, ...]
    images: int
    target: str = ""
    metrics: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """A number that somebody printed, to stand beside ours; ``model`` and ``data`` if known.

    ``metric`` may name a further column: ``"cue-localisation, 1 part"``.
    """

    method: str
    metric: str
    value: float
    source: str
    model: str = ""
    data: str = ""


@dataclass(frozen=True, kw_only=True)
class BenchmarkRecipe:
    """A benchmark, unchecked against any model or data; fields as in the module's text."""

    name: str
    title: str
    methods: tuple[Group, ...]
    metrics: tuple[Group, ...]
    summary: str = ""
    models: tuple[str, ...] = ("birds",)
    judges: tuple[str, ...] = (OWN,)
    target: str = "predicted"
    images: int = 200
    seed: int = 0
    chunk: int = 16
    cost: int = 4
    published: tuple[Published, ...] = ()
    families: tuple[Family, ...] = ()
    claims: tuple[Claim, ...] = ()
    seeds: tuple[Seeds, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a group of seeds that is called like a network, and a judge of no confidence."""
        for judge in self.judges:
            matched_to(judge)
        both = sorted({group.name for group in self.seeds} & set(self.models))
        if both:
            raise SettingError(f"{both[0]!r} is a network and a group of seeds; rename the group")

    def groups_of(self, model: str) -> tuple[Group, ...]:
        """Return the groups of methods that are run on a model, by its roles."""
        roles = {r for family in self.families for r, m in family.models.items() if m == model}
        return tuple(g for g in self.methods if not g.roles or roles & set(g.roles))

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    def limited(self, limit: int) -> BenchmarkRecipe:
        """Return the recipe with at most ``limit`` images for every group."""
        if limit < 1:
            raise SettingError(f"a limit of {limit} images leaves nothing; give at least 1")
        return replace(
            self,
            images=min(self.images, limit),
            methods=tuple(replace(g, images=min(g.images, limit)) for g in self.methods),
            metrics=tuple(replace(g, images=min(g.images, limit)) for g in self.metrics),
            cost=min(self.cost, limit),
        )


def matched_to(judge: str) -> float | str | None:
    """Return the confidence, or the network, that a judge ``matched:...`` is matched to.

    ``None`` if it is no such judge.

    Raises:
        SettingError: a confidence outside (0, 1), or nothing behind the colon.
    """
    if not judge.startswith(_MATCHED):
        return None
    wanted = judge.removeprefix(_MATCHED)
    try:
        confidence = float(wanted)
    except ValueError:
        confidence = math.nan
    if not wanted or confidence <= 0 or confidence >= 1:
        raise SettingError(
            f"judge {judge!r} names no confidence; write matched:0.9, between 0 and 1, or"
            " matched:SOURCE with a network"
        )
    return wanted if math.isnan(confidence) else confidence
