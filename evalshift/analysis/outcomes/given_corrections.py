"""Corrected labels that a report is given as files, beside those that are stored with datasets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evalshift.analysis.outcomes.stored_pair import StoredPair
from evalshift.errors import unknown_name
from evalshift.evaluate.store import CountedDataset, StoredDataset
from evalshift.formatting import name_some
from evalshift.testbed.classes import BUILT_IN, ClassSpace, built_in
from evalshift.testbed.corrected_labels import corrected_labels
from evalshift.testbed.limits import limit_of


def with_given_corrections(stored: StoredPair, files: Mapping[str, str | Path]) -> StoredPair:
    """The pair with the corrected labels of these files, dataset → path, instead of any that are stored.

    A dataset in a view, or the first images of one, is also meant by its name without that. Pairs
    without predictions stay as they are.
    Raises DataError for a file that cannot be read, is of other images or of other classes.
    """
    if stored.predictions is None:
        return stored
    sides = []
    for side, dataset in zip(stored.predictions, (stored.original, stored.new), strict=True):
        path = _file_of(dataset, files)
        if path is None or isinstance(dataset, CountedDataset):
            sides.append(side)
            continue
        found = corrected_labels(
            Path(path),
            _space(dataset),
            dataset.view,
            ids=dataset.ids,
            whole=dataset.whole,
            truth=dataset.truth,
            where=dataset.name,
            part=limit_of(dataset.name.rpartition("@")[2]) is not None,
        )
        sides.append(replace(side, corrected=found))
    return replace(stored, predictions=(sides[0], sides[1]))


def refuse_unused(files: Mapping[str, str | Path], datasets: list[StoredDataset | CountedDataset]) -> None:
    """UsageError for a file of corrected labels of a dataset that no pair of the report has."""
    used = {path for dataset in datasets if (path := _file_of(dataset, files)) is not None}
    names = list(dict.fromkeys(dataset.name for dataset in datasets))
    for name, path in files.items():
        if path not in used:
            raise unknown_name(
                "corrected labels of a dataset that is not in the report (`corrected_labels`)",
                name,
                names,
                expected=name_some(names),
            )


def _file_of(dataset: StoredDataset | CountedDataset, files: Mapping[str, str | Path]) -> str | Path | None:
    base, _, choice = dataset.name.rpartition("@")
    names = [dataset.name] if limit_of(choice) is None else [dataset.name, base]
    if dataset.view is not None:
        names += [name.removesuffix(f"@{dataset.view.name}") for name in names]
    return next((files[name] for name in names if name in files), None)


def _space(dataset: StoredDataset) -> ClassSpace:
    """What label numbers in a file mean: the label space of the dataset before any view."""
    if dataset.classes in BUILT_IN:
        return built_in(dataset.classes)
    if dataset.view is not None and dataset.view.of.name == dataset.classes:
        return dataset.view.of
    return ClassSpace(dataset.classes, dataset.class_names)
