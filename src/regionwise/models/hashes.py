"""Files of weights held against the hash that is known of them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from regionwise.errors import WeightsError

_WEIGHTS: Final = {".safetensors", ".bin", ".pt", ".pth"}
_ANY_OF: Final = ("config.json", "model.safetensors", "pytorch_model.bin")
"""One of them is in every folder with weights."""
_SHA256: Final = re.compile("[0-9a-f]{64}")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{str(path)!r} cannot be read: {error.strerror}") from error


def check_hub_files(repository: str) -> None:
    """Compare what was fetched from the Hugging Face hub with its hash, where that is known.

    In the hub's cache a file of weights is a link to one that is named by its SHA-256, as the hub
    told it. Copies without links, and small files, have no such name, and are not looked at.

    Raises:
        WeightsError: a file is damaged, or is another one.
    """
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - comes with timm

    found = [try_to_load_from_cache(repository, name) for name in _ANY_OF]
    folders = {Path(path).parent for path in found if isinstance(path, str)}
    for file in sorted(file for folder in folders for file in folder.iterdir()):
        path = file.resolve()
        known = file.suffix in _WEIGHTS and _SHA256.fullmatch(path.name)
        if known and sha256_of(path) != path.name:
            raise WeightsError(
                f"{file.name} of {repository!r} is not what the hub sent: {str(path)!r} does not"
                " have the hash of its name; remove that file, and it is fetched again"
            )
