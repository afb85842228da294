"""What lies behind a URI: one file, the files below a folder, or those that a pattern matches."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from regionwise.errors import DataError, RegionwiseError
from regionwise.uris import below, opened, reason, shown


@dataclass(frozen=True)
class Listed:
    """Files below a URI: their keys, sorted, and sizes."""

    root: str
    sizes: dict[str, int]

    def uri(self, key: str) -> str:
        """Return the URI of a file."""
        return below(self.root, key)


def listed(uri: str) -> Listed:
    """Return what a URI stands for; hidden files and folders are left out.

    Raises:
        DataError: there is nothing, or the store cannot be listed.
        SettingError: nothing knows the scheme.
    """
    try:
        found = _listed(uri)
    except RegionwiseError:
        raise
    except Exception as error:  # each store has errors of its own
        raise DataError(f"cannot list {shown(uri)!r}: {reason(error)}") from error
    if not found.sizes:
        raise DataError(f"{shown(uri)!r} does not exist, is empty, or matches nothing")
    return found


@lru_cache(maxsize=4)
def _listed(uri: str) -> Listed:
    """List a store once for whoever asks for its images, and then for its archives."""
    from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 - the extra

    place, mark, query = uri.partition("?")
    parts = place.rstrip("/").split("/")
    wild = next((n for n, part in enumerate(parts) if n > 2 and glob.has_magic(part)), None)
    cut = len(parts) if wild is None else wild
    system, path = opened(uri)
    if wild is None and system.get_file_info(path).type == FileType.File:
        info = system.get_file_info(path)
        return Listed("/".join(parts[:-1]) + mark + query, {parts[-1]: int(info.size or 0)})
    root, pattern = "/".join(parts[:cut]) + mark + query, "/".join(parts[cut:]) or "*"
    base = opened(root)[1]
    infos = system.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
    found = {
        one.path.removeprefix(base).lstrip("/"): int(one.size or 0)
        for one in infos
        if one.type == FileType.File
    }
    kept = sorted(key for key in found if fnmatchcase(key, pattern) and not _hidden(key))
    return Listed(root, {key: found[key] for key in kept})


def _hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))
