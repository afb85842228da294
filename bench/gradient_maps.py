"""One gradient map of a batch, side by side with peers: interleaved, medians, ratios.

    python bench/gradient_maps.py [--repeats 9] [--batch 16] [--network resnet18]

Times on a shared machine are noisy: read the ratios. Both peers and Regionwise run on the same
network, inputs and threads, in turns within one process.
"""

import argparse
import statistics
import time

import torch
import torchvision
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from rich.console import Console
from rich.table import Table
from torchcam import methods as torchcam

from regionwise import explain

METHODS = {
    "grad-cam": (GradCAM, torchcam.GradCAM),
    "grad-cam++": (GradCAMPlusPlus, torchcam.GradCAMpp),
    "xgrad-cam": (XGradCAM, torchcam.XGradCAM),
    "layer-cam": (LayerCAM, torchcam.LayerCAM),
}


def contenders(name, model, inputs):
    """Return what to time: the limit, ours, the peers; each from inputs to maps at image size."""
    of_grad_cam, of_torch_cam = METHODS[name]
    classes = [0] * len(inputs)
    peer = of_grad_cam(model=model, target_layers=[model.layer4])
    targets = [ClassifierOutputTarget(0)] * len(inputs)

    def forward():
        with torch.inference_mode():
            model(inputs)

    def torch_cam():
        with of_torch_cam(model, "layer4") as extractor:
            maps = extractor(classes, model(inputs))[0]
        torch.nn.functional.interpolate(maps[:, None], inputs.shape[-2:], mode="bilinear")

    return {
        "plain forward": forward,
        "regionwise": lambda: explain(model, inputs, name, 0, "layer4").saliency(),
        "pytorch-grad-cam": lambda: peer(input_tensor=inputs, targets=targets),
        "torch-cam": torch_cam,
    }


def measure(runs, repeats):
    """Return the median seconds of each, run in turns after one warm-up."""
    times = {who: [] for who in runs}
    for repeat in range(repeats + 1):
        for who, run in runs.items():
            started = time.perf_counter()
            run()
            if repeat:
                times[who].append(time.perf_counter() - started)
    return {who: statistics.median(found) for who, found in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--network", default="resnet18")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = torchvision.models.get_model(arguments.network, weights=None).eval()
    inputs = torch.randn(arguments.batch, 3, 224, 224)
    table = Table(title=f"{arguments.network}, batch {arguments.batch}, float32, CPU")
    for heading in ("method", "who", "ms per image", "times ours", "times a plain forward"):
        table.add_column(heading, justify="left" if heading in {"method", "who"} else "right")
    for name in METHODS:
        found = measure(contenders(name, model, inputs), arguments.repeats)
        for who, seconds in found.items():
            table.add_row(
                name,
                who,
                f"{seconds / arguments.batch * 1e3:.1f}",
                f"{seconds / found['regionwise']:.2f}",
                f"{seconds / found['plain forward']:.2f}",
            )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
