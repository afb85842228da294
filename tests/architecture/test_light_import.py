"""`import regionwise` and `regionwise --help` are light."""

import json
import subprocess
import sys

import pytest

import regionwise

HEAVY = ("torch", "torchvision", "timm", "numpy", "matplotlib", "PIL")


def heavy_after(code):
    program = (
        f"{code}\nimport sys, json\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_loads_nothing_heavy():
    assert heavy_after("import regionwise; regionwise.__version__; regionwise.methods") == []


def test_a_public_name_loads_what_it_needs():
    assert "torch" in heavy_after("import regionwise; regionwise.explain")


def test_every_public_name_can_be_had():
    for name in regionwise.__all__:
        assert getattr(regionwise, name) is not None
    assert set(regionwise.__all__) <= set(dir(regionwise))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="grad_cam"):
        regionwise.grad_cam  # noqa: B018
