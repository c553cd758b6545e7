"""Stored predictions as one pandas table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalshift.errors import UsageError
from tests.analysis.conftest import Store


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    store.dataset("x", [0, 1, 2])
    store.predictions("x", "one", [[0, 1], [2, 1], [-1, -1]])
    store.predictions("x", "two", [[0, 1], [1, 0], [2, 1]])
    store.dataset("y", [3])
    store.predictions("y", "two", [[3, 4]])
    return store


def test_one_row_per_model_and_image(stored: Store) -> None:
    frame = stored.results.to_frame()
    assert list(frame) == ["dataset", "model", "id", "label", "prediction", "correct", "prob"]
    rows = frame[frame["model"] == "one"]
    assert rows["id"].tolist() == ["0", "1", "2"]
    assert rows["label"].tolist() == ["a", "b", "c"]
    assert rows["prediction"].tolist() == ["a", "c", ""]  # the last has no prediction
    assert rows["correct"].tolist() == [True, False, False]
    accuracy = frame.groupby(["model", "dataset"], observed=True)["correct"].mean()
    assert accuracy.to_dict() == {("one", "x"): pytest.approx(1 / 3), ("two", "x"): 1.0, ("two", "y"): 1.0}
    assert all(isinstance(frame[name].dtype, pd.CategoricalDtype) for name in ("dataset", "model", "id", "label"))


def test_datasets_and_models_are_chosen_by_name(stored: Store) -> None:
    assert set(stored.results.to_frame(datasets="y")["model"]) == {"two"}
    assert set(stored.results.to_frame(models=["one"])["dataset"]) == {"x"}
    for refused in ({"datasets": "z"}, {"models": "tow"}):
        with pytest.raises(UsageError) as caught:
            stored.results.to_frame(**refused)
        assert caught.value.problem == f"this {next(iter(refused)).removesuffix('s')} is not stored"


def test_predictions_of_another_version_of_the_dataset_are_left_out(stored: Store) -> None:
    stored.predictions("x", "old", [[0], [1], [2]], dataset_fingerprint="another")
    assert "old" not in set(stored.results.to_frame()["model"])


def test_a_folder_without_predictions_gives_an_empty_table(tmp_path: Path) -> None:
    frame = Store(tmp_path / "none").results.to_frame()
    assert len(frame) == 0
    assert "correct" in frame


def test_text_does_not_take_the_memory_of_every_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    labels = np.random.default_rng(0).integers(0, 6, 2_000)
    store.dataset("x", labels.tolist())
    for model in range(20):
        store.predictions("x", f"model-with-a-long-name-{model}", labels[:, np.newaxis].tolist())
    frame = store.results.to_frame()
    assert len(frame) == 40_000
    assert frame.memory_usage(deep=True).sum() / len(frame) < 25
