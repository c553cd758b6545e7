import numpy as np
import pytest
from messages import says

from evalshift.errors import UsageError
from evalshift.testbed import nearest as module
from evalshift.testbed.nearest import candidates, nearest, nearest_among


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(15)


def by_all_distances(queries: np.ndarray, references: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    far = np.sqrt(((queries[:, None].astype(np.float64) - references[None]) ** 2).sum(axis=2))
    order = np.argsort(far, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(far, order, 1)


def test_by_hand() -> None:
    # From (0, 0): 3-4-5 triangle, then 5-12-13, then 8-15-17.
    found = nearest(np.array([[0, 0]], np.uint8), np.array([[8, 15], [3, 4], [5, 12]], np.uint8), 3)
    assert found.position.tolist() == [[1, 2, 0]]
    assert found.distance.tolist() == [[5, 13, 17]]


@pytest.mark.parametrize("columns", [5, 1024, 3072])
def test_pixels_as_all_distances_have_it_over_several_blocks(
    rng: np.random.Generator, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUERIES", 7)
    monkeypatch.setattr(module, "_REFERENCES", 11)
    queries, references = (rng.integers(0, 256, (count, columns), np.uint8) for count in (20, 40))
    told: list[int] = []
    found = nearest(queries, references, 4, advance=told.append)
    position, distance = by_all_distances(queries, references, 4)
    np.testing.assert_array_equal(found.distance, distance)  # exact: whole numbers under the root
    np.testing.assert_array_equal(found.position, position)
    assert told == [7, 7, 6]


def test_black_and_white_are_exactly_as_far_as_they_can_be() -> None:
    # 3,072 · 255² is beyond what float32 counts in whole numbers.
    rows = np.array([[0] * 3072, [255] * 3072], np.uint8)
    assert nearest(rows[:1], rows[1:], 1).distance.tolist() == [[(3072 * 255**2) ** 0.5]]


def test_features_as_all_distances_have_it(rng: np.random.Generator) -> None:
    queries, references = (rng.normal(size=(count, 30)).astype(np.float32) for count in (15, 60))
    found = nearest(queries, references, 3)
    position, distance = by_all_distances(queries, references, 3)
    np.testing.assert_array_equal(found.position, position)
    np.testing.assert_allclose(found.distance, distance)


def test_no_image_is_its_own_neighbour(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUERIES", 3)
    monkeypatch.setattr(module, "_REFERENCES", 4)
    rows = rng.integers(0, 256, (10, 6), np.uint8)
    rows[7] = rows[2]
    found = nearest(rows, rows, 9, same=True)
    assert all(place not in near for place, near in enumerate(found.position.tolist()))
    assert (found.position[2, 0], found.distance[2, 0], found.position[7, 0]) == (7, 0, 2)
    assert candidates(rows, rows, 100, same=True).shape == (10, 9)


def test_equally_near_ones_come_in_order() -> None:
    rows = np.zeros((5, 3), np.uint8)
    assert nearest(rows[:1], rows, 3).position.tolist() == [[0, 1, 2]]


def test_among_some_references(rng: np.random.Generator) -> None:
    queries, references = (rng.integers(0, 4, (count, 3), np.uint8) for count in (5, 30))
    every = np.stack([rng.permutation(30) for _ in range(5)])
    whole, among = nearest(queries, references, 4), nearest_among(queries, references, every, 4)
    np.testing.assert_array_equal(among.position, whole.position)  # equally near ones in order, too
    np.testing.assert_array_equal(among.distance, whole.distance)
    _, distance = by_all_distances(queries[:1], references[every[0, :6]], 2)
    some = nearest_among(queries[:1], references, every[:1, :6], 2)
    assert some.distance.tolist() == distance.tolist()


@pytest.mark.parametrize("columns", [100, 40_000])
def test_without_products_of_bytes_the_same_is_found(
    rng: np.random.Generator, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, references = (rng.integers(0, 256, (count, columns), np.uint8) for count in (6, 50))
    references[40] = 255 - queries[0]  # as far as it can be
    one = nearest(queries, references, 50)
    monkeypatch.setattr(module, "_int8_products_are_exact", lambda _: False)
    other = nearest(queries, references, 50)
    np.testing.assert_array_equal(one.position, other.position)
    np.testing.assert_array_equal(one.distance, other.distance)
    _, distance = by_all_distances(queries, references, 50)
    np.testing.assert_array_equal(one.distance, distance)


def test_what_cannot_be_compared_is_refused() -> None:
    rows = np.zeros((2, 3), np.uint8)
    with pytest.raises(UsageError) as caught:
        nearest(rows, np.zeros((2, 4), np.uint8), 1)
    says(caught.value, found="3 values of uint8, 4 of uint8")
    with pytest.raises(UsageError) as caught:
        nearest(rows, rows, 2, same=True)
    says(caught.value, found="2", expected="1 to 1")
    with pytest.raises(UsageError) as caught:
        nearest(np.array([[1.0, np.nan]], np.float32), np.zeros((2, 2), np.float32), 1)
    says(caught.value, found="1 of 3 images")
