from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalshift.errors import DataError
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import Dataset, load_dataset
from evalshift.testbed.registry_reading import load_registry

Content = dict[str, Any]


@pytest.fixture
def entry(tmp_path: Path) -> Callable[[Content], AnyDataset]:
    """An entry as the registry in this test's folder would hold it."""

    def read(content: Content) -> AnyDataset:
        text = {"classes": {"letters": ["a", "b", "c"]}, "datasets": {"d": content}}
        (tmp_path / "registry.yaml").write_text(yaml.safe_dump(text))
        return load_registry(tmp_path / "registry.yaml").datasets["d"]

    return read


@pytest.fixture
def load(entry: Callable[[Content], AnyDataset], tmp_path: Path) -> Callable[[Content], Dataset]:
    def read(content: Content) -> Dataset:
        one = entry(content)
        return load_dataset("d", one, load_registry(tmp_path / "registry.yaml").class_space(one.classes))

    return read


@pytest.fixture
def refused(
    load: Callable[[Content], Dataset], complaint: Callable[..., str], tmp_path: Path
) -> Callable[[Content], str]:
    """The complaint about a dataset, with HERE for this test's folder."""
    return lambda content: complaint(DataError, load, content).replace(str(tmp_path), "HERE")
