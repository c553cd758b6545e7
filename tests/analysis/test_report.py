"""The report: what it gives in Python, which files it writes, and what it says when it cannot."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest
from messages import says

from evalshift.analysis import figures
from evalshift.analysis.report import Report, report
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.summary import Summary, summarize_outcomes
from evalshift.errors import AnalysisError, StoreError, UsageError


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# What three models on four and three images have: too few for distances from a line of others, and too few are right
# and wrong on both sets for the difficulty model.
TABLES_OF_COUNTS = ("decomposition", "lines", "scales", "trends")
TABLES_OF_LINES = ("curvature", "matched_models", "robustness")
TABLES_OF_IMAGES = (
    *TABLES_OF_COUNTS,
    "calibration",
    "classes",
    "hard_images",
    "image_trends",
    "model_classes",
    "pairs",
    "ranks",
    "selective",
    "sets",
    "without_labels",
    "worst_classes",
)
TABLES_OF_TOP5 = (
    *TABLES_OF_COUNTS,
    "classes",
    "image_trends",
    "model_classes",
    "pairs",
    "ranks",
    "sets",
    "worst_classes",
)
# Drawn of the metric that comes first alone.
FIGURES = tuple(name for name in figures.FIGURES if name not in ("scatter", "robustness"))
FOR_MACHINES = ("model_classes", "pairs")


def written_tables(stem: str, tables: Iterable[str], formats: Iterable[str]) -> list[str]:
    """The files of a metric's table and of its statistics, in order."""
    of_statistics = (f"{stem}_{name}.{f}" for name in tables for f in formats if f == "csv" or name not in FOR_MACHINES)
    return sorted([*(f"{stem}.{f}" for f in formats), *of_statistics])


@pytest.fixture
def two_pairs(letters):
    letters.dataset("newer", [0, 1, 2, 5])
    for model, top in (("good", [0, 1, 2, 3, 4]), ("fair", [1, 0, 2, 3, 4]), ("poor", [5, 1, 2, 3, 4])):
        letters.predictions("newer", model, [top] * 4)
    letters.results.add_pairs(["old:newer"])
    return letters


def test_one_pair_gives_fit_and_table(letters):
    found = report(letters.results, scale="probit", metric="top5", resamples=50)

    assert found.pairs == ("old:new",)
    assert isinstance(found.fit, Line)
    assert found.fit.scale == "probit"
    assert isinstance(found.table, pd.DataFrame)
    assert found.table["original_correct"].tolist() == [4, 4, 3]
    assert repr(found) == "Report(old:new)"


def test_a_path_is_as_good_as_results(letters):
    assert report(letters.results.path, resamples=0).table.equals(report(letters.results, resamples=0).table)


def test_two_pairs_ask_to_be_indexed(two_pairs):
    found = report(two_pairs.results, resamples=50)

    assert found.pairs == ("old:new", "old:newer")
    with pytest.raises(UsageError) as caught:
        _ = found.fit
    says(caught.value, found="old:new, old:newer")
    assert found["old:newer"].pairs == ("old:newer",)
    assert found["old:newer"].table["new_total"].tolist() == [4, 4, 4]


def test_an_unknown_pair_is_met_with_its_nearest(letters):
    with pytest.raises(UsageError) as caught:
        report(letters.results, resamples=0)["old:nw"]

    says(caught.value, found='"old:nw"')


def test_no_line_is_said_when_it_is_asked_for(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([8], [7])}, resamples=50)
    found = Report(Summary((pair,), "linear", "top1", 0.95, 50, 0, "now", "1"))

    with pytest.raises(AnalysisError) as caught:
        _ = found.fit

    says(
        caught.value,
        where="old:new",
        found="No line is fitted: 1 model with 1 distinct original accuracy.",
    )


@pytest.fixture(scope="module")
def written_and_flushed(kept_letters, tmp_path_factory) -> tuple[Path, list[str]]:
    """What is written by default, and the files that were flushed to disk, in this order."""
    folder, flushed, fsync = tmp_path_factory.mktemp("written") / "report", [], os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(folder).as_posix())
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", noted)
        assert report(kept_letters.results, resamples=50).save(folder) == folder / "index.html"
    return folder, flushed


@pytest.fixture(scope="module")
def written(written_and_flushed) -> Path:
    return written_and_flushed[0]


