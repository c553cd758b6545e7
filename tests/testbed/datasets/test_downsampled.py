"""Downsampled ImageNet in both official formats, made here and read back; and the making of it."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import FileServer
from formats import pixels, put_image, sha256
from messages import says
from payload import Payload
from PIL import Image

from evalshift.errors import DataError, RegistryError, UsageError
from evalshift.testbed import downsampling
from evalshift.testbed.classes import built_in, devkit_order
from evalshift.testbed.datasets import Dataset, source_checksum
from evalshift.testbed.downsampling import FILTERS, Downsampled, downsample

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders

# The devkit's numbers of kit fox, sea snake and dumbbell, and what these are among the sorted wnids.
NUMBERS = [1, 490, 1000]
LABELS = [WNIDS.index(wnid) for wnid in ("n02119789", "n01751748", "n03255030")]


def rows_of(images: np.ndarray) -> np.ndarray:
    """One row per image: all of the red, then green, then blue."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def npz(images: np.ndarray, numbers: list[int], **more: Any) -> bytes:
    stream = io.BytesIO()
    arrays: dict[str, Any] = {"data": rows_of(images), "labels": np.array(numbers), **more}
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def pickled(images: np.ndarray, numbers: list[int]) -> bytes:
    """As the authors' scripts write them: Python 3's default pickle of an array, a list and the mean image."""
    mean = rows_of(images).mean(axis=0)
    return pickle.dumps({"data": rows_of(images), "labels": numbers, "mean": mean})


WRITERS: dict[str, Callable[[np.ndarray, list[int]], bytes]] = {".npz": npz, "": pickled}


