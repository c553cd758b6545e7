import io
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says

from evalshift.errors import DataError
from evalshift.testbed.pickled_arrays import unpickle_arrays

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
        says(
            complaint(DataError, unpickle_arrays, raw, "dataset d, test_batch"),
            where="dataset d, test_batch",
            found=f"it asks for {asked}, which images do not need",
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

    @pytest.mark.parametrize(
        "bomb",
        [
            # {((…(1,), (1,)), …): None}, a key of 2^60 parts, which takes years to hash.
            b"\x80\x02}K\x01\x85" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60)) + b"Ns.",
            # A list of lists, of which NumPy would make an array.
            b"\x80\x02}(K\x00]q\x00" + b"".join(b"K%c](h\x00h\x00eq\x00" % n for n in range(1, 40)) + b"u.",
        ],
    )
    def test_what_would_never_end_is_refused(self, bomb: bytes) -> None:
        with pytest.raises(DataError, match=r"beyond all measure|a list of something else"):
            unpickle_arrays(bomb, "batch")

    def test_something_else_than_a_mapping_has_no_arrays(self) -> None:
        assert unpickle_arrays(pickle.dumps([1, 2]), "batch") == {}


def forged(dtype: bytes, state: bytes, raw: bytes) -> bytes:
    """{"data": an array of one number, of that dtype, over `raw`}, as a pickle."""
    return (
        b"\x80\x02}q\x00(U\x04datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01K\x01\x85cnumpy\ndtype\n(" + dtype + b"K\x00K\x01tR" + state + b"\x89"
        b"U" + bytes([len(raw)]) + raw + b"tbu."
    )


OBJECTS = forged(b"U\x02O8", b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb", b"A" * 8)


class TestForgedArrays:
    """NumPy believes a pickle: an array of objects over eight bytes is a pointer to wherever these say."""

    def test_an_array_of_objects_over_bytes_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"found:    an array of 'O8', and not of numbers"):
            unpickle_arrays(OBJECTS, "batch")

    def test_it_would_crash_python(self) -> None:
        """What the stand-ins are for: the names that were let in before are enough."""
        code = f"import io, pickle\nprint(pickle.Unpickler(io.BytesIO({OBJECTS!r}), encoding='latin1').load())"
        assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode != 0

    @pytest.mark.parametrize(
        "dtype, state",
        [
            (b"U\x02V8", b""),
            (b"U\x02S8", b""),
            (b"U\x02M8", b""),
            (b"U\x01O", b""),
            (b"U\x06object", b""),
            (b"K\x08", b""),
            (b"cnumpy\nndarray\n", b""),
            (b"U\x02u8", b"(K\x03U\x01|U\x02O8NNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"),  # a dtype inside
            (b"U\x02u8", b"(K\x03U\x01|N(U\x01atNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"),  # names of fields
            (b"U\x02u8", b"(K\x03U\x02O8NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"),  # no order of bytes
        ],
    )
    def test_other_types_than_numbers(self, dtype: bytes, state: bytes) -> None:
        with pytest.raises(DataError, match="the batch cannot be read"):
            unpickle_arrays(forged(dtype, state, b"A" * 8), "batch")

    def test_the_numbers_of_a_forged_array_are_what_its_bytes_say(self) -> None:
        content = unpickle_arrays(forged(b"U\x02u8", b"", b"\x01" + bytes(7)), "batch")
        np.testing.assert_array_equal(content["data"], np.array([1], np.uint64), strict=True)

    @pytest.mark.parametrize("name", ["numpy\nndarray", "numpy\ndtype", "_codecs\nencode"])
    @pytest.mark.parametrize("end", ["", "}U\x01aK\x01sb", "N}U\x01aK\x01s\x86b", ")\x81", ")R"])
    def test_the_stand_ins_cannot_be_changed_or_taken_away(self, name: str, end: str) -> None:
        raw = b"\x80\x02}U\x04datac" + name.encode() + b"\n" + end.encode("latin1") + b"s."
        with pytest.raises(DataError, match="the batch cannot be read"):
            unpickle_arrays(raw, "batch")

    @given(st.lists(st.sampled_from([bytes([code]) for code in range(256)]), max_size=40).map(b"".join))
    def test_any_bytes_are_read_or_refused(self, raw: bytes) -> None:
        try:
            content = unpickle_arrays(b"\x80\x02}U\x04data" + raw + b"s.", "batch")
        except DataError:
            return
        assert isinstance(content, dict)

    @given(st.integers(0, len(PYTHON_2) - 1), st.integers(0, 255))
    def test_a_flipped_byte_is_read_or_refused(self, place: int, value: int) -> None:
        raw = bytearray(PYTHON_2)
        raw[place] = value
        try:
            content = unpickle_arrays(bytes(raw), "batch")
        except DataError:
            return
        assert all(not isinstance(one, np.ndarray) or one.dtype.kind in "biuf" for one in content.values())


def test_the_batch_above_is_what_its_comment_says() -> None:
    """Python 3's own unpickler, told of the new name of NumPy's module, reads the same."""
    raw = PYTHON_2.replace(b"numpy.core.", b"numpy._core.") if np.__version__ >= "2" else PYTHON_2
    content = pickle.Unpickler(io.BytesIO(raw), encoding="latin1").load()
    assert content["labels"] == [3, 8]
    assert content["data"].tobytes() == struct.pack("BB", 1, 255)
