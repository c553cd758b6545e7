"""Parquet files are read without threads and without Python's own files: both have aborted a process at its end."""

import ast
import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evalshift
from evalshift.parquet import read_metadata, read_table, table_bytes


@pytest.fixture
def written(tmp_path: Path) -> Path:
    columns = {f"column {number}": np.arange(20_000) + number for number in range(40)}
    table = pa.table({"id": [f"image {number}" for number in range(20_000)], **columns})
    path = tmp_path / "many columns.parquet"
    path.write_bytes(table_bytes(table.replace_schema_metadata({"what": "numbers"})))
    return path


def test_a_table_comes_back_with_its_metadata(written: Path) -> None:
    table = read_table(written, checksums=True)
    assert table["id"][7].as_py() == "image 7"
    assert table["column 3"].to_pylist()[:2] == [3, 4]
    assert read_metadata(written)[b"what"] == table.schema.metadata[b"what"] == b"numbers"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    for read in (read_table, read_metadata):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none.parquet")


def test_a_type_that_arrow_does_not_have_is_damage(tmp_path: Path) -> None:
    """Arrow raises NotImplementedError for it."""
    path = tmp_path / "three bits.parquet"
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int64())}), path)
    schema = pq.read_metadata(path).metadata[b"ARROW:schema"]
    damaged = base64.b64decode(schema).replace((64).to_bytes(4, "little"), (3).to_bytes(4, "little"))
    path.write_bytes(path.read_bytes().replace(schema, base64.b64encode(damaged)))
    with pytest.raises(ValueError, match="Integers with less than 8 bits"):
        read_table(path)


def test_a_file_can_be_replaced_while_its_table_is_in_use(written: Path) -> None:
    table = read_table(written)
    written.write_bytes(b"")
    assert table["column 0"].to_pylist()[-1] == 19_999


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_reading_starts_no_thread(written: Path, tmp_path: Path) -> None:
    images = tmp_path / "images.parquet"
    columns = {f"column {number}": [1, 2] for number in range(40)}
    images.write_bytes(table_bytes(pa.table({"image": [b"first", b"second"], "label": ["a", "b"], **columns})))
    code = """
import os, sys
from pathlib import Path
from evalshift.parquet import read_metadata, read_table
from evalshift.evaluate.importers.table_files import read_accuracy_table
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.own_dataset_entries import ParquetDataset
from evalshift.testbed.datasets import parquet
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
read_table(Path(sys.argv[1]), checksums=True), read_metadata(Path(sys.argv[1])), read_accuracy_table(Path(sys.argv[1]))
entry = ParquetDataset(source="parquet", path=Path(sys.argv[2]), classes="ab")
parquet.read(entry, ClassSpace("ab", ("a", "b")), "dataset").images[1].read()
print(threads() - before)
import pyarrow.parquet as pq
pq.ParquetFile(sys.argv[1]).read()
print(threads() - before > 0)
"""
    # Arrow takes the size of its pool from this variable.
    environment = os.environ | {"OMP_NUM_THREADS": "4"}
    found = subprocess.check_output([sys.executable, "-c", code, written, images], env=environment, text=True)
    assert found == "0\nTrue\n"


def _calls(path: Path) -> Iterator[str]:
    """Names that are called, those of a module or object (pq.read_table) without it, others with brackets: name()."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else f"{node.func.id}()"


def test_nothing_else_in_the_package_opens_parquet_files() -> None:
    package = Path(evalshift.__file__).parent
    openers = {"ParquetFile", "ParquetDataset", "read_parquet", "to_parquet", "write_table", "read_feather"}
    openers |= {f"{name}()" for name in openers - {"ParquetDataset"}}  # an entry of the registry is called so too
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if openers & set(_calls(path))}
    assert found == {"parquet.py"}
