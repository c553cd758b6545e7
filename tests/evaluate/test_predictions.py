from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from evalshift.evaluate.predictions import Failure, Predictions

TOP = [[2, 0, 1], [1, 2, 0], [0, 1, 2], [2, 1, 0]]


def test_hits_are_the_labels_among_the_first_k_predictions(make_predictions: Callable[..., Predictions]) -> None:
    predictions = make_predictions(TOP)
    labels = np.array([2, 2, 2, 0])
    # By hand: label 2 is the top-1 prediction of image 0, the second of 1 and the third of 2; label 0 is the third of
    # 3.
    assert predictions.hits(labels).tolist() == [True, False, False, False]
    assert predictions.hits(labels, k=2).tolist() == [True, True, False, False]
    assert predictions.hits(labels, k=3).tolist() == [True, True, True, True]
    assert predictions.hits(np.array([3, 3, 3, 3]), k=3).tolist() == [False] * 4
    assert (len(predictions), predictions.k) == (4, 3)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_predictions_that_were_not_kept_cannot_be_asked_for(
    make_predictions: Callable[..., Predictions], k: int
) -> None:
    with pytest.raises(ValueError, match=f"^k is {k}; resnet on old has 1 to 3 predictions per image$"):
        make_predictions(TOP).hits(np.array([0, 0, 0, 0]), k)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_there_must_be_a_label_an_image(make_predictions: Callable[..., Predictions], count: int) -> None:
    # One label alone would otherwise stand for all images.
    with pytest.raises(ValueError, match=f"^{count} labels for 4 predictions of resnet on old$"):
        make_predictions(TOP).hits(np.zeros(count, np.int64))


def test_provenance_is_frozen_and_takes_what_later_versions_add(make_predictions: Callable[..., Predictions]) -> None:
    provenance = make_predictions(TOP, a_field_of_the_future=1).provenance
    assert not hasattr(provenance, "a_field_of_the_future")
    with pytest.raises(ValidationError, match="frozen"):
        provenance.device = "cuda"


def test_a_failure_knows_its_model_its_dataset_and_why() -> None:
    assert Failure("resnet", None, "why") == Failure(model="resnet", dataset=None, error="why")
