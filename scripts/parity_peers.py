"""Metrics beside those of torch-cam and pytorch-grad-cam."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from unittest import mock

import numpy as np
import torch
from parity_metrics import DENSE, MAPS, Birds, Fed, Row, numbers
from torch import Tensor

import regionwise
from regionwise.evidence.masking import upsample
from regionwise.metrics.adcc import adcc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_grad_cam.metrics import arcc
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
    from torchcam.methods import GradCAM
    from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

SOFTMAX = partial(torch.softmax, dim=-1)


class Given:
    """An extractor of torch-cam that gives a map made elsewhere."""

    def __init__(self, model, maps: Tensor) -> None:
        self.model, self.maps = model, maps

    def __call__(self, *_, **__) -> list[Tensor]:
        """Return the map."""
        return [self.maps]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        """Return the only one."""
        return cams[0]

    def _hooks_off(self):
        return contextlib.nullcontext()


def by_picture(pictures: Birds, made: Callable[[int], object]) -> dict[str, np.ndarray]:
    """Return what a metric of torch-cam says of each picture by itself, by name."""
    found = []
    for index in range(len(pictures)):
        metric = made(index)
        metric.update(pictures.inputs[index : index + 1], int(pictures.targets[index]))
        found.append(metric.summary())
    return {key: np.array([one[key] for one in found]) for key in found[0]}


def torch_cam_rows(pictures: Birds) -> Iterator[Row]:
    """Yield average drop, increase, deletion and insertion, on the same maps."""
    maps, model = pictures.saliency(MAPS), pictures.classifier.module
    pixels = -(-maps[0].numel() // 20)

    def asked(kind: type, score) -> dict[str, np.ndarray]:
        return by_picture(pictures, lambda n: kind(Given(model, maps[n : n + 1]), score))

    by_softmax = asked(ClassificationMetric, SOFTMAX) | asked(DeletionInsertionMetric, SOFTMAX)
    by_logit = asked(ClassificationMetric, None)

    def row(metric: str, key: str, reason: str = "", *, logits: bool = False) -> Row:
        ours = numbers(pictures.measured(metric, maps).values)
        kind = "DeletionInsertionMetric" if key.endswith("auc") else "ClassificationMetric"
        name = f"`{kind}`, {key}, {'logits' if logits else 'softmax'}"
        theirs = (by_logit if logits else by_softmax)[key]
        return Row(metric, "torch-cam", name, MAPS, ours, theirs, reason)

    yield row("average-drop", "avg_drop")
    yield row("average-drop:score=logit", "avg_drop", logits=True)
    yield row("increase-in-confidence", "conf_increase")
    yield row(f"deletion:pixels={pixels}", "deletion_auc")
    yield row("deletion", "deletion_auc", "20 steps; here 100 unless said")
    yield row(f"insertion:fill=mean,pixels={pixels}", "insertion_auc")
    why = "starts from zeros; here from RISE's blur unless said"
    yield row(f"insertion:pixels={pixels}", "insertion_auc", why)


def torch_cam_own_maps(pictures: Birds) -> Iterator[Row]:
    """Yield average drop where torch-cam makes the map, too."""
    model, layer = pictures.classifier.module, pictures.classifier.layer
    size = tuple(pictures.inputs.shape[2:])
    scaled = "scales maps to [0, 1] at the layer, then upsamples"
    tiny = 1e-8  # what it adds to the largest value

    def probability(logits: Tensor) -> Tensor:
        return logits.softmax(dim=1).gather(1, pictures.targets[:, None])[:, 0]

    def explained(targets) -> Tensor:
        raw = regionwise.explain(model, pictures.inputs, MAPS, targets, layer).maps.detach()
        above = raw - raw.amin(dim=(2, 3), keepdim=True)
        return upsample(above / (above.amax(dim=(2, 3), keepdim=True) + tiny), size)[:, 0]

    for metric, score, targets in (
        ("average-drop:score=logit", None, pictures.targets),
        ("average-drop", SOFTMAX, probability),
    ):
        with GradCAM(model, layer) as extractor:
            made = partial(ClassificationMetric, extractor, score)
            theirs = by_picture(pictures, lambda _, made=made: made())["avg_drop"]
        name = f"`ClassificationMetric` of its `GradCAM`, {'softmax' if score else 'logits'}"
        own = numbers(pictures.measured(metric, pictures.saliency(MAPS)).values)
        why = f"{scaled}; and explains what it scores, the probability" if score else scaled
        yield Row(metric, "torch-cam", name, MAPS, own, theirs, why)
        like = numbers(pictures.measured(metric, explained(targets)).values)
        yield Row(metric, "torch-cam", name, f"{MAPS}, made as there", like, theirs)


def targets_of(pictures: Birds) -> list[Callable[[Tensor], Tensor]]:
    """Return the targets of pytorch-grad-cam: the probability of each picture's class."""
    return [lambda out, t=t: out.softmax(dim=-1)[t] for t in pictures.targets.tolist()]


def again(pictures: Birds, inputs: Tensor, targets: Tensor) -> Tensor:
    """Explain other inputs by the same method, n h w."""
    return replace(pictures, inputs=inputs, targets=targets).saliency(MAPS)


