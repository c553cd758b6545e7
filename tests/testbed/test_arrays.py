import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evalshift.errors import DataError
from evalshift.testbed.arrays import as_images, as_labels, load_array, unpickle_arrays

# A batch as Python 2 wrote it with cPickle, protocol 2, and NumPy 1: {"labels": [3, 8], "data": uint8 [[1, 255]]}.
# The strings are byte strings (U, T), the arrays' too, and NumPy's module has its old name.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x03K\x08eU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05"
    b"cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x01K\x02\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87R"
    b"q\t(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x01\xfftbu."
)


def runs(code: str, protocol: int = 2) -> bytes:
    """A pickle that runs `code` when it is read."""

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, (code,)

    return pickle.dumps({"data": Payload(), "labels": [1]}, protocol)


class TestUnpickle:
    def test_reads_what_python_2_wrote(self) -> None:
        content = unpickle_arrays(PYTHON_2, "batch")
        assert list(content) == ["labels", "data"]
        assert content["labels"] == [3, 8]
        np.testing.assert_array_equal(content["data"], np.array([[1, 255]], np.uint8), strict=True)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_reads_what_python_3_writes(self, protocol: int) -> None:
        data = np.arange(12, dtype=np.uint8).reshape(3, 4)
        if protocol == 5:  # NumPy then uses a function of its own, which is not let in
            with pytest.raises(DataError, match=r"_frombuffer, which images do not need"):
                unpickle_arrays(pickle.dumps({"data": data}, protocol), "batch")
            return
        content = unpickle_arrays(pickle.dumps({"data": data, "labels": [1, 2, 3]}, protocol), "batch")
        np.testing.assert_array_equal(content["data"], data, strict=True)
        assert content["labels"] == [1, 2, 3]

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_runs_nothing(self, tmp_path: Path, complaint: Callable[..., str], protocol: int) -> None:
        ran = tmp_path / "ran"
        raw = runs(f"import pathlib; pathlib.Path({str(ran)!r}).touch()", protocol)
        pickle.loads(raw)
        assert ran.exists()  # the trap works
        ran.unlink()
        asked = "builtins.exec" if protocol >= 3 else "__builtin__.exec"
        assert complaint(DataError, unpickle_arrays, raw, "dataset d, test_batch") == (
            "the batch cannot be read\n"
            "  where:    dataset d, test_batch\n"
            f"  found:    it asks for {asked}, which images do not need\n"
            "  expected: the official pickle of arrays\n"
            "  fix:      download it again"
        )
        assert not ran.exists()

    @pytest.mark.parametrize(
        "module, name",
        [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("numpy", "load"),
            ("numpy", "lib.format.read_array"),
            ("numpy.core.multiarray", "fromfile"),
            ("numpy._core.multiarray", "_reconstruct.__globals__"),
            ("numpy.testing._private.utils", "runstring"),
            ("_codecs", "lookup"),
        ],
    )
    def test_refuses_every_other_name(self, module: str, name: str) -> None:
        with pytest.raises(DataError) as caught:
            unpickle_arrays(f"c{module}\n{name}\n.".encode(), "batch")
        assert caught.value.found == f"it asks for {module}.{name}, which images do not need"

    def test_a_batch_that_ends_early(self) -> None:
        for length in range(len(PYTHON_2)):
            with pytest.raises(DataError, match=r"^the batch cannot be read\n"):
                unpickle_arrays(PYTHON_2[:length], "batch")

    @pytest.mark.parametrize(
        "raw",
        [
            b"<!DOCTYPE html><html></html>",
            PYTHON_2.replace(b"U\x02u1", b"U\x02u3"),  # no such type of numbers
            PYTHON_2.replace(b"U\x02\x01\xff", b"U\x01\xff"),  # fewer bytes than the shape says
            PYTHON_2.replace(b"ndarray", b"dtype"),
            b"c_codecs\nencode\n(U\x01aU\x02zztR.",  # no such encoding
        ],
    )
    def test_damaged_batches(self, raw: bytes) -> None:
        with pytest.raises(DataError, match=r"^the batch cannot be read\n  where:    batch\n  found:    \S"):
            unpickle_arrays(raw, "batch")

    def test_something_else_than_a_mapping_has_no_arrays(self) -> None:
        assert unpickle_arrays(pickle.dumps([1, 2]), "batch") == {}


