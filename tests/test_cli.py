"""The commands as a person types them: what they print, where, what they write, and with which exit code they end."""

import fcntl
import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import pty
import re
import resource
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from commandline import CORRECT, LABELS, contents, run_apart, run_here, write_testbed
from fileserver import FileServer
from messages import says
from PIL import Image
from typer.main import get_command

from evalshift import __version__, commands
from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.plot_data.scopes import FIGURE_NAMES
from evalshift.cli import app
from evalshift.commands import shared
from evalshift.evaluate.store import Results
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry

COMMANDS = ("run", "report", "compare", "list", "fetch", "check", "import")
IMPORTS = ("recht2019-cifar10", "recht2019-imagenet", "predictions", "table")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user who has a registry of three models; the terminal has 80 columns."""
    write_testbed(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for variable in ("NO_PROXY", "no_proxy"):  # whatever proxy this machine is behind
        monkeypatch.setenv(variable, "127.0.0.1")
    with FileServer() as server:
        yield server


def plain(text: str) -> str:
    """Text without what differs from machine to machine and from run to run."""
    text = re.sub(r"[\d,]+ images/s", "N/s", text)
    text = re.sub(r"^device {4}.*", "device    …", text, flags=re.MULTILINE)
    text = re.sub(r"^time {6}.*\n", "", text, flags=re.MULTILINE)  # of runs that take two seconds or more
    return "\n".join(line.rstrip() for line in text.splitlines())


def correct_predictions(results: Path = Path("results")) -> dict[str, tuple[int, int]]:
    store = Results(results)

    def count(dataset: str, model: str) -> int:
        return int(store.load_predictions(dataset, model).hits(LABELS).sum())

    return {model: (count("original", model), count("new", model)) for model in store.models("original")}


# ---------------------------------------------------------------------------------------------------------------- run


def test_run_stores_each_model_and_says_what_came_out(here: Path) -> None:
    ran = run_here("run")
    assert (ran.code, ran.out) == (0, "")
    assert plain(ran.err) == (
        "registry  registry.yaml, found in this folder; it names code\n"
        "code      networks.py: good, shy, dark\n"
        "pairs     original:new\n"
        "models    3\n"
        "device    …\n"
        "good                         original 100.0 % (N/s)   new 83.3 % (N/s)\n"
        "shy                          original 66.7 % (N/s)   new 66.7 % (N/s)\n"
        "dark                         original 33.3 % (N/s)   new 33.3 % (N/s)\n"
        "results   results"
    )
    assert correct_predictions() == CORRECT


def test_run_without_a_registry_takes_the_embedded_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_here("run", "--models", "digits-ridge-n?0,digits-lda", "--models", "*centroid-4x4")
    assert ran.code == 0
    assert re.search(r"^pairs     digits:digits-new-writers\nmodels    5$", ran.err, re.MULTILINE), ran.err
    store = Results("results")
    assert store.pairs() == ["digits:digits-new-writers"]
    assert store.models("digits-new-writers") == [
        "digits-centroid-4x4",
        "digits-lda",
        "digits-ridge-n10",
        "digits-ridge-n20",
        "digits-ridge-n40",
    ]


def test_run_skips_what_is_stored(here: Path) -> None:
    run_here("run")
    before = contents(here / "results")
    ran = run_here("run")
    assert ran.code == 0
    assert ran.err == (
        "registry  registry.yaml, found in this folder; it names code\n"
        "code      networks.py: good, shy, dark\n"
        "pairs     original:new\n"
        "models    3\n"
        "skipped   6 predictions stored and still valid\n"
        "nothing to do: everything is in results\n"
        "results   results\n"
    )
    assert contents(here / "results") == before


def test_force_runs_again(here: Path) -> None:
    run_here("run", "--models", "good")
    stored = here / "results/predictions/original/good.parquet"
    before = stored.stat().st_mtime_ns
    ran = run_here("run", "--models", "good", "--force")
    assert "redone    good on original, good on new: run again on request\n" in ran.err
    assert stored.stat().st_mtime_ns > before


def test_run_writes_where_it_is_told_to(here: Path) -> None:
    before = contents(here)
    ran = run_here("run", "--results", "elsewhere/mine", "--models", "dark")
    assert ran.err.endswith("\nresults   elsewhere/mine\n")
    assert correct_predictions(Path("elsewhere/mine")) == {"dark": CORRECT["dark"]}
    assert {name for name in contents(here).keys() - before.keys() if not name.startswith("elsewhere/mine/")} == set()


def test_logits_are_kept_when_asked_for(here: Path) -> None:
    run_here("run", "--models", "good")
    assert not (here / "results/logits").exists()
    ran = run_here("run", "--models", "good", "--save-logits")
    assert "redone    good on original, good on new: its logits are not stored\n" in ran.err
    logits = np.load(here / "results/logits/new/good.npy")
    assert (logits.dtype, logits.shape) == (np.float16, (12, 3))
    np.testing.assert_array_equal(logits.argmax(axis=1), Results("results").load_predictions("new", "good").top[:, 0])
    assert "nothing to do" in run_here("run", "--models", "good", "--save-logits").err


def test_options_reach_the_run_and_its_record(here: Path) -> None:
    assert run_here("run", "--batch-size", "5", "--precision", "bf16", "--device", "cpu", "--workers", "1").code == 0
    provenance = Results("results").provenance("new", "good")
    assert provenance is not None
    assert (provenance.batch_size, provenance.precision, provenance.memory_format) == (5, "bf16", "contiguous")


def test_dry_run_says_what_and_why_and_writes_nothing(here: Path) -> None:
    before = contents(here)
    ran = run_here("run", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert plain(ran.out) == (
        "registry  registry.yaml, found in this folder; it names code\n"
        "code      networks.py: good, shy, dark\n"
        "pairs     original:new\n"
        "models    3\n"
        "to run    6\n"
        "\n"
        "model  on             why\n"
        "─────────────────────────────────\n"
        "good   original, new  not run yet\n"
        "shy    original, new  not run yet\n"
        "dark   original, new  not run yet"
    )
    assert contents(here) == before


def test_dry_run_gives_each_reason(here: Path) -> None:
    run_here("run", "--models", "good,shy")
    registry = here / "registry.yaml"
    registry.write_text(registry.read_text("utf-8").replace("{mean: [0.0]}", "{mean: [0.1]}"), "utf-8")
    before = contents(here)
    ran = run_here("run", "--dry-run")
    assert plain(ran.out) == (
        "registry  registry.yaml, found in this folder; it names code\n"
        "code      networks.py: good, shy, dark\n"
        "pairs     original:new\n"
        "models    3\n"
        "skipped   2, stored and still valid\n"
        "to run    4\n"
        "\n"
        "model  on             why\n"
        "───────────────────────────────────────────────────\n"
        "shy    original, new  preprocess.mean [0.0] → [0.1]\n"
        "dark   original, new  not run yet"
    )
    assert contents(here) == before
    assert run_here("run", "--dry-run", "--models", "good").out.endswith("\nnothing to do: everything is in results\n")


def test_models_of_other_classes_are_left_out(here: Path) -> None:
    registry = here / "registry.yaml"
    registry.write_text("extends: default\n" + registry.read_text("utf-8"), "utf-8")
    ran = run_here("run", "--dry-run", "--models", "good,digits-lda*")
    assert "models    1 (2 with other classes left out)\n" in ran.out


def test_run_takes_its_options_from_a_file_and_flags_override_it(here: Path) -> None:
    Path("run.yaml").write_text("models: [good, dark]\npair: original:new\nbatch_size: 2\nresults: elsewhere\n")
    ran = run_here("run", "--config", "run.yaml", "--models", "good")
    assert ran.code == 0, ran.err
    assert ran.err.startswith("config    run.yaml\n")
    stored = Results("elsewhere")
    assert stored.models("new") == ["good"]
    provenance = stored.provenance("new", "good")
    assert provenance is not None
    assert provenance.batch_size == 2
    # What the file gave; the models are those of the command line.
    assert provenance.config == {"pair": ["original:new"], "batch-size": 2, "results": "elsewhere"}
    assert run_here("run", "--config", "run.yaml").code == 0
    assert stored.models("new") == ["dark", "good"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("modles: good\n", "unknown option\n  where:    run.yaml, line 1\n  found:    modles\n"),
        ("force: true\nworkers: [1, 2]\n", "an option has an invalid value\n  where:    run.yaml, line 2\n"),
        ("batch-size: many\n", "is not a batch size\n"),
    ],
)
def test_errors_in_a_file_of_options(here: Path, text: str, said: str) -> None:
    Path("run.yaml").write_text(text)
    ran = run_here("run", "--config", "run.yaml")
    assert ran.code == 2
    assert said in ran.err


def test_a_file_of_options_that_does_not_exist(here: Path) -> None:
    ran = run_here("run", "--config", "nosuch.yaml")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: the file of options does not exist\n")


# ------------------------------------------------------------------------------------------------------------- report


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the three models; tests that write go elsewhere."""
    folder = tmp_path_factory.mktemp("stored")
    registry = write_testbed(folder)
    text = registry.read_text("utf-8")
    registry.write_text(text.replace("  - original:new\n", "  - original:new\n  - new:original\n"), "utf-8")
    assert run_here("run", "--registry", registry, "--results", folder / "results").code == 0
    return folder / "results"


