"""How accuracies change on average from an original set to each of its new ones, side by side."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.sentences import metric_words
from evalshift.analysis.summary import PairSummary
from evalshift.analysis.tables import percent

_FIGURES = ("models", "change", "change_low", "change_high")


def average_changes(pairs: Sequence[PairSummary]) -> pd.DataFrame:
    """New minus original accuracy, averaged over all models of each pair: a row a pair, fractions.

    Columns: original, new; for each metric that a pair has models, change, change_low, change_high, with its name and
    an underscore before them. A pair without the metric has NA there. The bounds average those of the models, as
    `MetricSummary.mean_drop_interval` does.
    Source: Recht et al. 2019, table 2.
    """
    metrics = [name for name in METRICS if any(name in pair.metrics for pair in pairs)]
    rows = []
    for pair in pairs:
        row: dict[str, object] = {"original": pair.original, "new": pair.new}
        for name in metrics:
            summary = pair.metrics.get(name)
            values = (
                (pd.NA,) * len(_FIGURES)
                if summary is None
                else (
                    len(summary.outcomes),
                    -summary.mean_drop,
                    -summary.mean_drop_interval.high,
                    -summary.mean_drop_interval.low,
                )
            )
            row |= {f"{name}_{figure}": value for figure, value in zip(_FIGURES, values, strict=True)}
        rows.append(row)
    columns = ["original", "new", *(f"{name}_{figure}" for name in metrics for figure in _FIGURES)]
    frame = pd.DataFrame(rows, columns=columns)
    kinds = {
        f"{name}_{figure}": "Int64" if figure == "models" else "Float64" for name in metrics for figure in _FIGURES
    }
    return frame.astype(kinds)


def readable_changes(changes: pd.DataFrame, minus: str = "−", missing: str = "–") -> pd.DataFrame:
    """The table as it is read, all text: changes in points with their sign, `missing` where there is none."""
    read: dict[str, Any] = {"Original": changes["original"], "New": changes["new"]}
    for name in METRICS:
        if f"{name}_change" not in changes:
            continue
        words = metric_words(name).capitalize()
        read[f"{words} models"] = changes[f"{name}_models"].astype("string").fillna(missing)
        read[f"{words} change"] = [
            missing if pd.isna(change) else f"{_signed(change, minus)} [{_signed(low, minus)}, {_signed(high, minus)}]"
            for change, low, high in changes[[f"{name}_{figure}" for figure in _FIGURES[1:]]].to_numpy()
        ]
    return pd.DataFrame(read)


def _signed(fraction: float, minus: str) -> str:
    text = percent(fraction, minus)
    return text if text.startswith(minus) or text == "0.0" else f"+{text}"
