"""The page of all published testbeds: its sentences, its data, and what it does in a real browser."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Opened, needs_chromium

from evalshift.analysis.atlas.page import render_atlas, write_atlas
from evalshift.analysis.atlas.pair_lines import pair_lines
from evalshift.analysis.atlas.sentences import pair_findings
from evalshift.errors import UsageError
from evalshift.testbed.published import load_published

V2 = "imagenet:imagenetv2-matched-frequency"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_atlas(tmp_path_factory.mktemp("atlas") / "atlas.html", ["recht2019", "timm"])


def test_sentences_on_a_pair():
    line, groups, off = pair_findings(pair_lines("timm", V2))
    assert line == "The line through 1,079 models has slope 0.96 on the probit scale (R² = 0.991)."
    assert groups.startswith(
        "Compared with the line of the 844 models trained on ImageNet-1k, those trained on ImageNet-21k (135) are "
    )
    assert "those trained on WIT (OpenAI CLIP) (9) are 0.1 points below it on average (one family alone)" in groups
    assert off.startswith("1 model is significantly above or below the line (Holm over 1,080 models; ")
    assert off.endswith(": mixer_l16_224.goog_in21k_ft_in1k (−2.8 points, p = 0.001).")


def test_a_pair_without_models_off_the_line_or_groups():
    line, off = pair_findings(pair_lines("recht2019", "cifar10:cifar10.1-v6"))
    assert "(R² = 0.9" in line
    assert off.startswith("No model is significantly above or below the line (Holm over 34 models")


def test_a_pair_of_the_same_images_says_what_the_accuracies_are():
    *_, off, note = pair_findings(pair_lines("robustbench", "cifar10:cifar10-autoattack-linf"))
    assert "Standard (−72." in off
    assert note.startswith("CIFAR-10 under AutoAttack, L∞ 8/255: An image counts as correct under attack if the model ")


def test_the_data_are_the_counts(page):
    text = page.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    recht, timm = json.loads(found[1])["testbeds"]
    assert (recht["name"], len(recht["models"]), len(timm["models"])) == ("recht2019", 34 + 67, 1445)
    (counts,) = load_published("timm").counts
    there = [None if count < 0 else count for count in counts.correct["imagenet-r", "top1"].tolist()]
    assert timm["counts"]["imagenet-r top1"]["correct"] == there
    # Models of one name on CIFAR-10 and on ImageNet are two, each with the distances of its own pairs.
    (imagenet,) = (pair for pair in recht["pairs"] if pair["new"] == "imagenetv2-topimages")
    assert [distance is not None for distance in imagenet["distance"]] == [False] * 34 + [True] * 67
    assert page.stat().st_size < 8_000_000


def test_an_unknown_testbed():
    with pytest.raises(UsageError):
        render_atlas(["recht2018"])


@pytest.fixture(scope="module")
def opened(chromium, page: Path) -> Iterator[Opened]:
    opened = Opened(chromium, page)
    yield opened
    opened.close()


@needs_chromium
class TestInABrowser:
    def test_it_opens_without_network_and_complaints(self, opened):
        assert opened.complaints == []
        assert len(opened.requests) == 1
        assert opened.texts("#count") == ["1,080 of 1,080 models"]
        assert opened.run("document.querySelectorAll('#plot .point').length") >= 1080

    def test_a_model_is_found_and_shown_on_all_sets(self, opened):
        opened.page.fill("#search", "mixer_l16_224.goog_in21k_ft_in1k")
        opened.page.wait_for_selector("#card h4")
        assert opened.texts("#card h4") == ["mixer_l16_224.goog_in21k_ft_in1k"]
        assert opened.run("document.querySelectorAll('#card tr').length") == 16
        assert opened.texts("#table tbody tr td:first-child") == ["mixer_l16_224.goog_in21k_ft_in1k"]

    def test_the_table_of_two_chosen_sets_as_csv(self, opened):
        opened.page.fill("#search", "")
        opened.page.select_option("#original", "imagenet-a")
        opened.page.select_option("#new", "imagenet-sketch")
        assert "No line is fitted" in opened.texts("#findings li")[0]
        opened.page.select_option("#new", "imagenet-r")
        opened.page.select_option("#original", "imagenet@imagenet-r")
        opened.page.wait_for_function("document.getElementById('count').textContent === '1,080 of 1,080 models'")
        rows = list(csv.DictReader(io.StringIO(opened.run("atlasCsv()"))))
        assert len(rows) == 1080
        best = next(row for row in rows if row["model"] == "convnext_xxlarge.clip_laion2b_soup_ft_in1k")
        assert (best["imagenet-r correct"], best["imagenet-r images"]) == ("27187", "30000")
        assert best["training_data"] == "LAION"

    @pytest.mark.parametrize("colour", ["family", "year", "parameters", "data"])
    def test_colours_and_scales(self, opened, colour):
        opened.page.select_option("#colour", colour)
        opened.page.select_option("#scale", "linear" if colour == "year" else "probit")
        assert opened.run("document.querySelectorAll('#plot .point').length") >= 1080
        assert opened.complaints == []

    def test_another_testbed(self, opened):
        opened.page.select_option("#testbed", "recht2019")
        assert opened.texts("#count") == ["34 of 34 models"]
        opened.page.screenshot(path=str(Path(__file__).parents[3] / "build" / "atlas.png"))
