"""Duplicates between two datasets or within one: equal pixels, nearest neighbours, and decisions made by eye."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.files import write_atomic
from evalshift.testbed.csv_records import csv_bytes, read_csv_records
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.nearest import Neighbours

METRICS = ("l2", "ssim", "features")
YES, NO = "yes", "no"
_DECISION_COLUMNS = ("image", "duplicate", "neighbour")
_CIFAIR = ("TestID", "TrainID", "Judgment")


@dataclass(frozen=True, eq=False)
class Search:
    """The nearest images of `references` to each image of `queries`, by each metric.

    found  metric → neighbours; both datasets are the same where one was searched in itself
    """

    queries: Dataset
    references: Dataset
    found: Mapping[str, Neighbours]

    @property
    def order(self) -> np.ndarray:
        """Positions of the queries, the likeliest duplicates first: by their best rank by any metric."""
        ranks = [np.argsort(np.argsort(one.distance[:, 0], kind="stable")) for one in self.found.values()]
        return np.argsort(np.min(ranks, axis=0), kind="stable")

    def candidates(self, position: int, most: int) -> list[int]:
        """References to look at for one query, the nearest by each metric in turn."""
        ranked = np.stack([one.position[position] for one in self.found.values()], axis=1).ravel().tolist()
        return list(dict.fromkeys(ranked))[:most]


def equal_images(one: Sequence[bytes], other: Sequence[bytes] | None = None) -> list[tuple[int, int]]:
    """Pairs of positions with equal hashes: of `one` in `other`, the first each; or in `one` of a later and the first.

    >>> equal_images([b"x", b"y", b"x"]), equal_images([b"x", b"y"], [b"z", b"y", b"y"])
    ([(2, 0)], [(1, 1)])
    """
    first: dict[bytes, int] = {}
    for place, content in enumerate(one if other is None else other):
        first.setdefault(content, place)
    pairs = [(place, first[content]) for place, content in enumerate(one) if content in first]
    return [pair for pair in pairs if other is not None or pair[0] != pair[1]]


def neighbours_csv(search: Search) -> bytes:
    """A row per image, metric and neighbour: ids, rank from 1, distance and both classes.

    Distances of pixels are on the scale of intensities from 0 to 1; those by SSIM are 1 − SSIM.
    """
    rows = []
    for metric, found in search.found.items():
        for place, (near, far) in enumerate(zip(found.position.tolist(), found.distance.tolist(), strict=True)):
            own = (search.queries.ids[place], search.queries.classes.names[search.queries.labels[place]])
            for rank, (other, distance) in enumerate(zip(near, far, strict=True), 1):
                name = search.references.classes.names[search.references.labels[other]]
                rows.append((own[0], metric, rank, search.references.ids[other], f"{distance:.6g}", own[1], name))
    return csv_bytes(("image", "metric", "rank", "neighbour", "distance", "class", "neighbour_class"), rows)


@dataclass(frozen=True)
class Decisions:
    """What someone saw: image id → id of the neighbour that it duplicates, or None where it duplicates none."""

    seen: Mapping[str, str | None]

    @property
    def duplicates(self) -> dict[str, str]:
        """The images that are near-duplicates, and of which."""
        return {image: near for image, near in self.seen.items() if near is not None}


def read_decisions(
    path: Path, search_ids: Sequence[str], name: str = "the dataset", reference_ids: Sequence[str] = ()
) -> Decisions:
    """Decisions as the review page saves them: CSV with the columns image, duplicate (yes or no) and neighbour.

    Also ciFAIR's lists (Barz and Denzler 2020), with the columns TestID, TrainID and Judgment: positions in CIFAR's
    test and training sets, of pairs that are all near-duplicates.
    search_ids     ids of the dataset that was reviewed
    reference_ids  ids of the dataset that it was searched in
    Raises DataError for a file that is not so, for an id that the dataset lacks, and for contradicting rows.
    """
    columns, rows = read_csv_records(path, "decisions")
    if {*_CIFAIR} <= {*columns}:
        rows = [_of_cifair(row, search_ids, reference_ids, f"{path}, line {line}") for line, row in enumerate(rows, 2)]
    known, seen = set(search_ids), {}
    for line, row in enumerate(rows, 2):
        if None in row or not {"image", "duplicate"} <= row.keys() or row["duplicate"] not in (YES, NO):
            raise DataError(
                "this is not a decision",
                where=f"{path}, line {line}",
                found=",".join(str(value) for value in row.values()),
                expected=f"columns {', '.join(_DECISION_COLUMNS)}, with {YES} or {NO} under duplicate",
            )
        image = row["image"]
        if image not in known:
            raise DataError(
                f"{name} has no such image",
                where=f"{path}, line {line}",
                found=image,
                fix=did_you_mean(image, search_ids) if len(search_ids) < 100_000 else None,
            )
        decided = (row.get("neighbour") or "") if row["duplicate"] == YES else None
        if image in seen and (seen[image] is None) != (decided is None):
            raise DataError(
                "two decisions on one image contradict each other", where=f"{path}, line {line}", found=image
            )
        seen[image] = decided
    return Decisions(seen)


def _of_cifair(
    row: dict[str, str], search_ids: Sequence[str], reference_ids: Sequence[str], where: str
) -> dict[str, str]:
    """A row of ciFAIR's lists as a decision."""
    found = {}
    for column, name, ids in (("TestID", "image", search_ids), ("TrainID", "neighbour", reference_ids)):
        text = row[column] or ""
        if not (text.isascii() and text.isdigit() and int(text) < len(ids)):
            raise DataError(
                "this is not a position in the dataset",
                where=where,
                found=f"{column} {text}",
                expected=f"0 to {len(ids) - 1:,}",
            )
        found[name] = ids[int(text)]
    return {**found, "duplicate": YES}


