"""Two datasets side by side: balance of classes and attributes, sizes and files, as tables."""

import csv
from collections import Counter
from collections.abc import Sequence
from importlib import resources
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
# Below so many expected images the χ² distribution is a poor approximation (Cochran 1954).
_SMALL_COUNT = 5
# Images of CIFAR-10's test set and of CIFAR-10.1 v4, whose keywords table 6 counts.
_IMAGES = (10_000, 2_021)


def balance_tables(one: "Dataset", other: "Dataset") -> dict[str, StatisticTable]:
    """Tables of counts and shares per class, and per value of each attribute that both datasets have.

    The note of each has the p-value of a χ² test of equal shares, over values that occur.
    For CIFAR-10 and CIFAR-10.1, whose images have no keywords, the last table is the published one.
    Source of the use: Recht et al. 2019, table 6 (keywords of CIFAR-10.1), appendix B.2.9 (classes).
    """
    tables: dict[str, StatisticTable] = {}
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
    if _are_cifar10_and_new(one.name, other.name):
        tables["published_keywords"] = published_keywords()
    return tables


def _are_cifar10_and_new(*names: str) -> bool:
    """Whether one is CIFAR-10's test set and the other a version of CIFAR-10.1, by their names in the registry."""
    return "cifar10" in names and any(name.startswith("cifar10.1") for name in names)


def published_keywords() -> StatisticTable:
    """Images per keyword of Tiny Images in CIFAR-10's test set and in CIFAR-10.1 v4, the 25 keywords of each class.

    The counts are those of 10,000 and of 2,021 images that give the printed shares.
    Source: Recht et al. 2019, table 6.
    """
    text = resources.files("evalshift.testbed.published").joinpath("recht2019/keywords.csv").read_text("utf-8")
    frame = pd.DataFrame(list(csv.DictReader(text.splitlines())))
    printed = [frame[name].astype(float).to_numpy() / 100 for name in ("original_percent", "new_percent")]
    counts = [np.rint(share * total).astype(int) for share, total in zip(printed, _IMAGES, strict=True)]
    shares = [count / total for count, total in zip(counts, _IMAGES, strict=True)]
    covered = [f"{count.sum():,} of {total:,}" for count, total in zip(counts, _IMAGES, strict=True)]
    return make_table(
        "published_keywords",
        "Images per keyword, as published",
        {
            "class": frame["class"],
            "keyword": frame["keyword"],
            "images_a": counts[0],
            "images_b": counts[1],
            "share_a": shares[0],
            "share_b": shares[1],
            "difference": shares[1] - shares[0],
        },
        (
            Column("class", "Class", "text"),
            Column("keyword", "Keyword", "text"),
            *_columns(("CIFAR-10", "CIFAR-10.1 v4"), "hundredths"),
        ),
        f"Recht et al. 2019, table 6, not computed from these images. The keywords cover {covered[0]} images of "
        f"CIFAR-10 and {covered[1]} of CIFAR-10.1 v4, which was sampled to match CIFAR-10's keywords.",
    )


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
        (Column(what, what.capitalize(), "text"), *_columns(datasets)),
        _equal_shares(table),
    )


def _columns(datasets: tuple[str, str], kind: str = "percent") -> tuple[Column, ...]:
    """Counts and shares of both sets, and how the shares differ."""
    return (
        Column("images_a", datasets[0], "count"),
        Column("images_b", datasets[1], "count"),
        Column("share_a", "Share (%)", kind),
        Column("share_b", "Share (%)", kind),
        Column("difference", "Difference (points)", "change" if kind == "percent" else kind),
    )


def _equal_shares(table: np.ndarray) -> str:
    """The p-value of a χ² test that both rows have the same shares, in words; approximate where counts are small."""
    if table.shape[1] < 2:
        return "Equal shares: both have one value."
    found: Any = stats.chi2_contingency(table)
    said = "p < 0.001" if found.pvalue < 0.001 else f"p = {found.pvalue:.3f}"
    small = int((found.expected_freq < _SMALL_COUNT).any(axis=0).sum())
    few = f", approximate: for {small:,} of {table.shape[1]:,} values fewer than {_SMALL_COUNT} images are expected"
    return f"Equal shares: {said} (χ² test{few if small else ''})."


def files_table(names: tuple[str, str], facts: tuple["FileFacts", "FileFacts"]) -> pd.DataFrame:
    """Medians and ranges of width and height, formats, and the median JPEG quality, a column per dataset.

    Of JPEG files it also says how many have the standard's quantisation tables, for which the quality is no estimate.
    """
    rows = {"images": [f"{len(one.width):,}" for one in facts]}
    for what in ("width", "height"):
        values = [getattr(one, what) for one in facts]
        rows[f"{what} (median, range)"] = [f"{np.median(one):.0f}, {one.min()} to {one.max()}" for one in values]
    rows["formats"] = [", ".join(f"{name} {count:,}" for name, count in sorted(one.formats.items())) for one in facts]
    if any(len(one.quality) for one in facts):
        rows["JPEG quality (median, range)"] = [
            f"{np.median(one.quality):.0f}, {one.quality.min()} to {one.quality.max()}" if len(one.quality) else "–"
            for one in facts
        ]
        rows["standard JPEG tables"] = [
            f"{one.standard:,} of {len(one.quality):,}" if len(one.quality) else "–" for one in facts
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(names) if names[0] != names[1] else ["A", "B"])
