"""torchvision's datasets in their official layouts: USPS in packed lines, EuroSAT in folders, GTSRB with its table."""

import bz2
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from formats import idx_bytes, image_bytes, pixels, put_image
from messages import says
from payload import Payload
from PIL import Image
from torchvision import datasets

from evalshift.errors import DataError, RegistryError
from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, fingerprint, load_dataset, source_checksum
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.small_image_entries import FashionMnistDataset
from evalshift.testbed.state import dataset_state

Content = dict[str, Any]
LAND = (
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop", "Residential",
    "River", "SeaLake",
)  # fmt: skip


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    """Reads an entry of a registry that declares these classes."""

    def read(content: Content, classes: tuple[str, ...] | None = None) -> Dataset:
        text: Content = {"datasets": {"d": {"source": "torchvision", "classes": "mnist", **content}}}
        if classes:
            text["classes"] = {"own": list(classes)}
            text["datasets"]["d"]["classes"] = "own"
        (tmp_path / "registry.yaml").write_text(yaml.safe_dump(text))
        registry = load_registry(tmp_path / "registry.yaml")
        entry = registry.dataset("d")
        assert dataset_state(entry).can_run == (tmp_path / content["path"]).exists()
        return load_dataset("d", entry, registry.class_space(entry.classes))

    return read


