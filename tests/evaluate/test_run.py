import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from messages import says
from PIL import Image
from rich.console import Console

import evalshift as es
from evalshift.errors import DataError, StoreError, UsageError
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import make_plan, make_request
from evalshift.evaluate.run import run, say_plan
from evalshift.evaluate.store import SCHEMA_VERSION, Results
from evalshift.files import TEMPORARY_SUFFIX, sha256_of
from evalshift.formatting import counted
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry

THREADS = counted(torch.get_num_threads(), "thread")


def accuracies(results: Results, dataset: str) -> dict[str, float]:
    labels = results.load_dataset(dataset).labels
    return {
        model: float(results.load_predictions(dataset, model).hits(labels).mean()) for model in results.models(dataset)
    }


def without_speeds(said: str) -> str:
    return re.sub(r"\([\d,]+ images/s\)", "(N/s)", said)


def files(folder: Path) -> dict[str, int]:
    """When each file was last written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------------------------------------------- the embedded pair


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, str]:
    said = io.StringIO()
    folder = tmp_path_factory.mktemp("embedded") / "results"
    results = run(es.load_registry(), results=folder, device="cpu", console=Console(file=said, width=200))
    return results, said.getvalue()


def test_the_embedded_pair_runs_from_end_to_end(embedded: tuple[Results, str]) -> None:
    results, said = embedded
    registry = load_registry()
    models = sorted(name for name, entry in registry.models.items() if entry.classes == "digits")
    assert len(models) >= 24
    assert results.failures == ()
    assert results.pairs() == ["digits:digits-new-writers"]
    assert results.datasets() == ["digits", "digits-new-writers"]
    for dataset in results.datasets():
        assert results.models(dataset) == models
    found = accuracies(results, "digits")
    for name in models:
        assert found[name] == pytest.approx(registry.models[name].expected["digits"], abs=0.003), name
    assert "published" not in said
    lines = said.splitlines()
    assert lines[:4] == [
        f"registry  {registry.path}",
        "pairs     digits:digits-new-writers",
        f"models    {len(models)} ({len(registry.models) - len(models)} with other classes left out)",
        f"device    cpu ({THREADS}), fp32",
    ]
    last = lines[4 + len(models) :]  # a run that is over in no time does not say how it went
    assert len(last) <= 1
    for line in last:
        assert re.fullmatch(
            r"time      [\d.]+ s: decode 0.0 s \(0 images\), forward [\d.]+ s, store [\d.]+ s, "
            r"loading models and choosing batches [\d.]+ s",
            line,
        )
    assert re.fullmatch(
        r"digits-centroid-n20          digits \d\d\.\d % \([\d,]+ images/s\)   "
        r"digits-new-writers \d\d\.\d % \([\d,]+ images/s\)",
        lines[4],
    )


def test_a_second_run_does_nothing_says_so_and_stays_light(
    embedded: tuple[Results, str], python: Callable[..., str]
) -> None:
    results, _ = embedded
    before = files(results.path)
    code = """
import sys, time
import evalshift as es
from rich.console import Console
es.run(es.load_registry(), results=sys.argv[1], console=Console(file=sys.stdout, width=300))
heavy = [name for name in ("torch", "torchvision", "timm", "sklearn", "PIL") if name in sys.modules]
print(heavy, time.process_time())
"""
    *said, last = python(code, results.path).splitlines()
    models = len(results.models("digits"))
    assert said[2:] == [
        f"models    {models} ({len(load_registry().models) - models} with other classes left out)",
        f"skipped   {2 * models} predictions stored and still valid",
        f"nothing to do: everything is in {results.path}",
    ]
    heavy, seconds = last.rsplit(" ", 1)
    assert heavy == "[]"
    assert float(seconds) < 5  # half a second of computing, however busy the machine is
    assert files(results.path) == before


def test_a_report_of_what_was_run_needs_no_torch(
    embedded: tuple[Results, str], python: Callable[..., str], tmp_path: Path
) -> None:
    code = """
