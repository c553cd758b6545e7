"""Images of two datasets in one form, pixels or features, and the nearest of one to each of the other."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from evalshift.errors import UsageError
from evalshift.evaluate.devices import choose_device
from evalshift.evaluate.features import penultimate_features
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.duplicates import Search
from evalshift.testbed.models import Classifier
from evalshift.testbed.nearest import Neighbours, nearest
from evalshift.testbed.pixel_arrays import common_size, pixel_array, with_channels
from evalshift.testbed.structural_similarity import most_similar

# Given what is done and how many images there are of it: a context whose value is told of every n images done.
Counting = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def _uncounted(_: str, __: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda _: None)


def search_duplicates(
    queries: Dataset,
    references: Dataset | None = None,
    metrics: tuple[str, ...] = ("l2",),
    top: int = 30,
    *,
    classifier: Classifier | None = None,
    size: int | None = None,
    among: int | None = 100,
    device: str = "auto",
    workers: int = 2,
    counting: Counting = _uncounted,
) -> Search:
    """The `top` nearest references of each query by each metric; without references, of the queries in themselves.

    metrics     l2: Euclidean distance of pixels, on the scale of intensities from 0 to 1; ssim: 1 − structural
                similarity; features: Euclidean distance of what the last layer of `classifier` is given
    size        pixels on a side at which images are compared; None for their own, or 32 where it differs
    among       references per query for which structural similarity is computed; None for all
    Fewer than `top` are found where there are fewer references.
    Source: Recht et al. 2019, appendices B.2.2 and C.1.4.
    """
    if "features" in metrics and classifier is None:
        raise UsageError("features need a model (`model`)", fix="name a model of the registry, such as resnet20")
    same = references is None
    others = queries if references is None else references
    top = min(top, len(others) - same)
    on = choose_device(device)
    found: dict[str, Neighbours] = {}
    if {"l2", "ssim"} & set(metrics):
        one, other = pixels_of(queries, others, size, workers, counting)
    for metric in metrics:
        if metric == "l2":
            with counting("l2", len(queries)) as advance:
                rows = one.reshape(len(one), -1), other.reshape(len(other), -1)  # pyright: ignore
                near = nearest(*rows, top, same=same, device=on, advance=advance)
            found["l2"] = replace(near, distance=near.distance / 255)
        elif metric == "ssim":
            with counting("SSIM", len(queries) * (1 if among is None else 3)) as advance:
                found["ssim"] = most_similar(one, other, top, among, same=same, device=on, advance=advance)  # pyright: ignore
        else:
            assert classifier is not None
            searched = (queries,) if same else (queries, others)
            values = [features_of(classifier, dataset, device, workers, counting) for dataset in searched]
            with counting("features", len(queries)) as advance:
                found["features"] = nearest(values[0], values[-1], top, same=same, device=on, advance=advance)
    return Search(queries, others, found)


def features_of(
    classifier: Classifier, dataset: Dataset, device: str, workers: int, counting: Counting = _uncounted
) -> Float32[np.ndarray, "n f"]:
    """What the last layer of the network is given for each image; see `penultimate_features`."""
    with counting(f"features of {dataset.name}", len(dataset)) as advance:
        return penultimate_features(classifier, dataset, choose_device(device), workers, advance)


def pixels_of(
    queries: Dataset, references: Dataset, size: int | None, workers: int, counting: Counting = _uncounted
) -> tuple[np.ndarray, np.ndarray]:
    """The images of both as uint8 arrays of one size and as many channels, to be compared pixel by pixel."""
    size = common_size([queries, references], size)
    arrays = []
    for dataset in (queries,) if queries is references else (queries, references):
        with counting(f"pixels of {dataset.name}", len(dataset)) as advance:
            arrays.append(pixel_array(dataset, size, workers, advance))
    return with_channels(arrays[0], arrays[-1])
