"""The page: whole HTML, nothing fetched, every name a text, every figure with words for who cannot see it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from pages import EVIL, Page, summary_of

from evalshift.analysis.page import render, render_page
from evalshift.analysis.page.table import AT_FIRST
from evalshift.analysis.page.words import breakable, label, plotly_text, typeset
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.against import hold_against
from evalshift.analysis.summary.stored import summarize
from evalshift.publishing import anonymous


@pytest.fixture(scope="module")
def stored(kept_letters) -> Page:
    return Page(replace(summarize(kept_letters.results, resamples=50, command="evalshift report"), created="now"))


@pytest.fixture(scope="module")
def evil(make_outcomes: Callable) -> Page:
    outcomes = make_outcomes(
        [9, 8, 7],
        [8, 6, 5],
        original='"old" & <b>co</b>',
        new="{{ new }}</title>",
        models=(EVIL, '"onload="x', "a & b"),
        attributes={EVIL: {"family": EVIL, "year": 2020}, "a & b": {"family": "<i>", "year": 2021}},
    )
    pair = summarize_outcomes({"top1": outcomes}, resamples=50, notes=[f"{EVIL} is left out."])
    return Page(summary_of(pair, command=f"evalshift report --results '{EVIL}'"))


def section_kinds(page: Page) -> list[str]:
    """What each section is about, in the order of the page."""
    return re.findall(r'<h3>(?:<span class="kind">)?([^<]+)', page.html)


def section_findings(page: Page) -> list[str]:
    """The findings that are the titles of sections."""
    return re.findall(r"<h3><span class=.kind.>.*?: </span></span>([^<]+)</h3>", page.html)


def test_the_page_is_whole_and_complete(stored):
    assert stored.html.startswith("<!DOCTYPE html>\n")
    assert [attributes["lang"] for attributes in stored.named("html")] == ["en"]
    assert stored.text_in("title")[0] == "evalshift: old → new"
    sections = section_kinds(stored)
    before, after = ["All models", "Decomposition of the drop", "Rank changes"], ["Accuracy per class", "Agreement"]
    assert sections == [
        "Findings",
        *before,
        "Confidence",
        *after,
        "Hard images",
        "All statistics",
        "Findings",
        *before,
        *after,
        "All statistics",
        "Provenance",
    ]


def test_nothing_is_fetched_from_anywhere(stored, evil):
    for page in (stored, evil):
        for _, attributes in page.tags:
            for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
                assert attributes.get(name, "#").startswith("#")
        assert "@import" not in page.html
        assert "url(" not in page.html
        assert not re.search(r"https?://", page.html)
        (policy,) = [meta["content"] for meta in page.named("meta") if "Content-Security" in meta.get("http-equiv", "")]
        assert policy.startswith("default-src 'none'")


def test_names_are_text_wherever_they_stand(evil):
    assert evil.html.count("<script>") == 2  # plotly's and ours
    assert "alert(1)</script>" not in evil.html
    assert {script.get("type") for script in evil.named("script")} == {None, "application/json"}
    assert not evil.named("i")
    assert not any("onload" in attributes for _, attributes in evil.tags)
    assert "{{ new }}" in evil.html
    assert "".join(evil.text_in("h2")) == '"old" & <b>co</b>  {{ new }}</title>'


def test_names_are_text_inside_figures(evil):
    plan = evil.data("p1-top1-chart-scatter-plan")

    assert plan["views"]["linear"]["layout"]["yaxis"]["title"]["text"].startswith("{{ new }}&lt;/title&gt;: top-1")
    assert evil.data("p1-top1-panel")["columns"]["model"] == [EVIL, '"onload="x', "a & b"]


def test_rows_to_copy_are_escaped_for_where_they_go(make_outcomes):
    outcomes = make_outcomes([9, 8, 7], [8, 6, 5], original="old", new="new", models=("=1+1", "b|c", "d_e"))
    pair = summarize_outcomes({"top1": outcomes}, resamples=0)
    copies = Page(summary_of(pair)).data("p1-top1-panel")["copies"]
    assert copies["CSV"]["texts"]["model"] == {"0": "'=1+1"}
    assert copies["Markdown"]["titles"] == ["=1+1", r"b\|c", "d_e"]
    assert copies["LaTeX"]["titles"] == ["=1+1", r"b\textbar{}c", r"d\_e"]


def test_ids_are_unique_and_references_point_to_them(stored):
    ids = [attributes["id"] for _, attributes in stored.tags if "id" in attributes]

    assert len(ids) == len(set(ids))
    for _, attributes in stored.tags:
        for name in ("aria-labelledby", "aria-controls", "data-plan", "data-panel", "data-chart", "for"):
            assert set(attributes.get(name, "").split()) <= set(ids), name
        assert attributes.get("href", "#main")[1:] in ids


def test_headings_are_in_order(stored, evil):
    for page in (stored, evil):
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(below - above <= 1 for above, below in pairwise(levels))


def test_every_figure_says_its_result(stored):
    pictures = [attributes["aria-label"] for _, attributes in stored.tags if attributes.get("role") == "img"]

    assert len(pictures) == len(stored.with_class("chart")) == 14
    # Six of each metric, without robustness and years; of top-1, the two of confidence.
    assert pictures[0].startswith(
        "New against original top-1 accuracy. All 3 models lie below the line y = x: less accurate on the new set. "
        "The fitted line has slope "
    )
    assert all(re.search(r"\. .+\.$", picture) for picture in pictures)


def test_tables_can_be_sorted_by_buttons_and_start_by_original_rank(stored):
    headings = [attributes["aria-sort"] for attributes in stored.named("th") if "aria-sort" in attributes]

    assert headings == (["ascending"] + ["none"] * 8) * 2
    assert all(button["type"] == "button" for button in stored.named("button"))


def test_the_page_has_each_value_once_and_exactly(stored):
    columns = stored.data("p1-top1-panel")["columns"]

    assert columns["model"] == ["good", "fair", "poor"]
    assert (columns["original_correct"][0], columns["original_total"]) == (4, 4)
    assert (columns["new_correct"][0], columns["new_total"]) == (2, 3)
    assert columns["new_low"][0] == pytest.approx(0.0943, abs=1e-4)
    assert not {"title", "original_accuracy", "drop", "delta_rank"} & columns.keys()  # the script computes these


def test_small_bars_stand_where_their_interval_is(stored):
    first, second, _ = stored.with_class("iv")[:3]

    # On the original set 4 of 4: [0.398, 1]; on the new 2 of 3: [0.094, 0.992]. The lowest bound is poor's 1 of 3.
    assert first["style"] == "--m:100.0%;--a:39.3%;--b:100.0%"
    assert second["style"] == "--m:66.4%;--a:8.7%;--b:99.2%"


def test_only_significant_changes_are_marked(make_outcomes, stored):
    assert stored.with_class("real") == []
    assert "No rank change is statistically significant." in " ".join(stored.text_in("caption"))
    pair = summarize_outcomes({"top1": make_outcomes([90, 80], [60, 70], total=100)}, resamples=0)
    assert "is not computed from counts alone" in Page(summary_of(pair)).html
    metric = pair.metrics["top1"]
    metric.table["delta_rank_real"] = [True, False]
    marked = Page(summary_of(pair))
    assert len(marked.with_class("real")) == 1
    assert '<span title="statistically significant">▼</span> −1' in marked.html


def test_of_a_long_table_the_rest_waits_as_data(make_outcomes):
    models = tuple(f"model-{number:03d}" for number in range(160))
    outcomes = make_outcomes(range(200, 40, -1), range(180, 20, -1), total=220, models=models)
    page = Page(summary_of(summarize_outcomes({"top1": outcomes}, resamples=0)))

    assert page.html.count("<tr data-model=") == AT_FIRST
    assert page.data("p1-top1-panel")["columns"]["model"] == list(models)
    later = re.findall(r'<script type="application/json" class="later">(.*?)</script>', page.html)
    assert [row[0] for row in json.loads(later[0])] == list(models[AT_FIRST:])


def test_distances_from_a_published_line_have_a_table_and_stand_behind_the_models(make_outcomes):
    sets = {"original": "cifar10", "new": "cifar10.1-v4", "original_total": 10_000, "new_total": 2021}
    outcomes = make_outcomes([9000, 9200], [1550, 1750], models=(EVIL, "b"), **sets)
    own = summarize_outcomes({"top1": outcomes}, resamples=0)
    page = Page(hold_against(summary_of(own, resamples=200), "recht2019"))

    (caption,) = [text for text in page.text_in("caption") if "Recht et al. 2019" in text]
    assert caption.startswith(
        "New top-1 accuracy compared with the line of Recht et al. 2019 (34 models; linear scale): distance above"
    )
    distances = page.html[page.html.index(caption[:40]) :]
    assert re.search(r'data-value="-0\.03\d+">−3\.1 <span class="ci">\[−', distances)
    drawn = page.data("p1-top1-chart-scatter-plan")["views"]["linear"]["data"]
    (behind,) = [trace for trace in drawn if len(trace["x"]) == 34]
    assert behind["meta"]["said"] == {"testbed": list(range(34)), "then": "<br>Recht et al. 2019"}
    assert len(page.data("p1-top1-chart-scatter-plan")["testbed"]) == 34

    bare = Page(hold_against(summary_of(own, resamples=0), "recht2019"))
    assert re.search(r'data-value="-0\.03\d+">−3\.1</td>', bare.html)


def test_distances_from_models_trained_on_the_same_data_are_columns_of_that_table(make_outcomes):
    sets = {
        "original": "imagenet",
        "new": "imagenetv2-matched-frequency",
        "original_total": 50_000,
        "new_total": 10_000,
    }
    facts = {"a": {"training_data": "ImageNet-12k"}, "b": {}}
    outcomes = make_outcomes([40_000, 41_000], [6900, 7100], models=("a", "b"), attributes=facts, **sets)
    own = summarize_outcomes({"top1": outcomes}, resamples=0)
    summary = hold_against(summary_of(own, resamples=200), "timm")
    against = summary.pairs[0].metrics["top1"].against
    assert against is not None
    page = Page(summary)
    table = page.html[page.html.index("compared with the line of timm") :]
    known, unknown = re.findall(r'<td class="t">(.*?)</td>\s*<td class="n" data-value="([^"]*)"', table)[:2][::-1]
    assert known[0] == "ImageNet-12k"
    assert float(known[1]) == pytest.approx(against.table.set_index("model").loc["a", "same_data_distance"])
    assert unknown == ("–", "")


def test_several_pairs_have_a_tab_each_and_small_multiples_on_shared_axes(make_outcomes):
    pairs = [
        summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, correct, 5], new=new)}, resamples=50)
        for correct, new in ((6, "new & <b>"), (7, "other"))
    ]
    page = Page(summary_of(*pairs, notes=("old:lost is not in this report.",)))

    assert page.text_in("title")[0] == "evalshift: 2 pairs of test sets"
    tabs = [attributes["aria-controls"] for _, attributes in page.tags if attributes.get("role") == "tab"]
    assert tabs == ["all-pairs", "pair-1", "pair-2"]
    assert (
        "Average change in accuracy over all models of a pair, in points, with 95\xa0% confidence intervals."
        in page.text_in("caption")
    )
    assert "old:lost is not in this report." in page.text_in("li")
    plans = [page.data(f"all-chart-small-{number}-plan")["views"]["linear"]["layout"] for number in (1, 2)]
    ranges = [plan[axis]["range"] for plan in plans for axis in ("xaxis", "yaxis")]
    assert all(one == ranges[0] for one in ranges)
    assert {plan["yaxis"]["scaleanchor"] for plan in plans} == {"x"}


def test_one_pair_needs_no_tabs(stored):
    assert "tablist" not in {attributes.get("role") for _, attributes in stored.tags}


def test_provenance_is_there_to_be_opened(stored):
    assert "<dd><code>fingerprint of old</code></dd>" in stored.html
    assert "<td><code>12fca82f12fc</code></td><td>resize 256 bicubic, crop 224 × 224</td>" in stored.html
    assert "<td>cpu, fp32, batch size 64</td><td>2026-01-02 03:04</td>" in stored.html
    assert '<pre tabindex="0">source: npy</pre>' in stored.html
    assert "good:\n  family: resnet\n  source: checkpoint\n  year: 2015\n" in stored.html
    assert "<dt>3 models</dt><dd>python 3.11.2, torch 2.4.0</dd>" in stored.html
    assert "<dt>Command</dt><dd><code>evalshift report</code></dd>" in stored.html
    assert "<dt>Seed</dt><dd>0</dd>" in stored.html


def test_outputs_and_optimizations_are_shown_where_they_are_not_as_usual(letters):
    facts = {"output_kind": "probabilities", "skipped_optimizations": {"fusion": "it has <hooks>"}}
    letters.predictions("new", "good", [[0] * 5] * 3, **facts)
    page = Page(summarize(letters.results, resamples=50))
    words = "outputs taken as probabilities; optimizations not used: fusion (it has &lt;hooks&gt;)"
    assert f"<td>cpu, fp32, batch size 64 → cpu, fp32, batch size 64, {words}</td>" in page.html


def test_options_from_a_file_are_shown(letters):
    config = {"models": ["good", "fair"], "batch-size": 2}
    for dataset, images in (("old", 4), ("new", 3)):
        letters.predictions(dataset, "good", [[0] * 5] * images, config=config)
    page = Page(summarize(letters.results, resamples=0))
    words = "options from a file: batch-size 2, models good fair"
    assert f"<td>cpu, fp32, batch size 64; {words}</td>" in page.html
    assert anonymous({"config": config}) == {"config": {}}  # for double-blind review


def test_runs_that_differ_show_both_and_warnings_are_repeated(letters):
    letters.predictions(
        "new", "good", [[0] * 5] * 3, device="cuda", git_revision="0123456789abcdef+changes", warnings=["it <b>smokes"]
    )
    page = Page(summarize(letters.results, resamples=50))

    assert "<td>cpu, fp32, batch size 64 → cuda, fp32, batch size 64</td>" in page.html
    assert "<dd>python 3.11.2, torch 2.4.0, git 0123456789ab with uncommitted changes (good)</dd>" in page.html
    assert "<li>Device or precision differ between the two sets: good.</li>" in page.html
    assert "<li>good on new: it &lt;b&gt;smokes</li>" in page.html


def test_a_label_space_that_is_not_known_is_not_shown(store):
    for dataset in ("old", "new"):
        store.counts(dataset, 10, {"a": (9, None), "b": (8, None)}, known=False)
    page = Page(summarize(store.results, "old:new", resamples=50))

    assert "<dt>Images</dt><dd>10</dd>" in page.html
    assert "<dt>Classes</dt>" not in page.html
    assert "None</dd>" not in page.html


def test_imported_counts_say_whence_they_come_and_nothing_of_a_run(store):
    store.counts("old", 10, {"a": (9, None), "b": (8, None)})
    store.counts("new", 10, {"a": (7, None), "b": (5, None)})
    page = Page(summarize(store.results, "old:new", resamples=50))

    assert "<td>table, imported from table.csv</td><td><code>–</code></td><td>–</td><td>–</td>" in page.html
    assert "<dt>Fingerprint</dt><dd><code>counts alone</code></dd>" in page.html
    assert "Software" not in page.text_in("summary")


def test_counts_alone_leave_out_what_needs_images(make_outcomes):
    page = Page(
        summary_of(summarize_outcomes({"top1": make_outcomes([9, 8, 7, 6, 5, 4], [8, 6, 5, 5, 3, 2])}, resamples=50))
    )

    assert section_kinds(page) == [
        "Findings",
        "All models",
        "Decomposition of the drop",
        "Rank changes",
        "Effective robustness",
        "All statistics",
        "Provenance",
    ]
    assert [text for text in page.text_in("summary") if "run" in text or "test sets" in text] == []


def test_titles_of_sections_say_what_is_found(make_outcomes):
    outcomes = make_outcomes([90, 80, 70, 60, 50, 40], [80, 60, 50, 51, 31, 20], total=100)
    page = Page(summary_of(summarize_outcomes({"top1": outcomes}, resamples=50)))

    titles = section_findings(page)
    assert titles[0] == f"{outcomes.models[0]} is first on both sets"
    assert titles[2] == "4 of 6 models keep their rank"
    assert "the line of the other models" in titles[3]


def test_the_first_screen_has_a_sentence_and_three_numbers(make_outcomes):
    outcomes = make_outcomes([90, 80, 70, 60], [80, 60, 50, 51], total=100)
    page = Page(summary_of(summarize_outcomes({"top1": outcomes}, resamples=50)))

    assert len(page.with_class("lead")) == 1
    assert "All 4 models are less accurate on new, by 9.0 to 20.0 points" in page.html
    tiles = page.html[page.html.index('<ul class="tiles">') :]
    assert tiles[: tiles.index("</ul>")].count("<li>") == 3
    assert "<b>14.8 <small>[" in tiles


def test_notes_fold_into_a_badge_and_problems_stay_in_sight(make_outcomes):
    pair = summarize_outcomes(
        {"top1": make_outcomes([9], [7])}, resamples=0, notes=["One.", "Two.", "Off by 30 points."]
    )
    page = Page(summary_of(replace(pair, problems=("Off by 30 points.",))))

    (badge,) = re.findall(r'<details class="notes">\s*<summary>(.*?)</summary>(.*?)</details>', page.html, re.DOTALL)
    assert badge[0] == "3 notes"  # with the one on the line that a model has not
    assert "Off by" not in badge[1]
    assert re.search(r'<div class="problems"[^>]*>\s*<ul>\s*<li>Off by 30 points.</li>', page.html)


def test_a_single_model_makes_a_page(make_outcomes):
    page = Page(summary_of(summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=50)))

    assert "1 model ·" in page.html
    assert "1 of 1 model lies below the line y = x: less accurate on the new set. No line is fitted." in page.html


def test_the_chosen_scale_and_metric_come_first(letters):
    page = Page(summarize(letters.results, resamples=50, scale="logit", metric="top5"))

    assert page.html.index('id="p1-top5"') < page.html.index('id="p1-top1"')
    assert list(page.data("p1-top5-chart-scatter-plan")["views"]) == ["logit", "linear", "probit"]
    assert len(re.findall(r"Slope [\d.]+ on the logit scale", "".join(page.text_in("li")))) == 2


def test_hard_images_have_their_pictures_or_their_count(kept_letters):
    summary = summarize(kept_letters.results, resamples=0)
    bare, drawn = Page(summary), Page(summary, {("new", 2): "data:image/png;base64,AA=="})

    assert "All 3 models miss 1 of 3 new images, more than half of them 2. No pictures: the image files" in bare.html
    assert bare.named("img") == []
    assert [image["alt"] for image in drawn.named("img")] == ["Image 2, a f"]
    assert "<b>f</b>all 3 incorrect; 2 predict a</li>" in drawn.html


def test_intervals_and_percentages_are_not_torn_apart():
    assert typeset("falls by 2.0 [1.0, 3.0] points at 95 % (a, b)") == (
        "falls by 2.0\N{NO-BREAK SPACE}[1.0,\N{NO-BREAK SPACE}3.0] points at 95\N{NO-BREAK SPACE}% (a, b)"
    )


def test_names_break_after_underscores_and_stay_escaped():
    assert str(breakable("a_b.<c>")) == "a_<wbr>b.<wbr>&lt;c&gt;"
    assert plotly_text("<b>&") == "&lt;b&gt;&amp;"
    assert label("x" * 30 + "y") == "x" * 14 + "…" + "x" * 10 + "y"


def test_one_summary_gives_one_page(kept_letters):
    summary = replace(summarize(kept_letters.results, resamples=50), created="now")

    assert render_page(summary) == render_page(summary)


def test_a_page_of_very_many_models_has_the_metric_of_the_report_alone(make_outcomes, monkeypatch):
    outcomes = {metric: make_outcomes([9, 8], [6, 7], metric=metric) for metric in ("top1", "top5")}
    pair = summarize_outcomes(outcomes, resamples=0)
    assert 'id="p1-top5-table"' in Page(summary_of(pair)).html
    monkeypatch.setattr(render, "_MOST_ROWS", 3)
    assert 'id="p1-top5-table"' not in Page(summary_of(pair)).html
    assert 'id="p1-top1-table"' not in Page(summary_of(pair, metric="top5")).html
