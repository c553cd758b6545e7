"""A report that has all there is to show, written once, and the browser that opens it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Opened
from pages import EVIL, summary_of
from scipy.special import softmax

from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.page import render_page
from evalshift.analysis.summary import PairSummary, Summary, summarize_outcomes

MODELS = (EVIL, *(f"{family}_{size}" for family in ("resnet", "vgg", "vit") for size in (18, 34, 50, 101)), "odd one")
CLASSES = ("bird", "cat", "deer", "dog", "frog", "horse", "lorry", "<i>ship</i>")


def predicted_by(dataset: str, images: int, skill: np.ndarray, rng: np.random.Generator) -> ImagePredictions:
    """Five predictions to each image by models of these skills; images differ in difficulty."""
    labels = rng.integers(len(CLASSES), size=images)
    difficulty = rng.normal(size=images)
    noise = rng.normal(size=(len(skill), images, len(CLASSES)))
    right = labels[:, np.newaxis] == np.arange(len(CLASSES))
    score = noise + right * np.maximum(skill[:, np.newaxis, np.newaxis] - difficulty[:, np.newaxis], -1)
    top = np.argsort(-score, axis=2)[:, :, :5].astype(np.int16)
    prob = softmax(score, axis=2).max(axis=2).astype(np.float32)
    return ImagePredictions(dataset, MODELS, top, labels, tuple(map(str, range(images))), CLASSES, prob=prob)


def pair_of(new: str, fall: float, seed: int, **choices: Any) -> PairSummary:
    rng = np.random.default_rng(seed)
    skill = np.linspace(3.2, 1.2, len(MODELS))
    stored_predictions = predicted_by("old", 400, skill, rng), predicted_by(new, 250, skill - fall, rng)
    attributes = {name: {"family": name.split("_")[0], "year": 2010 + place} for place, name in enumerate(MODELS)}
    outcomes = {
        metric: Outcomes(
            original="old",
            new=new,
            metric=metric,
            models=MODELS,
            original_correct=stored_predictions[0].correct(metric).sum(axis=1),
            new_correct=stored_predictions[1].correct(metric).sum(axis=1),
            original_total=400,
            new_total=250,
            attributes=attributes,
        )
        for metric in ("top1", "top5")
    }
    return summarize_outcomes(
        outcomes, predictions=stored_predictions, resamples=100, without="odd one", notes=["A note."], **choices
    )


@pytest.fixture(scope="session")
def highlighted() -> Summary:
    """One pair with a highlighted model, the last but one."""
    return summary_of(pair_of("new", 0.8, 1, highlight="vit_101"))


@pytest.fixture(scope="session")
def highlighted_site(highlighted: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    file = tmp_path_factory.mktemp("highlighted") / "index.html"
    file.write_text(render_page(highlighted), "utf-8")
    return file


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two pairs, both metrics, families of which one is left out, years, and a hostile name."""
    pairs = [pair_of("new", 0.8, 1), pair_of(f"newer {EVIL}", 1.2, 2)]
    pictures = {("new", place): "data:image/gif;base64,R0lGODlhAQABAAAAACw=" for place in range(250)}
    file = tmp_path_factory.mktemp("page") / "index.html"
    file.write_text(render_page(summary_of(*pairs), pictures), "utf-8")
    return file


@pytest.fixture(scope="session")
def long() -> Summary:
    """1,500 models, of which only counts are known, and some have names that CSV, Markdown or LaTeX write otherwise."""
    rng = np.random.default_rng(3)
    models = ("=SUM(A1)", 'a, "b"', "_c_ & 50%", *(f"model_{number:04d}" for number in range(1497)))
    accuracy = np.sort(rng.uniform(0.5, 0.9, 1500))[::-1]
    outcomes = Outcomes(
        original="old",
        new="new",
        metric="top1",
        models=models,
        original_correct=rng.binomial(50_000, accuracy),
        new_correct=rng.binomial(10_000, accuracy - 0.1),
        original_total=50_000,
        new_total=10_000,
        attributes={name: {"family": f"family {place % 12}"} for place, name in enumerate(models)},
    )
    return summary_of(summarize_outcomes({"top1": outcomes}, resamples=2))


@pytest.fixture(scope="session")
def long_site(long: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page."""
    file = tmp_path_factory.mktemp("long") / "index.html"
    file.write_text(render_page(long), "utf-8")
    return file


@pytest.fixture(scope="session")
def window(chromium, site) -> Iterator[Opened]:
    """One window for all tests: a page of several megabytes is read and compiled once."""
    window = Opened(chromium, site)
    yield window
    window.close()


@pytest.fixture
def opened(window, site) -> Callable[..., Opened]:
    """Opens a page anew, by default that of two pairs, at its first pair."""

    def open_page(file: Path = site, **choices: Any) -> Opened:
        page = window.again(file, **choices)
        if file == site and not choices.get("hash"):
            page.page.click("#tab-pair-1")
        return page

    return open_page