class TestLoadArray:
    def test_maps_the_file(self, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
        np.save(tmp_path / "x.npy", array)
        loaded = load_array(tmp_path / "x.npy", "dataset d")
        assert isinstance(loaded, np.memmap)
        np.testing.assert_array_equal(loaded, array, strict=True)
        with pytest.raises(ValueError, match="read-only"):
            loaded[0] = 0

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_whatever_the_order_in_memory(self, tmp_path: Path, order: Any) -> None:
        array = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
        np.save(tmp_path / "x.npy", np.asarray(array, order=order))
        np.testing.assert_array_equal(load_array(tmp_path / "x.npy", "dataset d"), array, strict=True)

    def test_one_that_is_not_there(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        assert complaint(DataError, load_array, tmp_path / "x.npy", "dataset d") == (
            "a file is not there\n"
            "  where:    dataset d\n"
            f"  found:    {tmp_path / 'x.npy'}\n"
            "  expected: one array saved with np.save\n"
            "  fix:      paths are relative to the registry file"
        )

    @pytest.mark.parametrize(
        "content, found",
        [
            (b"", "EOF: reading magic string, expected 8 bytes got 0"),
            (
                b"<!DOCTYPE html><html>",
                r"the magic string is not correct; expected b'\x93NUMPY', got b'<!DOCT'",
            ),
        ],
    )
    def test_files_that_are_no_arrays(
        self, tmp_path: Path, complaint: Callable[..., str], content: bytes, found: str
    ) -> None:
        (tmp_path / "x.npy").write_bytes(content)
        assert complaint(DataError, load_array, tmp_path / "x.npy", "dataset d") == (
            "a file cannot be read\n"
            "  where:    dataset d\n"
            f"  found:    {tmp_path / 'x.npy'}: {found}\n"
            "  expected: one array saved with np.save"
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
        with pytest.raises(DataError, match=r"got b'PK"):
            load_array(tmp_path / "x.npz", "dataset d")
        (tmp_path / "x.npy").write_bytes(runs("raise SystemExit"))
        with pytest.raises(DataError, match="magic string"):
            load_array(tmp_path / "x.npy", "dataset d")
        np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
        with pytest.raises(DataError, match="Python objects in dtype"):
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
        "array, found, remedy",
        [
            (np.zeros((2, 3, 32, 32), np.uint8), "uint8, shape (2, 3, 32, 32)",
             "the channels stand first: save images.transpose(0, 2, 3, 1)"),
            (np.zeros((2, 1, 28, 28), np.uint8), "uint8, shape (2, 1, 28, 28)",
             "the channels stand first: save images.transpose(0, 2, 3, 1)"),
            (np.zeros((2, 32, 32, 3), np.float32), "float32, shape (2, 32, 32, 3)",
             "save the pixels as whole numbers from 0 to 255; the model's own preprocessing scales them"),
            (np.zeros((2, 32, 32, 3), np.int64), "int64, shape (2, 32, 32, 3)", None),
            (np.zeros((2, 32, 32, 4), np.uint8), "uint8, shape (2, 32, 32, 4)", None),
            (np.zeros((2, 3072), np.uint8), "uint8, shape (2, 3072)", None),
        ],
    )  # fmt: skip
    def test_what_are_none(
        self, complaint: Callable[..., str], array: np.ndarray, found: str, remedy: str | None
    ) -> None:
        assert complaint(DataError, as_images, array, "dataset d, images x.npy") == (
            "these are not images\n"
            "  where:    dataset d, images x.npy\n"
            f"  found:    {found}\n"
            "  expected: uint8, shape (n, height, width, channels) with 1 or 3 channels"
            + (f"\n  fix:      {remedy}" if remedy else "")
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
        "array, found, remedy",
        [
            (np.eye(10, dtype=int)[:4], "int64, shape (4, 10)", "a one-hot array becomes labels with .argmax(axis=1)"),
            # argmax of one column would be 0 for every image.
            (np.zeros((4, 1), np.int64), "int64, shape (4, 1)", "save labels.ravel()"),
            (np.zeros(4), "float64, shape (4,)", None),
            (np.zeros(4, bool), "bool, shape (4,)", None),
            (np.array(["cat", "dog"]), "<U3, shape (2,)", None),
            (np.zeros((), np.int64), "int64, shape ()", None),
        ],
    )  # fmt: skip
    def test_what_are_none(
        self, complaint: Callable[..., str], array: np.ndarray, found: str, remedy: str | None
    ) -> None:
        assert complaint(DataError, as_labels, array, "dataset d, labels y.npy") == (
            "these are not labels\n"
            "  where:    dataset d, labels y.npy\n"
            f"  found:    {found}\n"
            "  expected: whole numbers, shape (n,)" + (f"\n  fix:      {remedy}" if remedy else "")
        )


def test_the_batch_above_is_what_its_comment_says() -> None:
    """Python 3's own unpickler, told of the new name of NumPy's module, reads the same."""
    raw = PYTHON_2.replace(b"numpy.core.", b"numpy._core.") if np.__version__ >= "2" else PYTHON_2
    content = pickle.Unpickler(io.BytesIO(raw), encoding="latin1").load()
    assert content["labels"] == [3, 8]
    assert content["data"].tobytes() == struct.pack("BB", 1, 255)