def pytorch_grad_cam_rows(pictures: Birds) -> Iterator[Row]:
    """Yield drop, increase, complexity, coherency and ADCC, on the same maps."""
    maps, once_more = pictures.saliency(MAPS), partial(again, pictures)
    given = (pictures.inputs, maps.numpy(), targets_of(pictures), pictures.classifier.module)

    def explained(input_tensor: Tensor, **_) -> np.ndarray:
        return once_more(input_tensor, pictures.targets).numpy()

    def row(metric: str, name: str, theirs: np.ndarray, reason: str = "") -> Row:
        ours = numbers(pictures.measured(metric, maps, again=once_more).values)
        return Row(metric, "pytorch-grad-cam", name, MAPS, ours, theirs, reason)

    drop = DropInConfidence()(*given)
    name = "`DropInConfidence`, softmax"
    yield row("average-drop:denominator=none", name, drop)
    yield row("average-drop", name, drop, "does not divide by the confidence")
    up = IncreaseInConfidence()(*given)
    yield row("increase-in-confidence", "`IncreaseInConfidence`, softmax", up)
    yield row("complexity", "`arcc.Complexity`", arcc.Complexity()(maps.numpy()))
    yield row("coherency", "`arcc.Coherency`", arcc.Coherency()(*given, explained))


def arcc_rows(pictures: Birds) -> Iterator[Row]:
    """Yield ADCC beside ARCC, and their common formula on ARCC's own three parts."""
    maps, once_more = pictures.saliency(MAPS), partial(again, pictures)

    def explained(input_tensor: Tensor, **_) -> np.ndarray:
        return once_more(input_tensor.double(), pictures.targets).numpy()

    with quiet():
        given = single(pictures, maps)
        theirs = arcc.ARCC(explained, [20, 50, 80])(*given)
        kept = torch.from_numpy(ROADCombined([20, 50, 80])(*given) * 2).clamp(0, 1)
    ours = pictures.measured("adcc", maps, again=once_more)
    name = "`arcc.ARCC([20, 50, 80])`, softmax, no noise"
    why = "ROAD takes the place of the drop"
    yield Row("adcc", "pytorch-grad-cam", name, MAPS, numbers(ours.values), theirs, why)
    parts = (ours.extras["coherency"], ours.extras["complexity"], 1 - kept)
    formula = numbers(adcc(*parts))
    yield Row("adcc(); of its parts", "pytorch-grad-cam", name, MAPS, formula, theirs)


def single(pictures: Birds, maps: Tensor) -> tuple:
    """Return what its imputation takes: inputs in single precision, maps, targets, network."""
    net = Fed(pictures.classifier.module).eval()
    return pictures.inputs.float(), maps.numpy(), targets_of(pictures), net


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Switch off the noise of pytorch-grad-cam's imputation."""
    with mock.patch.object(NoisyLinearImputer.__init__, "__defaults__", (0.0, None)):
        yield


def road_rows(pictures: Birds) -> Iterator[Row]:
    """Yield ROAD with noise and without, on maps without equal pixels and with."""
    three, one, tied = [20, 50, 80], [80], [10, 50, 90]

    def combined(method: str, percents: list[int]) -> np.ndarray:
        return ROADCombined(percents)(*single(pictures, pictures.saliency(method)))

    def row(metric: str, percents: list[int], theirs: np.ndarray, reason: str = "") -> Row:
        method = MAPS if percents is tied else DENSE
        name = f"`ROADCombined({percents})`, softmax{', no noise' if 'noise=0' in metric else ''}"
        ours = numbers(pictures.measured(metric, pictures.saliency(method)).values)
        return Row(metric, "pytorch-grad-cam", name, method, ours, theirs, reason)

    first, second = (combined(DENSE, three) for _ in range(2))
    spread = float(np.abs(first - second).max() / np.abs(first).max())
    why = (
        f"other noise: two of its own runs differ by {spread:.1e}; and here a map of noise is"
        " added before pixels are ordered (`ties=noise`)"
    )
    yield row("road:percents=20/50/80", three, first, why)
    with quiet():
        found, turned, blind = combined(DENSE, three), combined(DENSE, one), combined(MAPS, tied)
    exact = "noise=0,ties=first"
    why = "`map < percentile` leaves one pixel of 50176 more or less"
    yield row(f"road:percents=20/50/80,{exact}", three, found, why)
    yield row(f"road:percents=20.002/50/80.001,{exact}", three, found)
    yield row(f"road:percents=80,{exact}", one, turned, "its percents say what stays")
    yield row(f"road:percents=20.002,{exact}", one, turned)
    zeros = float((pictures.saliency(MAPS)[0] == 0).double().mean())
    why = (
        f"`map < percentile` removes all pixels equal to the percentile: of the first map"
        f" {zeros:.0%} are 0, of which nothing stays where 10 % should, and {1 - zeros:.0%} where"
        " 90 % should"
    )
    yield row(f"road:percents=10/50/90,{exact}", tied, blind, why)


def peer_rows(pictures: Birds) -> Iterator[Row]:
    """Yield all rows of these peers."""
    yield from torch_cam_rows(pictures)
    yield from torch_cam_own_maps(pictures)
    yield from pytorch_grad_cam_rows(pictures)
    yield from arcc_rows(pictures.first(2))
    yield from road_rows(pictures.first(2))
