"""More kinds for tests/test_fuzz.py: what comes with downloads and code, and what an earlier command left.

Lists of several labels, ImageNet's, CIFAR's and CINIC-10's own formats, reviews of ImageNetV2, ONNX networks, modules
beside a builder, a checkout's .git, and records of work that goes on.
"""

import json
import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from formats import cifar10_archive, cifar10_batch, idx_bytes, image_bytes, npy_bytes, pixels, tar_bytes
from fuzzed_files import IDS, SHADES, Target, csv_of, parquet_bytes, with_suffixes
from pydantic import TypeAdapter

from evalshift.errors import EvalshiftError
from evalshift.evaluate.git_revision import git_revision
from evalshift.evaluate.importers.releases.labels import labels_of_json
from evalshift.evaluate.importers.releases.reviews import read_reviews
from evalshift.files import sha256_of
from evalshift.testbed.cinic10_synsets import read_synset_groups
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.code_files import modules_beside
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.datasets.imagenet_x import FACTORS, _annotations, _names
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.models import load_classifier
from evalshift.testbed.several_labels import aligned, read_label_lists
from evalshift.testbed.work_record import WorkRecord, refuse_other_settings

WNIDS = ClassSpace("wnids", ("tench", "goldfish", "shark"), ("n01440764", "n01443537", "n01484850"))
_DATASET: TypeAdapter[Any] = TypeAdapter(AnyDataset)
_MODEL: TypeAdapter[Any] = TypeAdapter(AnyModel)


def read_lists(path: Path) -> None:
    def read(other: Path) -> None:
        found = read_label_lists(other, SHADES)
        if found is not None:
            aligned(found, IDS, None, "here")

    with_suffixes(path, (".json", ".jsonl", ".parquet", ".csv", ".npy"), read)


def read_imagenet(path: Path) -> None:
    """The ground truth of the devkit, as text and in its archive."""
    images = path.parent / "images"
    if not images.is_dir():
        images.mkdir()
        for number in range(1, 4):
            (images / f"ILSVRC2012_val_{number:08}.JPEG").write_bytes(image_bytes())
    entry = {"source": "imagenet", "classes": "imagenet-1k", "path": str(images), "devkit": str(path)}
    load_dataset("old", _DATASET.validate_python(entry), WNIDS)


def read_imagenet_x(path: Path) -> None:
    for read in (_annotations, _names):
        with suppress(EvalshiftError):
            read(path, "here")


def read_release(path: Path) -> None:
    shutil.copy(path, path.parent / "set_review.json")
    for read in (lambda: read_reviews(path.parent, ["set"], WNIDS), lambda: labels_of_json(path, WNIDS)):
        with suppress(EvalshiftError):
            read()


def read_synsets(path: Path) -> None:
    read_synset_groups(path)


