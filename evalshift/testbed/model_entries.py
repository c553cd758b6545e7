"""Model entries: one class per source. A new source is a class here, listed in `AnyModel`, and the module it names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StrictStr, model_validator

from evalshift.file_dependencies import dependencies_unknown
from evalshift.formatting import bytes_in
from evalshift.publishing import publishable
from evalshift.testbed.code_files import hashes_of_arguments, hashes_of_files, hashes_of_folder, hashes_of_function
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.entries import (
    UNKNOWN,
    About,
    Entry,
    FilePath,
    KnownSha256,
    Locations,
    Title,
    file_path,
    is_url,
)
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.readiness import State


def _code(text: str) -> str:
    if not re.fullmatch(r"([^:]+|.+\.py):[A-Za-z_][A-Za-z0-9_.]*", text):
        raise ValueError('write "package.module:function" or "path/to/file.py:function"')
    return text


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", text):
        raise ValueError("write the 40 hexadecimal digits of a commit: what a branch or a tag means can change")
    return text


def _repository(text: str) -> str:
    if not re.fullmatch(r"[^/\s]+/[^/\s:]+", text):
        raise ValueError("write owner/name, as on GitHub; the commit goes under commit:")
    return text


def _code_location(text: object, info: Any) -> object:
    """Where code stands: a module as it is, a .py file relative to the registry."""
    if isinstance(text, str) and (file := text.rpartition(":")[0]).endswith(".py"):
        return f"{file_path(file, info)}:{text.rpartition(':')[2]}"
    return text


def _size(text: object) -> int:
    count = bytes_in(text)
    if not count or count < 1_000_000:
        raise ValueError('write a size of at least 1 MB, such as "4GB" or "500MB"')
    return count


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


Code = Annotated[str, BeforeValidator(_code_location), AfterValidator(_code)]
Accuracy = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[int, BeforeValidator(_size)]
Output = Annotated[int, Field(ge=0)]
OutputName = Annotated[StrictInt, Field(ge=0)] | Annotated[StrictStr, Field(min_length=1)]


class Logits(Entry):
    """Which outputs of a network are the classes, if there are others or in another order, and what they mean.

    drop           outputs that are not classes, such as 0 for the background that networks from TensorFlow put first
    subset         the outputs that are the classes, in the order of the classes
    sigmoid        one output for two classes: its sigmoid, or the output itself if all are between 0 and 1, is the
                   probability of the second class; with subset: [1, 0], of the first
    probabilities  whether outputs are already probabilities, as after a softmax; by default, detected on the images
    """

    drop: Annotated[tuple[Output, ...], BeforeValidator(_as_list)] = ()
    subset: tuple[Output, ...] = ()
    sigmoid: StrictBool = False
    probabilities: StrictBool | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> "Logits":
        if self.drop and self.subset:
            raise ValueError("give either drop or subset")
        if self.sigmoid and (self.drop or (self.subset and set(self.subset) != {0, 1})):
            raise ValueError("with sigmoid there are two outputs: give subset: [1, 0] to exchange them, or neither")
        for name, outputs in (("drop", self.drop), ("subset", self.subset)):
            if len(set(outputs)) < len(outputs):
                raise ValueError(f"duplicate output in {name}")
        return self


class Weighted(Entry):
    """An entry that can name files of weights; this base names none."""

    def weights_files(self) -> tuple[str, ...]:
        """Locations of the weights by preference: URLs, `package:` resources or paths; empty if only code knows."""
        return ()

    @property
    def given_sha256(self) -> str | None:
        """The checksum in the entry, which may be "unknown"; None without one."""
        return None

    @property
    def promised_sha256(self) -> str | None:
        """What is known of the checksum in advance: all of its digits, the first ones, or None."""
        return None if self.given_sha256 == UNKNOWN else self.given_sha256

    @property
    def shard_checksums(self) -> Mapping[str, str]:
        """The sha256 of each file listed in an index of weights, by name."""
        return {}

    @property
    def separate_parts(self) -> tuple["WeightsPart", ...]:
        """The parts of the network; empty if one file, or one index, contains all of it."""
        return ()

    @property
    def reading(self) -> "StateDictFile":
        """How to read the state dict from its file."""
        return StateDictFile()


class ModelEntry(Weighted, About):
    """A classifier: its source, its input, and what is known about it.

    classes       the label space
    preprocess    how images are resized, cropped and normalised
    family        the model family, shown in the report
    family_title  title of the family; by default, from `families:` in the registry
    year          the year of publication, shown in the report
    training_data  what the model was trained on, such as ImageNet-21k; by default, what the name of timm's or
                  torchvision's own weights says
    parameters    how many the network has
    gmacs         multiply-adds for one image, in units of 10⁹
    image_size    side of the input in pixels
    recipe        models with the same recipe differ only in their seed
    selected_on   the data by which this checkpoint was selected; "test" means that its original accuracy is inflated
    expected      the published accuracy on each dataset, as a fraction
    output        which output contains the classes if the network returns several: its name, or its number from 0;
                  by default, the only one with one number per class
    logits        which of its numbers are the classes; by default, all of them in order
    on_request    why this model runs only on request, such as "trains first, minutes"
    memory        GPU memory that the model needs, such as "4GB"; on a cluster, small models share a GPU

    Attributes of a source:

    module           the module of `evalshift.testbed.models` that builds the network
    fetches          whether that module has a function `fetch` for downloads that the entry does not name
    runs_to_fetch    whether code of the entry runs to do so
    builds_on_meta   whether the network can be built without weights, in a tenth of the time
    """

    module: ClassVar[str]
    fetches: ClassVar[bool] = False
    runs_to_fetch: ClassVar[bool] = False
    builds_on_meta: ClassVar[bool] = False

    classes: str
    output: OutputName | None = None
    logits: Logits | None = None
    family: str | None = None
    family_title: Title | None = None
    year: int | None = Field(default=None, ge=1950, le=2100)
    training_data: str | None = Field(default=None, min_length=1)
    parameters: int | None = Field(default=None, ge=0)
    gmacs: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    image_size: int | None = Field(default=None, ge=1)
    recipe: str | None = None
    selected_on: Literal["train", "validation", "test"] | None = None
    expected: dict[str, Accuracy] = Field(default_factory=dict)
    on_request: str | None = Field(default=None, min_length=1)
    memory: Size | None = None

    @property
    def weights_parts(self) -> tuple[Weighted, ...]:
        """What names the files of weights: the entry itself, or the parts of its network."""
        return self.separate_parts or (self,)

    @property
    def function_named(self) -> str | None:
        """The function that builds the network, as "module:name" or "/path/to/file.py:name"; None without one."""
        return None

    @property
    def code_file(self) -> Path | None:
        """A file of code, other than the function's, that the model needs to be built."""
        return None

    @property
    def program(self) -> str | None:
        """Code other than a function that the model runs and that is not part of a library, in words."""
        return None

    @property
    def trained_on(self) -> AnyDataset | None:
        """The dataset on which the model is trained before it runs; None if it has weights."""
        return None

    def state_without_weights(self) -> State:
        """Whether the model can run if the entry names no weights."""
        library = f"{self.source} {getattr(self, 'name', '')}"  # pyright: ignore[reportAttributeAccessIssue]
        return State(True, "comes with its library, downloaded when it is run", library)

    def identity(self) -> dict[str, Any]:
        """The part of this entry that can change a prediction. Weights count by checksum, not by location."""
        aside = {*About.model_fields, "family", "family_title", "year", "recipe", "selected_on", "expected"}
        aside |= {"training_data", "parameters", "gmacs", "image_size"}
        aside |= {"on_request", "memory", "weights", "sha256", "shards", "path", "parts", "trust"}
        written = self.model_dump(mode="json", exclude={*aside, "preprocess"}, exclude_defaults=True)
        parts = [part.identity() for part in self.separate_parts]
        if any(parts):
            written["parts"] = parts
        preprocess = getattr(self, "preprocess", None)
        if preprocess is not None:
            # Where the source fills in what is not set, even a default decides once it is written down.
            written["preprocess"] = preprocess.model_dump(mode="json", exclude_unset=True)
        return {
            "source": getattr(self, "source", None),
            "classes": self.classes,
            **publishable(written),
            **self.hashes(),
        }

    def hashes(self) -> dict[str, Any]:
        """Checksums of the other files that affect predictions."""
        return {}


