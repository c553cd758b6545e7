import argparse
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from messages import says
from payload import Payload
from safetensors.torch import save_file
from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.checkpoints import load_state
from evalshift.testbed.state_dicts import read_state
from evalshift.testbed.state_names import rename_beginnings, strip_wrappers

State = dict[str, torch.Tensor]


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    module[1].running_mean.copy_(torch.rand(3))  # pyright: ignore[reportCallIssue]
    return module


def renamed(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def equal(module: nn.Module, other: nn.Module) -> bool:
    ours, theirs = module.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


class TestLoads:
    def loads(self, content: object, path: Path, key: str | None = None) -> None:
        torch.save(content, path)
        module = network(1)
        load_state(module, path, key, "model m")
        assert equal(module, network())

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: state,
            lambda state: dict(state),
            lambda state: {"state_dict": state, "epoch": 183, "best_prec1": 91.7},
            lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
            lambda state: {"model_state_dict": state, "loss": torch.tensor(0.1)},
            lambda state: {"net": state, "acc": 95.1, "epoch": 200},
            lambda state: {"model": state, "args": argparse.Namespace(lr=0.1, data=["a"])},
            lambda state: {"model": {"state_dict": state, "step": 3}, "epoch": 2},
            lambda state: {"model": state, "model_ema": {"decay": 0.9}},
            lambda state: {"model": state, "best": dict(state)},
        ],
        ids=[
            "bare",
            "dict",
            "state_dict",
            "model",
            "model_state_dict",
            "net",
            "options",
            "deeper",
            "no averages",
            "twice",
        ],
    )
    @pytest.mark.parametrize("name", ["w.pt", "w.th", "w"])
    def test_wherever_the_state_dict_stands(self, tmp_path: Path, wrap: Callable[[State], object], name: str) -> None:
        self.loads(wrap(network().state_dict()), tmp_path / name)

    def test_where_key_says(self, tmp_path: Path) -> None:
        state = network().state_dict()
        self.loads({"state_dict": network(2).state_dict(), "teacher": state}, tmp_path / "w.pt", key="teacher")

    def test_files_of_old_pytorch(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pt", _use_new_zipfile_serialization=False)
        module = network(1)
        load_state(module, tmp_path / "w.pt", None, "model m")
        assert equal(module, network())

    def test_safetensors(self, tmp_path: Path) -> None:
        save_file(network().state_dict(), tmp_path / "w.safetensors")
        module = network(1)
        load_state(module, tmp_path / "w.safetensors", None, "model m")
        assert equal(module, network())

    def test_half_precision_becomes_the_networks_own(self, tmp_path: Path) -> None:
        torch.save({name: value.half() for name, value in network().state_dict().items()}, tmp_path / "w.pt")
        module = network(1)
        load_state(module, tmp_path / "w.pt", None, "model m")
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
        torch.testing.assert_close(module[0].weight, network()[0].weight, rtol=1e-3, atol=1e-3)

    def test_a_real_checkpoint(self, real_data: Callable[[str], Path]) -> None:
        """Saved on a GPU, wrapped for several, under state_dict."""
        state = read_state(real_data("checkpoints/resnet20-12fca82f.th"), None, "model m")
        assert all(name.startswith("module.") for name in state)
        assert {value.device.type for value in state.values()} == {"cpu"}
        assert state["module.linear.weight"].shape == (10, 64)


class TestWrappers:
    @pytest.mark.parametrize(
        "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module."]
    )
    def test_their_prefixes_are_taken_off(self, tmp_path: Path, prefix: str) -> None:
        torch.save(renamed(network().state_dict(), prefix), tmp_path / "w.pt")
        module = network(1)
        load_state(module, tmp_path / "w.pt", None, "model m")
        assert equal(module, network())

    def test_as_torch_itself_makes_them(self, tmp_path: Path) -> None:
        torch.save(nn.DataParallel(network()).state_dict(), tmp_path / "w.pt")
        module = network(1)
        load_state(module, tmp_path / "w.pt", None, "model m")
        assert equal(module, network())

    def test_a_network_that_is_wrapped_itself_keeps_them(self, tmp_path: Path) -> None:
        torch.save(nn.DataParallel(network()).state_dict(), tmp_path / "w.pt")
        module = nn.DataParallel(network(1))
        load_state(module, tmp_path / "w.pt", None, "model m")
        assert equal(module, nn.DataParallel(network()))

    def test_a_prefix_of_some_names_is_a_name(self) -> None:
        state = {"module.weight": torch.zeros(1), "bias": torch.zeros(1)}
        strip_wrappers(state, ())
        assert list(state) == ["module.weight", "bias"]

    def test_versions_that_torch_notes_go_along(self) -> None:
        state = nn.DataParallel(network()).state_dict()
        strip_wrappers(state, network().state_dict())
        assert getattr(state, "_metadata")["1"] == {"version": 2}  # noqa: B009 of the batch norm


