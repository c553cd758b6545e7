from pathlib import Path
from typing import Any

import pytest
from classifiers import MODEL, TEN
from messages import says

from evalshift.errors import ModelError
from evalshift.testbed.argument_files import hashes_of_arguments
from evalshift.testbed.code_files import module_file, modules_beside
from evalshift.testbed.models import load_classifier

CODE = {"classes": "ten", "preprocess": {}, "trust": True}


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__in__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def identity(folder: Path, **content: Any) -> dict[str, Any]:
    return MODEL.validate_python({**CODE, **content}, context={"folder": folder}).identity()


class TestModulesBeside:
    def test_each_way_to_import(self, tmp_path: Path) -> None:
        put(
            tmp_path,
            net="import one\nimport pack.deep.two as x\nfrom three import f\nfrom pack import four\nimport os, torch\n",
            one="def late():\n    import five\n",
            three="from six import *",
            five="",
            six="import net",
            unrelated="",
            pack__in____init__="from .seven import g\nfrom . import eight",
            pack__in__four="from .. import nothing",
            pack__in__seven="",
            pack__in__eight="from .deep import nine",
            pack__in__deep__in__two="",
            pack__in__deep__in__nine="",
        )
        assert list(modules_beside(tmp_path / "net.py")) == [
            "five.py",
            "one.py",
            "pack/__init__.py",
            "pack/deep/nine.py",
            "pack/deep/two.py",
            "pack/eight.py",
            "pack/four.py",
            "pack/seven.py",
            "six.py",
            "three.py",
        ]

    def test_a_file_that_is_not_python_imports_nothing(self, tmp_path: Path) -> None:
        put(tmp_path, net="import one\nthis is (not Python", one="")
        assert modules_beside(tmp_path / "net.py") == {}
        assert modules_beside(tmp_path / "absent.py") == {}


