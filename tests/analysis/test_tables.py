"""Tables as whole texts on three models, read back, and set by LaTeX where it is installed."""

import io
import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from evalshift.analysis.summary import MetricSummary, summarize_outcomes
from evalshift.analysis.tables import escape_latex, escape_markdown, percent, readable, to_csv, to_latex, to_markdown

AWKWARD = r"""a_b|c & 100% of $x^{2}$ #1 ~ <i>"q"</i> \n `*[ --"""


def summary_of(outcomes) -> MetricSummary:
    return summarize_outcomes({"top1": outcomes}, resamples=50).metrics["top1"]


def test_markdown_whole(tiny):
    # Clopper-Pearson for 5 to 9 of 10, as every table of exact binomial limits has them; drops of 3, 1 and 3 of 10.
    assert to_markdown(summary_of(tiny)) == (
        "| Rank | Model | Original top-1 (%) | New top-1 (%) | Drop | New rank | Δ rank |\n"
        "| ---: | :--- | ---: | ---: | ---: | ---: | ---: |\n"
        "| 1 | a | 90.0 [55.5, 99.7] | 60.0 [26.2, 87.8] | 30.0 | 2 | −1 |\n"
        "| 2 | b | 80.0 [44.4, 97.5] | 70.0 [34.8, 93.3] | 10.0 | 1 | 1 |\n"
        "| 2 | c | 80.0 [44.4, 97.5] | 50.0 [18.7, 81.3] | 30.0 | 3 | −1 |\n"
    )


def test_latex_whole(tiny):
    assert to_latex(summary_of(tiny)) == (
        "% 95 % Clopper-Pearson intervals in brackets; drop in percentage points.\n"
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
    read = pd.read_csv(io.StringIO(to_csv(summary)), dtype=kinds)

    pd.testing.assert_frame_equal(read, summary.table, check_exact=True, check_dtype=False)
    assert to_csv(summary).splitlines()[0] == ",".join(summary.table.columns)
    assert "\r" not in to_csv(summary)


def test_an_accuracy_gain_has_a_true_minus(make_outcomes):
    summary = summary_of(make_outcomes([6, 5], [7, 5]))

    assert readable(summary)["Drop"].tolist() == ["−10.0", "0.0"]
    assert " $-$10.0 " in to_latex(summary)


def test_the_paper_prints_these_rows(published):
    # Table 11 of Recht et al. 2019, its first row, and a row of ranks that do not tie.
    summary = summarize_outcomes(published("imagenet", "imagenetv2-matched-frequency"), resamples=0).metrics["top1"]
    lines = to_markdown(summary).splitlines()

    assert "| 4 | nasnetalarge | 82.5 [82.2, 82.8] | 72.2 [71.3, 73.1] | 10.3 | 1 | 3 |" in lines
    assert "| 43 | vgg19_bn | 74.2 [73.8, 74.6] | 61.9 [60.9, 62.8] | 12.3 | 44 | −1 |" in lines
    assert "| 64 | alexnet | 56.5 [56.1, 57.0] | 44.0 [43.0, 45.0] | 12.5 | 64 | 0 |" in lines


@pytest.mark.parametrize(
    "name,escaped",
    [
        ("resnet_v2_50", "resnet_v2_50"),
        ("_private_", "\\_private\\_"),
        ("a|b", "a\\|b"),
        ("<b>&amp;", "\\<b\\>\\&amp;"),
        ("$x$ `y` *z* [w]", "\\$x\\$ \\`y\\` \\*z\\* \\[w\\]"),
        ("two\nlines", "two lines"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_markdown_escapes(name, escaped):
    assert escape_markdown(name) == escaped


def test_a_markdown_row_keeps_its_number_of_cells(make_outcomes):
    summary = summary_of(make_outcomes([7], [5], models=("a|b||c",)))

    row = to_markdown(summary).splitlines()[2]

    assert row.replace("\\|", "").count("|") == 8


@pytest.mark.parametrize(
    "name,escaped",
    [
        ("resnet_v2_50", "resnet\\_v2\\_50"),
        ("50% & #1 $", "50\\% \\& \\#1 \\$"),
        ("{x}^2~\\n", "\\{x\\}\\textasciicircum{}2\\textasciitilde{}\\textbackslash{}n"),
        ("<a|b>", "\\textless{}a\\textbar{}b\\textgreater{}"),
        ("a--b---c", "a-{}-b-{}--c"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_escapes(name, escaped):
    assert escape_latex(name) == escaped


def test_percentages_have_one_decimal_and_no_negative_zero():
    assert [percent(value) for value in (0.0, 1.0, 0.12345, -0.0213, -0.0004)] == [
        "0.0",
        "100.0",
        "12.3",
        "−2.1",
        "0.0",
    ]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_sets_the_table_with_booktabs_alone(tiny, tmp_path):
    table = to_latex(summary_of(replace(tiny, models=("resnet_20", AWKWARD, "{}"))))
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
