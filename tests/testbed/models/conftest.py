from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from classifiers import MODEL, TEN, Load

from evalshift.errors import ModelError
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.models import Classifier, load_classifier


@pytest.fixture
def model_of(tmp_path: Path) -> Callable[..., AnyModel]:
    """An entry whose paths are relative to this test's folder; what is code is trusted unless the test says else."""

    def of(**content: Any) -> AnyModel:
        code = content["source"] in ("checkpoint", "numpy", "python", "torch.hub", "torchscript")
        return MODEL.validate_python({"trust": True} | content if code else content, context={"folder": tmp_path})

    return of


@pytest.fixture
def load(model_of: Callable[..., AnyModel], cache: Path) -> Load:
    """The classifier of an entry whose paths are relative to this test's folder."""

    def build(**content: Any) -> Classifier:
        return load_classifier("m", model_of(**content), TEN)

    return build


@pytest.fixture
def refused(load: Load, complaint: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """The complaint about an entry, with HERE for this test's folder."""

    def of(**content: Any) -> str:
        return complaint(ModelError, lambda: load(**content)).replace(str(tmp_path), "HERE")

    return of
