"""One file of a results folder: rows and facts in Parquet, sealed by checksums, and read strictly.

A file that somebody damaged, edited or put under another name is refused with its reason: its numbers would be wrong
without a word. Checksums show accidents, not forgery: whoever rewrites a file can renew them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pydantic import ValidationError

from evalshift.errors import NewerResultsError, StoreError
from evalshift.file_faults import file_fault
from evalshift.files import write_atomic
from evalshift.parquet import as_numpy, read_metadata, read_table, table_bytes

# What changed with each version:
# 5   2026-11  `rows_sha256` and `facts_sha256` in each Parquet file; logits end with the checksum of their predictions;
#              `corrected` and `picture` in a dataset, `threads` in a provenance, which readers of this version may pass
#              over, and files of it may lack
# 4   2026-11  `source_checksum` in a dataset's metadata; before, it was called `stamp`, and is still read so;
#              superclasses of a dataset's classes
# 3   2026-11  datasets: several labels per image, rows of images that are left out; their view, also of counts
# 2   2026-11  imports: `imported` in the provenance, null for what only a run knows; prob may be missing; counts/
# 1   2026-11  the first
SCHEMA_VERSION = 5

# Prefix of evalshift's metadata keys; pyarrow and pandas store their own next to them.
_PREFIX = "evalshift."
_compute: Any = pyarrow.compute  # whose functions are made at run time
# Keys of earlier schemas and their present names.
_RENAMED = {"stamp": "source_checksum"}
# sha256 of all rows, and of all metadata, including the first. Files of earlier schemas have neither.
_OF_ROWS, OF_FACTS = "rows_sha256", "facts_sha256"
_SEALED_SINCE = 5


def seal(table: pa.Table, facts: Mapping[str, Any]) -> tuple[bytes, str]:
    """A file of these rows and facts, with a checksum over each; and the one over the facts, which covers both."""
    sealed = dict(facts) | {"schema_version": SCHEMA_VERSION, _OF_ROWS: rows_sha256(table)}
    metadata = {f"{_PREFIX}{key}".encode(): json.dumps(value, sort_keys=True).encode() for key, value in sealed.items()}
    checksum = _facts_sha256(metadata)
    metadata[f"{_PREFIX}{OF_FACTS}".encode()] = json.dumps(checksum).encode()
    return table_bytes(table.replace_schema_metadata(metadata)), checksum


def write_sealed(table: pa.Table, facts: Mapping[str, Any], path: Path) -> None:
    """Write such a file atomically."""
    write_atomic(path, seal(table, facts)[0])


def read_facts(path: Path) -> dict[str, Any]:
    """The facts of a file without its rows. Raises what `reading` turns into StoreError, and FileNotFoundError."""
    return _decode(read_metadata(path), path)


def read_sealed(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The rows and facts of a file; raises as `read_facts` does."""
    table = read_table(path, checksums=True)
    facts = _decode(table.schema.metadata or {}, path)
    if _OF_ROWS in facts and facts[_OF_ROWS] != rows_sha256(table):
        raise ValueError("its rows do not match their checksum")
    return table, facts


def rows_sha256(table: pa.Table) -> str:
    """Checksum over the names, types and values of all columns, however they are cut into chunks and compressed."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name].combine_chunks()
        digest.update(f"{name}\0{type_name(column.type)}\0{len(column)}\0".encode())
        _add(digest, column)
    return digest.hexdigest()


def type_name(kind: pa.DataType) -> str:
    """The name of a type of columns. Parquet calls what is in lists otherwise than Arrow does; here all is one.

    >>> type_name(pa.list_(pa.int64())), type_name(pa.list_(pa.int32(), 5))
    ('list<int64>', 'list<int32>[5]')
    """
    if pa.types.is_fixed_size_list(kind):
        return f"list<{kind.value_type}>[{kind.list_size}]"
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _add(digest: Any, column: pa.Array) -> None:
    digest.update(np.packbits(as_numpy(column.is_valid())).tobytes())
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        _add(digest, _filled(_compute.list_value_length(column), 0))
        _add(digest, column.flatten())
    elif pa.types.is_string(column.type):
        filled = _filled(column, "")
        _add(digest, _compute.binary_length(filled))
        digest.update(_letters(filled))
    else:
        digest.update(as_numpy(_filled(column, 0)).tobytes())


def _letters(column: pa.Array) -> memoryview:
    """All texts of a column joined, in UTF-8, as Arrow holds them."""
    _, offsets, letters = column.buffers()
    if letters is None or not len(column):
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]]
    return memoryview(letters)[ends[0] : ends[1]]


def _filled(column: pa.Array, value: Any) -> pa.Array:
    # Making a scalar of Arrow imports pandas, which most files can do without.
    return _compute.fill_null(column, value) if column.null_count else column


def _facts_sha256(metadata: Mapping[bytes, bytes]) -> str:
    digest = hashlib.sha256()
    for key in sorted(metadata):
        if key != f"{_PREFIX}{OF_FACTS}".encode():
            digest.update(key + b"\0" + metadata[key] + b"\0")
    return digest.hexdigest()


def _decode(metadata: Mapping[bytes, bytes], path: Path) -> dict[str, Any]:
    prefix = _PREFIX.encode()
    own = {key: value for key, value in metadata.items() if key.startswith(prefix)}
    written = {key[len(prefix) :].decode(): json.loads(value) for key, value in own.items()}
    if "schema_version" not in written:
        raise StoreError(
            "a file in the results folder was not written by evalshift",
            where=path,
            found="no evalshift.schema_version in its metadata",
            fix="move it away",
        )
    refuse_newer(written["schema_version"], path)
    if OF_FACTS in written or _OF_ROWS in written or written["schema_version"] >= _SEALED_SINCE:
        missing = [key for key in (OF_FACTS, _OF_ROWS) if key not in written]
        if missing:
            raise ValueError(f"no {missing[0]} in its metadata")
        if written[OF_FACTS] != _facts_sha256(own):
            raise ValueError("its metadata do not match their checksum")
    return {_RENAMED.get(key, key): value for key, value in written.items()}


def refuse_newer(version: Any, path: Path) -> None:
    """Raise NewerResultsError for a file of a later schema, which must be neither read nor overwritten."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"schema version {version}")
    if version > SCHEMA_VERSION:
        raise NewerResultsError(
            "these results were written by a newer evalshift",
            where=path,
            found=f"schema version {version}",
            expected=f"at most {SCHEMA_VERSION}",
            fix="upgrade evalshift, or choose another folder with `results`; nothing here was changed",
        )


@contextmanager
def reading(
    path: Path, fix: str = "delete it and run `evalshift run` again: only this file is redone"
) -> Iterator[None]:
    """Turn every failure to read and parse a stored file into a StoreError: it is not as evalshift wrote it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (
        OSError,
        pa.ArrowException,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        OverflowError,
        MemoryError,
    ) as error:
        raise StoreError(
            "a stored file cannot be read",
            where=path,
            found=_fault(error),
            expected="a file written by evalshift",
            fix=fix,
        ) from error


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if not first["loc"]:  # what the whole lacks, in our own words
            return first["msg"].removeprefix("Value error, ")
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            return f'no "{place}" in it'
        return f"{place}: {first['msg'].removeprefix('Value error, ').replace('Input should be', 'not')}"
    return file_fault(error)
