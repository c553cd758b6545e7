"""The overview of several pairs: its matrices by hand, on the page, and in a browser."""

import numpy as np
import pytest
from browser import needs_chromium
from pages import Page, summary_of

from evalshift.analysis.atlas.pair_lines import pair_lines
from evalshift.analysis.page import overview
from evalshift.analysis.page.overview import matrices
from evalshift.analysis.page.render import render_page
from evalshift.analysis.summary import Summary, summarize_outcomes
from evalshift.analysis.summary.against import hold_against

NAMES = ("a", "b", "c", "d & e", "f", "g")


@pytest.fixture(scope="module")
def three_pairs(make_outcomes) -> Summary:
    """Two new sets of one original set, and one of another, which has three of the models."""
    old = [500, 600, 700, 680, 800, 650]
    pairs = [
        summarize_outcomes(
            {"top1": make_outcomes(old[:count], new, total=1000, original=original, new=name, models=NAMES[:count])},
            resamples=0,
        )
        for original, name, count, new in (
            ("old", "easy <b>", 6, [400, 500, 600, 620, 700, 550]),
            ("old", "hard", 6, [450, 400, 500, 500, 600, 430]),
            ("other", "third", 3, [300, 400, 500]),
        )
    ]
    return summary_of(*pairs)


def test_one_matrix_per_original_set_by_hand(three_pairs):
    first, second = matrices(three_pairs)
    assert [(title, pair) for title, pair in first.heads] == [("easy <b>", 1), ("hard", 2)]
    # 65, 56, 55, 49, 45 and 42.5 % on average.
    assert [row.model for row in first.rows] == ["f", "d & e", "c", "g", "b", "a"]
    above = first.rows[1]
    assert above.mean_accuracy == pytest.approx(0.56)
    cell = above.cells[0]
    assert cell is not None
    assert (cell.accuracy, cell.drop, cell.distance) == pytest.approx((0.62, 0.06, 0.04))
    assert cell.heat == round(100 * min(1, 0.04 / first.reach))
    assert cell.words.startswith("62.0 %, drop 6.0, effective robustness +4.0")
    assert first.means
    assert not second.means
    assert [row.mean_accuracy for row in second.rows] == [None] * 3
    assert all(-100 <= cell.heat <= 100 for row in first.rows for cell in row.cells if cell is not None)


def test_one_pair_has_no_matrix(make_outcomes):
    assert matrices(summary_of(summarize_outcomes({"top1": make_outcomes([9, 8], [8, 5])}, resamples=0))) == []


def test_a_set_that_a_model_lacks_is_an_empty_cell(make_outcomes):
    pairs = [
        summarize_outcomes({"top1": make_outcomes(old, new, new=name, models=models)}, resamples=0)
        for name, models, old, new in (("one", ("a", "b"), [9, 8], [8, 5]), ("two", ("b",), [8], [4]))
    ]
    (found,) = matrices(summary_of(*pairs))
    assert [(row.model, row.cells[1] is None) for row in found.rows] == [("b", False), ("a", True)]


def test_very_many_models_are_left_to_the_table(three_pairs, monkeypatch):
    monkeypatch.setattr(overview, "MOST_ROWS", 2)
    first, _ = matrices(three_pairs)
    assert (len(first.rows), first.hidden) == (2, 4)


def test_it_stands_above_small_multiples_with_axis_titles(three_pairs):
    page = Page(three_pairs)
    assert page.html.index('id="matrix-1"') < page.html.index('id="all-chart-small-1"')
    assert page.html.index('id="matrix-2"') > page.html.index('id="all-chart-small-2"')
    layout = page.data("all-chart-small-1-plan")["views"]["linear"]["layout"]
    assert layout["xaxis"]["title"]["text"] == "Original accuracy (%)"
    assert layout["yaxis"]["title"]["text"] == "New accuracy (%)"
    assert "d &amp; e" in page.html
    assert "easy &lt;b&gt;" in page.html


@needs_chromium
def test_cells_show_and_sort_by_what_is_chosen_and_all_pairs_are_printed(three_pairs, opened, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(render_page(three_pairs), "utf-8")
    page = opened(file)
    names = "#matrix-1 tbody th"
    assert page.texts(names) == ["f", "d & e", "c", "g", "b", "a"]
    page.page.click("#matrix-1 thead >> text=hard")
    assert page.texts(names) == ["f", "d & e", "c", "a", "g", "b"]
    page.page.click("[data-matrix=matrix-1] >> text=Effective robustness")
    page.page.click("#matrix-1 thead >> text=hard")
    page.page.click("#matrix-1 thead >> text=hard")
    robust = page.run(
        "[...document.querySelectorAll('#matrix-1 tbody tr')].map((row) => +row.cells[3].dataset.robustness)"
    )
    assert robust == sorted(robust, reverse=True)
    assert not page.page.locator("#matrix-1 .accuracy").first.is_visible()
    page.page.emulate_media(media="print")
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("[...document.querySelectorAll('[role=tabpanel]')].every((part) => !part.hidden)")
    assert page.run("document.querySelectorAll('#pair-3 .chart[data-drawn]').length") > 0
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("[...document.querySelectorAll('[role=tabpanel]')].filter((part) => !part.hidden).length") == 1
    assert page.complaints == []
    narrow = opened(file, width=400)
    narrow.see("#all-chart-small-3")
    assert narrow.run("document.documentElement.scrollWidth") == 400


def test_models_stand_among_those_of_a_published_testbed_nearest_in_accuracy(make_outcomes):
    pairs = [
        summarize_outcomes(
            {
                "top1": make_outcomes(
                    [40_000, 30_000],
                    new_correct,
                    models=("mine", "weak"),
                    original="imagenet",
                    new=new,
                    original_total=50_000,
                    new_total=images,
                )
            },
            resamples=0,
        )
        for new, images, new_correct in (
            ("imagenetv2-matched-frequency", 10_000, [7000, 4700]),
            ("imagenet-sketch", 50_889, [20_000, 5000]),
        )
    ]
    held = hold_against(summary_of(*pairs, resamples=50, scale="probit"), "timm")
    (matrix,) = matrices(held)
    assert [row.model for row in matrix.rows[:2]] == ["mine", "weak"]
    assert len(matrix.rows) == overview.MOST_ROWS
    assert matrix.line == "the line of timm, whose models nearest in original accuracy follow"
    against = held.pairs[1].metrics["top1"].against
    assert against is not None
    mine, sketch = matrix.rows[0].cells[1], against.table.set_index("model")
    assert mine is not None
    assert mine.distance == pytest.approx(sketch.loc["mine", "distance"])
    lines = pair_lines("timm", "imagenet:imagenet-sketch")
    farthest = max(min(abs(row.original - 0.8), abs(row.original - 0.6)) for row in matrix.rows[2:])
    for row in matrix.rows[2:]:
        cell, place = row.cells[1], lines.outcomes.models.index(row.model.removeprefix("timm:"))
        assert cell is not None
        assert cell.accuracy == pytest.approx(lines.outcomes.new_correct[place] / 50_889)
        assert cell.distance == pytest.approx(lines.distance[place])
    accuracies = lines.outcomes.original_correct / 50_000
    nearer = (np.minimum(abs(accuracies - 0.8), abs(accuracies - 0.6)) < farthest).sum()
    assert nearer <= len(matrix.rows) - 2