def read_pictures(path: Path) -> None:
    """As the archives that CIFAR-10, CINIC-10 and MNIST are downloaded in, and as batches side by side."""
    folder = path.parent / "batches"
    folder.mkdir(exist_ok=True)
    for name in ("test_batch", "val_data", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        shutil.copy(path, folder / name)
    for facts, place, space in (
        ({"source": "cifar10"}, path, "cifar10"),
        ({"source": "cifar10"}, folder, "cifar10"),
        ({"source": "cinic10", "portion": "cifar"}, path, "cifar10"),
        ({"source": "mnist"}, folder, "mnist"),
        ({"source": "imagenet-downsampled", "size": 32}, folder, "imagenet-1k"),
    ):
        entry = _DATASET.validate_python({**facts, "path": str(place), "classes": space})
        with suppress(EvalshiftError):
            load_dataset("old", entry, built_in(space))


def read_onnx(path: Path) -> None:
    entry = {"source": "onnx", "weights": [str(path)], "sha256": sha256_of(path), "classes": "shades", "preprocess": {}}
    load_classifier("m", _MODEL.validate_python(entry), SHADES)


def read_code(path: Path) -> None:
    """A builder's file, and one that it imports."""
    package = path.parent / "package"
    package.mkdir(exist_ok=True)
    builder = package / "builder.py"
    for name in ("builder.py", "near.py"):
        shutil.copy(path, package / name)
    later = builder.stat().st_mtime_ns + 1
    os.utime(builder, ns=(later, later))
    modules_beside(builder)


def read_checkout(path: Path) -> None:
    git = path.parent / "checkout" / ".git"
    git.mkdir(parents=True, exist_ok=True)
    for name in ("HEAD", "packed-refs", "commondir"):
        shutil.copy(path, git / name)
        found = git_revision(git.parent)
        assert found is None or len(found) in (40, 64)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
    worktree = path.parent / "worktree"
    worktree.mkdir(exist_ok=True)
    shutil.copy(path, worktree / ".git")
    git_revision(worktree)


def read_record(path: Path) -> None:
    folder = path.parent / "work"
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(b"")
    for name in ("made.json", "made.sha256"):
        shutil.copy(path, folder / name)
    with suppress(EvalshiftError):
        refuse_other_settings(folder, {"seed": 0, "images": 10})
    with WorkRecord(folder) as record:
        record.has(folder / "a.png")


@cache
def network_bytes() -> bytes:
    import onnx
    from onnx import TensorProto, helper

    shape = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 2, 2])]
    logits = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 4])]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [12, 4], np.arange(48.0) / 48)
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    graph = helper.make_graph(nodes, "network", shape, logits, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = onnx.ModelProto.SerializeToString(model)
    return content


CIFAR10 = built_in("cifar10").names
ANNOTATION = {"file_name": "ILSVRC2012_val_00000001.JPEG", "class": 1, **dict.fromkeys(FACTORS, 0)}
SOURCES: dict[str, Target] = {
    "several labels": (
        read_lists,
        lambda: [
            b"[[1, 2], [0], [], [3], [1], [2]]",
            json.dumps({one: [n % 4, 3] for n, one in enumerate(IDS)}).encode(),
            json.dumps({"id": IDS, "labels": [[0], [1, 2], [3], [], [0], [1]]}).encode(),
            "\n".join(json.dumps({"id": one, "real": [1, 2]}) for one in IDS).encode(),
            csv_of("id,labels", *(f'{one},"[1, 2]"' for one in IDS)),
            csv_of("id;labels", *(f"{one};1 2" for one in IDS)),
            npy_bytes(np.eye(6, 4, dtype=np.int64)),
            parquet_bytes(id=list(IDS), labels=[[0], [1, 2], [3], [], [0], [1]]),
        ],
    ),
    "imagenet": (
        read_imagenet,
        lambda: [
            b"490\n361\n171\n",
            tar_bytes({"ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"490\n361\n171\n"}),
        ],
    ),
    "imagenet-x": (
        read_imagenet_x,
        lambda: [
            "\n".join(json.dumps(ANNOTATION) for _ in range(3)).encode(),
            csv_of("file_name,class", "ILSVRC2012_val_00000001.JPEG,1", "ILSVRC2012_val_00000002.JPEG,2"),
        ],
    ),
    "release": (
        read_release,
        lambda: [
            json.dumps({name: {"reviewed": True, "problematic": False} for name in WNIDS.folders}).encode(),
            json.dumps({"image_filenames": [["a.jpg", "n01440764"], ["b.jpg", "n01484850"]]}).encode(),
        ],
    ),
    "synsets": (
        read_synsets,
        lambda: [
            csv_of("synset,class", *(f"n0000000{n},{name}" for n, name in enumerate(CIFAR10))),
            "\n".join(f"{name}\n----n0000000{n}: {name}" for n, name in enumerate(CIFAR10)).encode(),
        ],
    ),
    "pictures": (
        read_pictures,
        lambda: [
            cifar10_archive(cifar10_batch(pixels("cifar", 2, 32, 32, 3), [3, 8])),
            cifar10_batch(pixels("cifar", 1, 32, 32, 3), [3]),
            tar_bytes({"test/airplane/cifar10-test-1.png": image_bytes(size=(32, 32))}),
            idx_bytes(pixels("idx", 2, 28, 28))[:1000],
        ],
    ),
    "onnx": (read_onnx, lambda: [network_bytes()]),
    "code": (
        read_code,
        lambda: [
            b"import torch\nfrom . import near\nfrom .near import x as y\nimport near.z\n\ndef f(n):\n    import os\n",
            b"# -*- coding: latin-1 -*-\nfrom near import *\nclass A:\n    from .. import b\n",
        ],
    ),
    "checkout": (
        read_checkout,
        lambda: [
            b"ref: refs/heads/main\n",
            b"12fca82fa8ed1ca2b1ec5e8c6b0a0b3a9d9d9a5b\n",
            b"# pack-refs with: peeled sorted\n12fca82fa8ed1ca2b1ec5e8c6b0a0b3a9d9d9a5b refs/heads/main\n^a1\n",
            b"gitdir: ../checkout/.git\n",
        ],
    ),
    "record": (
        read_record,
        lambda: [
            json.dumps({"seed": 0, "images": 10}).encode(),
            b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.png\n" * 2,
        ],
    ),
}  # fmt: skip