class TestReading:
    def content(self, size: int = 32, **more: Any) -> Content:
        return {"source": "imagenet-downsampled", "size": size, "path": ".", **more}

    @pytest.mark.parametrize("suffix", WRITERS)
    @pytest.mark.parametrize("size", [16, 32, 64])
    def test_labels_from_1_in_the_devkits_order(self, load: Load, tmp_path: Path, suffix: str, size: int) -> None:
        images = pixels("downsampled", 3, size, size, 3)
        (tmp_path / f"val_data{suffix}").write_bytes(WRITERS[suffix](images, NUMBERS))
        dataset = load(self.content(size))
        np.testing.assert_array_equal(dataset.images, images, strict=True)
        assert dataset.labels.tolist() == LABELS
        assert LABELS[0] == 278  # kit fox: neither 1 nor 0

    @pytest.mark.parametrize("suffix", WRITERS)
    def test_training_batches_in_their_order(self, load: Load, entry: Any, tmp_path: Path, suffix: str) -> None:
        images = pixels("batches", 30, 8, 8, 3)
        (tmp_path / "train").mkdir()
        for number in range(10):
            part = images[3 * number : 3 * number + 3]
            name = f"train_data_batch_{number + 1}{suffix}"
            (tmp_path / "train" / name).write_bytes(WRITERS[suffix](part, NUMBERS))
        dataset = load(self.content(8, split="train"))
        np.testing.assert_array_equal(dataset.images, images, strict=True)
        assert dataset.labels.tolist() == LABELS * 10
        before = source_checksum(entry(self.content(8, split="train")))
        os.utime(tmp_path / "train" / f"train_data_batch_7{suffix}", ns=(0, 0))
        assert source_checksum(entry(self.content(8, split="train"))) not in (None, before)

    def test_a_batch_that_is_missing_in_the_middle(self, refused: Refused, tmp_path: Path) -> None:
        for number in (1, 2, 4):
            body = npz(pixels("b", 3, 8, 8, 3), NUMBERS)
            (tmp_path / f"train_data_batch_{number}.npz").write_bytes(body)
        says(
            refused(self.content(8, split="train")),
            where="dataset d, HERE",
            found="no train_data_batch_3.npz, and no train_data_batch_3",
        )

    def test_a_batch_alone(self, load: Load, entry: Any, tmp_path: Path) -> None:
        for name, write in (("mine.npz", npz), ("mine", pickled)):
            (tmp_path / name).write_bytes(write(pixels("alone", 3, 16, 16, 3), NUMBERS))
            assert load(self.content(16, path=name)).labels.tolist() == LABELS
            assert source_checksum(entry(self.content(16, path=name))) is not None

    def test_downloaded(self, load: Load, file_server: FileServer, cache: Path) -> None:
        """The archive is a zip file with the .npz in it, which is a zip file too."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("val_data.npz", npz(pixels("zip", 3, 32, 32, 3), NUMBERS))
        body = stream.getvalue()
        url = file_server.put("Imagenet32_val_npz.zip", body)
        files = {"archive": {"name": "Imagenet32_val_npz.zip", "urls": [url], "sha256": sha256(body)}}
        content = {"source": "imagenet-downsampled", "size": 32, "files": files}
        assert load(content).labels.tolist() == LABELS
        (cache.parent / "own.zip").write_bytes(body)
        assert load({**content, "path": "own.zip"}).labels.tolist() == LABELS
        assert len(file_server.requests) == 1

    def test_a_pickle_that_would_run_something(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "val_data").write_bytes(pickle.dumps({"data": Payload(tmp_path / "ran"), "labels": [1]}))
        says(
            refused(self.content()),
            where="dataset d, HERE/val_data",
            found=f"it asks for {os.mkdir.__module__}.mkdir, which images do not need",
        )
        assert not (tmp_path / "ran").exists()

    def test_another_size(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "val_data.npz").write_bytes(npz(pixels("size", 3, 16, 16, 3), NUMBERS))
        says(refused(self.content(32)), where="dataset d, HERE/val_data.npz", found="rows of shape (3, 768)")

    @pytest.mark.parametrize("number", [0, 1001])
    def test_labels_that_do_not_count_from_1(self, refused: Refused, tmp_path: Path, number: int) -> None:
        (tmp_path / "val_data.npz").write_bytes(npz(pixels("l", 2, 8, 8, 3), [1, number]))
        says(refused(self.content(8)), where="dataset d, HERE/val_data.npz", found=f"class {number} of 1 to 1000")

    def test_training_images_are_not_downloaded(self, entry: Any, complaint: Callable[..., str]) -> None:
        said = complaint(RegistryError, entry, {"source": "imagenet-downsampled", "size": 32, "split": "train"})
        assert said.startswith("the training images are not downloaded; set `path` to their folder\n")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Seven images of three classes, of different sizes and modes."""
    root = tmp_path / "images"
    for place, wnid in enumerate(("n02119789", "n01751748", "n03255030")):
        for number in range(2):
            put_image(root / wnid / f"{number}.png", f"{wnid}{number}", (40 + 9 * place, 70 - 8 * number))
    Image.fromarray(pixels("grey", 50, 33)).save(root / "n02119789" / "grey.png")
    return root


