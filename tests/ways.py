"""A small network with normalisations, and its maps compared with those of running it plainly."""

import contextlib
import copy

import torch
from torch import nn

import regionwise.evidence.engine as engine_file
from regionwise import explain_all
from regionwise.evidence.engine import Way

METHODS = ["grad-cam", "layer-cam", "score-cam"]


class NormedNet(nn.Module):
    """Two normalised convolutions, one in a skip connection, a third [`last`], a linear head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(6)
        self.mix = nn.Conv2d(6, 6, 3, padding=1)
        self.mix_norm = nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 6)

    def before(self, x):
        return torch.relu(self.stem_norm(self.stem(x)))

    def mixed(self, x):
        return torch.relu(self.mix_norm(self.mix(x)) + x)

    def forward(self, x):
        return self.fc(torch.relu(self.last(self.mixed(self.before(x)))).mean((2, 3)))


def drawn(model, seed=0):
    """The network in evaluation mode with weights and running statistics drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            flat = parameter.dim() < 2
            parameter.copy_(1 + 0.2 * noise if flat else noise * (1 / parameter[0].numel()) ** 0.5)
        for norm in model.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is not None:
                shape = norm.running_mean.shape
                norm.running_mean.copy_(0.3 * torch.randn(shape, generator=generator))
                norm.running_var.copy_(torch.rand(shape, generator=generator) + 0.5)
    return model.eval()


def pictures(count=2, size=16, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, size, size, generator=generator)


@contextlib.contextmanager
def plainly():
    """Networks run as they are."""
    before = engine_file._ways
    engine_file._ways = lambda *_, **__: [Way()]
    try:
        yield
    finally:
        engine_file._ways = before


def gaps(model, inputs=None, methods=METHODS, layer="last", **wishes):
    """How far maps are from the plain way's on a copy, relative to the map's largest value."""
    fed = pictures() if inputs is None else inputs
    asked = {"targets": 1, "layer": layer}
    found = explain_all(model, fed, methods, **asked, **wishes)
    with plainly():
        expected = explain_all(copy.deepcopy(model), fed, methods, **asked)
    result = {}
    for name, plain in expected.items():
        assert plain.maps.isfinite().all(), name
        scale = plain.maps.abs().amax()
        if not scale:
            assert not found[name].maps.any(), name
            continue
        result[name] = float((found[name].maps - plain.maps).abs().amax() / scale)
    assert result, "all maps are blank"
    return result


def assert_plain(model, *arguments, within=1e-5, **wishes):
    """The maps are those of the plain way."""
    for name, gap in gaps(model, *arguments, **wishes).items():
        assert gap <= within, f"{name}: {gap:.1e}"