@pytest.fixture
def refused(load: Callable[..., Dataset], complaint: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    return lambda *words: complaint(DataError, load, *words).replace(str(tmp_path), "HERE")


@pytest.fixture
def usps(tmp_path: Path) -> np.ndarray:
    """usps.t.bz2: one line per image, its label from 1, then 256 numbered values from -1 to 1; gives the images."""
    images = pixels("usps", 12, 16, 16)
    lines = []
    for position, image in enumerate(images):
        # As many digits as bring the same byte back.
        values = (f"{place + 1}:{value:.7f}" for place, value in enumerate((image.ravel() + 0.5) / 127.5 - 1))
        lines.append(f"{position % 10 + 1} {' '.join(values)}\n")
    (tmp_path / "usps").mkdir()
    (tmp_path / "usps/usps.t.bz2").write_bytes(bz2.compress("".join(lines).encode()))
    return images


@pytest.fixture
def eurosat(tmp_path: Path) -> Path:
    for name in LAND:
        for number in (1, 2, 10):
            put_image(tmp_path / f"land/eurosat/2750/{name}/{name}_{number}.jpg", f"{name}{number}", size=(64, 64))
    return tmp_path / "land/eurosat/2750"


USPS = {"dataset": "USPS", "path": "usps", "arguments": {"train": False}}


def test_arrays_of_one_size(load: Callable[..., Dataset], usps: np.ndarray) -> None:
    dataset = load(USPS)
    assert isinstance(dataset.images, np.ndarray)
    np.testing.assert_array_equal(dataset.images, usps[..., None], strict=True)
    assert dataset.labels.tolist() == [*range(10), 0, 1]
    assert dataset.ids[0] == "00"


def test_the_same_files_read_by_our_own_reader(load: Callable[..., Dataset], tmp_path: Path) -> None:
    raw = tmp_path / "clothes/FashionMNIST/raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(pixels(part, 20, 28, 28)))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(20, dtype=np.uint8) % 10))
    clothes = {"dataset": "FashionMNIST", "path": "clothes", "classes": "fashion-mnist"}
    for split in ("train", "test"):
        theirs = load({**clothes, "arguments": {"train": split == "train"}})
        ours = FashionMnistDataset(source="fashion-mnist", path=raw, split=split)
        assert fingerprint(theirs) == fingerprint(load_dataset("d", ours, built_in("fashion-mnist")))


def test_files_stay_files(load: Callable[..., Dataset], eurosat: Path, tmp_path: Path) -> None:
    """Nothing is decoded before a model asks for it, and the predictions are those of torchvision's own order."""
    dataset = load({"dataset": "EuroSAT", "path": "land"}, LAND)
    theirs = datasets.EuroSAT(str(tmp_path / "land"))
    assert list(map(str, dataset.images)) == [path for path, _ in theirs.samples]
    assert dataset.labels.tolist() == theirs.targets
    assert dataset.ids[0] == "eurosat/2750/AnnualCrop/AnnualCrop_1.jpg"


def test_a_source_checksum_tells_whether_a_file_was_touched(
    load: Callable[..., Dataset], eurosat: Path, tmp_path: Path
) -> None:
    before = fingerprint(load({"dataset": "EuroSAT", "path": "land"}, LAND))
    entry = load_registry(tmp_path / "registry.yaml").dataset("d")
    mark = source_checksum(entry)
    assert mark is not None
    (eurosat / "River/River_1.jpg").write_bytes(image_bytes("other", "JPEG", size=(64, 64)))
    assert source_checksum(entry) != mark
    assert fingerprint(load({"dataset": "EuroSAT", "path": "land"}, LAND)) != before


@pytest.mark.parametrize(
    "classes, found",
    [
        (("Forest", "AnnualCrop", *LAND[2:]), "10 classes of own: Forest, AnnualCrop, HerbaceousVegetation, …"),
        (LAND[1:], "9 classes of own: Forest, HerbaceousVegetation, Highway, …"),
    ],
)
def test_trap_1_classes_in_another_order(
    refused: Callable[..., str], eurosat: Path, classes: tuple[str, ...], found: str
) -> None:
    says(refused({"dataset": "EuroSAT", "path": "land"}, classes), where="dataset d, HERE/land", found=found)


def test_classes_may_have_other_names(load: Callable[..., Dataset], eurosat: Path) -> None:
    assert load({"dataset": "EuroSAT", "path": "land"}, tuple("abcdefghij")).labels.max() == 9


class TestRefusals:
    def test_what_is_not_there_is_not_downloaded(self, refused: Callable[..., str], tmp_path: Path) -> None:
        (tmp_path / "land").mkdir()
        says(
            refused({"dataset": "EuroSAT", "path": "land"}, LAND),
            where="dataset d, HERE/land",
            found="RuntimeError: Dataset not found. You can use download=True to download it",
        )
        assert list((tmp_path / "land").iterdir()) == []

    def test_another_argument(self, refused: Callable[..., str], usps: np.ndarray) -> None:
        found = refused({**USPS, "arguments": {"split": "test"}})
        assert "unexpected keyword argument 'split'" in found
        assert "  expected: its files below path; arguments: train\n" in found

    @pytest.mark.parametrize("name, fix", [("usps", 'did you mean "USPS"?'), ("Xyzzy", None)])
    def test_a_name_that_torchvision_does_not_know(
        self, refused: Callable[..., str], usps: np.ndarray, name: str, fix: str | None
    ) -> None:
        assert refused({**USPS, "dataset": name}) == (
            "torchvision has no such dataset\n"
            "  where:    dataset d, HERE/usps\n"
            f"  found:    {name}\n"
            "  expected: a class of torchvision.datasets, such as USPS" + (f"\n  fix:      {fix}" if fix else "")
        )

    @pytest.mark.parametrize("argument", ["download", "root", "transform"])
    def test_arguments_that_are_ours(self, load: Callable[..., Dataset], usps: np.ndarray, argument: str) -> None:
        with pytest.raises(RegistryError) as caught:
            load({**USPS, "arguments": {argument: True}})
        assert f"arguments: {argument} cannot be set in an entry; `path` is its root\n" in str(caught.value)

    def test_sizes_that_differ_without_files(self, refused: Callable[..., str], signs: Path) -> None:
        put_image(signs / "00001.ppm", size=(30, 30))
        says(refused(SIGNS), where="dataset d, HERE/signs", found="2 sizes")

    def test_more_than_a_label(self, refused: Callable[..., str], tmp_path: Path) -> None:
        """Kitti's targets are boxes."""
        (tmp_path / "cars/Kitti/raw/testing/image_2").mkdir(parents=True)
        put_image(tmp_path / "cars/Kitti/raw/testing/image_2/0.png")
        found = refused({"dataset": "Kitti", "path": "cars", "arguments": {"train": False}})
        assert found.startswith(
            "torchvision's Kitti is not a classification dataset\n  where:    dataset d, HERE/cars\n"
        )


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    """GTSRB's test set of two images, which torchvision opens itself."""
    folder = tmp_path / "signs/gtsrb"
    for number in range(2):
        put_image(folder / f"GTSRB/Final_Test/Images/{number:05d}.ppm", size=(20, 20))
    (folder / "GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;1\n00001.ppm;0\n")
    return folder / "GTSRB/Final_Test/Images"


SIGNS = {"dataset": "GTSRB", "path": "signs", "arguments": {"split": "test"}}


def test_torchvision_opens_no_image_of_another_format(
    load: Callable[..., Dataset], refused: Callable[..., str], signs: Path
) -> None:
    """Pillow would start Ghostscript for an EPS file."""
    assert len(load(SIGNS)) == 2
    Image.new("RGB", (20, 20)).save(signs / "00001.ppm", "EPS")
    assert "UnidentifiedImageError: cannot identify image file" in refused(SIGNS)


@pytest.mark.parametrize("place", ["00001.ppm", "../../../GT-final_test.csv"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_torchvision_waits_for_no_pipe(refused: Callable[..., str], signs: Path, place: str, kind: str) -> None:
    (signs / place).unlink()
    _ = os.mkfifo(signs / place) if kind == "pipe" else (signs / place).symlink_to("/dev/zero")
    path = str(Path(os.path.normpath(signs / place)).relative_to(signs.parents[4]))
    says(refused(SIGNS), where=f"dataset d, HERE/{path}", found="a pipe or a device")


@pytest.mark.parametrize("name", ["CIFAR10", "MNIST"])
def test_pickles_of_others_are_not_run(refused: Callable[..., str], tmp_path: Path, name: str) -> None:
    """A batch that is not the published one; tensors as torchvision saved them until 0.4."""
    ran, batch = tmp_path / "ran", tmp_path / "cifar-10-batches-py/test_batch"
    batch.parent.mkdir()
    for file in (batch, batch.with_name("batches.meta")):
        file.write_bytes(pickle.dumps(Payload(ran)))
    tensors = tmp_path / "MNIST/processed/test.pt"
    tensors.parent.mkdir(parents=True)
    for file in (tensors, tensors.with_name("training.pt")):
        torch.save(Payload(ran), file)
    refused({"dataset": name, "path": ".", "arguments": {"train": False}})
    assert not ran.exists()
    _ = pickle.loads(batch.read_bytes()) if name == "CIFAR10" else torch.load(tensors, weights_only=False)
    assert ran.exists()  # the trap works


@pytest.mark.parametrize("name", ["LSUN", "LSUNClass"])
def test_one_that_would_unpickle_is_not_opened(refused: Callable[..., str], tmp_path: Path, name: str) -> None:
    assert refused({"dataset": name, "path": "."}).startswith(
        f"torchvision's {name} unpickles a file of its folder, which could run anything\n"
    )
