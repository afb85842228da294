"""The work behind ``regionwise export``."""

from __future__ import annotations

from pathlib import Path

from regionwise.errors import ModelError, SettingError
from regionwise.heads.export import OUTPUTS, export_onnx, save_program
from regionwise.heads.network import RegionNetwork
from regionwise.zoo import load_model

_WRITERS = {".onnx": export_onnx, ".pt2": save_program}


def export_to(model: str, file: Path, *, size: int | None) -> str:
    """Export a network by the suffix of the file; return what was written, in a line.

    Raises:
        ModelError: the model has no head that explains.
        SettingError: another suffix.
        OutputError: the file cannot be written.
    """
    if file.suffix not in _WRITERS:
        raise SettingError(f"{str(file)!r} must end with one of {sorted(_WRITERS)}")
    classifier = load_model(model)
    network = classifier.module
    if not isinstance(network, RegionNetwork):
        raise ModelError(
            f"{model!r} is a plain classifier; a network with a cape or calm head explains itself"
            " without gradients, and can be exported: birds-cape, or the folder of a run"
        )
    own = classifier.preprocessing.size if classifier.preprocessing else (224, 224)
    shape = (size, size) if size else own
    _WRITERS[file.suffix](network, file, shape)
    return f"{file}: inputs n x 3 x {shape[0]} x {shape[1]}, outputs {', '.join(OUTPUTS)}"
