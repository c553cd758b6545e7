"""What every model source must offer: the module that its entry names, and what the entry says of itself."""

import inspect
from pathlib import Path
from typing import get_args

import pytest

from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.model_entry import ModelEntry
from evalshift.testbed.models import source_of
from evalshift.testbed.readiness import State
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import model_state

SOURCES: tuple[type[ModelEntry], ...] = get_args(get_args(AnyModel)[0])
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.module)


def test_each_source_has_a_module_of_its_own() -> None:
    assert len({source.module for source in SOURCES}) == len(SOURCES)


@each_source
def test_its_module_builds_with_and_without_weights(source: type[ModelEntry]) -> None:
    for name in ("build", "bare"):
        assert list(inspect.signature(getattr(source_of(source), name)).parameters) == ["entry", "space", "where"]


@each_source
def test_its_module_fetches_where_the_entry_says_so(source: type[ModelEntry]) -> None:
    assert hasattr(source_of(source), "fetch") == source.fetches
    assert source.fetches or not source.runs_to_fetch


def test_each_entry_of_the_default_registry_knows_its_state_and_identity(cache: Path) -> None:
    for name, entry in load_registry().models.items():
        assert isinstance(entry.state_without_weights(), State), name
        assert model_state(entry).can_run, name
        assert entry.identity()["source"] == entry.source
