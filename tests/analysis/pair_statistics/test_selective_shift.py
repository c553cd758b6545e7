"""Selective prediction and accuracy without labels of a pair: of which models, their changes, tables and sentences."""

from dataclasses import replace

import numpy as np
import pytest
from confident import confident_pair, counts_of

from evalshift.analysis.pair_statistics.compute import compute_statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.confidence_estimates import confidence_estimates
from evalshift.analysis.statistics.selective import accuracy_drop, selective_prediction
from evalshift.analysis.summary import summarize_outcomes


@pytest.fixture(scope="module")
def pair():
    original, new = confident_pair(3)
    assert new.prob is not None
    return original, replace(new, prob=np.where(np.arange(3)[:, np.newaxis] == 2, np.float32(np.nan), new.prob))


def test_both_are_what_their_functions_give_and_leave_out_models_without_probabilities(pair):
    statistics = compute_statistics(counts_of(pair), pair, resamples=0)
    found, estimates = statistics.selective, statistics.confidence_estimates
    assert not isinstance(found, Missing)
    assert not isinstance(estimates, Missing)
    alone = [selective_prediction(side.prob[:2], side.correct()[:2]) for side in pair]
    assert found.models == (0, 1)
    assert found.new.aurc.mean[:2] == pytest.approx(alone[1].aurc.mean)
    assert found.drops[0.8][0][:2] == pytest.approx(accuracy_drop(alone[0], alone[1], 0.8)[0])
    assert np.isnan([found.original.aurc.mean[2], found.aurc.change[2], estimates.atc[2]]).all()
    by_hand = confidence_estimates(pair[0].prob[:2], pair[0].correct()[:2], pair[1].prob[:2])
    assert estimates.atc[:2] == pytest.approx(by_hand.atc)


def test_tables_and_sentences_have_them(pair):
    metric = summarize_outcomes({"top1": counts_of(pair)}, predictions=pair, resamples=0).metrics["top1"]
    table = metric.tables["selective"]
    assert "Empty, because probabilities are not stored on both sets: model 2." in table.words
    frame = metric.tables["without_labels"].frame.set_index("model")
    assert frame["atc_error"]["model 0"] == pytest.approx(frame["atc"]["model 0"] - frame["new_accuracy"]["model 0"])
    assert frame["doc_error"]["model 1"] == pytest.approx(0.2, abs=0.08)  # as over-confident as the new set makes it
    assert "ATC" in metric.tables["without_labels"].words
    details = " ".join(metric.details())
    assert "On the 50 % of the images on which a model is most confident, accuracy is" in details
    assert "(confidence, DoC)" in details


def test_one_model_has_estimates_from_its_confidence_alone():
    pair = confident_pair(1)
    metric = summarize_outcomes({"top1": counts_of(pair)}, predictions=pair, resamples=0).metrics["top1"]
    table = metric.tables["without_labels"]
    assert "No ALine: agreement needs two models." in table.words
    assert [column.key for column in table.columns] == ["model", "new_accuracy", "atc", "atc_error", "doc", "doc_error"]


def test_without_probabilities_agreement_is_left_and_selection_is_missing():
    pair = confident_pair(4)
    bare = tuple(replace(side, prob=None) for side in pair)
    metric = summarize_outcomes({"top1": counts_of(pair)}, predictions=(bare[0], bare[1]), resamples=0).metrics["top1"]
    assert metric.missing["selective"].startswith("the probability of the first prediction is not stored")
    assert "No ATC, no DoC" in metric.tables["without_labels"].words
