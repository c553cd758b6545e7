"""Images that two released sets have in common, told by what all models predict on them."""

import numpy as np
import pytest

from evalshift.evaluate.importers.releases.common_pictures import FEWEST_MODELS, common_pictures

SETS = ("v4", "v6")


def released(models: int, images: dict[str, list[int]]):
    """Sets that hold some of 40 images each, every one of which each model predicts alike in all sets."""
    rng = np.random.default_rng(5)
    labels, top = rng.integers(3, size=40), rng.integers(10, size=(models, 40)).astype(np.int32)
    return {
        name: (labels[at].astype(np.int64), {f"m{row}": top[row][at] for row in range(models)})
        for name, at in images.items()
    }


def test_images_predicted_alike_by_all_models_are_one_picture():
    sets = released(FEWEST_MODELS, {"v4": [5, 1, 9], "v6": [9, 2, 5], "other": [5, 9]})
    found = common_pictures(sets, SETS)
    assert set(found) == set(SETS)
    assert (found["v4"][0], found["v4"][2]) == (found["v6"][2], found["v6"][0])
    assert len({*found["v4"], *found["v6"]}) == 4


@pytest.mark.parametrize(
    "models, images",
    [(FEWEST_MODELS - 1, {"v4": [1, 2], "v6": [2, 1]}), (FEWEST_MODELS, {"v4": [1, 2]})],
    ids=["few models", "one set"],
)
def test_few_models_or_a_single_set_tell_nothing(models, images):
    assert common_pictures(released(models, images), SETS) == {}
