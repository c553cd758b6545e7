"""Tables of statistics as people read them: whole texts, what is undefined, what is too long."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, summarize_outcomes
from evalshift.analysis.summary.summary_json import to_json
from evalshift.analysis.tables import TABLES, Column, StatisticTable
from evalshift.analysis.tables.of_accuracies import has_real_changes
from evalshift.analysis.tables.read import readable_statistic, statistic_latex, statistic_markdown
from evalshift.analysis.tables.table import make_table

PAGE = (Path(__file__).parents[3] / "docs/statistics/tables.md").read_text("utf-8")


def test_a_number_and_its_interval_have_as_many_digits_each() -> None:
    values = {"kappa": [0.5, 1.0, 3.0, 250.4], "low": [0.5, 0.75, 2.0, 90.0], "high": [1.0, 1.0, 4.0, 300.0]}
    table = make_table("kappas", "Kappas", values, [Column("kappa", "κ", "number", ("low", "high"))], "", empty="")
    cells = ["0.500 [0.500, 1.000]", "1.000 [0.750, 1.000]", "3 [2, 4]", "250 [90, 300]"]
    assert readable_statistic(table)["κ"].tolist() == cells


@pytest.fixture
def table() -> StatisticTable:
    """Every kind of column, an undefined number, and a reason."""
    return make_table(
        "kinds",
        "All kinds",
        {
            "model": ["a_b", "c|d"],
            "images": [12_345, 7],
            "share": [0.12345, np.nan],
            "share_low": [0.1, np.nan],
            "share_high": [0.2, np.nan],
            "gap": [-0.0123, 0.5],
            "fine": [0.00456, -0.1],
            "slope": [1.0, -0.1234],
            "p": [0.0001, 0.25],
            "real": [True, False],
            "unit": ["count", "percent"],
            "mixed": [1200.0, 0.5],
            "change": [0.0123, -0.5],
            "as_said": ["1*", "+2"],
            "missing": ["", "it was not tried"],
        },
        [
            Column("model", "Model", "text"),
            Column("images", "Images", "count"),
            Column("share", "Share (%)", "percent", ("share_low", "share_high")),
            Column("share", "Bounds", "bounds", ("share_low", "share_high")),
            Column("gap", "Gap", "points"),
            Column("fine", "Fine", "hundredths"),
            Column("slope", "κ", "number"),
            Column("p", "p", "p"),
            Column("real", "Real", "flag"),
            Column("mixed", "Mixed", "unit"),
            Column("change", "Change", "change"),
            Column("as_said", "As said", "written"),
            Column("missing", "Not computed because", "prose"),
        ],
        "Two rows.",
        empty="A share is empty where it was not tried.",
    )


@pytest.fixture
def three(letters) -> MetricSummary:
    stored = load_pair(letters.results, "old:new")
    top1 = {"top1": stored.outcomes["top1"]}
    return summarize_outcomes(top1, predictions=stored.predictions, resamples=20).metrics["top1"]


def test_markdown_whole(table):
    assert statistic_markdown(table) == (
        "**All kinds**\n"
        "\n"
        "| Model | Images | Share (%) | Bounds | Gap | Fine | κ | p | Real | Mixed | Change | As said "
        "| Not computed because |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :--- |\n"
        "| a_b | 12,345 | 12.3 [10.0, 20.0] | [10.0, 20.0] | −1.2 | 0.46 | 1 | < 0.001 | yes | 1,200 | +1.2 | 1* |  |\n"
        "| c\\|d | 7 | – | – | 50.0 | −10.00 | −0.123 | 0.250 |  | 50.0 | −50.0 | +2 | it was not tried |\n"
        "\n"
        "Two rows. A share is empty where it was not tried.\n"
    )


def test_latex_whole(table):
    assert statistic_latex(replace(table, read=table.read.head(1))) == (
        "% All kinds. Two rows. A share is empty where it was not tried.\n"
        "\\begin{tabular}{@{}lrrrrrrrrrrr@{}}\n"
        "\\toprule\n"
        "Model & Images & Share (\\%) & Bounds & Gap & Fine & $\\kappa$ & p & Real & Mixed & Change & As said \\\\\n"
        "\\midrule\n"
        "a\\_b & 12,345 & 12.3 [10.0, 20.0] & [10.0, 20.0] & $-$1.2 & 0.46 & 1 & \\textless{} 0.001 & yes & 1,200 "
        "& +1.2 & 1* \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


@pytest.mark.parametrize("slope, text", [(1.0, "1"), (1 - 1e-12, "1"), (1 + 1e-12, "1"), (1 - 1e-6, "1.000")])
def test_a_whole_number_is_one_whatever_its_last_digits(table, slope, text):
    text_of = readable_statistic(replace(table, read=table.read.assign(slope=slope)))
    assert text_of["κ"].tolist() == [text, text]


def test_a_name_in_brackets_is_no_argument_of_latex(table):
    awkward = replace(table, read=table.read.assign(model=["[1em]", "*"]))
    rows = statistic_latex(awkward).splitlines()[5:7]
    assert [row.split(" & ")[0] for row in rows] == ["{}[1em]", "{}*"]


def test_rows_of_highlighted_models_are_shaded_in_latex(table):
    marked = replace(table, highlighted=frozenset({"a_b"}))
    lines = statistic_latex(marked).splitlines()
    assert "% Needs \\usepackage{booktabs,colortbl}." in lines
    assert [line.split(" & ")[0] for line in lines if line.startswith("\\rowcolor")] == ["\\rowcolor[gray]{0.9} a\\_b"]


def test_reasons_that_no_row_has_take_no_column(table):
    assert "Not computed because" in readable_statistic(table).columns
    assert "Not computed because" not in readable_statistic(replace(table, read=table.read.head(1))).columns


def test_all_tables_can_be_read_and_set(three):
    assert {"lines", "sets", "ranks", "classes", "hard_images"} <= three.tables.keys()
    for table in three.tables.values():
        text = readable_statistic(table)
        assert text.shape == (len(table.read), len(table.shown))
        assert not re.search(r"\bnan\b", text.to_csv(), re.IGNORECASE)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_sets_the_tables_with_booktabs_alone(three, tmp_path):
    body = "\n\n".join(statistic_latex(table) for table in three.tables.values() if table.columns)
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "tables.tex").write_text(document, "utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_table_and_column_stands_in_the_page_on_tables(three):
    described = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    of_several_sets = {"shifts", "mean_over_sets", "corruptions", "corruption_errors", "several_originals"}
    assert set(described) == {*TABLES, *of_several_sets}
    for name, table in three.tables.items():
        words = set(re.findall(r"`([a-z_0-9.]+)`", described[name]))
        sides = {column.replace("original_", "side_").replace("new_", "side_") for column in table.frame.columns}
        bare = {re.sub(r"_(low|high)$", "", column) for column in sides}
        assert [column for column in sorted(bare) if column not in words] == [], name


def test_a_long_table_stands_in_json_by_its_length_alone(three):
    long = replace(three.tables["pairs"], frame=pd.concat([three.tables["pairs"].frame] * 100))
    metric = replace(three, tables={**three.tables, "pairs": long})
    pair = PairSummary("old", "new", {"top1": metric})

    written = json.loads(to_json(Summary((pair,), "linear", "top1", 0.95, 20, 0, "now", "1")))["pairs"][0]

    statistics = written["metrics"]["top1"]["statistics"]
    assert statistics["pairs"]["rows_in_csv"] == 300
    assert "rows" not in statistics["pairs"]
    assert [row["model"] for row in statistics["ranks"]["rows"]] == ["good", "fair", "poor"]
    assert written["metrics"]["top1"]["missing"] == three.missing


def test_a_star_marks_a_significant_change_of_rank(make_outcomes):
    from evalshift.analysis.outcomes import ImagePredictions

    def stored_predictions(name: str, right: list[int]) -> ImagePredictions:
        top = (np.arange(300) >= np.array(right)[:, np.newaxis]).astype(np.int8)[:, :, np.newaxis]
        ids = tuple(map(str, range(300)))
        return ImagePredictions(name, ("a", "b"), top, np.zeros(300, dtype=np.int64), ids, ("x", "y"))

    both = stored_predictions("old", [280, 250]), stored_predictions("new", [150, 200])
    outcomes = make_outcomes([280, 250], [150, 200], total=300)
    metric = summarize_outcomes({"top1": outcomes}, predictions=both, resamples=0).metrics["top1"]

    assert metric.table["delta_rank_real"].tolist() == [True, True]
    assert readable_statistic(metric.accuracies)["Δ rank"].tolist() == ["−1*", "1*"]
    assert has_real_changes(metric.table)
    assert statistic_latex(metric.accuracies).startswith(
        "% Top-1 accuracy. 95 % Clopper-Pearson intervals in brackets; drop in percentage points. "
        "* statistically significant.\n"
    )
    assert metric.headline()[-1] == (
        "0 of 2 models keep their rank; the largest change is 1 place down (a); 2 rank changes are "
        "statistically significant."
    )
