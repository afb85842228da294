"""How methods are named that are not ours. Nothing here imports torch.

==============================  ============================================================
text                            method
==============================  ============================================================
``my_file.py:MyCAM``            a class or function in a file; ``my_file.py:MyCAM:alpha=1``
``captum:IntegratedGradients``  a class of captum.attr; ``captum:Occlusion:strides=8``
``maps:DIR``                    maps that were made elsewhere, for the pictures of a benchmark
==============================  ============================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from regionwise.errors import SettingError

Kind = Literal["file", "captum", "maps"]

_FILE: Final = re.compile(r"(?P<place>.+?\.py)(?::(?P<name>[^:]*))?(?::(?P<settings>.*))?")


@dataclass(frozen=True)
class ForeignName:
    """A text taken apart.

    Attributes:
        kind: which of the three it is.
        text: as it was written.
        place: the file or folder; empty for captum.
        name: of the class or function; of a folder its own.
        settings: as they were written.
    """

    kind: Kind
    text: str
    place: str
    name: str
    settings: str = ""

    @property
    def label(self) -> str:
        """What rows, pictures and errors call it, without settings: no path, but a file's name."""
        head = Path(self.place).name if self.kind == "file" else self.kind
        return f"{head}:{self.name}"


def foreign_name(text: str) -> ForeignName | None:
    """Return what a text names; ``None`` if the method must be one of ours.

    Raises:
        SettingError: the class, function or folder is missing.
    """
    text = text.strip()
    kind, colon, rest = text.partition(":")
    file = _FILE.fullmatch(text)
    if kind == "maps" and colon:
        found = ForeignName("maps", text, rest, Path(rest).resolve().name if rest else "")
    elif kind == "captum" and colon:
        name, _, settings = rest.partition(":")
        found = ForeignName("captum", text, "", name, settings)
    elif file is not None:
        found = ForeignName("file", text, file["place"], file["name"] or "", file["settings"] or "")
    else:
        return None
    if not found.name or text.endswith(":"):
        raise SettingError(
            f"{text!r} is cut short; write my_file.py:MyCAM, captum:Saliency, maps:DIR, and"
            " settings behind another colon: my_file.py:MyCAM:alpha=1"
        )
    return found


def apart(text: str) -> tuple[str, str]:
    """Return a method's name, ours or not, and its settings, as they were written."""
    found = foreign_name(text)
    if found is None:
        name, _, settings = text.partition(":")
        return name, settings
    name = found.text.removesuffix(found.settings) if found.settings else found.text
    return name.rstrip(":"), found.settings
