"""File systems behind a URI: s3://, gs://, file://, and whatever Arrow or fsspec knows.

Paths without a scheme, and ``file://``, are of this machine and need nothing. All else needs
pyarrow (the extra ``benchmark``); what Arrow does not know is asked of fsspec.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from regionwise.errors import SettingError

_HIDDEN: Final = "***"
_STORES: Final = frozenset({"s3", "gs", "gcs"})
_PATIENT: Final = frozenset({"gs", "gcs"})
_PATIENCE: Final = "retry_limit_seconds=60"
"""Google's client tries for a quarter of an hour, unless it is told otherwise."""

WHOLE_PUTS: Final = frozenset({"s3", "gcs", "abfs", "py::fsspec+s3", "py::fsspec+gs"})
"""Types of file systems on which an object that is written is there whole or not at all."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters: C:/ is a drive
_ANY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"]+")
_OPTION: Final = re.compile(r"(?<=[?&])([\w.-]+)=[^\s&'\")]*")
_PLAIN: Final = frozenset(
    {"scheme", "endpoint_override", "region", "allow_delayed_open"}
    | {
        "retry_limit_seconds",
        "default_bucket_location",
        "allow_bucket_creation",
        "allow_bucket_deletion",
        "background_writes",
        "smart_defaults",
    }
    | {"tls_ca_dir_path", "tls_ca_file_path", "tls_verify_certificates"}
)
"""Options behind a question mark that are no secret; others may be signatures, keys and tokens."""


def is_uri(text: str) -> bool:
    """Return whether a text names something by a scheme, such as ``s3://bucket/pictures``."""
    return _SCHEME.match(text) is not None


def local_path(text: str) -> Path | None:
    """Return the path on this machine that a text means; ``None`` if it lies elsewhere."""
    if not is_uri(text):
        return Path(text).expanduser()
    parts = urlsplit(text)
    return Path(unquote(parts.path)) if parts.scheme.lower() == "file" else None


def shown(uri: str) -> str:
    """Return a URI without a name and password in it, and without secrets among its options."""
    if not is_uri(uri):
        return uri
    place, mark, query = uri.partition("?")
    scheme, _, rest = place.partition("://")
    options = "&".join(_shown_option(option) for option in query.split("&"))
    return f"{scheme}://{_without_user(rest)}{mark}{options}"


def below(uri: str, name: str) -> str:
    """Return the URI of what is called ``name`` in the folder ``uri``; a query stays behind it."""
    place, mark, query = uri.partition("?")
    return f"{place.rstrip('/')}/{name}{mark}{query}"


def opened(uri: str) -> tuple[Any, str]:
    """Return the Arrow file system of a URI, and the path in it.

    Raises:
        SettingError: pyarrow is missing, or nothing knows the scheme.
    """
    place, mark, query = uri.partition("?")
    scheme, _, rest = place.partition("://")
    bucket, _, inside = rest.rstrip("/").partition("/")
    if scheme.lower() in _STORES and not bucket.rpartition("@")[2]:
        raise SettingError(f"{shown(uri)!r} names no bucket; write {scheme}://BUCKET/...")
    if scheme.lower() in _PATIENT and _PATIENCE.partition("=")[0] not in query:
        mark, query = "?", f"{query}{'&' * bool(query)}{_PATIENCE}"
    system, root = _system(f"{scheme}://{bucket}{mark}{query}")
    return system, "/".join(part for part in (root.rstrip("/"), inside) if part)


def reason(error: BaseException) -> str:
    """Return one line on what a file system says, without a password."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = _ANY.sub(lambda found: shown(found[0]), text)
    return _OPTION.sub(lambda found: _shown_option(found[0]), text)[:300]


def _without_user(rest: str) -> str:
    """Return what stands behind ``://`` without a user; a password may hold unescaped signs."""
    bucket, slash, inside = rest.partition("/")
    if "@" in bucket:
        return bucket.rpartition("@")[2] + slash + inside
    port = bucket.partition(":")[2]
    if port and not port.isdecimal():  # the first part of a password with a slash in it
        return rest.rpartition("@")[2] if "@" in rest else _HIDDEN
    return rest


def _shown_option(option: str) -> str:
    name, equals, value = option.partition("=")
    if not option or (name in _PLAIN and "@" not in value):
        return option
    return f"{name}={_HIDDEN}" if equals else _HIDDEN


@lru_cache(maxsize=32)
def _system(root: str) -> tuple[Any, str]:
    """Open a file system once: some ask the network for the region of a bucket."""
    try:
        from pyarrow import ArrowInvalid, ArrowNotImplementedError, fs  # noqa: PLC0415 - the extra
    except ImportError as error:
        raise SettingError(
            f"{shown(root)!r} needs pyarrow; install with: pip install 'regionwise[benchmark]'"
        ) from error
    try:
        system, inside = fs.FileSystem.from_uri(root)
    except (ArrowInvalid, ArrowNotImplementedError) as error:
        if "Unrecognized filesystem" in str(error) or isinstance(error, ArrowNotImplementedError):
            return _by_fsspec(root, reason(error))
        raise SettingError(f"{shown(root)!r} is no URI for Arrow: {reason(error)}") from error
    except (OSError, ValueError) as error:
        raise SettingError(f"{shown(root)!r} cannot be opened: {reason(error)}") from error
    return system, inside


def _by_fsspec(root: str, unknown: str) -> tuple[Any, str]:
    from pyarrow import fs  # noqa: PLC0415 - the extra

    try:
        import fsspec  # noqa: PLC0415 - the extra

        system, inside = fsspec.core.url_to_fs(root)
    except Exception as error:  # each store has errors of its own
        raise SettingError(
            f"{shown(root)!r} names no file system that Arrow ({unknown}) or fsspec"
            f" ({reason(error)}) can open; write s3://BUCKET/..., gs://BUCKET/... or a path"
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), str(inside)
