"""What a run would download, in a line before it starts: counted, with its size where that is known."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from evalshift.evaluate.downloads import Downloads, chosen_downloads, downloads_line, planned_downloads
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import Request, make_plan, make_request
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry

PAIR = "cifar10:cifar10.1-v6"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The default registry on a machine that has nothing of it yet."""
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "data"))
    return load_registry(default_path())


def request_of(registry: Registry, folder: Path, pairs: Sequence[str] = (), models: Sequence[str] = ()) -> Request:
    return make_request(registry, pairs, models, folder / "results", Options())


def test_weights_and_images_are_counted_with_their_size(registry: Registry, tmp_path: Path) -> None:
    line = planned_downloads(request_of(registry, tmp_path, [PAIR], ["resnet20-*"]))
    # 1,139,055 and 1,099,231 bytes of weights, and 170,498,071, 6,144,128 and 8,128 of images
    assert line == "2 models, 4 downloads, 179 MB"


def test_a_size_that_is_not_known_makes_it_a_least(registry: Registry, tmp_path: Path) -> None:
    line = planned_downloads(request_of(registry, tmp_path, [PAIR], ["resnet20-*", "resnet1202-akamaster"]))
    assert line == "3 models, 5 downloads, at least 179 MB"


def test_what_is_on_disk_is_not_downloaded(registry: Registry, tmp_path: Path) -> None:
    request = request_of(registry, tmp_path)
    assert chosen_downloads(registry, request.chosen) is None
    assert planned_downloads(request) is None
    assert downloads_line(make_plan(request), registry, request.results) is None


def test_models_that_bring_their_weights_from_a_library_are_counted_apart() -> None:
    assert Downloads((), (), 0, 0, 2).words == "weights of 2 models from their libraries if not downloaded before"
    assert Downloads(("a",), (), 0, 1, 0).words == "1 download, size not known"
