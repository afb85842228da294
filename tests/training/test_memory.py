"""Memory that runs out is told in one line, other errors as they are."""

import pytest
import torch

from regionwise.errors import ModelError
from regionwise.training.memory import enough_memory


def test_an_allocation_that_fails():
    with pytest.raises(ModelError, match="does not fit into the memory"), enough_memory():
        torch.empty(2**60)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_of_python_and_of_a_device(error):
    with pytest.raises(ModelError, match="does not fit"), enough_memory():
        raise error


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), enough_memory():
        raise RuntimeError("shapes do not match")
