"""What is to be done, decided before anything runs: chunks of images, methods and metrics.

A chunk has an id, a hash of all that decides its rows. Which machine runs it, and when, does not
matter; writing it twice is harmless.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise, zip_longest
from typing import Any, Final

from regionwise.benchmark.digests import digest
from regionwise.benchmark.foreign import Source, versioned
from regionwise.benchmark.recipe import OWN, BenchmarkRecipe, Group
from regionwise.benchmark.samples import BenchmarkData, in_order
from regionwise.errors import SettingError
from regionwise.metrics.cue import class_pairs
from regionwise.metrics.recipe import Metric

PROTOCOL: Final = 1
"""Raised whenever the same plan would give other numbers."""


@dataclass(frozen=True)
class Unit:
    """One picture, and the class that it is held against where two classes are (-1: none).

    ``differing`` are the united parts in which the two differ.
    """

    image: str
    against: int = -1
    differing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name that no other unit has."""
        return self.image if self.against < 0 else f"{self.image} against {self.against}"


@dataclass(frozen=True)
class Chunk:
    """What is explained, scored and written together; ``methods`` share their evidence.

    ``sources`` are of those that are not ours.
    """

    id: str
    model: str
    group: str
    target: str
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    units: tuple[Unit, ...]
    sources: tuple[Source, ...] = ()

    def __len__(self) -> int:
        """Return the number of explanations, images times methods."""
        return len(self.units) * len(self.methods)


@dataclass(frozen=True)
class Used:
    """A model of the plan: what it is, and what applies to it.

    Attributes:
        source: what it is loaded from.
        hash: of all that decides its answers.
        methods: canonical ids, by group.
        left_out: what does not apply, and why.
        record: what identifies it, as JSON can hold it.
        sources: of methods that are not ours.
    """

    source: str
    hash: str
    methods: dict[str, tuple[str, ...]]
    left_out: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The whole benchmark, before it runs.

    Attributes:
        recipe: what was asked for.
        data: source, split, fingerprint and number of pictures.
        models: what takes part.
        metrics: canonical ids, by group; those that data cannot serve are left out.
        left_out: metrics that are left out, and why.
        judges: of each judge that is not the model itself, its hash.
        chunks: in the order in which they run.
    """

    recipe: BenchmarkRecipe
    data: dict[str, Any]
    models: tuple[Used, ...]
    metrics: dict[str, tuple[str, ...]]
    left_out: dict[str, str]
    judges: dict[str, str]
    chunks: tuple[Chunk, ...]

    @cached_property
    def hash(self) -> str:
        """A hash of all that decides a row but the image: a folder takes one such plan.

        How many images, which methods and which metrics may grow: their rows stand beside the old.
        """
        return digest(
            {
                "protocol": PROTOCOL,
                "data": self.data,
                "models": [(used.source, used.hash) for used in self.models],
                "judges": self.judges,
                "seed": self.recipe.seed,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return what a run's folder says of it."""
        return {
            "kind": "regionwise-benchmark",
            "protocol": PROTOCOL,
            "hash": self.hash,
            "recipe": self.recipe.to_json(),
            "data": self.data,
            "models": [asdict(used) for used in self.models],
            "judges": self.judges,
            "metrics": {name: list(ids) for name, ids in self.metrics.items()},
            "left_out": self.left_out,
            "chunks": [chunk.id for chunk in self.chunks],
        }


def protocol_of(metric: Metric, target: str) -> dict[str, Any]:
    """Return the fields under which a number was made, defaults included."""
    return {
        "version": PROTOCOL,
        "metric": metric.name,
        "settings": asdict(metric),
        "target": target,
        "saliency": "bilinear upsampling, then min-max per map",
    }


