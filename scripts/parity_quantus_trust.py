"""Metrics beside those of Quantus that hold a map against its network, and SSIM.

What Quantus is asked, it is asked as in ``parity_quantus.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from unittest import mock

import numpy as np
import torch
from parity_metrics import DENSE, MAPS, Birds, Row, attempted, numbers, recipe
from parity_quantus import PEER, asked, called
from torch import Tensor, nn

import regionwise
from regionwise.attribution.scaling import saliency_of
from regionwise.metrics import randomising
from regionwise.metrics.similarity import ssim
from regionwise.models.classifier import Classifier

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import quantus
    import skimage.metrics

SIGNED = "grad-cam:relu=false"
SIDE = 12
ZEROS = {"perturb_baseline": 0.0}
MEAN, ALONE = {"return_average_correlation": True}, {"layer_order": "independent"}


class Counted(nn.Module):
    """A linear network with whole weights: its score is exact, and so are its parts."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of n c h w, of which the first channel is seen."""
        score = (inputs[:, :1].double() * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([score, -score], dim=1)


def counted(silent: int = 0) -> tuple[Birds, Tensor]:
    """Return pictures of whole numbers, a network that does not see the first rows; its maps."""
    generator = torch.Generator().manual_seed(0)
    shape = (3, 1, SIDE, SIDE)
    inputs = torch.randint(1, 9, shape, generator=generator).double()
    weights = torch.randint(1, 5, shape[1:], generator=generator).double()
    weights[:, :silent] = 0
    net = Classifier(Counted(weights).eval())
    pictures = Birds(net, inputs, torch.zeros(3, dtype=torch.int64), inputs[:, 0].byte())
    return pictures, (inputs * weights)[:, 0]


def completeness_rows(pictures: Birds) -> Iterator[Row]:
    """Yield who calls a map complete: integrated gradients, and an exact sum of whole numbers."""
    steps = "integrated-gradients:reduce=sum,steps=50"
    exact, parts = counted()
    exactly = {"normalise": False, **ZEROS}
    why = "asks whether sums of floating-point numbers are equal to the last digit"
    raw = pictures.raw(steps)

    def row(of: Birds, raw: Tensor, given: dict, reason: str = "", tolerance: float = 1e-2) -> Row:
        metric = f"completeness:score=logit,baseline=zeros,tolerance={tolerance:g}"
        unit = raw.abs() / raw.abs().amax(dim=(1, 2), keepdim=True)
        ours = of.measured(metric, unit, maps=raw).extras["complete"]
        theirs = attempted(asked(of, "Completeness", raw.numpy()[:, None], given, softmax=False))
        where = steps.partition(":")[0] if of is pictures else "exact parts of a linear network"
        name = called("Completeness", given)
        return Row(f"{metric}; complete", PEER, name, where, numbers(ours), theirs, reason)

    scaled = "divides the map by its largest value first, and takes each picture's lowest value"
    yield row(exact, parts, {}, f"{scaled} for the baseline")
    yield row(exact, parts, exactly)
    yield row(pictures, raw, exactly, why)
    yield row(pictures, raw, exactly, tolerance=0)


def sensitivity_rows() -> Iterator[Row]:
    """Yield sensitivity beside non-sensitivity, pixel by pixel on small pictures."""
    pixels = SIDE**2
    metric = f"sensitivity:side={SIDE},tolerance=0"
    blind, _ = counted(silent=3)
    seeing, parts = counted()
    half = torch.where(torch.arange(SIDE)[:, None] < SIDE // 2, 0.0, parts)

    def row(of: Birds, maps: Tensor, where: str, reason: str = "", **how) -> Row:
        ours = numbers(of.measured(metric, maps / maps.max(), maps=maps).values)
        given = {**ZEROS, "features_in_step": how.get("at_once", 1), "normalise": False}
        name = called("NonSensitivity", given)
        call = asked(of, "NonSensitivity", maps.numpy()[:, None], given, softmax=False)
        if how.get("as_count"):
            counts = (1 - ours) * pixels
            return Row(
                f"{metric}; 1 - this, times {pixels}", PEER, name, where, counts, attempted(call)
            )
        return Row(metric, PEER, name, where, ours, attempted(call), reason)

    where = "upper half 0, all pixels matter"
    why = "counts pixels, not a share; and those that matter but are 0"
    yield row(seeing, half, where, why)
    yield row(seeing, half, where, as_count=True)
    where = "nowhere 0, a quarter does not matter"
    why = "also counts pixels that do not matter and are not 0; here only those that do"
    yield row(blind, parts, where, why)
    why = "sets of several pixels are held against each pixel by itself"
    yield row(seeing, half, "upper half 0, all pixels matter", why, at_once=SIDE)


def sanity_rows(pictures: Birds) -> Iterator[Row]:
    """Yield the sanity check beside MPRT, with its own random weights and with the same."""
    signed, dense = Checked(pictures, SIGNED), Checked(pictures, DENSE)
    count = len(randomising.layers_of(pictures.classifier.module))
    check = f"sanity-check:similarity=spearman-abs,stages={count}"
    label = "its random weights"

    def row(ours: np.ndarray, theirs, given: dict, reason: str = "", note: str = "") -> Row:
        alone = "layer_order" in given
        metric = f"{check}{',order=independent' if alone else ''}{note and '; '}{note}"
        where = f"{DENSE if theirs is each else SIGNED}, upsampled"
        return Row(metric, PEER, called("MPRT", given), where, ours, theirs, reason)

    mean, averaged = signed.theirs(MEAN), "its mean takes the network itself, 1, for a layer"
    each = dense.theirs(ALONE)
    yield row(signed.ours(check).mean(axis=1), mean, MEAN, f"other random weights; and {averaged}")
    same = signed.ours(check, seed=43)
    yield row(same.mean(axis=1), mean, MEAN, averaged, label)
    with_one = (count * same.mean(axis=1) + 1) / (count + 1)
    yield row(with_one, mean, MEAN, note=f"{label}, 1 counted in")
    yield row(same, signed.theirs({}), {}, note=f"{label}, curve")
    single = f"{check},order=independent"
    upwards = dense.ours(single, seed=43)[:, ::-1]
    yield row(upwards, each, ALONE, note=f"{label}, curve from the input up, as there")
    why = "maps may be negative everywhere; ranks do not mind"
    yield row(signed.ours(single, seed=43), signed.theirs(ALONE), ALONE, why, f"{label}, curve")


@dataclass(frozen=True, eq=False)
class Checked:
    """Pictures explained by one method, as networks lose their weights.

    Quantus wants maps at the size of the pictures, so both get those.
    """

    pictures: Birds
    method: str

    def maps(self, net: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return a network's maps, upsampled."""
        layer = self.pictures.classifier.layer
        raw = regionwise.explain(net, inputs, self.method, targets, layer).maps.detach()
        return saliency_of(raw, tuple(inputs.shape[2:]), None)[:, 0]

    def ours(self, metric: str, *, seed: int | None = None) -> np.ndarray:
        """Return our similarities, n s; with ``seed`` every layer is drawn from it."""
        own = self.pictures
        maps = self.maps(own.classifier.module, own.inputs, own.targets)
        case = own.case(own.saliency(self.method), maps=maps)
        case = replace(case, model=own.classifier.module, on_model=self.maps)
        drawn = randomising.randomise if seed is None else redrawn(randomising.randomise, seed)
        with mock.patch.object(randomising, "randomise", drawn):
            return numbers(recipe(metric)(case).curves["similarity"])

    def theirs(self, given: dict) -> np.ndarray | Exception:
        """Return what MPRT says: n s, or the mean over layers, n."""

        def explained(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **_) -> np.ndarray:
            fed = torch.from_numpy(inputs).double(), torch.from_numpy(targets)
            return self.maps(model.net, *fed).numpy()

        found = attempted(asked(self.pictures, "MPRT", None, given, explain_func=explained))
        if isinstance(found, Exception) or found.ndim == 1:
            return found
        return found[1:].T


def redrawn(own: Callable, fixed: int) -> Callable:
    """Return what draws the weights of every layer from one seed, as Quantus does."""

    def drawn(module: nn.Module, *, how: str = "reset", seed: int = 0) -> None:
        del seed
        own(module, how=how, seed=fixed)

    return drawn


def ssim_rows(pictures: Birds) -> Iterator[Row]:
    """Yield SSIM beside scikit-image's, and beside what Quantus makes of it."""
    first, second = pictures.saliency(MAPS), pictures.saliency(DENSE)
    pairs = list(zip(first.numpy(), second.numpy(), strict=True))
    how = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 1.0,
    }
    peer = skimage.metrics.structural_similarity
    theirs = np.array([peer(a, b, **how) for a, b in pairs])
    ours, where = numbers(ssim(first, second)), f"{MAPS} and {DENSE}"
    given = ", ".join(f"{k}={v}" for k, v in how.items())
    name = f"`structural_similarity({given})`"
    yield Row("ssim()", "scikit-image", name, where, ours, theirs)
    flat = [quantus.similarity_func.ssim(a.ravel(), b.ravel()) for a, b in pairs]
    why = (
        "`MPRT` gives it maps as rows of pixels: windows of 7 in a row, all weighed alike, and the"
        " range of the pair"
    )
    yield Row("ssim()", PEER, "`similarity_func.ssim`", where, ours, np.array(flat), why)


def trust_rows(pictures: Birds) -> Iterator[Row]:
    """Yield the rows of axioms and sanity checks."""
    few = pictures.first(2)
    yield from completeness_rows(few.grey())
    yield from sensitivity_rows()
    yield from sanity_rows(few)
    yield from ssim_rows(few)
