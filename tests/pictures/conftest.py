"""What the tests of pictures share."""

import subprocess
import sys

import jaxtyping
import pytest


@pytest.fixture
def without_shape_checks():
    """Switch off the shape checks of the test suite, to see what a user sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def fresh_python():
    """Run code in a new interpreter and return what it prints."""

    def run(code: str) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout

    return run