def units_of(data: BenchmarkData, target: str, seed: int) -> list[Unit]:
    """Return all units of the data in the random order of a seed.

    Of pairs, the first of every picture comes before the second of any: pictures come in the order
    in which they come without pairs.

    Raises:
        SettingError: pairs are asked for, and the data has no attributes or no parts.
    """
    names = [picture.name for picture in data.pictures]
    alone = in_order([Unit(name) for name in names], names, seed)
    if target != "pairs":
        return alone
    if data.class_attributes is None or not all(
        p.part_mask or (p.locations is not None and p.segmentation) for p in data.pictures
    ):
        raise SettingError(
            f"target 'pairs' needs classes with attributes and pictures with parts; {data.source!r}"
            " has none"
        )
    paired: dict[str, list[Unit]] = defaultdict(list)
    for unit in _paired(data):
        paired[unit.image].append(unit)
    rows = [in_order(row, [u.name for u in row], seed) for row in (paired[u.image] for u in alone)]
    return [unit for column in zip_longest(*rows) for unit in column if unit is not None]


def chunks_of(
    recipe: BenchmarkRecipe,
    models: Sequence[Used],
    metrics: dict[str, tuple[str, ...]],
    units: dict[str, list[Unit]],
    salt: Any,
) -> tuple[Chunk, ...]:
    """Cut the work into chunks: runs of images for which the same metrics are asked."""
    found = []
    for used in models:
        for group in recipe.methods:
            methods = used.methods.get(group.name, ())
            for target in units if methods else ():
                asked = _asked(recipe, group, metrics, target)
                for start, stop, ids in _runs(recipe.chunk, group, asked, len(units[target])):
                    part = tuple(units[target][start:stop])
                    names = versioned(methods, used.sources)
                    own = tuple(source for source in used.sources if source.id in methods)
                    chunk_id = digest([salt, used.hash, target, names, ids, [u.name for u in part]])
                    chunk = Chunk(
                        chunk_id, used.source, group.name, target, methods, ids, part, own
                    )
                    found.append((models.index(used), recipe.methods.index(group), start, chunk))
    # the same pictures follow each other, so that what is remembered of them serves every target
    return tuple(chunk for *_, chunk in sorted(found, key=lambda item: item[:3]))


def targets_of(recipe: BenchmarkRecipe) -> tuple[str, ...]:
    """Return the ways in which the explained class is chosen, the recipe's own first."""
    return tuple(dict.fromkeys(group.target or recipe.target for group in recipe.metrics))


def salt_of(recipe: BenchmarkRecipe, data: dict[str, Any], judges: dict[str, str]) -> Any:
    """Return what decides all rows alike."""
    return [PROTOCOL, data["fingerprint"], recipe.seed, [judges.get(j, OWN) for j in recipe.judges]]


def _paired(data: BenchmarkData) -> Iterable[Unit]:
    attributes = data.class_attributes
    pairs = class_pairs(attributes) if attributes is not None else {}
    for picture in data.pictures:
        for (a, b), parts in pairs.items():
            if picture.label in {a, b}:
                yield Unit(picture.name, b if picture.label == a else a, tuple(sorted(parts)))


def _asked(
    recipe: BenchmarkRecipe, methods: Group, metrics: dict[str, tuple[str, ...]], target: str
) -> list[tuple[int, tuple[str, ...]]]:
    """Return how many images and which metrics, for each group that explains this target."""
    return [
        (group.images, metrics.get(group.name, ()))
        for group in recipe.metrics
        if (group.target or recipe.target) == target
        and (not methods.metrics or group.name in methods.metrics)
    ]


def _runs(
    size: int, group: Group, asked: list[tuple[int, tuple[str, ...]]], total: int
) -> Iterable[tuple[int, int, tuple[str, ...]]]:
    """Yield first and last image and metrics, cut at multiples of ``size`` and at all limits."""
    end = min(group.images, total, max((images for images, _ in asked), default=0))
    cuts = {0, end, *range(0, end, size), *(images for images, _ in asked if images < end)}
    edges = sorted(cuts)
    for start, stop in pairwise(edges):
        ids = [name for images, names in asked if images > start for name in names]
        if ids:
            yield start, stop, tuple(dict.fromkeys(ids))
