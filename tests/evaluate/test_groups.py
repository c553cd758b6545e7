"""Models of a run share decoded images, whatever is kept, and predict what they predict alone."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evalshift.errors import DataError
from evalshift.evaluate import images as images_module
from evalshift.evaluate.groups import in_order
from evalshift.evaluate.model_run import Work
from evalshift.evaluate.store import Results
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry

COUNT = 100  # more than those on which networks are tried
GEOMETRIES = ({"resize": [6, 6], "crop": 4}, {"resize": [5, 5], "interpolation": "bicubic"})


@pytest.fixture
def photos(project: Any) -> Any:
    """A project whose two sets are folders of images, and five models with two geometries."""
    rng = np.random.default_rng(list(b"groups"))
    for name in ("old", "new"):
        for number in range(COUNT):
            folder = project.path / name / ("black", "grey", "light", "white")[number % 4]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (7 + number % 3, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        project.content["datasets"][name] = {"source": "folder", "path": name, "classes": "shades"}
    for number in range(5):
        shades = [0.1 + 0.01 * number, 0.4, 0.5 + 0.01 * number, 0.9]
        project.model(f"m{number}", arguments={"shades": shades}, preprocess=GEOMETRIES[number % 2])
    return project


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that were decoded, each as often as it was."""
    names: list[str] = []
    decode = images_module.decode

    def counted(image: Any, *arguments: Any) -> np.ndarray:
        names.append(str(image))
        return decode(image, *arguments)

    monkeypatch.setattr(images_module, "decode", counted)
    return names


def outputs(results: Results) -> dict[tuple[str, str], tuple[list, np.ndarray]]:
    return {
        (dataset, model): (stored.top.tolist(), results.load_logits(dataset, model))
        for dataset in ("old", "new")
        for model in results.models(dataset)
        for stored in [results.load_predictions(dataset, model)]
    }


@pytest.mark.parametrize("batch_size, workers", [(1, 3), (7, 1), (64, 3)])
def test_predictions_are_the_same_with_memory_with_a_cache_and_streamed(
    photos: Any, decoded: list[str], monkeypatch: pytest.MonkeyPatch, batch_size: int, workers: int
) -> None:
    found = []
    for memory, cache_size, wanted in (
        (1 << 20, 0, 4 * COUNT),
        (0, "10MB", 4 * COUNT),
        (0, "10MB", 0),  # another run, which finds them on disk
        (0, 0, 4 * COUNT),  # all models of a geometry in turns
    ):
        decoded.clear()
        monkeypatch.setattr(images_module, "CACHE_BYTES", memory)
        results, _ = photos.run(
            batch_size=batch_size,
            workers=workers,
            cache_size=cache_size,
            cache_dir=photos.path / "cache",
            save_logits=True,
            force=True,
        )
        assert results.failures == ()
        assert len(decoded) == wanted
        assert len(set(decoded)) == (2 * COUNT if wanted else 0)
        found.append(outputs(results))
    assert len(found[0]) == 10
    for other in found[1:]:
        for key, (top, logits) in found[0].items():
            assert other[key][0] == top
            np.testing.assert_allclose(other[key][1], logits, rtol=1e-4)


