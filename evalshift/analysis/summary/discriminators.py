"""How well a discriminator tells two datasets apart, as a table; and those that were published."""

import csv
from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
import pandas as pd
from scipy import stats

from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table, with_bounds


def discriminator_table(
    correct: int, total: int, by_class: Mapping[int, tuple[int, int]], class_names: Sequence[str], level: float = 0.95
) -> StatisticTable:
    """The table "discriminator": accuracy on held-out images of all classes and of each, against 50 % by chance.

    by_class  class number → correct and total
    p-values are exact, two-sided; those per class are Holm-adjusted among each other.
    """
    per_class = [(class_names[label], *counts) for label, counts in sorted(by_class.items()) if counts[1]]
    rows = [("all", correct, total), *per_class]
    right, images = (np.array([row[place] for row in rows]) for place in (1, 2))
    p = np.array([stats.binomtest(int(k), int(n), 0.5).pvalue for k, n in zip(right, images, strict=True)])
    if len(p) > 1:
        p[1:] = adjust(p[1:])
    return make_table(
        "discriminator",
        "Accuracy of the discriminator",
        {
            "class": [row[0] for row in rows],
            "correct": right,
            "images": images,
            "accuracy": right / images,
            **with_bounds("accuracy", clopper_pearson(right, images, level), np.arange(len(rows))),
            "p": p,
        },
        (
            Column("class", "Class", "text"),
            Column("images", "Held-out images", "count"),
            bounded("accuracy", "Accuracy (%)"),
            Column("p", "p of 50 %", "p"),
        ),
        f"By chance 50 %. Intervals: {100 * level:.4g} % (Clopper–Pearson); p per class: Holm-adjusted.",
    )


def published_discriminators() -> pd.DataFrame:
    """Tables 5 and 10 of Recht et al. 2019: table, set, network, start, correct, images, and the printed bounds in %.

    Table 5 as we have it prints intervals alone; `correct` of 800 is what gives them.
    """
    text = resources.files("evalshift.testbed.published").joinpath("recht2019/discriminators.csv").read_text("utf-8")
    frame = pd.DataFrame(list(csv.DictReader(text.splitlines())))
    numbers = ["correct", "images", "low", "high"]
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})
