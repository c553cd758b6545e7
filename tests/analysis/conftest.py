"""Small pairs that can be counted by hand, and a store to put predictions into."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.summary.published import published_outcomes
from evalshift.evaluate.predictions import Imported, Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION, Counted, CountedDataset, Results, StoredDataset
from evalshift.testbed.published import load_published

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")


def class_names(classes: int) -> tuple[str, ...]:
    """a, b, c …, and numbers behind them."""
    return tuple("abcdefghijklmnop"[:classes]) + tuple(map(str, range(16, classes)))


class Store:
    """A results folder that tests fill by hand: labels and predictions as lists."""

    def __init__(self, path: Path) -> None:
        self.results = Results(path)

    def dataset(
        self, name: str, labels: Sequence[int], classes: int = 6, fingerprint: str | None = None, **entry
    ) -> None:
        self.results.save_dataset(
            StoredDataset(
                name=name,
                ids=tuple(str(number) for number in range(len(labels))),
                labels=np.array(labels, dtype=np.int64),
                classes="letters",
                class_names=class_names(classes),
                fingerprint=fingerprint or f"fingerprint of {name}",
                source_checksum=None,
                entry={"source": "npy", **entry},
            )
        )

    def predictions(self, dataset: str, model: str, top: Sequence[Sequence[int]], **changes) -> None:
        facts: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "model": model,
            "dataset": dataset,
            "classes": "letters",
            "entry": {"source": "checkpoint", "family": "resnet", "year": 2015},
            "identity": {"source": "checkpoint"},
            "checkpoint_sha256": "12fca82f" * 8,
            "dataset_fingerprint": f"fingerprint of {dataset}",
            "preprocess": {"resize": [256], "crop": [224, 224], "interpolation": "bicubic", "antialias": True},
            "device": "cpu",
            "precision": "fp32",
            "batch_size": 64,
            "memory_format": "contiguous",
            "versions": {"python": "3.11.2", "torch": "2.4.0"},
            "git_revision": None,
            "start": "2026-01-02T03:04:05+00:00",
            "seconds": 1.0,
            "images_per_second": float(len(top)),
        }
        stored_predictions = np.array(top, dtype=np.int32)
        self.results.save_predictions(
            Predictions(
                model, dataset, stored_predictions, np.ones(len(top), np.float32), Provenance(**(facts | changes))
            )
        )

    def counts(
        self,
        dataset: str,
        total: int,
        counts: Mapping[str, tuple[int, int | None]],
        within: int = 0,
        *,
        known: bool = True,
        **changes,
    ) -> None:
        """Imported counts: model -> right by the top-1 prediction, and by one of five."""
        facts: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "dataset": dataset,
            "classes": "letters",
            "entry": {"source": "table"},
            "identity": {},
            "dataset_fingerprint": f"images:{total}",
            "start": "2026-01-02T03:04:05+00:00",
            "imported": Imported(source="table", files={"table.csv": "ab" * 32}, kind="counts"),
        }
        self.results.save_counts(
            CountedDataset(dataset, total, "letters" if known else None),
            [
                Counted(model, top1, top5, within, Provenance(model=model, **(facts | changes)))
                for model, (top1, top5) in counts.items()
            ],
        )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def letters(store: Store) -> Store:
    return with_letters(store)


@pytest.fixture(scope="session")
def kept_letters(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """`letters` for whatever is made once of it and only read."""
    return with_letters(Store(tmp_path_factory.mktemp("letters") / "results"))


def with_letters(store: Store) -> Store:
    """A pair of 4 and 3 images, 6 classes, three models that keep 5 predictions per image."""
    store.dataset("old", [0, 1, 2, 3])
    store.dataset("new", [0, 1, 5])
    everything = [0, 1, 2, 3, 4]
    # The top-1 prediction is right on 4, 3 and 2 of the 4 old images; label 3 is missed altogether once, by poor.
    store.predictions("old", "good", [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [2, 0, 1, 3, 4], [3, 0, 1, 2, 4]])
    store.predictions("old", "fair", [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [2, 0, 1, 3, 4], everything])
    store.predictions("old", "poor", [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], everything, [0, 1, 2, 4, 5]])
    # On the new images 2, 1 and 1; label 5 is never among the five predictions of fair and poor.
    store.predictions("new", "good", [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [4, 3, 2, 1, 5]])
    store.predictions("new", "fair", [everything, everything, everything])
    store.predictions("new", "poor", [everything, everything, everything])
    store.results.add_pairs(["old:new"])
    return store


@pytest.fixture(scope="session")
def make_outcomes() -> Callable[..., Outcomes]:
    def make(original_correct: Sequence[int], new_correct: Sequence[int], /, total: int = 10, **changes) -> Outcomes:
        facts: dict[str, Any] = {
            "original": "old",
            "new": "new",
            "metric": "top1",
            "models": tuple("abcdefghijklmnop"[: len(original_correct)]),
            "original_correct": np.array(original_correct, dtype=np.int64),
            "new_correct": np.array(new_correct, dtype=np.int64),
            "original_total": total,
            "new_total": total,
            "attributes": {},
        }
        return Outcomes(**(facts | changes))

    return make


@pytest.fixture
def tiny(make_outcomes: Callable[..., Outcomes]) -> Outcomes:
    """Three models, ten images per set: 9, 8, 8 right on the original set, 6, 7, 5 on the new one."""
    return make_outcomes(
        [9, 8, 8], [6, 7, 5], attributes={"a": {"family": "resnet", "year": 2015}, "b": {"year": 2019}}
    )


@pytest.fixture(scope="session")
def published() -> Callable[..., dict[str, Outcomes]]:
    """Recht et al.'s counts of a pair: metric -> Outcomes. `without` leaves out models whose names begin so."""
    testbed = load_published("recht2019")

    def pick(original: str, new: str, without: str = "none") -> dict[str, Outcomes]:
        return {
            metric: outcomes.subset(
                [place for place, model in enumerate(outcomes.models) if not model.startswith(without)]
            )
            for metric, outcomes in published_outcomes(testbed, f"{original}:{new}").items()
        }

    return pick


@pytest.fixture(scope="session")
def imagenetv2_predictions() -> Path:
    folder = DATA / "imagenetv2-predictions"
    if not folder.is_dir():
        pytest.skip(f"the released predictions are not in {folder}")
    return folder
