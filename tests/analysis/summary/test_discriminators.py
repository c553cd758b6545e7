import numpy as np
import pytest
from scipy import stats

from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.summary.discriminators import discriminator_table, published_discriminators


def test_by_hand() -> None:
    table = discriminator_table(60, 100, {0: (10, 50), 2: (50, 50)}, ["cat", "dog", "owl"])
    frame = table.frame
    assert frame["class"].tolist() == ["all", "cat", "owl"]
    assert frame["accuracy"].tolist() == [0.6, 0.2, 1.0]
    alone = [stats.binomtest(correct, 50, 0.5).pvalue for correct in (10, 50)]
    assert frame["p"].tolist() == pytest.approx([stats.binomtest(60, 100, 0.5).pvalue, alone[0], 2 * alone[1]])
    assert frame["accuracy_high"].iloc[2] == 1


def test_published_intervals_come_out_of_the_counts_to_a_tenth() -> None:
    published = published_discriminators()
    interval = clopper_pearson(published["correct"].to_numpy(), published["images"].to_numpy())
    # Of 423 of 800 the lower bound is 49.345, printed as 49.4; all others are as printed.
    for bounds, printed in ((interval.low, published["low"]), (interval.high, published["high"])):
        assert np.abs(100 * bounds - printed.to_numpy()).max() < 0.06
    assert (published["table"].value_counts()["5"], len(published)) == (4, 10)
