"""Expected accuracy check: does each model have its published accuracy, and if not, what is the likely cause?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.checks.mismatch import likely_mismatch
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.statistics.intervals import check_counts, check_level
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import check_accuracies
from evalshift.evaluate.expected import few_images, images_off, published_counts, rounding
from evalshift.evaluate.predictions import Provenance
from evalshift.formatting import p_words, percent

AS_PUBLISHED, FEW_IMAGES, CHANCE_ONLY, FAILS = VERDICTS = (
    "as published",
    "within a few images",
    "within sampling error only",
    "fails",
)


@dataclass(frozen=True, eq=False)
class ExpectedAccuracyCheck:
    """Measured and published accuracies, one per cell; see `check_expected_accuracy`.

    published    as printed, a fraction
    difference   accuracy minus published, a fraction
    images       number of images by which the count is above (+) or below (−) those that round to the published
                 accuracy
    p_value      two-sided exact binomial test of the count against the published accuracy, as for other images
    p_holm       adjusted over the cells by Holm
    verdict      one of `VERDICTS`, best first
    """

    published: Float[np.ndarray, " cell"]
    difference: Float[np.ndarray, " cell"]
    images: Int[np.ndarray, " cell"]
    p_value: Float[np.ndarray, " cell"]
    p_holm: Float[np.ndarray, " cell"]
    verdict: tuple[str, ...]


def check_expected_accuracy(
    correct: Int[np.ndarray, " cell"],
    total: Int[np.ndarray, " cell"],
    published: Float[np.ndarray, " cell"],
    level: float = 0.95,
) -> ExpectedAccuracyCheck:
    """Compare accuracies with the published ones of the same model on the same set.

    Takes counts, and published accuracies as fractions with their printed digits, which define an interval: everything
    that rounds to 0.917 was published as 0.917. The published accuracy was measured on the same images, so sampling
    error does not explain a difference: "as published" means that the count rounds to it, "within a few images" that it
    differs by at most 1 image in 2,000 (at least 1), as other libraries and devices can cause. Larger differences are
    classified by the exact binomial test, as if the images were a new sample: "within sampling error only" if Holm's p
    is at least 1 − level, otherwise "fails".
    Raises ValueError for impossible counts, a published accuracy outside [0, 1] or a level outside (0, 1).
    Source: the two one-sided tests that make Clopper and Pearson's interval, Biometrika 26(4), 1934, 404-413.

    >>> held = check_expected_accuracy(np.array([9173, 9170, 9140, 8310]), np.full(4, 10_000), np.full(4, 0.9173))
    >>> for images, p_holm, verdict in zip(held.images, held.p_holm, held.verdict):
    ...     print(f"{images:5d}  {p_holm:.3f}  {verdict}")
        0  1.000  as published
       -3  1.000  within a few images
      -33  0.738  within sampling error only
     -863  0.000  fails
    """
    check_level(level)
    check_counts(correct, total)
    check_accuracies(published, "published")
    cells = list(zip(correct.tolist(), total.tolist(), published.tolist(), strict=True))
    half = np.array([float(rounding(accuracy)) for accuracy in published.tolist()])
    low, high = np.clip(published - half, 0, 1), np.clip(published + half, 0, 1)
    tails = np.minimum(stats.binom.cdf(correct, total, low), stats.binom.sf(correct - 1, total, high))
    p_value = np.minimum(1.0, 2 * tails)
    images = np.array([images_off(*cell) for cell in cells], dtype=np.int64)
    p_holm = adjust(p_value, "holm")
    verdict = tuple(
        AS_PUBLISHED
        if count in published_counts(accuracy, of)
        else FEW_IMAGES
        if abs(off) <= few_images(of)
        else CHANCE_ONLY
        if p >= 1 - level
        else FAILS
        for (count, of, accuracy), off, p in zip(cells, images, p_holm, strict=True)
    )
    return ExpectedAccuracyCheck(published, correct / total - published, images, p_value, p_holm, verdict)


def expected_accuracy_table(
    outcomes: Outcomes,
    predictions: Sequence[ImagePredictions] | None = None,
    provenance: Mapping[str, Sequence[Provenance]] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Published and measured accuracies of a pair: one row per model and set with a published accuracy.

    Takes top-1 counts. The likely cause of a difference is inferred from the predictions on the set if available,
    otherwise from its size. Columns: model, dataset, published, correct, total, accuracy, difference, images, p_value,
    p_holm, verdict, likely_cause ("" if the accuracy is as published), selected_on ("test" if the checkpoint was
    selected by its accuracy on the test set, which inflates both numbers). Largest differences first.
    """
    rows = _published_rows(outcomes)
    table = pd.DataFrame(rows, columns=["model", "dataset", "published", "correct", "total", "selected_on"])
    held = check_expected_accuracy(
        table["correct"].to_numpy(np.int64),
        table["total"].to_numpy(np.int64),
        table["published"].to_numpy(float),
        level,
    )
    causes = [
        likely_mismatch(
            row["correct"],
            row["total"],
            row["published"],
            dataset=row["dataset"],
            predictions=_predictions_of(predictions, row["side"], row["model"]),
            resized=_is_resized(provenance, row["side"], row["model"]),
        )
        for row in rows
    ]
    table = table.assign(
        accuracy=table["correct"].to_numpy(np.int64) / table["total"].to_numpy(np.int64),
        difference=held.difference,
        images=held.images,
        p_value=held.p_value,
        p_holm=held.p_holm,
        verdict=pd.array(held.verdict, dtype="string"),
        likely_cause=pd.array(causes, dtype="string"),
    ).astype({"model": "string", "dataset": "string", "selected_on": "string"})
    order = table["verdict"].map(VERDICTS.index).to_numpy(int), table["images"].abs().to_numpy(int)
    columns = [
        *("model", "dataset", "published", "correct", "total", "accuracy", "difference", "images"),
        *("p_value", "p_holm", "verdict", "likely_cause", "selected_on"),
    ]
    return table.iloc[np.lexsort((-order[1], -order[0]))].reset_index(drop=True)[columns]


