"""Which classes are shown, and with which numbers."""

import pytest

from evalshift.analysis.plot_data.classes import class_plot
from evalshift.analysis.summary import summarize_outcomes


def test_classes_without_images_are_not_shown(mixed):
    plot = class_plot(mixed, 9)

    assert plot is not None
    assert plot.names == ("odd", "even")
    assert (plot.classes, plot.left_out, plot.models) == (2, 0, 4)


def test_accuracies_are_means_over_models_in_percent(mixed):
    plot = class_plot(mixed, 9)

    assert plot is not None
    # Correct on the images 0, 2, 4, … of four models: 5, 4, 4, 2 before and 3, 4, 3, 3 after; of odd ones the rest.
    assert plot.original.accuracy == pytest.approx([100 * 13 / 20, 100 * 15 / 20])
    assert plot.new.accuracy == pytest.approx([100 * 10 / 20, 100 * 13 / 20])
    assert plot.original.total.tolist() == plot.new.total.tolist() == [5, 5]
    assert (plot.original.rank.tolist(), plot.new.rank.tolist()) == ([2, 1], [2, 1])
    assert plot.declining == 2


def test_counts_alone_show_no_classes(tiny):
    assert class_plot(summarize_outcomes({"top1": tiny}, resamples=0).metrics["top1"], 9) is None
