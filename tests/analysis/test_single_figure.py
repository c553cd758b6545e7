"""A single figure: the same as that of the whole report, with nothing else computed, to the user's measure."""

import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from marks import dots
from matplotlib.text import Text

from evalshift.analysis import figures
from evalshift.analysis.figures.style import styled
from evalshift.analysis.pair_statistics import compute
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.plot_data.scopes import FIGURE_NAMES
from evalshift.analysis.plot_data.sizes import COLUMN
from evalshift.analysis.report import report
from evalshift.errors import AnalysisError, UsageError

PAIR = "cifar10:cifar10.1-v6"


def one(name: str = "scatter", **choices):
    return report(published="recht2019", pairs=PAIR, only=name, **{"resamples": 200, **choices})


@pytest.mark.parametrize("name", ["scatter", "scales", "robustness", "decomposition", "ranks"])
def test_it_is_the_figure_of_the_whole_report(name):
    whole = report(published="recht2019", pairs=PAIR, resamples=200)
    assert figures.render(one(name).draw(name), "svg") == figures.render(whole.draw(name), "svg")


@pytest.mark.parametrize("name", ["ranks", "classes", "agreement", "reliability", "risk_coverage"])
def test_figures_of_images_are_those_of_the_whole_report(kept_letters, name):
    choices = {"pairs": "old:new", "resamples": 50}
    single = report(kept_letters.results, only=name, **choices).draw(name)
    assert figures.render(single, "svg") == figures.render(report(kept_letters.results, **choices).draw(name), "svg")


def test_every_figure_can_be_drawn_alone():
    assert set(FIGURE_NAMES) == {*figures.FIGURES, "grid"}
    with pytest.raises(UsageError, match="did you mean"):
        one("scater")


def test_nothing_else_is_computed():
    metrics = one().summary.pairs[0].metrics
    assert list(metrics) == ["top1"]
    (metric,) = metrics.values()
    assert list(metric.lines) == ["linear"]
    assert set(metric.tables) == {"robustness"}
    for part in ("year", "rank_changes", "drop_differences", "difficulty", "original"):
        assert getattr(metric.statistics, part) == compute.NOT_ASKED
    assert isinstance(metric.statistics.lines.york, Missing)


def test_text_is_of_the_size_asked_for_at_the_width_asked_for():
    figure = one().draw("scatter", width=2.5, font=8)
    assert figure.get_size_inches()[0] == pytest.approx(2.5)
    ax = figure.axes[0]
    assert (ax.xaxis.label.get_fontsize(), ax.yaxis.label.get_fontsize()) == (8, 8)


def test_a_title_stands_above_everything_else():
    for name in ("scatter", "scales", "ranks", "decomposition"):
        plain, titled = one(name).draw(name), one(name).draw(name, title="cost in $ and $")
        (title,) = [text for text in titled.texts if "cost" in text.get_text()]
        assert titled.get_size_inches()[1] > plain.get_size_inches()[1]
        titled.canvas.draw()
        bottom = title.get_window_extent().y0
        others = [text for text in titled.findobj(match=type(title)) if text is not title and text.get_text()]
        assert max(text.get_window_extent().y1 for text in others if text.get_visible()) <= bottom + 1, name


