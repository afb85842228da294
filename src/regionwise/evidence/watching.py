"""What a model was last given, for callers who run it themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from regionwise.errors import InputError


class Watch:
    """A hook that keeps a copy of what ``model`` is given, until :meth:`close`.

    Attributes:
        enabled: whether passes are kept; switch it off around passes of your own.
    """

    def __init__(self, model: nn.Module, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._given: tuple[Any, ...] | None = None
        self._handle = model.register_forward_pre_hook(self._keep)

    @property
    def last(self) -> Tensor:
        """The images of the last pass that was kept, free of inference mode.

        Raises:
            InputError: there was none, or the model was given something else than one tensor.
        """
        if self._given is None:
            raise InputError("the model has not run since the extractor was made; run it first")
        if len(self._given) != 1 or not isinstance(self._given[0], Tensor):
            raise InputError(
                f"the model was given {len(self._given)} arguments, not one tensor of images;"
                " regionwise.Adapted brings further ones along"
            )
        with torch.inference_mode(mode=False):
            return self._given[0].clone()

    def forget(self) -> None:
        """Drop what was kept."""
        self._given = None

    def close(self) -> None:
        """Take the hook off the model."""
        self._handle.remove()

    def _keep(self, _: nn.Module, given: tuple[Any, ...]) -> None:
        if self.enabled:
            self._given = tuple(
                one.detach().clone() if isinstance(one, Tensor) else one for one in given
            )
