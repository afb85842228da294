"""Measure how far methods and metrics agree with the peers that carry them; write docs/parity.md.

    python scripts/parity.py                   about a quarter of an hour on one core
    python scripts/parity.py --only metrics    keeps the section on methods as it stands

Raw maps at the layer's own resolution, on a torchvision ResNet-18 with seeded random weights in
float64, at `layer3` (behind which the tail is not linear) and `layer4` (behind which it is pooling
and a linear layer). Differences are relative to the largest value of the peer's map.

The rows of Quantus need `pip install quantus`, which is no dependency; without it they are left
out, and the page says so.
"""

import argparse
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
from parity_section import metric_lines

import regionwise
from regionwise.files import write_text

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pytorch_grad_cam as pgc
    import torchcam.methods as tc
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

PAGE = Path(__file__).resolve().parent.parent / "docs" / "parity.md"
LAYERS = ("layer3", "layer4")
INTRODUCTION = __doc__.split("\n\n")[2].replace("\n", " ")

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


def kept(title: str) -> Iterator[str]:
    """Yield a section of the page as it stands."""
    _, found, behind = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")
    if not found:
        sys.exit(f"{PAGE} has no section {title!r} to keep; measure it")
    yield f"## {title}\n{behind.partition(chr(10) + '## ')[0].rstrip()}"


def installed() -> str:
    """Return the versions of the peers that are there."""
    modules = {"grad-cam": "pytorch_grad_cam", "scikit-image": "skimage", "scikit-learn": "sklearn"}
    names = ("grad-cam", "torchcam", "captum", "quantus", "scikit-image", "scikit-learn", "scipy")
    there = [name for name in names if find_spec(modules.get(name, name)) is not None]
    return ", ".join(f"{name} {version(name)}" for name in (*there, "numpy", "torch"))


def main():
    """Measure and write."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--only", choices=SECTIONS, help="keep the other section as it stands")
    only = asked.parse_args().only
    made = "Made by `python scripts/parity.py`; versions"
    lines = ["# Agreement with the peers, measured\n", f"{made}: {installed()}.\n"]
    for name, section in SECTIONS.items():
        measured = section() if only in {None, name} else kept(name.capitalize())
        for line in chain(measured, [""]):
            lines.append(line)
            print(line, flush=True)
    write_text(PAGE, "\n".join(lines).rstrip() + "\n")
    if any("unexplained" in line for line in lines):
        sys.exit("a difference is unexplained")


SECTIONS = {"methods": method_lines, "metrics": metric_lines}


if __name__ == "__main__":
    main()
