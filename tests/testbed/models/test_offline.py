"""Offline, nothing of any source of models gets to the network: every address is a server here that counts its calls.

Runs the command in a process of its own, with the caches of all libraries in the test's folder.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from commandline import Ran, run_apart
from fileserver import FileServer
from safetensors.torch import save_file

from evalshift.evaluate.store import Results
from evalshift.testbed.data_access import data_access, without_network

COMMIT = "786c16252c0fc58ee9adac063f8337cc4a7a497a"
SEEN = {"resize": [160], "crop": 160, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}
# A user's own code, which downloads by every way that Python's libraries have.
CODE = """
import os
import timm
import torch


def network(state):
    module = timm.create_model("test_resnet")
    module.load_state_dict(state)
    return module


def by_torch():
    return network(torch.hub.load_state_dict_from_url(os.environ["SERVER"] + "/w.pth"))


def by_urllib():
    import urllib.request

    urllib.request.urlretrieve(os.environ["SERVER"] + "/w.pth", "by_urllib.pth")


def by_requests():
    import requests

    requests.get(os.environ["SERVER"] + "/w.pth")


def by_timm():
    return timm.create_model("test_resnet.r160_in1k", pretrained=True)


def by_hub():
    from huggingface_hub import snapshot_download

    return snapshot_download("owner/name")


def by_transformers():
    from transformers import AutoModelForImageClassification

    return AutoModelForImageClassification.from_pretrained("owner/name")
"""
WAYS = ["torch", "urllib", "requests", "timm", "hub", "transformers"]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as one:
        yield one


def own(way: str) -> dict[str, Any]:
    return {
        "source": "python",
        "function": f"net.py:by_{way}",
        "classes": "imagenet-1k",
        "preprocess": SEEN,
        "trust": True,
    }


def write(folder: Path, models: dict[str, Any]) -> None:
    (folder / "net.py").write_text(CODE)
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.integers(0, 256, (2, 160, 160, 3), dtype=np.uint8))
    np.save(folder / "y.npy", np.arange(2))
    data = {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "imagenet-1k"}
    content = {"datasets": {"a": data, "b": data}, "models": models, "pairs": ["a:b"]}
    (folder / "registry.yaml").write_text(yaml.safe_dump(content))


def ran(folder: Path, server: FileServer, *arguments: str) -> Ran:
    """The command where every address on earth is that server's."""
    caches = {"EVALSHIFT_DATA": "data", "TORCH_HOME": "torch", "HF_HOME": "hf", "HF_HUB_CACHE": "hf/hub"}
    unset = "import os\nfor name in ('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'): os.environ.pop(name, None)"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), server.url)
    return run_apart(
        *arguments, folder=folder, before=unset, **{name: str(folder / place) for name, place in caches.items()},
        **proxies, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1", HF_ENDPOINT=server.url, SERVER=server.url,
        EVALSHIFT_MIRROR=server.url,
    )  # fmt: skip


