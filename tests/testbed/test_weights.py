import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fileserver import FileServer
from messages import says
from pydantic import TypeAdapter

from evalshift.errors import DownloadError, HashMismatchError, ModelError
from evalshift.testbed.digits.recipes import RECIPES
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.weights import Weights, find_weights, local_weights, remote_weights, weights_folder

MODEL: TypeAdapter[Any] = TypeAdapter(AnyModel)
BODY = b"weights"
SHA256 = hashlib.sha256(BODY).hexdigest()
DEAD = "http://127.0.0.1:1/w.pt"  # nothing listens on port 1


@pytest.fixture
def entry(tmp_path: Path) -> Callable[..., AnyModel]:
    """A checkpoint entry of a registry in this test's folder."""

    def read(weights: Any, sha256: str | None = None) -> AnyModel:
        content = {"source": "checkpoint", "builder": "a:b", "classes": "cifar10", "preprocess": {}, "weights": weights}
        return MODEL.validate_python({**content, "sha256": sha256}, context={"folder": tmp_path})

    return read


class TestLocal:
    def test_hashed_whether_a_hash_was_promised_or_not(self, tmp_path: Path, entry: Any) -> None:
        (tmp_path / "w.pt").write_bytes(BODY)
        for sha256 in (None, SHA256, SHA256[:8], SHA256[:20]):
            assert find_weights(entry("w.pt", sha256)) == Weights(tmp_path / "w.pt", SHA256)

    @pytest.mark.parametrize("promised", ["0" * 64, "0" * 8, SHA256[:-1] + "0", SHA256[:7] + "0"])
    def test_another_file(self, tmp_path: Path, entry: Any, complaint: Callable[..., str], promised: str) -> None:
        (tmp_path / "w.pt").write_bytes(BODY)
        says(
            complaint(HashMismatchError, find_weights, entry("w.pt", promised)),
            where=tmp_path / "w.pt",
            found=f"sha256 {SHA256}, 7 bytes",
            expected=f"sha256 {promised}",
        )

    def test_not_there(self, tmp_path: Path, entry: Any, complaint: Callable[..., str]) -> None:
        assert local_weights(entry("w.pt")) is None
        says(
            complaint(ModelError, find_weights, entry(["w.pt", "other/w.pt"])),
            found=f"{tmp_path / 'w.pt'}, {tmp_path / 'other/w.pt'}",
        )

    def test_the_first_that_is_there(self, tmp_path: Path, entry: Any) -> None:
        (tmp_path / "b.pt").write_bytes(BODY)
        assert local_weights(entry(["a.pt", "b.pt"])) == tmp_path / "b.pt"
        assert local_weights(entry([DEAD, "b.pt"], SHA256)) == tmp_path / "b.pt"
        (tmp_path / "a.pt").write_bytes(BODY)
        assert local_weights(entry(["a.pt", "b.pt"])) == tmp_path / "a.pt"


class TestPackages:
    def test_files_that_come_with_an_installed_package(self, entry: Any) -> None:
        name = RECIPES[0].name
        place = f"package:evalshift.testbed.digits/checkpoints/{name}.safetensors"
        path = local_weights(entry(place))
        assert path is not None
        assert path.name == f"{name}.safetensors"
        assert find_weights(entry(place)).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_a_file_that_the_package_lacks(self, entry: Any, complaint: Callable[..., str]) -> None:
        assert complaint(ModelError, find_weights, entry("package:evalshift.testbed/no/w.pt")).startswith(
            "the weights were not found\n"
        )

    @pytest.mark.parametrize(
        "package", ["no_such_package", "no_such_package.inside", "evalshift.cli", "evalshift.cli.x"]
    )
    def test_a_package_that_is_not_installed(self, entry: Any, complaint: Callable[..., str], package: str) -> None:
        for call in (find_weights, local_weights):
            says(
                complaint(ModelError, call, entry(f"package:{package}/w.pt")),
                where=f"package:{package}/w.pt",
                found=package,
            )


