"""Image files: finding them, and opening them as eight-bit RGB whatever they hold."""

from __future__ import annotations

import glob
import struct
import warnings
from collections.abc import Iterable, Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from regionwise.data.deep_grey import as_eight_bits, check_unsigned, is_deep
from regionwise.data.endings import Stream, what_is_blank, what_is_missing
from regionwise.data.patterns import matching
from regionwise.data.real_paths import real_paths
from regionwise.data.stored import Stored, check_room
from regionwise.errors import ImageError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
"""What counts as an image inside a folder or a pattern; a file named outright may have any."""

SMALLEST_SIDE = 8
"""Pixels. Below it there is nothing to tell apart."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_REFUSED_FORMATS = frozenset({"EPS", "IPTC"})
"""Decoding one runs Ghostscript on a stranger's program; the other may hold one of those."""


def find_images(paths: Iterable[str | PathLike[str]]) -> tuple[Path, ...]:
    """Return the image files that ``paths`` stand for, each once, in a stable order.

    A file is taken as it is, whatever its suffix. A folder gives the images below it at any
    depth, sorted by path, without hidden files and folders. A pattern such as ``pics/*.jpg``
    that the shell left alone gives the images it matches, sorted. The order of ``paths`` is kept.

    Raises:
        ImageError: one of ``paths`` stands for no file at all.
    """
    found: dict[str, Path] = {}
    real = real_paths()
    for path in paths:
        for file in _files_of(path):
            found.setdefault(real(file), file)
    return tuple(found.values())


def open_image(source: str | PathLike[str] | Stored) -> Image.Image:
    """Return a picture as RGB, fully decoded, eight bits a channel, upright.

    ``source`` is a file, or an image that is stored otherwise (``regionwise.data.stored``).

    Greyscale, two-level, palette and CMYK pictures are converted by Pillow. Sixteen-bit
    greyscale is scaled by 1/257 (the type's whole range, no windowing), that of twelve bits by
    255/4095, floating point in [0, 1] by 255. Of an animation the first frame counts. The EXIF
    orientation is applied; EXIF that cannot be read counts as upright. Colour profiles (ICC) are
    ignored.

    Choice: transparency is composited over white, what a web page would show. Dropping alpha
    instead would uncover colours that nobody sees.

    Raises:
        ImageError: the file cannot be read, is no image, is cut short, is smaller than 8 pixels
            on a side, or claims more than Pillow's ``Image.MAX_IMAGE_PIXELS``.
    """
    if isinstance(source, Stored):
        return _pictured(source, BytesIO(_checked_bytes(source)))
    path = Path(source)
    _check_file(path)
    try:
        with path.open("rb") as stream:
            return _pictured(path, stream)
    except OSError as error:
        raise ImageError(f"cannot read {str(path)!r}: {_system_reason(error)}") from error


