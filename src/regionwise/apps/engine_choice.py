"""From the options to an engine; Ray is loaded when it runs, not before."""

from __future__ import annotations

import torch

from regionwise.apps.engine_options import EngineRequest
from regionwise.benchmark.pool import Engine, Here
from regionwise.benchmark.ray import RayEngine


def engine_of(request: EngineRequest) -> Engine:
    """Return the engine that was asked for."""
    if not request.ray:
        return Here()
    least, most = request.counts()
    return RayEngine(request.address, least, most, request.cpus, request.gpus)


def device_here(request: EngineRequest, device: str) -> str:
    """Return where this process plans: with workers elsewhere it may have no GPU itself."""
    if request.ray and device.startswith("cuda") and not torch.cuda.is_available():
        return "cpu"
    return device
