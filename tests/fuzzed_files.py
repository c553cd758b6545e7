"""Files that users bring beside models and test sets, for tests/test_fuzz.py: what reads each kind, and whole ones.

Tables of candidates, decisions, attributes and labels; groups of classes; test sets in files of their own; options;
and what evalshift itself keeps in folders that others can write to. Each MATLAB file is read by a process of its own,
so that fewer of them are tried.
"""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from formats import image_bytes, npy_bytes, tar_bytes
from pydantic import TypeAdapter
from scipy.io import savemat

from evalshift.analysis.report.publication import _reports
from evalshift.console.config_file import read_config
from evalshift.errors import EvalshiftError
from evalshift.evaluate.at_work import notes
from evalshift.evaluate.decoded_file import read_entry
from evalshift.evaluate.importers.label_files import read_labels
from evalshift.evaluate.nothing_to_do import stored_output
from evalshift.testbed.candidate_sampling import read_candidates, sample
from evalshift.testbed.cinic10_making import _read_contributors
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.corrected_labels import read_corrected_labels
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import fingerprint, load_dataset
from evalshift.testbed.datasets.attributes import read_attributes
from evalshift.testbed.duplicates import read_decisions
from evalshift.testbed.group_files import read_group_file, read_kept_file
from evalshift.testbed.views import ViewFault, view_of_groups, view_of_part

IDS = tuple(f"image-{number}" for number in range(6))
SHADES = ClassSpace("shades", ("black", "grey", "light", "white"))
_DATASET: TypeAdapter[Any] = TypeAdapter(AnyDataset)
Target = tuple[Callable[[Path], None], Callable[[], list[bytes]]]


def with_suffixes(path: Path, suffixes: tuple[str, ...], read: Callable[[Path], object]) -> None:
    """Read a file under several names: readers go by the suffix."""
    for suffix in suffixes:
        other = path.with_suffix(suffix)
        shutil.copy(path, other)
        with suppress(EvalshiftError):
            read(other)


def read_pool(path: Path) -> None:
    candidates = read_candidates(path)
    for strategy in ("matched", "threshold", "top"):
        with suppress(EvalshiftError):
            sample(candidates, strategy, 2, reference=candidates)


def read_review(path: Path) -> None:
    _ = read_decisions(path, IDS, "old", IDS).duplicates


def read_corrected(path: Path) -> None:
    with_suffixes(
        path,
        (".json", ".jsonl", ".csv", ".txt", ".parquet", ".npy"),
        lambda other: read_corrected_labels(other, SHADES),
    )


def read_facts_of_images(path: Path) -> None:
    read_attributes(path, IDS, "here")


def read_label_file(path: Path) -> None:
    with_suffixes(
        path,
        (".csv", ".json", ".npy", ".txt", ".parquet"),
        lambda other: read_labels(other, ClassNames(SHADES.names), 6),
    )


def read_groups(path: Path) -> None:
    """As a registry does, which makes an error of its own of a ViewFault."""
    for read in (
        lambda: view_of_groups("v", SHADES, read_group_file(path, SHADES, None)),
        lambda: view_of_part("v", SHADES, read_kept_file(path)),
    ):
        with suppress(ViewFault, EvalshiftError):
            read()
    shutil.copy(path, path.with_suffix(".json"))
    with suppress(ViewFault, EvalshiftError):
        view_of_part("v", SHADES, read_kept_file(path.with_suffix(".json")))


def read_dataset(file: Path, suffix: str, entry: Callable[[str], dict[str, Any]]) -> None:
    """A test set in a file, all of its images too."""
    other = file.with_suffix(suffix)
    shutil.copy(file, other)
    fingerprint(load_dataset("old", _DATASET.validate_python({"classes": "shades", **entry(str(other))}), SHADES))


def read_list(path: Path) -> None:
    folder = path.parent / "images"
    if not folder.is_dir():
        folder.mkdir()
        for name in IDS:
            (folder / f"{name}.png").write_bytes(image_bytes(name))
    read_dataset(path, ".csv", lambda labels: {"source": "list", "labels": labels, "path": str(folder)})


def one_file(source: str, suffix: str) -> Callable[[Path], None]:
    return partial(read_dataset, suffix=suffix, entry=lambda path: {"source": source, "path": path})


def read_svhn(path: Path) -> None:
    """Images of SVHN have 32 × 32 pixels; `read` itself does not mind smaller ones."""
    read_dataset(path, ".mat", lambda file: {"source": "svhn", "path": file, "classes": "svhn"})


def read_options(path: Path) -> None:
    read_config(path, {"batch-size": ("batch_size", False), "pair": ("pairs", True), "models": ("models", True)})


def read_kept(path: Path) -> None:
    """What evalshift keeps in folders that others can write to, and may find damaged."""
    results = path.parent / "kept"
    (results / ".at-work").mkdir(parents=True, exist_ok=True)
    (results / "site" / "one").mkdir(parents=True, exist_ok=True)
    for place in (results / ".at-work" / "m.json", results / ".nothing-to-do", results / "cached"):
        shutil.copy(path, place)
    notes(results)
    stored_output(results, "key")
    read_entry(results / "cached")
    shutil.copy(path, results / "site" / "one" / "evalshift.json")
    for read in (lambda: _reports(results / "site"), lambda: _read_contributors(path)):
        with suppress(EvalshiftError):
            read()


