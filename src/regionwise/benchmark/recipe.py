"""What a benchmark shall do: a TOML file, read into frozen dataclasses. Nothing here imports torch.

::

    title = "..."                       # what it is, for people
    models = ["birds"]                  # what `load_model` takes
    judges = ["own"]                    # who scores altered images: the model itself, or another
    target = "predicted"                # the class explained: predicted, label
    images = 200                        # at most, for groups that say nothing themselves
    seed = 0                            # of the sample
    chunk = 16                          # images that are explained and written together

    [[methods]]                         # groups whose evidence is gathered together
    name = "masked"
    images = 64
    use = ["score-cam", "score-cam++:activation=mish"]

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

A method is scored by a metric on as many images as both of their groups allow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from regionwise.errors import SettingError

TARGETS: Final = ("predicted", "label", "pairs")
OWN: Final = "own"


@dataclass(frozen=True)
class Group:
    """Methods, or metrics, that are run on the same number of images.

    ``target`` is the class explained where a group of metrics asks for another than the recipe.
    """

    name: str
    use: tuple[str, ...]
    images: int
    target: str = ""


@dataclass(frozen=True)
class Published:
    """A number that somebody printed, to stand beside ours."""

    method: str
    metric: str
    value: float
    source: str


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
