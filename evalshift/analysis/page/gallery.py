"""Hard images: those that most models miss, with pictures where the test set is on disk."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from evalshift.analysis.pair_statistics.missing import or_else, require
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.errors import DataError, EvalshiftError
from evalshift.testbed.classes import BUILT_IN, ClassSpace, built_in
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import Dataset, fingerprint, load_dataset, source_checksum
from evalshift.testbed.thumbnails import data_url

MOST = 48  # largest number of pictures per set, half of its hardest images, half of those that most divide the models
SIZE = 112  # largest length of the longer side in pixels

# (dataset, position of the image) -> data: URL
Thumbnails = Mapping[tuple[str, int], str]
_ENTRY: TypeAdapter[Any] = TypeAdapter(AnyDataset)


def hard_thumbnails(pair: PairSummary, missing: dict[str, str] | None = None) -> dict[tuple[str, int], str]:
    """Pictures of the hardest images of a pair and of those that about half of the models miss.

    From datasets that are on this disk, unchanged since the evaluation; nothing is downloaded. `missing` takes up why a
    dataset gives no pictures.
    """
    sources = picture_sources(pair, missing if missing is not None else {})
    found: dict[tuple[str, int], str] = {}
    for name, (dataset, positions) in sources.items():
        try:
            found |= {(name, position): data_url(dataset.images[position], SIZE) for position in positions}
        except (EvalshiftError, OSError) as error:
            if missing is not None:
                missing[name] = _reason(error)
    return found


def picture_sources(pair: PairSummary, missing: dict[str, str]) -> dict[str, tuple[Dataset, list[int]]]:
    """The datasets of a pair that are on this disk as they were evaluated, with the positions of the chosen images.

    `missing` takes up why a dataset is not among them.
    """
    found: dict[str, tuple[Dataset, list[int]]] = {}
    metric = pair.metrics.get("top1")
    if metric is None or "hard_images" not in metric.tables:
        return found
    classes = metric.tables["classes"].frame["class"].tolist() if "classes" in metric.tables else []
    for side, name in (("original", pair.original), ("new", pair.new)):
        wanted = _chosen(metric, side)
        if not wanted:
            continue
        try:
            dataset = load_as_evaluated(name, pair.provenance.get("datasets", {}).get(name, {}), classes, wanted)
        except (EvalshiftError, OSError) as error:
            missing[name] = _reason(error)
        else:
            found[name] = dataset, [int(row["position"]) for row in wanted]
    return found


def _reason(error: EvalshiftError | OSError) -> str:
    if not isinstance(error, EvalshiftError):
        return f"its files cannot be read ({error})"
    return error.problem + (f" ({error.found})" if error.found else "")


def gallery_view(
    pair: PairSummary, metric: MetricSummary, thumbnails: Thumbnails, missing: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """Counts of images missed by all and by most models, and the images with pictures; None for counts alone.

    `missing` says why a set has no pictures.
    """
    if "hard_images" not in metric.tables:
        return None
    sides = []
    for side, name in (("original", pair.original), ("new", pair.new)):
        found = require(metric.statistics.original if side == "original" else metric.statistics.new)
        rows = [row for row in _chosen(metric, side) if (name, row["position"]) in thumbnails]
        images = [
            {**row, "picture": thumbnails[name, row["position"]], "missed_by": missed}
            for row, missed in zip(rows, _missed_by(metric, side, rows), strict=True)
        ]
        sides.append(
            {
                "side": side,
                "name": name,
                "title": metric.titles.dataset(name),
                "images": found.images,
                "models": len(found.models),
                "by_all": or_else(found.missed_by_all, 0),
                "by_most": or_else(found.missed_by_most, 0),
                "shown": images,
                "no_pictures": (missing or {}).get(name, "the image files were not found"),
            }
        )
    return {"sides": sides, "pictures": any(side["shown"] for side in sides)}


def _chosen(metric: MetricSummary, side: str) -> list[dict[str, Any]]:
    """The hardest images of a set, and those that just over half of the models miss: any two models differ on many."""
    frame = metric.tables["hard_images"].frame
    frame = frame[frame["set"] == side]
    half = MOST // 2
    rows = frame if len(frame) <= MOST else pd.concat([frame.head(half), frame.tail(half)])
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _missed_by(metric: MetricSummary, side: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which models miss each image: a bit per row of the table in hexadecimal digits, the first row first."""
    if metric.correctness is None:
        return [""] * len(rows)
    found = metric.correctness[("original", "new").index(side)]
    correct = found.of_models(found.models)[:, [row["position"] for row in rows]]
    place = {model: row for row, model in enumerate(metric.table["model"])}
    missed = np.zeros((len(rows), len(metric.table)), bool)
    missed[:, [place[model] for model in found.models]] = ~correct.T
    return [bits.tobytes().hex() for bits in np.packbits(missed, axis=1)]


def load_as_evaluated(
    name: str, facts: Mapping[str, Any], classes: Sequence[str], wanted: Sequence[Mapping[str, Any]]
) -> Dataset:
    """The dataset of stored `facts`, where it is on this disk and unchanged since the evaluation; DataError elsewhere.

    `classes` are the names of its classes, `wanted` images of it: position, image (its id) and class.
    """
    try:
        entry = _ENTRY.validate_python(facts.get("entry"))
    except ValidationError as error:
        # Labels and predictions that were imported have an entry that says where they are from, and no images.
        raise DataError("its predictions were imported without the images", where=name) from error
    if source_checksum(entry) is None:
        raise DataError("the image files were not found", where=name)
    dataset = load_dataset(name, entry, _space(facts["classes"], tuple(classes)))
    if not _as_evaluated(dataset, facts, wanted):
        raise DataError("its images are not those that were evaluated", where=name)
    return dataset


def _space(name: str, classes: tuple[str, ...]) -> ClassSpace:
    """The label space of stored names, with the names that its folders have."""
    if name in BUILT_IN and built_in(name).names == classes:
        return built_in(name)
    wnids = tuple(match[0] for one in classes if (match := re.search(r"\bn\d{8}\b", one)))
    return ClassSpace(name, classes, wnids if len(set(wnids)) == len(classes) else ())


def _as_evaluated(dataset: Dataset, facts: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these are the images that were evaluated: by content, or by names if they are many files."""
    if isinstance(dataset.images, np.ndarray):
        return fingerprint(dataset) == facts["fingerprint"]
    return len(dataset) == facts["images"] and all(
        dataset.ids[row["position"]] == row["image"]
        and dataset.classes.names[dataset.labels[row["position"]]] == row["class"]
        for row in wanted
    )
