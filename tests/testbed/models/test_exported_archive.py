"""A .pt2 of a stranger runs nothing: each way that torch itself would take is tried, with a file that tells."""

import contextlib
import hashlib
import io
import json
import pickle
import struct
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from classifiers import Load, Refused
from messages import says
from payload import Payload
from torch import nn
from torch.export.pt2_archive import constants

from evalshift.errors import ModelError
from evalshift.testbed.models.exported import ExportedNetwork, _load, _refuse_training
from evalshift.testbed.models.exported_archive import NotPlainError, plain_archive
from evalshift.testbed.weights import Weights

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"
Members = dict[str, bytes]


class Network(nn.Module):
    """With all that an archive can hold: weights, buffers, constants, sizes, text and a part without gradients."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3)
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.full((3, 1, 1), 0.5))
        self.constant = torch.tensor([2.0])
        self.linear = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor, mask: None = None) -> torch.Tensor:
        with torch.no_grad():
            x = x * self.scale * self.constant
        x = nn.functional.gelu(self.convolution(x), approximate="tanh")
        return self.linear(x.mean((2, 3)).reshape(-1, 4))


NETWORK = Network().eval()
PIXELS = torch.rand(2, 3, 8, 8)


def exported(*inputs: Any, module: nn.Module = NETWORK, **more: Any) -> bytes:
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch finds some layouts odd
        torch.export.save(torch.export.export(module, inputs or (PIXELS,), **more), written)
    return written.getvalue()


@pytest.fixture(scope="module")
def honest() -> bytes:
    return exported(PIXELS, None, dynamic_shapes={"x": {0: torch.export.Dim("batch")}, "mask": None})


def members_of(archive: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def archive_of(members: Members, root: str = "archive/") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as opened:
        for name, body in members.items():
            opened.writestr(zipfile.ZipInfo(root + name), body)
    return written.getvalue()


def changed(archive: bytes, member: str, change: Callable[[Any], object]) -> bytes:
    """The archive with a JSON member changed in place."""
    members = members_of(archive)
    content = json.loads(members[member])
    change(content)
    return archive_of({**members, member: json.dumps(content).encode()})


def pickled_by_torch(content: object) -> bytes:
    written = io.BytesIO()
    torch.save(content, written)
    return written.getvalue()


def first_weight(content: Any) -> Any:
    return next(iter(content["config"].values()))


def pickled_payload(archive: bytes, folder: str, config: str, ran: Path, name: str, pickled: bytes) -> bytes:
    def unpickle_it(content: Any) -> None:
        first_weight(content).update(use_pickle=True, path_name=name)

    members = members_of(changed(archive, config, unpickle_it))
    return archive_of({**members, f"data/{folder}/{name}": pickled})


def program(change: Callable[[Any, str], object]) -> Callable[[bytes, Path], bytes]:
    """An archive whose program is changed; the code to run is Python that makes the folder."""

    def forge(archive: bytes, ran: Path) -> bytes:
        code = f"__import__('os').mkdir({str(ran)!r})"
        return changed(archive, PROGRAM, lambda content: change(content, code))

    return forge


def with_expression(content: Any, code: str) -> None:
    for meta in content["graph_module"]["graph"]["tensor_values"].values():
        for size in meta["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = f"{code} or Integer(2)"


def with_guard(content: Any, code: str) -> None:
    content["guards_code"] = [f"{code} is None"]


def with_target(content: Any, code: str) -> None:
    """Python as text, given to what torch finds under a name of its own."""
    node = {
        "target": "torch.fx.graph_module.torch.serialization.os.mkdir",
        "inputs": [{"name": "", "arg": {"as_string": code.split("'")[3]}, "kind": 1}],
        "outputs": [{"as_none": True}],
        "metadata": {},
        "is_hop_single_tensor_return": None,
        "name": "ran",
    }
    content["graph_module"]["graph"]["nodes"].insert(0, node)
    content["verifiers"] = []


def with_name(content: Any, code: str) -> None:
    """The name of an input is written into generated code as it is, and this one has an annotation."""

    def name(part: str) -> str:
        return f"mask: {code}" if part == "mask" else part

    def renamed(part: Any) -> Any:
        if isinstance(part, dict):
            return {name(key): renamed(value) for key, value in part.items()}
        if isinstance(part, list):
            return [renamed(one) for one in part]
        return name(part) if isinstance(part, str) else part

    content["graph_module"] = renamed(content["graph_module"])


def with_tree(content: Any, code: str) -> None:
    """torch imports the module that a tree of inputs names, and with it what that does."""
    signature = content["graph_module"]["module_call_graph"][0]["signature"]
    leaf = {"type": None, "context": None, "children_spec": []}
    context = {"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": ["a"]}
    tree = {"type": "collections.defaultdict", "context": json.dumps(context), "children_spec": [leaf]}
    signature["out_spec"] = json.dumps([1, tree])


def with_state_name(content: Any, code: str) -> None:
    spec = content["graph_module"]["signature"]["input_specs"][0]
    spec["parameter"]["parameter_name"] = f'a"+{code}+"b'


def with_custom_object(content: Any, code: str) -> None:
    content["graph_module"]["signature"]["input_specs"][0] = {
        "custom_obj": {"arg": {"name": "a", "class_fqn": "b"}, "custom_obj_name": "c"}
    }


def with_text_constant(content: Any, code: str) -> None:
    for spec in content["graph_module"]["signature"]["input_specs"]:
        if "constant_input" in spec:
            spec["constant_input"]["value"] = {"as_string": f"' + {code} + '"}


def with_file(content: Any, code: str) -> None:
    """An operation of torch that makes a file."""
    content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


def with_alias(content: Any, code: str) -> None:
    """An operation of torch that reads memory beyond its tensor."""
    content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten._reshape_alias.default"


def with_operator_argument(content: Any, code: str) -> None:
    node = content["graph_module"]["graph"]["nodes"][0]
    node["inputs"].append({"name": "", "arg": {"as_operator": "torch.serialization.os.system"}, "kind": 1})


def old_archive(archive: bytes, ran: Path) -> bytes:
    """As torch before 2.8 wrote them."""
    members = members_of(archive)
    return archive_of(
        {
            "version": b"8.1",
            "serialized_exported_program.json": members[PROGRAM],
            "serialized_state_dict.pt": pickled_by_torch({"a": Payload(ran)}),
            "serialized_constants.pt": pickled_by_torch({}),
            "serialized_example_inputs.pt": b"",
        },
        root="",
    )


def replaced(**members: Callable[[Path], bytes]) -> Callable[[bytes, Path], bytes]:
    names = {"samples": SAMPLES, "weights": "data/weights/model.pt", "constants": "data/constants/model.pt"}
    return lambda archive, ran: archive_of(
        {**members_of(archive), **{names[name]: body(ran) for name, body in members.items()}}
    )


# What torch.export.load or calling what it returns runs -> what is said of it.
RUN: dict[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "pickled weight": (
        lambda archive, ran: pickled_payload(
            archive, "weights", WEIGHTS, ran, "weight_0", pickled_by_torch(Payload(ran))
        ),
        f"{WEIGHTS}, config.convolution.weight.use_pickle: it is pickled",
    ),
    "pickled constant": (
        lambda archive, ran: pickled_payload(
            archive, "constants", CONSTANTS, ran, "tensor_0", pickled_by_torch(Payload(ran))
        ),
        f"{CONSTANTS}, config.constant.use_pickle: it is pickled",
    ),
    "opaque constant": (
        lambda archive, ran: pickled_payload(
            archive, "constants", CONSTANTS, ran, "opaque_obj_0", pickle.dumps(Payload(ran), protocol=2)
        ),
        f"{CONSTANTS}, config.constant.use_pickle: it is pickled",
    ),
    "expression": (program(with_expression), "no expression over sizes: \"__import__('os').mkdir("),
    "guard": (program(with_guard), "no expression over sizes: \"__import__('os').mkdir("),
    "pickled state dict": (
        replaced(weights=lambda ran: pickled_by_torch({"a": Payload(ran)})),
        "'data/weights/model.pt': pickled objects that are no tensors",
    ),
    "pickled constants": (
        replaced(constants=lambda ran: pickled_by_torch({"a": Payload(ran)})),
        "'data/constants/model.pt': pickled objects that are no tensors",
    ),
    "old archive": (old_archive, "'serialized_state_dict.pt': pickled objects that are no tensors"),
}
# What is refused as well, though torch of today stumbles over it or it needs more to run.
OTHERS: dict[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "target": (
        program(with_target),
        "'torch.fx.graph_module.torch.serialization.os.mkdir' is not an operation on tensors",
    ),
    "name": (program(with_name), "is not the name of a tensor"),
    "custom object": (
        lambda archive, ran: archive_of({**members_of(archive), "data/constants/custom_obj_0": b""}),
        "'data/constants/custom_obj_0': objects that are no tensors",
    ),
    "custom object in the signature": (program(with_custom_object), "custom_obj: a key that is not known"),
    "compiled code": (
        lambda archive, ran: archive_of({**members_of(archive), "data/aotinductor/model/a.wrapper.so": b""}),
        "'data/aotinductor/model/a.wrapper.so': compiled code",
    ),
    "archive inside": (
        lambda archive, ran: archive_of({**members_of(archive), "models/other.pt2": archive}),
        "'models/other.pt2', which is no part of a program called model",
    ),
    "second program": (
        lambda archive, ran: archive_of({**members_of(archive), "models/other.json": b"{}"}),
        "'models/other.json', which is no part of a program called model",
    ),
    "path to a parent": (
        lambda archive, ran: archive_of({**members_of(archive), "../../w": b""}),
        "'../../w', which is no part of a program called model",
    ),
    "absolute path": (
        lambda archive, ran: archive_of({**{f"archive/{k}": v for k, v in members_of(archive).items()}, "/w": b""}, ""),
        "'/w' lies outside 'archive/'",
    ),
    "tree": (program(with_tree), "outputs in a 'collections.defaultdict' are not known here"),
    "name of a weight": (program(with_state_name), "is not the name of a weight"),
    "text among the inputs": (program(with_text_constant), "as_string: a key that is not known"),
    "operation on files": (program(with_file), "'torch.ops.aten.from_file.default' is not an operation on tensors"),
    "operation beyond its tensor": (
        program(with_alias),
        "'torch.ops.aten._reshape_alias.default' is not an operation on tensors",
    ),
    "operator as argument": (
        program(with_operator_argument),
        "'torch.serialization.os.system' is not an operation on tensors",
    ),
    "key that is not known": (
        program(lambda content, code: content.update(run_after_loading=code)),
        "run_after_loading: a key that is not known",
    ),
    "member of a configuration": (
        lambda archive, ran: changed(archive, WEIGHTS, lambda c: first_weight(c).update(path_name="../../etc/passwd")),
        "path_name: String should match pattern",
    ),
    "byte order": (lambda archive, ran: archive_of({**members_of(archive), "byteorder": b"big"}), "'byteorder'"),
}


@pytest.mark.parametrize("kind", [*RUN, *OTHERS])
def test_nothing_of_a_strangers_runs(
    honest: bytes, tmp_path: Path, refused: Refused, kind: str, recwarn: pytest.WarningsRecorder
) -> None:
    forge, said = (RUN | OTHERS)[kind]
    ran = tmp_path / "ran"
    (tmp_path / "w.pt2").write_bytes(forge(honest, ran))
    message = refused(source="exported", weights="w.pt2", classes="ten", preprocess={})
    assert message.startswith(
        "the exported program holds more than operations and tensors\n  where:    model m, HERE/w.pt2\n  found:    "
    )
    assert said in message
    assert "weights_only" not in message
    assert not ran.exists()


@pytest.mark.parametrize("kind", RUN)
def test_the_traps_work(honest: bytes, tmp_path: Path, kind: str) -> None:
    """torch itself runs each of them."""
    if kind == "opaque constant" and not hasattr(constants, "OPAQUE_OBJ_FILENAME_PREFIX"):
        pytest.skip("this torch reads no opaque constants")
    ran = tmp_path / "ran"
    archive = RUN[kind][0](honest, ran)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):  # what comes after the code has run is all the same
            torch.export.load(io.BytesIO(archive)).module()(PIXELS, None)
    assert ran.exists()


def test_sample_inputs_are_not_read(honest: bytes, tmp_path: Path, load: Load) -> None:
    """An honest program beside them is used; torch itself runs what they hold."""
    ran = tmp_path / "ran"
    archive = replaced(samples=lambda ran: pickled_by_torch(((Payload(ran),), {})))(honest, ran)
    (tmp_path / "w.pt2").write_bytes(archive)
    classifier = load(source="exported", weights="w.pt2", classes="ten", preprocess={})
    torch.testing.assert_close(classifier.module(PIXELS), NETWORK(PIXELS))
    assert not ran.exists()
    with contextlib.suppress(Exception):
        torch.export.load(io.BytesIO(archive))
    assert ran.exists()


def test_two_members_of_one_name(honest: bytes) -> None:
    """The one that is checked need not be the one that is read."""
    written = io.BytesIO(honest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(written, "a") as opened:
            name = next(name for name in opened.namelist() if name.endswith(PROGRAM))
            opened.writestr(zipfile.ZipInfo(name), b"{}")
    with pytest.raises(NotPlainError, match=r"two members called '.*models/model.json'"):
        plain_archive(written.getvalue())


def test_compressed_members(honest: bytes) -> None:
    """A few bytes could stand for any number of them."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in members_of(honest).items():
            opened.writestr(f"archive/{name}", body)
    with pytest.raises(NotPlainError, match="is compressed or encrypted"):
        plain_archive(written.getvalue())


