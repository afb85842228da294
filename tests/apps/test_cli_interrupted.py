"""Interrupted or failing half way: what is there is whole, and has no manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from regionwise.apps import explain_job
from regionwise.errors import ModelError
from regionwise.report import writing


@pytest.fixture
def fail_on(monkeypatch):
    """Let ``explain_all`` raise an error in the n-th call, and in all that follow."""

    def patch(call: int, error: BaseException, *, last: int = 10**6) -> None:
        calls = []
        explain_all = explain_job.explain_all

        def failing(*arguments, **settings):
            calls.append(arguments)
            if call <= len(calls) <= last:
                raise error
            return explain_all(*arguments, **settings)

        monkeypatch.setattr(explain_job, "explain_all", failing)

    return patch


def below(folder: str) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def test_an_interruption_leaves_whole_images_and_no_manifest(explain, pictures, fail_on):
    explain(pictures)
    fail_on(3, KeyboardInterrupt())
    ended = explain(pictures, "--overwrite", "--batch-size", 1)
    assert ended.code == 130
    whole = "interrupted: what is in 'out' is whole, but has no manifest"
    assert ended.err == f"{whole}; --resume goes on from there\n"
    assert not Path("out/manifest.json").exists()
    assert not Path("out/sheet.png").exists()
    assert {"a/cam.npz", "a/cam.png", "b/cam.npz", "b/cam.png"} <= set(below("out"))


def test_an_interruption_before_the_first_image_writes_nothing(explain, pictures, fail_on):
    fail_on(1, KeyboardInterrupt())
    ended = explain(pictures)
    assert ended.code == 130
    assert ended.err == "interrupted: nothing was written\n"
    assert not Path("out").exists()


def test_an_interruption_while_writing_leaves_no_half_image(explain, pictures, monkeypatch):
    replacing, calls = writing.replacing, []

    def interrupted(path):
        calls.append(path)
        if len(calls) == 6:  # the second file of the second image
            raise KeyboardInterrupt
        return replacing(path)

    monkeypatch.setattr(writing, "replacing", interrupted)
    ended = explain(pictures, methods=("cam", "centre"))
    assert ended.code == 130
    assert below("out") == ["a/cam.npz", "a/cam.png", "a/centre.npz", "a/centre.png"]
    assert not Path("out/b").exists()
    assert ended.err == "interrupted: what is in 'out' is whole, but has no manifest\n"


def test_an_error_of_one_image_later_on_is_its_own(explain, pictures, fail_on):
    fail_on(2, ModelError("the logits are not finite"), last=3)
    ended = explain(pictures, "--batch-size", 2)
    assert ended.code == 1
    assert ended.err == "skipped: the logits are not finite\n"
    assert not Path("out/c").exists()


def test_a_batch_that_fails_is_tried_one_by_one(explain, pictures, fail_on):
    fail_on(2, ModelError("the logits are not finite"), last=2)
    ended = explain(pictures, "--batch-size", 1)
    assert ended.code == 1
    assert below("out/a") == below("out/c") == ["cam.npz", "cam.png"]
    assert not Path("out/b").exists()


@pytest.fixture
def small_memory(monkeypatch):
    """Let so many images fit into memory at a time; return how many were tried."""

    def patch(most: int, error: Exception) -> list[int]:
        tried = []
        explain_all = explain_job.explain_all

        def full(classifier, images, *arguments, **settings):
            tried.append(len(images))
            if len(images) > most:
                raise error
            return explain_all(classifier, images, *arguments, **settings)

        monkeypatch.setattr(explain_job, "explain_all", full)
        return tried

    return patch


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_batch_that_does_not_fit_is_halved_and_its_size_remembered(
    explain, pictures, small_memory, error
):
    explain(pictures, "--batch-size", 2)
    Path("out").rename("whole")
    tried = small_memory(1, error)
    ended = explain(pictures, "--batch-size", 2)
    assert ended.code == 0
    assert tried == [2, 1, 1, 1]
    for name in below("out"):
        if name.endswith(".npz"):
            maps, whole = (np.load(f"{folder}/{name}")["saliency"] for folder in ("out", "whole"))
            np.testing.assert_allclose(maps, whole, atol=1e-5)


def test_too_little_memory_for_one_image_is_told(explain, pictures, small_memory):
    small_memory(0, torch.OutOfMemoryError("CUDA out of memory"))
    ended = explain(pictures)
    assert ended.code == 2
    assert "not even one image fits into the memory of 'cpu'" in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("out").exists()


def test_a_full_disk_is_told_and_leaves_nothing(explain, pictures, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    ended = explain(pictures)
    assert ended.code == 2
    assert "No space left on device" in ended.err
    assert below("out") == []
