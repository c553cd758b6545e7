"""What entries of models have in common: fields, weights and their hashes, logits."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StrictStr, model_validator

from evalshift.formatting import bytes_in
from evalshift.publishing import publishable
from evalshift.testbed.argument_files import hashes_of_arguments
from evalshift.testbed.code_files import hashes_of_function
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.entries import (
    UNKNOWN,
    About,
    Entry,
    KnownSha256,
    Locations,
    Title,
    file_path,
    is_url,
)
from evalshift.testbed.readiness import State


def _code(text: str) -> str:
    if not re.fullmatch(r"([^:]+|.+\.py):[A-Za-z_][A-Za-z0-9_.]*", text):
        raise ValueError('write "package.module:function" or "path/to/file.py:function"')
    return text


def check_commit(text: str) -> str:
    """A commit as it is; ValueError for a branch or a tag."""
    if not re.fullmatch(r"[0-9a-f]{40}", text):
        raise ValueError("write the 40 hexadecimal digits of a commit: what a branch or a tag means can change")
    return text


def check_repository(text: str) -> str:
    """A repository as it is; ValueError for anything but owner/name."""
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


def hashes_of_code(kind: str, code: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Checksums of a function's code, and of the files named in its arguments."""
    module = code.rpartition(":")[0]
    named = hashes_of_arguments(arguments, Path(module).parent if module.endswith(".py") else None)
    return hashes_of_function(kind, code) | ({"argument_files": named} if named else {})


def weight_places(weights: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The addresses and paths that a field `weights` names."""
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
        return weight_places(self.weights)

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
        return weight_places(self.weights)

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
