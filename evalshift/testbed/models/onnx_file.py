"""ONNX files, run by onnxruntime (extra `onnx`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evalshift.errors import ModelError, first_line
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.batches import InBatchesOf
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import import_extra
from evalshift.testbed.own_model_entries import OnnxModel
from evalshift.testbed.weights import find_weights, verified_content

_AS_ONE = "save it as one: onnx.save(onnx.load(path), path), or torch.onnx.export(…, external_data=False)"
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def build(entry: OnnxModel, space: ClassSpace, where: str) -> Built:
    """The file as a network that torch can call."""
    onnxruntime = import_extra("onnxruntime", "onnx", where)
    weights = find_weights(entry)
    content = verified_content(weights, where)
    _refuse_other_files(content, weights.path, where)
    session = _session(onnxruntime, content, weights.path, where)
    network = OnnxNetwork(session, entry.output, where)
    size = network.shape[0] if network.shape else None
    module = InBatchesOf(network, size) if isinstance(size, int) else network
    return Built(module, None, weights.sha256, {"onnxruntime": onnxruntime.__version__}, takes_output=True)


bare = build


def _refuse_other_files(content: bytes, path: Path, where: str) -> None:
    """Weights outside the file were not hashed, and onnxruntime would take them from the working folder."""
    onnx = import_extra("onnx", "onnx", where)
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises what it likes for damaged files
        raise _cannot_be_read(path, where, error) from error
    outside = sorted({place for tensor in _tensors(model, onnx.TensorProto) for place in _places_outside(tensor)})
    if outside:
        raise ModelError(
            "the ONNX file keeps its weights in other files",
            where=f"{where}, {path}",
            found=", ".join(outside[:3]),
            expected="one file that holds its weights too",
            fix=_AS_ONE,
        )


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """Every tensor in a protobuf message, wherever it stands: initializers, attributes, functions, branches."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if isinstance(value, Sequence) else (value,):
                if isinstance(one, kind):
                    yield one
                else:
                    yield from _tensors(one, kind)


def _places_outside(tensor: Any) -> Iterator[str]:
    if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
        named = {entry.key: entry.value for entry in tensor.external_data}
        yield named.get("location", "a file without a name")


def _session(onnxruntime: Any, content: bytes, path: Path, where: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # it warns of what it optimises
    wanted = ["CUDAExecutionProvider"] if torch.cuda.is_available() else []
    providers = [one for one in (*wanted, "CPUExecutionProvider") if one in onnxruntime.get_available_providers()]
    try:
        # From bytes, so that what is run is what was hashed, and no other file that the model may name.
        return onnxruntime.InferenceSession(content, options, providers)
    except Exception as error:  # onnxruntime has a dozen kinds
        raise _cannot_be_read(path, where, error) from error


def _cannot_be_read(path: Path, where: str, error: Exception) -> ModelError:
    return ModelError(
        "the ONNX file cannot be read",
        where=f"{where}, {path}",
        found=first_line(error),
        expected="one file that holds its weights too",
        fix=_AS_ONE,
    )


class OnnxNetwork(nn.Module):
    """A session of onnxruntime as a network: float (n, c, h, w) in; its outputs, numbers of any shape, by name.

    output   the one that is wanted, by name or by number; all that are tensors of floats without it
    One that is wanted, or the only one, comes alone. A file that has the channels last gets them last.
    """

    def __init__(self, session: Any, output: int | str | None, where: str) -> None:
        super().__init__()
        self.session = session
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1:
            raise ModelError(
                "the ONNX file takes more than images",
                where=where,
                found=", ".join(one.name for one in inputs) or "no input",
                expected="one input",
            )
        if inputs[0].type not in _TYPES:
            raise ModelError(
                "the ONNX file wants other numbers", where=where, found=inputs[0].type, expected=", ".join(_TYPES)
            )
        names = [one.name for one in outputs]
        if isinstance(output, int) and output < len(names):
            output = names[output]
        if output is not None and output not in names:
            raise ModelError(
                f'the ONNX file has no output "{output}"', where=where, expected=", ".join(names) or "none"
            )
        floats = [one.name for one in outputs if one.type in _TYPES and output in (None, one.name)]
        if not floats:
            raise ModelError(
                "no output of the ONNX file is a tensor of floats",
                where=where,
                found=", ".join(f"{one.name}: {one.type}" for one in outputs if output in (None, one.name)) or "none",
                expected=", ".join(_TYPES),
                fix="a classifier of scikit-learn is exported with options={'zipmap': False}",
            )
        self.input, self.numbers, self.shape = inputs[0].name, _TYPES[inputs[0].type], inputs[0].shape
        self.outputs, self.single = floats, output is not None or len(names) == 1
        self.channels_last = len(self.shape) == 4 and self.shape[1] not in (1, 3) and self.shape[3] in (1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        pixels = x.permute(0, 2, 3, 1) if self.channels_last else x
        given = {self.input: np.ascontiguousarray(pixels.cpu().numpy(), dtype=self.numbers)}
        found = self.session.run(self.outputs, given)
        tensors = [torch.from_numpy(np.array(scores, dtype=np.float32)).to(x.device) for scores in found]
        return tensors[0] if self.single else dict(zip(self.outputs, tensors, strict=True))
