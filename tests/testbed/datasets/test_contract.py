"""What holds for every format of datasets: read, list, check, run, and a fingerprint that stays.

A new format needs a sample here: a function that writes files of its official form into a folder, and gives the entry
that reads them. Formats whose counts are asserted have samples of their true size, which are read when somebody asks
for it: pytest -m thorough.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commandline import run_here
from formats import (
    cifar10_archive,
    cifar10_batch,
    cifar100_batch,
    idx_bytes,
    image_bytes,
    pixels,
    put_image,
    python_2_pickle,
    tar_bytes,
)

from evalshift.errors import EvalshiftError
from evalshift.testbed.classes import CIFAR10, built_in
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.dataset_entry import DatasetEntry
from evalshift.testbed.datasets import fingerprint, format_of, load_dataset, source_checksum
from evalshift.testbed.datasets.cifar_batches import coarse_of
from evalshift.testbed.datasets.imagenet_x import FACTORS
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import dataset_state
from evalshift.testbed.verification import verify_dataset

Content = dict[str, Any]
Sample = Callable[[Path], Content]
KINDS: tuple[type[DatasetEntry], ...] = AnyDataset.__origin__.__args__  # pyright: ignore
SOURCES = [kind.model_fields["source"].annotation.__args__[0] for kind in KINDS]  # pyright: ignore
LABELS = np.array([2, 0, 1, 2])
LETTERS = {"classes": "letters"}
LAND = [
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop", "Residential",
    "River", "SeaLake",
]  # fmt: skip


def digits(root: Path) -> Content:
    return {"part": "new"}


def npy(root: Path) -> Content:
    np.save(root / "x.npy", pixels("npy", 4, 8, 8, 3))
    np.save(root / "y.npy", LABELS)
    return {"images": "x.npy", "labels": "y.npy", **LETTERS}


def folder(root: Path) -> Content:
    for place, label in enumerate(LABELS):
        put_image(root / "d" / "abc"[label] / f"{place}.png", str(place))
    return {"path": "d", **LETTERS}


def torchvision(root: Path) -> Content:
    for name in LAND:
        put_image(root / "d" / "eurosat" / "2750" / name / f"{name}_1.jpg", name)
    return {"path": "d", "dataset": "EuroSAT", "classes": "land"}


def cifar10(root: Path) -> Content:
    return archived(root, cifar10_archive(cifar10_batch(pixels("c", 4, 32, 32, 3), LABELS.tolist())))


def archived(root: Path, content: bytes) -> Content:
    (root / "official.tar.gz").write_bytes(content)
    return {"path": "official.tar.gz", "files": {"archive": hashed(root / "official.tar.gz")}}


def cifar10_1(root: Path) -> Content:
    (root / "d").mkdir()
    np.save(root / "d" / "cifar10.1_v6_data.npy", pixels("c", 4, 32, 32, 3))
    np.save(root / "d" / "cifar10.1_v6_labels.npy", LABELS.astype(np.int32))
    names = {"images": "cifar10.1_v6_data.npy", "labels": "cifar10.1_v6_labels.npy"}
    return {"path": "d", "version": "v6", "files": {role: hashed(root / "d" / name) for role, name in names.items()}}


def hashed(path: Path) -> Content:
    from evalshift.files import sha256_of

    return {"name": path.name, "sha256": sha256_of(path)}


def cifar10_2(root: Path) -> Content:
    np.savez(root / "cifar102_test.npz", images=pixels("c", 4, 32, 32, 3), labels=LABELS)
    return {"path": "cifar102_test.npz", "files": {"arrays": hashed(root / "cifar102_test.npz")}}


def cifar100(root: Path) -> Content:
    batch = cifar100_batch(pixels("c", 4, 32, 32, 3), LABELS.tolist(), coarse_of(LABELS).tolist())
    return archived(root, tar_bytes({"cifar-100-python/test": batch}))


def cifar_c(root: Path) -> Content:
    (root / "d").mkdir()
    images = np.lib.format.open_memmap(root / "d" / "fog.npy", "w+", np.uint8, (50_000, 32, 32, 3))
    images[20_000:20_010] = pixels("c", 10, 32, 32, 3)
    images.flush()
    np.save(root / "d" / "labels.npy", np.tile(np.arange(10_000) % 10, 5))
    return {"path": "d", "corruption": "fog", "severity": 3}


def cinic10(root: Path) -> Content:
    content = image_bytes("cinic", size=(32, 32))
    for label, name in enumerate(CIFAR10):
        (root / "d" / "test" / name).mkdir(parents=True)
        for number in range(1000):
            (root / "d" / "test" / name / f"cifar10-test-{1000 * label + number}.png").write_bytes(content)
    return {"path": "d", "portion": "cifar"}


def idx(count: int, stem: str, labels: str) -> Sample:
    def write(root: Path) -> Content:
        (root / "d").mkdir()
        (root / "d" / f"{stem}-images-idx3-ubyte").write_bytes(idx_bytes(pixels("idx", count, 28, 28)))
        (root / "d" / f"{stem}-labels-{labels}").write_bytes(idx_bytes(np.arange(count).astype(np.uint8) % 10))
        return {"path": "d"}

    return write


def svhn(root: Path) -> Content:
    from scipy.io import savemat

    matrices = {"X": pixels("svhn", 32, 32, 3, 4), "y": np.array([[10], [1], [2], [9]], np.uint8)}
    savemat(root / "test_32x32.mat", matrices)
    return {"path": "test_32x32.mat", "files": {"matrices": hashed(root / "test_32x32.mat")}}


def links(root: Path, names: list[str]) -> None:
    put_image(root / "one.jpeg")
    for name in names:
        (root / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(root / "one.jpeg", root / "d" / name)


def imagenet(root: Path) -> Content:
    wnids = built_in("imagenet-1k").folders
    links(root, [f"{wnids[n // 50]}/ILSVRC2012_val_{n + 1:08d}.JPEG" for n in range(50_000)])
    return {"path": "d"}


def imagenet_v2(root: Path) -> Content:
    links(root, [f"{label}/{number}.jpeg" for label in range(1000) for number in range(10)])
    return {"path": "d", "version": "matched-frequency"}


def class_archive(root: Path) -> Content:
    return {**folder(root), "count": 4}


def downsampled(root: Path) -> Content:
    content = {"data": pixels("small", 4, 3 * 16 * 16), "labels": [1, 2, 3, 1000]}
    (root / "val_data").write_bytes(python_2_pickle(content))
    return {"path": "val_data", "size": 16}


def label_list(root: Path) -> Content:
    for place in range(4):
        put_image(root / "d" / f"{place}.png", str(place))
    rows = "".join(f"{place}.png,{label},{2000 + place}\n" for place, label in enumerate(LABELS))
    (root / "d" / "labels.csv").write_text(f"filename,label,year\n{rows}")
    return {"labels": "d/labels.csv", "path": "d", **LETTERS}


def npz(root: Path) -> Content:
    np.savez(root / "medmnist.npz", test_images=pixels("npz", 4, 28, 28), test_labels=LABELS[:, None])
    return {"path": "medmnist.npz", **LETTERS}


def parquet(root: Path) -> Content:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": image_bytes(str(place)), "path": f"{place}.png"} for place in range(4)]
    (root / "d").mkdir()
    for part in range(2):
        rows = slice(2 * part, 2 * part + 2)
        table = pa.table({"image": images[rows], "label": LABELS[rows]})
        pq.write_table(table, root / "d" / f"test-{part:05d}-of-00002.parquet")
    return {"path": "d", **LETTERS}


def webdataset(root: Path) -> Content:
    (root / "d").mkdir()
    for shard in range(2):
        files: dict[str, bytes] = {}
        for place in (2 * shard, 2 * shard + 1):
            files |= {f"{place:06d}.png": image_bytes(str(place)), f"{place:06d}.cls": b"%d" % LABELS[place]}
        (root / "d" / f"test-{shard:06d}.tar").write_bytes(tar_bytes(files, "w"))
    return {"path": "d", **LETTERS}


def imagenet_x(root: Path) -> Content:
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in (1, 2)]
    rows = ({"file_name": name, "class": 0, **dict.fromkeys(FACTORS, 0)} for name in names)
    (root / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "shown.csv").write_text(f",file_name\n0,{names[1]}\n")
    return {**imagenet(root), "annotations": "x.jsonl", "prototypes": "shown.csv"}


def imagenet_hard(root: Path) -> Content:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": image_bytes(str(place)), "path": None} for place in range(4)]
    labels = [[int(label), 999] for label in LABELS]
    (root / "d").mkdir()
    pq.write_table(pa.table({"image": images, "label": labels}), root / "d" / "validation-00000-of-00001.parquet")
    return {"path": "d"}


def of_folders(content: Content, *names: str) -> Sample:
    """One image in each folder below the folder `d`."""

    def write(root: Path) -> Content:
        for name in names:
            put_image(root / "d" / name / f"{root.name}.png", name)
        return {"path": "d", **content}

    return write


def cue_conflict(root: Path) -> Content:
    for name in ("airplane1-bicycle2", "airplane3-knife1"):
        put_image(root / "d" / "airplane" / f"{name}.png", name)
    return {"path": "d", "experiment": "cue-conflict"}


SAMPLES: dict[str, Sample] = {
    "list": label_list,
    "npz": npz,
    "parquet": parquet,
    "webdataset": webdataset,
    "digits": digits,
    "npy": npy,
    "folder": folder,
    "torchvision": torchvision,
    "cifar10": cifar10,
    "cifar10.1": cifar10_1,
    "cifar10.2": cifar10_2,
    "cifar100": cifar100,
    "cifar-c": cifar_c,
    "cinic10": cinic10,
    "mnist": idx(4, "t10k", "idx1-ubyte"),
    "qmnist": idx(10_004, "qmnist-test", "idx2-int"),
    "fashion-mnist": idx(4, "t10k", "idx1-ubyte"),
    "svhn": svhn,
    "imagenet": imagenet,
    "imagenetv2": imagenet_v2,
    "class-archive": class_archive,
    "imagenet-downsampled": downsampled,
    "imagenet-x": imagenet_x,
    "imagenet-hard": imagenet_hard,
    "imagenet-c": of_folders({"corruption": "fog", "severity": 3}, "fog/3/n01440764", "fog/3/n01443537"),
    "imagenet-9": of_folders({"variation": "original"}, "original/val/00_dog", "original/val/08_fish"),
    "objectnet": of_folders({"border": 1}, "images/banana", "images/t-shirt"),
    "domainnet": of_folders({"domain": "sketch"}, "sketch/zebra", "sketch/clock"),
    "model-vs-human": cue_conflict,
}
LARGE = {"cifar-c", "cinic10", "imagenet", "imagenetv2", "imagenet-x"}
each_format = pytest.mark.parametrize(
    "source", [pytest.param(name, marks=pytest.mark.thorough if name in LARGE else ()) for name in SAMPLES]
)
# Any image, any label space: the first class is as good as any.
NETWORK = """
from torch import nn
import torch


