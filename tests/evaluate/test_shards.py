"""Predictions on the shards of a dataset are joined by image, exactly."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evalshift.errors import ModelError
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.shards import Piece, join
from evalshift.evaluate.units import Shard

MakePredictions = Callable[..., Predictions]


def pieces(make_predictions: MakePredictions, *ends: int, **facts: object) -> list[Piece]:
    starts = (0, *ends[:-1])
    return [
        Piece(
            Shard(number, len(ends), start, stop),
            make_predictions(np.arange(start, stop)[:, None], np.arange(start, stop) / 100, seconds=2.0, **facts),
            np.arange(start, stop, dtype=np.float32)[:, None],
        )
        for number, (start, stop) in enumerate(zip(starts, ends, strict=True))
    ]


def test_in_whatever_order_they_come(make_predictions: MakePredictions) -> None:
    parts = pieces(make_predictions, 4, 8, 9)
    whole, logits = join([parts[2], parts[0], parts[1]], 9)
    assert whole.top[:, 0].tolist() == list(range(9))
    assert whole.prob is not None
    assert whole.prob.tolist() == (np.arange(9) / 100).astype(np.float32).tolist()
    assert logits is not None
    assert logits[:, 0].tolist() == list(range(9))
    assert (whole.provenance.shards, whole.provenance.seconds, whole.provenance.images_per_second) == (3, 6.0, 1.5)


def test_devices_and_warnings_of_all_are_named(make_predictions: MakePredictions) -> None:
    one, other = pieces(make_predictions, 4, 8)
    facts = other.predictions.provenance.model_copy(
        update={"device": "cuda (H200)", "threads": 8, "warnings": ["slow"]}
    )
    whole, _ = join([one, replace(other, predictions=replace(other.predictions, provenance=facts))], 8)
    assert whole.provenance.device == "cpu (1 threads) + cuda (H200)"
    assert (facts.threads, whole.provenance.threads) == (8, None)
    assert whole.provenance.warnings == ["slow"]


@pytest.mark.parametrize("chosen, images", [((0, 1), 9), ((0, 2), 9), ((0, 1, 1, 2), 9), ((0, 1, 2), 10)])
def test_an_image_missing_or_duplicate_is_refused(
    make_predictions: MakePredictions, chosen: tuple[int, ...], images: int
) -> None:
    parts = pieces(make_predictions, 4, 8, 9)
    with pytest.raises(ValueError, match="shards that begin at"):
        join([parts[place] for place in chosen], images)


def test_workers_with_other_weights_are_not_mixed(make_predictions: MakePredictions) -> None:
    one, other = pieces(make_predictions, 4, 8)
    facts = other.predictions.provenance.model_copy(update={"checkpoint_sha256": "12" * 32})
    with pytest.raises(ModelError) as caught:
        join([one, replace(other, predictions=replace(other.predictions, provenance=facts))], 8)
    assert caught.value.found == f"checkpoint sha256 None and {('12' * 32)[:60]}"
