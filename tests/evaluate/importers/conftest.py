"""A results folder with a dataset of six images to compare predictions with, and files written by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalshift.errors import EvalshiftError
from evalshift.evaluate.importers.labels import labels_alone
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry

LETTERS = ClassSpace("letters", ("a", "b", "c", "d", "e", "f", "g"), tuple(f"n{number}" for number in range(7)))
LABELS = np.array([0, 1, 2, 3, 4, 5], np.int64)
NAMES = ("x/one.png", "x/two.png", "y/three.png", "y/four.png", "y/five.png", "y/six.png")


@pytest.fixture
def named() -> StoredDataset:
    """Six images with names and seven classes; the label of the n-th is n."""
    return labels_alone("old", NAMES, LABELS, LETTERS)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    path = tmp_path / "registry.yaml"
    path.write_text(
        "classes:\n  letters: [a, b, c, d, e, f, g]\n"
        "datasets:\n"
        "  old: {source: npy, images: x.npy, labels: y.npy, classes: letters}\n"
        "  new: {source: npy, images: x.npy, labels: y.npy, classes: letters}\n"
        "models:\n"
        "  known: {source: python, function: 'm:f', classes: letters, preprocess: {}, family: nets, year: 2001}\n"
        "pairs: [old:new]\n",
        "utf-8",
    )
    np.save(tmp_path / "x.npy", np.zeros((6, 2, 2, 1), np.uint8))
    np.save(tmp_path / "y.npy", LABELS)
    return load_registry(path)


@pytest.fixture
def complaint() -> Callable[..., str]:
    def of(work: Callable[..., Any], *arguments: Any, **options: Any) -> str:
        with pytest.raises(EvalshiftError) as caught:
            work(*arguments, **options)
        assert caught.value.exit_code == 2
        return str(caught.value)

    return of
