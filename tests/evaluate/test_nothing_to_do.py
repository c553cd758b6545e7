import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalshift.evaluate import nothing_to_do
from evalshift.evaluate.nothing_to_do import command_key, store_output, stored_output
from evalshift.evaluate.run import run
from evalshift.file_dependencies import Dependencies, dependencies_unknown, depends_on, recorded_dependencies, state_of


def look(project: Any) -> Dependencies:
    """What an idle run looks at, once all is run."""
    run(project.registry, results=project.results, device="cpu", batch_size=4)
    with recorded_dependencies() as dependencies:
        run(project.registry, results=project.results, device="cpu", batch_size=4)
    return dependencies


def edit_in_place(path: Path) -> None:
    """Another content of the same length, with the time of modification put back."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewritten(project: Any, name: str) -> None:
    labels = np.load(project.path / name)
    labels[0] = 1 - labels[0]
    np.save(project.path / name, labels)


def appended(path: Path) -> None:
    path.write_text(path.read_text() + "\n# changed\n")


CHANGES: dict[str, Callable[[Any], object]] = {
    "a stored file, at once and with its old time": lambda p: edit_in_place(p.results.predictions_file("old", "good")),
    "a stored file is gone": lambda p: p.results.predictions_file("new", "good").unlink(),
    "a stored dataset": lambda p: edit_in_place(p.results.dataset_file("old")),
    "the pairs": lambda p: (p.results.path / "pairs.json").unlink(),
    "the registry": lambda p: appended(p.registry),
    "the code of a model": lambda p: appended(p.path / "networks.py"),
    "a module that it imports appears beside it": lambda p: (p.path / "time.py").write_text("sleep = print\n"),
    "a file that an argument names": lambda p: (p.path / "weights.txt").write_text("1"),
    "a file in a folder that an argument names": lambda p: appended(p.path / "recipe" / "deep" / "steps.txt"),
    "a file appears in that folder": lambda p: (p.path / "recipe" / "deep" / "more.txt").touch(),
    "images": lambda p: rewritten(p, "new_x.npy"),
    "labels": lambda p: rewritten(p, "old_y.npy"),
    "a dataset is gone": lambda p: (p.path / "old_x.npy").unlink(),
}


def test_whatever_changes_a_run_is_seen_before_it_is_called_idle(project: Any) -> None:
    steps = project.path / "recipe" / "deep" / "steps.txt"
    steps.parent.mkdir(parents=True)
    steps.touch()
    project.model("good", arguments={"fault": ["weights.txt", "recipe"]})
    project.save()
    for what, change in CHANGES.items():
        (project.path / "time.py").unlink(missing_ok=True)
        dependencies = look(project)
        store_output(project.results.path, "key", dependencies)
        said = stored_output(project.results.path, "key")
        assert said is not None, what
        assert said.endswith(f"nothing to do: everything is in {project.results.path}")
        assert stored_output(project.results.path, "another key") is None
        change(project)
        assert stored_output(project.results.path, "key") is None, what


def test_an_idle_run_looks_at_no_file_of_the_user_without_noting_it(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.path / "recipe").mkdir()
    project.model("good", arguments={"fault": ["weights.txt", "recipe"]})
    project.save()
    look(project)
    places: set[str] = set()

    def spied(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **choices: Any) -> Any:
            if not isinstance(path, int):
                places.add(str(Path(os.fsdecode(path)).absolute()))
            return function(path, *arguments, **choices)

        return call

    for name in ("stat", "listdir", "scandir", "open"):
        monkeypatch.setattr(os, name, spied(getattr(os, name)))
    with recorded_dependencies() as dependencies:
        run(project.registry, results=project.results, device="cpu", batch_size=4)
    monkeypatch.undo()
    assert dependencies.is_complete
    own = {place for place in places if Path(place).is_relative_to(project.path)}
    # Where results lie is no part of the output, and the time of the registry is asked for beside its content.
    assert own - set(dependencies.files) <= {str(project.results.path)}
    assert str(project.path / "networks.py") in own


def test_a_run_with_something_to_do_is_not_kept(project: Any) -> None:
    project.model("good")
    project.save()
    with recorded_dependencies() as dependencies:
        run(project.registry, results=project.results, device="cpu", batch_size=4)
    assert dependencies.output is None
    store_output(project.results.path, "key", dependencies)
    assert stored_output(project.results.path, "key") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"key": "key"}', '{"key": "key", "said": "nothing to do", "files": {"/": [1]}}']
)
def test_a_damaged_note_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / ".nothing-to-do").write_text(content)
    assert stored_output(tmp_path, "key") is None


def test_folders_of_images_leave_no_note(tmp_path: Path, project: Any) -> None:
    with recorded_dependencies() as dependencies:
        depends_on(tmp_path / "old_x.npy")
        dependencies_unknown()
    dependencies.output = "nothing to do"
    store_output(tmp_path, "key", dependencies)
    assert not (tmp_path / ".nothing-to-do").exists()


def test_options_environment_folder_and_code_belong_to_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = command_key("registry.yaml", None)
    assert key == command_key("registry.yaml", None)
    assert key != command_key("registry.yaml", ["a:b"])
    monkeypatch.setenv("COLUMNS", "77")
    assert key == command_key("registry.yaml", None)
    monkeypatch.setenv("DATA_FOLDER", "elsewhere")
    assert key != command_key("registry.yaml", None)
    monkeypatch.delenv("DATA_FOLDER")
    monkeypatch.chdir(tmp_path)
    elsewhere = command_key("registry.yaml", None)
    assert elsewhere != key
    monkeypatch.setattr(nothing_to_do, "_own_code", lambda: iter([("run.py", 1, 2)]))
    assert command_key("registry.yaml", None) != elsewhere


def test_a_change_within_the_clock_s_tick_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    state = state_of(str(path))
    assert state is not None
    assert len(state) == 6  # changed a moment ago, so its content counts
    old = path.stat().st_mtime - 3600
    os.utime(path, (old, old))
    assert state_of(str(path)) != state
    assert state_of(str(tmp_path / "absent")) is None
    assert state_of(str(path / "below")) is None
