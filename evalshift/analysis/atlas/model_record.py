"""The results of one model in published testbeds: accuracies, ranks, distances from lines."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evalshift.analysis.atlas.names import FoundModel
from evalshift.analysis.atlas.pair_lines import LEVEL, SCALE, pair_lines
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.statistics.intervals import Interval, clopper_pearson
from evalshift.analysis.statistics.ranks import rank


@dataclass(frozen=True)
class SetResult:
    """Accuracy of a model on one set by one metric, a fraction, with its rank among `models` published ones."""

    dataset: str
    title: str
    metric: str
    correct: int
    images: int
    accuracy: float
    interval: Interval[float]
    rank: int
    models: int


@dataclass(frozen=True)
class PairResult:
    """Top-1 accuracy of a model on a pair: its drop and its distance from lines, fractions; None without a line.

    distance        from the line through the other models, on the probit scale, with `p_holm` over them all
    group_distance  from the line through the other models trained on the same data, likewise
    matched_models  number of other models with the same original accuracy; `matched_rank` by effective robustness among
                    these and itself, with its confidence set from Holm's tests (`matched_models`)
    """

    pair: str
    title: str
    drop: float
    models: int
    distance: float | None
    p_holm: float | None
    group_models: int
    group_distance: float | None
    group_p_holm: float | None
    matched_models: int
    matched_rank: int | None
    matched_rank_low: int | None
    matched_rank_high: int | None


@dataclass(frozen=True)
class ModelRecord:
    """A model of one published testbed; see `PublishedModel` for its facts."""

    found: FoundModel
    sets: tuple[SetResult, ...]
    pairs: tuple[PairResult, ...]

    def facts(self) -> dict[str, Any]:
        """The record as a JSON-serializable dict."""
        model, testbed = self.found.model, self.found.testbed
        return {
            "testbed": testbed.name,
            "source": testbed.source,
            "paper": testbed.paper,
            "model": model.name,
            **{key: value for key, value in testbed.attributes(model).items() if not key.endswith("_title")},
            "counts_are_exact": model.exact,
            "level": LEVEL,
            "scale": SCALE,
            "sets": [asdict(one) | {"interval": [one.interval.low, one.interval.high]} for one in self.sets],
            "pairs": [asdict(one) for one in self.pairs],
        }


def model_record(found: FoundModel, details: bool = True) -> ModelRecord:
    """The results of a model in its testbed; without `details`, excluding pairs that are parts of another one."""
    sets = [_set_result(found, dataset, metric) for dataset in found.testbed.images for metric in METRICS]
    pairs = [_pair_result(found, pair) for pair in (found.testbed.pairs if details else found.testbed.main_pairs)]
    return ModelRecord(found, tuple(filter(None, sets)), tuple(filter(None, pairs)))


def _set_result(found: FoundModel, dataset: str, metric: str) -> SetResult | None:
    counts = found.testbed.counts[found.file].correct.get((dataset, metric))
    if counts is None or counts[found.row] < 0:
        return None
    images, correct = found.testbed.images[dataset], counts[found.row]
    bounds = clopper_pearson(np.array([correct]), np.array([images]), LEVEL)
    known = np.flatnonzero(counts >= 0)
    return SetResult(
        dataset=dataset,
        title=found.testbed.datasets.get(dataset, dataset),
        metric=metric,
        correct=int(correct),
        images=images,
        accuracy=float(correct / images),
        interval=Interval(float(bounds.low[0]), float(bounds.high[0])),
        rank=int(rank(counts[known])[np.searchsorted(known, found.row)]),
        models=len(known),
    )


def _pair_result(found: FoundModel, pair: str) -> PairResult | None:
    table = found.testbed.table_of(pair)
    if table is None or "top1" not in table.metrics or found.model not in table.models:
        return None
    lines = pair_lines(found.testbed.name, pair)
    row = lines.outcomes.models.index(found.model.name)
    original_correct, original_total, new_correct, new_total = (count[row] for count in lines.outcomes.counts)
    data = found.model.training_data
    matched = lines.matched(row)
    group = next((line.members for line in lines.groups.lines if line.name == data), 0)
    return PairResult(
        pair=pair,
        title=lines.title,
        drop=float(original_correct / original_total - new_correct / new_total),
        models=len(lines.outcomes),
        distance=_known(lines.distance[row]),
        p_holm=_known(lines.p_holm[row]),
        group_models=group,
        group_distance=_known(lines.group_distance[row]),
        group_p_holm=_known(lines.groups.p_holm[row]),
        matched_models=0 if matched is None else int(matched.count[0]),
        matched_rank=None if matched is None else int(matched.rank[0]),
        matched_rank_low=None if matched is None else int(matched.interval.low[0]),
        matched_rank_high=None if matched is None else int(matched.interval.high[0]),
    )


def _known(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)
