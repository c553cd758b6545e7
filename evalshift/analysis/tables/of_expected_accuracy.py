"""Expected accuracies: accuracies found beside the published ones."""

import pandas as pd

from evalshift.analysis.checks.expected_accuracy import as_printed
from evalshift.analysis.tables.table import Column, StatisticTable, make_table
from evalshift.formatting import signed_count
from evalshift.titles import Titles


def verdicts_table(found: pd.DataFrame, titles: Titles | None = None) -> StatisticTable:
    """A row for each published accuracy, farthest off first; `found` as `expected_accuracy_table` has it."""
    return make_table(
        "expected_accuracy",
        "Measured and published accuracies",
        found,
        [
            Column("model", "Model", "model"),
            Column("dataset", "Test set", "dataset"),
            Column("published", "Published (%)", "written"),
            Column("accuracy", "Measured (%)", "hundredths"),
            Column("images", "Images off", "written"),
            Column("p_holm", "p (Holm)", "p"),
            Column("verdict", "Verdict", "text"),
            Column("likely_cause", "Likely cause", "prose"),
            Column("selected_on", "Checkpoint selected on", "text"),
        ],
        "Images off: difference of the correct images from the counts that round to the published accuracy. p-values "
        "are exact, for other images of the same kind.",
        titles=titles,
        choose=lambda frame: frame.assign(
            published=frame["published"].map(as_printed), images=frame["images"].map(signed_count)
        ),
    )