def test_the_page_comes_when_all_else_is_on_the_disk(written_and_flushed):
    folder, flushed = written_and_flushed
    assert sorted(flushed[1:-3]) == [file for file in files(folder) if "/" in file]
    assert [re.sub(r"^\.(\w+\.\w+)\..*", r"\1", one) for one in (flushed[0], flushed[-1])] == [
        "summary.json",
        "index.html",
    ]
    assert sorted(flushed[-3:-1]) == ["figures", "tables"]


def test_everything_is_written_by_default(written):
    assert files(written) == [
        *(
            f"figures/old_vs_new_{m}_{s}.{f}"
            for m in ("top1", "top5")
            for s in sorted(("linear", "probit", *FIGURES))
            for f in ("pdf", "png", "svg")
            if m == "top1" or s not in FIGURES
        ),
        "index.html",
        "summary.json",
        *written_tables("tables/old_vs_new_top1", TABLES_OF_IMAGES, ("csv", "md", "tex")),
        *written_tables("tables/old_vs_new_top5", TABLES_OF_TOP5, ("csv", "md", "tex")),
    ]


def test_formats_choose_what_is_written(letters, tmp_path):
    found = report(letters.results, resamples=50, scale="logit")

    assert found.save(tmp_path / "tables", ["csv"]) == tmp_path / "tables"
    assert files(tmp_path / "tables") == [
        "summary.json",
        *written_tables("tables/old_vs_new_top1", TABLES_OF_IMAGES, ["csv"]),
        *written_tables("tables/old_vs_new_top5", TABLES_OF_TOP5, ["csv"]),
    ]
    found.save(tmp_path / "figures", " SVG")
    assert files(tmp_path / "figures") == [
        *(f"figures/old_vs_new_top1_{view}.svg" for view in sorted(("linear", "logit", *FIGURES))),
        *(f"figures/old_vs_new_top5_{view}.svg" for view in ("linear", "logit")),
        "summary.json",
    ]


