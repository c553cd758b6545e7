"""What is wrong with a file is said in words that a reader can act on, whatever its library raises."""

import csv
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evalshift.file_faults import file_fault


def npy(array: np.ndarray, cut: int | None = None) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()[:cut]


def load(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)


def npz() -> Any:
    stream = io.BytesIO()
    np.savez(stream, x=[1])
    return np.load(io.BytesIO(stream.getvalue()))


GZIP = gzip.compress(bytes(1000))
DAMAGED: list[tuple[Callable[[], Any], str]] = [
    (lambda: {}["labels"], 'no "labels" in it'),
    (lambda: b"Gr\xfc\xdfe".decode("utf-8"), "the byte 0xfc at position 2, which is not UTF-8"),
    (lambda: json.loads(""), "an empty file"),
    (lambda: json.loads("\n<html>"), "text that is not JSON"),
    (lambda: json.loads('{"a": 1\n "b"}'), "invalid JSON: expecting ',' delimiter at line 2, column 2"),
    (lambda: json.loads("{}\n{}"), "invalid JSON: extra data at line 2, column 1"),
    (lambda: json.loads("[]")["pairs"], "content of another structure"),
    (lambda: json.loads("null").items(), "content of another structure"),
    (lambda: len(json.loads("1")), "content of another structure"),
    (lambda: dict(zip("ab", [1], strict=True)), "zip() argument 2 is shorter than argument 1"),
    (lambda: [one for one, _ in json.loads("[[1, 2, 3]]")], "entries of another length"),
    (lambda: [1][3], "fewer entries than it refers to"),
    (lambda: int("n0175"), "'n0175', which is no whole number"),
    (lambda: np.array(["1", "x"], dtype=np.int64), "'x', which is no whole number"),
    (lambda: np.array(["9" * 30], dtype=np.int64), "a number that is too large"),
    (lambda: float("1,5"), "'1,5', which is no number"),
    (lambda: np.array([[1], [1, 2]], dtype=float), "lists of different lengths"),
    (lambda: struct.unpack(">I", b"\0"), "a file that ends too early"),
    (lambda: gzip.decompress(GZIP[:20]), "a file that ends too early"),
    (lambda: gzip.decompress(b"no gzip"), "damaged compressed data"),
    (lambda: zlib.decompress(b"no zlib"), "damaged compressed data"),
    (lambda: lzma.decompress(b"no lzma at all"), "damaged compressed data"),
    (lambda: tarfile.open(fileobj=io.BytesIO(b"no tar")), "no tar archive, or a damaged one"),  # noqa: SIM115
    (lambda: zipfile.ZipFile(io.BytesIO(b"no zip")), "File is not a zip file"),
    (lambda: load(b""), "a file that ends too early"),
    (lambda: load(b"<!DOCTYPE html>"), "a pickle, or not a NumPy file"),
    (lambda: load(pickle.dumps([1])), "a pickle, or not a NumPy file"),
    (lambda: load(npy(np.array([{}]))), "an array of Python objects, not of numbers or text"),
    (lambda: load(npy(np.zeros(10), 20)), "a file that ends too early"),
    (lambda: load(npy(np.zeros(10), 150)), "a file that ends too early"),
    (lambda: np.lib.format.read_array(io.BytesIO(b"no array")), "not a NumPy file: it begins with no arr"),
    (lambda: np.lib.format.read_array(io.BytesIO(b"PK\x03\x04....")), "a zip archive, such as an npz file"),
    (lambda: np.lib.format.read_array(io.BytesIO(b"\x89PNG....")), "not a NumPy file"),
    (lambda: npz()["y"], 'no "y" in it'),
    (lambda: np.zeros(5).reshape(2, 3), "5 numbers, which do not fill the shape (2,3)"),
    (lambda: next(csv.reader(["a" * 200_000])), "field larger than field limit (131072)"),
]


@pytest.mark.parametrize("read, words", DAMAGED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_is_told_in_words(read: Callable[[], Any], words: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  readers raise what they like
        read()
    assert file_fault(caught.value) == words
