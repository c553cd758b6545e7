import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fileserver import FileServer
from messages import says

from evalshift.errors import DownloadError, HashMismatchError, UsageError
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import State, dataset_state, fetch_all, model_state

BODY = b"weights"
SHA256 = hashlib.sha256(BODY).hexdigest()
COMMIT = "786c16252c0fc58ee9adac063f8337cc4a7a497a"
Content = dict[str, Any]


@pytest.fixture
def registry(tmp_path: Path, cache: Path) -> Callable[..., Registry]:
    """A registry in this test's folder, from the contents of its sections."""

    def read(**sections: Content) -> Registry:
        (tmp_path / "registry.yaml").write_text(yaml.safe_dump(sections))
        return load_registry(tmp_path / "registry.yaml")

    return read


class TestDatasets:
    @pytest.fixture
    def state(self, registry: Callable[..., Registry]) -> Callable[..., State]:
        return lambda **content: dataset_state(registry(datasets={"d": content}).datasets["d"])

    def test_embedded(self, state: Callable[..., State]) -> None:
        assert state(source="digits", part="new") == State.ready("embedded")

    def test_arrays(self, state: Callable[..., State], tmp_path: Path) -> None:
        content = {"source": "npy", "images": "x.npy", "labels": "y.npy", "ids": "ids.txt", "classes": "cifar10"}
        np.save(tmp_path / "x.npy", np.zeros(1))
        assert state(**content) == State(False, "missing", f"{tmp_path / 'y.npy'}, {tmp_path / 'ids.txt'}")
        np.save(tmp_path / "y.npy", np.zeros(1))
        (tmp_path / "ids.txt").touch()
        files = ", ".join(str(tmp_path / name) for name in ("x.npy", "y.npy", "ids.txt"))
        assert state(**content) == State.ready(files)

    def test_a_folder(self, state: Callable[..., State], tmp_path: Path) -> None:
        content = {"source": "folder", "path": "images", "classes": "cifar10"}
        assert state(**content) == State(False, "missing", str(tmp_path / "images"))
        (tmp_path / "images").mkdir()
        assert state(**content) == State.ready(str(tmp_path / "images"))

    def test_downloads(self, state: Callable[..., State], cache: Path) -> None:
        assert state(source="cifar10") == State(True, "to download, 170 MB", "cifar-10-python.tar.gz")
        v6 = {"source": "cifar10.1", "version": "v6"}
        names = "cifar10.1_v6_data.npy, cifar10.1_v6_labels.npy"
        assert state(**v6) == State(True, "to download, 6 MB", names)
        (cache / "datasets").mkdir(parents=True)
        (cache / "datasets" / "cifar10.1_v6_data.npy").touch()
        assert state(**v6) == State(True, "to download", names)  # 8 kB are not worth a word
        (cache / "datasets" / "cifar10.1_v6_labels.npy").touch()
        assert state(**v6) == State.ready(names)

    def test_what_needs_a_login(self, state: Callable[..., State], cache: Path, tmp_path: Path) -> None:
        names = "ILSVRC2012_img_val.tar, ILSVRC2012_devkit_t12.tar.gz"
        where = f"{names} in {cache / 'datasets'}, or path: in the registry"
        assert state(source="imagenet") == State(False, "needs a login", where)
        (cache / "datasets").mkdir(parents=True)
        for name in names.split(", "):
            (cache / "datasets" / name).touch()
        assert state(source="imagenet") == State.ready(names)

    def test_own_copies(self, state: Callable[..., State], tmp_path: Path) -> None:
        assert state(source="cifar10", path="c.tar.gz") == State(False, "missing", str(tmp_path / "c.tar.gz"))
        (tmp_path / "c.tar.gz").touch()
        assert state(source="cifar10", path="c.tar.gz") == State.ready(str(tmp_path / "c.tar.gz"))


