"""Results that are computed, and the reasons for those that are not."""

import pytest

from evalshift.analysis.pair_statistics.missing import (
    Missing,
    attempt,
    computed,
    either,
    or_else,
    or_missing,
    or_none,
    reasons,
    require,
)
from evalshift.errors import AnalysisError, DataError

FEW = Missing("too few models")


def test_the_reason_of_a_required_result_is_the_reason_of_what_requires_it():
    assert attempt(lambda: require(require(FEW)) + 1) == FEW


def test_what_an_analysis_found_is_part_of_the_reason():
    def refuse():
        raise AnalysisError("no line can be fitted", found="1 model")

    assert attempt(refuse) == Missing("no line can be fitted (1 model)")


def test_other_errors_go_on():
    def damaged():
        raise DataError("the file is damaged")

    with pytest.raises(DataError):
        attempt(damaged)
    for made in (or_none, or_missing):
        with pytest.raises(DataError):
            made(damaged)()


@pytest.mark.parametrize("result", [0, None, "", ()])
def test_an_empty_result_is_a_result(result):
    assert or_else(result, "default") == result
    assert either(result, lambda found: ("used", found), lambda reason: ("missing", reason)) == ("used", result)
    assert computed({"one": result}) == {"one": result}
    assert reasons({"one": result}) == {}


def test_a_function_that_gives_none_keeps_its_name_and_its_arguments():
    @or_none
    def share(correct: int | Missing, *, of: int) -> float:
        """A share."""
        return require(correct) / of

    assert (share(3, of=4), share(FEW, of=4)) == (0.75, None)
    assert (share.__name__, share.__doc__) == ("share", "A share.")


def test_results_and_reasons_are_split_by_name():
    results = {"slope": 1.1, "year": FEW}
    assert computed(results) == {"slope": 1.1}
    assert reasons(results) == {"year": "too few models"}