class TestIdentity:
    @pytest.mark.parametrize("key", ["function", "builder"])
    def test_an_edit_of_an_imported_file_changes_it(self, tmp_path: Path, key: str) -> None:
        put(tmp_path, net="from layers import width\n", layers="width = 1\n", notes="x = 1\n")
        (tmp_path / "w.pt").touch()
        content = {"source": "python"} if key == "function" else {"source": "checkpoint", "weights": "w.pt"}
        content[key] = "net.py:net"
        before = identity(tmp_path, **content)
        put(tmp_path, notes="x = 23\n")
        assert identity(tmp_path, **content) == before
        put(tmp_path, layers="width = 23\n")
        assert identity(tmp_path, **content) != before

    def test_a_file_that_an_argument_names_changes_it(self, tmp_path: Path) -> None:
        put(tmp_path, net="")
        content = {"source": "python", "function": "net.py:net", "arguments": {"options": {"weights": "w.pt"}}}
        (tmp_path / "w.pt").write_bytes(b"1")
        before = identity(tmp_path, **content)
        (tmp_path / "w.pt").write_bytes(b"22")
        assert identity(tmp_path, **content) != before

    def test_a_module_that_is_not_installed_changes_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, own_package__in____init__="raise SystemExit", own_package__in__net="from own_package import deep")
        put(tmp_path, own_package__in__deep="x = 1\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        content = {"source": "python", "function": "own_package.net:net"}
        before = identity(tmp_path, **content)
        assert set(before["function_imports"]) == {"own_package/__init__.py", "own_package/deep.py"}
        put(tmp_path, own_package__in__deep="x = 23\n")
        assert identity(tmp_path, **content) != before

    def test_an_installed_package_counts_by_its_version(self, tmp_path: Path) -> None:
        import timm

        found = identity(tmp_path, source="python", function="timm.models:create_model")
        assert found["function_version"] == timm.__version__
        assert module_file("timm.models") == Path(timm.__file__).parent / "models" / "__init__.py"
        assert module_file("no_such_package.at.all") is None

    @pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
    def test_a_folder_of_hugging_faces_files(self, tmp_path: Path, name: str) -> None:
        content = {"source": "huggingface", "repository": "a/b", "revision": "0" * 40, "path": "."}
        entry = MODEL.validate_python({**content, "classes": "ten"}, context={"folder": tmp_path})
        before = entry.identity()
        assert before["files"][name] == "missing"
        (tmp_path / name).write_text("{}")
        after = entry.identity()
        assert after != before
        (tmp_path / name).write_text('{"crop_pct": 0.5}')
        assert entry.identity() not in (before, after)

    def test_a_checkout_counts_with_all_its_files(self, tmp_path: Path) -> None:
        hub = {"source": "torch.hub", "repository": "a/b", "commit": "0" * 40, "entry": "net", "path": "."}
        put(tmp_path, hubconf="from models import net", models__in____init__="")
        (tmp_path / "weights.pth").write_bytes(b"1")
        seen = [identity(tmp_path, **hub)]
        put(tmp_path, models__in____init__="x = 1")
        seen.append(identity(tmp_path, **hub))
        (tmp_path / "weights.pth").write_bytes(b"23")
        seen.append(identity(tmp_path, **hub))
        assert seen[0] != seen[1] != seen[2]
        (tmp_path / "models" / "__pycache__").mkdir()
        (tmp_path / "models" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
        assert identity(tmp_path, **hub) == seen[2]


def test_two_files_of_one_name_in_arguments_both_count(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.pt").write_text(folder)
    arguments = {"a": str(tmp_path / "one" / "w.pt"), "b": str(tmp_path / "other" / "w.pt")}
    before = hashes_of_arguments(arguments, None)
    (tmp_path / "one" / "w.pt").write_text("changed")
    assert hashes_of_arguments(arguments, None) != before


def test_a_folder_that_an_argument_names_is_told_from_another_of_its_name(tmp_path: Path) -> None:
    """Of its path only the name is published, and stands in the identity."""
    content = {"source": "python", "function": "net.py:net", "classes": "cifar10", "preprocess": {}}
    one, other, again = (
        MODEL.validate_python(content | {"arguments": {"root": str(tmp_path / folder / "data")}}).identity()
        for folder in ("v1", "v2", "v1")
    )
    assert one != other
    assert one == again
    assert str(tmp_path) not in str(one)


def test_a_file_that_an_argument_of_torch_hub_names_counts(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_text("one")
    content = {"source": "torch.hub", "repository": "a/b", "commit": 40 * "0", "entry": "net", "classes": "cifar10"}
    entry = MODEL.validate_python(content | {"preprocess": {}, "arguments": {"weights": str(tmp_path / "w.pt")}})
    before = entry.identity()
    (tmp_path / "w.pt").write_text("changed")
    assert entry.identity() != before


OTHER_WEIGHTS = {
    "timm": (
        "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict",
        "pretrained_filter_fn", "cache_dir",
    ),
    "torchvision": ("weights", "weights_backbone", "pretrained", "pretrained_backbone"),
}  # fmt: skip


@pytest.mark.parametrize("source, argument", [(name, one) for name, all_of in OTHER_WEIGHTS.items() for one in all_of])
def test_arguments_that_would_replace_hashed_weights_are_refused(source: str, argument: str) -> None:
    content = {"source": source, "name": "resnet18", "weights": "w.pt", "preprocess": {}}
    MODEL.validate_python({**content, "arguments": {"num_classes": 10}})
    with pytest.raises(ValueError, match=f"arguments: {argument} would replace weights whose checksum was verified"):
        MODEL.validate_python({**content, "arguments": {argument: "o.pt"}})


@pytest.mark.parametrize(
    "line", ["import importlib; importlib.import_module('hidden')", "__import__('hidden')", "exec('import hidden')"]
)
def test_an_import_that_cannot_be_seen_is_refused(tmp_path: Path, cache: Path, complaint: Any, line: str) -> None:
    put(tmp_path, net=f"from torch import nn\n{line}\nnet = nn.Flatten\n", hidden="x = 1\n")
    entry = MODEL.validate_python({"source": "python", "function": "net.py:net", **CODE}, context={"folder": tmp_path})
    says(complaint(ModelError, load_classifier, "m", entry, TEN), where="model m, net.py", found="hidden.py")