class TestDownloads:
    def test_once(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        model = entry(file_server.put(f"w-{SHA256[:8]}.pt", BODY), SHA256)
        assert local_weights(model) is None
        for _ in range(2):
            assert find_weights(model) == Weights(cache / "weights" / f"w-{SHA256[:8]}.pt", SHA256)
        assert len(file_server.requests) == 1
        assert local_weights(model) == weights_folder() / f"w-{SHA256[:8]}.pt"

    def test_mirrors_in_order(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        model = entry([f"{file_server.url}/gone/w.pt", file_server.put("w.pt", BODY)], SHA256[:8])
        assert find_weights(model).sha256 == SHA256
        assert [request.name for request in file_server.requests] == ["gone/w.pt", "w.pt"]

    def test_another_file(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        model = entry(file_server.put("w.pt", BODY), "0" * 64)
        with pytest.raises(HashMismatchError, match="was found, but not with the expected checksum"):
            find_weights(model)
        assert local_weights(model) is None

    def test_nowhere(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        with pytest.raises(DownloadError, match=r"^w-12fca82f\.pt cannot be downloaded\n"):
            find_weights(entry(f"{file_server.url}/gone/w.pt", "12fca82f"))

    def test_put_into_the_cache_by_hand(self, entry: Any, cache: Path) -> None:
        (cache / "weights").mkdir(parents=True)
        (cache / "weights" / f"resnet20-{SHA256[:8]}.th").write_bytes(BODY)
        model = entry(f"http://127.0.0.1:1/resnet20-{SHA256[:8]}.th", SHA256)
        assert find_weights(model).path == cache / "weights" / f"resnet20-{SHA256[:8]}.th"

    def test_files_of_one_name_lie_side_by_side(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        """Trap 29: half of all checkpoints are called pytorch_model.bin."""
        models = {
            body: entry(file_server.put(f"{body.decode()}/pytorch_model.bin", body), hashlib.sha256(body).hexdigest())
            for body in (b"one", b"other")
        }
        for _ in range(2):
            for body, model in models.items():
                assert find_weights(model).path.read_bytes() == body
        assert sorted(path.name for path in (cache / "weights").glob("*.bin")) == sorted(
            f"pytorch_model-{hashlib.sha256(body).hexdigest()[:8]}.bin" for body in models
        )

    @pytest.mark.parametrize(
        "url, name",
        [
            ("https://example.org/a/resnet20-12fca82f.th", "resnet20-12fca82f.th"),
            ("https://example.org/a/resnet20-12fca82f.th?download=1", "resnet20-12fca82f.th"),
            ("https://example.org/a/b.tar.gz", "b.tar-12fca82f.gz"),
            ("https://example.org/a/weights", "weights-12fca82f"),
        ],
    )
    def test_their_names_in_the_cache(self, entry: Any, url: str, name: str) -> None:
        remote = remote_weights(entry(url, "12fca82f0bebc413"))
        assert remote is not None
        assert (remote.name, remote.urls, remote.sha256) == (name, (url,), "12fca82f0bebc413")

    def test_nothing_to_download(self, entry: Any) -> None:
        assert remote_weights(entry("w.pt")) is None
        assert remote_weights(entry("package:evalshift/w.pt")) is None


class TestWeightsThatALibraryNames:
    @pytest.fixture
    def model(self) -> AnyModel:
        return MODEL.validate_python({"source": "torchvision", "name": "resnet18", "pretrained": "IMAGENET1K_V1"})

    def test_their_hash_stands_in_their_name(self, model: AnyModel) -> None:
        remote = remote_weights(model, "https://example.org/models/resnet18-f37072fd.pth")
        assert remote is not None
        assert (remote.name, remote.sha256) == ("resnet18-f37072fd.pth", "f37072fd")
        assert remote_weights(model) is None

    def test_without_one_they_are_refused(self, model: AnyModel, complaint: Callable[..., str]) -> None:
        says(
            complaint(ModelError, remote_weights, model, "https://example.org/resnet18.pth"),
            where="https://example.org/resnet18.pth",
        )

    def test_a_file_that_a_library_has_already(self, model: AnyModel, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(BODY)
        assert find_weights(model, hub_file=tmp_path / "model.safetensors").sha256 == SHA256
        promised = model.model_copy(update={"sha256": "0" * 64})
        with pytest.raises(HashMismatchError, match=r"^a file does not have the expected checksum\n"):
            find_weights(promised, hub_file=tmp_path / "model.safetensors")


class TestUnknownHash:
    def test_what_came_first_is_held_to(
        self, entry: Any, file_server: FileServer, cache: Path, complaint: Callable[..., str]
    ) -> None:
        one = entry(file_server.put("pytorch_model.bin", BODY), "unknown")
        assert one.promised_sha256 is None
        weights = find_weights(one)
        assert weights.sha256 == SHA256
        assert find_weights(one) == weights
        assert len(file_server.requests) == 1
        weights.path.write_bytes(b"others")
        assert complaint(HashMismatchError, find_weights, one).startswith(
            f"a file does not have the expected checksum\n  where:    {weights.path}\n"
        )

    def test_trap_29_files_of_one_name_lie_side_by_side(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        """Half of all hosts call theirs pytorch_model.bin, and no hash tells these apart (trap 29)."""
        first, second = (
            entry(file_server.put(f"{one}/pytorch_model.bin", one.encode()), "unknown") for one in ("a", "b")
        )
        assert find_weights(first).path != find_weights(second).path
        assert find_weights(first).path.read_bytes() == b"a"
        assert local_weights(second) == find_weights(second).path

    def test_trap_30_a_page_in_place_of_the_file(self, entry: Any, file_server: FileServer, cache: Path) -> None:
        """Google Drive's question whether one really wants it, saved as a checkpoint."""
        page = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>"
        one = entry(file_server.put("w.pt", page), "unknown")
        with pytest.raises(DownloadError, match="Virus scan warning"):
            find_weights(one)
        assert local_weights(one) is None

    def test_it_must_be_said(self, entry: Any) -> None:
        with pytest.raises(ValueError, match="give their sha256: no file is opened before its checksum is verified"):
            entry(DEAD)


class TestHub:
    def test_files_that_the_hub_names_by_their_hash_are_held_to_it(
        self, entry: Any, tmp_path: Path, complaint: Callable[..., str]
    ) -> None:
        """Its cache keeps a large file under the sha256 that the hub promised, with a link of the file's own name."""
        (tmp_path / SHA256).write_bytes(BODY)
        (tmp_path / "model.safetensors").symlink_to(tmp_path / SHA256)
        one = MODEL.validate_python({"source": "timm", "name": "resnet18.a1_in1k"})
        assert find_weights(one, hub_file=tmp_path / "model.safetensors").sha256 == SHA256
        (tmp_path / SHA256).write_bytes(b"others")
        assert f"  expected: sha256 {SHA256}\n" in complaint(
            HashMismatchError, find_weights, one, None, tmp_path / "model.safetensors"
        )
