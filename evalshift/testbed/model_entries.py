"""All entries of models: one class per source. A new source is a class, listed here, and a module."""

from typing import Annotated

from pydantic import Field

from evalshift.testbed.library_model_entries import (
    HubModel,
    HuggingfaceModel,
    OpenClipModel,
    TimmModel,
    TorchvisionModel,
)
from evalshift.testbed.own_model_entries import (
    CheckpointModel,
    ExportedModel,
    NumpyModel,
    OnnxModel,
    PythonModel,
    TorchscriptModel,
)
from evalshift.testbed.trained_model_entries import FisherVectorsModel, RandomFeaturesModel

AnyModel = Annotated[
    CheckpointModel
    | TorchvisionModel
    | TimmModel
    | HubModel
    | HuggingfaceModel
    | OpenClipModel
    | PythonModel
    | NumpyModel
    | RandomFeaturesModel
    | FisherVectorsModel
    | OnnxModel
    | ExportedModel
    | TorchscriptModel,
    Field(discriminator="source"),
]
