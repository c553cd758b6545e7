"""Every decoder of images opens the same files, makes the same pixels of them, and refuses the same ones."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import numpy as np
import pytest
import yaml
from formats import pixels
from messages import says
from PIL import EpsImagePlugin, Image

from evalshift.errors import DataError
from evalshift.evaluate.images import decode
from evalshift.testbed.downsampling import small
from evalshift.testbed.image_files import FORMATS, SUFFIXES, BorderedImage, open_image, open_rgb
from evalshift.testbed.pixels import pixel_statistics
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.verification import verify_dataset

RGB = pixels("any format", 8, 8, 3)
GREY = pixels("any grey", 8, 8)


def save(path: Path, picture: Image.Image, kind: str, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, kind, **options)
    return path


def checked(path: Path) -> None:
    """`check --data` on a folder of this image alone."""
    text = {"classes": {"letters": ["a", "b"]}, "datasets": {"d": {"source": "folder", "path": str(path.parents[1])}}}
    text["datasets"]["d"]["classes"] = "letters"  # pyright: ignore[reportArgumentType]
    registry = path.parents[2] / "registry.yaml"
    registry.write_text(yaml.safe_dump(text))
    known = load_registry(registry)
    if faults := verify_dataset("d", known.dataset("d"), known.class_space("letters")).faults:
        raise DataError(faults[0].rpartition(": ")[2])


def counted(path: Path) -> None:
    """`dataset stats` on a dataset of this image alone."""
    from evalshift.testbed.classes import built_in
    from evalshift.testbed.datasets import Dataset

    pixel_statistics(Dataset("d", built_in("cifar10"), ("x",), np.array([0]), (path,)))


DECODERS: dict[str, Callable[[Path], Any]] = {
    "run": lambda path: decode(path, Preprocess(), "dataset d"),
    "check --data": checked,
    "dataset stats": counted,
    "dataset downsample": lambda path: small(path, 8, "box"),
}
# 16 bits per channel: of a grey image the range is not known, of a colour one Pillow takes the upper eight.
DEEP = {
    "grey.png": Image.fromarray(np.full((8, 8), 1_000, np.uint16)),
    "grey.tif": Image.fromarray(np.full((8, 8), 1_000, np.uint16)),
    "whole.tif": Image.fromarray(np.full((8, 8), 70_000, np.int32)),
    "real.tif": Image.fromarray(np.full((8, 8), 0.5, np.float32)),
}


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("decoder", DECODERS)
def test_each_decoder_refuses_an_image_of_more_than_8_bits_per_channel(
    decoder: str, name: str, tmp_path: Path, complaint: Callable[..., str]
) -> None:
    path = save(tmp_path / "x" / "a" / name, DEEP[name], "PNG" if name.endswith("png") else "TIFF")
    assert complaint(DataError, DECODERS[decoder], path).startswith("an image has more than 8 bits per channel")


def test_of_16_bits_per_colour_channel_the_upper_eight_are_taken(tmp_path: Path) -> None:
    """Made by hand: PNG with bit depth 16, colour type 2, whose pixels are 0x1234, 0x8001, 0xFFFF."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\0" + struct.pack(">3H", 0x1234, 0x8001, 0xFFFF)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    (tmp_path / "deep.png").write_bytes(content + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b""))
    assert np.asarray(open_rgb(tmp_path / "deep.png")).tolist() == [[[0x12, 0x80, 0xFF]]]


LOSSLESS = ["BMP", "GIF", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF", "WEBP", "DDS"]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_formats_that_keep_every_pixel(kind: str, tmp_path: Path) -> None:
    grey = kind == "GIF"  # with a palette of 256 colours
    picture = Image.fromarray(GREY if grey else RGB)
    path = save(tmp_path / "image", picture, kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(np.asarray(open_rgb(path)), np.repeat(GREY[..., None], 3, 2) if grey else RGB)


@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "MPO"])
def test_formats_that_do_not(kind: str, tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    found = np.asarray(open_rgb(save(tmp_path / "image", Image.fromarray(flat), kind)))
    assert np.abs(found.astype(int) - flat).max() <= 4


def test_the_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (10, 200)]
    for kind in ("GIF", "TIFF"):
        path = save(tmp_path / "frames", frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.asarray(open_rgb(path)).max() == 10


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program by the name of Ghostscript's; the file that it makes when it is started."""
    started, program = tmp_path / "started", tmp_path / "bin/gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n: > '{started}'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # Pillow looks for it once
    return started


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a script of the shell")
@pytest.mark.parametrize("decoder", [*DECODERS, "bytes"])
def test_an_image_never_starts_ghostscript(
    ghostscript: Path, tmp_path: Path, complaint: Callable[..., str], decoder: str
) -> None:
    path = save(tmp_path / "x" / "a" / "image.png", Image.fromarray(RGB), "EPS")
    read = DECODERS.get(decoder, lambda path: open_rgb(Packed(path.read_bytes())))
    assert complaint(DataError, read, path).startswith("an image cannot be read")
    assert not ghostscript.exists()
    with suppress(CalledProcessError), Image.open(path) as opened:
        opened.load()
    assert ghostscript.exists()  # the trap works


def test_a_pdf_is_no_image(tmp_path: Path, complaint: Callable[..., str]) -> None:
    path = save(tmp_path / "image.png", Image.fromarray(RGB), "PDF")
    assert complaint(DataError, open_rgb, path).startswith(f"an image cannot be read\n  where:    {path}\n")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_no_image(kind: str, tmp_path: Path, complaint: Callable[..., str]) -> None:
    """A reader would wait for ever for what comes out of a pipe."""
    path = tmp_path / "image.png"
    _ = os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    for image in (path, BorderedImage(path, 1)):
        said = complaint(DataError, open_rgb, image)
        says(said, where=path, found="it is a pipe or a device, expected a file")


def test_suffixes_are_those_that_pillow_has_for_the_formats() -> None:
    Image.init()
    theirs = {suffix for suffix, kind in Image.registered_extensions().items() if kind in (*FORMATS, "MPO")}
    assert theirs == SUFFIXES - {".jif"}
    assert not {"EPS", "PDF", "WMF", "PSD"} & set(FORMATS)


@dataclass(frozen=True)
class Packed:
    content: bytes

    def read(self) -> bytes:
        return self.content


def test_an_image_inside_a_larger_file() -> None:
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "PNG")
    np.testing.assert_array_equal(np.asarray(open_rgb(Packed(stream.getvalue()))), RGB)
    with open_image(Packed(stream.getvalue())) as opened:
        assert opened.size == (8, 8)


def test_a_library_opens_no_other_format_meanwhile(tmp_path: Path) -> None:
    """Ghostscript would be started by an EPS file, whatever it is called."""
    from PIL import UnidentifiedImageError

    from evalshift.testbed.image_files import only_these_formats

    Image.new("RGB", (4, 4)).save(tmp_path / "x.jpg", "EPS")
    Image.new("RGB", (4, 4)).save(tmp_path / "y.jpg", "PNG")
    with only_these_formats():
        with pytest.raises(UnidentifiedImageError):
            Image.open(tmp_path / "x.jpg")
        with Image.open(tmp_path / "y.jpg") as opened:
            assert opened.format == "PNG"
    with Image.open(tmp_path / "x.jpg") as opened:
        assert opened.format == "EPS"
