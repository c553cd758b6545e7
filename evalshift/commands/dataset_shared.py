"""What several commands of `evalshift dataset` do."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from evalshift.errors import UsageError

if TYPE_CHECKING:
    from evalshift.testbed.datasets import Dataset
    from evalshift.testbed.models import Classifier
    from evalshift.testbed.registry import Registry


def counted_images(name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """Progress of `total` images on the terminal; the value is told of every n images done."""
    from evalshift.console.terminal import stderr
    from evalshift.evaluate.progress import counted

    return counted(stderr(), name, total)


def threads_of(workers: int | None) -> int:
    """So many threads as were asked for, else one per core."""
    return workers or os.cpu_count() or 1


def load_named(known: "Registry", name: str) -> "Dataset":
    """The dataset of that name in a registry, loaded."""
    from evalshift.testbed.datasets import load_dataset

    entry = known.dataset(name)
    return load_dataset(name, entry, known.class_space(entry.classes))


def load_all(known: "Registry", *names: str | None) -> list["Dataset"]:
    """The datasets of these names, loaded; all names are looked up before the first is downloaded."""
    given = [name for name in names if name is not None]
    for name in given:
        known.dataset(name)
    return [load_named(known, name) for name in given]


def load_model(known: "Registry", name: str) -> "Classifier":
    """The one model that a name or glob matches, loaded; UsageError where it matches none or several."""
    from evalshift.testbed.models import load_classifier

    chosen = known.select_models([name])
    if len(chosen) != 1:
        raise UsageError("features are those of one model (`model`)", found=f'{len(chosen)} that match "{name}"')
    ((found, entry),) = chosen.items()
    return load_classifier(found, entry, known.class_space(entry.classes))
