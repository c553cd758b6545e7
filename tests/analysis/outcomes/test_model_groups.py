"""Groups of models by what the registry says of them."""

import pytest

from evalshift.analysis.outcomes.model_groups import model_groups


@pytest.fixture
def grouped(make_outcomes):
    def by(key: str, values: list, **titles):
        facts = {name: {key: value} | titles for name, value in zip("abcdefghijklmnop", values, strict=False)}
        outcomes = make_outcomes([50] * len(values), [40] * len(values), total=100, attributes=facts)
        return model_groups(outcomes, key)

    return by


def test_training_data_and_families_have_titles_and_the_largest_group_is_first(grouped):
    found = grouped("training_data", ["imagenet-1k", "imagenet-21k", "imagenet-21k", "our scans", None])
    assert found.names == ("ImageNet-1k", "ImageNet-21k", "ImageNet-21k", "our scans", None)
    assert found.order == ("ImageNet-21k", "ImageNet-1k", "our scans")
    assert grouped("family", ["vgg", None, "vgg"], family_title="VGG").names == ("VGG", None, "VGG")


def test_groups_whose_titles_differ_in_case_alone_are_one(grouped):
    """Under the most frequent spelling; text without letters is no group."""
    found = grouped("training_data", ["Our scans", "our  Scans", "Our scans", "laion", "LAION ", " ", "ImageNet-22K"])
    assert found.names == ("Our scans", "Our scans", "Our scans", "LAION", "LAION", None, "ImageNet-21k")
    assert found.order == ("Our scans", "LAION", "ImageNet-21k")
    assert grouped("family", ["ResNet", "resnet", "resnet", ""]).names == ("resnet", "resnet", "resnet", None)


def test_parameters_are_in_ranges_that_do_not_overlap(grouped):
    found = grouped("parameters", [10_000_000, 999_999, 9_999_999, 1_000_000_000, None, "many"])
    assert found.names == ("10 M to 30 M", "under 1 M", "3 M to 10 M", "1 B and more", None, None)
    assert found.order == ("under 1 M", "3 M to 10 M", "10 M to 30 M", "1 B and more")


def test_few_years_stand_for_themselves_and_many_in_ranges(grouped):
    assert grouped("year", [2015, 2012, None, "2015"]).names == ("2015", "2012", None, "2015")
    years = list(range(2010, 2020))
    found = grouped("year", years)
    assert found.order == ("2010", "2011–2013", "2014–2016", "2017–2019")
    assert found.names[:2] == ("2010", "2011–2013")


def test_a_year_that_is_none_has_no_place_on_an_axis(make_outcomes):
    years = (2015, "2012", "", "about 2010", "9" * 5000, 10**30, None)
    found = make_outcomes(
        [1] * 7, [1] * 7, attributes=dict(zip("abcdefg", ({"year": year} for year in years), strict=True))
    )
    assert found.years == (2015, 2012, None, None, None, None, None)
