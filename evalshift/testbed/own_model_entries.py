"""Entries of models of one's own: checkpoints, functions and programs."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from evalshift.testbed.entries import (
    UNKNOWN,
    Locations,
)
from evalshift.testbed.model_entry import Code, ModelEntry, OwnWeights, WithWeights, hashes_of_code, weight_places
from evalshift.testbed.preprocessing import Preprocess


class CheckpointModel(OwnWeights):
    """A state dict (.safetensors, or .pt, .pth, .bin read with weights_only) for a network built by `builder`.

    builder    the function that returns the network: package.module:function or file.py:function
    arguments  keyword arguments of the builder
    trust      true allows the code of this entry to run
    """

    module = "checkpoint"
    source: Literal["checkpoint"]
    builder: Code
    arguments: dict[str, Any] = Field(default_factory=dict)
    preprocess: Preprocess
    trust: bool = False

    def hashes(self) -> dict[str, Any]:
        return hashes_of_code("builder", self.builder, self.arguments)

    @property
    def function_named(self) -> str:
        return self.builder

    @model_validator(mode="after")
    def _names_weights(self) -> "CheckpointModel":
        if not self.has_own_weights:
            raise ValueError("give weights, or parts where they lie in several files")
        return self


class FunctionModel(ModelEntry):
    """A model given by a function.

    function   package.module:function or file.py:function
    arguments  keyword arguments of the function
    trust      true allows the code of this entry to run
    """

    function: Code
    arguments: dict[str, Any] = Field(default_factory=dict)
    preprocess: Preprocess
    trust: bool = False

    def hashes(self) -> dict[str, Any]:
        return hashes_of_code("function", self.function, self.arguments)

    @property
    def function_named(self) -> str:
        return self.function


class PythonModel(FunctionModel):
    """A function that returns a torch module: float images (n, c, h, w) in, logits (n, classes) out."""

    module = "python"
    fetches = True
    runs_to_fetch = True
    source: Literal["python"]


class NumpyModel(FunctionModel):
    """A function of NumPy arrays: float32 images (n, h, w, c), preprocessed, in; scores (n, classes) out."""

    module = "numpy_function"
    source: Literal["numpy"]


class ProgramModel(WithWeights):
    """A file that contains the whole network, operations and weights.

    weights  a path, URL or `package:` resource, or a list of copies in order of preference
    """

    weights: Locations
    preprocess: Preprocess

    def weights_files(self) -> tuple[str, ...]:
        return weight_places(self.weights)

    @model_validator(mode="after")
    def _programs_are_known(self) -> "ProgramModel":
        if self.sha256 == UNKNOWN:
            raise ValueError(
                "a file that is executed needs a known sha256: download it, inspect it and compute its checksum"
            )
        return self


class ExportedModel(ProgramModel):
    """A program written by torch.export.save (.pt2)."""

    module = "exported"
    source: Literal["exported"]


class OnnxModel(ProgramModel):
    """An ONNX file, run by onnxruntime (extra `onnx`)."""

    module = "onnx_file"
    source: Literal["onnx"]


class TorchscriptModel(ProgramModel):
    """A program written by torch.jit.save, which runs only with `trust: true`.

    trust  true allows the code of this entry to run
    """

    module = "torchscript"
    source: Literal["torchscript"]
    trust: bool = False

    @property
    def program(self) -> str:
        return f"TorchScript {', '.join(Path(place).name for place in self.weights_files())}"