def test_models_in_another_order_predict_the_same(photos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", 0)
    expected = outputs(photos.run(cache_size=0, save_logits=True)[0])
    photos.content["models"] = dict(reversed(photos.content["models"].items()))
    again = outputs(photos.run(cache_size=0, save_logits=True, force=True)[0])
    assert {key: top for key, (top, _) in again.items()} == {key: top for key, (top, _) in expected.items()}


def test_a_model_that_fails_in_a_group_leaves_the_others_alone(photos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", 0)
    photos.model("exits", arguments={"fault": "exit"}, preprocess=GEOMETRIES[0])
    photos.model("nan", arguments={"fault": "nan"}, preprocess=GEOMETRIES[0])
    photos.model("unbuilt", "broken", preprocess=GEOMETRIES[0])
    results, said = photos.run(cache_size=0)
    assert results.models("old") == results.models("new") == [f"m{number}" for number in range(5)]
    assert {failure.model for failure in results.failures} == {"exits", "nan", "unbuilt"}
    assert len(re.findall(r"^m\d  ", said, re.MULTILINE)) == 5


def test_an_image_found_damaged_in_a_stream_stops_its_dataset(photos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "CACHE_BYTES", 0)
    damaged = sorted((photos.path / "new").rglob("*.png"))[90]
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.raises(DataError) as caught:
        photos.run(cache_size=0)
    assert caught.value.where == f"dataset new, {damaged}"
    assert photos.results.models("new") == []
    assert len(photos.results.models("old")) == 5


def test_a_damaged_cache_is_told_and_written_again(photos: Any, decoded: list[str]) -> None:
    options = {"cache_dir": photos.path / "cache", "cache_size": "10MB", "force": True}
    expected = outputs(photos.run(save_logits=True, **options)[0])
    path = sorted((photos.path / "cache").glob("*.pixels"))[0]
    content = bytearray(path.read_bytes())
    content[-2_000] ^= 4
    path.write_bytes(content)
    decoded.clear()
    results, said = photos.run(save_logits=True, **options)
    assert len(decoded) == COUNT  # of one dataset in one geometry
    assert said.count(f"were damaged in {path} and are decoded again") == 1
    assert {key: top for key, (top, _) in outputs(results).items()} == {k: top for k, (top, _) in expected.items()}


def test_models_with_one_geometry_run_next_to_each_other(photos: Any) -> None:
    registry = load_registry(photos.save())
    works = [Work(name, entry, (), registry.class_space("shades"), {}, None) for name, entry in registry.models.items()]
    assert [work.name for work in in_order(works)] == ["m0", "m2", "m4", "m1", "m3"]


def test_a_cache_in_the_way_of_nothing(project: Any, tmp_path: Path) -> None:
    """Arrays that no geometry changes are never written."""
    project.model("good")
    project.run(cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_reduced_decoding_is_recorded_and_never_taken_for_the_full_one(project: Any, decoded: list[str]) -> None:
    rng = np.random.default_rng(list(b"reduced"))
    for name in ("old", "new"):
        for number in range(8):
            folder = project.path / name / ("black", "grey", "light", "white")[number % 4]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (64, 80, 3), np.uint8)).save(folder / f"{number}.jpg")
        project.content["datasets"][name] = {"source": "folder", "path": name, "classes": "shades"}
    project.model("good", preprocess={"resize": 16, "crop": 16})
    options = {"cache_dir": project.path / "cache", "cache_size": "10MB"}
    exact, _ = project.run(**options)
    assert exact.load_predictions("new", "good").provenance.fast_decode is None
    fast, said = project.run(**options, fast_decode=True)
    assert "JPEG decoding full size → reduced" in said
    compared = fast.load_predictions("new", "good").provenance.fast_decode
    assert compared is not None
    assert compared.images == 8
    assert 0 <= compared.differing <= 8
    assert "nothing to do" in project.run(**options, fast_decode=True)[1]
    assert "JPEG decoding reduced → full size" in project.run(**options)[1]
    assert len(list((project.path / "cache").glob("*.pixels"))) == 4  # each set at each size


def test_an_image_is_reduced_only_where_that_leaves_enough(tmp_path: Path) -> None:
    rng = np.random.default_rng(list(b"enough"))
    path = tmp_path / "x.jpg"
    Image.fromarray(rng.integers(0, 256, (64, 80, 3), np.uint8)).save(path, quality=95)
    # By hand: of 64 × 80, a half is 32 × 40; a quarter 16 × 20, which is enough for a shorter side of 16.
    for resize, changes in ((33, False), (32, True), (16, True), ((32, 41), False), (None, False)):
        preprocess = Preprocess(resize=resize, crop=16)
        exact, fast = (images_module.decode(path, preprocess, "here", fast) for fast in (False, True))
        assert exact.shape == fast.shape == (16, 16, 3)
        assert np.array_equal(exact, fast) != changes