def _pictured(path: Path | Stored, stream: Stream) -> Image.Image:
    """Decode what is in a stream; whatever goes wrong is told of ``path``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(path, stream)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        claim = str(error).partition(",")[0].lower()
        message = (
            f"{str(path)!r} may be a decompression bomb: {claim}; "
            f"scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        )
        raise ImageError(message) from error
    except Exception as error:  # Pillow's decoders raise nearly everything on broken files
        raise ImageError(_explanation(path, error)) from error


def label_image(path: str | PathLike[str]) -> NDArray[np.uint8]:
    """Return a picture of labels, h w: the palette's indices, or the grey values, of its pixels.

    Raises:
        ImageError: as :func:`open_image`.
    """
    open_image(path)  # refuses what is damaged, in words
    with Image.open(path) as image:
        labels = image if image.mode in {"P", "L"} else image.convert("L")
        return np.asarray(labels, dtype=np.uint8)


def _files_of(path: str | PathLike[str]) -> Sequence[Path]:
    """Return the files that one argument stands for."""
    try:
        given = Path(path).expanduser()
        if given.is_dir():
            files, what = _images_below(given), f"the folder {str(given)!r} holds no image"
        elif given.exists():
            return (given,)
        elif glob.has_magic(str(given)):
            files, what = _images_matching(str(given)), f"no image matches {str(given)!r}"
        else:
            raise ImageError(f"{str(given)!r} does not exist; check the path")
    except (OSError, RuntimeError) as error:  # RuntimeError: no home folder to put for ~
        raise ImageError(f"cannot read {str(path)!r}: {_system_reason(error)}") from error
    if not files:
        raise ImageError(f"{what}; looked for {' '.join(sorted(SUFFIXES))}")
    return files


def _images_below(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if _is_known(file))
    return sorted(file for file in files if not _is_hidden(file.relative_to(folder)))


def _images_matching(pattern: str) -> list[Path]:
    matches = [Path(m) for m in sorted(matching(pattern))]
    found = [_images_below(m) if m.is_dir() else [m] for m in matches]
    return [file for files in found for file in files if _is_known(file)]


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.is_file()


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _check_file(path: Path) -> None:
    """Refuse what is no regular file with something in it."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot read {str(path)!r}: {_system_reason(error)}") from error
    if path.is_dir():
        raise ImageError(f"{str(path)!r} is a folder, not an image; use find_images to list it")
    if not path.is_file():
        raise ImageError(f"{str(path)!r} is neither a file nor a folder; give an image file")
    if status.st_size == 0:
        raise ImageError(f"{str(path)!r} is empty (0 bytes); copy or download it again")
    check_room(str(path), status.st_size)


def _checked_bytes(stored: Stored) -> bytes:
    content = stored.read_bytes()
    if not content:
        raise ImageError(f"{str(stored)!r} is empty (0 bytes); copy or download it again")
    return content


def _decode(path: Path | Stored, stream: Stream) -> Image.Image:
    Image.init()
    formats = [name for name in Image.OPEN if name not in _REFUSED_FORMATS]
    with Image.open(stream, formats=formats) as image:
        _check_size(path, image.size)
        _check_whole(path, what_is_missing(image, stream))
        image.load()
        _check_whole(path, what_is_blank(image, stream))
        turn = _TURNS.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        picture = _as_rgb(path, image, upright)
        _check_size(path, picture.size)
        picture.info.clear()  # else somebody downstream might turn it once more
        return picture


def _check_size(path: Path | Stored, size: tuple[int, int]) -> None:
    if min(size) < SMALLEST_SIDE:
        message = (
            f"{str(path)!r} is {size[0]} x {size[1]} pixels, too small to explain; "
            f"give an image of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}"
        )
        raise ImageError(message)


def _check_whole(path: Path | Stored, missing: str) -> None:
    if missing:
        message = f"{str(path)!r} is damaged or cut short ({missing}); copy or download it again"
        raise ImageError(message)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return 1


def _as_rgb(path: Path | Stored, opened: Image.Image, image: Image.Image) -> Image.Image:
    check_unsigned(opened, str(path))
    if is_deep(image):
        return as_eight_bits(opened, image, str(path)).convert("RGB")
    if "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "La", "RGBa"}:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    try:
        return image.convert("RGB")
    except ValueError as error:
        message = f"{str(path)!r} has colours of a kind that Pillow cannot convert ({image.mode})"
        raise ImageError(f"{message}; save it as RGB") from error


def _explanation(path: Path | Stored, error: Exception) -> str:
    """Return one line on why the file could not be decoded."""
    if isinstance(error, PermissionError):
        return f"cannot read {str(path)!r}: {_system_reason(error)}"
    if isinstance(error, UnidentifiedImageError):
        return f"{str(path)!r} is not an image that Pillow can read; give a PNG, JPEG or similar"
    if isinstance(error, MemoryError):
        return f"{str(path)!r} does not fit into memory; scale it down"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{str(path)!r} is damaged or cut short ({reason}); copy or download it again"


def _system_reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file; check the path"
    if isinstance(error, PermissionError):
        return "permission denied; make the file readable"
    return getattr(error, "strerror", None) or str(error)
