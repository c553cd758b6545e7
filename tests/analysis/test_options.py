"""ReportOptions of a report that are out of their range are refused as they are made."""

import pytest

from evalshift.analysis.options import ReportOptions
from evalshift.errors import UsageError

RESAMPLES = "the number of resamples is out of range"


@pytest.mark.parametrize(
    "choices,message",
    [
        (
            {"scale": "probits"},
            (
                'unknown scale\n  found:    "probits"\n  expected: auto, linear, probit, logit\n'
                '  fix:      did you mean "probit"?'
            ),
        ),
        (
            {"metric": "top3"},
            'unknown metric\n  found:    "top3"\n  expected: top1, top5',
        ),
        (
            {"level": 95.0},
            "the level is out of range\n  found:    95.0\n  expected: a fraction between 0 and 1, such as 0.95",
        ),
        (
            {"resamples": -1},
            f"{RESAMPLES}\n  found:    -1\n  expected: 0 for no intervals, or 2 to 10,000,000",
        ),
        (
            {"resamples": 1},
            f"{RESAMPLES}\n  found:    1\n  expected: 0 for no intervals, or 2 to 10,000,000",
        ),
        ({"seed": -1}, "the seed is out of range\n  found:    -1\n  expected: 0 or more"),
    ],
)
def test_a_wrong_choice_is_refused(choices, message):
    with pytest.raises(UsageError) as caught:
        ReportOptions(**choices)

    assert str(caught.value) == message
