"""The table of expected accuracies as text: escaped, with signs, and whole."""

import io
from collections.abc import Callable

import pandas as pd
import pytest

from evalshift.analysis.checks.expected_accuracy import expected_accuracy_table
from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.page import render_page
from evalshift.analysis.report import Report
from evalshift.analysis.summary import Summary, summarize_outcomes
from evalshift.analysis.tables.of_expected_accuracy import verdicts_table
from evalshift.analysis.tables.read import (
    readable_statistic,
    statistic_csv,
    statistic_latex,
    statistic_markdown,
)


@pytest.fixture
def pair(make_outcomes: Callable[..., Outcomes]) -> Outcomes:
    return make_outcomes(
        [917, 690],
        [800, 600],
        total=1000,
        models=("good_one", "a|b & c"),
        attributes={
            "good_one": {"expected": {"old": 0.917}, "selected_on": "test"},
            "a|b & c": {"expected": {"old": 0.812}},
        },
    )


CAUSE = (
    "channels in the order BGR, pixels scaled or normalised otherwise than in training, images squashed or of another "
    "size, or other weights"
)


def test_cells(pair: Outcomes) -> None:
    assert readable_statistic(verdicts_table(expected_accuracy_table(pair))).to_numpy().tolist() == [
        ["a|b & c", "old", "81.2", "69.00", "−122", "< 0.001", "fails", CAUSE, ""],
        ["good_one", "old", "91.7", "91.70", "0", "1.000", "as published", "", "test"],
    ]


def test_csv_holds_everything(pair: Outcomes) -> None:
    table = expected_accuracy_table(pair)
    read = pd.read_csv(io.StringIO(statistic_csv(verdicts_table(table))), converters={"p_value": float})
    assert list(read.columns) == list(table.columns)
    assert read["p_value"].tolist() == table["p_value"].tolist()


def test_markdown(pair: Outcomes) -> None:
    assert statistic_markdown(verdicts_table(expected_accuracy_table(pair))) == (
        "**Measured and published accuracies**\n"
        "\n"
        "| Model | Test set | Published (%) | Measured (%) | Images off | p (Holm) | Verdict | Likely cause "
        "| Checkpoint selected on |\n"
        "| :--- | :--- | ---: | ---: | ---: | ---: | :--- | :--- | :--- |\n"
        rf"| a\|b \& c | old | 81.2 | 69.00 | −122 | < 0.001 | fails | {CAUSE} |  |"
        "\n"
        "| good_one | old | 91.7 | 91.70 | 0 | 1.000 | as published |  | test |\n"
        "\n"
        "Images off: difference of the correct images from the counts that round to the published accuracy. p-values "
        "are exact, for other images of the same kind.\n"
    )


def test_latex(pair: Outcomes) -> None:
    assert statistic_latex(verdicts_table(expected_accuracy_table(pair))).splitlines() == [
        (
            "% Measured and published accuracies. Images off: difference of the correct images from the counts "
            "that round to the published accuracy. p-values are exact, for other images of the same kind."
        ),
        r"\begin{tabular}{@{}llrrrrlp{6cm}l@{}}",
        r"\toprule",
        (
            r"Model & Test set & Published (\%) & Measured (\%) & Images off & p (Holm) & Verdict & Likely cause & "
            r"Checkpoint selected on \\"
        ),
        r"\midrule",
        rf"a\textbar{{}}b \& c & old & 81.2 & 69.00 & $-$122 & \textless{{}} 0.001 & fails & {CAUSE} &  \\",
        r"good\_one & old & 91.7 & 91.70 & 0 & 1.000 & as published &  & test \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.fixture
def summary(pair: Outcomes) -> Summary:
    one = summarize_outcomes(
        {"top1": pair},
        resamples=0,
        provenance={"datasets": {}, "models": {}},
        expected_accuracy=expected_accuracy_table(pair),
    )
    return Summary((one,), "linear", "top1", 0.95, 0, 0, "2026-01-02T03:04:05+00:00", "0.1")


def test_files_of_a_report(summary: Summary, tmp_path) -> None:
    Report(summary).save(tmp_path, "csv,md,tex")
    assert {path.name for path in (tmp_path / "tables").iterdir()} >= {
        f"old_vs_new_expected_accuracy.{suffix}" for suffix in ("csv", "md", "tex")
    }


def test_the_page_shows_it(summary: Summary) -> None:
    page = render_page(summary)
    assert (
        "<p>Of 2 published accuracies 1 came out as published, 1 failed; 1 of them inflated, because "
        "the checkpoint was selected on the test set.</p>" in page
    )
    assert '<tr><th scope="row">good_<wbr>one</th><td>old</td><td>91.7</td><td>91.70</td><td>0</td>' in page


def test_without_published_accuracies_there_is_no_table(make_outcomes: Callable[..., Outcomes], tmp_path) -> None:
    pair = make_outcomes([9, 8], [7, 6])
    one = summarize_outcomes({"top1": pair}, resamples=0, expected_accuracy=expected_accuracy_table(pair))
    summary = Summary((one,), "linear", "top1", 0.95, 0, 0, "2026-01-02T03:04:05+00:00", "0.1")
    Report(summary).save(tmp_path, "csv")
    assert not list((tmp_path / "tables").glob("*expected_accuracy*"))
    assert "published accurac" not in render_page(summary)
