"""What corrected labels change on the sets of a pair that have them."""

from dataclasses import dataclass, replace

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.intervals import undefined_interval
from evalshift.analysis.statistics.label_noise import (
    CorrectedDrops,
    LabelErrors,
    LabelNoise,
    corrected_drops,
    label_errors,
    label_noise,
)


@dataclass(frozen=True, eq=False)
class SetLabels:
    """Own and corrected labels of one set, and m models' accuracies and ranks by them."""

    errors: LabelErrors
    noise: LabelNoise


@dataclass(frozen=True, eq=False)
class CorrectedLabels:
    """What corrected labels change; None for a set without any.

    drops   by both kinds of label, without intervals where the sets share images; Missing where only one of
            them has corrected labels
    """

    original: SetLabels | None
    new: SetLabels | None
    drops: CorrectedDrops | Missing

    @property
    def sets(self) -> tuple[tuple[str, SetLabels], ...]:
        """The sets that have corrected labels, each with what tables call it."""
        both = (("original", self.original), ("new", self.new))
        return tuple((side, found) for side, found in both if found is not None)


def corrected_labels(basis: Basis) -> CorrectedLabels | None:
    """These for a pair of which at least one set has corrected labels; None for any other."""
    if basis.predictions is None or all(side.corrected is None for side in basis.predictions):
        return None
    original, new = (
        _of_set(side, name, basis) for name, side in zip(("original", "new"), basis.predictions, strict=True)
    )
    if original is None or new is None:
        name = basis.outcomes.titles.dataset(basis.predictions[0 if new is None else 1].dataset)
        drops = Missing(f"only {name} has corrected labels, and a drop would compare two kinds of labels")
    else:
        drops = corrected_drops(original.noise, new.noise)
        if basis.overlap:
            drops = replace(drops, interval=undefined_interval(drops.difference))
    return CorrectedLabels(original, new, drops)


def _of_set(side: ImagePredictions, name: str, basis: Basis) -> SetLabels | None:
    if side.corrected is None:
        return None
    known = (side.corrected >= 0).any(axis=1)
    metric = basis.outcomes.metric
    noise = label_noise(
        side.correct(metric)[:, known],
        side.correct_by_corrected(metric)[:, known],
        level=basis.level,
        rng=basis.rng(f"corrected labels {name}"),
    )
    return SetLabels(label_errors(side.truth.reshape(len(side.labels), -1), side.corrected, basis.level), noise)
