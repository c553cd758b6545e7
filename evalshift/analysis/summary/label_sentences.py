"""What corrected labels change, as sentences."""

import numpy as np

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.corrected_labels import SetLabels
from evalshift.analysis.pair_statistics.missing import or_else, or_none, require
from evalshift.analysis.statistics.label_noise import LabelNoise
from evalshift.formatting import ci_words, counted, name_some, percent, points, points_ci

_NAMED = 3


def corrected_label_sentences(statistics: Statistics) -> list[str]:
    """For each set that has corrected labels how accuracies and ranks differ by them, then the drop by them."""
    found = or_else(statistics.corrected_labels, None)
    if found is None:
        return []
    said = [_of_set(side, one, statistics) for side, one in found.sets]
    drop = _drop(statistics)
    return said if drop is None else [*said, drop]


def _of_set(side: str, found: SetLabels, statistics: Statistics) -> str:
    errors, noise, level = found.errors, found.noise, statistics.level
    left_out = f"; {errors.without:,} without are left out" if errors.without else ""
    mean = float(noise.mean.mean[0])
    around = noise.mean.interval(level)
    low, high = sorted(float(bound[0]) * (-1 if mean < 0 else 1) for bound in (around.low, around.high))
    interval = f" ({points_ci(low, high, level)})" if np.isfinite(low) else ""
    average = " on average" if len(noise.plain) > 1 else ""
    share = ci_words(percent(errors.interval.low), percent(errors.interval.high), level)
    return (
        f"By corrected labels of {errors.images:,} {side} images{left_out}, accuracies are {points(abs(mean))} points "
        f"{'lower' if mean < 0 else 'higher'}{average}{interval} than by the set's own labels, "
        f"{percent(errors.share)} % ({share}) of which are not among the corrected ones.{_ranks(noise, statistics)}"
    )


def _ranks(noise: LabelNoise, statistics: Statistics) -> str:
    models = len(noise.plain)
    if models < 2:
        return ""
    change, titles = np.abs(noise.rank_change), statistics.titles
    first, second = np.nonzero(noise.reversed_pairs)
    if len(first):
        pairs = [
            f"{titles.model(statistics.image_models[i])} and {titles.model(statistics.image_models[j])}"
            for i, j in zip(first.tolist(), second.tolist(), strict=True)
        ]
        order = f"the order of {counted(len(pairs), 'pair')} is significantly reversed ({name_some(pairs, _NAMED)})"
    else:
        order = "no order of two models is significantly reversed"
    if not change.any():
        return f" No rank changes; {order}."
    most = titles.model(statistics.image_models[int(np.argmax(change))])
    return f" {int((change > 0).sum()):,} of {models:,} ranks change, by {int(change.max())} at most ({most}); {order}."


@or_none
def _drop(statistics: Statistics) -> str | None:
    found = require(statistics.corrected_labels)
    if found is None:
        return None
    drops = require(found.drops)
    mean = "The mean drop" if len(drops.plain) > 1 else "The drop"
    return (
        f"{mean} on images with corrected labels is {points(float(drops.corrected.mean()))} points by these and "
        f"{points(float(drops.plain.mean()))} points by the sets' own."
    )
