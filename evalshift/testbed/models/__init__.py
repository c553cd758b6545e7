"""ModelEntry → Classifier: images to logits. The one home of torchvision, timm and torch.hub.

One module per source, named by the `module` of its entry. Each has two functions, or three where the entry `fetches`:

    build(entry, space, where)   the network with its weights, downloaded where missing, predicting the
                                 classes of `space`; `where` begins error messages
    bare(entry, space, where)    the same network without them, to see what it takes and gives
    fetch(entry, where)          download what the entry's weights: does not name, and give the files

Where nothing may be fetched, nothing that any of them calls gets through to the network.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from torch import nn

from evalshift.errors import DownloadError, EvalshiftError, ModelError, message_of
from evalshift.interrupts import raise_interrupt
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.data_access import without_network
from evalshift.testbed.folder_hashes import MOST_FILES, NOT_HASHED
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.model_entry import ModelEntry
from evalshift.testbed.models.classifier import Built, Classifier
from evalshift.testbed.models.hub import refused_offline
from evalshift.testbed.models.outputs import check_rule
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.trust import refuse_untrusted

__all__ = ["Classifier", "bare_classifier", "fetch_from_library", "load_classifier", "source_of"]

_ALL = "what the model is built from"


def source_of(entry: ModelEntry | type[ModelEntry]) -> ModuleType:
    """The module that builds what this entry names."""
    return import_module(f"{__name__}.{entry.module}")


def load_classifier(name: str, entry: AnyModel, space: ClassSpace) -> Classifier:
    """Build a model and load its weights, downloading them where they are not there yet.

    Raises ModelError (or DownloadError, HashMismatchError) saying what is wrong with this one model.
    """
    return _classifier(name, entry, space, source_of(entry).build)


def bare_classifier(name: str, entry: AnyModel, space: ClassSpace) -> Classifier:
    """The same without its weights: random numbers stand in for them. Downloads none."""
    return _classifier(name, entry, space, source_of(entry).bare)


def _classifier(name: str, entry: AnyModel, space: ClassSpace, build: Callable[..., Built]) -> Classifier:
    where = f"model {name}"
    refuse_untrusted(entry, where)
    _refuse_unhashed(entry, where)
    try:
        with without_network(name), refused_offline(_ALL, where):
            built = build(entry, space, where)
            if isinstance(built.module, nn.Module):
                built.module.eval()  # not what it returns: many networks' own `train` returns nothing
                for parameter in built.module.parameters():  # one by one: a script does not do it for all
                    parameter.requires_grad_(False)
    except BaseException as error:  # someone else's code: whatever it raises, the other models go on
        if isinstance(error, EvalshiftError):
            raise
        raise_interrupt(error)
        raise ModelError(
            "the model cannot be built",
            where=where,
            found=f"{type(error).__name__}: {_said(error)}",
            expected=f"a {entry.source} model",
        ) from error
    if not isinstance(built.module, nn.Module):
        raise ModelError(
            "the builder did not return a network",
            where=where,
            found=type(built.module).__name__,
            expected="a torch.nn.Module that gives logits",
        )
    preprocess = (entry.preprocess or Preprocess()).over(built.preprocess)
    if entry.logits is not None:
        check_rule(entry.logits, space, where)
    return Classifier(
        name,
        built.module,
        preprocess,
        space,
        built.sha256,
        built.versions,
        output=None if built.takes_output else entry.output,
        logits=entry.logits,
        left_out=built.left_out,
    )


def _refuse_unhashed(entry: ModelEntry, where: str) -> None:
    """Raise ModelError where a change of what the model is built from would go unnoticed."""
    hashes = entry.hashes()
    for name, checksum in {**hashes, **hashes.get("argument_files", {})}.items():
        if isinstance(checksum, str) and checksum.startswith(NOT_HASHED):
            raise ModelError(
                "a file or folder that the model is built from has no checksum",
                where=f"{where}, {name}",
                found=checksum.removeprefix(NOT_HASHED),
                expected=f"readable files, at most {MOST_FILES:,} in a folder: a change of others would go unnoticed",
                fix="name the files that are read, or a folder with nothing else; leave out folders for downloads",
            )


def _said(error: BaseException) -> str:
    """The whole message as one line, cut where it grows long: torch says only in its second line what did not fit."""
    said = " ".join(message_of(error).split()) or "without a message"
    return said if len(said) <= 300 else f"{said[:300]}…"


def fetch_from_library(name: str, entry: AnyModel) -> list[Path]:
    """Download what `weights` in the entry does not name: a library's own weights, or the code of a repository.

    Gives what is there afterwards; nothing for sources that know of no more than the entry says. Raises ModelError for
    what the library does not know, DownloadError or HashMismatchError where it cannot be downloaded.
    """
    if not entry.fetches:
        return []
    where = f"model {name}"
    refuse_untrusted(entry, where)
    try:
        with without_network(name), refused_offline(_ALL, where):
            return source_of(entry).fetch(entry, where)
    except EvalshiftError:
        raise
    except Exception as error:  # the libraries' own downloaders raise what they like
        raise DownloadError(
            f"{_ALL} cannot be downloaded",
            where=where,
            found=f"{type(error).__name__}: {_said(error)}",
            expected=f"a {entry.source} model",
        ) from error
