import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from evalshift.errors import DataError, ModelError
from evalshift.evaluate.importers.files import read_file
from evalshift.testbed.pickle_costs import CostlyError, refuse_costly
from evalshift.testbed.state_dicts import read_state
from evalshift.testbed.torch_files import load_torch


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _doubled(first: bytes, again: bytes, times: int) -> bytes:
    """A mapping in which each value holds the one before twice; `again` has {} for it."""
    items = [_text("0") + first + b"q\x00"]
    for number in range(times):
        before = b"h" + bytes([number])
        items.append(_text(str(number + 1)) + again.replace(b"{}", before) + b"q" + bytes([number + 1]))
    return b"\x80\x02}(" + b"".join(items)


_WIDE = b"}(" + b"".join(_text(str(number)) + b"{}" for number in range(500)) + b"u"
BOMBS = {
    "a key of 2^60 parts": _doubled(b"K\x01\x85", b"{}{}\x86", 60) + b"h\x3cK\x01u.",
    "lists of lists": _doubled(b"]K\x01a", b"]({}{}{}e", 40) + b"u.",
    "mappings of mappings": _doubled(b"}" + _text("a") + b"K\x01s", _WIDE, 6) + b"u.",
    "itself": b"\x80\x02}q\x00" + _text("a") + b"h\x00s.",
}


def _saved(content: object, data: bytes | None = None, compressed: bytes | None = None) -> bytes:
    """What torch.save writes of it, with another pickle, or with another first storage that is compressed."""
    plain, forged = io.BytesIO(), io.BytesIO()
    torch.save(content, plain)
    with zipfile.ZipFile(plain) as read, zipfile.ZipFile(forged, "w") as written:
        for name in read.namelist():
            is_first = name.endswith("/data/0") and compressed is not None
            body = data if data is not None and name.endswith("data.pkl") else read.read(name)
            kind = zipfile.ZIP_DEFLATED if is_first else zipfile.ZIP_STORED
            written.writestr(zipfile.ZipInfo(name), compressed if is_first and compressed else body, kind)
    return forged.getvalue()


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_few_bytes_that_stand_for_more_than_any_memory_are_refused(tmp_path: Path, bomb: bytes) -> None:
    """Without the check, each of them keeps a reader busy for years, or fills the memory."""
    (tmp_path / "w.pt").write_bytes(_saved({}, data=bomb))
    with pytest.raises(ModelError, match=r"beyond all measure|contains itself"):
        read_state(tmp_path / "w.pt", None, "model m")
    with pytest.raises(DataError, match=r"beyond all measure|contains itself"):
        read_file(tmp_path / "w.pt")


def test_a_file_of_old_pytorch_is_checked_too(tmp_path: Path) -> None:
    torch.save({"w": torch.arange(3.0)}, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "w.pt").read_bytes()
    assert load_torch(tmp_path / "w.pt")["w"].tolist() == [0, 1, 2]
    start = content.index(b"X\x01\x00\x00\x00w") - len(b"\x80\x02}q\x00")
    (tmp_path / "w.pt").write_bytes(content[:start] + BOMBS["a key of 2^60 parts"])
    with pytest.raises(CostlyError):
        load_torch(tmp_path / "w.pt")


def test_a_storage_that_is_packed_to_nothing_is_refused() -> None:
    packed = _saved({"w": torch.zeros(8 << 20)}, compressed=bytes(32 << 20))
    assert len(packed) < 100_000
    with pytest.raises(CostlyError, match="packed into"):
        load_torch(packed)


def test_a_tensor_that_repeats_its_numbers_for_ever_is_refused() -> None:
    assert load_torch(_saved({"w": torch.ones(3, 1).expand(3, 1000)}))["w"].shape == (3, 1000)
    with pytest.raises(CostlyError, match="bytes of tensors"):
        load_torch(_saved({"w": torch.ones(3, 1).expand(3, 1 << 40)}))


def test_attributes_cannot_take_the_place_of_methods(tmp_path: Path) -> None:
    """`OrderedDict.__setstate__` sets any attribute, and `_rebuild_parameter_with_state` does so of tensors."""
    state: Any = OrderedDict(w=torch.ones(2))
    state.copy = state.values = 1
    weight: Any = torch.nn.Parameter(torch.ones(2))
    weight.numel = weight.detach = 1
    torch.save({"state_dict": state, "more": weight}, tmp_path / "w.pt")
    assert read_state(tmp_path / "w.pt", None, "model m")["w"].tolist() == [1, 1]
    more = load_torch(tmp_path / "w.pt")["more"]
    assert isinstance(more, torch.nn.Parameter)
    assert more.numel() == 2


@pytest.mark.parametrize("kept", [OrderedDict({"": {"version": 1}}), 5, {"": 5}])
def test_versions_of_modules_are_kept_if_they_are_some(kept: object) -> None:
    state: Any = OrderedDict(w=torch.ones(2))
    state._metadata = kept
    read = load_torch(_saved(state))
    assert getattr(read, "_metadata", None) == (kept if isinstance(kept, OrderedDict) else None)


def test_a_tensor_under_two_names_is_one_in_the_copy_too() -> None:
    one = torch.ones(2)
    read = load_torch(_saved({"a": one, "b": [one, (one, 1)]}))
    assert read["a"] is read["b"][0] is read["b"][1][0]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "make, kind",
    [
        (lambda: torch.ones(3).to_sparse(), "in the layout torch.sparse_coo"),
        (lambda: torch.ones(3, device="meta"), "without numbers (meta)"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "a nested tensor"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8), "quantized"),
    ],
)
def test_a_tensor_that_fills_no_network_is_named(tmp_path: Path, make: Any, kind: str) -> None:
    torch.save({"w": make()}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="not plain") as caught:
        read_state(tmp_path / "w.pt", None, "model m")
    assert caught.value.found == f"w, {kind}"


@pytest.mark.parametrize("protocol", range(6))
def test_honest_pickles_pass(protocol: int) -> None:
    shared = (0.9, 0.999)
    content = {("a", 1): [shared, shared, {"b": shared}], "labels": tuple(range(10_000)), "set": {1, 2}}
    stream = io.BytesIO(pickle.dumps(content, protocol) + b"more")
    refuse_costly(stream)
    assert stream.read() == b"more"


@pytest.mark.parametrize("bomb", [b"\x80\x02}r\xff\xff\xff\x7f.", b"\x80\x02K\x01\x85" + 60 * b"2\x86" + b"."])
def test_room_for_millions_of_names_and_doubled_tuples_are_refused(bomb: bytes) -> None:
    with pytest.raises(CostlyError):
        refuse_costly(io.BytesIO(bomb))