def _published_rows(outcomes: Outcomes) -> list[dict[str, Any]]:
    """One row per model and set with a published accuracy; `side` is 0 for the original set, else 1."""
    sides = (
        (outcomes.original, outcomes.original_correct, outcomes.original_total),
        (outcomes.new, outcomes.new_correct, outcomes.new_total),
    )
    return [
        {
            "side": side,
            "model": model,
            "dataset": dataset,
            "published": float(accuracy),
            "correct": count,
            "total": total,
            "selected_on": entry.get("selected_on"),
        }
        for side, (dataset, correct, total) in enumerate(sides)
        for model, count in zip(outcomes.models, correct.tolist(), strict=True)
        for entry in [outcomes.attributes.get(model, {})]
        if (accuracy := (entry.get("expected") or {}).get(dataset)) is not None
    ]


def expected_accuracy_notes(table: pd.DataFrame, most: int = 5) -> tuple[str, ...]:
    """Sentences on accuracies that differ from the published ones, with likely causes.

    The `most` largest differences have one sentence each, the others share one.
    """
    off = table[table["verdict"].isin([CHANCE_ONLY, FAILS])]
    notes = [off_words(row) for row in off.head(most).to_dict("records")]
    if len(off) > most:
        notes.append(
            f"{len(off) - most} more accuracies are not the published ones; the table of expected accuracies lists all."
        )
    return tuple(notes)


def off_words(row: Mapping[Any, Any]) -> str:
    """One row of the table whose accuracy is not the published one, as a sentence."""
    size, side = abs(row["images"]), "more" if row["images"] > 0 else "fewer"
    chance = "no more" if row["verdict"] == CHANCE_ONLY else "more"
    return (
        f"{row['model']} has an accuracy of {percent(row['accuracy'], 2)} % on {row['dataset']}, but "
        f"{as_printed(row['published'])} % was published: {size:,} {side} images correct, {chance} than sampling error "
        f"on other images explains ({p_words(row['p_holm'])}). "
        f"Likely cause: {row['likely_cause']}."
    )


def as_printed(published: float) -> str:
    """A published accuracy in percent, with its printed digits.

    >>> as_printed(0.9173), as_printed(0.926), as_printed(0.930689), as_printed(1.0)
    ('91.73', '92.6', '93.0689', '100')
    """
    digits = max(0, -int(np.floor(np.log10(float(2 * rounding(published))))) - 2) if rounding(published) else 0
    return f"{100 * published:.{digits}f}"


def _predictions_of(predictions: Sequence[ImagePredictions] | None, side: int, model: str) -> ImagePredictions | None:
    if predictions is None or model not in predictions[side].models:
        return None
    return predictions[side].subset([predictions[side].models.index(model)])


def _is_resized(provenance: Mapping[str, Sequence[Provenance]] | None, side: int, model: str) -> bool | None:
    preprocess = provenance[model][side].preprocess if provenance and model in provenance else None
    return bool(preprocess.get("resize")) if preprocess else None
