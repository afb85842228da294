"""Checkpoints and weights on the disk: there whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from safetensors.torch import save
from torch import nn

from regionwise.errors import WeightsError
from regionwise.files import replacing

LAST: Final = "last.ckpt"
WEIGHTS: Final = "weights.safetensors"


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, written beside their place and then renamed; read as plain data."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: it cannot be written; the one before is still there.
        """
        del storage_options
        held = io.BytesIO()
        torch.save(checkpoint, held)
        write_bytes(Path(path), held.getvalue())

    def load_checkpoint(
        self,
        path: Any,
        map_location: Any = None,
        weights_only: bool | None = None,  # noqa: FBT001 - Lightning's signature
    ) -> dict[str, Any]:
        """Read a checkpoint; code in it is never run.

        Raises:
            WeightsError: it is damaged.
        """
        del weights_only
        try:
            loaded: dict[str, Any] = torch.load(
                path, map_location=map_location or "cpu", weights_only=True
            )
        except Exception as error:  # torch raises nearly everything on broken files
            raise WeightsError(
                f"{str(path)!r} cannot be read, so the run cannot go on from it; remove it to begin"
                " the training anew"
            ) from error
        return loaded


def write_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights and buffers as safetensors.

    Raises:
        OutputError: they cannot be written; the file before is still there.
    """
    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    write_bytes(path, save(state))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)
