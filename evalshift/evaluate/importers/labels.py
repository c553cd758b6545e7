"""The dataset that imported predictions are compared with: from the store, the registry, or a file of labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.corrected import as_registered
from evalshift.evaluate.importers.label_files import read_labels
from evalshift.evaluate.importers.label_spaces import in_view, of_lists
from evalshift.evaluate.importers.matching import ImageNames
from evalshift.evaluate.rows import duplicates, label_checksum
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import sha256_of
from evalshift.shapes import Labels
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.classes import BUILT_IN, ClassSpace
from evalshift.testbed.datasets import load_dataset, source_checksum
from evalshift.testbed.known_sizes import known_images
from evalshift.testbed.label_text import labels_of_text
from evalshift.testbed.published import load_published, published_names
from evalshift.testbed.registry import Registry
from evalshift.testbed.several_labels import read_label_lists
from evalshift.testbed.views import BUILT_IN_VIEWS, built_in_groupings, built_in_view, superclasses_among


def dataset_for_import(
    name: str,
    results: Results,
    registry: Registry,
    *,
    labels: Path | None = None,
    classes: str | None = None,
    id_column: str | None = None,
) -> tuple[StoredDataset, str]:
    """The dataset `name`, and in words where its labels come from.

    What the store holds comes first, then the registry's data on disk, then the file `labels` with the label space
    `classes` (a name that the registry knows; told by the registry or a published testbed where they know `name`).
    A file of labels beside stored ones must agree with them. Nothing is downloaded, and nothing stored yet.
    Its superclasses and corrected labels are those that the registry declares, else those that are stored.
    Raises UsageError or DataError where there are no labels, or they contradict each other.
    """
    found, words = _labelled(name, results, registry, labels, classes, id_column)
    declared = registry.superclasses(found.classes, found.class_names, found.view)
    found = replace(found, superclasses=declared) if declared else found
    left_out: list[str] = []
    found = as_registered(found, registry, fetch=False, say=left_out.append)
    return found, "; ".join([words, *left_out])


def _labelled(
    name: str, results: Results, registry: Registry, labels: Path | None, classes: str | None, id_column: str | None
) -> tuple[StoredDataset, str]:
    if name in results.datasets():
        stored = results.load_dataset(name)
        if labels is not None:
            given = _given(name, labels, _space(name, registry, stored.classes), registry, id_column, stored)
            if given.accepted is not None or stored.accepted is not None or stored.view is not None:
                _refuse_other_lists(given, stored, labels)
            elif not np.array_equal(given.labels, stored.labels):
                differing = int((given.labels != stored.labels).sum())
                raise DataError(
                    "the labels differ from the stored ones",
                    where=labels,
                    found=f"{differing:,} of {len(stored):,} differ",
                    expected=f"the labels of {name} in {results.path}",
                    fix="leave `labels` out, or choose another name or results folder",
                )
        return stored, f"labels of {name} as stored in {results.path}"
    entry = registry.known_dataset(name)
    if labels is not None:
        given = _given(name, labels, _space(name, registry, classes), registry, id_column, None)
        return given, f"labels of {name} from {labels}"
    if entry is not None and source_checksum(entry) is not None:
        dataset = load_dataset(name, entry, registry.class_space(entry.classes))
        facts = known_of(name, registry)
        alone = labels_alone(name, dataset.ids, dataset.labels, dataset.classes, **facts)
        stored = replace(
            alone,
            classes=entry.classes,
            view=dataset.view,
            accepted=dataset.accepted,
            whole=dataset.whole,
            attributes=dataset.attributes,
        )
        stored = replace(stored, fingerprint=stored.label_checksum)
        return stored, f"labels of {name} from the registry"
    raise UsageError(
        f"the labels of {name} are not available",
        where=results.path,
        found="it is neither stored here nor on this disk" if entry else f'no dataset "{name}" is stored or registered',
        expected="the labels of the dataset",
        fix=_fix(name, registry, results),
    )


def _given(
    name: str, path: Path, space: ClassSpace, registry: Registry, id_column: str | None, stored: StoredDataset | None
) -> StoredDataset:
    """The dataset that a file of labels makes, each image with one or several, seen in the view that it has."""
    facts = {} if stored else known_of(name, registry)
    lists = read_label_lists(path, space) if path.is_file() else None
    view = stored.view if stored else registry.view_of(name)
    if lists is not None:
        given = of_lists(name, lists, space, sha256_of(path), **facts)
    else:
        as_they_are = stored if stored is None or stored.view is None else None
        given = _from_file(name, path, space, id_column, as_they_are, facts)
    return given if view is None else in_view(given, view, space)


def _refuse_other_lists(given: StoredDataset, stored: StoredDataset, path: Path) -> None:
    if given.truth.shape != stored.truth.shape or not np.array_equal(np.sort(given.truth), np.sort(stored.truth)):
        raise DataError(
            "the labels differ from the stored ones",
            where=path,
            found=f"{len(given):,} images with labels, stored are {len(stored):,}, or other labels",
            expected=f"the labels of {stored.name} as they are stored",
            fix="leave the labels out, or choose another name or results folder",
        )


def labels_alone(name: str, ids: Sequence[str], labels: Labels, space: ClassSpace, **entry: object) -> StoredDataset:
    """A dataset of which the labels are known, and no image; its fingerprint says so.

    A later run that reads the images puts the whole dataset in its place.
    """
    if doubled := duplicates(ids):
        raise DataError("duplicate id", where=f"dataset {name}", found=doubled[0], expected="unique ids")
    outside = np.flatnonzero((labels < 0) | (labels >= len(space)))
    if len(outside):
        raise DataError(
            "labels outside the classes",
            where=f"dataset {name}, row {outside[0]:,}",
            found=f"label {labels[outside[0]]}",
            expected=f"0 to {len(space) - 1} ({space.name})",
            fix="labels count from 0; subtract 1 if yours count from 1, or name their label space with `classes`",
        )
    return StoredDataset(
        name=name,
        ids=tuple(ids),
        labels=labels,
        classes=space.name,
        class_names=space.names,
        fingerprint=label_checksum(ids, labels),
        source_checksum=None,
        entry={"source": "labels", **entry},
        superclasses=superclasses_among(built_in_groupings(space.name), space.names, None),
    )


def known_of(name: str, registry: Registry) -> dict[str, Any]:
    """What the registry knows of a dataset, whoever ran the models: title, near-duplicates, and fresh images."""
    entry = registry.known_dataset(name)
    if entry is None:
        return {}
    return entry.model_dump(mode="json", include={"near_duplicates", "fresh", "title"}, exclude_none=True)


def known_size(name: str) -> tuple[int, str | None] | None:
    """How many images a well-known dataset has, and its label space; None for a name that is not known."""
    base, _, choice = name.rpartition("@")
    if base and BUILT_IN_VIEWS.get(choice) == "imagenet-1k" and (whole := known_size(base)) is not None:
        view = built_in_view(choice)  # each class has as many images
        return whole[0] * len(view.labels) // len(view.of), whole[1]
    for testbed in published_names():
        for table in load_published(testbed).tables:
            if name in table.images:
                return table.images[name], table.classes
    images = known_images(name)
    return None if images is None else (images, None)


def class_names_of(dataset: StoredDataset, registry: Registry) -> ClassNames:
    """The names of the classes that predictions on a dataset are of, which its view reads."""
    if dataset.view is not None:
        return ClassNames(dataset.view.of.names, dataset.view.of.folders)
    return ClassNames(dataset.class_names, folders_of(dataset, registry))


def folders_of(dataset: StoredDataset, registry: Registry) -> tuple[str, ...]:
    """Other names of a stored dataset's classes, such as wnids; none where its label space is not known here."""
    known = dataset.classes in registry.classes or dataset.classes in BUILT_IN
    return registry.class_space(dataset.classes).folders if known else ()


