"""Files that are no usable image: each is refused in one line that names it."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regionwise.data.images import open_image
from regionwise.errors import ImageError


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def cut(path: Path, image: Image.Image, share: float) -> Path:
    image.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def noise() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))


def refused(path: Path, says: str) -> None:
    """Hold that ``path`` is refused by one line that names it, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=says) as caught:
            open_image(path)
    assert str(path)[-20:] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, suffix, share):
    path = cut(tmp_path / f"x.{suffix}", noise(), share)
    refused(path, "damaged|not an image")


def test_an_empty_file(tmp_path):
    (tmp_path / "x.png").touch()
    refused(tmp_path / "x.png", "is empty")


def test_a_file_larger_than_memory_is_not_read(tmp_path):
    with (tmp_path / "x.webp").open("wb") as file:
        file.write(b"RIFF\0\0\0\0WEBP")
        file.truncate(1 << 40)  # sparse: it takes no room
    refused(tmp_path / "x.webp", "takes 1024 GiB")


def test_text_named_png(tmp_path):
    (tmp_path / "x.png").write_text("a thousand words")
    refused(tmp_path / "x.png", "not an image")


def test_a_missing_file(tmp_path):
    refused(tmp_path / "x.png", "no such file")


def test_a_folder(tmp_path):
    refused(tmp_path, "is a folder")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    refused(tmp_path / "x.png", "neither a file nor a folder")


def test_a_file_without_permission(tmp_path, monkeypatch):
    path = cut(tmp_path / "x.png", noise(), 1)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(path, "permission denied")


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_too_small(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "x.png")
    refused(tmp_path / "x.png", f"{size[0]} x {size[1]} pixels, too small")


@pytest.mark.parametrize("side", [9_500, 20_000, 2**31 - 1])
def test_a_header_that_claims_a_bomb(tmp_path, side):
    (tmp_path / "x.png").write_bytes(png_header(side, side))
    refused(tmp_path / "x.png", "decompression bomb")


def test_a_header_that_claims_more_than_there_is(tmp_path):
    (tmp_path / "x.png").write_bytes(png_header(64, 64))
    refused(tmp_path / "x.png", "damaged or cut short")


def test_a_compressed_text_bomb_in_a_png(tmp_path):
    data = b"Comment\0\0" + zlib.compress(b"\0" * (70 << 20))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    whole = png_header(64, 64)
    (tmp_path / "x.png").write_bytes(whole[:33] + chunk + whole[33:])
    refused(tmp_path / "x.png", "damaged")


def test_postscript_is_never_run(tmp_path):
    (tmp_path / "x.eps").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n"
    )
    refused(tmp_path / "x.eps", "not an image")


def test_flipped_bytes_never_raise_anything_else(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "x"
    for suffix in ("png", "jpg", "gif", "tif", "webp", "bmp"):
        noise().save(tmp_path / f"whole.{suffix}")
        whole = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(whole), 6)] = rng.integers(0, 256, 6, np.uint8)
            path.write_bytes(broken.tobytes())
            with suppress(ImageError):
                assert open_image(path).mode == "RGB"


def test_colours_without_a_way_to_rgb(tmp_path, monkeypatch):
    path = cut(tmp_path / "x.png", noise(), 1)

    def unsupported(*_: object) -> None:  # as LAB is by older versions of Pillow
        raise ValueError("conversion not supported between modes")

    monkeypatch.setattr(Image.Image, "convert", unsupported)
    refused(path, "cannot convert .RGB.; save it as RGB")
