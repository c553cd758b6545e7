"""The table of models as columns, once per metric: the script makes rows, hover texts and text to copy from them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.page.chart import read_at
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.tables.markup import escape_markdown
from evalshift.analysis.tables.read import latex_text, statistic_csv, statistic_latex, statistic_markdown
from evalshift.analysis.tables.table import StatisticTable
from evalshift.publishing import inert_cell

# What the script computes from other columns, to the last digit.
_DERIVED = ("original_accuracy", "new_accuracy", "drop", "delta_rank")


def model_columns(metric: MetricSummary) -> dict[str, Any]:
    """The main table as columns in full precision, and what else is said of its models.

    columns   by name; a value that all rows share stands alone, null is undefined. Those that others imply are left
              out: accuracies, drops, changes of rank, and titles where they are the names
    families  of the rows, with names and titles; null without any
    distance  effective robustness, fractions; null where it is not computed
    copies    how rows are written to copy them
    """
    table = metric.table
    columns = {name: _compact(table[name]) for name in table.columns if name not in (*_DERIVED, "family")}
    if columns["title"] == columns["model"]:
        del columns["title"]
    return {
        "columns": columns,
        "kin": _families(metric),
        "distance": _distances(metric),
        "copies": copies(metric.accuracies),
    }


def copies(table: StatisticTable) -> dict[str, dict[str, Any]]:
    """What stands before and after the rows of the table as text to copy, and how rows are written.

    CSV has all columns of the table; `floats` are those with a point in each number, and `texts` has the cells that are
    not written as they are read, by column and row. Markdown and LaTeX have the models' titles as they write them.
    """
    titles = [table.titles.model(model) for model in table.frame["model"]]
    frame = table.frame
    return {
        "CSV": {
            "before": statistic_csv(replace(table, frame=frame.iloc[:0])),
            "after": "",
            "columns": list(frame.columns),
            "floats": [name for name in frame.columns if pd.api.types.is_float_dtype(frame[name].dtype)],
            "texts": {name: changed for name in frame.columns if (changed := _inert(frame[name]))},
        },
        "Markdown": {
            **_around(statistic_markdown(replace(table, read=table.read.iloc[:0])), r"\| ---.*\n"),
            "titles": _if_different(map(escape_markdown, titles), titles),
        },
        "LaTeX": {
            **_around(statistic_latex(_of_one_row(table)), r"\\midrule\n", r"\\bottomrule\n"),
            "titles": _if_different(map(latex_text, titles), titles),
        },
    }


def _of_one_row(table: StatisticTable) -> StatisticTable:
    """The table with one row, a highlighted one if there is one: LaTeX loads a package for it."""
    place = next((place for place, mine in enumerate(table.is_highlighted) if mine), 0)
    return replace(table, read=table.read.iloc[place : place + 1])


def _around(text: str, last: str, first: str = "") -> dict[str, str]:
    """The text to the end of `last`, and from the beginning of `first`, both patterns."""
    begin = re.search(last, text)
    assert begin is not None
    end = re.search(first, text[begin.end() :])
    assert end is not None
    return {"before": text[: begin.end()], "after": text[begin.end() :][end.start() :]}


def _compact(values: pd.Series) -> Any:
    """The values for JSON: one where all are the same, else a list; null where one is undefined."""
    plain = [None if undefined else value for value, undefined in zip(values.tolist(), values.isna(), strict=True)]
    return plain[0] if len(set(plain)) == 1 else plain


def _inert(values: pd.Series) -> dict[int, str]:
    """Cells that a CSV file has with an apostrophe before them, by row."""
    changed = ((row, value, inert_cell(value)) for row, value in enumerate(values) if isinstance(value, str))
    return {row: written for row, value, written in changed if written != value}


def _if_different(written: Iterable[str], texts: Sequence[str]) -> list[str] | None:
    found = list(written)
    return None if found == texts else found


def _families(metric: MetricSummary) -> dict[str, list] | None:
    """Name and title of each family, and its number for each row; −1 where there is none. None without families."""
    rows = [None if pd.isna(family) else str(family) for family in metric.table["family"]]
    names = list(dict.fromkeys(family for family in rows if family is not None))
    if not names:
        return None
    place = {name: number for number, name in enumerate(names)}
    return {
        "names": names,
        "titles": [metric.titles.family(name) for name in names],
        "rows": [-1 if family is None else place[family] for family in rows],
    }


def _distances(metric: MetricSummary) -> dict[str, list] | None:
    """Effective robustness of each row, fractions, as its table has it; None where it is not computed."""
    if "robustness" not in metric.tables:
        return None
    found = metric.tables["robustness"].frame.set_index("model").loc[metric.table["model"]]
    names = {"value": "distance", "low": "distance_low", "high": "distance_high", "p": "p_holm"}
    return {name: read_at(found[column], 3) for name, column in names.items()} | {
        "extrapolated": np.flatnonzero(found["extrapolated"]).tolist()
    }
