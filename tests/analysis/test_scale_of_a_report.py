"""The scale of a report, a figure and a comparison, where the models choose it."""

import numpy as np
from scipy import stats

import evalshift as es
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.report import report

MATCHED = "imagenet:imagenetv2-matched-frequency"
PROBIT = "Original accuracy (top-1, %, probit scale)"


def on_a_probit_line(store, new: str, offset: float, models: int = 9) -> None:
    """Counts of models whose new accuracies on probit axes lie on a line, but for a hundredth of a unit."""
    accuracy = np.linspace(0.3, 0.95, models)
    fallen = stats.norm.cdf(0.9 * stats.norm.ppf(accuracy) - offset + 0.01 * np.cos(3 * np.arange(models)))
    names = [f"m{number}" for number in range(models)]
    rows = {
        side: {name: (round(10_000 * one), None) for name, one in zip(names, values, strict=True)}
        for side, values in (("old", accuracy), (new, fallen))
    }
    for side, counts in rows.items():
        store.counts(side, 10_000, counts)
    store.results.add_pairs([f"old:{new}"])


def test_stored_pairs_have_one_scale_whether_they_are_read_once_or_twice(store, monkeypatch):
    on_a_probit_line(store, "new", 0.4)
    on_a_probit_line(store, "newer", 0.8)
    store.results.add_pairs(["old:never-run"])

    found = report(store.results, resamples=0)

    assert found.summary.scale == "probit"
    assert found.summary.scale_choice is not None
    assert found.summary.scale_choice.pairs == 2
    assert [pair.metrics["top1"].scale for pair in found.summary.pairs] == ["probit", "probit"]
    assert [note for note in found.summary.notes if "never-run" in note] == list(found.summary.notes)[-1:]
    monkeypatch.setattr("evalshift.analysis.summary.stored._KEPT_BYTES", -1)
    assert report(store.results, resamples=0).to_json().split('"scale"')[1] == found.to_json().split('"scale"')[1]
    assert report(store.results, resamples=0, scale="linear").summary.scale_choice is None


def test_one_pair_and_its_figures_and_comparisons_have_the_scale_of_its_models(store):
    on_a_probit_line(store, "new", 0.4)
    found = report(store.results, resamples=0)
    assert found.summary.scale == found.fit.scale == found.line.scale == "probit"
    assert require(found.statistics.robustness).scale == "probit"
    assert found.draw("scatter").axes[0].get_xlabel().startswith(PROBIT)
    assert found.draw("scatter", scale="auto").axes[0].get_xlabel().startswith(PROBIT)
    assert found.draw("scatter", scale="linear").axes[0].get_xlabel().startswith("Original accuracy (top-1, %)")
    assert report(store.results, resamples=0, only="scatter").draw().axes[0].get_xlabel().startswith(PROBIT)
    (pair,) = es.compare(store.results, "m3", "m7").pairs
    assert pair.scale == "probit"
    assert pair.scale_sentence == found.summary.pairs[0].metrics["top1"].findings()[-1]
    assert pair.facts()["scale_choice"] == pair.scale_sentence
    assert es.compare(store.results, "m3", "m7", scale="logit").pairs[0].scale_sentence is None


def test_few_models_have_the_scale_of_the_testbed_they_are_compared_with(store):
    original, new = MATCHED.split(":")
    store.counts(original, 50_000, {"a": (38_000, None), "b": (35_000, None)})
    store.counts(new, 10_000, {"a": (6_500, None), "b": (5_800, None)})
    store.results.add_pairs([MATCHED])

    alone, against = report(store.results, resamples=0), report(store.results, resamples=0, against="recht2019")

    assert alone.summary.scale_choice is not None
    assert (alone.summary.scale, alone.summary.scale_choice.errors) == ("linear", {})
    theirs = report(published="recht2019", pairs=MATCHED, resamples=0)
    assert against.summary.scale_choice == theirs.summary.scale_choice
    held = against.summary.pairs[0].metrics["top1"].against
    assert held is not None
    assert held.scale == theirs.summary.scale == "logit"