@pytest.fixture
def out(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "report"


def tables_of(
    stem: str, *formats: str, others: tuple[str, ...] = ("_curvature", "_matched_models", "_robustness")
) -> list[str]:
    """The tables of a metric that counts alone give, and `others`, for which three models are too few."""
    names = sorted(("", "_decomposition", "_lines", "_scales", "_trends", *others))
    return [f"tables/{stem}{name}.{suffix}" for name in names for suffix in formats]


def tables_of_images(stem: str, *formats: str) -> list[str]:
    """Those that take the predictions to each image."""
    names = ("calibration", "classes", "hard_images", "image_trends", "ranks", "selective", "sets", "without_labels")
    names = (*names, "worst_classes")
    return [
        *(f"tables/{stem}_{name}.csv" for name in ("model_classes", "pairs")),
        *(f"tables/{stem}_{name}.{suffix}" for name in names for suffix in formats or ("csv", "md", "tex")),
    ]


def test_report_prints_the_findings_and_writes_every_file(stored: Path, out: Path) -> None:
    ran = run_here("report", "--results", stored, "--pair", "original:new", "--bootstrap", "200")
    assert (ran.code, ran.err) == (0, "")
    # By hand: drops of 2/12, 0 and 0, so 5.6 on average; least squares through (1, 5/6), (2/3, 2/3), (1/3, 1/3) has the
    # slope 3/4 with R² = 27/28. A line through two of them misses the third by 1/6, 1/12 and 1/6: √(1/48) = 14.43
    # points. Of Σd² = 2/9 sampling error makes (4/9 − (4/9 + 2/9)/3)/12 = 0.0185, as variances are 2/9 and the
    # covariance is 1/9, over 12 images: the slope is 0.1667/0.2037 = 0.82.
    assert plain(ran.out) == (
        "original:new\n"
        "  Top-1 accuracy drops by 5.6 points on average over 3 models (95 % CI −22.6 to\n"
        "  33.7). The smallest drop is 0.0 points (shy, 95 % CI −33.8 to 33.8), the\n"
        "  largest 16.7 points (good, 95 % CI −10.4 to 44.8).\n"
        "  Slope 0.82 (95 % CI −0.63 to 2.27): one point more on original goes with 0.82\n"
        "  points more on new (least-squares slope 0.75, R² = 0.964). A line through only\n"
        "  3 models says little about others, and no distances from it are given.\n"
        "  All models keep their rank.\n"
        "  At most 42.4 points of any change can be sampling error of the images of both\n"
        "  sets (95 %, jointly for all 3 models). The average change is not statistically\n"
        "  significant, so no cause is attributed.\n"
        "  Lines are on the linear scale, because fewer than 5 models cannot show which\n"
        "  scale fits best.\n"
        "\n"
        "Model   Original top-1 (%)      New top-1 (%)  Drop  Δ rank\n"
        "───────────────────────────────────────────────────────────\n"
        "good   100.0 [73.5, 100.0]  83.3 [51.6, 97.9]  16.7       0\n"
        "shy      66.7 [34.9, 90.1]  66.7 [34.9, 90.1]   0.0       0\n"
        "dark      33.3 [9.9, 65.1]   33.3 [9.9, 65.1]   0.0       0\n"
        "\n"
        "tables: lines, scales, decomposition, trends, ranks, sets, pairs,\n"
        "without_labels, calibration, selective, classes, model_classes, worst_classes,\n"
        "hard_images, image_trends\n"
        f"page: {out / 'index.html'}"
    )
    assert sorted(contents(out)) == [
        "figures/original_vs_new_top1_agreement.pdf",
        "figures/original_vs_new_top1_agreement.png",
        "figures/original_vs_new_top1_agreement.svg",
        "figures/original_vs_new_top1_classes.pdf",
        "figures/original_vs_new_top1_classes.png",
        "figures/original_vs_new_top1_classes.svg",
        "figures/original_vs_new_top1_decomposition.pdf",
        "figures/original_vs_new_top1_decomposition.png",
        "figures/original_vs_new_top1_decomposition.svg",
        "figures/original_vs_new_top1_linear.pdf",
        "figures/original_vs_new_top1_linear.png",
        "figures/original_vs_new_top1_linear.svg",
        "figures/original_vs_new_top1_probit.pdf",
        "figures/original_vs_new_top1_probit.png",
        "figures/original_vs_new_top1_probit.svg",
        "figures/original_vs_new_top1_ranks.pdf",
        "figures/original_vs_new_top1_ranks.png",
        "figures/original_vs_new_top1_ranks.svg",
        *(f"figures/original_vs_new_top1_reliability.{suffix}" for suffix in ("pdf", "png", "svg")),
        *(f"figures/original_vs_new_top1_risk_coverage.{suffix}" for suffix in ("pdf", "png", "svg")),
        "figures/original_vs_new_top1_scales.pdf",
        "figures/original_vs_new_top1_scales.png",
        "figures/original_vs_new_top1_scales.svg",
        "index.html",
        "summary.json",
        "tables/original_vs_new_expected_accuracy.csv",
        "tables/original_vs_new_expected_accuracy.md",
        "tables/original_vs_new_expected_accuracy.tex",
        *sorted(
            [
                *tables_of("original_vs_new_top1", "csv", "md", "tex", others=()),
                *tables_of_images("original_vs_new_top1"),
            ]
        ),
    ]


@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_report_fits_the_scale_that_is_asked_for(stored: Path, out: Path, scale: str) -> None:
    ran = run_here("report", "--results", stored, "--bootstrap", "0", "--format", "csv", f"--{scale}")
    assert json.loads((out / "summary.json").read_text("utf-8"))["scale"] == scale
    assert (f" on the {scale} scale (95 % CI" in " ".join(ran.out.split())) == (scale != "linear")


def test_report_writes_the_formats_that_are_asked_for(stored: Path, out: Path) -> None:
    ran = run_here("report", "--results", stored, "--format", "svg, CSV", "--bootstrap", "0", "--pair", "original:new")
    assert sorted(contents(out)) == [
        "figures/original_vs_new_top1_agreement.svg",
        "figures/original_vs_new_top1_classes.svg",
        "figures/original_vs_new_top1_decomposition.svg",
        "figures/original_vs_new_top1_linear.svg",
        "figures/original_vs_new_top1_probit.svg",
        "figures/original_vs_new_top1_ranks.svg",
        "figures/original_vs_new_top1_reliability.svg",
        "figures/original_vs_new_top1_risk_coverage.svg",
        "figures/original_vs_new_top1_scales.svg",
        "summary.json",
        "tables/original_vs_new_expected_accuracy.csv",
        *sorted(
            [*tables_of("original_vs_new_top1", "csv", others=()), *tables_of_images("original_vs_new_top1", "csv")]
        ),
    ]
    assert ran.out.endswith(f"\nreport: {out}\n")


def test_report_prints_json_alone_and_writes_nothing(stored: Path, out: Path) -> None:
    ran = run_here("report", "--results", stored, "--bootstrap", "0", "--format", "json", "--pair", "original:new")
    assert (ran.code, ran.err) == (0, "")
    assert [pair["original"] for pair in json.loads(ran.out)["pairs"]] == ["original"]
    assert not out.exists()


def test_report_draws_in_the_size_that_is_asked_for(stored: Path, out: Path) -> None:
    run_here("report", "--results", stored, "--format", "png", "--bootstrap", "0", "--size", "slide")
    drawn = sorted((out / "figures").iterdir())
    assert len(drawn) > 4
    for path in drawn:
        with Image.open(path) as image:
            assert image.size == (2000, 1125), path


def test_report_writes_where_it_is_told_to(stored: Path, tmp_path: Path) -> None:
    target = tmp_path / "a/b"
    run_here("report", "--results", stored, "--format", "md", "--bootstrap", "0", "--out", target)
    assert (target / "summary.json").is_file()


def test_report_without_a_bootstrap_says_that_the_line_has_no_interval(stored: Path, out: Path) -> None:
    ran = run_here("report", "--results", stored, "--bootstrap", "0", "--format", "csv", "--pair", "original:new")
    assert "one point more on original goes with 0.82 points more on new" in " ".join(ran.out.split())
    assert "  note: The line has no bootstrap interval: nothing was resampled.\n" in ran.out


def test_report_holds_every_pair_that_was_run(stored: Path, out: Path) -> None:
    ran = run_here("report", "--results", stored, "--bootstrap", "0", "--format", "csv")
    assert re.findall(r"^\S+:\S+$", ran.out, re.MULTILINE) == ["original:new", "new:original"]
    assert "Top-1 accuracy rises by 5.6 points" in ran.out


@pytest.mark.parametrize("pairs", [["new:original,original:new"], ["new:original", "--pair", "original:new"]])
def test_report_takes_several_pairs_in_the_order_named(stored: Path, out: Path, pairs: list[str]) -> None:
    ran = run_here("report", "--results", stored, "--bootstrap", "0", "--format", "csv", "--pair", *pairs)
    assert re.findall(r"^\S+:\S+$", ran.out, re.MULTILINE) == ["new:original", "original:new"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of twelve embedded models on the embedded pair."""
    results = tmp_path_factory.mktemp("digits") / "results"
    models = "digits-ridge*,digits-centroid*,digits-lda*,digits-logistic,digits-neighbour-n60"
    assert run_here("run", "--models", models, "--batch-size", "64", "--results", results).code == 0
    return results


def test_report_takes_its_chance_from_the_seed(out: Path) -> None:
    def interval(seed: int) -> dict:
        chosen = ("--published", "recht2019", "--pair", "cifar10:cifar10.1-v4", "--bootstrap", "50")
        run_here("report", *chosen, "--format", "csv", "--seed", seed)
        pair = json.loads((out / "summary.json").read_text("utf-8"))["pairs"][0]
        return pair["metrics"]["top1"]["lines"]["linear"]["slope_interval"]

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


def test_compare_prints_a_verdict_and_the_differences(stored: Path) -> None:
    ran = run_here("compare", "good", "shy", "--results", stored)
    assert (ran.code, ran.err) == (0, "")
    assert "The accuracies of good and shy do not differ significantly" in " ".join(plain(ran.out).split())
    assert "only good" in ran.out
    assert re.search(r"effective\s+(\w+\s+)*robustness", ran.out)


def test_compare_prints_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_here("compare", "vgg*", "--published", "recht2019", "--pair", "imagenet:imagenetv2-topimages", "--json")
    (pair,) = json.loads(ran.out)["pairs"]
    models = [one["model"] for one in pair["models"]]
    assert {"vgg16", "vgg19"} < set(models)
    assert len(pair["differences"]) == 4 * len(models) * (len(models) - 1) / 2


def test_compare_refuses_an_unknown_model(stored: Path) -> None:
    ran = run_here("compare", "good", "shi", "--results", stored)
    assert ran.code == 2
    assert 'fix:      did you mean "shy"?' in ran.err


def test_report_on_a_published_testbed_needs_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    pair = "imagenet:imagenetv2-matched-frequency"
    chosen = ("--pair", pair, "--without", "none", "--bootstrap", "0", "--format", "csv")
    ran = run_here("report", "--published", "recht2019", "--linear", *chosen)
    assert (ran.code, ran.err) == (0, "")
    # Table 11 of Recht et al. 2019; without the Fisher vectors the slope is 1.11.
    printed = " ".join(ran.out.split())
    assert "one point more on ImageNet goes with 0.97 points more on ImageNetV2 MatchedFrequency" in printed
    assert "nasnetalarge             82.5 [82.2, 82.8]  72.2 [71.3, 73.1]  10.3       3" in ran.out
    assert sorted(contents(tmp_path / "report")) == [
        "summary.json",
        *(
            table
            for metric in ("top1", "top5")
            for table in sorted(tables_of(f"imagenet_vs_imagenetv2-matched-frequency_{metric}", "csv"))
        ),
    ]


def test_report_against_a_testbed_that_knows_none_of_the_pairs(stored: Path, out: Path) -> None:
    ran = run_here("report", "--results", stored, "--against", "recht2019", "--bootstrap", "0")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[:3] == [
        "evalshift: nothing was published on these pairs to compare with",
        "  where:    recht2019",
        "  found:    original:new, new:original",
    ]
    assert not out.exists()


def test_report_on_results_and_on_a_published_testbed_at_once(stored: Path) -> None:
    ran = run_here("report", "--results", stored, "--published", "recht2019")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "evalshift: both stored results and a published testbed were given\n"
        f"  found:    --results {stored} --published recht2019\n"
        "  expected: one of them\n"
    )


def test_report_of_top_5(digits: Path, out: Path) -> None:
    ran = run_here("report", "--results", digits, "--metric", "top5", "--bootstrap", "0", "--format", "csv")
    assert ran.code == 0
    assert "Top-5 accuracy drops by 0.5 points on average over 12 models" in ran.out
    assert "Original top-5 (%)" in ran.out
    assert (out / "tables/digits_vs_digits-new-writers_top5.csv").is_file()


def test_report_prints_ten_models_and_counts_the_rest(digits: Path, out: Path) -> None:
    ran = run_here("report", "--results", digits, "--bootstrap", "0", "--format", "csv")
    rows = re.findall(r"^digits-\S+ +[\d.]+ \[", ran.out, re.MULTILINE)
    assert len(rows) == 10
    assert rows[0].startswith("digits-logistic ")
    assert "\n… and 2 more\n" in ran.out


def test_report_always_prints_highlighted_models(digits: Path, out: Path) -> None:
    ran = run_here("report", "--results", digits, "--highlight", "digits-ridge*", "--bootstrap", 0, "--format", "csv")
    assert ran.code == 0, ran.err
    marked = [line for line in ran.out.splitlines() if line.startswith("▸ digits-ridge")]
    assert len(marked) == len([name for name in Results(digits).models("digits") if name.startswith("digits-ridge")])
    assert "\n  digits-ridge: " in ran.out


def test_report_on_chosen_models(digits: Path, out: Path) -> None:
    ran = run_here("report", "--results", digits, "--models", "digits-lda*", "--bootstrap", 0, "--format", "csv")
    assert ran.code == 0, ran.err
    assert "… and" not in ran.out
    assert "digits-ridge" not in ran.out


def test_a_glob_that_matches_no_model_names_the_option(digits: Path, out: Path) -> None:
    ran = run_here("report", "--results", digits, "--highlight", "digit-lda")
    assert ran.code == 2
    assert "--highlight" in ran.err
    assert 'did you mean "digits-lda"?' in ran.err


def test_figure_draws_one_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    choices = ["--published", "recht2019", "--pair", "cifar10:cifar10.1-v6", "--bootstrap", 100, "--highlight", "nas"]
    ran = run_here("figure", "scatter", *choices, "--label", "nas=NASNet", "--xlim", "60,100", "--out", "a/fig.1.svg")
    assert (ran.code, ran.out) == (0, "figure: a/fig.1.svg\n")
    assert sorted(contents(tmp_path)) == ["a/fig.1.svg"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["scater", "--out", "a.pdf"], 'did you mean "scatter"?'),
        (["scatter", "--out", "a.jpg"], "unsupported format of a figure (--out)"),
        (["scatter", "--out", "a.pdf", "--xlim", "60"], "--xlim is a range"),
        (["scatter", "--out", "a.pdf", "--label", "nas"], "this is not a label (--label)"),
        (["scatter", "--out", "a.pdf", "--width", "0.1"], "the --width of the figure is out of range"),
        (["ranks", "--out", "a.pdf", "--xlim", "1,2"], "does not offer this choice"),
    ],
)
def test_figure_says_what_it_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_here("figure", *arguments, "--published", "recht2019", "--pair", "cifar10:cifar10.1-v6", "--bootstrap", 0)
    assert ran.code == 2
    assert words in ran.err
    assert contents(tmp_path) == {}


# --------------------------------------------------------------------------------------------------------------- list


def test_list_models(here: Path) -> None:
    ran = run_here("list", "models")
    assert (ran.code, ran.err) == (0, "")
    assert plain(ran.out) == (
        "model  classes  family   year  expected\n"
        "──────────────────────────────────────────────\n"
        "good   shades   nearest  2001\n"
        "shy    shades                  original 66.7 %\n"
        "dark   shades"
    )


@pytest.mark.parametrize("what", ["models", "datasets", "pairs"])
def test_lists_fit_60_columns_and_say_what_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    lines = run_here("list", what).out.splitlines()
    assert max(map(len, lines)) <= 60
    rows = [line for line in lines[2:] if line[:1].strip()]
    names = set(load_registry().models if what == "models" else load_registry().datasets)
    if what != "pairs":
        assert names <= {row.split()[0] for row in rows}  # whole, to be copied
        assert "not shown at this width: classes" in lines[-1 if what == "datasets" else -2]
    monkeypatch.setenv("COLUMNS", "200")
    assert "not shown" not in run_here("list", what).out


def test_list_models_says_which_wait_for_a_request(here: Path) -> None:
    text = (
        Path("registry.yaml")
        .read_text()
        .replace("shades, preprocess: {}}", 'shades, preprocess: {}, on_request: "slow"}')
    )
    Path("registry.yaml").write_text(text)
    lines = plain(run_here("list", "models").out).splitlines()
    assert lines[0].endswith("  run on request")
    assert lines[-1].split() == ["dark", "shades", "slow"]
    checked = run_here("check").out
    assert "not run   dark: run only when named\n" in checked
    assert "\nmodel" in checked
    assert "dark" not in checked.split("not run")[1].split("when named")[1]
    assert run_here("run").code == 0
    assert not list(Path("results").rglob("dark*"))
    assert run_here("run", "--models", "da*").code == 0
    assert list(Path("results").rglob("dark*"))


def test_list_datasets_says_what_they_are_and_whether_they_are_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (here / "new_y.npy").unlink()
    header, _, *rows = table(run_here("list", "datasets").out)
    assert header == ["dataset", "classes", "state", "what it is"]
    known = {row[0]: row[1:] for row in rows}
    assert list(known)[:2] == ["digits", "digits-new-writers"]
    assert list(known)[-2:] == ["original", "new"]
    assert known["digits"][:2] == ["digits", "ready"]
    assert known["cifar10"] == ["cifar10", "to download, 170 MB", "the test set, 10,000 images"]
    assert known["imagenetv2-topimages"][:2] == ["imagenet-1k", "to download, 1.2 GB"]
    assert known["imagenet"][:2] == ["imagenet-1k", "needs a login"]
    assert known["original"] == ["shades", "ready", "twelve greys"]
    assert known["new"] == ["shades", "missing"]


def test_list_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    header, _, *rows = table(run_here("list", "pairs").out)
    assert header == ["pair", "classes", "pairs", "models"]
    assert rows[0] == ["digits:digits-new-writers", "digits", "1", "36"]
    registry = load_registry(default_path())
    assert [row[0] for row in rows] == [str(pair) for pair in (*registry.pairs, *registry.families_of_pairs)]
    assert next(row[:3] for row in rows if row[2] != "1") == ["cifar10:cifar10-c@*", "cifar10", "95"]
    counts = Counter(model.classes for model in registry.models.values())
    assert [row[3] for row in rows] == [str(counts[row[1]]) for row in rows]
    chosen = json.loads(run_here("list", "pairs", "--filter", "cifar100:cifar100-c@fog-*", "--json").out)
    assert [row["new"] for row in chosen] == [f"cifar100-c@fog-{severity}" for severity in range(1, 6)]


def test_list_chooses_by_name_source_and_what_can_run(here: Path) -> None:
    (here / "new_y.npy").unlink()

    def names(*options: str) -> list[str]:
        return [entry["name"] for entry in json.loads(run_here("list", *options, "--json").out)]

    assert names("models", "--filter", "*d*") == ["good", "dark"]
    assert names("models", "--filter", "good,shy") == ["good", "shy"]
    assert names("models", "--source", "python", "--filter", "shy") == ["shy"]
    assert names("datasets", "--source", "npy") == ["original", "new"]
    assert names("datasets", "--source", "npy", "--runnable") == ["original"]
    assert "original:new" in names("pairs")
    assert "original:new" not in names("pairs", "--runnable")
    assert run_here("list", "models", "--source", "npy").out == "no model fits\n"


def test_list_as_json_has_every_fact(here: Path) -> None:
    (shy,) = json.loads(run_here("list", "models", "--filter", "shy", "--json").out)
    assert shy == {
        "name": "shy",
        "title": None,
        "source": "python",
        "classes": "shades",
        "family": None,
        "year": None,
        "expected": {"original": 0.667},
        "on_request": None,
        "can_run": True,
        "state": "ready",
    }


def test_list_refuses_a_name_or_source_that_nothing_has(here: Path) -> None:
    name, source = run_here("list", "models", "--filter", "goood"), run_here("list", "datasets", "--source", "nyp")
    assert (name.code, source.code) == (2, 2)
    assert 'fix:      did you mean "good"?' in name.err
    assert 'fix:      did you mean "npy"?' in source.err


@pytest.mark.parametrize(
    "typed, offered",
    [
        ("run --models sh", ["shy"]),
        ("run --models good,dar", ["good,dark"]),
        ("run --pair orig", ["original:new"]),
        ("run --precision b", ["bf16"]),
        ("run --executor r", ["ray"]),
        ("report --metric top", ["top1", "top5"]),
        ("report --published r", ["recht2019", "robustbench"]),
        ("compare --published recht2019 vgg19_", ["vgg19_bn"]),
        ("fetch orig", ["original"]),
        ("list d", ["datasets"]),
        ("run --registry nosuch.yaml --models s", []),
    ],
)
def test_the_shell_completes_values(here: Path, typed: str, offered: list[str]) -> None:
    words = f"evalshift {typed}"
    asked = {"_EVALSHIFT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    main = "from evalshift.cli import app; app(prog_name='evalshift')"
    done = subprocess.run([sys.executable, "-c", main], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == offered


def test_a_scale_written_as_a_value_is_told_its_flag(here: Path) -> None:
    ran = run_here("report", "--scale", "probit")
    assert ran.code == 2
    assert "the scale is set by a flag: --linear, --probit, --logit. Did you mean --probit?" in ran.err
    assert "the scale is set by a flag: --linear, --probit, --logit\n" in run_here("report", "--scale", "x").err
    for wrong, meant in (("probitt", "probit"), ("Logit", "logit"), ("lin", "linear")):
        assert f"Did you mean --{meant}?" in run_here("report", "--scale", wrong).err


def table(printed: str) -> list[list[str]]:
    """The cells of a table that was printed into a pipe, where each row is a line."""
    return [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]


def test_list_takes_a_registry(here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "good   shades" in run_here("list", "models", "--registry", here / "registry.yaml").out


# -------------------------------------------------------------------------------------------------------------- fetch


@pytest.fixture
def online(here: Path, server: FileServer) -> dict[str, bytes]:
    """A registry with a dataset and two checkpoints on a server; the bytes of each file."""
    files = {"batch.tar.gz": b"a dataset", "one.pt": b"first", "two.pt": b"second"}
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
    urls = {name: server.put(name, body) for name, body in files.items()}
    (here / "registry.yaml").write_text(
        f"""\
datasets:
  far:
    source: cifar10
    files:
      archive: {{name: batch.tar.gz, sha256: {hashes["batch.tar.gz"]}, urls: ["{urls["batch.tar.gz"]}"]}}
models:
  net-one: {{source: checkpoint, builder: "networks.py:good", weights: "{urls["one.pt"]}", sha256: {hashes["one.pt"]},
             classes: cifar10, preprocess: {{}}, trust: true}}
  net-two: {{source: checkpoint, builder: "networks.py:good", weights: "{urls["two.pt"]}", sha256: {hashes["two.pt"]},
             classes: cifar10, preprocess: {{}}, trust: true}}
  by-code: {{source: python, trust: true, function: "networks.py:good", classes: cifar10, preprocess: {{}}}}
""",
        "utf-8",
    )
    return files


def test_fetch_says_where_each_file_is(here: Path, online: dict[str, bytes], server: FileServer) -> None:
    ran = run_here("fetch", "far", "net-*")
    cache = here / "cache"
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        f"far: {cache}/datasets/batch.tar.gz\n"
        f"net-one: {cache}/weights/{cached_name('one.pt', online)}\n"
        f"net-two: {cache}/weights/{cached_name('two.pt', online)}\n"
    )
    assert [(cache / line.split(": ")[1]).read_bytes() for line in ran.out.splitlines()] == list(online.values())


def cached_name(name: str, files: dict[str, bytes]) -> str:
    """Weights carry the first digits of their hash, so that two files of one name can lie side by side."""
    stem, suffix = name.split(".")
    return f"{stem}-{hashlib.sha256(files[name]).hexdigest()[:8]}.{suffix}"


def test_fetch_asks_for_nothing_that_is_there(online: dict[str, bytes], server: FileServer) -> None:
    first = run_here("fetch", "far", "net-one")
    requests = len(server.requests)
    assert run_here("fetch", "far", "net-one") == first
    assert len(server.requests) == requests == 2


def test_fetch_says_what_it_has_nothing_to_do_for(online: dict[str, bytes]) -> None:
    assert run_here("fetch", "digits", "by-code").out == "digits: nothing to download\nby-code: ready\n"


def test_fetch_of_an_unknown_name_fetches_nothing(here: Path, online: dict[str, bytes], server: FileServer) -> None:
    ran = run_here("fetch", "far", "net-onne")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        'evalshift: nothing is called "net-onne"\n'
        "  where:    registry.yaml\n"
        "  expected: the name of a dataset or a model, or a glob\n"
        '  fix:      did you mean "net-one"?\n'
    )
    assert server.requests == []


def test_fetch_tries_the_mirror_first(
    here: Path, online: dict[str, bytes], server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"mirror/{cached_name('one.pt', online)}"
    server.put(name, online["one.pt"])
    monkeypatch.setenv("EVALSHIFT_MIRROR", f"{server.url}/mirror")
    assert run_here("fetch", "net-one").code == 0
    assert [request.name for request in server.requests] == [name]


# -------------------------------------------------------------------------------------------------------------- check


def test_check_of_what_can_run(here: Path) -> None:
    before = contents(here)
    ran = run_here("check")
    assert (ran.code, ran.err) == (0, "")
    assert plain(ran.out) == (
        "registry  registry.yaml, found in this folder; it names code\n"
        "code      networks.py: good, shy, dark\n"
        "pairs     original:new\n"
        "models    3\n"
        "device    …\n"
        "\n"
        "         name      state  from\n"
        "────────────────────────────────────────────────────────\n"
        "dataset  original  ready  original_x.npy, original_y.npy\n"
        "dataset  new       ready  new_x.npy, new_y.npy\n"
        "model    good      ready  networks.py\n"
        "model    shy       ready  networks.py\n"
        "model    dark      ready  networks.py\n"
        "\n"
        "all can run"
    )
    assert contents(here) == before


def test_check_prints_json(here: Path) -> None:
    ran = run_here("check", "--json", "--models", "good")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["device"].startswith("cpu")
    del found["device"]
    state = {"can_run": True, "state": "ready"}
    assert found == {
        "registry": "registry.yaml",
        "pairs": ["original:new"],
        "can_run": True,
        "datasets": [
            {"name": "original", **state, "from": "original_x.npy, original_y.npy"},
            {"name": "new", **state, "from": "new_x.npy, new_y.npy"},
        ],
        "models": [{"name": "good", **state, "from": "networks.py"}],
    }
    assert run_here("check", "--json", "--data").code == 2


def test_check_names_what_is_missing(here: Path) -> None:
    (here / "new_x.npy").unlink()
    text = (here / "registry.yaml").read_text("utf-8")
    builder = 'builder: "networks.py:good", trust: true'
    lost = f"  lost: {{source: checkpoint, {builder}, weights: lost.pt, classes: shades, preprocess: {{}}}}\n"
    (here / "registry.yaml").write_text(text.replace("pairs:\n", f"{lost}pairs:\n"), "utf-8")
    ran = run_here("check", "--models", "good,lost")
    assert (ran.code, ran.err) == (1, "")
    assert plain(ran.out).partition("\n\n")[2] == (
        "         name      state    from\n"
        "──────────────────────────────────────────────────────────\n"
        "dataset  original  ready    original_x.npy, original_y.npy\n"
        "dataset  new       missing  new_x.npy\n"
        "model    good      ready    networks.py\n"
        "model    lost      missing  lost.pt\n"
        "\n"
        "missing: new, lost"
    )


def test_check_says_what_a_run_would_download(
    here: Path, online: dict[str, bytes], server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size(fallback))
    ran = run_here("check", "--pair", "far:cifar10.1-v6", "--models", "net-one,by-code")
    assert ran.code == 0
    rows = [re.split(" {2,}", line) for line in plain(ran.out).splitlines()[8:12]]
    assert rows == [
        ["dataset", "far", "to download", "batch.tar.gz"],
        ["dataset", "cifar10.1-v6", "to download, 6 MB", "cifar10.1_v6_data.npy, cifar10.1_v6_labels.npy"],
        ["model", "net-one", "to download", f"{server.url}/one.pt"],
        ["model", "by-code", "ready", "networks.py"],
    ]
    assert server.requests == []


def test_check_of_a_wrong_registry(here: Path) -> None:
    (here / "registry.yaml").write_text("datasets: {new: {source: nps}}\n", "utf-8")
    ran = run_here("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("evalshift: unknown source\n  where:    registry.yaml, line 1: datasets.new.source\n")


# -------------------------------------------------------------------------------------------------------------- import


def test_imported_predictions_stand_beside_runs(here: Path) -> None:
    run_here("run", "--models", "good,shy")
    for name, predictions in (("original", LABELS), ("new", np.zeros(12, np.int64))):
        np.save(f"{name}.npy", predictions)
    ran = run_here("import", "predictions", "original.npy", "--model", "guest", "--dataset", "original")
    assert (ran.code, ran.err) == (0, "")
    assert [line.rstrip() for line in ran.out.splitlines()] == [
        "model  dataset   images     top-1  top-5",
        "────────────────────────────────────────",
        "guest  original      12  100.00 %",
        "",
        "rule: labels of original as stored in results",
        "rule: no column identifies the images: rows are taken in dataset order",
        "rule: one number per image is its class",
        "results: results",
    ]
    ran = run_here("import", "predictions", "new.npy", "--model", "guest", "--dataset", "new", "--year", "1999")
    assert ran.out.endswith("results: results\npairs for `evalshift report`: original:new\n")
    assert load_pair(Results("results"), "original:new").outcomes["top1"].new_correct.tolist() == [10, 4, 8]


def test_a_run_says_that_it_redoes_what_was_imported(here: Path) -> None:
    np.save("answers.npy", np.zeros(12, np.int64))
    run_here("import", "predictions", "answers.npy", "--model", "good", "--dataset", "new")
    ran = run_here("run", "--models", "good")
    assert "redone    good on new: what is stored was imported (answers.npy), not run from this entry\n" in ran.err
    assert correct_predictions() == {"good": CORRECT["good"]}
    refused = run_here("import", "predictions", "answers.npy", "--model", "good", "--dataset", "new")
    assert refused.code == 2
    assert refused.err.startswith("evalshift: predictions of good on new are stored already, from a run\n")
    assert run_here("import", "predictions", "answers.npy", "--model", "good", "--dataset", "new", "--force").code == 0


def test_imports_outlive_a_run_of_the_same_dataset(here: Path) -> None:
    for name in ("original", "new"):
        np.save(f"{name}.npy", LABELS)
        run_here("import", "predictions", f"{name}.npy", "--model", "guest", "--dataset", name)
    assert Results("results").load_dataset("new").source_checksum is None
    run_here("run", "--models", "good")
    assert Results("results").load_dataset("new").source_checksum is not None
    stored = load_pair(Results("results"), "original:new")
    assert (stored.outcomes["top1"].models, stored.notes) == (("good", "guest"), ())
    # The same images in another order: what was imported is no longer of these rows.
    np.save("new_y.npy", LABELS[::-1])
    run_here("run", "--models", "good")
    assert load_pair(Results("results"), "original:new").notes == (
        "guest is left out: its predictions on new were imported for other labels, or images in another order.",
    )


def test_a_table_of_accuracies_is_reported_with_what_it_lacks(here: Path) -> None:
    Path("table.csv").write_text("model,a,b,c\nx,0.50,0.25,0.75\ny,0.75,0.50,1.00\nz,1.00,0.75,1.00\n", "utf-8")
    words = "import table table.csv --column original=a --column new=b --top5 new=c --n original=12 --n new=12"
    ran = run_here(*words.split())
    assert (ran.code, ran.err) == (0, "")
    assert [line.rstrip() for line in ran.out.splitlines()] == [
        "model  dataset   images     top-1     top-5",
        "───────────────────────────────────────────",
        "x      original      12   50.00 %",
        "y      original      12   75.00 %",
        "z      original      12  100.00 %",
        "x      new           12   25.00 %   75.00 %",
        "y      new           12   50.00 %  100.00 %",
        "z      new           12   75.00 %  100.00 %",
        "",
        'rule: the column "model" names the models',
        "rule: original: read as fractions: none is greater than 1",
        "rule: new: read as fractions: none is greater than 1",
        "results: results",
        "pairs for `evalshift report`: original:new",
    ]
    reported = run_here("report", "--bootstrap", "100", "--format", "html,csv")
    assert reported.code == 0
    assert (
        "note: Only imported counts are known, so all statistics that need per-image predictions leave out: "
        "x, y, z." in " ".join(reported.out.split())
    )
    assert run_here("report", "--metric", "top5").code == 2


def test_an_import_says_what_looks_wrong_and_changes_nothing(here: Path) -> None:
    labels = np.arange(100) % 10
    worst_first = np.stack([(labels + 5) % 10, (labels + 3) % 10, labels], axis=1)
    np.save("labels.npy", labels)
    np.save("answers.npy", worst_first)
    words = "import predictions answers.npy --model guest --dataset mine --labels labels.npy --classes cifar10"
    ran = run_here(*words.split())
    assert (ran.code, ran.err) == (0, "")
    assert (
        "note: The predictions of guest on mine look wrong: the columns are reversed, worst first: the last of 3 is "
        "correct for 100 of 100 images, the first for 0. results: results" in " ".join(ran.out.split())
    )
    assert Results("results").load_predictions("mine", "guest").top.tolist() == worst_first.tolist()


def test_many_models_are_imported_in_one_line_per_dataset(here: Path) -> None:
    rows = "".join(f"m{number:02d},{number}\n" for number in range(101, 113))
    Path("table.csv").write_text(f"model,right\n{rows}", "utf-8")
    ran = run_here("import", "table", "table.csv", "--column", "mine=right", "--n", "mine=200")
    assert [line.rstrip() for line in ran.out.splitlines()][:3] == [
        "dataset  images  models  best top-1      worst top-1",
        "───────────────────────────────────────────────────────",
        "mine        200      12  56.00 % (m112)  50.50 % (m101)",
    ]


def test_what_looks_wrong_in_an_import_is_reported_and_left_as_it_is(here: Path) -> None:
    labels = np.tile(np.arange(10), 30)
    np.save("labels.npy", labels)
    np.save("answers.npy", np.stack([(labels + 2) % 10, (labels + 1) % 10, labels], axis=1))  # worst first
    words = "import predictions answers.npy --model m --dataset mine --labels labels.npy --classes cifar10"
    ran = run_here(*words.split())
    assert ran.code == 0
    (note,) = re.findall(r"note: (.*?) results: results", " ".join(ran.out.split()))
    assert note.startswith("The predictions of m on mine look wrong: ")
    assert "300" in note
    assert Results("results").load_predictions("mine", "m").top[:3, 0].tolist() == [2, 3, 4]


def test_imports_are_refused_with_words_and_a_code(here: Path) -> None:
    ran = run_here("import", "table", "table.csv", "--percent", "--counts")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == ("evalshift: a table has one scale\n  found:    --percent --counts\n  expected: one of them\n")
    Path("table.csv").write_text("model,a\nx,0.5\n", "utf-8")
    ran = run_here("import", "table", "table.csv", "--column", "mine=a", "--n", "mine=ten")
    assert ran.err == (
        'evalshift: "ten" is not a number of images\n  expected: --n DATASET=N, such as --n imagenet=50000\n'
    )
    ran = run_here("import", "recht2019-cifar10", "--from", "nowhere")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: the folder to import is not there\n")
    assert not Path("results").exists()


# ----------------------------------------------------------------------------------------------- help and appearance


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_and_explains_each_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    ran = run_here(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    shown = " ".join(ran.out.split())
    assert f"Example: evalshift {name} " in shown
    shown = re.sub(r"(?<=\w-) (?=\w)", "", shown)  # lines break behind hyphens, too
    command = get_command(app).commands[name]  # pyright: ignore[reportAttributeAccessIssue]
    assert " ".join(command.help.split("\f")[0].split()) in shown
    for option in command.params:
        if option.name != "help" and not getattr(option, "hidden", False):
            assert " ".join(option.help.split()) in shown, option.name
            assert all(flag in shown for flag in option.opts if flag.startswith("-"))
    assert run_here(name, "-h") == ran


def test_examples_of_the_help_are_commands_that_can_be_typed() -> None:
    for name in COMMANDS:
        command = get_command(app).commands[name]  # pyright: ignore[reportAttributeAccessIssue]
        words = command.epilog.removeprefix("Example: evalshift ").replace('"', "").split()
        assert words[0] == name
        command.make_context(name, words[1:])  # raises a usage error where an option or argument is wrong


@pytest.mark.parametrize("name", IMPORTS)
def test_help_of_each_import(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    ran = run_here("import", name, "--help")
    assert (ran.code, ran.err) == (0, "")
    shown = " ".join(ran.out.split())
    command = get_command(app).commands["import"].commands[name]  # pyright: ignore[reportAttributeAccessIssue]
    assert " ".join(command.help.split("\f")[0].split()) in shown
    for option in command.params:
        if option.name != "help" and not getattr(option, "hidden", False):
            assert option.help.endswith((".", "]")), option.name
            assert " ".join(option.help.split()) in shown, option.name
    words = command.epilog.removeprefix("Example: evalshift import ").split()
    assert words[0] == name
    command.make_context(name, words[1:])


def test_imports_are_listed_in_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = run_here("import", "--help")
    for name in IMPORTS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", ran.out, re.MULTILINE), name
    assert "..." not in ran.out.partition("Commands:")[2]


def test_help_lists_every_command_in_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = run_here("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", ran.out, re.MULTILINE), name
    assert "..." not in ran.out.partition("Commands:")[2]
    assert ran.out.rstrip().endswith("Begin with: evalshift run && evalshift report --probit")
    assert max(map(len, ran.out.splitlines())) <= 80


def test_without_arguments_the_help_is_the_prediction(tmp_path: Path) -> None:
    ran = run_apart(folder=tmp_path)
    assert ran == run_apart("--help", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "")


def test_version() -> None:
    ran = run_here("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"evalshift {__version__}\n", "")


def test_the_package_can_be_run_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evalshift", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"evalshift {__version__}\n", "")


def test_the_console_script_is_the_same_command(tmp_path: Path) -> None:
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="evalshift")
    assert script.value == "evalshift.__main__:main"


def test_in_a_pipe_each_row_is_one_line(tmp_path: Path) -> None:
    ran = run_apart("list", "datasets", folder=tmp_path, EVALSHIFT_DATA=str(tmp_path))
    lines = ran.out.splitlines()
    assert len(lines) == 2 + len(load_registry(default_path()).datasets)
    assert lines[2].rstrip().endswith("handwritten digits by the writers of the training images")
    assert "\x1b" not in ran.out


def test_on_a_terminal_tables_fold_to_its_width(tmp_path: Path) -> None:
    lines = on_a_terminal(["list", "datasets"], tmp_path, columns=90)
    assert "\x1b[1m" in lines[0]
    assert {len(line.rstrip()) <= 90 for line in lines[1:]} == {True}
    assert [line for line in lines if re.match("digits-new-writers +digits +ready ", line)]
    # Too narrow for other columns: names stay whole.
    narrow = on_a_terminal(["list", "models"], tmp_path, columns=40)
    assert "vit_base_patch16_224_in21k_ft-detectors" in [line.rstrip() for line in narrow]


def test_a_terminal_is_asked_before_anything_is_downloaded(tmp_path: Path) -> None:
    arguments = ["run", "--pair", "cifar10:cifar10.1-v6", "--models", "resnet20-*"]
    lines = on_a_terminal(arguments, tmp_path, columns=100, typed="n\n", code=1)
    assert "2 models, 4 downloads, 179 MB. Download and run? [Y/n]: " in "\n".join(lines)
    assert "evalshift: nothing was downloaded or run; narrow the choice with --models or --pair" in lines[-1]
    assert not (tmp_path / "results").exists()


@pytest.mark.late
def test_no_one_is_asked_in_ci_with_yes_or_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileServer() as server:
        missing = server.put("net.th", status=404)
        (tmp_path / "registry.yaml").write_text(NOWHERE.replace("ADDRESS", missing), "utf-8")
        for more, variables in (([], {"CI": "true"}), (["--yes"], {})):
            lines = on_a_terminal(["run", "--models", "net", *more], tmp_path, 100, code=1, **variables)
            assert "plan      1 model, 1 download, size not known" in lines
            assert "Download and run?" not in "\n".join(lines)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path))
        ran = run_here("run", "--models", "net")
        assert ran.code == 1
        assert "Download and run?" not in ran.err


# A model of the embedded pair whose weights are no longer at their address.
NOWHERE = f"""\
extends: default
models:
  net:
    source: checkpoint
    builder: evalshift.testbed.architectures:cifar_resnet20
    weights: ADDRESS
    sha256: "{64 * "0"}"
    classes: digits
    preprocess: {{mean: [0.5], std: [0.5]}}
"""


def on_a_terminal(
    arguments: list[str], folder: Path, columns: int, *, typed: str = "", code: int = 0, **variables: str
) -> list[str]:
    """The lines that a command prints on a real terminal of that width, where `typed` is typed."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
    command = [sys.executable, "-m", "evalshift", *arguments]
    terminal = {"TERM": "xterm-256color", "EVALSHIFT_DATA": str(folder), "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        command, cwd=folder, env=environment | terminal | variables, stdin=its, stdout=its, stderr=its
    ) as process:
        os.close(its)
        os.write(mine, typed.encode())
        printed = b""
        while True:
            try:
                piece = os.read(mine, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                break
            if not piece:
                break
            printed += piece
    os.close(mine)
    assert process.returncode == code, printed
    return printed.decode().splitlines()


def test_a_stream_that_cannot_show_a_letter_shows_a_question_mark(stored: Path, tmp_path: Path) -> None:
    arguments = ["report", "--results", stored, "--probit", "--bootstrap", "0", "--format", "csv"]
    ran = run_apart(*arguments, folder=tmp_path, PYTHONIOENCODING="ascii")
    assert ran.code == 0, ran.err
    assert "one unit of ???(accuracy) more on original" in ran.out


def test_a_reader_who_goes_away_is_no_error_to_tell_of(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "evalshift", "list", "models"]
    done = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.stderr == ""


def test_help_takes_at_most_three_times_an_import_of_its_libraries(tmp_path: Path) -> None:
    def seconds(*command: str) -> float:
        """Time of computing, which a busy machine stretches far less than the time until the end."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    # In turn, and the best of several: noise only ever adds.
    rounds = [(seconds("-m", "evalshift", "--help"), seconds("-c", "import typer, rich")) for _ in range(4)]
    ours, bare = (min(times) for times in zip(*rounds, strict=True))
    assert ours <= 3 * bare, f"--help takes {ours:.2f} s, the bare import {bare:.2f} s"


def function_of(command: str) -> Callable[..., None]:
    """The function of this name in the modules of commands."""
    modules = [
        importlib.import_module(f"evalshift.commands.{one.name}") for one in pkgutil.iter_modules(commands.__path__)
    ]
    return next(found for one in modules if inspect.isfunction(found := getattr(one, command, None)))


@pytest.mark.parametrize(
    "command, argument, option",
    [
        ("run", "device", "--device"),
        ("run", "pairs", "--pair"),
        ("report", "resamples", "--bootstrap"),
        ("report", "results", "--results"),
        ("report", "scale", "--linear, --probit or --logit"),
        ("fetch", "names", "NAME"),
        ("check", "models", "--models"),
        ("import_table", "columns", "--column"),
        ("import_table", "scale", "--percent, --fraction or --counts"),
        ("import_predictions", "id_column", "--id-column"),
        ("import_recht2019_imagenet", "folder", "--from"),
        ("dataset_groups", "dataset", "DATASET"),
    ],
)
def test_errors_name_python_arguments_which_the_command_line_shows_as_options(
    command: str, argument: str, option: str
) -> None:
    given = f"a problem\n  fix:      leave `{argument}` out, not `other`"
    text = shared._with_options(given, shared._options(function_of(command)))
    says(text, fix=f"leave {option} out, not `other`")


def test_help_of_figure_names_every_figure() -> None:
    shown = " ".join(run_here("figure", "--help").out.split())
    assert f"One of {', '.join(FIGURE_NAMES)}." in shown