def test_pdf_embeds_its_fonts(tmp_path):
    figures.save(one().draw("scatter"), tmp_path / "fig.pdf")
    content = (tmp_path / "fig.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_labels_replace_titles_and_unknown_ones_are_refused():
    table = one(labels={"nas": "NASNet", "cifar10": "Test set"}).table
    assert table.set_index("model").loc["nas", "title"] == "NASNet"
    ax = one(labels={"cifar10": "The old set"}).draw("scatter").axes[0]
    assert "The old set" in ax.get_xlabel()
    with pytest.raises(UsageError) as caught:
        one(labels={"nass": "x"})
    assert caught.value.fix == 'did you mean "nas"?'


def test_limits_are_those_asked_for():
    ax = one().draw("scatter", xlim=(60, 100)).axes[0]
    assert ax.get_xlim() == ax.get_ylim() == (60, 100)
    both = one().draw("scatter", xlim=(80, 100), ylim=(60, 100)).axes[0]
    assert (both.get_xlim(), both.get_ylim()) == ((80, 100), (60, 100))
    with pytest.raises(UsageError, match="neither of them 0 or 100"):
        one(scale="probit").draw("scatter", xlim=(60, 100))
    with pytest.raises(UsageError, match="does not offer"):
        one("ranks").draw("ranks", xlim=(1, 2))


def test_a_style_and_a_font_of_the_users_own(tmp_path):
    style = tmp_path / "mine.mplstyle"
    style.write_text("axes.linewidth: 2.5\npdf.fonttype: 3\nfont.family: monospace\n")
    figure = one().draw("scatter", style=style, font="serif, 9")
    ax = figure.axes[0]
    assert ax.spines["left"].get_linewidth() == 2.5
    assert ax.xaxis.label.get_fontfamily() == ["serif"]
    assert b"/Type3" not in figures.render(figure, "pdf")
    with pytest.raises(UsageError, match="not installed"):
        one().draw("scatter", font="No Such Font")
    style.write_text("axes.linewidth: thick\n")
    with pytest.raises(UsageError, match="is invalid"):
        one().draw("scatter", style=style)


def test_names_are_never_a_program_for_latex(tmp_path, store):
    """With text.usetex, matplotlib hands every text to latex as it is, and \\input reads any file."""
    names = [rf"\input{{{letter}}} \write18{{touch it}} $\frac$" for letter in "abcdefgh"]
    for dataset in ("old", "new"):
        store.counts(
            dataset,
            100,
            {one: (60 + 4 * place + (dataset == "new" and place % 2), None) for place, one in enumerate(names)},
        )
    store.results.add_pairs(["old:new"])
    style = tmp_path / "mine.mplstyle"
    style.write_text("text.usetex: True\ntext.latex.preamble: \\input{more}\nsvg.image_inline: False\n")
    made = report(store.results, resamples=0)
    with mpl.rc_context({"text.usetex": True}):  # as a matplotlibrc may say
        for chosen in (None, style):
            figure = made.draw("robustness", style=chosen)
            texts = figure.findobj(Text)
            assert any(r"\input{" in text.get_text() for text in texts)
            assert not any(text.get_usetex() for text in texts)
            for format in figures.FORMATS:
                assert figures.render(figure, format)


def test_a_size_of_ones_own_cannot_switch_latex_on():
    size = replace(COLUMN, settings={"text.usetex": True, "axes.linewidth": 2.5})
    with styled(size):
        assert mpl.rcParams["text.usetex"] is False
        assert mpl.rcParams["axes.linewidth"] == 2.5


@pytest.fixture
def mine(store):
    """Counts of a model of one's own, and of a published one, on a published pair."""
    store.counts("cifar10", 10_000, {"my-net": (9_300, None), "nas": (9_531, None)})
    store.counts("cifar10.1-v6", 2_000, {"my-net": (1_800, None)})
    return store.results


def test_added_models_are_highlighted_and_left_out_of_the_line(mine):
    plain, added = one(), one(add=mine)
    assert len(added.table) == len(plain.table) + 1
    assert added.fit.slope == plain.fit.slope
    summary = added.summary.pairs[0].metrics["top1"]
    assert summary.outcomes.highlighted == {"my-net"}
    assert dots(added.draw("scatter").axes[0], "highlighted").tolist() == [[pytest.approx(93), pytest.approx(90)]]
    frame = summary.tables["robustness"].frame
    assert np.isfinite(frame["distance"][frame["model"] == "my-net"].to_numpy()).all()


def test_results_of_other_images_are_not_added(store):
    store.counts("cifar10", 100, {"my-net": (93, None)})
    store.counts("cifar10.1-v6", 2_000, {"my-net": (1_800, None)})
    with pytest.raises(AnalysisError, match="other images"):
        one(add=store.results)
    with pytest.raises(AnalysisError, match="none of the published pairs"):
        report(published="recht2019", add=store.results)
    with pytest.raises(UsageError, match=re.escape("`add` without `published`")):
        report(store.results, add=store.results)


def test_panels_of_several_pairs_take_no_effective_robustness():
    pairs = ["cifar10:cifar10.1-v4", "cifar10:cifar10.1-v6"]
    several = report(published="recht2019", pairs=pairs, only="scatter", resamples=200)
    assert several.draw("scatter").axes
    assert "robustness" not in several[pairs[0]].tables
    with pytest.raises(AnalysisError, match="panels of several pairs") as caught:
        several[pairs[0]].draw("scatter")
    assert str(caught.value.where) == pairs[0]
    assert "robustness" in report(published="recht2019", pairs=pairs[:1], only="scatter", resamples=200).tables
