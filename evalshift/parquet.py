"""Parquet files read and written in the calling thread, by Arrow's own files and buffers.

A thread of Arrow's pool that still holds a Python object when the interpreter ends aborts the process ("terminate
called without an active exception", exit code 134). So Arrow is given no Python file to read from, and no thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalshift.files import refuse_special


@contextmanager
def _invalid_as_such() -> Iterator[None]:
    """Damage makes Arrow ask for what it does not have, such as integers of three bits: a ValueError like any other."""
    try:
        yield
    except pa.ArrowException as error:
        if isinstance(error, ValueError):
            raise
        raise pa.ArrowInvalid(str(error)) from error


@contextmanager
def open_parquet(path: Path, *, checksums: bool = False) -> Iterator[pq.ParquetFile]:
    """One Parquet file, closed again in the end. What is read from it must be read with `use_threads=False`.

    checksums   verify the checksum of each page, where the file has them
    Raises FileNotFoundError, and OSError or pa.ArrowInvalid, a ValueError, for one that is damaged or is not Parquet.
    """
    refuse_special(path)
    # A file opened here is closed here; pq.read_table on a path would first look for a partitioned dataset.
    with _invalid_as_such(), pa.OSFile(str(path)) as stream:
        yield pq.ParquetFile(stream, pre_buffer=False, page_checksum_verification=checksums)


def read_table(path: Path, *, checksums: bool = False) -> pa.Table:
    """All rows and columns of one Parquet file, with its metadata. Takes and raises what `open_parquet` does."""
    with open_parquet(path, checksums=checksums) as opened:
        return with_valid_text(opened.read(use_threads=False))


def with_valid_text(table: pa.Table) -> pa.Table:
    """The table as it is; pa.ArrowException where text in it is not UTF-8, which only its first use would tell."""
    for column in table.columns:
        if not pa.types.is_primitive(column.type):
            column.validate(full=True)
    return table


def read_metadata(path: Path) -> dict[bytes, bytes]:
    """The key-value metadata of one Parquet file; its rows are not read. Raises what `open_parquet` does."""
    refuse_special(path)
    with _invalid_as_such(), pa.OSFile(str(path)) as stream:
        return pq.read_metadata(stream).metadata or {}


def table_bytes(table: pa.Table) -> bytes:
    """The table as a compressed Parquet file, with a checksum for each page."""
    stream = pa.BufferOutputStream()
    pq.write_table(table, stream, compression="zstd", write_page_checksum=True)
    return stream.getvalue().to_pybytes()


def as_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A column of numbers or flags without empty cells as an array, not to be written to.

    By DLPack: Arrow's own `to_numpy` imports pandas, which takes a quarter of a second.

    >>> as_numpy(pa.chunked_array([[1, 2], [3]])), as_numpy(pa.array([True, False]))
    (array([1, 2, 3]), array([ True, False]))
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_boolean(whole.type):
        return np.from_dlpack(pc.cast(whole, pa.uint8())).astype(bool)
    if whole.null_count or not (pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type)):
        # numpy would warn before it fails.
        raise pa.ArrowInvalid(f"found {whole.type} with {whole.null_count:,} empty cells; expected numbers")
    return np.from_dlpack(whole)
