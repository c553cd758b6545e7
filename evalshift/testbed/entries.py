"""The entries of a registry: what all share, and models as data, one class for each source.

An entry is frozen, knows no key that is not its own, and opens nothing; `identity` is what can change an answer.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from evalshift.files import sha256_of
from evalshift.testbed.preprocessing import Preprocess

PACKAGE = "package:"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def is_url(place: str) -> bool:
    """Whether a place is on the net rather than on this disk."""
    return _URL.match(place) is not None


def expand(text: str) -> str:
    """Fill in ${VAR}; a variable that is not set is a mistake, not an empty string."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set; set it, or write the path out")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def _path(text: object, info: Any) -> Path:
    if not isinstance(text, str | Path):
        raise ValueError("a path is text")
    path = Path(expand(str(text)))
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder of {path.parts[0]} is not known; write the path out") from error
    return (info.context or {}).get("folder", Path()) / path


def _location(text: str | Path, info: Any) -> str:
    """A URL or a package: resource as it is, anything else as a path from the registry's folder."""
    if isinstance(text, str) and (is_url(text) or text.startswith(PACKAGE)):
        return expand(text)
    return str(_path(text, info))


def _locations(places: object, info: Any) -> str | tuple[str, ...]:
    listed = places if isinstance(places, list | tuple) else [places]
    found = tuple(_location(place, info) for place in listed if isinstance(place, str | Path))
    if not found or len(found) != len(listed):
        raise ValueError("weights are a path, a URL or a list of them, best first")
    return found if isinstance(places, list | tuple) else found[0]


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8,64}", text):
        raise ValueError("write 64 hexadecimal digits in lower case, or at least the first 8")
    return text


def _file_name(text: str) -> str:
    if not re.fullmatch(r"[^/\\.\x00-\x1f][^/\\\x00-\x1f]*", text):
        raise ValueError("a file name has no folders and does not begin with a dot")
    return text


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
        raise ValueError("write owner/name, as on GitHub; the commit stands under commit:")
    return text


def _code_location(text: object, info: Any) -> object:
    """Where code stands: a module as it is, a .py file relative to the registry."""
    if isinstance(text, str) and (file := text.rpartition(":")[0]).endswith(".py"):
        return f"{_path(file, info)}:{text.rpartition(':')[2]}"
    return text


