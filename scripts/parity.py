"""Measure how far methods and metrics agree with the peers that carry them; write docs/parity.md.

    python scripts/parity.py                          about a quarter of an hour on one core

Raw maps at the layer's own resolution, on a torchvision ResNet-18 with seeded random weights in
float64, at `layer3` (behind which the tail is not linear) and `layer4` (behind which it is pooling
and a linear layer). Differences are relative to the largest value of the peer's map.

The rows of Quantus need `pip install quantus`, which is no dependency; without it they are left
out, and the page says so.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torchvision
from captum.attr import InputXGradient, IntegratedGradients, LayerGradCam, Saliency
from parity_metrics import SAME, Row, birds
from parity_others import other_rows
from parity_peers import peer_rows

import regionwise
from regionwise.files import write_text
from regionwise.metrics.catalog import metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pytorch_grad_cam as pgc
    import torchcam.methods as tc
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

PAGE = Path(__file__).resolve().parent.parent / "docs" / "parity.md"
LAYERS = ("layer3", "layer4")
INTRODUCTION = __doc__.split("\n\n")[2].replace("\n", " ")
QUANTUS = find_spec("quantus") is not None
METRICS = f"""## Metrics

The same number by a peer's metric and by ours: on rendered birds (seeded), the shipped classifier
`birds-1` in float64, its predicted classes, and the same maps in [0, 1] at the size of the
pictures unless the table says otherwise. Numbers are means over pictures (over all points of a
curve); the difference is the largest of any picture, relative to the largest of the peer's
numbers, and up to {SAME:.0e} is called the same. Where a metric differs, a further row undoes what
the verdict says. "softmax" means that the peer was asked for probabilities. Quantus and the
imputation of pytorch-grad-cam round pictures to single precision; their networks are given those.
"""

PYTORCH_GRAD_CAM = {
    "grad-cam": pgc.GradCAM,
    "grad-cam++": pgc.GradCAMPlusPlus,
    "xgrad-cam": pgc.XGradCAM,
    "layer-cam": pgc.LayerCAM,
    "hires-cam": pgc.HiResCAM,
    "eigen-cam:variant=centred": pgc.EigenCAM,
    "eigen-cam": pgc.EigenCAM,
    "ablation-cam": pgc.AblationCAM,
    "score-cam": pgc.ScoreCAM,
    "score-cam:variant=pytorch-grad-cam": pgc.ScoreCAM,
}
TORCH_CAM = {
    "cam": tc.CAM,
    "grad-cam": tc.GradCAM,
    "grad-cam++": tc.GradCAMpp,
    "grad-cam++:variant=torch-cam": tc.GradCAMpp,
    "xgrad-cam": tc.XGradCAM,
    "layer-cam": tc.LayerCAM,
    "score-cam": tc.ScoreCAM,
    "score-cam:variant=torch-cam": tc.ScoreCAM,
}
CAPTUM = {
    "grad-cam:relu=false": lambda m, x, y, layer: LayerGradCam(m, layer).attribute(x, y)[:, 0],
    "gradient": lambda m, x, y, _: Saliency(m).attribute(x, y).amax(dim=1),
    "input-x-gradient:reduce=sum": lambda m, x, y, _: InputXGradient(m).attribute(x, y).sum(dim=1),
    "integrated-gradients:reduce=sum": lambda m, x, y, _: (
        IntegratedGradients(m).attribute(x, target=y, n_steps=50).sum(dim=1)
    ),
}
REASONS = {
    ("grad-cam++", "pytorch-grad-cam"): "adds 1e-6 to a denominator that is itself that small",
    ("grad-cam++", "torch-cam"): "its division is lost in a copy: alpha = g^2",
    ("score-cam", "pytorch-grad-cam"): "weighs by logits, softmax over channels",
    ("score-cam", "torch-cam"): "logits, softmax over channels, masks normalised before upsampling",
    ("eigen-cam", "pytorch-grad-cam"): "centres each channel first",
    ("integrated-gradients:reduce=sum", "captum"): "another quadrature of the same integral",
}


def of_pytorch_grad_cam(peer, model, inputs, target, layer):
    """Return the peer's map before it is upsampled, n i j."""
    quiet = contextlib.redirect_stderr(io.StringIO())  # its progress bars
    with quiet, peer(model=model, target_layers=[layer]) as extractor:
        extractor(input_tensor=inputs, targets=[ClassifierOutputTarget(target)] * len(inputs))
        activations = extractor.activations_and_grads.activations[0].cpu().numpy()
        gradients = extractor.activations_and_grads.gradients
        gradients = gradients[0].cpu().numpy() if gradients else None
        found = extractor.get_cam_image(
            inputs,
            layer,
            [ClassifierOutputTarget(target)] * len(inputs),
            activations,
            gradients,
            eigen_smooth=False,
        )
    return torch.from_numpy(found if peer is pgc.EigenCAM else np.maximum(found, 0))


def of_torch_cam(peer, model, inputs, target, layer):
    """Return the peer's map before it is normalised, n i j."""
    settings = {"fc_layer": "fc"} if peer is tc.CAM else {}
    with peer(model, layer, **settings) as extractor:
        logits = model(inputs)
        return extractor([target] * len(inputs), logits, normalized=False)[0].detach()