def _space(name: str, registry: Registry, classes: str | None) -> ClassSpace:
    entry, known = registry.known_dataset(name), known_size(name)
    chosen = classes or (entry.classes if entry else known[1] if known else None)
    spaces = (*registry.classes, *BUILT_IN)
    if chosen not in spaces:
        raise UsageError(
            f"what the label numbers of {name} mean is not known",
            found=None if chosen is None else f'"{chosen}"',
            expected=f"a label space: {', '.join(spaces)}",
            fix="name it with `classes`; your own can be declared in a registry, which `registry` names",
        )
    return registry.class_space(chosen)


def _from_file(
    name: str,
    path: Path,
    space: ClassSpace,
    id_column: str | None,
    stored: StoredDataset | None,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> StoredDataset:
    given = read_labels(path, ClassNames(space.names, space.folders), len(stored) if stored else None, id_column)
    labels = given.labels
    if stored is not None:
        if given.ids is not None and (match := ImageNames(stored, space.folders).match(given.ids)).is_whole:
            labels = labels[match.places]
        if len(labels) != len(stored):
            raise DataError(
                "the labels differ from the stored ones",
                where=path,
                found=f"{len(labels):,} labels",
                expected=f"{len(stored):,}, as many as {name} has",
            )
        return labels_alone(name, stored.ids, labels, space)
    digits = len(str(max(len(labels) - 1, 0)))
    ids = given.ids or tuple(f"{place:0{digits}d}" for place in range(len(labels)))
    found = labels_alone(name, ids, labels, space, files={path.name: given.sha256}, **facts)
    return replace(found, attributes=_other_columns(given.columns, found, space))


def _other_columns(
    columns: Mapping[str, np.ndarray], dataset: StoredDataset, space: ClassSpace
) -> dict[str, tuple[str, ...]]:
    """The columns of a file of labels that hold neither these nor ids, as text."""
    texts = {name: tuple(map(str, column.tolist())) for name, column in columns.items() if column.ndim == 1}
    return {
        name: values
        for name, values in texts.items()
        if values != dataset.ids and not _are_labels(values, dataset.labels, space)
    }


def _are_labels(values: Sequence[str], labels: Labels, space: ClassSpace) -> bool:
    try:
        return np.array_equal(labels_of_text(values, space, ""), labels)
    except DataError:
        return False


def _fix(name: str, registry: Registry, results: Results) -> str:
    nearest = did_you_mean(name, [*results.datasets(), *registry.datasets])
    if name in registry.datasets:
        return f"`evalshift fetch {name}`, or give a file of labels (`labels`)"
    given = "give a file of labels (`labels`) and their label space (`classes`)"
    return f"{nearest} Else {given}" if nearest else given
