"""What ours is held against: the literal loops, on tiny networks in float64, and how they agree."""

import pytest
import torch
from bench.agreement import correlation, difference
from bench.groups_cape import reference, two_softmaxes
from bench.networks import FirstChannels

from bench import one_mask_at_a_time, plain
from regionwise import explain

LAYER = "features"


@pytest.fixture
def inputs(images, pooled_net):
    with torch.no_grad():
        pooled_net.fc.weight[0].abs_()  # class 0 is explained: its maps are not to be blank
    return images[:1].contiguous()


@pytest.mark.parametrize("method", sorted(plain.OF_GRADIENTS))
def test_gradient_methods(method, pooled_net, inputs):
    activations, gradients, _ = plain.evidence(pooled_net, inputs, LAYER)
    found = explain(pooled_net, inputs, method, 0, LAYER).maps
    assert difference(found, plain.OF_GRADIENTS[method](activations, gradients)) < 1e-9


@pytest.mark.parametrize("method", ["score-cam", "score-cam++"])
def test_one_mask_at_a_time(method, pooled_net, inputs):
    run = {
        "score-cam": one_mask_at_a_time.score_cam,
        "score-cam++": one_mask_at_a_time.score_cam_pp,
    }
    found = explain(pooled_net, inputs, method, 0, LAYER).saliency(normalize=None)
    assert difference(found, run[method](pooled_net, inputs, LAYER)[None]) < 1e-9


def test_union_cam(pooled_net, inputs):
    found = explain(pooled_net, inputs, "union-cam", 0, LAYER).maps
    assert difference(found, one_mask_at_a_time.union_cam(pooled_net, inputs, LAYER)[None]) < 1e-9


def test_averaged_gradients(pooled_net, inputs):
    literal = {
        "integrated-gradients:steps=3": plain.integrated_gradients(pooled_net, inputs, 3),
        "smooth-grad:samples=3": plain.smooth_grad(pooled_net, inputs, 3),
        "smooth-grad-cam++:samples=3,variant=torch-cam": plain.smooth_grad_cam_pp(
            pooled_net, inputs, LAYER, 3
        ),
    }
    for method, maps in literal.items():
        assert difference(explain(pooled_net, inputs, method, 0, LAYER).maps, maps) < 1e-9, method


def test_ablation_cam(pooled_net, inputs):
    class Tail(torch.nn.Module):
        def forward(self, maps):
            return pooled_net.fc(maps.mean(dim=(2, 3)))

    found = explain(pooled_net, inputs, "ablation-cam", 0, LAYER).maps
    assert difference(found, plain.ablation_cam(pooled_net, inputs, LAYER, Tail())) < 1e-8


def test_cape_contributions():
    maps = torch.randn(2, 5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert difference(two_softmaxes(maps), reference(maps)) < 1e-12


def test_difference_and_correlation_take_the_worst_map():
    plain_maps = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    ours = torch.tensor([[1.0, 2.0, 4.0], [1.0, 3.0, 4.0]])
    assert difference(ours, plain_maps) == pytest.approx(0.25)
    assert correlation(ours, plain_maps) < 1
    assert correlation(2 * plain_maps + 1, plain_maps) == pytest.approx(1)


def test_blank_maps():
    blank, other = torch.zeros(1, 3), torch.tensor([[1.0, 2.0, 4.0]])
    assert (difference(blank, blank), difference(other, blank)) == (0, 4)
    assert (correlation(blank, blank), correlation(blank, other)) == (1, 0)


def test_first_channels_keep_the_logits_and_the_gradients():
    import torchvision  # noqa: PLC0415 - takes a while

    torch.manual_seed(0)
    resnet = torchvision.models.resnet18(weights=None, num_classes=4).eval()
    image = torch.randn(1, 3, 32, 32)
    cut = FirstChannels(resnet, 16).eval()
    assert torch.equal(cut(image), resnet(image))
    activations, gradients, _ = plain.evidence(cut, image, "first")
    assert activations.shape[1] == 16
    assert torch.equal(gradients, plain.evidence(resnet, image, "layer4")[1][:, :16])