def test_tables_alone_do_not_load_matplotlib(letters, tmp_path):
    code = (
        "import sys; from evalshift.analysis.report import report; "
        f"report({str(letters.results.path)!r}, resamples=0).save({str(tmp_path / 'out')!r}, 'csv,md,tex'); "
        "print({'matplotlib', 'torch'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_an_unknown_format_stops_before_anything_is_written(letters, tmp_path):
    with pytest.raises(UsageError) as caught:
        report(letters.results, resamples=0).save(tmp_path / "out", "csv,htm")

    says(caught.value, found='"htm"')
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_is_a_complaint(letters, tmp_path):
    (tmp_path / "out").write_text("a file stands here")

    with pytest.raises(StoreError, match="a file could not be written"):
        report(letters.results, resamples=0).save(tmp_path / "out", "csv")


def test_the_same_seed_gives_the_same_bytes_but_for_the_time(kept_letters, written, tmp_path):
    report(kept_letters.results, resamples=50).save(tmp_path)

    assert files(tmp_path) == files(written)
    time = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    for file in files(written):
        one, two = ((folder / file).read_bytes() for folder in (written, tmp_path))
        if file in ("index.html", "summary.json"):  # the figures are in the page as SVG, too
            assert re.sub(time, b"", one) == re.sub(time, b"", two)
        else:
            assert one == two


def test_pairs_whose_names_only_differ_in_odd_letters_get_files_of_their_own(make_outcomes, tmp_path):
    pairs = tuple(
        summarize_outcomes({"top1": make_outcomes([9, 8], [8, 6], new=new)}, resamples=0)
        for new in ("a/b", "a b", "A-b")
    )

    Report(Summary(pairs, "linear", "top1", 0.95, 0, 0, "now", "1")).save(tmp_path, "csv")

    assert files(tmp_path) == [
        "summary.json",
        "tables/average_changes.csv",
        *(
            file
            for stem in ("A-b-3", "a-b-2", "a-b")
            for file in written_tables(
                f"tables/old_vs_{stem}_top1", ("decomposition", "lines", "scales", "trends"), ["csv"]
            )
        ),
        *(f"tables/several_sets_top1_{name}.csv" for name in ("mean_over_sets", "shifts")),
    ]


def test_the_command_makes_the_same_report_again(letters, tmp_path):
    def command(**choices) -> str | None:
        return report(letters.results, resamples=50, **choices).summary.command

    results = letters.results.path.name  # from the folder that holds it: where that lies is nobody else's
    assert command() == f"evalshift report --results {results} --metric top1 --bootstrap 50 --seed 0"
    assert command(pairs=["old:new"], scale="probit", metric="top5", seed=3) == (
        f"evalshift report --results {results} --pair old:new --probit --metric top5 --bootstrap 50 --seed 3"
    )
    # The command line has no option for the level.
    again = command(level=0.9)
    assert again == (
        f"evalshift.report({str(results)!r}, pairs=None, scale='auto', metric='top1', level=0.9, "
        "resamples=50, seed=0).save()"
    )


def test_a_published_testbed_needs_no_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair = "imagenet:imagenetv2-topimages"

    found = report(published="recht2019", pairs=pair, resamples=0, scale="probit")
    found.save("out", "csv,svg")

    assert found.pairs == (pair,)
    assert found.fit.models == 64
    stem = "imagenet_vs_imagenetv2-topimages"
    assert files(tmp_path) == [
        f"out/figures/{stem}_top1_decomposition.svg",
        *(f"out/figures/{stem}_top1_{view}.svg" for view in ("linear", "linear_all", "probit", "probit_all")),
        *(f"out/figures/{stem}_top1_{view}.svg" for view in ("ranks", "robustness", "scales")),
        *(f"out/figures/{stem}_top5_{view}.svg" for view in ("linear", "linear_all", "probit", "probit_all")),
        "out/summary.json",
        *written_tables(f"out/tables/{stem}_top1", (*TABLES_OF_COUNTS, *TABLES_OF_LINES), ["csv"]),
        *written_tables(f"out/tables/{stem}_top5", (*TABLES_OF_COUNTS, *TABLES_OF_LINES), ["csv"]),
    ]
    read = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["pairs"][0]["metrics"]["top1"]
    assert read["left_out"] == ["fisher-vector"]
    assert read["lines"]["probit"]["models"] == 64
    assert read["all_lines"]["probit"]["models"] == 67


def test_families_are_left_out_of_stored_results_too(two_pairs):
    # All three models of the store are ResNets.
    found = report(two_pairs.results, resamples=0, without="resnet")

    assert [pair.metrics["top1"].left_out for pair in found.summary.pairs] == [("resnet",)] * 2
    with pytest.raises(UsageError) as caught:
        report(two_pairs.results, resamples=0, without=["resnet", "vgg"])
    says(caught.value, found='"vgg"')


@pytest.mark.parametrize(
    "asked, problem",
    [
        ({"without": "vgg"}, "no model of this family is in the report"),
        ({"against": "recht2019"}, "nothing was published on these pairs to compare with"),
        ({"against": "recht"}, "unknown published testbed"),
        ({"scale": "probits"}, "unknown scale"),
    ],
)
def test_a_wrong_argument_is_refused_before_any_predictions_are_read(letters, monkeypatch, asked, problem):
    monkeypatch.setattr("evalshift.analysis.summary.stored.load_pair", None)  # calling it would fail

    with pytest.raises((UsageError, AnalysisError)) as caught:
        report(letters.results, **asked)
    assert caught.value.problem == problem


def test_a_misspelt_family_of_a_published_testbed_is_refused_before_the_work(monkeypatch):
    monkeypatch.setattr("evalshift.analysis.summary.published.summarize_outcomes", None)  # calling it would fail

    with pytest.raises(UsageError) as caught:
        report(published="recht2019", without="fisher-vectors")
    assert caught.value.fix == 'did you mean "fisher-vector"?'


@pytest.mark.parametrize(
    "figure, choices, found, expected, fix",
    [
        (
            "scatter",
            {"scal": "probit"},
            "scal='probit'",
            "size, scale, everything, xlim, ylim",
            'did you mean "scale"?',
        ),
        ("ranks", {"everything": True}, "everything=True", "size", None),
        ("scatter", {"scale": "probits"}, '"probits"', "auto, linear, probit, logit", 'did you mean "probit"?'),
    ],
)
def test_a_figure_refuses_a_choice_that_it_does_not_offer(letters, figure, choices, found, expected, fix):
    with pytest.raises(UsageError) as caught:
        report(letters.results, resamples=0).draw(figure, **choices)
    assert (caught.value.found, caught.value.expected, caught.value.fix) == (found, expected, fix)


@pytest.fixture
def cifar(store):
    """Two models with predictions to four CIFAR-10 images and five of CIFAR-10.1 v4."""
    store.dataset("cifar10", [0, 1, 2, 3])
    store.dataset("cifar10.1-v4", [0, 1, 2, 3, 4])
    for model, first in (("mine", 3), ("other", 0)):
        store.predictions("cifar10", model, [[0], [1], [2], [first]])
        store.predictions("cifar10.1-v4", model, [[0], [1], [2], [first], [4]])
    store.results.add_pairs(["cifar10:cifar10.1-v4"])
    return store


def test_models_are_compared_with_a_published_line(cifar, tmp_path):
    found = report(cifar.results, resamples=50, against="recht2019", scale="linear")
    found.save(tmp_path, "csv,md,tex")

    assert found.against["model"].tolist() == ["mine", "other"]
    stem = "cifar10_vs_cifar10.1-v4_top1"
    assert {f"{stem}{kind}.{suffix}" for suffix in ("csv", "md", "tex") for kind in ("", "_against")} <= set(
        files(tmp_path / "tables")
    )
    table = pd.read_csv(tmp_path / "tables" / f"{stem}_against.csv")
    assert table["model"].tolist() == ["mine", "other"]
    # All correct on both sets, and 3 of 4 and 4 of 5; the line is y = 1.6948 x − 0.7275. Both are beyond its models,
    # and on four and five images a distance of 26 points is smaller than its standard error.
    assert table["predicted"].tolist() == pytest.approx([0.9673, 0.5436], abs=2e-4)
    assert table["extrapolated"].tolist() == [True, True]
    assert table["distance"].isna().all()
    tex = (tmp_path / "tables" / f"{stem}_against.tex").read_text("utf-8")
    assert "\\caption{Against Recht et al. 2019. Distance in percentage points above the line of Recht" in tex
    read = json.loads((tmp_path / "summary.json").read_text("utf-8"))["pairs"][0]["metrics"]["top1"]["against"]
    assert (read["testbed"], read["models"], read["scale"], read["members"]) == ("recht2019", 34, "linear", [])
    assert read["table"][0]["model"] == "mine"
    assert found.summary.command is not None
    assert found.summary.command.endswith("--against recht2019 --linear --metric top1 --bootstrap 50 --seed 0")
    again = report(cifar.results, resamples=50, against="recht2019", level=0.9).summary.command
    assert again is not None
    assert again.endswith("resamples=50, seed=0, against='recht2019').save()")


def test_a_line_to_hold_models_against_is_to_be_asked_for(letters):
    with pytest.raises(AnalysisError) as caught:
        _ = report(letters.results, resamples=0).against
    assert str(caught.value).startswith("no model is compared with a published testbed\n  where:    old:new\n")
    assert str(caught.value).endswith('fix:      ask for one: report(..., against="recht2019")')


def test_a_published_testbed_is_not_compared_with_itself():
    with pytest.raises(UsageError) as caught:
        report(published="recht2019", against="recht2019")
    says(caught.value, found='published="recht2019", against="recht2019"')


def test_a_misspelt_testbed_is_found_before_the_work(tmp_path):
    with pytest.raises(UsageError) as caught:
        report(tmp_path / "nothing-here", against="recht-2019")
    says(caught.value, found='"recht-2019"')


def test_several_pairs_are_put_side_by_side(two_pairs, tmp_path):
    found = report(two_pairs.results, resamples=0)
    found.save(tmp_path, "csv,md,tex")

    # By hand: top-1 of good, fair and poor is 4, 3 and 2 of 4 on the old set, 2, 1 and 1 of 3 on the new one, and 1 of
    # 4 each on the newer one: 3/4, 4/9 and 1/4 on average.
    assert found.average_changes["top1_change"].tolist() == pytest.approx([4 / 9 - 3 / 4, 1 / 4 - 3 / 4])
    assert files(tmp_path / "tables")[:3] == [f"average_changes.{suffix}" for suffix in ("csv", "md", "tex")]
    assert (
        (tmp_path / "tables" / "average_changes.md")
        .read_text("utf-8")
        .startswith(
            "**Average change in accuracy, in points**\n\n"
            "| Original | New | Top-1 models | Top-1 change | Top-5 models | Top-5 change |\n"
            "| :--- | :--- | ---: | ---: | ---: | ---: |\n"
            "| old | new | 3 | −30.6 ["
        )
    )
    tex = (tmp_path / "tables" / "average_changes.tex").read_text("utf-8")
    assert "\\caption{Average change in accuracy, in points. New minus original" in tex
    assert "\nold & newer & 3 & $-$50.0 [" in tex
    read = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert [row["new"] for row in read["average_changes"]] == ["new", "newer"]


def test_one_pair_is_not_put_beside_itself(written):
    assert not list((written / "tables").glob("average*"))
    assert not list((written / "figures").glob("pairs*"))


def test_a_figure_has_the_metric_and_scale_of_the_report(letters):
    found = report(letters.results, resamples=50, scale="probit", metric="top5")

    assert "(top-5, %, probit scale)" in found.draw("scatter").axes[0].get_xlabel()
    assert "(top-5, %)" in found.draw("scatter", scale="linear").axes[0].get_xlabel()
    assert [ax.get_title().split("\n")[0] for ax in found.draw("decomposition").axes] == [
        "Distribution shift",
        "Sampling error",
    ]


def test_several_pairs_are_drawn_side_by_side_or_one_by_one(two_pairs, tmp_path):
    found = report(two_pairs.results, resamples=50)

    assert [ax.get_title().partition("\n")[0] for ax in found.draw("scatter").axes] == ["old → new", "old → newer"]
    assert len(found["old:newer"].draw("scatter").axes) == 1
    with pytest.raises(UsageError) as caught:
        found.draw("decomposition")
    says(caught.value, found="old:new, old:newer")
    found.save(tmp_path, "svg")
    assert [name for name in files(tmp_path) if "pairs_" in name] == [
        f"figures/pairs_{what}_{scale}.svg" for what in ("grid", "top1") for scale in ("linear", "probit")
    ]
    assert [ax.get_title().split("\n")[0] for ax in found.draw("grid").axes] == ["old → new", "old → newer"] * 2
    with pytest.raises(UsageError, match="the figure grid does not offer this choice"):
        found.draw("grid", metric="top1")


def test_a_figure_that_is_not_there_is_met_with_its_nearest(letters):
    with pytest.raises(UsageError) as caught:
        report(letters.results, resamples=0).draw("decompositon")
    says(caught.value, found='"decompositon"', expected=", ".join((*figures.FIGURES, "grid")))


def test_a_figure_of_what_the_pair_has_not_says_why(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 7])}, resamples=0)
    found = Report(Summary((pair,), "linear", "top1", 0.95, 0, 0, "now", "1"))
    with pytest.raises(AnalysisError) as caught:
        found.draw("robustness")
    assert str(caught.value).startswith("no data for the figure robustness\n  where:    old:new\n")


