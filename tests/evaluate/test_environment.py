import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from torch import nn

import evalshift
from evalshift.evaluate.environment import jpeg_decoder, library_versions
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset


def test_versions_are_those_that_are_installed() -> None:
    found = library_versions()
    assert found["evalshift"] == evalshift.__version__
    assert found["python"] == platform.python_version()
    for name in ("torch", "torchvision", "numpy", "pillow"):
        assert found[name] == version(name)


class TestTrap13:
    """Trap 13: libjpeg, libjpeg-turbo and other decoders give other pixels, and now and then another prediction."""

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
