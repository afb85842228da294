"""Shape checks on, threads down, and the small networks that the tests share."""

import sys
from pathlib import Path

import jaxtyping

# Before anything imports `regionwise`: its annotations are checked by beartype in every test.
sys.path.insert(0, str(Path(__file__).parent))
jaxtyping.install_import_hook("regionwise", "typechecking.checked")

import pytest  # noqa: E402
import torch  # noqa: E402

from nets import DeepTailNet, PooledNet, seeded  # noqa: E402

torch.set_num_threads(1)  # the networks are small, and two threads wait for each other


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(20240430)


@pytest.fixture
def pooled_net():
    """Convolutions, ReLU [`features`], average pooling, linear: the head that CAM wants."""
    return seeded(PooledNet, seed=11)


@pytest.fixture
def deep_tail_net():
    """A signed layer [`stem`] behind which an in-place ReLU and a curved head follow."""
    return seeded(DeepTailNet, seed=12)


@pytest.fixture
def images(generator):
    """Three non-square inputs that the small networks take."""
    return torch.randn(3, 3, 16, 12, generator=generator, dtype=torch.float64)
