import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from evalshift.errors import DataError
from evalshift.evaluate.turns import Turns, in_chunks, one_ahead


def images(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 2, 3), np.uint8)


def chunks(*sizes: int) -> Iterator[np.ndarray]:
    start = 0
    for size in sizes:
        yield images(sum(sizes))[start : start + size]
        start += size


def run_all(turns: Turns, sizes: list[int], stop_after: dict[int, int] | None = None) -> tuple[list[list[int]], list]:
    """What each member saw, and (member, image) in the order in which they were seen."""
    order: list[tuple[int, int]] = []

    def work(member: int) -> list[int]:
        seen = []
        try:
            for part in turns.images(member, sizes[member]):
                assert len(part) <= sizes[member]
                for image in part[:, 0, 0, 0].tolist():
                    seen.append(image)
                    order.append((member, image))
                part[:] = 99  # its own copy
                if stop_after and len(seen) >= stop_after.get(member, 1_000):
                    break
        finally:
            turns.leave(member)
        return seen

    with ThreadPoolExecutor(len(sizes)) as pool:
        running = [pool.submit(work, member) for member in range(len(sizes))]
        return [one.result(timeout=20) for one in running], order


def test_each_member_sees_every_image_once_and_in_order_a_chunk_at_a_time() -> None:
    seen, order = run_all(Turns(chunks(5, 5, 3), 3), [2, 5, 100])
    assert seen == [list(range(13))] * 3
    # By hand: of each chunk, one member after the other has had all images before the next begins.
    members = [member for member, _ in order]
    changes = 1 + sum(one != other for one, other in itertools.pairwise(members))
    assert changes <= 9
    assert sorted(image for _, image in order[:15]) == sorted(list(range(5)) * 3)


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_a_member_that_leaves_holds_no_one_up(leaver: int) -> None:
    seen, _ = run_all(Turns(chunks(5, 5, 3), 3), [2, 2, 2], {leaver: 6})
    assert seen[leaver] == list(range(7))  # parts of 2, 2 and 1 of the first chunk, and 2 of the second
    assert [one for member, one in enumerate(seen) if member != leaver] == [list(range(13))] * 2


def test_a_member_that_never_begins_holds_no_one_up() -> None:
    turns = Turns(chunks(3, 3), 2)
    turns.leave(1)
    assert [len(part) for part in turns.images(0, 3)] == [3, 3]


def test_what_the_images_raise_is_raised_to_all() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield images(2)
        raise DataError("an image cannot be read", where="x.png")

    turns = Turns(broken(), 2)
    caught = []

    def work(member: int) -> None:
        try:
            list(turns.images(member, 2))
        except DataError as error:
            caught.append(str(error.where))

    threads = [threading.Thread(target=work, args=(member,)) for member in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert caught == ["x.png", "x.png"]


def test_a_stream_that_is_stopped_ends_for_those_who_wait() -> None:
    turns = Turns(chunks(2, 2), 2)
    holding = turns.images(0, 2)
    next(holding)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(turns.images(1, 2)))
        turns.stop()
        assert waiting.result(timeout=20) == []
    assert list(holding) == []


def test_parts_are_joined_to_chunks() -> None:
    parts = [images(7)[start : start + 2] for start in range(0, 7, 2)]  # 24 bytes each
    found = list(in_chunks(iter(parts), 40))
    assert [len(chunk) for chunk in found] == [4, 3]
    np.testing.assert_array_equal(np.concatenate(found), images(7))
    assert [len(chunk) for chunk in one_ahead(in_chunks(iter(parts), 40))] == [4, 3]
