"""`check --build`: every error of a registry and of its models in one go, without weights and without a network."""

from pathlib import Path

import pytest
from commandline import run_here

CODE = """
import torch


def net(width=3):
    return torch.nn.Linear(width, 2)


def sum():
    return 7
"""
REGISTRY = """
classes: {two: [a, b]}
models:
  misspelt: {source: checkpoint, builder: "net.py:net", weights: w.pt, clases: two, preprocess: {}}
  gone: {source: checkpoint, builder: "net.py:nett", weights: w.pt, classes: two, preprocess: {}}
  arguments: {source: python, function: "net.py:net", arguments: {widht: 3}, classes: two, preprocess: {}}
  number: {source: python, function: "net.py:sum", classes: two, preprocess: {}}
  program: {source: exported, weights: gone.pt2, classes: two, preprocess: {}}
  remote: {source: exported, weights: "https://example.org/a.pt2", sha256: 12fca82f, classes: two, preprocess: {}}
  fine: {source: checkpoint, builder: "net.py:net", weights: w.pt, classes: two, preprocess: {}}
  timm: {source: timm, name: test_resnet.r160_in1k}
"""
FINE = REGISTRY.splitlines()[-2:]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    (tmp_path / "net.py").write_text(CODE)
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    return tmp_path


def test_all_errors_are_listed_at_once(here: Path) -> None:
    ran = run_here("check", "--build", "--registry", "registry.yaml")
    assert ran.code == 1
    found = [block.splitlines()[0] for block in ran.out.split("\n\n")[:-1]]
    assert found == [
        "unknown key",
        'there is no "nett" in net.py',
        "the arguments do not match the function's",
        "the builder did not return a network",
        "the weights were not found",
    ]
    assert '  fix:      did you mean "classes"?\n' in ran.out
    assert '  fix:      did you mean "net"?\n' in ran.out
    assert "  where:    model program\n" in ran.out
    assert ran.out.splitlines()[-2].startswith("not built: remote: ")
    assert ran.out.splitlines()[-1] == "2 models build; 5 errors"


def test_a_sound_registry(here: Path) -> None:
    (here / "registry.yaml").write_text("\n".join(["classes: {two: [a, b]}", "models:", *FINE, ""]))
    ran = run_here("check", "--build", "--registry", "registry.yaml")
    assert (ran.code, ran.out) == (0, "2 models build\n")
    ran = run_here("check", "--build", "--registry", "registry.yaml", "--models", "fine")
    assert (ran.code, ran.out) == (0, "1 model builds\n")


def test_text_that_is_no_registry(here: Path) -> None:
    (here / "registry.yaml").write_text("models: [\n")
    ran = run_here("check", "--build", "--registry", "registry.yaml")
    assert ran.code == 1
    assert ran.out.startswith("invalid YAML\n")
    assert run_here("check", "--build", "--registry", "gone.yaml").code == 2