@dataclass(frozen=True)
class Recall:
    """How many of n known near-duplicates a search finds by one metric, or by any of several.

    first   the duplicated image is the nearest
    among   it is one of the neighbours that were searched for
    likely  the image is one of the `likely` whose nearest neighbours are nearest, so that a review of as many sees it
    """

    metric: str
    pairs: int
    first: int
    among: int
    likely: int


def recall_of(search: Search, decisions: Decisions, likely: int) -> tuple[Recall, ...]:
    """What each metric finds of the near-duplicates of which the decisions name the neighbour, and of several, any.

    None where the decisions name no neighbour.
    """
    place = {name: position for position, name in enumerate(search.queries.ids)}
    other = {name: position for position, name in enumerate(search.references.ids)}
    pairs = [(place[image], other[near]) for image, near in decisions.duplicates.items() if near in other]
    if not pairs:
        return ()
    image, near = np.array(pairs).T
    hits = {metric: found.position[image] == near[:, None] for metric, found in search.found.items()}
    orders = {metric: np.argsort(found.distance[:, 0], kind="stable") for metric, found in search.found.items()}
    if len(hits) > 1:
        hits["any"], orders["any"] = np.any(list(hits.values()), axis=0), search.order

    def recall(metric: str) -> Recall:
        seen = np.isin(image, orders[metric][:likely])
        return Recall(
            metric, len(pairs), *(int(found.sum()) for found in (hits[metric][:, 0], hits[metric].any(axis=1), seen))
        )

    return tuple(map(recall, hits))


def write_decisions(path: Path, decisions: Decisions) -> None:
    """The file that `read_decisions` reads."""
    rows = ((image, NO if near is None else YES, near or "") for image, near in decisions.seen.items())
    write_atomic(path, csv_bytes(_DECISION_COLUMNS, rows))


def check_metrics(text: str) -> tuple[str, ...]:
    """Metrics of a comma-separated list, each once. UsageError for one that is unknown."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or ("",):
        if name not in METRICS:
            raise UsageError(
                f'there is no metric "{name}" (`metric`)', expected=", ".join(METRICS), fix=did_you_mean(name, METRICS)
            )
    return names


def quantiles(distance: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Smallest, 1 %, 5 % and median distance."""
    return {
        "smallest": float(distance.min()),
        "1 %": float(np.quantile(distance, 0.01)),
        "5 %": float(np.quantile(distance, 0.05)),
        "median": float(np.median(distance)),
    }
