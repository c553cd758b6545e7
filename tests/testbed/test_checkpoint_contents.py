"""What people's files of weights hold beside and around the weights: taken as meant, or refused by name."""

import argparse
import datetime as dt
import pathlib
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import same_weights
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from evalshift.errors import ModelError
from evalshift.testbed.checkpoints import fill, load_state
from evalshift.testbed.model_entry import StateDictFile
from evalshift.testbed.safe_types import Beside
from evalshift.testbed.state_dicts import read_state
from evalshift.testbed.state_names import prepared

State = dict[str, torch.Tensor]


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def put(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def loaded(path: Path, reading: StateDictFile | None = None) -> nn.Module:
    reading = reading or StateDictFile()
    module = network(9)
    state, _ = prepared(read_state(path, reading.key, "model m"), reading, module.state_dict(), "model m")
    fill(module, state, "model m")
    return module


RAW, AVERAGED = network(0), network(1)


class TestAveragedWeights:
    @pytest.mark.parametrize("name", ["model_ema", "state_dict_ema", "ema_state_dict", "ema", "my_average"])
    @pytest.mark.parametrize("raw", ["model", "state_dict"])
    def test_beside_raw_ones_the_entry_must_choose(
        self, tmp_path: Path, complaint: Callable[..., str], name: str, raw: str
    ) -> None:
        path = tmp_path / "w.pth"
        torch.save({raw: RAW.state_dict(), name: AVERAGED.state_dict(), "epoch": 3}, path)
        message = complaint(ModelError, read_state, path, None, "model m")
        assert message.startswith(f"the checkpoint holds more than one set of weights\n  where:    model m, {path}\n")
        assert f"  found:    {raw} (9 tensors); {name} (9 tensors; differs from {raw} by " in message
        assert message.endswith(f"\n  fix:      write key: {raw} or key: {name}")
        assert same_weights(loaded(path, StateDictFile(key=raw)), RAW)
        assert same_weights(loaded(path, StateDictFile(key=name)), AVERAGED)

    def test_by_how_much_they_differ(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        state = {"a": torch.tensor([3.0, 4.0]), "b": torch.ones(2)}
        moved = {"a": torch.tensor([3.0, 4.5]), "b": torch.ones(2)}  # by 0.5 of 5
        torch.save({"model": state, "model_ema": moved}, tmp_path / "w.pth")
        assert "differs from model by 5 % of a tensor's norm on average, at most 10 %, in a)" in complaint(
            ModelError, read_state, tmp_path / "w.pth", None, "model m"
        )

    def test_of_torchs_own_averages(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        """AveragedModel counts its updates, and calls the network module."""
        averaged = AveragedModel(network(0))
        averaged.update_parameters(network(2))
        averaged.update_parameters(network(3))
        torch.save({"model": RAW.state_dict(), "model_ema": averaged.state_dict()}, tmp_path / "w.pth")
        assert "model_ema (10 tensors, averaged over 2 updates; differs" in complaint(
            ModelError, read_state, tmp_path / "w.pth", None, "model m"
        )
        for reading in (StateDictFile(key="model_ema"), StateDictFile(key="model_ema", rename={"module.": ""})):
            assert same_weights(loaded(tmp_path / "w.pth", reading), averaged.module)

    def test_in_a_list_without_names(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        """torch_ema keeps shadow_params in the order of the parameters."""
        shadow = [value for value in AVERAGED.state_dict().values() if value.ndim]
        torch.save({"model": RAW.state_dict(), "ema": {"decay": 0.9, "shadow_params": shadow}}, tmp_path / "w.pth")
        message = complaint(ModelError, read_state, tmp_path / "w.pth", None, "model m")
        assert "ema.shadow_params (8 tensors in a list, without names)" in message
        assert message.endswith("\n  fix:      write key: model")

    def test_other_networks_beside_them_are_left_aside(self, tmp_path: Path) -> None:
        teacher = nn.Conv2d(3, 8, 3).state_dict()
        optimizer = torch.optim.SGD(RAW.parameters(), 0.1, momentum=0.9)
        RAW(torch.rand(5, 4)).sum().backward()
        optimizer.step()
        RAW.zero_grad()
        torch.save(
            {"model": RAW.state_dict(), "teacher": teacher, "optimizer": optimizer.state_dict()}, tmp_path / "w.pth"
        )
        assert same_weights(loaded(tmp_path / "w.pth"), RAW)

    def test_two_networks_in_unusual_places(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save({"G": RAW.state_dict(), "D": nn.Conv2d(3, 8, 3).state_dict()}, tmp_path / "w.pth")
        assert complaint(ModelError, read_state, tmp_path / "w.pth", None, "model m").endswith(
            "fix:      write key: G or key: D"
        )


class TestPlaces:
    @pytest.mark.parametrize(
        "content, key",
        [
            ({"checkpoint": {"model": RAW.state_dict(), "x": AVERAGED.state_dict()}}, "checkpoint.model"),
            ({"a.b": RAW.state_dict(), "a": {"b": AVERAGED.state_dict()}}, "a.b"),
            ({"a.b": {"c": RAW.state_dict()}}, "a.b.c"),
            ({"models": [AVERAGED.state_dict(), RAW.state_dict()]}, "models.1"),
        ],
        ids=["parts", "literal first", "dots within", "list"],
    )
    def test_a_key_of_several_parts(self, tmp_path: Path, content: Any, key: str) -> None:
        torch.save(content, tmp_path / "w.pth")
        assert same_weights(loaded(tmp_path / "w.pth", StateDictFile(key=key)), RAW)

    def test_a_wrong_key_names_the_places_that_are_there(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save({"model": {"net": RAW.state_dict()}}, tmp_path / "w.pth")
        assert complaint(ModelError, read_state, tmp_path / "w.pth", "model.state_dict", "model m").endswith(
            '  expected: a mapping from names to tensors under "model.state_dict"\n  fix:      write key: model.net'
        )


def test_optimizers_arrays_folders_and_cut_files_are_named(tmp_path: Path, complaint: Callable[..., str]) -> None:
    file = tmp_path / "w.pth"
    optimizer = torch.optim.SGD(RAW.parameters(), lr=0.1)
    torch.save(optimizer.state_dict(), file)
    assert "the checkpoint holds the state of an optimizer alone" in complaint(ModelError, loaded, file)
    torch.save({"model": {name: tensor.numpy() for name, tensor in RAW.state_dict().items()}}, file)
    assert "the checkpoint holds NumPy arrays instead of tensors" in complaint(ModelError, loaded, file)
    torch.save(RAW.state_dict(), file)
    file.write_bytes(file.read_bytes()[:-700])
    assert "found:    a damaged file, or one that ends too early" in complaint(ModelError, loaded, file)
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps({"fc.w_0": np.zeros(3)}))
    assert "found:    a file of PaddlePaddle" in complaint(ModelError, loaded, tmp_path / "w.pdparams")


def test_whole_numbers_are_no_weights(tmp_path: Path, complaint: Callable[..., str]) -> None:
    state = {name: (100 * tensor).to(torch.int8) for name, tensor in RAW.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    message = complaint(ModelError, loaded, tmp_path / "w.pth")
    assert "the checkpoint has whole numbers for weights" in message
    assert "0.weight (int8)" in message


class TestNames:
    @pytest.mark.parametrize(
        "prefix", ["model._orig_mod.", "model.net.", "a.b.c.", "module.model._orig_mod.", "net.module."]
    )
    def test_prefixes_in_layers_are_advised_and_undone(
        self, tmp_path: Path, complaint: Callable[..., str], prefix: str
    ) -> None:
        torch.save({"state_dict": put(RAW.state_dict(), prefix)}, tmp_path / "w.ckpt")
        message = complaint(ModelError, loaded, tmp_path / "w.ckpt")
        advised = (prefix.removeprefix("module.") if prefix.startswith("module.") else prefix).replace("_orig_mod.", "")
        assert message.endswith(f'write rename: {{{advised}: ""}}, with which all names and shapes fit')
        for begins in {advised, prefix}:  # also as the file has it
            assert same_weights(loaded(tmp_path / "w.ckpt", StateDictFile(rename={begins: ""})), RAW)

    @pytest.mark.parametrize("wrapper", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
    def test_wrapped_parts_are_undone(self, tmp_path: Path, wrapper: str) -> None:
        state = {f"{name[:2]}{wrapper}{name[2:]}": tensor for name, tensor in RAW.state_dict().items()}
        torch.save({"state_dict": state}, tmp_path / "w.ckpt")
        assert same_weights(loaded(tmp_path / "w.ckpt"), RAW)
        torch.save(put(state, wrapper), tmp_path / "w.ckpt")
        assert same_weights(loaded(tmp_path / "w.ckpt"), RAW)

    def test_all_copies_of_the_network_are_named(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save({**put(RAW.state_dict(), "model."), **put(AVERAGED.state_dict(), "ema_model.")}, tmp_path / "w.ckpt")
        message = complaint(ModelError, loaded, tmp_path / "w.ckpt")
        assert message.endswith(
            'choose with rename: {model.: ""} and ignore: [ema_model.*], or rename: {ema_model.: ""} and ignore: '
            "[model.*]"
        )
        chosen = StateDictFile(rename={"ema_model.": ""}, ignore=("model.*",))
        assert same_weights(loaded(tmp_path / "w.ckpt", chosen), AVERAGED)

    def test_backbone_and_head_are_advised(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        state = {f"{'head' if name[0] == '2' else 'backbone'}.{name}": v for name, v in RAW.state_dict().items()}
        torch.save(state, tmp_path / "w.ckpt")
        message = complaint(ModelError, loaded, tmp_path / "w.ckpt")
        assert 'write rename: {backbone.: "", head.: ""}, with which' in message

    def test_two_tensors_of_one_name(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save({**put(RAW.state_dict(), "a."), **put(AVERAGED.state_dict(), "b.")}, tmp_path / "w.pth")
        assert "rename gives two tensors the same name" in complaint(
            ModelError, loaded, tmp_path / "w.pth", StateDictFile(rename={"a.": "", "b.": ""})
        )


class TestLeftOut:
    def test_by_name_or_pattern(self, tmp_path: Path) -> None:
        extra = {"total_ops": torch.zeros(1), "0.total_ops": torch.zeros(1), "criterion.weight": torch.ones(2)}
        torch.save({**RAW.state_dict(), **extra}, tmp_path / "w.pth")
        for patterns in (("*total_ops", "criterion.*"), ("total_ops", "0.total_ops", "criterion.weight")):
            module = network(9)
            state = read_state(tmp_path / "w.pth", None, "model m")
            state, left_out = prepared(state, StateDictFile(ignore=patterns), module.state_dict(), "model m")
            fill(module, state, "model m")
            assert same_weights(module, RAW)
            assert sorted(left_out) == sorted(extra)

    @pytest.mark.parametrize("prefix", ["", "module.", "model."])
    def test_what_to_leave_out_is_advised(self, tmp_path: Path, complaint: Callable[..., str], prefix: str) -> None:
        extra = {f"{layer}.total_{what}": torch.zeros(1) for layer in (0, 1, 2) for what in ("ops", "params")}
        extra["criterion.weight"] = torch.ones(3)
        torch.save({**put(RAW.state_dict(), prefix), **put(extra, prefix)}, tmp_path / "w.pth")
        message = complaint(ModelError, loaded, tmp_path / "w.pth")
        assert 'ignore: ["*total_ops", "*total_params", ' in message
        rename = {"model.": ""} if prefix == "model." else {}
        assert ("write rename: {model.: " in message) == bool(rename)
        patterns = ("*total_ops", "*total_params", "*criterion.weight")
        assert same_weights(loaded(tmp_path / "w.pth", StateDictFile(rename=rename, ignore=patterns)), RAW)

    def test_a_pattern_of_nothing(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save(RAW.state_dict(), tmp_path / "w.pth")
        message = complaint(ModelError, loaded, tmp_path / "w.pth", StateDictFile(ignore=("0.wieght",)))
        assert message.startswith('ignore leaves out nothing by "0.wieght"\n')
        assert message.endswith('did you mean "0.weight"?')

    def test_a_tensor_that_the_network_needs(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save(RAW.state_dict(), tmp_path / "w.pth")
        assert "1 missing: 0.weight" in complaint(
            ModelError, loaded, tmp_path / "w.pth", StateDictFile(ignore=("0.weight",))
        )


class Config(dict[str, Any]):
    """As configurations of libraries are."""


class TestValuesBesideTheWeights:
    VALUES: dict[str, Any] = {  # noqa: RUF012
        "numpy number": np.float64(91.5),
        "numpy whole number": np.int64(3),
        "numpy array": np.arange(5.0),
        "numpy strings": np.array(["cat", "dog"]),
        "numpy objects": np.array([{"a": 1}, None], dtype=object),
        "numpy type": np.dtype("float32"),
        "random state": np.random.RandomState(0).get_state(),
        "path": pathlib.PurePosixPath("/data/x"),
        "date": dt.datetime(2024, 2, 29, tzinfo=dt.UTC),
        "namespace": argparse.Namespace(lr=0.1, output=pathlib.Path("out"), best=np.float32(1)),
        "defaultdict": defaultdict(list, {"a": [1, 2]}),
        "ordered": OrderedDict(a=defaultdict(float, b=1.0)),
        "frozenset": frozenset({1, 2}),
    }

    @pytest.mark.parametrize("kind", VALUES)
    @pytest.mark.parametrize("new", [True, False])
    def test_the_weights_are_read(self, tmp_path: Path, kind: str, new: bool) -> None:
        content = {"state_dict": RAW.state_dict(), "beside": self.VALUES[kind]}
        torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
        assert same_weights(loaded(tmp_path / "w.pth"), RAW)

    def test_weights_in_a_defaultdict(self, tmp_path: Path) -> None:
        content = defaultdict(dict, {"model": defaultdict(None, RAW.state_dict())})
        torch.save(content, tmp_path / "w.pth")
        assert same_weights(loaded(tmp_path / "w.pth"), RAW)

    def test_nothing_is_allowed_for_longer_or_beyond(self, tmp_path: Path) -> None:
        torch.save({"state_dict": RAW.state_dict(), "beside": argparse.Namespace(a=1)}, tmp_path / "w.pth")
        before = set(torch.serialization.get_safe_globals())
        read_state(tmp_path / "w.pth", None, "model m")
        assert set(torch.serialization.get_safe_globals()) == before
        assert not any(isinstance(one, type) and issubclass(one, Beside) for one in before)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(tmp_path / "w.pth", weights_only=True)

    def test_forged_arrays_are_not_built(self, tmp_path: Path) -> None:
        """Objects over a buffer of a stranger's bytes would be pointers: the first look at one crashes Python."""

        class Forged:
            def __reduce__(self) -> tuple[Any, ...]:
                state = (1, (4,), np.dtype("O"), False, b"\x41" * 32)
                return np.ndarray.__reduce__(np.zeros(1))[0], (np.ndarray, (0,), b"b"), state  # pyright: ignore

        class Scalar:
            def __reduce__(self) -> tuple[Any, ...]:
                return np.float64(1).__reduce__()[0], (np.dtype("O"), b"\x41" * 8)

        for value in (Forged(), Scalar()):
            torch.save({"state_dict": RAW.state_dict(), "beside": value}, tmp_path / "w.pth")
            assert same_weights(loaded(tmp_path / "w.pth"), RAW)

    def test_a_class_that_is_not_named(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        torch.save({"state_dict": RAW.state_dict(), "beside": Config(a=1)}, tmp_path / "w.pth")
        message = complaint(ModelError, read_state, tmp_path / "w.pth", None, "model m")
        assert "Config, which tensors do not need" in message
        assert "weights_only" not in message


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")


def numpy_arrays(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, a=np.zeros(2))


def torchscript(path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(nn.Linear(2, 2)).save(str(path))


def exported(path: Path) -> None:
    with path.open("wb") as stream:
        torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), stream)


class TestOtherFiles:
    KINDS: dict[str, tuple[str, Callable[[Path], object], str, str]] = {  # noqa: RUF012
        "TorchScript": ("w.pt", torchscript, "a TorchScript program", "write source: torchscript"),
        "exported": ("w.pt", exported, "a program that torch.export wrote", "write source: exported"),
        "npz": ("w.pth", numpy_arrays, "NumPy arrays (.npz)", "load it with the library"),
        "keras": ("w.h5", lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n123"), "an HDF5 file", "load it with"),
        "keras 3": ("w.keras", lambda p: zipped(p, "config.json", "model.weights.h5"), "a network of Keras", "load"),
        "zip": ("w.pth", lambda p: zipped(p, "a/b.txt", "c"), "a zip archive of 2 files, such as a/b.txt, c", "unpack"),
        "lfs": (
            "w.safetensors",
            lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3\n"),
            "a pointer of Git LFS",
            "run git lfs pull",
        ),
        "html": (
            "w.pth",
            lambda p: p.write_bytes(b"\n<HTML><title>404</title>"),
            'a web page titled "404"',
            "download",
        ),
        "xml": (
            "w.pth",
            lambda p: p.write_bytes(b'<?xml version="1.0"?><Error>AccessDenied'),
            "an XML page",
            "download",
        ),
        "json": (
            "w.pth",
            lambda p: p.write_bytes(b'{"error": "quota"}'),
            'JSON text that begins \'{"error"',
            "download",
        ),
        "gzip": ("w.pth.gz", lambda p: p.write_bytes(b"\x1f\x8b\x08123"), "a file packed with gzip", "unpack it"),
        "onnx": ("w.onnx", lambda p: p.write_bytes(b"\x08\x07\x12\x07pytorch"), "an ONNX file", "write source: onnx"),
        "tf data": ("m.ckpt.data-00000-of-00001", lambda p: p.write_bytes(b"1234"), "a part of a TensorFlow", "load"),
        "tf index": ("m.ckpt.index", lambda p: p.write_bytes(b"\x00\x00\x02"), "an index of a TensorFlow", "load"),
        "flax": ("flax_model.msgpack", lambda p: p.write_bytes(b"\x82\xa1a"), "a file of Flax", "load"),
        "new pickle": ("w.pth", lambda p: p.write_bytes(pickle.dumps({"a": 1}, 5)), "a pickle of a newer", "download"),
    }

    @pytest.mark.parametrize("kind", KINDS)
    def test_are_named_for_what_they_are(self, tmp_path: Path, complaint: Callable[..., str], kind: str) -> None:
        name, write, found, fix = self.KINDS[kind]
        write(tmp_path / name)
        message = complaint(ModelError, read_state, tmp_path / name, None, "model m")
        assert message.startswith(
            f"the checkpoint cannot be read\n  where:    model m, {tmp_path / name}\n  found:    {found}"
        )
        assert f"\n  fix:      {fix}" in message
        assert "weights_only" not in message

    @pytest.mark.parametrize("name", ["w.pth", "w.bin", "w"])
    def test_safetensors_under_another_suffix_are_read(self, tmp_path: Path, name: str) -> None:
        save_file(RAW.state_dict(), tmp_path / name)
        assert same_weights(loaded(tmp_path / name), RAW)

    def test_channels_last_and_half_precision(self, tmp_path: Path) -> None:
        module = nn.Conv2d(3, 4, 3)
        state = {name: value.half() for name, value in module.state_dict().items()}
        state["weight"] = state["weight"].to(memory_format=torch.channels_last)
        torch.save(state, tmp_path / "w.pth")
        other = nn.Conv2d(3, 4, 3)
        load_state(other, tmp_path / "w.pth", None, "model m")
        torch.testing.assert_close(other.weight, module.weight, atol=1e-3, rtol=1e-3)
