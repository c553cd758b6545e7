"""Titles in all that a report shows; names in all that is joined, filed and typed."""

import html
import io
import json
import re
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from evalshift.analysis.page.render import render_page
from evalshift.analysis.report import Report, report
from evalshift.analysis.summary.summarize import accuracy_table
from evalshift.analysis.summary.summary_json import to_json
from evalshift.analysis.tables.of_accuracies import accuracies_table
from evalshift.analysis.tables.read import readable_statistic, statistic_csv, statistic_latex, statistic_markdown
from evalshift.cli import app
from evalshift.titles import Titles, distinct, joined, titles_of
from tests.analysis.conftest import Store, with_letters
from tests.pages import Page

OLD, NEW, GOOD, FAMILY = "Old <b>&</b> 100%_set", "New $5_$6 ~^#", "Good <i>_{net}_</i> & 50%", "Nets <&> co_"


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The letters with titles that HTML, Markdown, LaTeX, matplotlib and plotly would each read as markup."""
    store = with_letters(Store(tmp_path_factory.mktemp("titled") / "results"))
    store.dataset("old", [0, 1, 2, 3], title=OLD)
    store.dataset("new", [0, 1, 5], title=NEW)
    for dataset, images in (("old", 4), ("new", 3)):
        for model, title in (("good", GOOD), ("fair", "Twin"), ("poor", "Twin")):
            top = store.results.load_predictions(dataset, model).top.tolist()
            assert len(top) == images
            entry = {"source": "x", "family": "nets", "family_title": FAMILY, "title": title}
            store.predictions(dataset, model, top, entry=entry)
    return store


@pytest.fixture(scope="module")
def found(titled: Store) -> Report:
    return report(titled.results, resamples=50)


def test_sentences_and_tables_show_titles(found):
    metric = found.summary.pairs[0].metrics["top1"]
    assert found.summary.pairs[0].title == f"{OLD} → {NEW}"
    assert f"more on {OLD} goes with" in metric.headline()[1]
    assert "(Twin (poor), 95 % CI" in metric.headline()[0]
    assert metric.table["title"].tolist() == [GOOD, "Twin (fair)", "Twin (poor)"]


def test_markup_languages_show_titles_as_they_are(found):
    table = found.summary.pairs[0].metrics["top1"].accuracies
    latex, markdown = statistic_latex(table), statistic_markdown(table)
    assert r"Good \textless{}i\textgreater{}\_\{net\}\_\textless{}/i\textgreater{} \& 50\% &" in latex
    assert r"| Good \<i\>\_{net}\_\</i\> \& 50% |" in markdown


def test_the_page_shows_titles_as_they_are(found):
    page = Page(found.summary)
    shown = "".join(text for _, text in page.texts)
    for title in (OLD, NEW, GOOD, FAMILY):
        assert title in shown.replace("\n", " ") or html.escape(title) in page.html.replace("<wbr>", "")
    assert not [tag for tag, _ in page.tags if tag == "i"]
    (panel,) = [page.data(f"p1-{metric}-panel") for metric in ("top1",)]
    assert panel["columns"]["title"] == [GOOD, "Twin (fair)", "Twin (poor)"]
    assert panel["columns"]["model"][0] == "good"
    assert FAMILY in panel["kin"]["titles"]


def test_files_for_machines_are_joined_by_names(found):
    metric = found.summary.pairs[0].metrics["top1"]
    accuracies = pd.read_csv(io.StringIO(statistic_csv(metric.accuracies)))
    assert accuracies["model"].tolist() == ["good", "fair", "poor"]
    assert accuracies["title"].tolist() == [GOOD, "Twin (fair)", "Twin (poor)"]
    for name in ("decomposition", "ranks"):
        assert set(pd.read_csv(io.StringIO(statistic_csv(metric.tables[name])))["model"]) == {"good", "fair", "poor"}
    pair = json.loads(to_json(found.summary))["pairs"][0]
    assert (pair["original"], pair["new"]) == ("old", "new")
    assert pair["titles"]["datasets"] == {"old": OLD, "new": NEW}
    assert pair["titles"]["models"] == {"good": GOOD, "fair": "Twin (fair)", "poor": "Twin (poor)"}
    assert pair["titles"]["families"] == {"nets": FAMILY}


def test_the_terminal_shows_titles_beside_the_names_of_the_pair(titled, tmp_path):
    arguments = [
        "report",
        "--results",
        str(titled.results.path),
        "--out",
        str(tmp_path),
        "--format",
        "csv",
        "--bootstrap",
        "50",
    ]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"{OLD} → {NEW}  (old:new)\n")
    assert GOOD in shown.stdout


def test_without_titles_names_are_shown(tiny):
    assert tiny.titles.pair("old", "new") == "old → new"
    assert tiny.titles.model("a") == "a"
    assert tiny.titles.family("resnet") == "resnet"


@pytest.mark.parametrize(
    "titles, shown",
    [
        ({"a": "Net", "b": "Net"}, {"a": "Net (a)", "b": "Net (b)"}),
        ({"a": "b", "b": "b"}, {"a": "b (a)", "b": "b"}),
        ({"a": "A", "b": "B"}, {"a": "A", "b": "B"}),
        ({}, {}),
    ],
)
def test_no_two_are_shown_alike(titles, shown):
    assert distinct(titles) == shown


def test_a_family_has_the_title_of_any_of_its_models():
    found = titles_of({"a": {"family": "f"}, "b": {"family": "f", "family_title": "Nets"}}, {})
    assert found.family("f") == "Nets"


def test_titles_of_several_pairs_are_distinct():
    both = joined([Titles(datasets={"a": "Set"}), Titles(datasets={"b": "Set", "c": "Other"})])
    assert both.datasets == {"a": "Set (a)", "b": "Set (b)", "c": "Other"}


def test_a_table_alone_shows_names(tiny):
    table = accuracy_table(tiny).assign(delta_rank_real=pd.array([pd.NA] * 3, dtype="boolean"))
    assert readable_statistic(accuracies_table(table, "top1", 0.95))["Model"].tolist() == ["a", "b", "c"]


def test_no_title_hides_letters_or_turns_their_order(tmp_path: Path) -> None:
    """Right-to-left titles stay as they are; overrides, isolates, controls and letters without width are replaced."""
    store = with_letters(Store(tmp_path / "results"))
    hebrew, persian = "\u05e9\u05dc\u05d5\u05dd\u200f 1", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    store.dataset("old", [0, 1, 2, 3], title=hebrew)
    store.dataset("new", [0, 1, 5], title="new\u202egnp\x1b[2J")
    for model, title in (("good", persian), ("fair", "fa\u2066i\u200br"), ("poor", "poor\U000e0041")):
        for dataset in ("old", "new"):
            top = store.results.load_predictions(dataset, model).top.tolist()
            store.predictions(dataset, model, top, entry={"source": "x", "family": "a\u2067b", "title": title})
    found = report(store.results, resamples=0)

    page = render_page(found.summary)
    assert not re.search("[\x1b\u200b\u2028-\u202e\u2060-\u2069\U000e0000-\U000e007f]", page)
    plotly = resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")
    assert plotly in page
    for title in (hebrew, persian, "new\ufffdgnp\ufffd[2J", "fa\ufffdi\ufffdr", "a\ufffdb"):
        assert title in page
    ax = found.draw("scatter").axes[0]
    assert "new\ufffdgnp\ufffd[2J" in ax.get_ylabel().replace("\n", "")
    assert hebrew in ax.get_xlabel()
