import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from torch import nn

import evalshift
from evalshift.evaluate.environment import git_revision, jpeg_decoder, library_versions
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "registry.yaml").write_text("models: {}\n")
    git(tmp_path, "add", "registry.yaml")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def test_versions_are_those_that_are_installed() -> None:
    found = library_versions()
    assert found["evalshift"] == evalshift.__version__
    assert found["python"] == platform.python_version()
    for name in ("torch", "torchvision", "numpy", "pillow"):
        assert found[name] == version(name)


class TestTrap13:
    """Trap 13: libjpeg, libjpeg-turbo and other decoders give other pixels, and now and then another answer."""

    def test_the_decoder_is_noted_for_jpeg_files(self) -> None:
        """Pillow's wheels bring libjpeg-turbo; a Pillow built here may have any."""
        noted = jpeg_decoder((Path("a/0.png"), Path("a/1.JPEG")))
        turbo = features.version_feature("libjpeg_turbo")
        assert noted == ({"libjpeg-turbo": turbo} if turbo else {"libjpeg": features.version_codec("jpg")})

    def test_a_pillow_without_libjpeg_turbo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(features, "version_feature", lambda name: None)
        monkeypatch.setattr(features, "version_codec", {"jpg": "9.5"}.get)
        assert jpeg_decoder((Path("0.jpg"),)) == {"libjpeg": "9.5"}

    def test_no_decoder_had_a_part_in_arrays_and_other_files(self) -> None:
        assert jpeg_decoder(np.zeros((2, 4, 4, 3), np.uint8)) == {}
        assert jpeg_decoder((Path("a/0.png"), Path("jpeg/1.bmp"))) == {}

    def test_a_run_on_jpeg_files_stores_it(self, tmp_path: Path) -> None:
        Image.new("RGB", (4, 4)).save(tmp_path / "0.jpg")
        pictures = Dataset(
            "pictures", ClassSpace("letters", ("a", "b")), ("0",), np.zeros(1, int), (tmp_path / "0.jpg",)
        )
        network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
        versions = evalshift.predict(network, pictures, preprocess={}, device="cpu").provenance.versions
        assert versions == library_versions() | jpeg_decoder(pictures.images)
        assert len(versions) == len(library_versions()) + 1


def test_the_revision_is_that_of_the_checkout_around_a_folder(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert len(commit) == 40
    (checkout / "deep" / "down").mkdir(parents=True)
    assert git_revision(checkout) == git_revision(checkout / "deep" / "down") == commit


def test_a_changed_file_is_noted_and_an_unknown_one_is_not(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "results").write_text("what a run leaves behind")
    assert git_revision(checkout) == commit
    (checkout / "registry.yaml").write_text("models: {other: {}}\n")
    assert git_revision(checkout) == f"{commit}+changes"


def test_outside_a_checkout_there_is_no_revision(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / ".git").rename(tmp_path / "not-git")
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "nowhere") is None


def test_a_checkout_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None


def test_without_git_there_is_no_revision(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_revision(checkout) is None
