"""Running a file that the user named, once for each content that it has."""

from __future__ import annotations

import hashlib
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from regionwise.attribution.foreign import guarded
from regionwise.errors import ModelError, SettingError
from regionwise.regular import bytes_of


def run_file(path: Path) -> tuple[ModuleType, str]:
    """Return the module that a file is, and a digest of its content.

    Python knows it by a name of its own from then on, for dataclasses look their annotations up by
    the name of their module. Nothing is written beside it.

    Raises:
        ModelError: it raises an error, which is told with its line.
        SettingError: there is no such file.
    """
    try:
        source = bytes_of(path)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise SettingError(f"there is no method in {str(path)!r}: {reason}") from error
    digest = hashlib.sha256(source).hexdigest()[:16]
    where = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"regionwise_file_{where}_{digest}"
    if name not in sys.modules:
        sys.modules[name] = _module(name, str(path))
        try:
            guarded(f"{str(path)!r} cannot be run", str(path), lambda: _run(name, path, source))
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name], digest


def _module(name: str, path: str) -> ModuleType:
    spec = spec_from_loader(name, SourceFileLoader(name, path))
    if spec is None:
        raise ModelError(f"{path!r} cannot be run")
    return module_from_spec(spec)


def _run(name: str, path: Path, source: bytes) -> None:
    code = SourceFileLoader(name, str(path)).source_to_code(source, str(path))
    try:
        exec(code, vars(sys.modules[name]))  # noqa: S102 - the user named the file
    except SystemExit as error:
        raise RuntimeError(
            "it ends the program; put that under if __name__ == '__main__'"
        ) from error
