"""pairs.json of a results folder: the pairs that were run or imported, in the order of their first run."""

import json
from collections.abc import Sequence
from pathlib import Path

from evalshift.evaluate.store.schema import StoredPairs
from evalshift.evaluate.store.sealed_files import SCHEMA_VERSION, reading, refuse_newer
from evalshift.file_dependencies import depends_on
from evalshift.files import read_text, write_atomic


def read_pairs(path: Path) -> list[str]:
    """The pairs, "original:new"; empty where there is no such file. Raises StoreError where it is damaged."""
    depends_on(path)
    try:
        with reading(path, "delete it, and name the pairs with `pairs`"):
            written = json.loads(read_text(path))
            refuse_newer(written["schema_version"], path)
            return StoredPairs(**written).pairs
    except FileNotFoundError:
        return []


def write_pairs(pairs: Sequence[str], path: Path) -> None:
    """Write these pairs, in this order, atomically."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, "pairs": list(pairs)}, indent=1) + "\n"
    write_atomic(path, text.encode())
