from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import pixels, put_image
from PIL import Image

from evalshift.errors import DataError, UsageError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.pixels import pixel_statistics


def dataset(images: Any) -> Dataset:
    count = len(images)
    ids = tuple(map(str, range(count)))
    return Dataset("d", ClassSpace("two", ("a", "b")), ids, np.zeros(count, np.int64), images)


def test_by_hand() -> None:
    # Two grey images of two pixels: 0, 255, 255, 51. Mean (0 + 255 + 255 + 51) / 4 / 255 = 0.55.
    found = pixel_statistics(dataset(np.array([[[[0], [255]]], [[[255], [51]]]], np.uint8)))
    assert (found.dataset, found.images, found.channels) == ("d", 2, 1)
    assert {place: int(count) for place, count in enumerate(found.histogram[0]) if count} == {0: 1, 51: 1, 255: 2}
    assert found.mean.tolist() == pytest.approx([0.55])
    # Variance (0.55² + 0.45² + 0.45² + 0.35²) / 4.
    assert found.std.tolist() == pytest.approx([((0.55**2 + 2 * 0.45**2 + 0.35**2) / 4) ** 0.5])
    assert found.shares[[0, 51, 255]].tolist() == [0.25, 0.25, 0.5]


def test_a_name_stands_for_the_dataset_of_the_registry(tmp_path: Path, complaint: Callable[..., str]) -> None:
    np.save(tmp_path / "x.npy", np.array([[[0, 9]]], np.uint8))
    np.save(tmp_path / "y.npy", np.array([0]))
    registry = tmp_path / "own.yaml"
    registry.write_text(
        "extends: default\ndatasets:\n  own: {source: npy, images: x.npy, labels: y.npy, classes: digits}\n"
    )
    found = pixel_statistics("own", registry=registry)
    assert (found.dataset, found.histogram[0, [0, 9]].tolist()) == ("own", [1, 1])
    assert pixel_statistics("digits").images == 453
    assert 'there is no dataset "digit"' in complaint(UsageError, pixel_statistics, "digit")


@pytest.mark.parametrize("workers", [1, 3])
def test_as_numpy_has_it(workers: int) -> None:
    images, told = pixels("statistics", 700, 5, 6, 3), []
    found = pixel_statistics(dataset(images), workers, told.append)
    np.testing.assert_allclose(found.mean, (images / 255).mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(found.std, (images / 255).std(axis=(0, 1, 2)))
    np.testing.assert_allclose(found.shares, np.bincount(images.ravel(), minlength=256) / images.size)
    assert told == [256, 256, 188]


def test_one_colour_deviates_by_nothing() -> None:
    found = pixel_statistics(dataset(np.full((3, 4, 4, 3), 77, np.uint8)))
    assert found.std.tolist() == pytest.approx([0, 0, 0], abs=1e-7)
    assert found.mean.tolist() == pytest.approx([77 / 255] * 3)


def put(folder: Path, sizes: Sequence[tuple[int, int]]) -> tuple[Path, ...]:
    paths = tuple(folder / f"{place}.png" for place in range(len(sizes)))
    for path, size in zip(paths, sizes, strict=True):
        put_image(path, path.name, size)
    return paths


def test_files_of_different_sizes(tmp_path: Path) -> None:
    paths = put(tmp_path, [(2, 3), (10, 4)])
    Image.fromarray(pixels("grey", 3, 3)).save(tmp_path / "grey.png")
    found = pixel_statistics(dataset((*paths, tmp_path / "grey.png")))
    grey = np.repeat(pixels("grey", 3, 3)[..., None], 3, axis=-1)
    every = [pixels("0.png", 2, 3, 3), pixels("1.png", 10, 4, 3), grey]
    together = np.concatenate([image.reshape(-1, 3) for image in every]) / 255
    np.testing.assert_allclose(found.mean, together.mean(axis=0))
    np.testing.assert_allclose(found.std, together.std(axis=0))


def test_a_file_that_is_no_image(tmp_path: Path, complaint: Callable[..., str]) -> None:
    (tmp_path / "x.png").write_bytes(b"noise")
    assert complaint(DataError, pixel_statistics, dataset((tmp_path / "x.png",))).startswith(
        f"an image cannot be read\n  where:    dataset d, {tmp_path / 'x.png'}\n"
    )


def test_the_real_cifar_10(real_data: Callable[[str], Path]) -> None:
    """The means and deviations of CIFAR-10's test set, as they are quoted."""
    found = pixel_statistics(dataset(np.load(real_data("cifar10") / "test_images.npy", mmap_mode="r")[:]))
    assert found.mean.round(4).tolist() == [0.4942, 0.4851, 0.4504]
    assert found.std.round(4).tolist() == [0.2467, 0.2429, 0.2616]
