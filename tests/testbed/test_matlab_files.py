"""MATLAB files are read within limits, by a process whose end is not ours."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from evalshift.testbed.matlab_files import read_matrices


def test_matrices_in_the_order_of_their_names(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"a": np.arange(6).reshape(2, 3), "b": np.array([[0.5]]), "c": "text"})
    b, a = read_matrices(tmp_path / "x.mat", ["b", "a"])
    assert a.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert b.tolist() == [[0.5]]


def test_what_is_no_matrix_of_numbers(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"X": np.array([[1], ["a"]], dtype=object)})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        read_matrices(tmp_path / "x.mat", ["X"])
    with pytest.raises(ValueError, match='no "y" in it'):
        read_matrices(tmp_path / "x.mat", ["y"])


def test_a_small_file_that_grows_beyond_all_measure(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"X": np.zeros(200 << 20, np.uint8)}, do_compression=True)
    assert (tmp_path / "x.mat").stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="more than 104,857,600 bytes of memory needed"):
        read_matrices(tmp_path / "x.mat", ["X"], most_bytes=100 << 20)


def test_a_reader_that_does_not_end(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"X": np.zeros(3)})
    with pytest.raises(ValueError, match=r"not done after 0\.01 s"):
        read_matrices(tmp_path / "x.mat", ["X"], most_seconds=0.01)
