"""What runs code runs it where an entry says `trust: true`, and says so before; nothing else runs any."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from commandline import run_here

from evalshift.errors import ModelError, RegistryError
from evalshift.testbed.classes import built_in
from evalshift.testbed.models import fetch_from_library, load_classifier
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.trust import code_lines, code_of, is_own, needs_trust

COMMIT = "786c16252c0fc58ee9adac063f8337cc4a7a497a"
# Code that leaves a trace when it is run, by whatever imports or calls it.
TRAP = "from pathlib import Path\nPath({ran!r}).touch()\nfrom torch import nn\ndef net(**_): return nn.Flatten()\n"
ABOUT: dict[str, Any] = {"classes": "digits", "preprocess": {}}


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def stranger(tmp_path: Path, ran: Path) -> Path:
    """A folder with code in each of the ways in which an entry can name it, each a trap."""
    folder = tmp_path / "stranger"
    for place in ("net.py", "checkout/hubconf.py", "trap_package/__init__.py", "trap_package/inner/__init__.py"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(TRAP.format(ran=str(ran)))
    (folder / "script.ts").write_bytes(b"PK")
    (folder / "w.pt").write_bytes(b"PK")
    return folder


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    hub = {"source": "torch.hub", "repository": "owner/name", "commit": COMMIT, "entry": "net", "path": "checkout"}
    return {
        "file": {"source": "python", "function": "net.py:net", **ABOUT},
        "module": {"source": "python", "function": "trap_package:net", **ABOUT},
        "array-function": {"source": "numpy", "function": "net.py:net", **ABOUT},
        "builder": {"source": "checkpoint", "builder": "net.py:net", "weights": "w.pt", **ABOUT},
        "hub": {**hub, **ABOUT},
        "script": {"source": "torchscript", "weights": "script.ts", **ABOUT},
        "system": {"source": "python", "function": "os:mkdir", "arguments": {"path": str(folder / "made")}, **ABOUT},
        "borrowed": {
            "source": "checkpoint",
            "builder": "evalshift.testbed.models.code:call_function",
            "arguments": {"code": "os:mkdir", "arguments": {"path": str(folder / "made")}, "where": ""},
            "weights": "w.pt",
            **ABOUT,
        },
    }


def write(folder: Path, models: dict[str, Any], name: str = "registry.yaml") -> Path:
    content = {"models": models, "pairs": ["digits:digits-new-writers"]}
    (folder / name).write_text(yaml.safe_dump(content))
    return folder / name


@pytest.mark.parametrize("model", sources(Path()))
def test_code_that_nobody_agreed_to_is_refused(
    stranger: Path, ran: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    write(stranger, sources(stranger))
    monkeypatch.chdir(stranger)
    monkeypatch.syspath_prepend(str(stranger))
    registry = load_registry()  # found in the working folder: nobody named it
    entry = registry.models[model]
    assert needs_trust(entry)
    for act in (
        lambda: load_classifier(model, entry, built_in("digits")),
        lambda: fetch_from_library(model, entry) or load_classifier(model, entry, built_in("digits")),
    ):
        with pytest.raises(ModelError) as caught:
            act()
        assert caught.value.problem == "this model is code of someone else's, which is not run unasked"
        assert caught.value.found == code_of(entry)
        assert "add trust: true to the entry" in str(caught.value.fix)
    assert not ran.exists()
    assert not (stranger / "made").exists()


def test_code_with_trust_runs(stranger: Path, ran: Path) -> None:
    write(stranger, {"m": {**sources(stranger)["file"], "trust": True}})
    entry = load_registry(stranger / "registry.yaml").models["m"]
    load_classifier("m", entry, built_in("digits"))
    assert ran.exists()  # the traps work


@pytest.mark.parametrize("model", ["file", "array-function", "builder"])
def test_a_file_below_a_registry_that_is_named_needs_none(stranger: Path, model: str) -> None:
    path = write(stranger, sources(stranger))
    assert not needs_trust(load_registry(path).models[model])


@pytest.mark.parametrize("model", ["module", "hub", "script", "system", "borrowed"])
def test_naming_a_registry_is_no_trust_in_anything_else(stranger: Path, model: str) -> None:
    path = write(stranger, sources(stranger))
    assert needs_trust(load_registry(path).models[model])


@pytest.mark.parametrize("how", ["above", "link"])
def test_a_file_elsewhere_needs_trust(stranger: Path, how: str) -> None:
    inside = stranger / "inside"
    inside.mkdir()
    if how == "link":
        (inside / "net.py").symlink_to(stranger / "net.py")
    function = "../net.py:net" if how == "above" else "net.py:net"
    path = write(inside, {"m": {"source": "python", "function": function, **ABOUT}})
    assert needs_trust(load_registry(path).models["m"])


def test_functions_of_evalshift_need_none() -> None:
    registry = load_registry(Path(__file__).parents[2] / "registry.yaml")
    code = {name: entry for name, entry in registry.models.items() if code_of(entry) is not None}
    assert {entry.source for entry in code.values()} == {"torch.hub", "checkpoint"}
    outside = {name for name, entry in code.items() if entry.source == "checkpoint"}
    assert outside
    assert all(name.endswith("-cadene") for name in outside)  # networks of the package pretrainedmodels
    assert not any(map(needs_trust, registry.models.values()))
    assert is_own("evalshift.testbed.digits.networks:mlp")
    for code in ("evalshift.files:write_atomic", "evalshift.testbed.architectures:nn.Linear", "evalshift.cli:main"):
        assert not is_own(code)


@pytest.mark.parametrize("commit", ["main", "v1.0", COMMIT[:7]])
def test_torch_hub_needs_a_whole_commit(stranger: Path, commit: str) -> None:
    entry = {**sources(stranger)["hub"], "commit": commit, "trust": True}
    with pytest.raises(RegistryError, match="what a branch or a tag means can change"):
        load_registry(write(stranger, {"m": entry}))


def test_what_a_module_of_evalshift_imports_is_not_its_own(stranger: Path, complaint: Any) -> None:
    borrowed = {"source": "python", "function": "evalshift.testbed.architectures:nn", **ABOUT}
    path = write(stranger, {"m": borrowed})
    entry = load_registry(path).models["m"]
    said = complaint(ModelError, load_classifier, "m", entry, built_in("digits"))
    assert said.startswith("this is not a function of evalshift's own\n")


def test_code_is_listed_by_what_it_is(stranger: Path) -> None:
    models = sources(stranger)
    path = write(stranger, {"one": models["file"], "two": models["file"], "hub": {**models["hub"], "trust": True}})
    write(stranger, {"script": models["script"]}, "other.yaml")
    assert code_lines(load_registry(path).models) == [
        "code      net of checkout/hubconf.py: hub",
        "code      net.py: one, two",
    ]
    assert code_lines(load_registry(stranger / "other.yaml").models) == [
        "not run   TorchScript script.ts: script, which lacks trust: true"
    ]


class TestCommands:
    @pytest.mark.parametrize("command", [["check"], ["list", "models"], ["run", "--dry-run"]])
    def test_looking_runs_nothing(self, stranger: Path, ran: Path, command: list[str]) -> None:
        """Not even with trust, and not by the working folder, where Python itself would look first."""
        models = {name: {**entry, "trust": True} for name, entry in sources(stranger).items()}
        models["weights"] = {
            "source": "checkpoint",
            "builder": "evalshift.testbed.digits.networks:linear",
            "weights": "package:trap_package.inner/w.pt",
            **ABOUT,
        }
        write(stranger, models)
        for name in ("torch.py", "typer.py", "rich.py", "yaml.py", "usercustomize.py"):
            (stranger / name).write_text(TRAP.format(ran=str(ran)).partition("from torch")[0])
        done = subprocess.run(
            [sys.executable, "-m", "evalshift", *command],
            cwd=stranger,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)
        assert "trap_package" in done.stdout or command[0] == "list"
        assert not ran.exists()

    def test_a_registry_that_was_found_says_that_it_names_code(
        self, stranger: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(stranger, {"m": sources(stranger)["file"]})
        monkeypatch.chdir(stranger)
        done = run_here("check")
        assert done.code == 1
        assert done.out.splitlines()[:2] == [
            "registry  registry.yaml, found in this folder; it names code",
            "not run   net.py: m, which lacks trust: true",
        ]
        done = run_here("run", "--device", "cpu")
        assert done.code == 1
        assert "add trust: true to the entry" in done.err
        assert not ran.exists()

    def test_code_is_said_before_it_runs(self, stranger: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (stranger / "net.py").write_text(
            TRAP.format(ran=str(ran)) + "import sys\nprint('RUNS', file=sys.stderr)\nnet = lambda: nn.Flatten()\n"
        )
        write(stranger, {"m": {**sources(stranger)["file"], "trust": True}})
        monkeypatch.chdir(stranger)
        for command in (("run", "--device", "cpu"), ("fetch", "m")):
            done = run_here(*command, "--registry", "registry.yaml")
            assert done.err.index("code      net.py: m") < done.err.index("RUNS")
