"""A whole network as a program and as ONNX: the same numbers, for any number of images."""

import numpy as np
import pytest
import torch

from regionwise.errors import ModelError, OutputError
from regionwise.heads.export import OUTPUTS, Explaining, export_onnx, export_program, save_program
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec

SMALL = BackboneSpec("birdnet", options={"widths": [4, 4, 8, 8, 12], "depths": [1, 1, 1, 1]})
NETWORKS = {
    "cape": (NetworkSpec(SMALL, "cape", 4), (32, 48)),
    "calm": (NetworkSpec(SMALL, "calm", 4), (32, 48)),
}
SLOW = {
    "cape, three temperatures": (
        NetworkSpec(SMALL, "cape", 4, {"temperatures": "three"}),
        (32, 48),
    ),
    "calm, relu": (NetworkSpec(SMALL, "calm", 4, {"prior": "relu"}), (32, 48)),
    "a traced ResNet": (NetworkSpec(BackboneSpec("torchvision:resnet18"), "calm", 4), (64, 96)),
    "a traced DenseNet": (
        NetworkSpec(BackboneSpec("torchvision:densenet121"), "cape", 4),
        (64, 96),
    ),
    "tokens": (NetworkSpec(BackboneSpec("timm:vit_tiny_patch16_224"), "cape", 4), (64, 96)),
    "channels last": (
        NetworkSpec(BackboneSpec("timm:swinv2_tiny_window8_256"), "calm", 4),
        (64, 128),
    ),
}
every_network = pytest.mark.parametrize(
    ("spec", "size"),
    [pytest.param(*row, id=name) for name, row in NETWORKS.items()]
    + [pytest.param(*row, id=name, marks=pytest.mark.slow) for name, row in SLOW.items()],
)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """Shape checks do not go with tracing; the networks themselves are checked elsewhere."""
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)


def noise(count, size):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def expected(network, x):
    with torch.no_grad():
        return Explaining(network)(x)


def test_the_outputs_are_the_joint():
    spec, size = NETWORKS["cape"]
    network = build_network(spec, weights="random", size=size)
    probabilities, contributions, prior = expected(network, noise(2, size))
    joint = network.joint(noise(2, size))
    assert torch.allclose(probabilities, joint.probabilities)
    assert torch.allclose(contributions.sum(dim=(2, 3)), probabilities, atol=1e-6)
    assert torch.allclose(contributions.sum(dim=1), prior, atol=1e-6)


@every_network
def test_a_program(spec, size):
    network = build_network(spec, weights="random", size=size).train()
    graph = export_program(network, size).module()
    assert all(m.training for m in network.modules()), "the network is given back as it was"
    network.eval()
    x = noise(3, size)
    for want, got in zip(expected(network, x), graph(x), strict=True):
        assert torch.allclose(want, got, atol=1e-5)


@every_network
def test_onnx(spec, size, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    network = build_network(spec, weights="random", size=size)
    export_onnx(network, tmp_path / "net.onnx", size)
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == list(OUTPUTS)
    for count in (1, 3):
        x = noise(count, size)
        found = session.run(None, {"inputs": x.numpy()})
        for want, got in zip(expected(network, x), found, strict=True):
            assert np.abs(want.numpy() - got).max() <= 1e-5
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_a_saved_program(tmp_path):
    spec, size = NETWORKS["calm"]
    network = build_network(spec, weights="random", size=size)
    save_program(network, tmp_path / "net.pt2", size)
    graph = torch.export.load(tmp_path / "net.pt2").module()
    x = noise(5, size)
    assert torch.allclose(graph(x)[0], expected(network, x)[0], atol=1e-5)


def test_one_image_at_a_time():
    spec, size = NETWORKS["cape"]
    network = build_network(spec, weights="random", size=size)
    graph = export_program(network, size, dynamic_batch=False).module()
    assert graph(noise(1, size))[0].shape == (1, 4)
    with pytest.raises(Exception, match="1"):
        graph(noise(3, size))


def test_a_vanilla_head_has_nothing_to_export(tmp_path):
    network = build_network(NetworkSpec(SMALL, "pooled", 4), weights="random")
    with pytest.raises(ModelError, match="cape and calm"):
        export_onnx(network, tmp_path / "net.onnx", (32, 32))


def test_a_size_that_does_not_fit_is_told():
    spec = NetworkSpec(BackboneSpec("timm:vit_tiny_patch16_224"), "cape", 4)
    network = build_network(spec, weights="random", size=(64, 64))
    with pytest.raises(ModelError, match="cannot be exported") as caught:
        export_program(network, (32, 96))
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written(tmp_path):
    spec, size = NETWORKS["cape"]
    network = build_network(spec, weights="random", size=size)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_program(network, tmp_path / "file" / "net.pt2", size)
