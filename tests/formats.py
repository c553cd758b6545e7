"""Files of exactly the official formats, as tests need them: a few images where the originals hold thousands."""

import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(name: str, *shape: int) -> np.ndarray:
    return np.random.default_rng(list(name.encode())).integers(0, 256, shape).astype(np.uint8)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def image_bytes(seed: str = "image", kind: str = "PNG", size: tuple[int, int] = (6, 4)) -> bytes:
    """An image file of noise, as it lies on a disk."""
    stream = io.BytesIO()
    Image.fromarray(pixels(seed, *size, 3)).save(stream, kind)
    return stream.getvalue()


def put_image(path: Path, seed: str = "image", size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, *size, 3)).save(path)


class _Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 wrote its strings."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def _save_string(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        short = len(raw) < 256
        head = pickle.SHORT_BINSTRING + bytes([len(raw)]) if short else pickle.BINSTRING + struct.pack("<i", len(raw))
        self.write(head + raw)  # pyright: ignore[reportAttributeAccessIssue]
        self.memoize(text)  # pyright: ignore[reportAttributeAccessIssue]

    dispatch[str] = dispatch[bytes] = _save_string  # pyright: ignore


def python_2_pickle(content: object) -> bytes:
    stream = io.BytesIO()
    _Python2Pickler(stream, protocol=2).dump(content)
    # NumPy 2 moved the module.
    return stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def cifar10_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """A test_batch as the official archive holds it: one row per image, all of its red, then green, then blue."""
    return python_2_pickle(
        {
            "batch_label": "testing batch 1 of 1",
            "labels": labels,
            "data": images.transpose(0, 3, 1, 2).reshape(len(images), 3072),
            "filenames": [f"image_s_{number:06d}.png" for number in range(len(images))],
        }
    )


def cifar10_archive(batch: bytes, mode: str = "w:gz") -> bytes:
    """cifar-10-python.tar.gz with what is needed of it, its files in the official order."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as opened:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("cifar-10-batches-py")
        folder.type = tarfile.DIRTYPE
        opened.addfile(folder)
        for name, content in {"data_batch_4": b"not needed", "readme.html": b"<p>", "test_batch": batch}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return stream.getvalue()


# What to say of the archive that batches of a test's own come from: nothing is known of its files.
OWN_BATCHES = {"archive": {"name": "own.tar.gz", "sha256": "0" * 64}}


def cifar100_batch(images: np.ndarray, fine: list[int], coarse: list[int]) -> bytes:
    """A batch of CIFAR-100 as the official archive holds it."""
    return python_2_pickle(
        {
            "filenames": [f"image_s_{number:06d}.png" for number in range(len(images))],
            "batch_label": "testing batch 1 of 1",
            "fine_labels": fine,
            "coarse_labels": coarse,
            "data": images.transpose(0, 3, 1, 2).reshape(len(images), 3072),
        }
    )


def tar_bytes(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    """A tar archive of files by their names in it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as opened:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def python_2_npy(array: np.ndarray) -> bytes:
    """As Python 2 saved it where a size was a long: (2L, 3L). The header keeps its length."""
    body = npy_bytes(array)
    length = 10 + int.from_bytes(body[8:10], "little")
    sizes = ", ".join(f"{size}L" for size in array.shape)
    header = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': ({sizes},), }}"
    return body[:10] + header.encode().ljust(length - 11) + b"\n" + body[length:]


def idx_bytes(array: np.ndarray) -> bytes:
    """An idx file: two zero bytes, the type, the number of dimensions, their sizes, then the numbers, big-endian."""
    kind = {"uint8": 0x08, "int32": 0x0C}[array.dtype.name]
    head = struct.pack(">HBB", 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()
