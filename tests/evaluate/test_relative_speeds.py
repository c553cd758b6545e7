"""How models compare in speed before they run: which of them a cluster begins with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalshift.evaluate.model_run import Work
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.relative_speeds import seconds_per_image
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.own_model_entries import CheckpointModel
from evalshift.testbed.preprocessing import Preprocess

MakeWork = Callable[..., Work]


@pytest.fixture
def make_work(tmp_path: Path) -> MakeWork:
    def make(name: str, size: int | None = None, **fields: Any) -> Work:
        weights = tmp_path / f"{name}.pt"
        if size is not None:
            weights.write_bytes(bytes(size))
        entry = CheckpointModel(
            source="checkpoint", builder="evalshift.testbed.architectures:cifar_resnet20", weights=str(weights),
            sha256="ab" * 32, classes="shades", preprocess=Preprocess(), **fields,
        )  # fmt: skip
        return Work(name, entry, ("old",), ClassSpace("shades", ("black", "white")), {}, None)

    return make


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def test_larger_weights_take_longer(make_work: MakeWork, results: Results) -> None:
    found = seconds_per_image([make_work("small", 1_000), make_work("large", 3_000)], results, "fp32")
    assert found["large"] == pytest.approx(3 * found["small"])


def test_multiply_adds_tell_more_than_weights(make_work: MakeWork, results: Results) -> None:
    works = [make_work("wide", 9_000, gmacs=0.5), make_work("deep", 3_000, gmacs=4.0)]
    found = seconds_per_image(works, results, "fp32")
    assert found["deep"] == pytest.approx(8 * found["wide"])


def test_what_was_timed_before_counts_and_scales_the_guesses(
    make_work: MakeWork, results: Results, make_predictions: Callable[..., Predictions]
) -> None:
    results.save_dataset(
        StoredDataset("old", ("a",), np.zeros(1, np.int64), "letters", ("a", "b"), "ab" * 32, None, {"source": "npy"})
    )
    results.save_predictions(make_predictions([[0, 1]], model="timed", images_per_second=50.0))
    works = [make_work("timed", 1_000), make_work("twice", 2_000), make_work("unknown")]
    found = seconds_per_image(works, results, "fp32")
    assert found == pytest.approx({"timed": 0.02, "twice": 0.04, "unknown": 0.03})


def test_nothing_is_said_where_nothing_is_known(make_work: MakeWork, results: Results) -> None:
    assert seconds_per_image([make_work("a"), make_work("b")], results, "fp32") == {}
