"""What the command line asked for, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from regionwise.apps.engine_options import LOCAL, EngineRequest

LEDGER: Final = ".regionwise"
"""The folder in ``out`` of what is remembered of a run until it is done."""


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """The arguments of ``regionwise explain``, unchecked.

    Attributes:
        images: files, folders, patterns, archives, and URIs of these.
        model: what :func:`regionwise.load_model` takes.
        methods: names with settings.
        target: a target as text.
        against: a class whose score is subtracted; ``None`` explains the target alone.
        layers: names of layers; none for the last with a spatial map, several to fuse them.
        fuse: how the maps of several layers are united.
        out: folder for the results, or a URI.
        format: ``files``, a folder for each image; ``webdataset`` or ``parquet``, a file for each
            batch.
        pictures: whether overlays are kept, beside the maps.
        overwrite: whether ``out`` may hold something already.
        resume: whether to go on where the same request was cut off.
        device: where the network runs.
        batch_size: images at a time.
        weights: ``pretrained``, ``random`` or a file.
        precision: in which numbers the network runs in front of the layer; ``None`` for those of
            its weights.
        accelerate: how passes of masked images are prepared; ``None`` not at all.
        seed: for methods with a setting ``seed`` that was not given; ``None`` leaves theirs.
        dry_run: whether it is only said what it would take.
        engine: by whom it is done.
    """

    images: tuple[str, ...]
    model: str = "birds"
    methods: tuple[str, ...] = ("grad-cam", "score-cam++")
    target: str = "top-1"
    against: str | None = None
    layers: tuple[str, ...] = ()
    fuse: str = "mean"
    out: str = "regionwise-out"
    format: str = "files"
    pictures: bool = True
    overwrite: bool = False
    resume: bool = False
    device: str = "cpu"
    batch_size: int = 8
    weights: str = "pretrained"
    precision: str | None = None
    accelerate: str | None = None
    seed: int | None = None
    dry_run: bool = False
    engine: EngineRequest = LOCAL
