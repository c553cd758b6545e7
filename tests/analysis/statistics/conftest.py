"""Released predictions that several statistics are checked on."""

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True, eq=False)
class ReleasedImagenet:
    """Top-1 predictions of the 67 released models on ImageNet and ImageNetV2 MatchedFrequency, and which are correct.

    predicted, correct   on the original and on the new set, shape (67, images) each
    """

    models: tuple[str, ...]
    predicted: tuple[np.ndarray, np.ndarray]
    correct: tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def released_imagenet(imagenetv2_predictions) -> ReleasedImagenet:
    files = sorted((imagenetv2_predictions / "imagenet-val").glob("*.npy"))
    predicted, correct = [], []
    for folder in ("imagenet-val", "matched-frequency"):
        # fv_16k's five columns on the new set are stored in reverse order.
        first = [
            np.load(imagenetv2_predictions / folder / file.name)[
                :, -1 if (file.stem, folder) == ("fv_16k", "matched-frequency") else 0
            ]
            for file in files
        ]
        predicted.append(np.array(first))
        correct.append(predicted[-1] == np.load(imagenetv2_predictions / f"{folder}_labels.npy"))
    return ReleasedImagenet(tuple(file.stem for file in files), tuple(predicted), tuple(correct))
