"""LaTeX files: a table with caption and label, a longtable beyond a page, shaded rows, chosen columns; all compiled."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from evalshift.analysis.report import report
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.tables.of_accuracies import COLUMN_NAMES, printed_table
from evalshift.analysis.tables.read import latex_file, readable_statistic, statistic_latex
from evalshift.errors import UsageError

COMPILER = next((name for name in ("pdflatex", "tectonic") if shutil.which(name)), None)


def made_of(make_outcomes, count: int, **choices):
    models = tuple(f"net_{number:03d} & <co>" for number in range(count))
    outcomes = make_outcomes(
        [900 - number for number in range(count)],
        [800 - number for number in range(count)],
        total=1000,
        models=models,
        attributes={model: {"family": "a_b", "year": 2015} for model in models},
    )
    return summarize_outcomes({"top1": outcomes}, resamples=0, **choices).metrics["top1"]


def compiled(body: str, folder: Path) -> str:
    """What the compiler says of a document with these tables."""
    document = (
        "\\documentclass{article}\\usepackage{booktabs,longtable,colortbl}\\begin{document}\n"
        f"See Table~\\ref{{tab:first}}.\n{body}\\end{{document}}\n"
    )
    (folder / "tables.tex").write_text(document, "utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if COMPILER == "pdflatex" else []
    said = ""
    for _ in range(2):  # references and the widths of a longtable take two
        done = subprocess.run(
            [str(COMPILER), *options, "tables.tex"], cwd=folder, capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        said = done.stdout
    return said


def test_a_short_table_floats_with_caption_and_label(make_outcomes):
    table = printed_table(made_of(make_outcomes, 2).accuracies)
    lines = latex_file(table, "old_vs_new_top1").splitlines()
    assert lines[:5] == [
        "% \\usepackage{booktabs}",
        "\\begin{table}[htbp]",
        "\\centering",
        "\\caption{Top-1 accuracy. 95 \\% Clopper-Pearson intervals in brackets; drop in percentage points.}",
        "\\label{tab:old-vs-new-top1}",
    ]
    assert lines[5:-1] == statistic_latex(table).splitlines()[1:]
    # 900 and 800 of 1,000: the drop of 10.0 points has Newcombe's interval.
    assert " & 10.0 [6.9, 13.1] & " in lines[9]


def test_a_long_table_goes_over_several_pages(make_outcomes):
    lines = latex_file(printed_table(made_of(make_outcomes, 60).accuracies), "long").splitlines()
    assert lines[0] == "% \\usepackage{booktabs,longtable}"
    assert lines[1] == "\\begin{longtable}{@{}rlrrrrr@{}}"
    assert lines[-1] == "\\end{longtable}"
    assert [line for line in lines if line.startswith("\\end")] == [
        "\\endfirsthead",
        "\\endhead",
        "\\endfoot",
        "\\endlastfoot",
        "\\end{longtable}",
    ]
    assert sum("net\\_0" in line for line in lines) == 60


def test_columns_are_chosen_in_their_order(make_outcomes):
    table = made_of(make_outcomes, 2).accuracies
    chosen = readable_statistic(printed_table(table, ["model", "drop", "family", "year"]))
    assert list(chosen) == ["Model", "Drop", "Family", "Year"]
    assert chosen.iloc[0].tolist() == ["net_000 & <co>", "10.0 [6.9, 13.1]", "a_b", "2015"]
    assert list(readable_statistic(printed_table(table, COLUMN_NAMES)))[4] == "Original top-1 (%)"
    with pytest.raises(UsageError, match='did you mean "drop"'):
        printed_table(table, ["dropp"])


def test_a_report_writes_them(make_outcomes, tmp_path):
    found = report(published="recht2019", pairs="cifar10:cifar10.1-v6", highlight="nas", resamples=0)
    found.save(tmp_path, "tex,md,csv", columns=["model", "new"])
    text = (tmp_path / "tables/cifar10_vs_cifar10.1-v6_top1.tex").read_text()
    assert "\\label{tab:cifar10-vs-cifar10.1-v6-top1}" in text
    assert "\nModel & New top-1 (\\%) \\\\\n" in text
    assert text.count("\\rowcolor") == 1
    assert "| Model | New top-1 (%) |" in (tmp_path / "tables/cifar10_vs_cifar10.1-v6_top1.md").read_text()
    assert (tmp_path / "tables/cifar10_vs_cifar10.1-v6_top1.csv").read_text().startswith("model,title,family")


@pytest.mark.skipif(COMPILER is None, reason="neither pdflatex nor tectonic is installed")
def test_all_are_set_without_a_complaint(make_outcomes, tmp_path):
    short = made_of(make_outcomes, 3, highlight="net_001*")
    tables = [table for table in short.tables.values() if table.columns]
    long = printed_table(made_of(make_outcomes, 120, highlight="net_0[01]*").accuracies)
    body = [latex_file(printed_table(short.accuracies), "first"), latex_file(long, "long"), *map(latex_file, tables)]
    text = compiled("\n".join(body), tmp_path)
    assert "undefined" not in text
    assert (tmp_path / "tables.pdf").stat().st_size > 0
    assert latex_file(replace(long, highlighted=frozenset())).count("\\rowcolor") == 0