import sys
import evalshift as es
es.report(sys.argv[1], resamples=200).save(sys.argv[2], "csv,md")
print([name for name in ("torch", "torchvision", "timm") if name in sys.modules])
"""
    assert python(code, embedded[0].path, tmp_path / "report") == "[]\n"
    assert (tmp_path / "report" / "tables").is_dir()


def test_one_model_by_name_and_es_evaluate_agree(embedded: tuple[Results, str]) -> None:
    from evalshift.testbed.models import load_classifier

    registry = load_registry()
    name = "digits-cnn-16-32"
    module = load_classifier(name, registry.models[name], registry.class_space("digits")).module
    settings = registry.models[name].preprocess
    assert settings is not None
    again = es.predict(module, "digits", preprocess=settings, device="cpu")
    stored = embedded[0].load_predictions("digits", name)
    np.testing.assert_array_equal(again.top[:, 0], stored.top[:, 0])
    assert again.prob is not None
    assert stored.prob is not None
    np.testing.assert_allclose(again.prob, stored.prob, atol=1e-5)


# ------------------------------------------------------------------------------------------------------- what is stored


def test_predictions_are_stored_as_they_can_be_counted(project: Any) -> None:
    project.model("knows-all")
    # By hand: white (230/255 = 0.9) is nearest to 0.6 here, so a quarter of the images is taken for light grey.
    project.model("no-white", arguments={"shades": [0.1, 0.4, 0.6, 5.0]})
    results, said = project.run()
    assert accuracies(results, "old") == {"knows-all": 1.0, "no-white": 0.75}
    assert accuracies(results, "new") == {"knows-all": 1.0, "no-white": 0.75}
    assert results.load_predictions("new", "no-white").top[:, 0].tolist() == [0, 1, 2, 2] * 2
    assert without_speeds(said) == (
        f"registry  {project.registry}\n"
        "code      networks.py: knows-all, no-white\n"
        "pairs     old:new\n"
        "models    2\n"
        f"device    cpu ({THREADS}), fp32\n"
        "knows-all                    old 100.0 % (N/s)   new 100.0 % (N/s)\n"
        "no-white                     old 75.0 % (N/s)   new 75.0 % (N/s)\n"
    )
    stored = results.load_dataset("new")
    assert stored.labels.tolist() == [0, 1, 2, 3] * 2
    assert (stored.classes, stored.class_names) == ("shades", ("black", "grey", "light", "white"))
    assert stored.ids == tuple("01234567")


def test_provenance_is_complete(project: Any) -> None:
    project.model("good", preprocess={"mean": [0.0]}, family="nearest", year=2001, expected={"old": 1.0})
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        project.save()
        subprocess.run(["git", "-C", project.path, *identity, *arguments], check=True)
    head = subprocess.run(["git", "-C", project.path, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    before = datetime.now(UTC) - timedelta(seconds=1)
    results, _ = project.run()
    provenance = results.provenance("old", "good")
    assert provenance is not None
    assert provenance.schema_version == SCHEMA_VERSION
    assert (provenance.model, provenance.dataset, provenance.classes) == ("good", "old", "shades")
    assert provenance.entry == project.content["models"]["good"]
    assert provenance.identity == {
        "source": "python",
        "classes": "shades",
        "function": "networks.py:shades",
        "function_sha256": sha256_of(project.path / "networks.py"),
        "preprocess": {"mean": [0.0]},
    }
    assert provenance.checkpoint_sha256 is None
    assert provenance.dataset_fingerprint == results.load_dataset("old").fingerprint
    assert provenance.preprocess == Preprocess(mean=(0.0,)).model_dump(mode="json")
    assert (provenance.device, provenance.precision) == (f"cpu ({THREADS})", "fp32")
    assert (provenance.batch_size, provenance.memory_format) == (4, "contiguous")
    assert {"evalshift", "python", "torch", "torchvision", "numpy", "pillow"} <= set(provenance.versions)
    assert provenance.git_revision == head.stdout.strip()
    assert before <= datetime.fromisoformat(provenance.start) <= datetime.now(UTC)
    assert provenance.seconds > 0
    assert provenance.images_per_second > 0
    assert provenance.warnings == []
    # And it stands in the file itself, a key each, for whoever opens it with something else.
    import pyarrow.parquet as pq

    metadata = pq.read_schema(results.predictions_file("old", "good")).metadata
    assert {key.removeprefix(b"evalshift.").decode() for key in metadata if key.startswith(b"evalshift.")} == {
        "rows_sha256",
        "facts_sha256",
    } | set(provenance.model_dump())


def test_an_accuracy_other_than_the_published_one_is_said_but_not_stored(project: Any) -> None:
    # 9 of 12 are right: 0.75. One image is let pass, for other libraries and devices: 0.833 is 10 of 12.
    shades = {"shades": [0.1, 0.4, 0.6, 5.0]}
    project.model("as-published", arguments=shades, expected={"old": 0.75})
    project.model("an-image-off", arguments=shades, expected={"old": 0.833})
    project.model("worse", arguments=shades, expected={"old": 0.9167, "elsewhere": 0.1})
    project.model("better", arguments=shades, expected={"new": 0.25})
    results, said = project.run()
    said = without_speeds(said)
    assert "worse                        old 75.0 % (91.7 % published, 2 images fewer) (N/s)" in said
    assert "new 75.0 % (25.0 % published, 4 images more) (N/s)" in said
    assert said.count("% published,") == 2
    assert (
        "\naccuracy differs from the expected one: worse, better; `evalshift report` names the likely cause\n" in said
    )
    # A report works it out afresh, from what the registry said.
    for model in ("as-published", "an-image-off", "worse", "better"):
        for dataset in ("old", "new"):
            assert results.load_predictions(dataset, model).provenance.warnings == []


def test_logits_are_stored_when_asked_for_and_only_what_lacks_them_is_run_again(project: Any) -> None:
    project.model("a")
    results, _ = project.run()
    project.model("b")
    results, said = project.run(save_logits=True, models=["b"])
    results, said = project.run(save_logits=True)
    assert "skipped   2 predictions stored and still valid\n" in said
    assert "redone    a on old, a on new: its logits are not stored\n" in said
    for model in ("a", "b"):
        logits = np.load(results.logits_file("old", model))
        assert (logits.shape, logits.dtype) == ((12, 4), np.float16)
        np.testing.assert_array_equal(logits.argmax(axis=1), results.load_predictions("old", model).top[:, 0])
    assert "nothing to do" in project.run(save_logits=True)[1]
    # Predictions of another network do not keep the logits of the old one.
    project.content["models"]["a"]["arguments"] = {"shades": [0.1, 0.4, 0.6, 5.0]}
    project.run()
    assert not results.logits_file("old", "a").exists()
    assert results.logits_file("old", "b").exists()


def test_a_change_in_a_folder_that_an_argument_names_is_run_again(project: Any) -> None:
    with (project.path / "networks.py").open("a") as stream:
        stream.write("from pathlib import Path\ndef of_folder(folder):\n")
        stream.write("    return shades(tuple(map(float, Path(folder, 'levels', 'all.txt').read_text().split())))\n")
    levels = project.path / "recipe" / "levels" / "all.txt"
    levels.parent.mkdir(parents=True)
    levels.write_text("0.1 0.4 0.6 0.9")
    project.model("good", "of_folder", arguments={"folder": str(project.path / "recipe")})
    assert accuracies(project.run()[0], "old") == {"good": 1.0}
    assert "nothing to do" in project.run()[1]
    levels.write_text("0.1 0.4 0.6 5.0")
    results, said = project.run()
    assert "redone    good on old, good on new: argument_files.recipe/" in said
    assert accuracies(results, "old") == {"good": 0.75}


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_any_batch_size_gives_the_same_predictions(project: Any, batch_size: int) -> None:
    project.model("good")
    results, _ = project.run(batch_size=batch_size)
    assert results.load_predictions("old", "good").top[:, 0].tolist() == [0, 1, 2, 3] * 3
    provenance = results.provenance("old", "good")
    assert provenance is not None
    assert provenance.batch_size == batch_size


def test_force_runs_all_again_and_says_why(project: Any) -> None:
    project.model("good")
    results, _ = project.run()
    before = files(results.path)
    results, said = project.run(force=True)
    assert "redone    good on old, good on new: run again on request\n" in said
    after = files(results.path)
    assert {name for name in before if before[name] != after[name]} == {
        "predictions/old/good.parquet",
        "predictions/new/good.parquet",
    }


def test_what_a_run_gives_back_is_about_its_models_alone(project: Any) -> None:
    project.model("good")
    project.model("other")
    project.run()
    results, _ = project.run(models=["good"])
    assert results.models("old") == results.models("new") == ["good"]
    assert set(results.to_frame()["model"]) == {"good"}
    assert Results(results.path).models("old") == ["good", "other"]


def test_several_pairs_share_their_datasets_and_are_listed_in_order(project: Any) -> None:
    project.dataset("newer", 4)
    project.content["pairs"].append("old:newer")
    project.model("good")
    results, _ = project.run(pairs=["old:newer"])
    assert results.pairs() == ["old:newer"]
    results, said = project.run()
    assert "skipped   2 predictions stored and still valid\n" in said
    assert results.pairs() == ["old:new", "old:newer"]  # what this run was about
    assert Results(results.path).pairs() == ["old:newer", "old:new"]  # all, in the order of their first run


def test_image_files_run_like_arrays(project: Any, tmp_path: Path) -> None:
    dataset = load_dataset(
        "old", load_registry(project.save()).dataset("old"), load_registry(project.registry).class_space("shades")
    )
    names = ["black", "grey", "light", "white"]
    for number, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
        folder = tmp_path / "pictures" / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.repeat(image, 3, axis=2)).resize((4 + number, 9)).save(folder / f"{number}.png")
    project.content["datasets"]["new"] = {"source": "folder", "path": "pictures", "classes": "shades"}
    project.model("good", preprocess={"resize": [4, 4]})
    project.model("also-good", preprocess={"crop": 3})
    results, _ = project.run()
    assert accuracies(results, "new") == {"also-good": 1.0, "good": 1.0}
    assert results.load_dataset("new").ids[:3] == ("black/0.png", "black/4.png", "black/8.png")
    assert results.load_dataset("new").pictures[:2] != results.load_dataset("old").pictures[:2]
    assert "nothing to do" in project.run()[1]


def test_images_in_other_files_under_other_names_are_known_by_their_pixels(project: Any, tmp_path: Path) -> None:
    registry = load_registry(project.save())
    old = load_dataset("old", registry.dataset("old"), registry.class_space("shades"))
    names = ["black", "grey", "light", "white"]
    for number, (image, label) in enumerate(zip(old.images, old.labels, strict=True)):
        folder = tmp_path / "pictures" / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(folder / f"copy-{number}.png")
    project.content["datasets"]["new"] = {"source": "folder", "path": "pictures", "classes": "shades"}
    project.model("good")
    results, _ = project.run()
    notes = es.report(results, resamples=0).summary.pairs[0].notes
    assert [note for note in notes if note.startswith(f"old and new share {len(old)} images. ")]


# ------------------------------------------------------------------------------------------------------------- failures


FAULTS = {
    "no-weights": ("the weights were not found", None),
    "outputs": ("unexpected number of outputs", "old"),
    "nan": ("the network gives logits that are not finite", "old"),
    "raises": ("the network raised ArithmeticError: the network lost its way", "old"),
    "exits": ("the network raised SystemExit: 3", "old"),
    "unbuilt": ("the model cannot be built", None),
}


@pytest.fixture
def faulty(project: Any) -> Any:
    """A model of every kind that fails, between two that do not."""
    project.model("first")
    project.content["models"]["no-weights"] = {
        "source": "checkpoint",
        "builder": "networks.py:shades",
        "weights": "nowhere.safetensors",
        "classes": "shades",
        "preprocess": {},
    }
    project.model("outputs", arguments={"fault": "outputs"})
    project.model("nan", arguments={"fault": "nan"})
    project.model("raises", arguments={"fault": "raise"})
    project.model("exits", arguments={"fault": "exit"})
    project.model("unbuilt", "broken")
    project.model("last")
    return project


@pytest.mark.parametrize("batch_size", [4, "auto"])
def test_a_model_that_fails_is_reported_and_the_others_go_on(faulty: Any, batch_size: int | str) -> None:
    results, said = faulty.run(batch_size=batch_size)
    assert results.models("old") == results.models("new") == ["first", "last"]
    found = {}
    for failure in results.failures:
        found.setdefault(failure.model, (failure.error.splitlines()[0], failure.dataset))
    assert found == FAULTS
    assert len(results.failures) == 2 + 2 * 4  # what can be built fails on either dataset
    assert said.count(" failed: ") == len(results.failures)
    assert "unbuilt failed: the model cannot be built\n" in said
    assert "nan on new failed: the network gives logits that are not finite\n" in said
    again, said = faulty.run()
    assert "skipped   4 predictions stored and still valid\n" in said
    assert len(again.failures) == len(results.failures)


def test_what_a_network_raises_is_told_with_the_line_of_its_own_code(faulty: Any) -> None:
    results, _ = faulty.run(models=["raises"])
    code = faulty.path / "networks.py"
    [line] = [n for n, text in enumerate(code.read_text().splitlines(), 1) if "raise ArithmeticError" in text]
    says(results.failures[0].error, where=f"{code}, line {line}")


def test_where_only_torch_is_at_fault_no_line_is_named(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A layer of torch that does not fit the images, run by threads of the standard library: no line is the user's.
    monkeypatch.setattr("evalshift.evaluate.preparation.count_streams", lambda *_: 2)
    project.content["models"]["misfit"] = {
        "source": "python",
        "function": "torch.nn:Linear",
        "arguments": {"in_features": 3, "out_features": 4},
        "classes": "shades",
        "preprocess": {},
        "trust": True,
    }
    results, _ = project.run()
    assert re.fullmatch(
        r"the network raised RuntimeError: .*mat1 and mat2 shapes cannot be multiplied.*", results.failures[0].error
    )


def test_an_image_that_a_network_stumbles_on_is_named(faulty: Any) -> None:
    results, _ = faulty.run(models=["nan"])
    # By hand: the fault strikes where a pixel is above 0.9, which white is (230/255); image 3 is the first white one.
    says(results.failures[0].error, where="model nan, image 03", found="nan for class 1 (grey)")


@pytest.mark.parametrize(
    "error", [torch.cuda.OutOfMemoryError("out of memory: tried to allocate 9 GiB"), MemoryError("out of memory")]
)
def test_full_memory_is_told_with_what_to_do(project: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    project.model("large")
    monkeypatch.setattr("evalshift.evaluate.inference.forward", full)
    results, _ = project.run(models=["large"])
    says(results.failures[0].error)


def test_wrong_data_stops_before_any_model_runs(project: Any) -> None:
    project.model("good")
    np.save(project.path / "new_y.npy", np.arange(8))  # labels up to 7 where there are 4 classes
    with pytest.raises(DataError, match=r"^labels outside the classes\n"):
        project.run()
    assert project.results.models("old") == []


def test_data_that_is_gone_stops_before_any_model_runs(project: Any) -> None:
    project.model("good")
    project.run()
    project.model("better")
    for name in ("new_x.npy", "new_y.npy"):
        (project.path / name).unlink()
    with pytest.raises(DataError, match=r"^a file was not found\n"):
        project.run()
    assert project.results.models("old") == ["good"]


def test_a_damaged_image_stops_its_dataset_before_any_model_runs(project: Any) -> None:
    for name in ("black", "white"):
        (project.path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(project.path / "pictures" / name / "1.png")
    damaged = project.path / "pictures" / "white" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    project.content["datasets"]["new"] = {"source": "folder", "path": "pictures", "classes": "shades"}
    project.model("good")
    project.model("better")
    said = io.StringIO()
    with pytest.raises(DataError) as caught:
        project.run(console=Console(file=said, width=200))
    assert caught.value.where == f"dataset new, {damaged}"
    assert project.results.models("old") == ["better", "good"]
    assert project.results.models("new") == []
    first = said.getvalue().index("no model is run on new: an image cannot be read\n")
    assert first < said.getvalue().index("good  ")


@pytest.mark.parametrize("options", [{"precision": "fp16"}, {"device": "abacus"}])
def test_what_the_machine_cannot_do_stops_before_any_model_runs(project: Any, options: dict[str, str]) -> None:
    project.model("good")
    with pytest.raises(UsageError):
        project.run(**options)
    assert project.results.models("old") == []


def test_a_results_folder_that_cannot_be_written_fails_before_the_first_model(project: Any) -> None:
    project.model("good", arguments={"fault": "raise"})
    (project.path / "file").write_bytes(b"")
    project.results = Results(project.path / "file" / "results")
    with pytest.raises(StoreError, match=f"found:    {project.path / 'file'} is a file, not a folder\n"):
        project.run()


def test_a_folder_that_became_unwritable_fails_before_the_first_model(project: Any) -> None:
    project.model("good")
    project.run()
    project.model("slow", arguments={"fault": "raise"})
    folder = project.results.path / "predictions"
    folder.rename(project.path / "aside")
    folder.write_bytes(b"a file in the place of a folder")
    with pytest.raises(StoreError, match=f"found:    {folder} is a file, not a folder\n"):
        project.run()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_the_run_and_keeps_what_is_stored(project: Any, tiny_disk: Path) -> None:
    for number in range(12):
        project.model(f"model-{number:02d}")
    project.results = Results(tiny_disk / "results")
    with pytest.raises(StoreError) as caught:
        project.run()
    assert (caught.value.problem, caught.value.found) == ("a file could not be written", "No space left on device")
    stored = [(dataset, model) for dataset in ("old", "new") for model in project.results.models(dataset)]
    assert 0 < len(stored) < 24
    for dataset, model in stored:
        assert project.results.load_predictions(dataset, model).top[:4, 0].tolist() == [0, 1, 2, 3]
    assert not list(tiny_disk.rglob(f".*{TEMPORARY_SUFFIX}"))


def test_a_read_only_folder_with_all_there_is_to_do_is_enough(project: Any, tmp_path: Path) -> None:
    project.model("good")
    project.run()
    mounted = subprocess.run(["mount", "--bind", project.results.path, project.results.path], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a folder needs root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", project.results.path], check=True)
        assert "nothing to do" in project.run()[1]
    finally:
        subprocess.run(["umount", project.results.path], check=True)


# -------------------------------------------------------------------------------------------------------- interruptions


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def interrupted(project: Any) -> Any:
    """Three models; the second takes half a minute, long enough to be stopped in the middle of."""
    project.model("a")
    project.model("b", arguments={"pause": 2.0})
    project.model("c")
    return project


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_keeps_what_is_finished_and_goes_on_from_there(interrupted: Any, how: int) -> None:
    results = interrupted.results
    process = interrupted.start()
    try:
        wait_for(lambda: results.models("new") == ["a"], process)
        time.sleep(0.2)  # into the second model
    finally:
        process.send_signal(how)
        said, _ = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert said.endswith("\nevalshift: stopped; finished results are kept, and the same command resumes there\n")
        assert "Traceback" not in said
    else:
        assert process.returncode == -signal.SIGKILL
    assert results.models("old") == results.models("new") == ["a"]
    assert results.pairs() == ["old:new"]  # so that what there is can be reported
    kept = files(results.path)
    interrupted.content["models"]["b"]["arguments"] = {"pause": 0.0}
    done, said = interrupted.run()
    assert done.failures == ()
    assert "skipped   2 predictions stored and still valid\n" in said
    assert "redone" not in said
    assert accuracies(results, "old") == accuracies(results, "new") == {"a": 1.0, "b": 1.0, "c": 1.0}
    after = files(results.path)
    assert all(after[name] == kept[name] for name in kept if name.endswith("a.parquet"))


def test_half_a_file_of_a_killed_run_is_never_read_and_goes_away_in_time(project: Any) -> None:
    project.model("good")
    folder = project.results.path / "predictions" / "old"
    folder.mkdir(parents=True)
    young, old = (folder / f".good.parquet.{number}{TEMPORARY_SUFFIX}" for number in (1, 2))
    for leftover in (young, old):
        leftover.write_bytes(b"PAR1 half a file")
    two_days_ago = time.time() - 48 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    assert project.results.models("old") == []
    results, _ = project.run()
    assert results.models("old") == ["good"]
    assert young.exists()  # another run may still be writing it
    assert not old.exists()


# ------------------------------------------------------------------------------------------------------- what is shown


def test_names_with_markup_are_shown_as_they_are(project: Any) -> None:
    project.model("[bold]x[/bold]")
    project.model("[red]", arguments={"fault": "raise"})
    project.model("[/red]", "broken")
    results, said = project.run()
    assert results.models("old") == ["[bold]x[/bold]"]
    assert "\n[bold]x[/bold]               old 100.0 % (" in said
    assert "\n[red] on old failed: the network raised ArithmeticError" in said
    assert "\n[/red] failed: the model cannot be built\n" in said
    project.content["models"]["[bold]x[/bold]"]["arguments"] = {"shades": [0.1, 0.4, 0.6, 5.0]}
    _, said = project.run()
    why = "arguments.shades not set → [0.1, 0.4, 0.6, 5.0]"
    assert f"redone    [bold]x[/bold] on old, [bold]x[/bold] on new: {why}\n" in said


@pytest.mark.filterwarnings("default")
def test_what_the_code_of_a_model_warns_of_is_a_line_with_its_name(
    project: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    project.model("old-name", "outdated")
    results, said = project.run()
    assert results.models("old") == ["old-name"]
    assert said.count("warning") == 2
    assert "\nold-name: warning: shades is now called tones\nold-name: warning: gamma is not read\n" in said
    assert capfd.readouterr().err == ""


def test_what_is_not_a_terminal_gets_plain_lines(project: Any) -> None:
    project.model("good")
    project.model("bad", arguments={"fault": "nan"})
    said = io.StringIO()
    project.run(console=Console(file=said, width=40))
    assert all(line.isprintable() for line in said.getvalue().splitlines())
    # Lines longer than the console are left to whoever reads them.
    assert f"registry  {project.registry}" in said.getvalue().splitlines()


def test_a_terminal_gets_bars_that_leave_only_the_lines_behind(project: Any) -> None:
    project.model("good")
    shown = io.StringIO()
    project.run(console=Console(file=shown, width=100, force_terminal=True, force_interactive=True))
    shown = shown.getvalue()
    assert "all models" in shown
    assert "\x1b[?25l" in shown  # the cursor goes away
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # and comes back
    # What stays is above what was drawn over: after the line of the model, the bars are drawn and taken away once more.
    stays = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown)
    assert re.search(r"good {25}old 100\.0 % \([\d,]+ images/s\)   new 100\.0 % \([\d,]+ images/s\)\n", stays)


def test_more_than_three_redone_for_one_reason_are_counted_on(project: Any) -> None:
    for name in "abc":
        project.model(name)
    project.run()
    _, said = project.run(force=True)
    assert "redone    a on old, a on new, b on old, …: run again on request\n" in said


def test_the_plan_of_a_dry_run_is_said_without_running(project: Any) -> None:
    project.model("good")
    request = make_request(project.save(), (), (), project.results, Options())
    said = io.StringIO()
    say_plan(make_plan(request), request, Console(file=said, width=40))
    assert (
        said.getvalue()
        == f"registry  {project.registry}\ncode      networks.py: good\npairs     old:new\nmodels    1\n"
    )
    assert not project.results.path.exists()


def test_a_run_takes_a_registry_a_path_or_text(project: Any, tmp_path: Path) -> None:
    project.model("good")
    path = project.save()
    console = Console(file=io.StringIO())
    for number, registry in enumerate((path, str(path), load_registry(path))):
        folder = tmp_path / f"results-{number}"
        for results in (folder, str(folder), Results(folder)):
            made = run(registry, "old:new", "good", results, device="cpu", batch_size=4, console=console)
            assert made.path == folder
        assert made.models("new") == ["good"]


def test_entries_are_kept_as_they_were_written(project: Any) -> None:
    project.model("good", note="größe <b>", arguments={"pause": 0.0})
    results, _ = project.run()
    provenance = results.provenance("new", "good")
    assert provenance is not None
    written = yaml.safe_load(project.registry.read_text())["models"]["good"]
    assert provenance.entry == written == json.loads(json.dumps(written))


def test_a_limited_run_stores_the_first_images_apart_under_names_that_say_so(project: Any) -> None:
    project.model("good")
    full, _ = project.run()
    limited, said = project.run(limit=4)
    assert limited.path == full.path / "limit-4"
    assert limited.pairs() == ["old@first-4:new@first-4"]
    assert full.pairs() == ["old:new"]
    assert full.datasets() == ["new", "old"]
    assert limited.datasets() == ["new@first-4", "old@first-4"]
    assert limited.load_dataset("old@first-4").labels.tolist() == [0, 1, 2, 3]
    stored = limited.load_predictions("old@first-4", "good")
    assert stored.top[:, 0].tolist() == [0, 1, 2, 3]
    assert "only the first 4 of 12 images, balanced over the classes" in stored.provenance.warnings
    assert "old@first-4: only the first 4 of 12 images" in said
    # 12 and 8 images in all.
    assert re.search(r"full run  about .+ for 1 model and all images \(20 in all, each counted per model\)", said)
    again, _ = project.run()
    assert again.load_predictions("old", "good").provenance == full.load_predictions("old", "good").provenance


@pytest.mark.parametrize("named", [False, True], ids=["in order", "by name"])
def test_a_limited_run_has_the_corrected_labels_of_its_images(project: Any, named: bool) -> None:
    project.model("good")
    project.run()
    ids = project.run()[0].load_dataset("old").ids
    rows = [f"{number % 4}\n" for number in range(11)] + ["3;2\n"]
    lines = [f"{name},{row}" for name, row in zip(ids, rows, strict=True)] if named else rows
    (project.path / "corrected.csv").write_text(("id," if named else "") + "label\n" + "".join(lines))
    project.content["datasets"]["old"]["corrected_labels"] = "corrected.csv"
    stored = project.run(limit=4)[0].load_dataset("old@first-4")
    places = [ids.index(name) for name in stored.ids]
    assert stored.corrected is not None
    assert stored.corrected[:, 0].tolist() == [place % 4 for place in places]


def test_a_limited_run_whose_images_have_no_corrected_label_goes_on(project: Any) -> None:
    project.model("good")
    ids = project.run()[0].load_dataset("old").ids
    (project.path / "corrected.csv").write_text(f"id,label\n{ids[-1]},3\n")
    project.content["datasets"]["old"]["corrected_labels"] = "corrected.csv"
    assert project.run()[0].load_dataset("old").corrected is not None
    assert project.run(limit=4)[0].load_dataset("old@first-4").corrected is None


def test_the_report_of_a_limited_run_names_it_everywhere(project: Any) -> None:
    for name, shade in (("good", 0.9), ("weak", 0.7), ("other", 0.8)):
        project.model(name, arguments={"shades": [0.1, 0.4, 0.6, shade]})
    project.content["datasets"]["old"]["title"] = "Old"
    limited, _ = project.run(limit=8)
    made = es.report(limited, resamples=0)
    files = made.save(project.path / "report", "html,csv,png").parent
    assert all("first-8" in path.name for path in (files / "figures").iterdir())
    page = (files / "index.html").read_text("utf-8")
    assert "Old (first 8 images)" in page
    assert json.loads((files / "summary.json").read_text())["pairs"][0]["original"] == "old@first-8"
