from collections.abc import Callable

import numpy as np
import pytest

from evalshift.evaluate.estimates import Paces, full_run_line, read_paces, rest_line
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store import Results, StoredDataset

MakePredictions = Callable[..., Predictions]


@pytest.fixture
def results(tmp_path) -> Results:
    return Results(tmp_path / "results")


def store(results: Results, predictions: Predictions) -> None:
    if predictions.dataset not in results.datasets():
        dataset = StoredDataset(
            name=predictions.dataset,
            ids=("0",),
            labels=np.zeros(1, np.int64),
            classes="letters",
            class_names=("a", "b"),
            fingerprint="ab" * 32,
            source_checksum=None,
            entry={},
        )
        results.save_dataset(dataset)
    results.save_predictions(predictions)


def test_paces_are_those_of_the_newest_run_on_this_device_limited_runs_too(
    results: Results, make_predictions: MakePredictions
) -> None:
    here = {"device": "cpu (2 threads)", "precision": "fp32"}

    def ran(model: str, rate: float, day: int, *, dataset: str = "old", **facts: object) -> Predictions:
        start = f"2026-01-{day:02d}T00:00:00+00:00"
        known = {"images_per_second": rate, "start": start, **here, **facts}
        return make_predictions([[0, 1]], model=model, dataset=dataset, **known)

    store(results, ran("a", 10.0, 1))
    store(results, ran("a", 20.0, 2, dataset="new"))
    store(results, ran("b", 99.0, 1, device="cuda:0 (H100)"))
    store(results, ran("c", 99.0, 1, precision="bf16"))
    store(Results(results.path / "limit-5"), ran("d", 40.0, 1))
    expected = {"a": 20.0, "d": 40.0}
    assert read_paces(results, "abcd", "cpu (2 threads)", "fp32").images_per_second == expected
    limited = Results(results.path / "limit-5")
    assert read_paces(limited, "abcd", "cpu (2 threads)", "fp32").images_per_second == expected
    assert read_paces(results, "a", "cpu (2 threads)", "fp32").images_per_second == {"a": 20.0}


def test_a_model_that_never_ran_takes_the_mean_of_the_others() -> None:
    paces = Paces({"a": 10.0, "b": 20.0})
    # By hand: 100/10 + 100/20 = 15 s; c takes the mean of 0.1 and 0.05 s per image: 0.075 × 200 = 15 s.
    assert paces.seconds({"a": 100, "b": 100}) == pytest.approx(15)
    assert paces.seconds({"a": 100, "b": 100, "c": 200}) == pytest.approx(30)
    assert paces.seconds({"c": 200}) is None


def test_after_the_first_model_the_rest_is_estimated_where_it_takes_long(make_predictions: MakePredictions) -> None:
    images = {"a": 1_000, "b": 1_000, "c": 5_000}

    def ran(rate: float) -> Provenance:
        return make_predictions([[0, 1]], model="a", images_per_second=rate).provenance

    assert rest_line(images, ran(10.0)) == ("work      2 models left, 6,000 images, about 10 min if they are as fast")
    assert rest_line(images, ran(1_000.0)) is None
    assert rest_line({"a": 10**6}, ran(0.1)) is None


def test_the_time_without_a_limit_grows_with_the_images_alone(make_predictions: MakePredictions) -> None:
    stored = [
        make_predictions([[0, 1]], model=model, dataset="old@first-1", images_per_second=rate).provenance
        for model, rate in (("a", 10.0), ("b", 5.0))
    ]
    # By hand: 1,000/10 + 1,000/5 = 300 s, 12 s to load the models, and 48 s to decode.
    assert full_run_line(stored, {"old@first-1": 1_000}, 12.0, 48.0) == (
        "full run  about 6 min for 2 models and all images (2,000 in all, each counted per model)"
    )
