"""Two datasets side by side: balance of classes and attributes, sizes and files, as tables."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from evalshift.analysis.tables.table import Column, StatisticTable, make_table

if TYPE_CHECKING:
    from evalshift.testbed.datasets import Dataset
    from evalshift.testbed.file_facts import FileFacts

# Attributes with more values than this name images rather than group them.
_MOST_VALUES = 500


def balance_tables(one: "Dataset", other: "Dataset") -> dict[str, StatisticTable]:
    """Tables of counts and shares per class, and per value of each attribute that both datasets have.

    The note of each has the p-value of a χ² test of equal shares, over values that occur.
    Source of the use: Recht et al. 2019, table 6 (keywords of CIFAR-10.1), appendix B.2.9 (classes).
    """
    tables = {}
    if one.classes.names == other.classes.names:
        names = one.classes.names
        tables["class_balance"] = _balance(
            "class_balance",
            "Images per class",
            "class",
            (one.name, other.name),
            ([names[label] for label in one.labels], [names[label] for label in other.labels]),
            names,
        )
    for attribute in one.attributes:
        if attribute not in other.attributes:
            continue
        values = (one.attributes[attribute], other.attributes[attribute])
        order = [value for value, _ in Counter([*values[0], *values[1]]).most_common()]
        if len(order) <= _MOST_VALUES:
            tables[f"balance_{attribute}"] = _balance(
                f"balance_{attribute}", f"Images per {attribute}", attribute, (one.name, other.name), values, order
            )
    return tables


def _balance(
    name: str,
    title: str,
    what: str,
    datasets: tuple[str, str],
    values: tuple[Sequence[str], Sequence[str]],
    order: Sequence[str],
) -> StatisticTable:
    counts = [Counter(one) for one in values]
    kept = [value for value in order if counts[0][value] or counts[1][value]]
    table = np.array([[count[value] for value in kept] for count in counts])
    shares = table / table.sum(axis=1, keepdims=True)
    p = _equal_shares(table)
    said = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return make_table(
        name,
        title,
        {
            what: kept,
            "images_a": table[0],
            "images_b": table[1],
            "share_a": shares[0],
            "share_b": shares[1],
            "difference": shares[1] - shares[0],
        },
        (
            Column(what, what.capitalize(), "text"),
            Column("images_a", datasets[0], "count"),
            Column("images_b", datasets[1], "count"),
            Column("share_a", "Share (%)", "percent"),
            Column("share_b", "Share (%)", "percent"),
            Column("difference", "Difference (points)", "change"),
        ),
        f"Equal shares: {said} (χ² test).",
    )


def _equal_shares(table: np.ndarray) -> float:
    """p-value of a χ² test that both rows have the same shares; 1 for a single column."""
    if table.shape[1] < 2:
        return 1.0
    found: Any = stats.chi2_contingency(table)
    return float(found.pvalue)


def files_table(names: tuple[str, str], facts: tuple["FileFacts", "FileFacts"]) -> pd.DataFrame:
    """Medians and ranges of width and height, formats, and the median JPEG quality, a column per dataset."""
    rows = {"images": [f"{len(one.width):,}" for one in facts]}
    for what in ("width", "height"):
        values = [getattr(one, what) for one in facts]
        rows[f"{what} (median, range)"] = [f"{np.median(one):.0f}, {one.min()} to {one.max()}" for one in values]
    rows["formats"] = [", ".join(f"{name} {count:,}" for name, count in sorted(one.formats.items())) for one in facts]
    rows["JPEG quality (median, range)"] = [
        f"{np.median(one.quality):.0f}, {one.quality.min()} to {one.quality.max()}" if len(one.quality) else "–"
        for one in facts
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(names) if names[0] != names[1] else ["A", "B"])
