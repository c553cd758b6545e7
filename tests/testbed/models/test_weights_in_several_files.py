"""Networks whose weights lie in several files: shards with an index, and parts that an entry names."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from classifiers import Load, Refused, same_weights
from safetensors.torch import save_file
from torch import nn

State = dict[str, torch.Tensor]


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def put(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


RAW = network()
NET = """
from torch import nn


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
"""
ENTRY = {"source": "checkpoint", "builder": "net.py:network", "classes": "ten", "preprocess": {}}


def halves() -> tuple[State, State]:
    state = RAW.state_dict()
    return {k: v for k, v in state.items() if k[0] != "2"}, {k: v for k, v in state.items() if k[0] == "2"}


class TestSeveralFiles:
    @pytest.fixture(autouse=True)
    def code(self, tmp_path: Path) -> None:
        (tmp_path / "net.py").write_text(NET)

    def shards(self, tmp_path: Path, suffix: str) -> str:
        names = [f"model-0000{number}-of-00002{suffix}" for number in (1, 2)]
        for name, state in zip(names, halves(), strict=True):
            save_file(state, tmp_path / name) if suffix == ".safetensors" else torch.save(state, tmp_path / name)
        files = {k: name for name, state in zip(names, halves(), strict=True) for k in state}
        index = f"model{suffix}.index.json"
        (tmp_path / index).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
        return index

    @pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
    def test_an_index_of_shards(self, load: Load, model_of: Any, tmp_path: Path, suffix: str) -> None:
        from evalshift.testbed.weights import current_sha256, local_weights

        index = self.shards(tmp_path, suffix)
        classifier = load(**ENTRY, weights=index)
        assert same_weights(classifier.module, RAW)
        entry = model_of(**ENTRY, weights=index)
        assert local_weights(entry) == tmp_path / index
        assert classifier.checkpoint_sha256 == current_sha256(entry)
        # an edited shard is another checkpoint
        torch.save(put(halves()[1], ""), tmp_path / f"model-00002-of-00002{suffix}")
        assert current_sha256(entry) != classifier.checkpoint_sha256 or suffix == ".bin"
        other = {name: value + 1 for name, value in halves()[1].items()}
        save_file(other, tmp_path / f"model-00002-of-00002{suffix}")
        assert current_sha256(entry) != classifier.checkpoint_sha256

    def test_a_shard_that_is_missing_or_another(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        from evalshift.errors import HashMismatchError

        index = self.shards(tmp_path, ".safetensors")
        wrong = {"model-00002-of-00002.safetensors": "0" * 64}
        with pytest.raises(HashMismatchError):
            load(**ENTRY, weights=index, shards=wrong)
        assert "shards names a file that is not in the index" in refused(
            **ENTRY, weights=index, shards={"other.safetensors": "0" * 64}
        )
        save_file({**halves()[1], "more": torch.zeros(1)}, tmp_path / "model-00002-of-00002.safetensors")
        assert "does not hold what the index says" in refused(**ENTRY, weights=index)
        (tmp_path / "model-00002-of-00002.safetensors").unlink()
        assert "a file of the weights is not there" in refused(**ENTRY, weights=index)

    @pytest.mark.parametrize("name", ["../w.bin", "/etc/passwd", "a/b.bin", ".hidden", 3, ""])
    def test_an_index_that_names_other_places(self, refused: Refused, tmp_path: Path, name: Any) -> None:
        (tmp_path / "m.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        assert refused(**ENTRY, weights="m.index.json").startswith("the index of the weights cannot be read\n")

    def test_downloaded_shards_are_hashed(self, load: Load, refused: Refused, tmp_path: Path, file_server: Any) -> None:
        import hashlib

        index = self.shards(tmp_path, ".safetensors")
        names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
        url = file_server.put(f"repo/{index}", (tmp_path / index).read_bytes())
        for name in names:
            file_server.put(f"repo/{name}", (tmp_path / name).read_bytes())
        hashes = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names}
        known = hashlib.sha256((tmp_path / index).read_bytes()).hexdigest()
        assert "weights without a checksum" in refused(**ENTRY, weights=url, sha256=known)
        assert same_weights(load(**ENTRY, weights=url, sha256=known, shards=hashes).module, RAW)
        requests = len(file_server.requests)
        assert same_weights(load(**ENTRY, weights=url, sha256=known, shards=hashes).module, RAW)
        assert len(file_server.requests) == requests

    def test_backbone_and_head(self, load: Load, model_of: Any, tmp_path: Path) -> None:
        from evalshift.testbed.weights import current_sha256

        backbone, head = halves()
        torch.save({"model": put(backbone, "enc."), "epoch": 1}, tmp_path / "backbone.pth")
        save_file({**{k.removeprefix("2."): v for k, v in head.items()}, "loss.w": torch.ones(1)}, tmp_path / "head.pt")
        parts = [
            {"weights": "backbone.pth", "rename": {"enc.": ""}},
            {"weights": "head.pt", "rename": {"": "2."}, "ignore": ["loss.*"]},
        ]
        classifier = load(**ENTRY, parts=parts)
        assert same_weights(classifier.module, RAW)
        assert classifier.left_out == ("loss.w",)
        entry = model_of(**ENTRY, parts=parts)
        assert classifier.checkpoint_sha256 == current_sha256(entry)
        assert entry.identity()["parts"] == [
            {"rename": {"enc.": ""}}, {"rename": {"": "2."}, "ignore": ["loss.*"]}
        ]  # fmt: skip

    def test_paths_alone_are_parts(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        for name, state in zip(("a.pth", "b.pth"), halves(), strict=True):
            torch.save(state, tmp_path / name)
        assert same_weights(load(**ENTRY, parts=["a.pth", "b.pth"]).module, RAW)
        assert "two parts of the weights hold the same tensor" in refused(**ENTRY, parts=["a.pth", "a.pth", "b.pth"])
        assert refused(**ENTRY, weights=["a.pth", "b.pth"]).endswith(
            "if these belong together, write parts: [a.pth, b.pth]"
        )

    def test_weights_or_parts(self, model_of: Any) -> None:
        for content in ({}, {"weights": "a", "parts": ["b"]}, {"parts": ["b"], "key": "c"}):
            with pytest.raises(ValueError, match="parts"):
                model_of(**ENTRY, **content)
