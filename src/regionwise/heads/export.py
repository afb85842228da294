"""Networks that explain themselves, outside of Python: an explanation is one forward pass.

The exported program takes inputs n c h w and gives three tensors: the class probabilities p(y | x),
n y; the contributions of every cell to every class p(y, z | x), n y i j, which add up to them; and
the prior p(z | x), n i j.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from regionwise.errors import ModelError, OutputError
from regionwise.files import replacing
from regionwise.heads.joint import JointHead
from regionwise.heads.network import RegionNetwork
from regionwise.shapes import Inputs, Logits

OUTPUTS: Final = ("probabilities", "contributions", "prior")
INPUT: Final = "inputs"


class Explaining(nn.Module):
    """A network that answers with its explanation.

    Raises:
        ModelError: the network's head gives no joint.
    """

    def __init__(self, network: RegionNetwork) -> None:
        super().__init__()
        if not isinstance(network.head, JointHead):
            raise ModelError(
                "the vanilla head gives no contributions to export; cape and calm heads do"
            )
        self.backbone, self.head = network.backbone, network.head

    def forward(
        self, inputs: Inputs
    ) -> tuple[Logits, Float[Tensor, "n y i j"], Float[Tensor, "n i j"]]:
        """Return p(y | x) n y, p(y, z | x) n y i j and p(z | x) n i j."""
        joint = self.head.joint(self.backbone(inputs))
        return joint.probabilities, joint.log_joint.exp(), joint.saliency


def export_program(
    network: RegionNetwork, size: tuple[int, int], *, dynamic_batch: bool = True
) -> ExportedProgram:
    """Export a network with ``torch.export``, for inputs of one size and any number of images.

    Args:
        network: with a cape or calm head; it is exported in eval mode.
        size: rows and columns of the inputs.
        dynamic_batch: any number of images; else one.

    Raises:
        ModelError: the head gives no joint, or the backbone cannot be exported.
    """
    module = Explaining(network)
    parameter = next(network.parameters())
    sample = parameter.new_zeros(2 if dynamic_batch else 1, _colours(network), *size)
    shapes = {INPUT: {0: Dim("images")}} if dynamic_batch else None
    with _evaluating(module):
        try:
            return torch.export.export(module, (sample,), dynamic_shapes=shapes, strict=False)
        except Exception as error:
            raise ModelError(
                f"the network cannot be exported ({type(error).__name__}:"
                f" {str(error).strip().splitlines()[0][:160]}); its backbone may depend on values"
            ) from error


def save_program(network: RegionNetwork, path: Path, size: tuple[int, int]) -> None:
    """Write a network as a PyTorch program (``.pt2``), which ``torch.export.load`` reads.

    Raises:
        ModelError: it cannot be exported.
        OutputError: the file cannot be written.
    """
    program = export_program(network, size)
    with replacing(path) as temporary:
        torch.export.save(program, temporary)


def export_onnx(network: RegionNetwork, path: Path, size: tuple[int, int]) -> None:
    """Write a network as ONNX: the input ``inputs``, the outputs named in :data:`OUTPUTS`.

    Raises:
        ModelError: it cannot be exported, or the extra ``export`` is missing.
        OutputError: the file cannot be written.
    """
    program = export_program(network, size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own future
            converted = torch.onnx.export(
                program,
                (),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise ModelError(
            "ONNX needs the extra `export`: pip install 'regionwise[export]'"
        ) from error
    if converted is None:
        raise OutputError(f"nothing could be written to {str(path)!r}")
    with replacing(path) as temporary:
        converted.save(temporary)


def _colours(network: RegionNetwork) -> int:
    how = network.backbone.preprocessing
    return len(how.mean) if how is not None else 3


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in training.items():
            part.training = mode
