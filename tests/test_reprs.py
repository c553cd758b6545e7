"""Public records are one line where they are shown, however much they hold."""

from pathlib import Path

import numpy as np
import pytest

import evalshift as es
from evalshift.evaluate.importers.predictions import ImportedModel, ImportReport
from evalshift.testbed.pixels import PixelStatistics
from tests.analysis.conftest import Store, with_letters


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return with_letters(Store(tmp_path_factory.mktemp("letters") / "results"))


def test_records_are_one_line(store: Store, tmp_path: Path) -> None:
    found = store.results
    imported = tuple(ImportedModel("net", dataset, 4, 3, None) for dataset in ("old", "new"))
    registry = tmp_path / "registry.yaml"
    registry.write_text("pairs: []\n")
    records = {
        "Predictions(good on old: 4 images, best 5 each)": found.load_predictions("old", "good"),
        "StoredDataset(old: 4 images, 6 classes)": found.load_dataset("old"),
        "PixelStatistics(dark: 1 image, mean 0.000)": PixelStatistics("dark", 1, np.array([[4, *[0] * 255]])),
        "ImportReport(net on old, new)": ImportReport(imported, ("a rule",)),
        f"Registry({str(registry)!r}: 0 models,": es.load_registry(registry),
        "Report(old:new)": es.report(found, resamples=0),
        "Comparison(good against poor; old:new)": es.compare(found, "good", "poor"),
        "Results(": found,
        "Preprocess(": es.Preprocess(),
    }
    for beginning, record in records.items():
        assert repr(record).startswith(beginning)
        assert "\n" not in repr(record)
        assert len(repr(record)) < 400
