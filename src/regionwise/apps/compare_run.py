"""The work behind ``regionwise compare``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from regionwise.attribution.asked import as_inputs
from regionwise.attribution.explain import explain
from regionwise.attribution.result import Attribution
from regionwise.data.images import label_image, open_image
from regionwise.errors import InputError, OutputError, SettingError, TargetError
from regionwise.evidence.probe import Probe
from regionwise.evidence.resolve import resolve_targets
from regionwise.files import replacing
from regionwise.heads.calm import Calm
from regionwise.heads.joint import JointHead
from regionwise.models.classifier import Classifier
from regionwise.pictures.cell import percent, readable
from regionwise.pictures.encoding import encode_png
from regionwise.report.regions import Comparison
from regionwise.report.regions import compare as compare_targets
from regionwise.zoo import load_model


@dataclass(frozen=True)
class CompareRequest:
    """What was asked; see ``regionwise compare --help``."""

    image: Path
    model: str
    target: str | None
    against: str | None
    truth: Path | None
    truth_values: tuple[int, ...]
    out: Path
    least: float
    band: int
    device: str


def compare_image(request: CompareRequest) -> str:
    """Write the picture and return the words.

    Raises:
        RegionwiseError: a file, class, or number is wrong, or the network cannot be read so.
    """
    if request.out.suffix.lower() != ".png":
        raise OutputError(f"the picture is a PNG; {str(request.out)!r} must end in .png")
    if not 0 <= request.least < 1 or request.band < 1:
        raise SettingError(
            f"--least must lie in [0, 1) and --band be 1 or more, not {request.least} and"
            f" {request.band}"
        )
    picture = open_image(request.image)
    classifier = load_model(request.model, device=request.device)
    truth = _region(request, classifier, picture)
    method = method_for(classifier)
    pair = _pair(request, classifier, picture)
    found = explain(classifier, picture, method, [pair])
    made = compare_targets(found, least=request.least, band=request.band, truth=truth)
    with replacing(request.out) as path:
        path.write_bytes(encode_png(made.picture))
    return _words(found, made, request.out)


def method_for(classifier: Classifier) -> str:
    """Return the exact method for the network's head; off-the-shelf CAPE where it has none."""
    heads = [m for m in classifier.module.modules() if isinstance(m, JointHead)]
    if not heads:
        return "cape:head=off-the-shelf"
    return "calm" if isinstance(heads[0], Calm) else "cape"


def _pair(request: CompareRequest, classifier: Classifier, picture: Image.Image) -> list[int]:
    """Return both classes; those not named are the network's most probable ones."""
    fed, _ = as_inputs(classifier, picture)
    with Probe(classifier.module, fed, layer=classifier.layer, needs=frozenset()) as probe:
        logits = probe.logits

    def classes(spec: str) -> list[int]:
        indices = resolve_targets(spec, logits, classifier.class_names).indices
        return [] if indices is None else indices[0].tolist()

    best = classes("top-2")
    first, second = (
        None if text is None else classes(text)[0] for text in (request.target, request.against)
    )
    first = next(i for i in best if i != second) if first is None else first
    second = next(i for i in best if i != first) if second is None else second
    if first == second:
        raise TargetError(f"class {first} cannot be set against itself; name another class")
    return [first, second]


def _region(
    request: CompareRequest, classifier: Classifier, picture: Image.Image
) -> Bool[np.ndarray, "h w"] | None:
    """Return the true region as the model sees the picture."""
    if request.truth is None:
        if request.truth_values:
            raise SettingError("--truth-value needs --truth, the picture that it speaks of")
        return None
    if classifier.preprocessing is None:
        raise SettingError("this model brings no preprocessing, so --truth cannot be laid over it")
    values = label_image(request.truth)
    chosen = np.isin(values, request.truth_values) if request.truth_values else values > 0
    if chosen.shape != (picture.height, picture.width):
        rows, columns = chosen.shape
        raise InputError(
            f"{str(request.truth)!r} is {columns} x {rows} and the picture"
            f" {picture.width} x {picture.height} pixels; they must show the same"
        )
    if not chosen.any():
        which = f"with the value {' or '.join(map(str, request.truth_values))}"
        raise InputError(
            f"{str(request.truth)!r} has no pixel {which if request.truth_values else 'above 0'}"
        )
    mask = Image.fromarray((255 * chosen).astype(np.uint8))
    region: np.ndarray = np.asarray(classifier.preprocessing.view(mask).convert("L")) > 127
    return region


def _words(found: Attribution, made: Comparison, out: Path) -> str:
    names = [readable(name) for name in found.target_names[0]]
    lines = [f"{name}: {regions}" for name, regions in zip(names, made.regions, strict=True)]
    lines.append(f"{names[0]} over {names[1]}: {made.difference.total:+.2%}")
    for word, bands in (("for", made.difference.lead), ("against", made.difference.trail)):
        for band in bands[:3]:
            share = f" ({band.share:.0%} of it)" if band.counts else ""
            lines.append(f"  regions {band.ranks} {word}: {band.sum:+.2%}{share}")
    if "off-the-shelf" in found.method:
        own = percent(float(found.probabilities[0, 0]))
        lines.append(
            f"note: off-the-shelf CAPE, not the network's own prediction ({own} for {names[0]})"
        )
    return "\n".join([*lines, f"picture: {out}"])
