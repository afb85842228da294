"""The classes: families of species in which each one differs from the next in a single part.

A family is a chain of six species. Every step along the chain changes another part, so two species
k steps apart differ in exactly k parts; species of different families differ in at least four.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from regionwise.data.birds.evolution import ancestor, family_palette, step
from regionwise.data.birds.plumage import FIELDS_OF, Plumage, differing_parts
from regionwise.data.birds.vocabulary import words
from regionwise.errors import SettingError

CHAIN = 6
MIN_CLASSES, MAX_CLASSES = 2, 200
_APART = 4
_SHIFT = 7  # so that the default seed gives the families that look best

_TAIL_WORDS = {
    "rounded_tail": "Round",
    "forked_tail": "Fork",
    "fan-shaped_tail": "Fan",
    "pointed_tail": "Point",
    "squared_tail": "Square",
    "notched_tail": "Notch",
}
_NOUNS = words(
    "Finch Warbler Thrush Tanager Bunting Flycatcher Sparrow Wren Oriole Chat Vireo Pipit Robin "
    "Starling Lark Shrike Swallow Waxwing Kingbird Siskin Linnet Grosbeak Towhee Longspur Martin "
    "Catbird Dipper Nuthatch Creeper Jay Accentor Redstart Wagtail Whistler"
)


@dataclass(frozen=True)
class Species:
    """A class: its 0-based index, its name as in ``Rufous_capped_Finch``, and its plumage."""

    index: int
    name: str
    plumage: Plumage

    @property
    def folder(self) -> str:
        """The class's name in CUB's files, such as ``001.Common_Finch``."""
        return f"{self.index + 1:03d}.{self.name}"


def species(count: int = 24, seed: int = 0) -> tuple[Species, ...]:
    """Return the first ``count`` classes of a seed; more classes never change the first ones.

    Raises:
        SettingError: ``count`` is outside 2..200.
    """
    check_count(count)
    families = -(-count // CHAIN)
    chains = [chain for family in range(families) for chain in _families(seed, families)[family]]
    return tuple(
        Species(index, name, plumage) for index, (name, plumage) in enumerate(chains[:count])
    )


def check_count(count: int) -> None:
    """Refuse a number of classes outside 2..200.

    Raises:
        SettingError: it is.
    """
    if not MIN_CLASSES <= count <= MAX_CLASSES:
        message = f"classes is {count}, allowed is {MIN_CLASSES} to {MAX_CLASSES}"
        raise SettingError(message)


def replacement(part: str, other: Species) -> dict[str, str]:
    """Return the attributes of ``part`` in another class, as ``changes`` for ``render``.

    Raises:
        SettingError: there is no such part.
    """
    if part not in FIELDS_OF:
        message = f"birds have no part {part!r}; known: {', '.join(FIELDS_OF)}"
        raise SettingError(message)
    return {field: getattr(other.plumage, field) for field in FIELDS_OF[part]}


@lru_cache(maxsize=16)
def _families(seed: int, count: int) -> tuple[tuple[tuple[str, Plumage], ...], ...]:
    chains: list[tuple[tuple[str, Plumage], ...]] = []
    for family in range(count):
        rng = np.random.Generator(
            np.random.Philox(np.random.SeedSequence([seed + _SHIFT, 7, family]))
        )
        chain = _chain(family, rng)
        while not _is_apart(chain, chains):
            chain = _chain(family, rng)
        chains.append(chain)
    return tuple(chains)


def _is_apart(
    chain: tuple[tuple[str, Plumage], ...], others: list[tuple[tuple[str, Plumage], ...]]
) -> bool:
    return all(
        len(differing_parts(one, two)) >= _APART
        for _, one in chain
        for other in others
        for _, two in other
    )


def _chain(family: int, rng: np.random.Generator) -> tuple[tuple[str, Plumage], ...]:
    palette = family_palette(family, rng)
    noun = _NOUNS[family % len(_NOUNS)]
    body = ("back", "belly", "breast", "tail", "leg")
    steps = ["head", "wing", *(body[(3 * family + i) % len(body)] for i in range(3))]
    plumage = ancestor(palette, rng)
    chain = [(f"Common_{noun}", plumage)]
    for number in rng.permutation(len(steps)).tolist():
        plumage = step(plumage, steps[number], palette, rng)
        chain.append((f"{_word(plumage, steps[number])}_{noun}", plumage))
    return tuple(chain)


def _word(plumage: Plumage, part: str) -> str:
    """Name a species after what sets it off from the one before."""
    if part == "head":
        words = {"plain": "Plain_headed", "eyering": "Spectacled", "eyebrow": "Browed"}
        pattern = plumage.head_pattern
        return words.get(pattern, pattern.capitalize().replace("Eyeline", "Eyelined"))
    if part == "leg":
        return f"{plumage.leg_color.capitalize()}_legged"
    if part == "tail":
        return _TAIL_WORDS[plumage.tail_shape] + "_tailed"
    pattern = str(getattr(plumage, f"{part}_pattern"))
    word = {"solid": "Plain", "spotted": "Spot", "striped": "Stripe", "multi-colored": "Pied"}
    ending = {"back": "backed", "belly": "bellied", "breast": "breasted", "wing": "winged"}
    return f"{word[pattern]}_{ending[part]}"
