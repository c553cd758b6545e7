"""Entries of models that a library or hub has: torchvision, timm, torch.hub, Hugging Face, open_clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from evalshift.file_dependencies import dependencies_unknown
from evalshift.files import sha256_of_text
from evalshift.testbed.argument_files import hashes_of_arguments
from evalshift.testbed.code_files import hashes_of_files, hashes_of_folder
from evalshift.testbed.entries import (
    FilePath,
    Locations,
)
from evalshift.testbed.model_entry import OwnWeights, WithWeights, check_commit, check_repository, weight_places
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.readiness import State

# Arguments that make timm load weights other than those that were hashed, or leave some of them random.
TIMM_FILES = (
    "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict",
    "pretrained_filter_fn", "cache_dir",
)  # fmt: skip


def _refuse_arguments(arguments: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if refused := [name for name in arguments if name in names]:
        raise ValueError(
            f"arguments: {refused[0]} would replace weights whose checksum was verified; name a file under weights:"
        )


class TorchvisionModel(OwnWeights):
    """A torchvision classifier; preprocessing, classes and checksum come with its weights.

    name        the name of the architecture, such as resnet50; wildcards stand for several
    pretrained  the name of the weights, such as IMAGENET1K_V2. "DEFAULT" is refused, because it changes with the
                release of torchvision.
    weights     your own state dict for the architecture instead
    arguments   keyword arguments of the constructor
    """

    module = "torchvision_weights"
    fetches = True
    builds_on_meta = True
    source: Literal["torchvision"]
    name: str
    pretrained: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    classes: str = "imagenet-1k"
    preprocess: Preprocess | None = None

    @model_validator(mode="after")
    def _weights_are_not_arguments(self) -> "TorchvisionModel":
        _refuse_arguments(self.arguments, ("weights", "weights_backbone", "pretrained", "pretrained_backbone"))
        return self

    @model_validator(mode="after")
    def _one_kind_of_weights(self) -> "TorchvisionModel":
        if (self.pretrained is None) != self.has_own_weights:
            raise ValueError("give either pretrained, such as IMAGENET1K_V1, or weights")
        if self.pretrained == "DEFAULT":
            raise ValueError("DEFAULT means other weights in another torchvision; name them, such as IMAGENET1K_V2")
        if self.has_own_weights and self.preprocess is None:
            raise ValueError("own weights need their own preprocess")
        return self


class TimmModel(OwnWeights):
    """A timm classifier with its pretrained weights, or your own `weights`; preprocessing comes with it.

    name       the name in timm, such as resnet18.a1_in1k; wildcards stand for several
    weights    your own state dict for the architecture instead
    arguments  keyword arguments of timm.create_model
    """

    module = "timm_weights"
    fetches = True
    builds_on_meta = True
    source: Literal["timm"]
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    classes: str = "imagenet-1k"
    preprocess: Preprocess | None = None

    @model_validator(mode="after")
    def _weights_are_not_arguments(self) -> "TimmModel":
        _refuse_arguments(self.arguments, TIMM_FILES)
        return self


class HubModel(OwnWeights):
    """An entry point of a GitHub repository, through torch.hub, pinned to a commit.

    With `weights`, the entry point must return the bare network, and evalshift verifies and loads the state dict.
    Without `weights`, `arguments` must make the entry point load its own, such as {pretrained: true}.

    repository  owner/name on GitHub
    commit      all 40 digits of the commit
    entry       the name of the entry point in hubconf.py
    arguments   keyword arguments of the entry point
    path        a checkout on disk to use instead of the repository
    trust       true allows the code of this entry to run
    """

    module = "torch_hub"
    fetches = True
    runs_to_fetch = True
    source: Literal["torch.hub"]
    repository: Annotated[str, AfterValidator(check_repository)]
    commit: Annotated[str, AfterValidator(check_commit)]
    entry: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    path: FilePath | None = None
    preprocess: Preprocess
    trust: bool = False

    def hashes(self) -> dict[str, Any]:
        """Checksums of the files named in arguments, and of a local checkout: which its code uses is unknown."""
        named = hashes_of_arguments(self.arguments, self.path)
        code = {} if self.path is None else hashes_of_folder(self.path)
        return code | ({"argument_files": named} if named else {})

    @property
    def code_file(self) -> Path | None:
        return None if self.path is None else self.path / "hubconf.py"

    @property
    def program(self) -> str:
        place = f"{self.path.name}/hubconf.py" if self.path else f"{self.repository} at commit {self.commit[:8]}"
        return f"{self.entry} of {place}"

    def state_without_weights(self) -> State:
        return State(True, "downloaded when it is run", f"{self.repository}, commit {self.commit[:8]}")

    @model_validator(mode="after")
    def _a_hash_is_of_weights(self) -> "HubModel":
        if self.sha256 is not None and not self.weights_files():
            raise ValueError(
                "sha256 is the checksum of weights, so name them too; what the code itself loads is not verified"
            )
        return self


class HuggingfaceModel(WithWeights):
    """An image classifier from the Hugging Face Hub, pinned to a commit, or from a folder with such files.

    repository  owner/name on the Hub
    revision    all 40 digits of the commit
    file        the file of weights, or an index of several files
    path        a folder with the files of such a repository, instead of a download
    """

    module = "huggingface"
    fetches = True
    source: Literal["huggingface"]
    repository: Annotated[str, AfterValidator(check_repository)] | None = None
    revision: Annotated[str, AfterValidator(check_commit)] | None = None
    file: str = "model.safetensors"
    path: FilePath | None = None
    classes: str = "imagenet-1k"
    preprocess: Preprocess | None = None

    @model_validator(mode="after")
    def _a_place(self) -> "HuggingfaceModel":
        if self.path is None and (self.repository is None or self.revision is None):
            raise ValueError("give repository and revision, or path, a folder with the files of one")
        return self

    @property
    def weights_file(self) -> str:
        """The file of weights: as given, or the usual one found in the folder."""
        if self.path is None or "file" in self.model_fields_set:
            return self.file
        dependencies_unknown()
        usual = (self.file, f"{self.file}.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
        return next((name for name in usual if (self.path / name).is_file()), self.file)

    def weights_files(self) -> tuple[str, ...]:
        """The file in the folder; empty if it is on the Hub."""
        return () if self.path is None else (str(self.path / self.weights_file),)

    def state_without_weights(self) -> State:
        return State(True, "downloaded when it is run", f"{self.repository}, commit {(self.revision or '')[:8]}")

    def hashes(self) -> dict[str, Any]:
        """Checksums of the weights and of the configurations of network and preprocessing in a local folder."""
        if self.path is None:
            return {}
        return {"files": hashes_of_files(self.path, ("config.json", "preprocessor_config.json", self.weights_file))}


class OpenClipModel(WithWeights):
    """A CLIP network from open_clip (extra `clip`) as a zero-shot classifier.

    name        the name of the network, such as ViT-B-32; wildcards stand for several
    pretrained  the name of the weights, such as laion2b_s34b_b79k, with wildcards too
    weights     your own weights instead
    templates   prompts for a class name, averaged: the name of a set in open_clip, or a list with {} for the name
    names       names of the classes, in order; by default open_clip's for imagenet-1k, else those of the label space
    """

    module = "zero_shot"
    fetches = True
    builds_on_meta = True
    source: Literal["open_clip"]
    name: str
    pretrained: str | None = None
    weights: Locations | None = None
    templates: Literal["openai_imagenet", "simple_imagenet"] | tuple[str, ...] = "openai_imagenet"
    names: tuple[str, ...] = ()
    classes: str = "imagenet-1k"
    preprocess: Preprocess | None = None
    _declared: tuple[str, ...] = PrivateAttr(default=())

    def with_declared_classes(self, names: tuple[str, ...]) -> "OpenClipModel":
        """The entry in a registry that declares the label space: the names of the classes decide what it predicts."""
        copy = self.model_copy()
        copy._declared = names
        return copy

    def hashes(self) -> dict[str, Any]:
        """A checksum of the names of a declared label space, unless the entry has names of its own."""
        declared = () if self.names else self._declared
        return {"class_names": sha256_of_text("\n".join(declared))} if declared else {}

    @property
    def has_own_weights(self) -> bool:
        """Whether the entry names weights."""
        return self.weights is not None

    def weights_files(self) -> tuple[str, ...]:
        return weight_places(self.weights)

    @model_validator(mode="after")
    def _one_kind_of_weights(self) -> "OpenClipModel":
        if (self.pretrained is None) == (self.weights is None):
            raise ValueError("give either pretrained, such as laion2b_s34b_b79k, or weights")
        if not isinstance(self.templates, str) and not all("{}" in one for one in self.templates):
            raise ValueError("each template needs a {} for the name of the class")
        return self
