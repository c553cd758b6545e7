import pickle
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import python_2_npy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from messages import says

from evalshift.errors import DataError
from evalshift.testbed.arrays import as_images, as_labels, load_array, load_npz


class TestLoadArray:
    def test_maps_the_file(self, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
        np.save(tmp_path / "x.npy", array)
        loaded = load_array(tmp_path / "x.npy", "dataset d")
        assert isinstance(loaded, np.memmap)
        np.testing.assert_array_equal(loaded, array, strict=True)
        with pytest.raises(ValueError, match="read-only"):
            loaded[0] = 0

    def test_arrays_that_python_2_saved(self, tmp_path: Path) -> None:
        """NumPy warns of their headers; nobody needs to do anything about them."""
        array = np.arange(6, dtype=np.uint8).reshape(2, 3)
        (tmp_path / "x.npy").write_bytes(python_2_npy(array))
        np.testing.assert_array_equal(load_array(tmp_path / "x.npy", "dataset d"), array, strict=True)
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("images.npy", python_2_npy(array))
        np.testing.assert_array_equal(load_npz(tmp_path / "x.npz", ("images",), "dataset d")[0], array, strict=True)

    def test_damaged_headers_are_errors_of_the_data(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(list(b"headers"))
        np.save(tmp_path / "x.npy", np.zeros((2, 3, 4), np.uint8))
        whole = (tmp_path / "x.npy").read_bytes()
        # NumPy parses the header as Python: a bracket too few raised a TokenError of the tokenizer.
        for position in rng.integers(10, 128, 300).tolist():
            damaged = bytearray(whole)
            damaged[position] = int(rng.choice(list(b"(){}[]',:0 <")))
            (tmp_path / "x.npy").write_bytes(damaged)
            with suppress(DataError), warnings.catch_warnings(action="ignore"):
                load_array(tmp_path / "x.npy", "dataset d")

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_whatever_the_order_in_memory(self, tmp_path: Path, order: Any) -> None:
        array = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
        np.save(tmp_path / "x.npy", np.asarray(array, order=order))
        np.testing.assert_array_equal(load_array(tmp_path / "x.npy", "dataset d"), array, strict=True)

    def test_one_that_is_not_there(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        says(
            complaint(DataError, load_array, tmp_path / "x.npy", "dataset d"),
            where="dataset d",
            found=tmp_path / "x.npy",
        )

    @pytest.mark.parametrize(
        "content, found",
        [
            (b"", "a file that ends too early"),
            (
                b"<!DOCTYPE html><html>",
                "not a NumPy file: it begins with <!DOCT",
            ),
        ],
    )
    def test_files_that_are_no_arrays(
        self, tmp_path: Path, complaint: Callable[..., str], content: bytes, found: str
    ) -> None:
        (tmp_path / "x.npy").write_bytes(content)
        says(
            complaint(DataError, load_array, tmp_path / "x.npy", "dataset d"),
            where="dataset d",
            found=f"{tmp_path / 'x.npy'}: {found}",
        )

    def test_a_file_that_ends_early(self, tmp_path: Path) -> None:
        np.save(tmp_path / "whole.npy", np.zeros((4, 2, 2, 3), np.uint8))
        whole = (tmp_path / "whole.npy").read_bytes()
        for length in (10, 60, len(whole) - 1):
            (tmp_path / "x.npy").write_bytes(whole[:length])
            with pytest.raises(DataError, match=r"^a file cannot be read\n"):
                load_array(tmp_path / "x.npy", "dataset d")

    def test_archives_of_arrays_and_pickles_are_not_opened(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", images=np.zeros(3))
        with pytest.raises(DataError, match="a zip archive, such as an npz file"):
            load_array(tmp_path / "x.npz", "dataset d")
        (tmp_path / "x.npy").write_bytes(pickle.dumps({"data": [1]}))
        with pytest.raises(DataError, match="not a NumPy file"):
            load_array(tmp_path / "x.npy", "dataset d")
        np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
        with pytest.raises(DataError, match="an array of Python objects"):
            load_array(tmp_path / "objects.npy", "dataset d")

    def test_a_folder_is_no_array(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"^a file cannot be read\n"):
            load_array(tmp_path, "dataset d")


class TestImages:
    def test_colour_and_grey(self) -> None:
        colour, grey = np.zeros((2, 4, 5, 3), np.uint8), np.zeros((2, 4, 5), np.uint8)
        assert as_images(colour, "d") is colour
        assert as_images(grey, "d").shape == (2, 4, 5, 1)
        assert np.shares_memory(as_images(grey, "d"), grey)

    @pytest.mark.parametrize(
        "array, found, fix",
        [
            (np.zeros((2, 3, 32, 32), np.uint8), "uint8, shape (2, 3, 32, 32)",
             "the channels stand first: save images.transpose(0, 2, 3, 1)"),
            (np.zeros((2, 1, 28, 28), np.uint8), "uint8, shape (2, 1, 28, 28)",
             "the channels stand first: save images.transpose(0, 2, 3, 1)"),
            (np.zeros((2, 32, 32, 3), np.float32), "float32, shape (2, 32, 32, 3)",
             "save the pixels as whole numbers from 0 to 255; the model's own preprocessing scales them"),
            (np.zeros((2, 32, 32, 3), np.int64), "int64, shape (2, 32, 32, 3)",
             "save values from 0 to 255 with .astype(numpy.uint8); others must be scaled to this range first"),
            (np.zeros((2, 32, 32, 4), np.uint8), "uint8, shape (2, 32, 32, 4)",
             "save the colours without the fourth channel: images[..., :3] where it is opacity"),
            (np.zeros((32, 32, 3, 2), np.uint8), "uint8, shape (32, 32, 3, 2)",
             "the images stand last, as in MATLAB's files: save images.transpose(3, 0, 1, 2)"),
            (np.zeros((2, 3072), np.uint8), "uint8, shape (2, 3072)",
             "each image is one row of numbers: save images.reshape(n, height, width, channels), in this order"),
            (np.zeros((2, 3, 4, 5, 3), np.uint8), "uint8, shape (2, 3, 4, 5, 3)", None),
        ],
    )  # fmt: skip
    def test_what_are_none(self, complaint: Callable[..., str], array: np.ndarray, found: str, fix: str | None) -> None:
        assert complaint(DataError, as_images, array, "dataset d, images x.npy") == (
            "these are not images\n"
            "  where:    dataset d, images x.npy\n"
            f"  found:    {found}\n"
            "  expected: uint8, shape (n, height, width, channels) with 1 or 3 channels"
            + (f"\n  fix:      {fix}" if fix else "")
        )


class TestLabels:
    @given(
        hnp.arrays(
            hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(sizes=(8, 16, 32)), 5, elements=st.integers(0, 99)
        )
    )
    def test_whole_numbers_of_any_width_and_byte_order(self, array: np.ndarray) -> None:
        labels = as_labels(array, "d")
        assert labels.dtype == np.int64
        assert labels.tolist() == array.tolist()

    @pytest.mark.parametrize(
        "array, found, fix",
        [
            (np.eye(10, dtype=int)[:4], "int64, shape (4, 10)", "a one-hot array becomes labels with .argmax(axis=1)"),
            # argmax of one column would be 0 for every image.
            (np.zeros((4, 1), np.int64), "int64, shape (4, 1)", "save labels.ravel()"),
            (np.zeros(4), "float64, shape (4,)", "save labels.astype(int), if they are whole"),
            (np.zeros(4, bool), "bool, shape (4,)", None),
            (np.array(["cat", "dog"]), "<U3, shape (2,)", None),
            (np.zeros((), np.int64), "int64, shape ()", None),
        ],
    )  # fmt: skip
    def test_what_are_none(self, complaint: Callable[..., str], array: np.ndarray, found: str, fix: str | None) -> None:
        assert complaint(DataError, as_labels, array, "dataset d, labels y.npy") == (
            "these are not labels\n"
            "  where:    dataset d, labels y.npy\n"
            f"  found:    {found}\n"
            "  expected: whole numbers, shape (n,)" + (f"\n  fix:      {fix}" if fix else "")
        )
