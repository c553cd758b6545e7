"""With ray, models run in workers of their own and are stored as by a run here."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from messages import says

from evalshift.errors import DataError, UsageError
from evalshift.evaluate.options import Options
from evalshift.evaluate.ray_connection import connected

pytest.importorskip("ray", reason="ray is not installed")

pytestmark = pytest.mark.late


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One for all tests here: starting it takes most of the time."""
    with connected(None):
        yield


def test_it_stores_what_a_run_here_stores(project: Any, cluster: None) -> None:
    for name in ("one", "two", "three"):
        project.model(name)
    project.model("nan", arguments={"fault": "nan"})
    project.model("exits", arguments={"fault": "exit"})
    here, _ = project.run()
    expected = {name: here.load_predictions("new", name) for name in here.models("new")}
    there, said = project.run(executor="ray", force=True)
    assert there.models("new") == ["one", "three", "two"]
    for name, one in expected.items():
        other = there.load_predictions("new", name)
        assert other.top.tolist() == one.top.tolist()
        assert other.prob.tolist() == one.prob.tolist()
        assert other.provenance.start >= one.provenance.start
        assert other.provenance.entry == one.provenance.entry
        assert other.provenance.git_revision == one.provenance.git_revision
    assert sorted(failure.model for failure in there.failures) == ["exits", "exits", "nan", "nan"]
    assert "nan on new failed: the network gives logits that are not numbers\n" in said
    assert "nothing to do" in project.run(models=["one", "two", "three"])[1]


def test_workers_have_the_priority_of_the_run_itself(cluster: None) -> None:
    import ray

    assert ray.get(ray.remote(lambda: os.nice(0)).remote()) == os.nice(0)


def test_a_worker_that_dies_is_one_model_that_failed(project: Any, cluster: None) -> None:
    project.model("good")
    project.model("dies", arguments={"fault": "die"})
    results, said = project.run(executor="ray")
    assert results.models("old") == results.models("new") == ["good"]
    [failure] = results.failures
    assert (failure.model, failure.dataset) == ("dies", None)
    assert failure.error.startswith("the worker process ended: ")
    assert "dies failed: the worker process ended: " in said


def test_a_damaged_image_ends_the_run(project: Any, cluster: None) -> None:
    from PIL import Image

    for name in ("black", "white"):
        (project.path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(project.path / "pictures" / name / "1.png")
    damaged = project.path / "pictures" / "white" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    project.content["datasets"]["new"] = {"source": "folder", "path": "pictures", "classes": "shades"}
    project.model("good")
    with pytest.raises(DataError) as caught:
        project.run(executor="ray")
    assert caught.value.where == f"dataset new, {damaged}"


def test_without_ray_it_says_what_to_install(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    project.model("good")
    with pytest.raises(UsageError) as caught:
        project.run(executor="ray")
    says(caught.value, found="no such package")


def test_workers_cannot_share_one_gpu_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Options(executor="ray", device="cuda:1")
    says(caught.value, found="`device` cuda:1")