def parquet_bytes(**columns: list[object]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@cache
def parquet_images() -> bytes:
    stream = io.BytesIO()
    images = [{"bytes": image_bytes(name), "path": f"{name}.png"} for name in IDS]
    table = pa.table({"image": images, "label": [number % 4 for number in range(6)], "split": ["a"] * 6})
    pq.write_table(table, stream, compression="none")
    return stream.getvalue()


def svhn_file(packed: bool) -> bytes:
    stream = io.BytesIO()
    images = np.arange(6 * 12, dtype=np.uint8).reshape(2, 2, 3, 6)
    savemat(stream, {"X": images, "y": np.array([[1], [2], [3], [4], [9], [10]], np.uint8)}, do_compression=packed)
    return stream.getvalue()


def web_shard() -> bytes:
    return tar_bytes({f"{name}.{kind}": content for name in IDS for kind, content in
                      (("png", image_bytes(name)), ("cls", b"2"), ("json", b'{"label": 2}'))}, "w")  # fmt: skip


def csv_of(header: str, *rows: str) -> bytes:
    return "\n".join((header, *rows, "")).encode()


TARGETS: dict[str, Target] = {
    "candidates": (
        read_pool,
        lambda: [
            csv_of("image,class,frequency", *(f"{one},black,0.{n}" for n, one in enumerate(IDS))),
            csv_of("image,class,selected,shown", *(f"{one},grey,{n},10" for n, one in enumerate(IDS))),
        ],
    ),
    "decisions": (
        read_review,
        lambda: [
            csv_of("image,duplicate,neighbour", "image-0,yes,image-3", "image-1,no,", "image-2,yes,image-4"),
            csv_of("TestID,TrainID,Judgment", "0,3,0", "1,4,2"),
        ],
    ),
    "corrected": (
        read_corrected,
        lambda: [
            b"[[1, 2], [], [0], null, 3, -1]",
            json.dumps({one: [n % 4] for n, one in enumerate(IDS)}).encode(),
            "\n".join(json.dumps({"id": one, "corrected_label": "black"}) for one in IDS).encode(),
            csv_of("image,label,corrected_label", *(f'{one},1,"[1, 2]"' for one in IDS)),
            csv_of("1", "2;3", "-1", "black", "", "[0]"),
            npy_bytes(np.array([[1, -1], [2, 3], [0, -1]])),
        ],
    ),
    "attributes": (
        read_facts_of_images,
        lambda: [
            csv_of("image,keyword,year", *(f"{one},tabby cat,20{n}0" for n, one in enumerate(IDS))),
            csv_of("image\tselected\tshown", *(f"{one}\t{n}\t10" for n, one in enumerate(IDS))),
            json.dumps([{"id": one, "camera": None, "selection_frequency": 0.5} for one in IDS]).encode(),
        ],
    ),
    "labels": (
        read_label_file,
        lambda: [
            csv_of("image,label", *(f"{one},{n % 4}" for n, one in enumerate(IDS))),
            csv_of("black", "white", "grey", "1", "2", "3"),
            npy_bytes(np.arange(6) % 4),
            json.dumps(dict.fromkeys(IDS, "white")).encode(),
        ],
    ),
    "groups": (
        read_groups,
        lambda: [
            b'{"0": 1, "1": -1, "2": 0, "white": null}',
            b'{"dark": ["black", "grey"], "bright": "light; white", "other": [2]}',
            b'[0, 0, 1, 1]',
            b"black\n# a comment\nwhite\n2\n",
            b'["black", 2, "2-3"]',
        ],
    ),
    "list": (
        read_list,
        lambda: [
            csv_of("file,label", *(f"{one}.png,{n % 4}" for n, one in enumerate(IDS))),
            csv_of(*(f"images/{one}.png black" for one in IDS)),
            "\n".join(json.dumps({"path": f"{one}.png", "label": 2, "year": 1999}) for one in IDS).encode(),
        ],
    ),
    "parquet images": (one_file("parquet", ".parquet"), lambda: [parquet_images()]),
    "webdataset": (one_file("webdataset", ".tar"), lambda: [web_shard()]),
    "matlab": (read_svhn, lambda: [svhn_file(packed=False), svhn_file(packed=True)]),
    "options": (read_options, lambda: [b"pair: [old:new]\nmodels: ['a*', b]\nbatch-size: 32\n"]),
    "kept": (
        read_kept,
        lambda: [
            json.dumps({"model": "m", "identity": "ab", "process": 1, "host": "h", "ended": None, "tries": 0}).encode(),
            json.dumps({"key": "key", "output": "nothing", "files": {"/tmp": None}}).encode(),
            json.dumps({"format": 1, "dataset": "d", "shape": [6, 8, 8, 3], "geometry": [8, 8]}).encode().ljust(4096),
            json.dumps({"title": "T", "finding": "F", "created": "2026-01-01"}).encode(),
            csv_of("synset,image_num,cinic_set,class", "n01440764,12,test,cat", "n01440764,13,train,dog"),
        ],
    ),
}  # fmt: skip
