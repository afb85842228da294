"""At the door of a probe: what was given is checked, and how the network will run is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regionwise.errors import SettingError
from regionwise.evidence import checks
from regionwise.evidence.accelerating import Accelerate, check_acceleration
from regionwise.evidence.engine import MANY, Engine, Precision, check_precision
from regionwise.evidence.graphs import check_graph
from regionwise.evidence.needs import MASKED_SCORES
from regionwise.models.placement import device_of
from regionwise.shapes import Fed


@dataclass(frozen=True)
class Wishes:
    """How a network shall run.

    Attributes:
        create_graph: its own graph is kept.
        precision: of what lies in front of the layer; ``None`` for the dtype of the weights.
        accelerate: how passes of masked images are prepared.
    """

    create_graph: bool = False
    precision: Precision | None = None
    accelerate: Accelerate | None = None

    def check(self, needs: frozenset[str]) -> None:
        """Refuse what does not exist, or does not go together.

        Raises:
            ModelError: evidence that no probe has.
            SettingError: an unknown wish, or a precision for a graph that is kept.
        """
        checks.check_known(needs)
        check_precision(self.precision)
        check_acceleration(self.accelerate)
        if self.create_graph and self.precision is not None:
            raise SettingError(
                "a map that stays differentiable (create_graph=True) runs in the numbers of its"
                " network; leave precision out"
            )


def let_in(
    model: nn.Module, given: Fed, needs: frozenset[str], wishes: Wishes, engine: Engine | None
) -> tuple[Tensor, Engine]:
    """Return inputs that a network can be fed with, and what will run it: ``engine`` if given.

    Raises:
        InputError: inputs of the wrong shape or dtype, or not finite.
        SettingError: a graph, or a precision, that cannot be had.
    """
    checked = checks.check_inputs(given, keep_graph=wishes.create_graph)
    checks.check_volumes(model, checked, needs)
    if wishes.create_graph:
        check_graph(model, checked, needs)
    if engine is None:
        many = MASKED_SCORES in needs or len(checked) >= MANY
        engine = engine_for(model, wishes, copies=many)
    return _moved(checked, device_of(model), engine.dtype), engine


def engine_for(model: nn.Module, wishes: Wishes, *, copies: bool) -> Engine:
    """Return what runs a network as wished; with copies of weights if many passes are to come."""
    how = (wishes.precision, wishes.accelerate)
    return Engine(model, *how, copies=copies, plain=wishes.create_graph)


def _moved(inputs: Fed, device: torch.device, dtype: torch.dtype) -> Fed:
    """Return inputs where the network is; to CUDA by pinned memory, while the program goes on."""
    if device.type != "cuda" or inputs.device.type != "cpu" or inputs.requires_grad:
        return inputs.to(device, dtype)
    return inputs.to(dtype).pin_memory().to(device, non_blocking=True)
