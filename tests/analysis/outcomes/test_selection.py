"""Models by name or glob; a name that matches none is refused with the nearest."""

import pytest

from evalshift.analysis.outcomes.selection import check_selection, matching, select_models
from evalshift.errors import UsageError


def test_a_name_is_that_model_even_where_it_reads_as_a_glob():
    assert matching("[a]", ["[a]", "a"]) == ["[a]"]
    assert matching("[a]", ["a", "b"]) == ["a"]


def test_several_globs_choose_each_model_once_in_the_order_of_the_report():
    assert select_models(["my-*", "a", "my-b"], ["a", "my-b", "my-a", "c"]) == ["a", "my-b", "my-a"]


def test_a_name_that_matches_none_is_refused():
    with pytest.raises(UsageError) as caught:
        check_selection("highlight", ["resnet*", "resnt50"], ["resnet50", "vgg16"])
    assert "`highlight`" in caught.value.problem
    assert (caught.value.found, caught.value.fix) == ('"resnt50"', 'did you mean "resnet50"?')
