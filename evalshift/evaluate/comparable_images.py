"""Images of two datasets in one form, pixels or features, and the nearest of one to each of the other."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32

from evalshift.errors import UsageError
from evalshift.evaluate.devices import choose_device
from evalshift.evaluate.features import penultimate_features
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.duplicates import Search
from evalshift.testbed.models import Classifier
from evalshift.testbed.nearest import Neighbours, nearest, nearest_among
from evalshift.testbed.perceptual_hash import alike
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
    prefilter: int | None = None,
    device: str = "auto",
    workers: int = 2,
    counting: Counting = _uncounted,
) -> Search:
    """The `top` nearest references of each query by each metric; without references, of the queries in themselves.

    metrics     l2: Euclidean distance of pixels, on the scale of intensities from 0 to 1; ssim: 1 − structural
                similarity; features: Euclidean distance of what the last layer of `classifier` is given
    size        pixels on a side at which images are compared; None for their own, or 32 where it differs
    among       references per query for which structural similarity is computed; None for all
    prefilter   l2 and ssim compare each query with so many references, those of the most similar perceptual hash; None
                for all. See `usual_prefilter`
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
        places = None if prefilter is None else alike(one, other, max(prefilter, top), same=same)
        if "l2" in metrics:
            found["l2"] = _by_pixels(one, other, places, top, same, on, counting)
        if "ssim" in metrics:
            passes = 1 if among is None or places is not None else 3
            with counting("SSIM", passes * len(queries)) as advance:
                found["ssim"] = most_similar(
                    one, other, top, among, places=places, same=same, device=on, advance=advance
                )
    if "features" in metrics:
        assert classifier is not None
        searched = (queries,) if same else (queries, others)
        values = [features_of(classifier, dataset, device, workers, counting) for dataset in searched]
        with counting("features", len(queries)) as advance:
            found["features"] = nearest(values[0], values[-1], top, same=same, device=on, advance=advance)
    return Search(queries, others, {metric: found[metric] for metric in metrics})


def _by_pixels(
    one: np.ndarray,
    other: np.ndarray,
    places: np.ndarray | None,
    top: int,
    same: bool,
    device: torch.device,
    counting: Counting,
) -> Neighbours:
    """The nearest by pixels, among the references at `places` if there are any, in units of the brightest intensity."""
    rows = one.reshape(len(one), -1), other.reshape(len(other), -1)
    with counting("l2", len(one)) as advance:
        if places is None:
            near = nearest(*rows, top, same=same, device=device, advance=advance)
        else:
            near = nearest_among(*rows, places, top, device=device, advance=advance)
    return replace(near, distance=near.distance / 255)


def usual_prefilter(queries: int, references: int) -> int | None:
    """The references per query left by the prefilter: 300 where either set has more than 100,000 images, else all.

    Of CIFAR-10's 286 near-duplicates between test and training set (Barz and Denzler 2020), 263 are left.
    """
    return 300 if max(queries, references) > 100_000 else None


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