def _code_hashes(kind: str, code: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Checksums of a function's code, and of the files named in its arguments."""
    module = code.rpartition(":")[0]
    named = hashes_of_arguments(arguments, Path(module).parent if module.endswith(".py") else None)
    return hashes_of_function(kind, code) | ({"argument_files": named} if named else {})


def _places(weights: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (weights,) if isinstance(weights, str) else weights or ()


class Hashed(Weighted):
    """Weights that evalshift itself opens, and therefore hashes first.

    sha256  the checksum of the file. "unknown" if none is published: later copies must then equal the first download,
            whose checksum is recorded in the provenance.
    shards  the sha256 of each file listed in the weights, if they are an index of several files (*.index.json)
    """

    sha256: KnownSha256 | None = None
    shards: dict[str, KnownSha256] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _downloads_have_a_hash(self) -> "Hashed":
        if self.sha256 is None and any(is_url(weights) for weights in self.weights_files()):
            raise ValueError(
                "weights are downloaded, so give their sha256: no file is opened before its checksum is verified"
            )
        return self

    @property
    def given_sha256(self) -> str | None:
        return self.sha256

    @property
    def shard_checksums(self) -> Mapping[str, str]:
        return self.shards


class WithWeights(Hashed, ModelEntry):
    """A model with a file of weights."""


class StateDictFile(Entry):
    """How to read a state dict from its file.

    key     the key of the state dict in the file: a name, or several separated by dots, such as checkpoint.model. By
            default the whole file, or the only state dict in it; required if two contain weights of one network
    rename  prefixes of tensor names in the file -> prefixes in the network, such as {backbone.: ""}
    ignore  tensors in the file that do not belong to the network, by name, with * for any text, such as "criterion.*"
    """

    key: str | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    @property
    def reading(self) -> "StateDictFile":
        return self


class WeightsPart(StateDictFile, Hashed):
    """One of several files that together contain a network, such as a backbone and a head.

    weights  a path, URL or `package:` resource of a state dict, or a list of copies in order of preference
    """

    weights: Locations

    def weights_files(self) -> tuple[str, ...]:
        return _places(self.weights)

    def identity(self) -> dict[str, Any]:
        """How it is read; its checksum identifies the file."""
        return self.model_dump(mode="json", include=set(StateDictFile.model_fields), exclude_defaults=True)


def _part(content: object) -> object:
    """Accept a bare path for a part."""
    return {"weights": content} if isinstance(content, str | Path) else content


class OwnWeights(StateDictFile, WithWeights):
    """A model that can load your own weights.

    weights  a path, URL or `package:` resource of a state dict, or a list of copies in order of preference
    parts    instead of weights, several files that together contain the network: paths, or {weights, sha256, key,
             rename, ignore} each
    """

    weights: Locations | None = None
    parts: tuple[Annotated[WeightsPart, BeforeValidator(_part)], ...] = ()

    @property
    def has_own_weights(self) -> bool:
        """Whether the entry names weights."""
        return self.weights is not None or bool(self.parts)

    def weights_files(self) -> tuple[str, ...]:
        return _places(self.weights)

    @property
    def separate_parts(self) -> tuple[WeightsPart, ...]:
        return self.parts

    @model_validator(mode="after")
    def _weights_or_parts(self) -> "OwnWeights":
        if self.weights is not None and self.parts:
            raise ValueError("give either weights, one file and its mirrors, or parts, several that belong together")
        if self.parts and (self.key or self.rename or self.ignore or self.sha256 or self.shards):
            raise ValueError("say key, rename, ignore and sha256 in each of the parts")
        if not self.has_own_weights and (self.key or self.rename or self.ignore):
            raise ValueError("key, rename and ignore are about weights of your own: name them")
        return self


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
        return _code_hashes("builder", self.builder, self.arguments)

    @property
    def function_named(self) -> str:
        return self.builder

    @model_validator(mode="after")
    def _names_weights(self) -> "CheckpointModel":
        if not self.has_own_weights:
            raise ValueError("give weights, or parts where they lie in several files")
        return self


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
    repository: Annotated[str, AfterValidator(_repository)]
    commit: Annotated[str, AfterValidator(_commit)]
    entry: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    path: FilePath | None = None
    preprocess: Preprocess
    trust: bool = False

    def hashes(self) -> dict[str, Any]:
        """Checksums of all files of a local checkout: which of them hubconf.py uses is unknown."""
        return {} if self.path is None else hashes_of_folder(self.path)

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
    repository: Annotated[str, AfterValidator(_repository)] | None = None
    revision: Annotated[str, AfterValidator(_commit)] | None = None
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

    @property
    def has_own_weights(self) -> bool:
        """Whether the entry names weights."""
        return self.weights is not None

    def weights_files(self) -> tuple[str, ...]:
        return _places(self.weights)

    @model_validator(mode="after")
    def _one_kind_of_weights(self) -> "OpenClipModel":
        if (self.pretrained is None) == (self.weights is None):
            raise ValueError("give either pretrained, such as laion2b_s34b_b79k, or weights")
        if not isinstance(self.templates, str) and not all("{}" in one for one in self.templates):
            raise ValueError("each template needs a {} for the name of the class")
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
        return _code_hashes("function", self.function, self.arguments)

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
        return _places(self.weights)

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


class RandomFeaturesModel(ModelEntry):
    """A random-features classifier, trained by evalshift: see evalshift.testbed.models.random_features.

    train        the dataset to train on: an entry with arrays, such as {source: cifar10, split: train}
    filters      the number of filters: whitened patches of training images
    patch_size   size of the filters in pixels
    pool_size    size of the average pooling that follows
    pool_stride  stride of the average pooling
    flip         whether to train on mirrored images too
    bias         the threshold that a filter's response must exceed
    whitening    the constant that is added to the variances of the patches before whitening
    regularizer  the regularisation of the least squares
    seed         the seed of the choice of patches
    """

    module = "random_features"
    source: Literal["random-features"]
    train: AnyDataset
    filters: int = Field(ge=1)
    patch_size: int = Field(default=6, ge=1)
    pool_size: int = Field(default=15, ge=1)
    pool_stride: int = Field(default=6, ge=1)
    flip: bool = False
    bias: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    whitening: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    regularizer: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    preprocess: Preprocess = Preprocess()

    @property
    def trained_on(self) -> AnyDataset:
        return self.train

    def state_without_weights(self) -> State:
        return State(True, "trains here when it is run, then kept", self.on_request or f"{self.filters:,} filters")


class FisherVectorsModel(ModelEntry):
    """A Fisher-vector classifier, trained by evalshift: see evalshift.testbed.models.fisher_vectors.

    train        the dataset to train on: an entry with arrays, such as {source: cifar10, split: train}
    descriptors  what describes patches: patches (their pixels), sift, colour (local colour statistics); each has a
                 mixture of its own
    centers      the number of Gaussians in the mixture
    components   the number of principal components of a descriptor
    patch_size   size of the patches in pixels
    stride       distance of neighbouring patches in pixels
    regions      how many regions along each side have a Fisher vector of their own
    flip         whether to train on mirrored images too
    regularizer  the regularisation of the least squares, per image
    seed         the seed of the choice of patches and of the mixture
    """

    module = "fisher_vectors"
    source: Literal["fisher-vectors"]
    train: AnyDataset
    descriptors: tuple[Literal["patches", "sift", "colour"], ...] = Field(default=("patches",), min_length=1)
    centers: int = Field(default=16, ge=1)
    components: int = Field(default=64, ge=1)
    patch_size: int = Field(default=6, ge=1)
    stride: int = Field(default=2, ge=1)
    regions: int = Field(default=1, ge=1)
    flip: bool = False
    regularizer: float = Field(default=1e-4, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    preprocess: Preprocess = Preprocess()

    @property
    def trained_on(self) -> AnyDataset:
        return self.train

    def state_without_weights(self) -> State:
        return State(True, "trains here when it is run, then kept", self.on_request or f"{self.centers:,} centers")

    @model_validator(mode="after")
    def _check_descriptors(self) -> "FisherVectorsModel":
        if len(set(self.descriptors)) < len(self.descriptors):
            raise ValueError("descriptors: each kind once")
        if self.patch_size % 4 and set(self.descriptors) - {"patches"}:
            raise ValueError("patch_size: a multiple of 4 for sift and colour, which describe 4 × 4 cells of a patch")
        return self


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