FilePath = Annotated[Path, BeforeValidator(_path)]
Locations = Annotated[str | tuple[str, ...], BeforeValidator(_locations)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
Code = Annotated[str, BeforeValidator(_code_location), AfterValidator(_code)]
Accuracy = Annotated[float, Field(ge=0, le=1)]


class Entry(BaseModel):
    """What all entries share: frozen, and no key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Entry):
    """A file to download: tried at each URL in turn, hashed before it is opened."""

    name: Annotated[str, AfterValidator(_file_name)]
    urls: tuple[str, ...] = Field(min_length=1)
    sha256: Sha256
    size: int | None = Field(default=None, ge=0)


class About(Entry):
    """Facts for the reader; none of them changes a prediction."""

    paper: str | None = None
    licence: str | None = None
    homepage: str | None = None
    note: str | None = None


class ModelEntry(About):
    """A classifier: where it comes from, what it wants to see, and what is known of it.

    selected_on  the data that chose this checkpoint among others; "test" means that its original accuracy flatters it
    expected     the published accuracy on each dataset, as a fraction
    """

    classes: str
    family: str | None = None
    year: int | None = Field(default=None, ge=1950, le=2100)
    selected_on: Literal["train", "validation", "test"] | None = None
    expected: dict[str, Accuracy] = {}

    def weights_files(self) -> tuple[str, ...]:
        """Where the weights are, best first: URLs, `package:` resources or paths. Empty when only code knows."""
        weights = getattr(self, "weights", None)
        return (weights,) if isinstance(weights, str) else tuple(weights or ())

    def identity(self) -> dict[str, Any]:
        """What of this entry can change an answer. The weights are known by their hash, wherever they lie."""
        aside = {*About.model_fields, "family", "year", "selected_on", "expected", "weights", "sha256", "path"}
        written = self.model_dump(mode="json", exclude={*aside, "preprocess"}, exclude_defaults=True)
        preprocess = getattr(self, "preprocess", None)
        if preprocess is not None:
            # Where the source fills in what is not set, even a default decides once it is written down.
            written["preprocess"] = preprocess.model_dump(mode="json", exclude_unset=True)
        return {"source": getattr(self, "source", None), "classes": self.classes, **written, **_code_hashes(self)}


def _code_hashes(entry: "ModelEntry") -> dict[str, str]:
    """A user's own .py file by its content: edit it, and what it predicted is out of date."""
    hashes = {}
    for name in ("builder", "function"):
        file, _, function = (getattr(entry, name, None) or "").rpartition(":")
        if file.endswith(".py"):
            path = Path(file)
            hashes[name] = f"{path.name}:{function}"
            hashes[f"{name}_sha256"] = sha256_of(path) if path.is_file() else "missing"
    return hashes


class WithWeights(ModelEntry):
    """A checkpoint that evalshift itself opens, and so hashes first."""

    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _downloads_have_a_hash(self) -> "WithWeights":
        if self.sha256 is None and any(is_url(weights) for weights in self.weights_files()):
            raise ValueError("weights are downloaded, so give their sha256: nothing is opened before it is hashed")
        return self


class CheckpointModel(WithWeights):
    """A state dict (.safetensors, or .pt, .pth, .th, .bin read with weights_only) for a network that `builder` makes.

    key  where in the file the state dict stands, when it is not the whole file, "state_dict" or "model"
    """

    source: Literal["checkpoint"]
    builder: Code
    arguments: dict[str, Any] = {}
    weights: Locations
    key: str | None = None
    preprocess: Preprocess


class TorchvisionModel(WithWeights):
    """A torchvision classifier; preprocessing, classes and hash come with its weights.

    pretrained  the name of the weights, such as IMAGENET1K_V2. "DEFAULT" is refused: it means other weights, with
                other preprocessing, in another release of torchvision.
    weights     your own state dict for that architecture instead
    """

    source: Literal["torchvision"]
    name: str
    pretrained: str | None = None
    weights: Locations | None = None
    arguments: dict[str, Any] = {}
    classes: str = "imagenet-1k"
    preprocess: Preprocess | None = None

    @model_validator(mode="after")
    def _one_kind_of_weights(self) -> "TorchvisionModel":
        if (self.pretrained is None) == (self.weights is None):
            raise ValueError("give either pretrained, such as IMAGENET1K_V1, or weights")
        if self.pretrained == "DEFAULT":
            raise ValueError("DEFAULT means other weights in another torchvision; name them, such as IMAGENET1K_V2")
        if self.weights is not None and self.preprocess is None:
            raise ValueError("own weights need their own preprocess")
        return self


class TimmModel(WithWeights):
    """A timm classifier with its pretrained weights, or your own `weights`; preprocessing comes with it."""

    source: Literal["timm"]
    name: str
    weights: Locations | None = None
    arguments: dict[str, Any] = {}
    classes: str = "imagenet-1k"
    preprocess: Preprocess | None = None


class HubModel(WithWeights):
    """An entry point of a GitHub repository, through torch.hub, pinned to a commit.

    With `weights`, the entry point is called with `arguments` alone and must give the bare network, whose state dict
    is then hashed and loaded here. Without, `arguments` must make it load its own, such as {pretrained: true}.
    path  a checkout on disk to use instead of the repository
    """

    source: Literal["torch.hub"]
    repository: Annotated[str, AfterValidator(_repository)]
    commit: Annotated[str, AfterValidator(_commit)]
    entry: str
    arguments: dict[str, Any] = {}
    weights: Locations | None = None
    path: FilePath | None = None
    key: str | None = None
    preprocess: Preprocess

    @model_validator(mode="after")
    def _a_hash_is_of_weights(self) -> "HubModel":
        if self.sha256 is not None and not self.weights_files():
            raise ValueError(
                "sha256 is the hash of weights, so name them too; what the code loads itself is not hashed"
            )
        return self


class PythonModel(ModelEntry):
    """A function that returns a torch module: float (n, c, h, w) in, logits (n, classes) out."""

    source: Literal["python"]
    function: Code
    arguments: dict[str, Any] = {}
    preprocess: Preprocess


AnyModel = Annotated[
    CheckpointModel | TorchvisionModel | TimmModel | HubModel | PythonModel, Field(discriminator="source")
]