def test_members_within_members() -> None:
    """A file of 50 kB, each of whose members holds all that follow: 5 MB when they are read."""
    rest, listed = bytes(50_000), []
    for number in range(100):
        name = f"archive/extra/{number}".encode()
        sizes = (zlib.crc32(rest), len(rest), len(rest), len(name), 0)
        listed.append((name, sizes, len(rest)))
        rest = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, *sizes) + name + rest
    directory = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, *sizes, 0, 0, 0, 0, len(rest) - size - 30 - len(name)
        )
        + name
        for name, sizes, size in listed
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(listed), len(listed), len(directory), len(rest), 0)
    with pytest.raises(NotPlainError, match="its members overlap"):
        plain_archive(rest + directory + end)


def test_a_duplicate_among_many_members_is_found_at_once() -> None:
    names = [*map(str, range(20_000)), "19999"]
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(written, "w") as opened:
            for name in names:
                opened.writestr(zipfile.ZipInfo(f"archive/extra/{name}"), b"")
    begun = time.process_time()
    with pytest.raises(NotPlainError, match="two members called 'archive/extra/19999'"):
        plain_archive(written.getvalue())
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("body", [b"", b"\0" * 428, None])
@pytest.mark.parametrize("member", ["data/weights/weight_0", "data/constants/tensor_0"])
def test_weights_that_are_not_all_there(honest: bytes, member: str, body: bytes | None) -> None:
    """torch reads zeros in place of a member without content."""
    members = members_of(honest)
    whole = len(members.pop(member))
    if body is not None:
        members[member] = body[: whole - 1]
    found = len(members.get(member, b""))
    with pytest.raises(NotPlainError, match=f"'{member}': {found} bytes for a tensor of {whole}"):
        plain_archive(archive_of(members))


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"sizes": [{"as_int": 1 << 40}], "strides": [{"as_int": 1}]}, "432 bytes for a tensor of 4,398,046,511,104"),
        ({"storage_offset": {"as_int": 1 << 50}}, "432 bytes for a tensor of"),
        ({"storage_offset": {"as_int": -4}}, "not given in whole numbers"),
        ({"strides": [{"as_int": -1}] * 4}, "not given in whole numbers"),
        ({"sizes": []}, "not given in whole numbers"),
        ({"dtype": 8}, "432 bytes for a tensor of 864"),
    ],
)
def test_tensors_beyond_their_numbers(honest: bytes, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(NotPlainError, match=said):
        plain_archive(changed(honest, WEIGHTS, lambda c: first_weight(c)["tensor_meta"].update(changes)))


class Applied(nn.Module):
    """A network that is one function, without gradients where asked for."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], within: bool = False) -> None:
        super().__init__()
        self.function, self.within = function, within

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.within:
            with torch.no_grad():
                x = self.function(x)
        else:
            x = self.function(x)
        return (x * 2).mean((2, 3))


def normalized(training: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: torch.native_batch_norm(x, None, None, torch.zeros(3), torch.ones(3), training, 0.1, 1e-5)[0]


def attention(chance: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=chance)


@pytest.mark.parametrize(
    "module, said",
    [
        (Applied(lambda x: nn.functional.dropout(x, 0.5, True)), "aten.dropout.default that trains"),
        (Applied(lambda x: nn.functional.dropout(x, 0.5, True), within=True), "aten.dropout.default that trains"),
        (Applied(lambda x: torch.native_dropout(x, 0.5, True)[0]), "aten.native_dropout.default that trains"),
        (Applied(lambda x: nn.functional.dropout2d(x, 0.5, True)), "aten.feature_dropout.default that trains"),
        (Applied(lambda x: nn.functional.alpha_dropout(x, 0.5, True)), "aten.alpha_dropout.default that trains"),
        (Applied(attention(0.5)), "aten.scaled_dot_product_attention.default that trains"),
        (Applied(normalized(True)), "aten.native_batch_norm.default that trains"),
        (Applied(lambda x: x * torch.rand_like(x)), "aten.rand_like.default that draws random numbers"),
    ],
)
def test_networks_that_predict_by_chance_or_by_other_images(module: nn.Module, said: str) -> None:
    with pytest.raises(ModelError, match="the network was exported in training mode") as caught:
        _refuse_training(loaded(module), "model m")
    assert caught.value.found == said


def loaded(module: nn.Module) -> Any:
    return torch.export.load(io.BytesIO(plain_archive(exported(module=module))))


@pytest.mark.parametrize(
    "module",
    [
        Applied(lambda x: nn.functional.dropout(x, 0.5, False), within=True),
        Applied(lambda x: torch.native_dropout(x, 0.5, False)[0]),
        Applied(attention(0.0)),
        Applied(normalized(False)),
        Applied(nn.functional.instance_norm),
    ],
)
def test_networks_in_eval_mode(module: nn.Module) -> None:
    program = loaded(module)
    _refuse_training(program, "model m")
    _refuse_training(program.run_decompositions(), "model m")


def test_what_is_loaded_is_what_was_hashed(honest: bytes, tmp_path: Path) -> None:
    """A file that is put in its place between the two is not read."""
    (tmp_path / "w.pt2").write_bytes(honest)
    other = hashlib.sha256(b"another file").hexdigest()
    with pytest.raises(ModelError, match=r"^the file changed while it was read\n"):
        _load(Weights(tmp_path / "w.pt2", other), "model m")


class TestHonestFiles:
    def same(self, archive: bytes, tmp_path: Path, load: Load, network: nn.Module = NETWORK) -> Any:
        (tmp_path / "w.pt2").write_bytes(archive)
        classifier = load(source="exported", weights="w.pt2", classes="ten", preprocess={})
        torch.testing.assert_close(classifier.module(PIXELS), network(PIXELS))
        return classifier.module

    def test_any_number_of_images(self, honest: bytes, tmp_path: Path, load: Load) -> None:
        module = self.same(honest, tmp_path, load)
        assert isinstance(module, ExportedNetwork)
        many = torch.rand(7, 3, 8, 8)
        torch.testing.assert_close(module(many), NETWORK(many))

    def test_images_of_any_size(self, tmp_path: Path, load: Load) -> None:
        sides = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
        module = self.same(exported(dynamic_shapes={"x": sides}), tmp_path, load)
        wide = torch.rand(5, 3, 9, 14)
        torch.testing.assert_close(module(wide), NETWORK(wide))

    def test_other_sizes_than_those_it_was_exported_for_are_still_refused(
        self, honest: bytes, tmp_path: Path, load: Load
    ) -> None:
        module = self.same(honest, tmp_path, load)
        with pytest.raises(AssertionError, match=r"x.size\(\)\[2\] == 8"):
            module(torch.rand(2, 3, 9, 8))

    def test_conditions_that_the_program_states_still_hold(self, honest: bytes, tmp_path: Path, load: Load) -> None:
        stated = changed(honest, PROGRAM, lambda content: content.update(guards_code=["L['x'].size()[0] % 2 == 0"]))
        module = self.same(stated, tmp_path, load)
        with pytest.raises(AssertionError, match=r"x.size\(\)\[0\] % 2 == 0"):
            module(torch.rand(3, 3, 8, 8))

    def test_constants_beside_the_images(self, tmp_path: Path, load: Load) -> None:
        self.same(exported(PIXELS, None), tmp_path, load)
        self.same(exported(PIXELS), tmp_path, load)

    def test_files_beside_the_program_are_left_out(self, tmp_path: Path, load: Load) -> None:
        written = io.BytesIO()
        torch.export.save(torch.export.export(NETWORK, (PIXELS,)), written, extra_files={"classes.txt": "cat\ndog"})
        self.same(written.getvalue(), tmp_path, load)

    def test_half_precision_and_channels_last(self, tmp_path: Path, load: Load) -> None:
        network = Network().eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.same(exported(module=network), tmp_path, load, network)

    def test_outputs_in_a_mapping_of_another_library(self, honest: bytes, tmp_path: Path, load: Load) -> None:
        """transformers' ModelOutput is a mapping, which is what it becomes."""
        leaf = {"type": None, "context": None, "children_spec": []}
        tree = {"type": "some_library.ModelOutput", "context": '["logits"]', "children_spec": [leaf]}

        def wrapped(content: Any) -> None:
            content["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, tree])

        archive = plain_archive(changed(honest, PROGRAM, wrapped))
        found = torch.export.load(io.BytesIO(archive)).module()(PIXELS, None)
        torch.testing.assert_close(found["logits"], NETWORK(PIXELS))

    def test_two_images(self, tmp_path: Path, refused: Refused) -> None:
        class Two(nn.Module):
            def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
                return a + b

        (tmp_path / "w.pt2").write_bytes(exported(PIXELS, PIXELS, module=Two()))
        says(
            refused(source="exported", weights="w.pt2", classes="ten", preprocess={}),
            where="model m, HERE/w.pt2",
            found="a, b",
        )

    def test_archives_of_older_torch(self, honest: bytes, tmp_path: Path, load: Load) -> None:
        """Without a folder, and with state dicts that torch pickled."""
        program = torch.export.load(io.BytesIO(honest))
        old = {
            "version": b"8.1",
            "serialized_exported_program.json": members_of(honest)[PROGRAM],
            "serialized_state_dict.pt": pickled_by_torch(dict(program.state_dict)),
            "serialized_constants.pt": pickled_by_torch(dict(program.constants)),
            "serialized_example_inputs.pt": pickled_by_torch(((PIXELS,), {})),
        }
        self.same(archive_of(old, root=""), tmp_path, load)
