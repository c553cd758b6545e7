"""Datasets and predictions of others in a view, and with several labels per image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from evalshift.errors import DataError
from evalshift.evaluate.importers.ties import Ties
from evalshift.evaluate.store import StoredDataset
from evalshift.formatting import counted
from evalshift.shapes import Prob, Top
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.limits import limit_of
from evalshift.testbed.registry import Registry
from evalshift.testbed.several_labels import LabelLists, padded
from evalshift.testbed.views import View

KEPT = 5  # as many as a run keeps
# What stands in for a class where an image has no prediction, or its label where it is left out.
NONE = -1
_ROWS_AT_ONCE = 4096


def with_several_labels(dataset: StoredDataset, lists: Sequence[Sequence[int]]) -> StoredDataset:
    """A dataset with the correct classes of each image; those without any are left out. DataError where all are."""
    kept = np.flatnonzero([bool(several) for several in lists])
    if len(kept) == 0:
        raise DataError("no image has a label", where=f"dataset {dataset.name}", expected="at least one")
    accepted = padded([several for several in lists if several], dataset.labels[kept])
    return _part(dataset, kept, accepted[:, 0].copy(), accepted)


def of_lists(name: str, lists: LabelLists, space: ClassSpace, sha256: str, **entry: object) -> StoredDataset:
    """A dataset of which only lists of labels are known."""
    digits = len(str(max(len(lists) - 1, 0)))
    ids = lists.ids or tuple(f"{place:0{digits}d}" for place in range(len(lists)))
    if len(set(ids)) != len(ids):
        raise DataError("an id is duplicate", where=lists.path, expected="unique ids")
    first = np.array([several[0] if several else 0 for several in lists.labels], dtype=np.int64)
    bare = StoredDataset(
        name=name,
        ids=ids,
        labels=first,
        classes=space.name,
        class_names=space.names,
        fingerprint="",
        source_checksum=None,
        entry={"source": "labels", "files": {lists.path.name: sha256}, **entry},
    )
    return with_several_labels(bare, lists.labels)


def in_view(dataset: StoredDataset, view: View, space: ClassSpace) -> StoredDataset:
    """A dataset with labels of `space`, seen in a view: images of classes that it leaves out are left out."""
    meaning = [NONE if label is None else label for label in view.meaning_of(space, f"dataset {dataset.name}")]
    truth = np.array(meaning, dtype=np.int64)[dataset.truth.reshape(len(dataset), -1)]
    lists = [[label for label in row if label != NONE] for row in truth.tolist()]
    kept = np.flatnonzero([bool(row) for row in lists])
    if len(kept) == 0:
        raise DataError(
            "no image is of a class that the view keeps",
            where=f"dataset {dataset.name}, view {view.name}",
            found=f"{counted(len(dataset), 'image')} of other classes",
            expected=f"images of {len(view.labels):,} classes of {view.space.name}",
        )
    accepted = None if dataset.accepted is None else padded([lists[place] for place in kept])
    labels = np.array([lists[place][0] for place in kept], dtype=np.int64)
    seen = replace(dataset, class_names=view.space.names, view=view, superclasses=())
    return _part(seen, kept, labels, accepted)


def _part(dataset: StoredDataset, kept: np.ndarray, labels: np.ndarray, accepted: np.ndarray | None) -> StoredDataset:
    whole = dataset.whole or (dataset.ids if len(kept) < len(dataset) else None)
    ids = tuple(dataset.ids[place] for place in kept)
    attributes = {name: tuple(values[place] for place in kept) for name, values in dataset.attributes.items()}
    part = replace(dataset, ids=ids, labels=labels, accepted=accepted, whole=whole, attributes=attributes)
    return replace(part, fingerprint=part.label_checksum)


def seen_alike(registry: Registry, one: str, other: str) -> bool:
    """Whether two datasets are of the same classes: in one view, or both in none."""
    views = registry.view_of(one), registry.view_of(other)
    return views[0] is views[1] or (views[0] is not None and views[1] is not None and views[0].same_as(views[1]))


def left_out_words(dataset: StoredDataset) -> list[str]:
    """How many images of its source a dataset leaves out, and why."""
    if dataset.whole is None:
        return []
    if limit_of(dataset.name.rpartition("@")[2]) is not None:
        return [
            f"of {counted(len(dataset.whole), 'image')}, {dataset.name} has {len(dataset):,}; the others are left out"
        ]
    why = "have no label"
    if dataset.view is not None:
        none = f"{why} or " if dataset.accepted is not None else ""
        why = f"{none}are of classes that the view {dataset.view.name} leaves out"
    return [f"{len(dataset.whole) - len(dataset):,} of {counted(len(dataset.whole), 'image')} {why}; they are left out"]


def with_all_images(dataset: StoredDataset) -> StoredDataset:
    """The dataset with the images that it leaves out, whose labels are NONE: files of others have rows for them too."""
    if dataset.whole is None:
        return dataset
    labels = np.full(len(dataset.whole), NONE, dtype=np.int64)
    labels[dataset.places] = dataset.labels
    accepted = None
    if dataset.accepted is not None:
        accepted = np.full((len(labels), dataset.accepted.shape[1]), NONE, dtype=np.int64)
        accepted[dataset.places] = dataset.accepted
    return replace(dataset, ids=dataset.whole, labels=labels, accepted=accepted, whole=None, attributes={})


def without_left_out(dataset: StoredDataset) -> StoredDataset:
    """The inverse of `with_all_images`."""
    used = np.flatnonzero(dataset.labels != NONE)
    accepted = None if dataset.accepted is None else dataset.accepted[used]
    ids = tuple(dataset.ids[place] for place in used)
    return replace(dataset, ids=ids, labels=dataset.labels[used], accepted=accepted, whole=dataset.ids)


@dataclass(frozen=True, eq=False)
class Seen:
    """Predictions as a view reads them, in the rows of the file.

    top     classes of the view, best first, shape (n, k)
    prob    probability of the first among all that are kept
    rules   what was decided, in words
    """

    top: Top
    prob: Prob
    rules: tuple[str, ...]


def seen_scores(scores: Float[np.ndarray, "n c"], kind: str, view: View, where: Path) -> Seen:
    """Logits or probabilities as a run reads them in a view: the group of the strongest class among those kept.

    A column for each class of the models, or for each that the view keeps, in the order of their labels. The
    probability of a group is that of all its classes, among all that are kept.
    """
    kept = {label: meaning for label, meaning in enumerate(view.meaning) if meaning is not None}
    members = list(kept)
    if scores.shape[1] == len(view.of):
        scores, rule = (
            scores[:, members],
            f"of {counted(len(view.of), 'column')} those of {len(members):,} classes are read",
        )
    else:
        rule = f"{counted(len(members), 'column')} are the classes that the view keeps, in the order of their labels"
    labels = np.array(view.labels)
    group = np.searchsorted(labels, list(kept.values()))
    k = min(KEPT, len(labels))
    top, prob = np.empty((len(scores), k), np.int32), np.empty(len(scores), np.float32)
    ties = Ties(k)
    for start in range(0, len(scores), _ROWS_AT_ONCE):
        chunk = scores[start : start + _ROWS_AT_ONCE].astype(np.float64)
        best = np.full((len(labels), len(chunk)), -np.inf)
        np.maximum.at(best, group, chunk.T)
        order = np.argsort(-best.T, axis=1, kind="stable")
        ties.add(np.take_along_axis(best.T, order[:, : k + 1], axis=1))
        mass = chunk if kind == "probabilities" else np.exp(chunk - chunk.max(axis=1, keepdims=True))
        first = np.where(group == order[:, :1], mass, 0).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            prob[start : start + len(chunk)] = first / mass.sum(axis=1)
        top[start : start + len(chunk)] = labels[order[:, :k]]
    if np.isnan(prob).any():
        row = int(np.flatnonzero(np.isnan(prob))[0])
        raise DataError(
            "no class of the view has a probability",
            where=f"{where}, row {row:,}",
            found="0 or NaN for all of them",
            expected=f"a positive number for one of the {len(members):,} classes of the view {view.name}",
        )
    return Seen(top[:, : ties.known_places], prob, (f"{rule} (view {view.name})", *ties.words()))


def seen_numbers(top: Top, view: View, where: Path) -> tuple[np.ndarray, str]:
    """Class numbers of the models, best first, in a view: those that it keeps, each group once; and what was decided.

    Rows without a prediction stay without. Images of which the view keeps no class have no known prediction in it, so
    they are refused. Where the least that an image keeps is less than five, no more are stored of any.
    """
    meaning = np.array([*(NONE if label is None else label for label in view.meaning), NONE], dtype=np.int32)
    seen = [list(dict.fromkeys(label for label in row if label != NONE)) for row in meaning[top].tolist()]
    there = top[:, 0] != NONE
    counts = np.array([len(row) for row in seen])
    short = int((there & (counts == 0)).sum())
    if short:
        raise DataError(
            "the predictions do not determine what the model predicts in the view",
            where=where,
            found=f"{short:,} of {int(there.sum()):,} images have none of the {len(view.labels):,} classes of the view "
            f"{view.name} among their {top.shape[1]}",
            expected=f"at least one class of the view for each image, or logits of all {len(view.of):,} classes",
            fix="give logits or probabilities, or predictions that were made among these classes alone",
        )
    k = min(KEPT, int(counts[there].min(initial=KEPT)))
    rule = f"classes are read in the view {view.name}"
    if k < min(top.shape[1], KEPT, len(view.labels)):
        rule += f", which keeps {k} of {top.shape[1]} for some images: more are stored of none, and top-5 is not known"
    return np.array([(row + [NONE] * k)[:k] for row in seen], dtype=np.int32), rule