@pytest.mark.parametrize("figure", ["agreement", "classes"])
def test_a_figure_of_single_predictions_says_that_there_are_counts_alone(make_outcomes, figure):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 7, 5])}, resamples=0)
    found = Report(Summary((pair,), "linear", "top1", 0.95, 0, 0, "now", "1"))
    with pytest.raises(AnalysisError) as caught:
        found.draw(figure)
    says(caught.value, where="old:new", found="only counts are stored, not per-image predictions")


@pytest.mark.parametrize(
    "choices, words",
    [
        ({}, ""),
        ({"pairs": "cifar10:cifar10.1-v4"}, "--pair cifar10:cifar10.1-v4 "),
        ({"without": ["vgg", "resnet"]}, "--without vgg --without resnet "),
        ({"without": (), "scale": "logit"}, "--without none --logit "),
    ],
)
def test_the_command_of_a_published_report(choices, words):
    command = report(published="recht2019", resamples=0, **choices).summary.command
    assert command == f"evalshift report --published recht2019 {words}--metric top1 --bootstrap 0 --seed 0"


def test_the_summary_file_holds_the_headline_and_the_command(letters, tmp_path):
    found = report(letters.results, resamples=50)
    found.save(tmp_path, "md")

    read = json.loads((tmp_path / "summary.json").read_text("utf-8"))

    assert read["command"] == found.summary.command
    assert read["pairs"][0]["metrics"]["top1"]["headline"][0].startswith("Top-1 accuracy drops by ")


def test_a_notebook_shows_figures_as_pictures(letters):
    picture = report(letters.results, resamples=0).draw("scatter")._repr_png_()  # pyright: ignore

    assert picture.startswith(b"\x89PNG")


def test_json_is_the_content_of_the_summary_file(letters, tmp_path):
    found = report(letters.results, resamples=0)
    found.save(tmp_path, "csv")
    assert found.to_json() == (tmp_path / "summary.json").read_text("utf-8")
    assert json.loads(found.to_json(anonymous=True))["command"] == ""


def test_a_notebook_shows_words_and_table_with_names_escaped(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 6], models=("<i>", "b"))}, resamples=0)

    html = Report(Summary((pair,), "linear", "top1", 0.95, 0, 0, "now", "1"))._repr_html_()

    assert "<b>old:new</b> Top-1 accuracy drops by 15.0 points" in html
    assert "<i>" not in html
    assert "<td>&lt;i&gt;</td>" in html
