"""Whether the models of a registry can be built, without their weights and without anything being downloaded."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from evalshift.errors import DownloadError, EvalshiftError, HashMismatchError
from evalshift.testbed.data_access import data_access
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.models import Classifier, bare_classifier
from evalshift.testbed.registry import Registry


@dataclass(frozen=True)
class BuildResult:
    """What came of building a model without its weights.

    error    why it cannot be built; None where it can, or where that is not known
    missing  what would have to be downloaded first to find out; None where nothing
    """

    model: str
    error: EvalshiftError | None = None
    missing: str | None = None


def build_models(
    registry: Registry, names: Iterable[str], told: Callable[[str], object] = lambda _: None
) -> Iterator[BuildResult]:
    """Build models one after another and let them go again; `told` hears the name of each before it is built.

    A file that holds a network whole is read, where it is on the disk. Nothing is downloaded.
    """
    with data_access(offline=True):
        for name in names:
            told(name)
            yield _build(registry, name)


def _build(registry: Registry, name: str) -> BuildResult:
    try:
        _bare(name, registry.models[name], registry)
    except EvalshiftError as error:
        if isinstance(error, DownloadError) and not isinstance(error, HashMismatchError):
            return BuildResult(name, missing=error.problem)
        return BuildResult(name, error if error.where is not None else _placed(error, name))
    return BuildResult(name)


def _placed(error: EvalshiftError, name: str) -> EvalshiftError:
    """The same error with the model that it is of: among the errors of others, it must say so."""
    return type(error)(error.problem, where=f"model {name}", found=error.found, expected=error.expected, fix=error.fix)


def _bare(name: str, entry: AnyModel, registry: Registry) -> Classifier:
    space = registry.class_space(entry.classes)
    if entry.builds_on_meta:
        try:
            with torch.device("meta"):
                return bare_classifier(name, entry, space)
        except EvalshiftError:
            pass  # some work out their widths with tensors, which must hold numbers then; an error shows again below
    return bare_classifier(name, entry, space)
