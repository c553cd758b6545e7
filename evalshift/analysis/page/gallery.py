"""Hard images: those that most models miss, with pictures where the test set is on disk."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from evalshift.analysis.pair_statistics.missing import or_else, require
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.errors import EvalshiftError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import Dataset, fingerprint, load_dataset, source_checksum
from evalshift.testbed.image_files import open_image

MOST = 60  # largest number of pictures per pair, half from each set
SIZE = 112  # largest length of the longer side in pixels

# (dataset, position of the image) -> data: URL
Thumbnails = Mapping[tuple[str, int], str]
_ENTRY: TypeAdapter[Any] = TypeAdapter(AnyDataset)


def hard_thumbnails(pair: PairSummary) -> dict[tuple[str, int], str]:
    """Pictures of the hardest images of a pair, from datasets that are on this disk, unchanged since the evaluation.

    Nothing is downloaded. A dataset that has changed or is unreadable gives no pictures.
    """
    found: dict[tuple[str, int], str] = {}
    metric = pair.metrics.get("top1")
    if metric is None or "hard_images" not in metric.tables:
        return found
    classes = metric.tables["classes"].frame["class"].tolist() if "classes" in metric.tables else []
    for side, name in (("original", pair.original), ("new", pair.new)):
        wanted = _hardest(metric, side)
        dataset = _load(name, pair.provenance.get("datasets", {}).get(name, {}), classes, wanted) if wanted else None
        if dataset is not None:
            found |= {(name, row["position"]): _thumbnail(dataset.images[row["position"]]) for row in wanted}
    return found


def gallery_view(pair: PairSummary, metric: MetricSummary, thumbnails: Thumbnails) -> dict[str, Any] | None:
    """Counts of images missed by all and by most models, and the images with pictures; None for counts alone."""
    if "hard_images" not in metric.tables:
        return None
    sides = []
    for side, name in (("original", pair.original), ("new", pair.new)):
        found = require(metric.statistics.original if side == "original" else metric.statistics.new)
        images = [
            {**row, "picture": thumbnails[name, row["position"]]}
            for row in _hardest(metric, side)
            if (name, row["position"]) in thumbnails
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
            }
        )
    return {"sides": sides, "pictures": any(side["shown"] for side in sides)}


def _hardest(metric: MetricSummary, side: str) -> list[dict[str, Any]]:
    frame = metric.tables["hard_images"].frame
    rows = frame[frame["set"] == side].head(MOST // 2).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _load(
    name: str, facts: Mapping[str, Any], classes: Sequence[str], wanted: Sequence[Mapping[str, Any]]
) -> Dataset | None:
    """The dataset, if it is on this disk and unchanged since the evaluation."""
    try:
        entry = _ENTRY.validate_python(facts.get("entry"))
        if source_checksum(entry) is None:
            return None
        dataset = load_dataset(name, entry, ClassSpace(facts["classes"], tuple(classes)))
    except (ValidationError, EvalshiftError, OSError):
        return None
    return dataset if _as_evaluated(dataset, facts, wanted) else None


def _as_evaluated(dataset: Dataset, facts: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these are the images that were evaluated: by content, or by names if they are many files."""
    if isinstance(dataset.images, np.ndarray):
        return fingerprint(dataset) == facts["fingerprint"]
    return len(dataset) == facts["images"] and all(
        dataset.ids[row["position"]] == row["image"]
        and dataset.classes.names[dataset.labels[row["position"]]] == row["class"]
        for row in wanted
    )


def _thumbnail(image: Any) -> str:
    """A picture as a data: URL. Small images stay exact (PNG), others become small JPEGs."""
    if isinstance(image, np.ndarray):
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    else:
        with open_image(image) as opened:
            opened.draft("RGB", (2 * SIZE, 2 * SIZE))
            picture = opened.convert("RGB")
    kind = "PNG" if max(picture.size) <= SIZE // 2 else "JPEG"
    picture.thumbnail((SIZE, SIZE))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"optimize": True} if kind == "PNG" else {"quality": 80}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
