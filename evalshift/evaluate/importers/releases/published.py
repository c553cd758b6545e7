"""Released predictions beside the counts that were published of them."""

from functools import cache
from typing import Any

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.predictions import count_correct
from evalshift.evaluate.importers.releases.release import Release, ReleasedSet
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.store import StoredDataset
from evalshift.formatting import name_some
from evalshift.shapes import Labels
from evalshift.testbed.published import find_release


def best_first(top: np.ndarray, truth: Labels, released: ReleasedSet, model: str) -> np.ndarray:
    """The predictions with their columns reversed where they are known to be stored worst first, and are."""
    if model in released.reversed_models and (top[:, -1] == truth).sum() > (top[:, 0] == truth).sum():
        return top[:, ::-1]
    return top


def correct_counts(top: np.ndarray, truth: Labels) -> tuple[int, int]:
    """How many images are correct by the first class, and by any of them."""
    return int((top[:, 0] == truth).sum()), int((top == truth[:, None]).any(axis=1).sum())


@cache
def published_counts(release: str) -> dict[tuple[str, str], tuple[int, int | None]]:
    """(dataset, model) -> top-1 and top-5 correct counts, for models with released predictions."""
    found = find_release(release)
    if found is None:
        return {}
    _, table = found
    counts: dict[tuple[str, str], tuple[int, int | None]] = {}
    for dataset in table.images:
        five = table.correct.get((dataset, "top5"))
        for row, model in enumerate(table.models):
            if model.exact:
                first = int(table.correct[dataset, "top1"][row])
                counts[dataset, model.name] = first, None if five is None else int(five[row])
    return counts


def published_facts(release: str) -> dict[str, dict[str, Any]]:
    """What was published of each model by name: family and its title, year, paper."""
    found = find_release(release)
    if found is None:
        return {}
    testbed, table = found
    return {model.name: testbed.attributes(model) | {"paper": testbed.paper} for model in table.models}


def differences(release: Release, predictions: list[Predictions], dataset: StoredDataset, *, strict: bool) -> list[str]:
    """What differs from what was published, in words; what was downloaded may not differ at all."""
    published = {
        model: counts for (name, model), counts in published_counts(release.name).items() if name == dataset.name
    }
    if not published:  # nothing was published of this set, so nothing can differ
        return []
    lines: list[str] = []
    for one in predictions:
        counted = count_correct(one, dataset)
        if one.model not in published:
            lines.append(f"{one.model} stands in none of the paper's tables")
        elif (counted.top1, counted.top5) != published[one.model]:
            found = f"{counted.top1:,} of {counted.images:,} right, {published[one.model][0]:,} published"
            if strict:
                raise DataError(
                    "these are not the published predictions", where=f"{one.model} on {one.dataset}", found=found
                )
            lines.append(f"{one.model} on {dataset.name} differs from what was published: {found}")
    missing = sorted(published.keys() - {one.model for one in predictions})
    if missing:
        some = name_some(missing, 3)
        lines.append(f"{len(missing)} of {len(published)} models are missing on {dataset.name}: {some}")
    return lines
