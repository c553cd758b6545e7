"""The new sets of one original set that are corruptions of one benchmark, such as CIFAR-10-C."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.outcomes.corruptions import BENCHMARK, CorruptedSet
from evalshift.analysis.pair_statistics.several_sets import ShiftedPair, common_models, counts_of, sets_by_image
from evalshift.analysis.statistics.corruption_errors import (
    ALEXNET_CLEAN_ERROR,
    ALEXNET_ERRORS,
    CorruptionErrors,
    ReferenceErrors,
    corruption_errors,
)

PUBLISHED_ALEXNET = "AlexNet (published)"
_SEVERITIES = 5


@dataclass(frozen=True, eq=False)
class CorruptionBenchmark:
    """Corruption errors of the models that have results on all of a benchmark's sets that are there.

    corruptions  those of the mean, in the benchmark's order
    severities   of each, as text
    left_out     corruptions that the benchmark keeps for tuning models, and those known both at single severities and
                 as a mean of them
    reference    the reference model's name, or `PUBLISHED_ALEXNET`; None where there is none, and `why` then says why
    """

    original: str
    benchmark: str
    models: tuple[str, ...]
    corruptions: tuple[str, ...]
    severities: tuple[str, ...]
    left_out: tuple[str, ...]
    clean_error: np.ndarray
    found: CorruptionErrors
    reference: str | None
    why: str


def corruption_benchmarks(
    pairs: Sequence[ShiftedPair], reference: str | None, level: float
) -> tuple[CorruptionBenchmark, ...]:
    """One per benchmark with at least two corruptions among these pairs of one original set."""
    groups: dict[str, list[tuple[CorruptedSet, ShiftedPair]]] = {}
    for pair in pairs:
        if pair.corrupted is not None:
            groups.setdefault(pair.corrupted.benchmark, []).append((pair.corrupted, pair))
    made = (_benchmark(name, group, reference, level) for name, group in groups.items())
    return tuple(one for one in made if one is not None)


def _benchmark(
    name: str, group: Sequence[tuple[CorruptedSet, ShiftedPair]], reference: str | None, level: float
) -> CorruptionBenchmark | None:
    kept, left_out = _of_the_mean(group)
    names = [one for one in BENCHMARK if any(corrupted.corruption == one for corrupted, _ in kept)]
    taken = [pair for _, pair in kept]
    models = common_models(taken) if taken else ()
    if len(names) < 2 or not models:
        return None
    severities = [[corrupted.severity for corrupted, _ in kept if corrupted.corruption == one] for one in names]
    clean, corrupted = counts_of(taken, models)
    known, called, why = _reference(name, models, names, severities, reference)
    return CorruptionBenchmark(
        original=taken[0].outcomes.original,
        benchmark=name,
        models=models,
        corruptions=tuple(names),
        severities=tuple(
            "mean" if one == [None] else ", ".join(map(str, sorted(filter(None, one)))) for one in severities
        ),
        left_out=left_out,
        clean_error=1 - clean.accuracy,
        found=corruption_errors(
            clean,
            corrupted,
            np.array([names.index(one.corruption) for one, _ in kept]),
            known,
            sets=sets_by_image(taken, models, one="original"),
            level=level,
        ),
        reference=called,
        why=why,
    )


def _of_the_mean(
    group: Sequence[tuple[CorruptedSet, ShiftedPair]],
) -> tuple[list[tuple[CorruptedSet, ShiftedPair]], tuple[str, ...]]:
    """The sets that count, and the names of corruptions that do not."""
    known: dict[str, set[int | None]] = {}
    for corrupted, _ in group:
        known.setdefault(corrupted.corruption, set()).add(corrupted.severity)
    single = {(name, severity) for name, found in known.items() for severity in found if found == {None} or severity}
    kept = [
        (corrupted, pair)
        for corrupted, pair in group
        if corrupted.corruption in BENCHMARK and (corrupted.corruption, corrupted.severity) in single
    ]
    return kept, tuple(sorted(name for name in known if name not in BENCHMARK))


def _reference(
    benchmark: str,
    models: Sequence[str],
    corruptions: Sequence[str],
    severities: Sequence[Sequence[int | None]],
    named: str | None,
) -> tuple[ReferenceErrors | int | None, str | None, str]:
    """The reference model, what it is called, and why there is none."""
    wanted = named or next((model for model in models if model.lower() == "alexnet"), None)
    if wanted is not None:
        if wanted in models:
            return models.index(wanted), wanted, ""
        return None, None, f"{wanted} has no results on all of its sets"
    if "imagenet" not in benchmark.lower():
        return None, None, "no reference model is named (`reference`), and none is called alexnet"
    if any(set(one) not in ({None}, set(range(1, _SEVERITIES + 1))) for one in severities):
        return None, None, "AlexNet's published errors are of all five severities, of which some are missing"
    places = [BENCHMARK.index(name) for name in corruptions]
    return ReferenceErrors(ALEXNET_ERRORS[places], ALEXNET_CLEAN_ERROR), PUBLISHED_ALEXNET, ""
