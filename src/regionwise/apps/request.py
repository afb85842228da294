"""What the command line asked for, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """The arguments of ``regionwise explain``, unchecked.

    Attributes:
        images: files, folders and patterns.
        model: what :func:`regionwise.load_model` takes.
        methods: names with settings.
        target: a target as text.
        against: a class whose score is subtracted; ``None`` explains the target alone.
        layers: names of layers; none for the last with a spatial map, several to fuse them.
        fuse: how the maps of several layers are united.
        out: folder for the results.
        overwrite: whether ``out`` may hold something already.
        device: where the network runs.
        batch_size: images at a time.
        weights: ``pretrained``, ``random`` or a file.
        precision: in which numbers the network runs in front of the layer; ``None`` for those of
            its weights.
        seed: for methods with a setting ``seed`` that was not given; ``None`` leaves theirs.
    """

    images: tuple[str, ...]
    model: str = "birds"
    methods: tuple[str, ...] = ("grad-cam", "score-cam++")
    target: str = "top-1"
    against: str | None = None
    layers: tuple[str, ...] = ()
    fuse: str = "mean"
    out: Path = Path("regionwise-out")
    overwrite: bool = False
    device: str = "cpu"
    batch_size: int = 8
    weights: str = "pretrained"
    precision: str | None = None
    seed: int | None = None