class First(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, images):
        return 5 * torch.eye(self.classes)[torch.zeros(len(images), dtype=torch.long)]


def first(classes):
    return First(classes)
"""


@pytest.fixture
def registry(tmp_path: Path, cache: Path) -> Callable[[str, Content], Registry]:
    """A registry with the sample as `d`, and a model of its classes."""

    def write(source: str, content: Content) -> Registry:
        path = tmp_path / "registry.yaml"
        text: Content = {
            "classes": {"letters": ["a", "b", "c"], "land": LAND},
            "datasets": {"d": {"source": source, **content}},
        }
        path.write_text(yaml.safe_dump(text))
        known = load_registry(path)
        space = known.class_space(known.dataset("d").predicted_in)
        (tmp_path / "networks.py").write_text(NETWORK)
        text["models"] = {
            "first": {
                "source": "python",
                "function": "networks.py:first",
                "arguments": {"classes": len(space)},
                "classes": space.name,
                "preprocess": {"resize": [8, 8]},
            }
        }
        text["datasets"]["again"] = text["datasets"]["d"]
        text["pairs"] = ["d:again"]
        path.write_text(yaml.safe_dump(text))
        return load_registry(path)

    return write


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(SOURCES)
    assert all(
        callable(getattr(format_of(kind), name)) for kind in KINDS for name in ("read", "source_checksum", "state")
    )


@each_format
def test_a_sample_is_listed_read_and_checked(source: str, registry: Any, tmp_path: Path) -> None:
    known = registry(source, SAMPLES[source](tmp_path))
    entry = known.dataset("d")
    space = known.class_space(entry.classes)
    assert (dataset_state(entry).can_run, dataset_state(entry).words) == (True, "ready")
    one, other = load_dataset("d", entry, space), load_dataset("d", entry, space)
    assert (one.ids, one.labels.tolist()) == (other.ids, other.labels.tolist())
    assert fingerprint(one) == fingerprint(other)
    assert source_checksum(entry) == source_checksum(entry) is not None
    verified = verify_dataset("d", entry, space)
    assert (verified.images, verified.faults) == (len(one), ())
    listed = run_here("list", "datasets", "--registry", str(known.path))
    assert listed.code == 0


@each_format
def test_what_is_missing_is_said_and_refused(source: str, registry: Any, tmp_path: Path, complaint: Any) -> None:
    if source == "digits":
        return  # comes with a library
    content = SAMPLES[source](tmp_path)
    moved = {key: "gone" if key in ("path", "images") else value for key, value in content.items()}
    known = registry(source, moved)
    entry = known.dataset("d")
    state = dataset_state(entry)
    assert (state.can_run, state.words) == (False, "missing")
    assert "gone" in state.source
    assert source_checksum(entry) is None
    with pytest.raises(EvalshiftError) as caught:
        load_dataset("d", entry, known.class_space(entry.classes))
    assert "gone" in str(caught.value)
    faults = verify_dataset("d", entry, known.class_space(entry.classes)).faults
    assert len(faults) == 1


@each_format
def test_a_file_that_is_touched_is_another(source: str, registry: Any, tmp_path: Path) -> None:
    if source == "digits":
        return
    known = registry(source, SAMPLES[source](tmp_path))
    before = source_checksum(known.dataset("d"))
    own = {"registry.yaml", "networks.py"}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in own:
            os.utime(path, ns=(0, 0))
    assert source_checksum(known.dataset("d")) != before


@each_format
def test_a_model_runs_on_it(source: str, registry: Any, tmp_path: Path) -> None:
    known = registry(source, SAMPLES[source](tmp_path))
    entry = known.dataset("d")
    labels = load_dataset("d", entry, known.class_space(entry.classes)).labels
    done = run_here("run", "--registry", str(known.path), "--results", str(tmp_path / "results"), "--batch-size", "64")
    assert done.code == 0, done.err
    from evalshift.evaluate.store import Results

    predictions = Results(tmp_path / "results").load_predictions("d", "first")
    assert len(set(predictions.top[:, 0])) == 1
    assert len(predictions.top) == len(labels)