class TestMaking:
    @pytest.mark.parametrize("filter", FILTERS)
    def test_each_of_pillows_filters(self, photographs: Path, tmp_path: Path, filter: str) -> None:
        made = downsample(photographs, tmp_path / "small", 32, filter)
        assert made == Downsampled((tmp_path / "small/val_data.npz",), 7, 0)
        with np.load(tmp_path / "small/val_data.npz", allow_pickle=False) as batch:
            assert sorted(batch) == ["data", "labels"]
            data, labels = batch["data"], batch["labels"]
        # In the order of the dataset: by sorted wnid, then by name. The sea snake's wnid is the first.
        assert labels.tolist() == [490, 490, 1, 1, 1, 1000, 1000]
        assert (data.dtype, data.shape) == (np.uint8, (7, 3072))
        with Image.open(photographs / "n02119789/grey.png") as opened:
            by_pillow = opened.convert("RGB").resize((32, 32), getattr(Image.Resampling, filter.upper()))
        np.testing.assert_array_equal(data[4].reshape(3, 32, 32).transpose(1, 2, 0), np.asarray(by_pillow))

    def test_box_of_a_multiple_is_the_mean_of_blocks(self, tmp_path: Path) -> None:
        (tmp_path / "images" / WNIDS[0]).mkdir(parents=True)
        image = pixels("blocks", 8, 8, 3)
        Image.fromarray(image).save(tmp_path / "images" / WNIDS[0] / "1.png")
        downsample(tmp_path / "images", tmp_path, 2, "box")
        with np.load(tmp_path / "val_data.npz") as batch:
            small = batch["data"].reshape(3, 2, 2).transpose(1, 2, 0)
        by_hand = image.reshape(2, 4, 2, 4, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(small, by_hand, atol=1)  # rounded once down and once across

    def test_what_was_made_is_read_back(self, photographs: Path, tmp_path: Path, load: Load) -> None:
        downsample(photographs, tmp_path / "small", 16)
        dataset = load({"source": "imagenet-downsampled", "size": 16, "path": "small"})
        assert sorted(set(dataset.labels.tolist())) == sorted(LABELS)

    def test_a_training_set_is_shuffled_into_batches(self, photographs: Path, tmp_path: Path, load: Load) -> None:
        made = downsample(photographs, tmp_path / "a", 8, split="train", batches=3, seed=5)
        assert [path.name for path in made.files] == [f"train_data_batch_{number}.npz" for number in (1, 2, 3)]
        one = load({"source": "imagenet-downsampled", "size": 8, "path": "a", "split": "train"})
        downsample(photographs, tmp_path / "v", 8)
        other = load({"source": "imagenet-downsampled", "size": 8, "path": "v"})
        pairs = [
            sorted((int(label), np.asarray(image).tobytes()) for label, image in zip(s.labels, s.images, strict=True))
            for s in (one, other)
        ]
        assert pairs[0] == pairs[1]
        assert one.labels.tolist() != other.labels.tolist()
        with np.load(tmp_path / "a/train_data_batch_1.npz") as first, np.load(tmp_path / "v/val_data.npz") as whole:
            np.testing.assert_allclose(first["mean"], whole["data"].mean(axis=0))  # of all of them, in every file
            assert "mean" not in whole
        # The authors' validation images have the mean image of the training images.
        beside = downsample(photographs, tmp_path / "a", 8)
        named = downsample(photographs, tmp_path / "w", 8, mean=tmp_path / "a/train_data_batch_2.npz")
        assert [one.mean_from for one in (beside, named)] == [
            tmp_path / f"a/train_data_batch_{number}.npz" for number in (1, 2)
        ]
        for one in (beside, named):
            with np.load(one.files[0]) as batch, np.load(made.files[2]) as training:
                assert np.array_equal(batch["mean"], training["mean"])
        with pytest.raises(DataError, match="no mean image of this size"):
            downsample(photographs, tmp_path / "b", 16, mean=made.files[0])
        (tmp_path / "pickled").write_bytes(pickled(np.zeros((1, 8, 8, 3), np.uint8), [1]))
        assert downsample(photographs, tmp_path / "p", 8, mean=tmp_path / "pickled").mean_from is not None

    def test_stopped_it_goes_on_where_it_was(
        self, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downsampling, "PART", 2)
        whole = downsample(photographs, tmp_path / "whole", 16, workers=1)
        done: list[int] = []
        real = downsampling.small

        def stop_after_five(image: Path, size: int, filter: str) -> np.ndarray:
            if len(done) == 5:
                raise KeyboardInterrupt
            done.append(1)
            return real(image, size, filter)

        monkeypatch.setattr(downsampling, "small", stop_after_five)
        with pytest.raises(KeyboardInterrupt):
            downsample(photographs, tmp_path / "small", 16, workers=1)
        assert not (tmp_path / "small/val_data.npz").exists()
        again: list[str] = []
        monkeypatch.setattr(downsampling, "small", lambda *asked: again.append(asked[0].name) or real(*asked))
        made = downsample(photographs, tmp_path / "small", 16, workers=1)
        assert (made.found_ready, len(again)) == (4, 3)
        assert made.files[0].read_bytes() == whole.files[0].read_bytes()
        assert [path.name for path in (tmp_path / "small").iterdir()] == ["val_data.npz"]

    @pytest.mark.parametrize("change", ["size", "filter", "image", "damage"])
    def test_parts_of_other_work_are_not_taken(
        self, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        monkeypatch.setattr(downsampling, "PART", 2)
        with monkeypatch.context() as patched:
            patched.setattr(downsampling, "_batches", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                downsample(photographs, tmp_path / "small", 16)
        parts = sorted((tmp_path / "small").rglob("*.npz"))
        assert len(parts) == 4
        if change == "image":
            os.utime(photographs / "n02119789/grey.png", ns=(0, 0))
        if change == "damage":
            parts[0].write_bytes(parts[0].read_bytes()[:-100])
        size, filter = (8 if change == "size" else 16), ("lanczos" if change == "filter" else "box")
        assert downsample(photographs, tmp_path / "small", size, filter).found_ready == (5 if change == "damage" else 0)

    def test_workers_make_no_difference(self, photographs: Path, tmp_path: Path) -> None:
        told: list[int] = []
        one = downsample(photographs, tmp_path / "one", 32, workers=1, advance=told.append)
        four = downsample(photographs, tmp_path / "four", 32, workers=4)
        assert one.files[0].read_bytes() == four.files[0].read_bytes()
        assert sum(told) == 7

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"filter": "bix"},
             ('Pillow has no filter "bix"\n  expected: nearest, box, bilinear, hamming, bicubic, lanczos\n'
              '  fix:      did you mean "box"?')),
            ({"size": 0},
             "invalid image size\n  found:    0\n  expected: 1 to 1024, such as 16, 32 or 64"),
            ({"split": "test"}, 'there is no split "test"\n  expected: val, train'),
            ({"batches": 2}, "the val split has other batches\n  found:    2\n  expected: 1"),
            ({"split": "train", "batches": 11},
             "the train split has other batches\n  found:    11\n  expected: 1 to 10"),
            ({"split": "train", "batches": 8},
             "there are fewer images than batches\n  found:    7 images, 8 batches"),
        ],
    )  # fmt: skip
    def test_options_that_cannot_be(
        self, photographs: Path, tmp_path: Path, options: Any, message: str, complaint: Callable[..., str]
    ) -> None:
        assert complaint(UsageError, lambda: downsample(photographs, tmp_path / "x", **options)) == message
        assert not (tmp_path / "x").exists()

    def test_a_file_that_is_no_image(self, photographs: Path, tmp_path: Path, complaint: Callable[..., str]) -> None:
        (photographs / "n02119789/grey.png").write_bytes(b"noise")
        said = complaint(DataError, downsample, photographs, tmp_path / "x")
        assert said.startswith(f"an image cannot be read\n  where:    {photographs / 'n02119789/grey.png'}\n")

    def test_a_folder_that_is_none(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        says(complaint(DataError, downsample, tmp_path / "nowhere", tmp_path), where=tmp_path / "nowhere")

    def test_real_photographs(self, tmp_path: Path, load: Load, real_data: Callable[[str], Path]) -> None:
        photographs = real_data("imagenet-samples")
        few = tmp_path / "few"
        few.mkdir()
        chosen = sorted(path.name for path in photographs.iterdir())[:20]
        for wnid in chosen:
            (few / wnid).symlink_to(photographs / wnid)
        downsample(few, tmp_path / "small", 64, "box")
        dataset = load({"source": "imagenet-downsampled", "size": 64, "path": "small"})
        assert dataset.labels.tolist() == [WNIDS.index(wnid) for wnid in chosen]
        assert isinstance(dataset.images, np.ndarray)
        with Image.open(next((photographs / chosen[3]).iterdir())) as opened:
            by_pillow = np.asarray(opened.convert("RGB").resize((64, 64), Image.Resampling.BOX))
        np.testing.assert_array_equal(dataset.images[3], by_pillow)


def test_the_devkits_order_is_a_permutation() -> None:
    assert sorted(devkit_order()) == list(range(1000))
