import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalshift.errors import UsageError
from evalshift.testbed.datasets import fingerprint, load_dataset
from evalshift.testbed.limits import first_balanced
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry


@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=60), limit=st.integers(1, 70))
def test_every_beginning_is_balanced_and_holds_the_smaller_ones(labels: list[int], limit: int) -> None:
    given_labels = np.array(labels)
    chosen = first_balanced(given_labels, limit)
    assert len(chosen) == min(limit, len(labels))
    assert (np.diff(chosen) > 0).all()
    assert set(first_balanced(given_labels, limit - 1 or 1)) <= set(chosen)
    whole, part = np.bincount(given_labels, minlength=7), np.bincount(given_labels[chosen], minlength=7)
    # A class with fewer than another has no image left.
    assert all(part[one] >= min(whole[one], part.max() - 1) for one in range(7))
    for one in range(7):  # and gives its first ones
        places = np.flatnonzero(given_labels == one)
        assert set(places[: part[one]]) <= set(chosen)


def test_a_few_images_of_many_sorted_classes_are_not_of_the_first_ones_alone() -> None:
    labels = np.repeat(np.arange(1000), 50)
    chosen = labels[first_balanced(labels, 100)]
    assert len(set(chosen)) == 100
    assert 300 < np.mean(chosen) < 700


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_the_first_images_are_a_dataset_of_their_own(registry: Registry) -> None:
    space = registry.class_space("digits")
    whole, part, other = (
        load_dataset(name, registry.dataset(name), space) for name in ("digits", "digits@first-50", "digits@first-51")
    )
    assert (len(whole), len(part), part.limited_from, whole.limited_from) == (453, 50, 453, None)
    assert np.bincount(part.labels).tolist() == [5] * 10
    places = [whole.ids.index(one) for one in part.ids]
    assert places == sorted(places)
    np.testing.assert_array_equal(part.images, whole.images[places])  # pyright: ignore
    np.testing.assert_array_equal(part.labels, whole.labels[places])
    assert part.warnings == ("only the first 50 of 453 images, balanced over the classes",)
    assert len({fingerprint(one) for one in (whole, part, other)}) == 3


def test_titles_and_fresh_images_carry_the_limit(registry: Registry) -> None:
    assert registry.dataset("digits@first-1000").title == "Digits (first 1,000 images)"
    view = registry.pair("imagenet@imagenet-a@first-10:imagenet-a@first-10")
    assert str(view) == "imagenet@imagenet-a@first-10:imagenet-a@first-10"
    assert registry.dataset(view.original).limit == registry.dataset(view.new).limit == 10


@pytest.mark.parametrize("name", ["digits@first-0", "digits@first-", "digits@first-ten", "digits@first--1"])
def test_what_is_no_number_of_images_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(UsageError):
        registry.dataset(name)
