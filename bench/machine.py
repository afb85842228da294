"""What it was measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from typing import Any

import torch

PACKAGES = ("torch", "torchvision", "timm", "grad-cam", "torchcam", "captum", "regionwise")


def machine(device: str, threads: int) -> dict[str, Any]:
    """Return processor, accelerator, threads and versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "accelerator": torch.cuda.get_device_name() if device == "cuda" else None,
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """Return the model of the processor, with the wide instructions that it has."""
    lscpu = shutil.which("lscpu")
    if lscpu is None:
        return platform.processor() or "unknown"
    told = subprocess.run([lscpu], capture_output=True, text=True, check=True).stdout  # noqa: S603
    facts = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    flags = facts.get("Flags", "").split()
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{facts.get('Model name', 'unknown').strip()} ({', '.join(wide) or 'no AVX2'})"
