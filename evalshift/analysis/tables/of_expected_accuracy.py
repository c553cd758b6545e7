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
        "Accuracies beside the published ones",
        found,
        [
            Column("model", "Model", "model"),
            Column("dataset", "Test set", "dataset"),
            Column("published", "Published (%)", "written"),
            Column("accuracy", "Found (%)", "hundredths"),
            Column("images", "Images off", "written"),
            Column("p_holm", "p (Holm)", "p"),
            Column("verdict", "Verdict", "text"),
            Column("likely_cause", "Likely cause", "prose"),
            Column("selected_on", "Checkpoint chosen on", "text"),
        ],
        "Images off: how many more or fewer are correct than round to the published accuracy. p-values are exact, of "
        "other images of the same kind.",
        titles=titles,
        choose=lambda frame: frame.assign(
            published=frame["published"].map(as_printed), images=frame["images"].map(signed_count)
        ),
    )
