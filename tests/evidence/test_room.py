"""Work in parts that fit: halved where memory does not suffice, and the size remembered."""

import gc
import weakref
from itertools import chain

import pytest
import torch

from regionwise.evidence.room import Room, out_of_memory

FULL = torch.OutOfMemoryError("CUDA out of memory")


def of_at_most(most, tried):
    def run(part):
        tried.append(part.stop - part.start)
        if part.stop - part.start > most:
            raise FULL
        return list(range(part.start, part.stop))

    return run


def test_all_at_once_then_halves_and_remembered():
    room, tried = Room(), []
    assert list(chain(*room.over(10, of_at_most(3, tried)))) == list(range(10))
    assert tried == [10, 5, 2, 2, 2, 2, 2]
    tried.clear()
    assert list(chain(*room.over(5, of_at_most(3, tried)))) == list(range(5))
    assert tried == [2, 2, 1]
    assert room.over(0, of_at_most(3, tried)) == []


def test_one_that_does_not_fit_and_other_errors_are_raised():
    with pytest.raises(torch.OutOfMemoryError):
        Room().over(4, of_at_most(0, []))

    def broken(part):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Room().over(4, broken)


def test_what_did_not_fit_is_let_go_before_less_is_tried():
    """An error holds the frames, and they the tensors, of what failed."""
    gone, held = [], []

    def run(part):
        gc.collect()
        gone.append([one() is None for one in held])
        large = torch.empty(8)
        held.append(weakref.ref(large))
        if part.stop - part.start > 1:
            raise torch.OutOfMemoryError(f"{len(large)}")
        return part

    cleared = []
    Room().over(4, run, lambda: cleared.append(len(held)))
    assert all(all(one) for one in gone)
    assert cleared == [1, 2]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FULL, True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
        (RuntimeError("memory format channels_last"), False),
        (ValueError("DefaultCPUAllocator: memory"), False),
    ],
)
def test_what_means_that_memory_is_full(error, says):
    assert out_of_memory(error) is says
