"""The main table as whole texts on three models, read back, and set by LaTeX where it is installed."""

import io
import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from evalshift.analysis.summary import MetricSummary, summarize_outcomes
from evalshift.analysis.tables.read import (
    readable_statistic,
    statistic_csv,
    statistic_latex,
    statistic_markdown,
)

AWKWARD = r"""a_b|c & 100% of $x^{2}$ #1 ~ <i>"q"</i> \n `*[ --"""


def summary_of(outcomes) -> MetricSummary:
    return summarize_outcomes({"top1": outcomes}, resamples=50).metrics["top1"]


def test_markdown_whole(tiny):
    # Clopper-Pearson for 5 to 9 of 10, as every table of exact binomial limits has them; drops of 3, 1 and 3 of 10.
    assert statistic_markdown(summary_of(tiny).accuracies) == (
        "**Top-1 accuracy**\n"
        "\n"
        "| Rank | Model | Original top-1 (%) | New top-1 (%) | Drop | New rank | Δ rank |\n"
        "| ---: | :--- | ---: | ---: | ---: | ---: | ---: |\n"
        "| 1 | a | 90.0 [55.5, 99.7] | 60.0 [26.2, 87.8] | 30.0 | 2 | −1 |\n"
        "| 2 | b | 80.0 [44.4, 97.5] | 70.0 [34.8, 93.3] | 10.0 | 1 | 1 |\n"
        "| 2 | c | 80.0 [44.4, 97.5] | 50.0 [18.7, 81.3] | 30.0 | 3 | −1 |\n"
        "\n"
        "95 % Clopper-Pearson intervals in brackets; drop in percentage points.\n"
    )


def test_latex_whole(tiny):
    assert statistic_latex(summary_of(tiny).accuracies) == (
        "% Top-1 accuracy. 95 % Clopper-Pearson intervals in brackets; drop in percentage points.\n"
        "\\begin{tabular}{@{}rlrrrrr@{}}\n"
        "\\toprule\n"
        "Rank & Model & Original top-1 (\\%) & New top-1 (\\%) & Drop & New rank & $\\Delta$ rank \\\\\n"
        "\\midrule\n"
        "1 & a & 90.0 [55.5, 99.7] & 60.0 [26.2, 87.8] & 30.0 & 2 & $-$1 \\\\\n"
        "2 & b & 80.0 [44.4, 97.5] & 70.0 [34.8, 93.3] & 10.0 & 1 & 1 \\\\\n"
        "2 & c & 80.0 [44.4, 97.5] & 50.0 [18.7, 81.3] & 30.0 & 3 & $-$1 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_csv_reads_back_as_the_table_in_full_precision(make_outcomes):
    awkward = make_outcomes([7, 2, 1], [5, 1, 2], total=13, models=("plain", 'a,"b"\nc', AWKWARD))
    summary = summary_of(awkward)

    kinds = {"family": "string", "year": "Int64", "delta_rank_real": "boolean"}
    # Python's float is exact; pandas' own reading of floats was not before version 3.
    exact = dict.fromkeys(summary.table.select_dtypes("float").columns, lambda cell: float(cell or "nan"))
    read = pd.read_csv(io.StringIO(statistic_csv(summary.accuracies)), dtype=kinds, converters=exact)

    pd.testing.assert_frame_equal(read, summary.table, check_exact=True, check_dtype=False)
    assert statistic_csv(summary.accuracies).splitlines()[0] == ",".join(summary.table.columns)
    assert "\r" not in statistic_csv(summary.accuracies)


def test_an_accuracy_gain_has_a_true_minus(make_outcomes):
    summary = summary_of(make_outcomes([6, 5], [7, 5]))

    assert readable_statistic(summary.accuracies)["Drop"].tolist() == ["−10.0", "0.0"]
    assert " $-$10.0 " in statistic_latex(summary.accuracies)


def test_the_paper_prints_these_rows(published):
    # Table 11 of Recht et al. 2019, its first row, and a row of ranks that do not tie.
    summary = summarize_outcomes(published("imagenet", "imagenetv2-matched-frequency"), resamples=0).metrics["top1"]
    lines = statistic_markdown(summary.accuracies).splitlines()

    assert "| 4 | nasnetalarge | 82.5 [82.2, 82.8] | 72.2 [71.3, 73.1] | 10.3 | 1 | 3 |" in lines
    assert "| 43 | vgg19_bn | 74.2 [73.8, 74.6] | 61.9 [60.9, 62.8] | 12.3 | 44 | −1 |" in lines
    assert "| 64 | alexnet | 56.5 [56.1, 57.0] | 44.0 [43.0, 45.0] | 12.5 | 64 | 0 |" in lines


def test_a_markdown_row_keeps_its_number_of_cells(make_outcomes):
    summary = summary_of(make_outcomes([7], [5], models=("a|b||c",)))

    row = statistic_markdown(summary.accuracies).splitlines()[4]

    assert row.replace("\\|", "").count("|") == 8


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_sets_the_table_with_booktabs_alone(tiny, tmp_path):
    table = statistic_latex(summary_of(replace(tiny, models=("resnet_20", AWKWARD, "{}"))).accuracies)
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{table}\\end{{document}}\n"
    (tmp_path / "table.tex").write_text(document)

    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert (tmp_path / "table.pdf").stat().st_size > 0
