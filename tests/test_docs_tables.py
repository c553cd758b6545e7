"""The Python of docs/tables.md is run as it stands, and its tables hold the accuracies of the run."""

import re
from pathlib import Path

import pytest

import evalshift as es

PAGE = (Path(__file__).parents[1] / "docs/tables.md").read_text("utf-8")


def test_the_page_runs_and_every_way_gives_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = es.run(pairs=["digits:digits-new-writers"], models=["digits-ridge", "digits-random-640"])
    found: dict = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), found)
    truth = {
        (dataset, model): float(predictions.hits(results.load_dataset(dataset).labels).mean())
        for dataset in results.datasets()
        for model in results.models(dataset)
        for predictions in [results.load_predictions(dataset, model)]
    }
    assert len(truth) == 4
    assert found["accuracy"].to_dict() == pytest.approx(truth)
    ridge = found["ridge"].groupby("dataset", observed=True)["correct"].mean().to_dict()
    assert ridge == pytest.approx({dataset: truth[dataset, "digits-ridge"] for dataset in results.datasets()})
    counts = found["frame"].groupby(["dataset", "model", "label"], observed=True).size()
    by_class = found["by_class"].set_index(["dataset", "model", "label"])["accuracy"]
    images = (by_class * counts).groupby(level=[0, 1]).sum() / counts.groupby(level=[0, 1]).sum()
    assert images.to_dict() == pytest.approx(truth)
    confidence = found["confidence"].set_index(["dataset", "model"])["confidence"].to_dict()
    assert confidence == pytest.approx({key: results.load_predictions(*key).mean_confidence for key in truth}, rel=1e-5)