def rows(model, inputs, target):
    """Yield method, peer, layer, largest relative difference, correlation."""
    for layer_name in LAYERS:
        layer = model.get_submodule(layer_name)
        families = (
            ("pytorch-grad-cam", PYTORCH_GRAD_CAM, of_pytorch_grad_cam),
            ("torch-cam", TORCH_CAM, of_torch_cam),
            ("captum", CAPTUM, lambda peer, m, x, y, where: peer(m, x, y, where)),
        )
        for who, peers, run in families:
            for method, peer in peers.items():
                card = regionwise.methods.card(method.partition(":")[0])
                linear_only = "pooled-head" in card.needs and layer_name != "layer4"
                if linear_only or (not card.uses_layer and layer_name != "layer4"):
                    continue
                theirs = run(peer, model, inputs, target, layer).detach().double()
                ours = regionwise.explain(model, inputs, method, target, layer).maps[:, 0]
                if peer is pgc.EigenCAM:  # the sign of a singular vector is anybody's
                    theirs = theirs * (ours * theirs).sum(dim=(1, 2), keepdim=True).sign()
                yield method, who, layer_name, *compared(ours.detach().double(), theirs)


def compared(ours, theirs):
    """Return the largest difference relative to the peer's largest value, and the correlation."""
    difference = (ours - theirs).abs().max() / theirs.abs().max()
    pair = torch.stack([ours.flatten(), theirs.flatten()])
    return float(difference), float(torch.corrcoef(pair)[0, 1])


def method_lines() -> Iterator[str]:
    """Yield the section of methods."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).double().eval()
    inputs = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    yield "## Methods\n"
    yield f"{INTRODUCTION.strip()} The sign of Eigen-CAM's singular vector is aligned first.\n"
    yield "| method here | peer | layer | largest difference | correlation | verdict |"
    yield "|---|---|---|---|---|---|"
    for method, who, layer, difference, correlation in rows(model, inputs, 3):
        verdict = "same"
        if difference > 1e-6:
            reason = REASONS.get((method, who), "unexplained")
            scaled = " (the same up to a factor)" if correlation > 1 - 1e-9 else ""
            verdict = f"differs: {reason}{scaled}"
        yield f"| `{method}` | {who} | {layer} | {difference:.1e} | {correlation:.6f} | {verdict} |"


def metric_rows() -> Iterator[Row]:
    """Yield the rows of all metrics; those of Quantus where it is installed."""
    torch.manual_seed(0)
    pictures = birds()
    yield from peer_rows(pictures)
    yield from other_rows(pictures.first(2))
    if QUANTUS:
        from parity_quantus import quantus_rows  # noqa: PLC0415 - optional
        from parity_quantus_trust import trust_rows  # noqa: PLC0415

        yield from quantus_rows(pictures)
        yield from trust_rows(pictures)


def metric_lines() -> Iterator[str]:
    """Yield the section of metrics, and what one side has alone."""
    yield METRICS
    if not QUANTUS:
        yield "Quantus was not installed: its rows are missing (`pip install quantus`).\n"
    yield "| metric here | peer | its metric | maps | ours | theirs | difference | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    compared = set()
    for row in metric_rows():
        compared.add(row.metric.partition(":")[0])
        yield str(row)
    yield from alone_lines(compared)


def alone_lines(compared: set[str]) -> Iterator[str]:
    """Yield which metrics only the peers have, and which only we have."""
    yield "\n### Without a counterpart\n"
    if QUANTUS:
        from parity_quantus import unused  # noqa: PLC0415 - optional

        yield f"- Quantus has, and Regionwise has not: {', '.join(f'`{n}`' for n in unused())}."
        yield (
            "  Nearest: `pxap`, a mean of precisions, to `RelevanceRankAccuracy` and"
            " `TopKIntersection`, precisions at one depth; `top2-iou` to `RandomLogit`;"
            " `sanity-check` to `EfficientMPRT` and `SmoothMPRT`. `implementation-invariance` is"
            " another axiom than `InputInvariance`.\n"
        )
    yield (
        "- captum has, and Regionwise has not: `sensitivity_max` and `infidelity`. Its"
        " `sensitivity_max` asks how much a map moves with the picture; `sensitivity` here is the"
        " axiom of Sundararajan et al. 2017.\n"
    )
    ours = [name for name in metrics if name not in compared]
    yield f"- Regionwise has, and none of these peers has: {', '.join(f'`{n}`' for n in ours)}."


def main():
    """Measure and write."""
    known = {"grad-cam": "grad-cam", "torchcam": "torchcam", "captum": "captum"}
    known |= {"quantus": "quantus", "scikit-image": "skimage", "scikit-learn": "sklearn"}
    known |= {"scipy": "scipy", "numpy": "numpy", "torch": "torch"}
    versions = ", ".join(
        f"{name} {version(name)}" for name, module in known.items() if find_spec(module) is not None
    )
    lines = [
        "# Agreement with the peers, measured\n",
        f"Made by `python scripts/parity.py`; versions: {versions}.\n",
    ]
    for line in chain(method_lines(), [""], metric_lines()):
        lines.append(line)
        print(line, flush=True)
    write_text(PAGE, "\n".join(lines) + "\n")
    if any("unexplained" in line for line in lines):
        sys.exit("a difference is unexplained")


if __name__ == "__main__":
    main()