class TestRefuses:
    def refused(self, complaint: Callable[..., str], path: Path, key: str | None = None) -> str:
        before = network(1)
        module = network(1)
        message = complaint(ModelError, load_state, module, path, key, "model m")
        assert equal(module, before)
        return message.replace(str(path.parent), "HERE")

    def unreadable(self, name: str, found: str) -> str:
        return (
            "the checkpoint cannot be read\n"
            f"  where:    model m, HERE/{name}\n"
            f"  found:    {found}\n"
            "  expected: a state dict: .safetensors, or a torch file that holds tensors only\n"
            "  fix:      download it again; or load it where it comes from, and save model.state_dict() with "
            "safetensors"
        )

    @pytest.mark.parametrize("how", ["new", "old", "bare"])
    def test_trap_39_a_pickle_that_would_run_something(
        self, tmp_path: Path, complaint: Callable[..., str], how: str
    ) -> None:
        ran, path = tmp_path / "ran", tmp_path / "w.pth"
        content = {"state_dict": network().state_dict(), "more": Payload(ran)}
        if how == "bare":
            path.write_bytes(pickle.dumps(Payload(ran), protocol=2))
        else:
            torch.save(content, path, _use_new_zipfile_serialization=how == "new")
        asked = f"{Payload(ran).__reduce__()[0].__module__}.mkdir"
        assert self.refused(complaint, path) == self.unreadable(
            "w.pth", f"it asks for {asked}, which tensors do not need"
        )
        assert not ran.exists()
        if how == "bare":
            pickle.loads(path.read_bytes())
            assert ran.exists()  # the trap works

    def test_a_whole_module(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save(network(), tmp_path / "w.pt")
        assert self.refused(complaint, tmp_path / "w.pt") == self.unreadable(
            "w.pt", "it asks for torch.nn.modules.container.Sequential, which tensors do not need"
        )

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_a_web_page(self, tmp_path: Path, complaint: Callable[..., str], name: str) -> None:
        """Trap 30: the confirmation page of a file host saved as a checkpoint."""
        page = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head></html>"
        (tmp_path / name).write_bytes(page)
        assert self.refused(complaint, tmp_path / name) == self.unreadable(
            name, 'a web page titled "Google Drive - Virus scan warning"'
        )

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_an_empty_file(self, tmp_path: Path, complaint: Callable[..., str], name: str) -> None:
        (tmp_path / name).touch()
        assert self.refused(complaint, tmp_path / name) == self.unreadable(name, "an empty file")

    @pytest.mark.parametrize("how", ["new", "old", "safetensors"])
    def test_a_file_that_ends_early(self, tmp_path: Path, complaint: Callable[..., str], how: str) -> None:
        path = tmp_path / ("w.safetensors" if how == "safetensors" else "w.pth")
        if how == "safetensors":
            save_file(network().state_dict(), path)
        else:
            torch.save(network().state_dict(), path, _use_new_zipfile_serialization=how == "new")
        whole = path.read_bytes()
        for part in (0.3, 0.9):
            path.write_bytes(whole[: int(part * len(whole))])
            message = self.refused(complaint, path)
            found = message.split("  found:    ")[1].split("\n")[0]
            assert message == self.unreadable(path.name, found)
            assert "weights_only" not in found

    def test_another_pickle(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        (tmp_path / "w.pth").write_bytes(b"\x93nonsense")
        assert self.refused(complaint, tmp_path / "w.pth") == self.unreadable("w.pth", "a pickle of something else")

    def test_a_file_that_is_not_there(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        assert "No such file or directory" in self.refused(complaint, tmp_path / "w.pth")

    @pytest.mark.parametrize(
        "content, key, found, expected, fix",
        [
            (
                {"epoch": 3, "weights": {"a": 1}},
                None,
                "keys epoch, weights",
                "a mapping from names to tensors",
                "name the place with key:",
            ),
            (
                {"state_dict": {}},
                None,
                "keys state_dict",
                "a mapping from names to tensors",
                "name the place with key:",
            ),
            ({}, None, "dict", "a mapping from names to tensors", "name the place with key:"),
            ([1, 2], None, "list", "a mapping from names to tensors", "name the place with key:"),
            (torch.zeros(3), None, "Tensor", "a mapping from names to tensors", "name the place with key:"),
            (
                {"state_dict": {"a": torch.zeros(1)}},
                "ema",
                "keys state_dict",
                'a mapping from names to tensors under "ema"',
                "write key: state_dict",
            ),
        ],
    )
    def test_no_state_dict_in_it(
        self,
        tmp_path: Path,
        complaint: Callable[..., str],
        content: object,
        key: str | None,
        found: str,
        expected: str,
        fix: str,
    ) -> None:
        torch.save(content, tmp_path / "w.pt")
        says(
            self.refused(complaint, tmp_path / "w.pt", key),
            where="model m, HERE/w.pt",
            found=found,
            expected=expected,
            fix=fix,
        )

    @pytest.mark.parametrize(
        "change, found",
        [
            (lambda state: state.pop("2.bias"), "1 missing: 2.bias"),
            (
                lambda state: state.update({"2.weight": torch.zeros(10, 3)}),
                "1 of another shape: 2.weight (10, 3) for (2, 3)",
            ),
            (
                lambda state: [state.pop(name) for name in list(state)[:5]] + [state.update(a=torch.zeros(1))],
                "5 missing: 0.weight, 0.bias, 1.weight, …; 1 not in the network: a",
            ),
        ],
    )
    def test_one_that_does_not_fit(
        self, tmp_path: Path, complaint: Callable[..., str], change: Callable[[State], object], found: str
    ) -> None:
        state = network().state_dict()
        change(state)
        torch.save(state, tmp_path / "w.pt")
        says(self.refused(complaint, tmp_path / "w.pt"), where="model m, HERE/w.pt", found=found)

    @pytest.mark.parametrize(
        "there, here, rename", [("layer.", "", '{layer.: ""}'), ("", "net.", '{"": net.}'), ("a.", "b.", "{a.: b.}")]
    )
    def test_the_rename_that_would_make_it_fit_is_named_and_does(
        self, tmp_path: Path, complaint: Callable[..., str], there: str, here: str, rename: str
    ) -> None:
        torch.save(renamed(network().state_dict(), there), tmp_path / "w.pt")
        own = nn.Sequential(OrderedDict({here[:-1]: network()})) if here else network()
        said = complaint(ModelError, lambda: load_state(own, tmp_path / "w.pt", None, "model m"))
        assert said.endswith(f"\n  fix:      write rename: {rename}, with which all names and shapes fit")
        load_state(own, tmp_path / "w.pt", None, "model m", yaml.safe_load(rename))


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_batch_counters_may_be_missing(tmp_path: Path, kind: type) -> None:
    """Checkpoints from before PyTorch 0.4.1 have none, and others were cleaned of them."""
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    torch.save(state if kind is OrderedDict else dict(state), tmp_path / "w.pt")
    module = network(1)
    load_state(module, tmp_path / "w.pt", None, "model m")
    assert equal(module, network())


class TestRename:
    def test_names_of_another_library_become_the_networks(self, tmp_path: Path) -> None:
        """mmpretrain puts backbone. and head. before the names of a plain ResNet."""
        state = network().state_dict()
        others = {f"{'head.' if name[0] == '2' else 'backbone.'}{name}": value for name, value in state.items()}
        torch.save({"meta": {"epoch": 200}, "state_dict": others}, tmp_path / "w.pth")
        module = network(1)
        load_state(module, tmp_path / "w.pth", None, "model m", {"backbone.": "", "head.": ""})
        assert equal(module, network())

    def test_the_longest_beginning_decides(self) -> None:
        state = {"a.b.c": torch.zeros(1), "a.d": torch.ones(1), "e": torch.ones(1)}
        assert list(rename_beginnings(state, {"a.": "x.", "a.b.": ""})) == ["c", "x.d", "e"]
