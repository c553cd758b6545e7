"""Which models of published testbeds a name stands for."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalshift.errors import UsageError, did_you_mean
from evalshift.formatting import name_some
from evalshift.testbed.published import PublishedModel, PublishedTestbed, load_published, published_names
from evalshift.testbed.timm_names import names_of_weights

if TYPE_CHECKING:
    from evalshift.testbed.registry import Registry

_NAMED = {"source", "name", "pretrained", "weights"}
_PREFIX = re.compile(r"^(?:hf[-_]hub:|https://huggingface\.co/)?(?:timm/|torchvision[/.:])?", re.IGNORECASE)


@dataclass(frozen=True)
class FoundModel:
    """A published model, and the number of its row in the counts (`PublishedTestbed.counts[file]`)."""

    testbed: PublishedTestbed
    file: int
    row: int
    model: PublishedModel


def find_models(name: str, registry: "Registry | None" = None) -> list[FoundModel]:
    """The published models of this name, ignoring case; at every image size if the name has none.

    The name is that of a testbed's model, of an entry of the registry (for timm's and torchvision's weights, those
    weights), of timm's weights ("timm/resnet50.a1_in1k", "hf-hub:timm/…"), or a glob.
    Raises UsageError with the nearest name if there is none.
    """
    wanted = _names_of(name, registry)
    models = list(published_models())
    found = [one for one in models if any(part in wanted for part in _known_as(one.model))]
    found = found or [one for one in models if fnmatch.fnmatchcase(one.model.name.lower(), wanted[0])]
    if found:
        return found
    raise _unknown(name, wanted[0])


def _unknown(name: str, bare: str) -> UsageError:
    names = dict.fromkeys(part for one in published_models() for part in (one.model.name, one.model.weights))
    of_weights = dict.fromkeys(one.model.weights for one in published_models())
    weights = [known for known in of_weights if bare and known.lower().startswith(bare)]
    return UsageError(
        "no published testbed has a model of this name",
        found=f'"{name}"',
        expected=f"a model of {', '.join(published_names())}, or an entry of the registry for the same weights",
        fix=f"name the weights: {name_some(weights)}" if weights else did_you_mean(bare, names),
    )


def published_models() -> Iterable[FoundModel]:
    """All models of all published testbeds."""
    for testbed in map(load_published, published_names()):
        for file, counts in enumerate(testbed.counts):
            for row, model in enumerate(counts.models):
                yield FoundModel(testbed, file, row, model)


def same_architecture(name: str) -> list[str]:
    """Published weights of a network named without a tag: "resnet50" → "resnet50.a1_in1k", …"""
    names = (one.model.name for one in published_models())
    return [known for known in dict.fromkeys(names) if known.lower().startswith(f"{name.lower()}.")]


def _known_as(model: PublishedModel) -> tuple[str, str]:
    return model.name.lower(), model.weights.lower()


def _names_of(name: str, registry: "Registry | None") -> list[str]:
    """Names that the model may have in testbeds, in lower case; the given name first."""
    bare = _PREFIX.sub("", name)
    names = [bare.lower()]
    entry = None if registry is None else registry.models.get(name)
    return names if entry is None else [*names, *names_of_weights(entry.model_dump(include=_NAMED))]