class TestModels:
    CHECKPOINT: Content = {  # noqa: RUF012
        "source": "checkpoint", "builder": "evalshift.testbed.architectures:cifar_resnet20", "weights": "w.pt",
        "classes": "cifar10", "preprocess": {},
    }  # fmt: skip
    HUB: Content = {  # noqa: RUF012
        "source": "torch.hub", "repository": "owner/name", "commit": COMMIT, "entry": "e", "classes": "cifar10",
        "preprocess": {}, "trust": True,
    }  # fmt: skip

    @pytest.fixture
    def state(self, registry: Callable[..., Registry]) -> Callable[..., State]:
        return lambda **content: model_state(registry(models={"m": content}).models["m"])

    def test_local_weights(self, state: Callable[..., State], tmp_path: Path) -> None:
        assert state(**self.CHECKPOINT) == State(False, "missing", str(tmp_path / "w.pt"))
        (tmp_path / "w.pt").touch()
        assert state(**self.CHECKPOINT) == State.ready(str(tmp_path / "w.pt"))

    def test_weights_to_download(self, state: Callable[..., State], cache: Path) -> None:
        url = "https://example.org/resnet20-12fca82f.th"
        content = {**self.CHECKPOINT, "weights": url, "sha256": "12fca82f"}
        assert state(**content) == State(True, "to download", url)
        (cache / "weights").mkdir(parents=True)
        (cache / "weights" / "resnet20-12fca82f.th").touch()
        assert state(**content) == State.ready(str(cache / "weights" / "resnet20-12fca82f.th"))

    def test_weights_of_a_package_that_is_not_installed(self, state: Callable[..., State]) -> None:
        assert state(**{**self.CHECKPOINT, "weights": "package:no_such_package.inside/w.pt"}) == State(
            False, "the package that carries the weights is not installed", "package:no_such_package.inside/w.pt"
        )

    @pytest.mark.parametrize("source", ["checkpoint", "python"])
    @pytest.mark.parametrize(
        "code, there, words",
        [
            ("evalshift.testbed.architectures:cifar_resnet20", True, "ready"),
            ("no_such_package.models:build", False, "missing: not installed"),
            (".relative:build", False, "missing: not installed"),
            ("net.py:build", True, "ready"),
            ("other.py:build", False, "missing"),
        ],
    )
    def test_code(
        self, state: Callable[..., State], tmp_path: Path, source: str, code: str, there: bool, words: str
    ) -> None:
        (tmp_path / "net.py").touch()
        (tmp_path / "w.pt").touch()
        key = "builder" if source == "checkpoint" else "function"
        content = {name: value for name, value in self.CHECKPOINT.items() if name not in ("builder", "weights")}
        content |= {"weights": "w.pt"} if source == "checkpoint" else {}
        found = state(**{**content, "source": source, key: code})
        assert (found.can_run, found.words) == (there, words)

    def test_torch_hub(self, state: Callable[..., State], tmp_path: Path) -> None:
        assert state(**self.HUB) == State(True, "downloaded when it is run", "owner/name, commit 786c1625")
        own = {**self.HUB, "weights": "w.pt"}
        assert state(**own) == State(False, "missing", str(tmp_path / "w.pt"))
        (tmp_path / "w.pt").touch()
        assert state(**own) == State.ready(str(tmp_path / "w.pt"))

    def test_a_checkout_of_ones_own(self, state: Callable[..., State], tmp_path: Path) -> None:
        hubconf = tmp_path / "checkout" / "hubconf.py"
        assert state(**self.HUB, path="checkout") == State(False, "missing", str(hubconf))
        hubconf.parent.mkdir()
        hubconf.touch()
        assert state(**self.HUB, path="checkout") == State.ready(str(hubconf))
        assert state(**self.HUB, path="checkout", weights="w.pt") == State(False, "missing", str(tmp_path / "w.pt"))

    def test_libraries_that_bring_weights(self, state: Callable[..., State]) -> None:
        words = "comes with its library, downloaded when it is run"
        assert state(source="timm", name="resnet18.a1_in1k") == State(True, words, "timm resnet18.a1_in1k")
        assert state(source="torchvision", name="resnet50", pretrained="IMAGENET1K_V2") == State(
            True, words, "torchvision resnet50"
        )
        assert state(source="timm", name="resnet18", weights="w.pt").words == "missing"

    def test_everything_in_the_default_registry(self, cache: Path) -> None:
        """Without a download, the embedded models are ready and all others could be downloaded or trained."""
        registry = load_registry(Path(__file__).parents[2] / "registry.yaml")
        words = {name: model_state(entry) for name, entry in registry.models.items()}
        assert all(state.can_run for state in words.values())
        ready = {name for name, state in words.items() if state.is_ready}
        assert ready == {name for name in words if name.startswith(("digits-", "mnist-"))}


