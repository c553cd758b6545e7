"""The page: whole HTML, nothing fetched, every name a text, every figure with words for who cannot see it."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from evalshift.analysis.against import hold_against
from evalshift.analysis.figures import render, scatter_figure
from evalshift.analysis.page import breakable, figure_result, inline_svg, render_page, typeset
from evalshift.analysis.summary import PairSummary, Summary, summarize, summarize_outcomes

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Reads a page and complains where a tag is not closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def named(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]

    def text_in(self, tag: str) -> list[str]:
        return [text for parent, text in self.texts if parent == tag]


def drawings(summary: Summary, scales: tuple[str, ...] = ("linear", "probit")) -> dict[tuple[str, str, str], str]:
    return {
        (pair.name, metric, scale): render(scatter_figure(pair, metric, scale), "svg").decode()
        for pair in summary.pairs
        for metric in pair.metrics
        for scale in scales
    }


def summary_of(*pairs: PairSummary, **choices) -> Summary:
    facts = {
        "scale": "linear",
        "metric": "top1",
        "level": 0.95,
        "resamples": 50,
        "seed": 0,
        "created": "2026-01-02T03:04:05+00:00",
        "version": "1.2.3",
        "command": "evalshift report --seed 0",
    }
    return Summary(pairs, **(facts | choices))


@pytest.fixture(scope="module")
def stored(kept_letters) -> tuple[Page, str]:
    summary = replace(summarize(kept_letters.results, resamples=50, command="evalshift report"), created="now")
    html = render_page(summary, drawings(summary))
    return Page(html), html


@pytest.fixture(scope="module")
def evil(make_outcomes: Callable) -> tuple[Page, str]:
    outcomes = make_outcomes(
        [9, 8, 7],
        [8, 6, 5],
        original='"old" & <b>co</b>',
        new="{{ new }}</title>",
        models=(EVIL, '"onload="x', "a & b"),
        attributes={EVIL: {"family": EVIL, "year": 2020}},
    )
    pair = summarize_outcomes({"top1": outcomes}, resamples=50, notes=[f"{EVIL} is left out."])
    summary = summary_of(pair, command=f"evalshift report --results '{EVIL}'")
    html = render_page(summary, drawings(summary))
    return Page(html), html


def test_the_page_is_whole_and_complete(stored):
    page, html = stored

    assert html.startswith("<!DOCTYPE html>\n")
    assert [attributes["lang"] for attributes in page.named("html")] == ["en"]
    assert page.text_in("title")[0] == "evalshift: old → new"
    assert html.count('<table class="sortable"') == 2  # top-1 and top-5
    assert html.count('<table class="runs"') == 1
    assert html.count("<svg") == 4  # two metrics on two scales


def test_a_family_that_is_left_out_has_its_own_figure_and_its_points_their_names(make_outcomes):
    outcomes = make_outcomes([95, 90, 80, 85], [90, 80, 66, 60], total=100, attributes={"d": {"family": "slow & <b>"}})
    pair = summarize_outcomes({"top1": outcomes}, without="slow & <b>", resamples=50)
    figures = drawings(summary_of(pair), ("linear",))
    figures[pair.name, "top1", "linear_all"] = render(scatter_figure(pair, everything=True), "svg").decode()

    html = render_page(summary_of(pair), figures)

    page = Page(html)
    assert html.count("<svg") == 2
    assert "the line leaves out slow &amp; &lt;b&gt;" in html
    # Rows are sorted: d, third on the original set, is row 2.
    named = [text for text in page.text_in("title") if text.startswith("d: ")]
    assert named == ["d: 85.0 → 60.0 [49.7, 69.7]"] * 2
    assert [use["data-model"] for use in page.named("use") if "data-model" in use] == ["0", "1", "3", "2"] * 2


def test_distances_from_a_published_line_have_a_table(make_outcomes):
    sets = {"original": "cifar10", "new": "cifar10.1-v4", "original_total": 10_000, "new_total": 2021}
    outcomes = make_outcomes([9000, 9200], [1550, 1750], models=(EVIL, "b"), **sets)
    own = summarize_outcomes({"top1": outcomes}, resamples=0)
    summary = hold_against(summary_of(own, resamples=200), "recht2019")
    html = render_page(summary, drawings(summary))

    page = Page(html)
    assert html.count("<script>") == 1
    (caption,) = [text for text in page.text_in("caption") if "recht2019" in text]
    assert caption.startswith("New top-1 accuracy against the line of recht2019 (34 models; linear scale): distance in")
    distances = html[html.index(caption[:40]) :]
    assert re.search(r'data-value="-0\.03\d+">−3\.1 <span class="ci">\[−', distances)
    assert "Against the line of recht2019 (34 models, linear scale)" in html

    bare = hold_against(summary_of(own, resamples=0), "recht2019")
    assert re.search(r'data-value="-0\.03\d+">−3\.1</td>', render_page(bare, drawings(bare)))


def test_several_pairs_stand_side_by_side_in_a_table(make_outcomes):
    pairs = [
        summarize_outcomes({"top1": make_outcomes([9, 8], [8, correct], new=new)}, resamples=0)
        for correct, new in ((6, "new & <b>"), (7, "other"))
    ]
    page = Page(render_page(summary_of(*pairs), {}))

    assert "Average change in accuracy over all models of a pair, in points, with 95\xa0% intervals." in page.text_in(
        "caption"
    )
    assert [text.split(" ")[0] for text in page.text_in("td")[:6]] == ["old", "2", "−15.0", "old", "2", "−10.0"]
    assert "new & <b>" in page.text_in("th")


def test_nothing_is_fetched_from_anywhere(stored, evil):
    for page, html in (stored, evil):
        for _, attributes in page.tags:
            for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
                assert attributes.get(name, "#").startswith("#")
        assert "@import" not in html
        assert set(re.findall(r"url\((.)", html)) == {"#"}
        assert set(re.findall(r"https?://[^\s\"<]+", html)) == {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        (policy,) = [meta["content"] for meta in page.named("meta") if "Content-Security" in meta.get("http-equiv", "")]
        assert policy.startswith("default-src 'none'")


def test_names_are_text_wherever_they_stand(evil):
    page, html = evil

    assert html.count("<script>") == 1
    assert "alert(1)</script>" not in html
    assert len(page.named("script")) == 1
    assert not page.named("b", "i")
    assert not any("onload" in attributes for _, attributes in page.tags)
    assert any(text.startswith(f"{EVIL}: 90.0 → 80.0") for text in page.text_in("title"))
    assert "{{ new }}" in html
    assert "".join(page.text_in("h2")) == '"old" & <b>co</b>  {{ new }}</title>'


def test_ids_are_unique_and_references_point_to_them(stored):
    page, html = stored
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]

    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html))
    assert {one or other for one, other in wanted} <= set(ids)
    for attributes in page.named("svg", "section"):
        assert set(attributes["aria-labelledby"].split()) <= set(ids)


def test_headings_are_in_order(stored, evil):
    for page, _ in (stored, evil):
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(below - above <= 1 for above, below in pairwise(levels))


def test_every_figure_says_its_result(stored):
    page, html = stored

    assert all(image.get("alt") for image in page.named("img"))
    assert [svg["role"] for svg in page.named("svg")] == ["img"] * 4
    assert (
        'text">All 3 models lie below the line y = x: they are less accurate on the new set. The fitted line has slope '
        in html
    )
    assert "New against original top-5 accuracy of 3 models, probit scale</title>" in html


def test_the_result_in_words(make_outcomes):
    metric = summarize_outcomes({"top1": make_outcomes([8, 6], [7, 6])}, resamples=0).metrics["top1"]

    assert figure_result(metric, "linear") == (
        "1 of 2 models lie below the line y = x: they are less accurate on the new set. "
        "The fitted line has slope 0.50, R² = 1.000."
    )
    alone = summarize_outcomes({"top1": make_outcomes([8], [6])}, resamples=0).metrics["top1"]
    assert figure_result(alone, "linear").endswith(" No line is fitted.")


def test_tables_can_be_sorted_by_buttons_and_start_by_original_rank(stored):
    page, _ = stored
    headings = [attributes for attributes in page.named("th") if "aria-sort" in attributes]

    assert [heading["aria-sort"] for heading in headings] == (["ascending"] + ["none"] * 8) * 2
    assert len(page.named("button")) == len(headings)
    assert all(button["type"] == "button" for button in page.named("button"))


def test_cells_carry_the_exact_value_to_sort_by(stored):
    page, _ = stored
    values = [attributes["data-value"] for attributes in page.named("td") if "data-value" in attributes]

    # The first row is good: 4 of 4 on old, 2 of 3 on new, and so 1 − 2/3 lost, without a change of rank.
    assert [float(value) for value in values[:4]] == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_points_and_rows_share_their_numbers(stored):
    page, _ = stored
    rows = [attributes["data-model"] for attributes in page.named("tr") if "data-model" in attributes]
    marks = [attributes["data-model"] for attributes in page.named("use") if "data-model" in attributes]

    assert rows == ["0", "1", "2"] * 2
    assert marks == ["0", "1", "2"] * 4


def test_provenance_is_there_to_be_opened(stored):
    page, html = stored

    assert len([one for one in page.named("details") if one.get("class") != "statistic"]) == 7
    assert "<dd><code>fingerprint of old</code></dd>" in html
    assert "<td><code>12fca82f12fc</code></td><td>resize 256 bicubic, crop 224 × 224</td>" in html
    assert "<td>cpu, fp32, batches of 64</td><td>2026-01-02 03:04</td>" in html
    assert "<dt>3 models</dt><dd>python 3.11.2, torch 2.4.0</dd>" in html
    assert "<dt>Command</dt><dd><code>evalshift report</code></dd>" in html
    assert "<dt>Seed</dt><dd>0</dd>" in html


def test_runs_that_differ_show_both(letters):
    letters.predictions("new", "good", [[0] * 5] * 3, device="cuda", git_revision="0123456789abcdef+changes")
    summary = summarize(letters.results, resamples=50)

    html = render_page(summary, {})

    assert "<td>cpu, fp32, batches of 64 → cuda, fp32, batches of 64</td>" in html
    assert "<dd>python 3.11.2, torch 2.4.0, git 0123456789ab with changes (good)</dd>" in html
    assert "<li>Device or precision differ between the two sets: good.</li>" in html


def test_imported_counts_say_whence_they_come_and_nothing_of_a_run(store):
    store.counts("old", 10, {"a": (9, None), "b": (8, None)})
    store.counts("new", 10, {"a": (7, None), "b": (5, None)})
    summary = summarize(store.results, "old:new", resamples=50)

    html = render_page(summary, {})

    assert "<td>table, imported from table.csv</td><td><code>–</code></td><td>–</td><td>–</td>" in html
    assert "<dt>Fingerprint</dt><dd><code>counts alone</code></dd>" in html
    assert "Software" not in Page(html).text_in("summary")


def test_published_counts_make_a_page_without_provenance(make_outcomes):
    summary = summary_of(summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 6, 5])}, resamples=50))

    page = Page(render_page(summary, drawings(summary)))

    assert "Provenance" not in page.text_in("h3")
    # What could not be computed, and how numbers and page are made.
    assert len([one for one in page.named("details") if one.get("class") != "statistic"]) == 3


def test_several_pairs_have_a_section_each_and_a_way_to_it(make_outcomes):
    outcomes = make_outcomes([9, 8, 7], [8, 6, 5])
    pairs = [
        summarize_outcomes({"top1": replace(outcomes, new=name)}, resamples=50) for name in ("new", "newer", "newest")
    ]
    summary = summary_of(*pairs, notes=("old:lost is not in this report.",))

    page = Page(render_page(summary, drawings(summary, ("linear",))))

    assert [attributes["id"] for attributes in page.named("section")] == ["pair-1", "pair-2", "pair-3"]
    assert [attributes["href"] for attributes in page.named("a")] == ["#pair-1", "#pair-2", "#pair-3"]
    assert page.text_in("title")[0] == "evalshift: 3 pairs of test sets"
    assert "old:lost is not in this report." in page.text_in("li")


def test_one_pair_needs_no_navigation(stored):
    assert stored[0].named("nav") == []


def test_the_chosen_scale_and_metric_come_first(letters):
    summary = summarize(letters.results, resamples=50, scale="logit", metric="top5")
    page = Page(render_page(summary, drawings(summary, ("linear", "logit"))))

    assert [text for text in page.text_in("h3") if "accuracy" in text] == ["Top-5 accuracy", "Top-1 accuracy"]
    figures = [text for text in page.text_in("title") if text.startswith("New against")]
    assert [text.rsplit(", ")[-1] for text in figures] == ["logit scale", "linear scale"] * 2
    assert "".join(page.text_in("p")).count("On the logit scale") == 2


def test_colours_of_the_figures_turn_with_the_page(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 6])}, resamples=50)

    svg = inline_svg(render(scatter_figure(pair), "svg").decode(), "x-", "title", "text", ["a", "b"])

    assert set(re.findall(r"(?<!, )#[0-9a-fA-F]{6}\b", svg)) == set()
    assert "var(--mark, #0072b2)" in svg
    assert "<?xml" not in svg
    assert "<metadata" not in svg


def test_intervals_and_percentages_are_not_torn_apart():
    assert typeset("falls by 2.0 [1.0, 3.0] points at 95 % (a, b)") == (
        "falls by 2.0\N{NO-BREAK SPACE}[1.0,\N{NO-BREAK SPACE}3.0] points at 95\N{NO-BREAK SPACE}% (a, b)"
    )


def test_names_break_after_underscores_and_stay_escaped():
    assert str(breakable("a_b.<c>")) == "a_<wbr>b.<wbr>&lt;c&gt;"


def test_one_summary_gives_one_page(letters):
    summary = replace(summarize(letters.results, resamples=50), created="now")

    once, again = (render_page(summary, drawings(summary, ("linear",))) for _ in range(2))
    assert once == again