def in_the_hubs_cache(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of timm's smallest network, in the layout that huggingface_hub keeps."""
    repository = folder / "hf/hub/models--timm--test_resnet.r160_in1k"
    (repository / "snapshots" / COMMIT).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    state = timm.create_model("test_resnet").state_dict()
    save_file(state, repository / "snapshots" / COMMIT / "model.safetensors")
    return state


@pytest.mark.late
def test_no_source_calls_anybody(tmp_path: Path, server: FileServer) -> None:
    sources: dict[str, Any] = {
        "hub-of-timm": {"source": "timm", "name": "test_resnet.r160_in1k"},
        "address-of-timm": {"source": "timm", "name": "gcvit_xxtiny.in1k"},
        "torchvision": {"source": "torchvision", "name": "resnet18", "pretrained": "IMAGENET1K_V1"},
        "huggingface": {"source": "huggingface", "repository": "owner/name", "revision": COMMIT},
        "open-clip": {"source": "open_clip", "name": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"},
        "code-of-hub": {
            "source": "torch.hub", "repository": "owner/name", "commit": COMMIT, "entry": "net", "preprocess": {},
            "classes": "imagenet-1k", "trust": True,
        },
        "checkpoint": {
            "source": "checkpoint", "builder": "timm:create_model", "arguments": {"model_name": "test_resnet"},
            "weights": f"{server.url}/w.pth", "sha256": "12345678", "preprocess": SEEN, "classes": "imagenet-1k",
            "trust": True,
        },
    }  # fmt: skip
    write(tmp_path, sources | {f"own-{way}": own(way) for way in WAYS})
    done = ran(tmp_path, server, "run", "--offline")
    assert server.requests == []
    assert done.code == 1
    complaints = done.err.replace(str(tmp_path), "HERE").replace(server.url, "SERVER")
    what = {
        "hub-of-timm": ("model.safetensors of timm/test_resnet.r160_in1k", "HERE/hf/hub"),
        "address-of-timm": ("gcvit_xxtiny_224_nvidia-d1d86009.pth", "HERE/data/weights/"),
        "torchvision": ("resnet18-f37072fd.pth", "HERE/data/weights/resnet18-f37072fd.pth"),
        "huggingface": ("model.safetensors of owner/name", "HERE/hf/hub"),
        "open-clip": ("laion2b_s34b_b79k of laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "HERE/hf/hub"),
        "code-of-hub": ("the code of owner/name", f"HERE/torch/hub/owner_name_{COMMIT}"),
        "checkpoint": ("w-12345678.pth", "HERE/data/weights/w-12345678.pth"),
        "own-torch": ("SERVER/w.pth", "model own-torch"),
        "own-urllib": ("SERVER/w.pth", "model own-urllib"),
        "own-requests": ("something from 127.0.0.1", "model own-requests"),
        "own-timm": ("what the model is built from", "model own-timm"),
        "own-hub": ("what the model is built from", "model own-hub"),
        "own-transformers": ("what the model is built from", "model own-transformers"),
    }
    for model, (missing, place) in what.items():
        said = complaints.split(f"{model} failed: ")[1]
        assert said.startswith(f"{missing} is not on disk, and offline mode downloads nothing\n  where:    {place}")
        assert f"  fix:      `evalshift fetch {model}` downloads it while online; or turn" in said


@pytest.mark.late
def test_what_was_fetched_is_run(tmp_path: Path, server: FileServer) -> None:
    """A network of timm out of the hub's cache, and one whose own code downloads it, once."""
    state = in_the_hubs_cache(tmp_path)
    torch.save(state, tmp_path / "w.pth")
    server.put("w.pth", (tmp_path / "w.pth").read_bytes())
    hub = {"source": "timm", "name": "test_resnet.r160_in1k", "preprocess": SEEN}
    write(tmp_path, {"hub-of-timm": hub, "own-torch": own("torch")})
    assert ran(tmp_path, server, "fetch", "own-torch").code == 0
    assert [request.name for request in server.requests] == ["w.pth"]
    done = ran(tmp_path, server, "run", "--offline")
    assert done.code == 0, done.err
    assert len(server.requests) == 1
    stored = Results(tmp_path / "results")
    predictions = [stored.load_predictions("a", model) for model in ("hub-of-timm", "own-torch")]
    assert predictions[0].top.tolist() == predictions[1].top.tolist()  # the same weights, come by in two ways


class TestWithoutNetwork:
    def test_only_offline(self, server: FileServer) -> None:
        from urllib.request import urlopen

        url = server.put("x", b"abc")
        with without_network("m"), urlopen(url) as infer:
            assert infer.read() == b"abc"

    def test_only_as_long_as_a_model_is_at_work(self, server: FileServer, complaint: Any) -> None:
        from urllib.request import urlopen

        from evalshift.errors import DownloadError

        url = server.put("x", b"abc")

        def fetch() -> None:
            with without_network("m"):
                urlopen(url)

        with data_access(offline=True):
            said = complaint(DownloadError, fetch)
            with urlopen(url) as infer:
                assert infer.read() == b"abc"
        assert said.startswith(
            f"{url} is not on disk, and offline mode downloads nothing\n"
            "  where:    model m\n"
            "  found:    its code asks the network for it; the libraries keep what they have in "
        )
        assert len(server.requests) == 1

    def test_what_comes_from_this_machine_is_let_through(self, tmp_path: Path) -> None:
        import socket
        from urllib.request import urlopen

        (tmp_path / "x").write_bytes(b"abc")
        with data_access(offline=True), without_network("m"):
            with urlopen((tmp_path / "x").as_uri()) as infer:
                assert infer.read() == b"abc"
            with socket.socket(socket.AF_UNIX) as one, pytest.raises(FileNotFoundError):
                one.connect(str(tmp_path / "nobody"))

    def test_a_thread_that_the_model_starts_is_refused_too(self, server: FileServer) -> None:
        from urllib.request import urlopen

        from evalshift.errors import DownloadError

        url = server.put("x", b"abc")
        with ThreadPoolExecutor(1) as pool, data_access(offline=True), without_network("m"):
            error = pool.submit(urlopen, url).exception()
        assert isinstance(error, DownloadError)
        assert error.where == "model m"
        assert not server.requests

    def test_models_of_two_threads_are_each_refused_by_name_and_the_environment_comes_back(
        self, server: FileServer
    ) -> None:
        """The first to begin is the first to end, as nested blocks of one thread never are."""
        from urllib.request import urlopen

        import huggingface_hub.constants as hub

        from evalshift.errors import DownloadError

        url, before, hub_before = server.put("x", b"abc"), dict(os.environ), hub.HF_HUB_OFFLINE
        second_began, first_ended = threading.Event(), threading.Event()

        def model(name: str, ready: threading.Event | None, wait: threading.Event) -> object:
            with data_access(offline=True), without_network(name):
                if ready:
                    ready.set()
                wait.wait(10)
                try:
                    urlopen(url)
                except DownloadError as error:
                    return error.where
            return "fetched"

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(model, "first", None, second_began)
            second = pool.submit(model, "second", second_began, first_ended)
            assert first.result() == "model first"
            assert hub.HF_HUB_OFFLINE
            first_ended.set()
            assert second.result() == "model second"
        assert dict(os.environ) == before
        assert hub_before == hub.HF_HUB_OFFLINE
        with urlopen(url) as infer:
            assert infer.read() == b"abc"