class TestFetch:
    @pytest.fixture
    def known(self, registry: Callable[..., Registry], file_server: FileServer) -> Registry:
        file = {"name": "c.tar.gz", "urls": [file_server.put("c.tar.gz", BODY)], "sha256": SHA256}
        checkpoint = {**TestModels.CHECKPOINT, "weights": file_server.put(f"w-{SHA256[:8]}.pt", BODY), "sha256": SHA256}
        return registry(
            datasets={"set": {"source": "cifar10", "files": {"archive": file}}},
            models={"one": checkpoint, "other": {**TestModels.CHECKPOINT}, "set": {**checkpoint}},
        )

    def test_what_is_named_arrives(self, known: Registry, cache: Path, file_server: FileServer) -> None:
        archive, weights = cache / "datasets" / "c.tar.gz", cache / "weights" / f"w-{SHA256[:8]}.pt"
        for _ in range(2):
            assert list(fetch_all(known, ["one"])) == [("one", [weights])]
            # A dataset and a model may share a name; each thing is fetched once, whoever names it.
            assert list(fetch_all(known, ["se*", "set", "digits"])) == [
                ("set", [archive]),
                ("set", [weights]),
                ("digits", []),
            ]
        assert len(file_server.requests) == 2
        assert (archive.read_bytes(), weights.read_bytes()) == (BODY, BODY)

    def test_what_cannot_be_downloaded_is_passed_over(self, known: Registry, tmp_path: Path) -> None:
        assert list(fetch_all(known, ["other"])) == [("other", [])]
        (tmp_path / "w.pt").touch()
        assert list(fetch_all(known, ["other"])) == [("other", [tmp_path / "w.pt"])]

    def test_nothing_is_downloaded_when_one_name_is_wrong(
        self, known: Registry, file_server: FileServer, complaint: Callable[..., str]
    ) -> None:
        says(complaint(UsageError, list, fetch_all(known, ["one", "cifr10"])), where=known.path)
        assert complaint(UsageError, list, fetch_all(known, ["zzz*"])).endswith(
            "  fix:      see `evalshift list models` and `evalshift list datasets`"
        )
        assert file_server.requests == []

    def test_weights_that_torchvision_names(
        self,
        registry: Callable[..., Registry],
        file_server: FileServer,
        cache: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        name = f"resnet18-f37072fd-{SHA256[:8]}.pth"
        file_server.put(name, BODY)
        monkeypatch.setenv("EVALSHIFT_MIRROR", file_server.url)
        content = {"source": "torchvision", "name": "resnet18", "pretrained": "IMAGENET1K_V1", "sha256": SHA256}
        for _ in range(2):
            assert list(fetch_all(registry(models={"m": content}), ["m"])) == [("m", [cache / "weights" / name])]
        assert [request.name for request in file_server.requests] == [name]

    def test_weights_that_timm_names(
        self, registry: Callable[..., Registry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        repository = tmp_path / "hf" / "models--timm--test_resnet.r160_in1k"
        weights = repository / "snapshots" / COMMIT / "model.safetensors"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        weights.parent.mkdir(parents=True)
        weights.write_bytes(BODY)
        known = registry(
            models={
                "m": {"source": "timm", "name": "test_resnet.r160_in1k", "sha256": SHA256[:8]},
                "other": {"source": "timm", "name": "test_vit.r160_in1k"},
            }
        )
        assert list(fetch_all(known, ["m"])) == [("m", [weights])]
        with pytest.raises(DownloadError) as caught:
            list(fetch_all(known, ["other"]))
        assert str(caught.value).startswith(
            "what the model is built from cannot be downloaded\n"
            "  where:    model other\n"
            "  found:    LocalEntryNotFoundError: "
        )

    def test_the_code_of_a_repository(
        self, registry: Callable[..., Registry], file_server: FileServer, cache: Path, tmp_path: Path
    ) -> None:
        import torch

        before = torch.hub.get_dir()
        torch.hub.set_dir(str(tmp_path / "hub"))
        try:
            checkout = tmp_path / "hub" / f"owner_name_{COMMIT}"
            checkout.mkdir(parents=True)
            (checkout / "hubconf.py").write_text("def e(): raise RuntimeError")  # with weights it need not be called
            (tmp_path / "x").mkdir()
            (tmp_path / "x/hubconf.py").write_text(
                "from pathlib import Path\n\n\ndef e():\n    (Path(__file__).parent / 'called').touch()\n"
            )
            url = file_server.put(f"w-{SHA256[:8]}.pt", BODY)
            model = {**TestModels.HUB, "weights": url, "sha256": SHA256}
            known = registry(models={"m": model, "own": {**TestModels.HUB, "path": "x"}})
            assert list(fetch_all(known, ["m", "own"])) == [
                ("m", [cache / "weights" / f"w-{SHA256[:8]}.pt", checkout]),
                ("own", []),
            ]
            assert (tmp_path / "x/called").is_file()  # only its code knows what it downloads
        finally:
            torch.hub.set_dir(before)

    def test_what_a_model_is_trained_on(self, registry: Callable[..., Registry], cache: Path) -> None:
        """Arrays of one's own are no download."""
        known = registry(models={"m": {
            "source": "random-features", "filters": 2, "classes": "cifar10",
            "train": {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "cifar10"},
        }})  # fmt: skip
        assert list(fetch_all(known, ["m"])) == [("m", [])]

    def test_another_file_is_refused(self, known: Registry, file_server: FileServer, cache: Path) -> None:
        file_server.change("c.tar.gz", body=b"other")
        with pytest.raises(HashMismatchError, match=r"^c\.tar\.gz was found, but not with the expected checksum\n"):
            list(fetch_all(known, ["set"]))
        assert not (cache / "datasets" / "c.tar.gz").exists()


def test_knowing_the_state_of_things_takes_no_torch() -> None:
    code = (
        "import sys\n"
        "from evalshift.testbed import state\n"
        "from evalshift.testbed.registry_reading import load_registry\n"
        "registry = load_registry()\n"
        "for entry in registry.models.values(): state.model_state(entry)\n"
        "for entry in registry.datasets.values(): state.dataset_state(entry)\n"
        "print(*sorted({'torch', 'torchvision', 'timm'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
