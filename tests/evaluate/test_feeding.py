import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from evalshift.evaluate.feeding import ahead, copy_in_parts, fed_to


def slots(count: int) -> list[list[int]]:
    return [[] for _ in range(count)]


def fill(slot: list[int], item: int) -> list[int]:
    slot[:] = [item]
    return slot


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("places", [2, 3, 5])
def test_items_come_in_order_each_in_a_place_that_nobody_reads(count: int, places: int) -> None:
    with ahead(range(count), fill, slots(places)) as filled:
        seen = []
        for slot in filled:
            before = list(slot)
            time.sleep(0.0005)  # time for a thread that ran too far ahead to write over it
            assert slot == before
            seen += slot
    assert seen == list(range(count))


def test_items_are_made_while_another_is_in_use() -> None:
    made = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(10):
            made.release()
            yield number

    with ahead(items(), fill, slots(3)) as filled:
        assert next(filled) == [0]
        assert all(made.acquire(timeout=5) for _ in range(3))  # the one in use, and two ahead
        assert not made.acquire(timeout=0.05)  # and none beyond those


@pytest.mark.parametrize("place", [0, 3])
def test_what_making_an_item_raises_comes_through_in_its_place(place: int) -> None:
    def items() -> Iterator[int]:
        yield from range(place)
        raise ArithmeticError("no more images")

    seen = []
    with pytest.raises(ArithmeticError, match="no more images"), ahead(items(), fill, slots(3)) as filled:
        seen.extend(slot[0] for slot in filled)
    assert seen == list(range(place))


def test_after_the_context_no_thread_is_left_and_the_source_can_be_closed() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.append(threading.current_thread() is threading.main_thread())

    source = items()
    with ahead(source, fill, slots(3)) as filled:
        next(filled)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("evalshift-feed")]
    source.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert closed == [True]


@pytest.mark.parametrize("size", [1, 1000, (1 << 20) + 3, 5 << 20])
@pytest.mark.parametrize("parts", [1, 4])
def test_a_batch_is_copied_whole_and_nothing_beyond_it(size: int, parts: int) -> None:
    source = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    source.flags.writeable = False  # as mapped files are
    target = np.full(size + 7, 255, np.uint8)
    with ThreadPoolExecutor(parts) as pool:
        copy_in_parts(source, target, pool, parts)
    np.testing.assert_array_equal(target[:size], source)
    assert (target[size:] == 255).all()


def test_on_a_cpu_batches_are_passed_on_as_they_come() -> None:
    batches = [np.zeros((2, 4, 4, 3), np.uint8), np.ones((1, 4, 4, 3), np.uint8)]
    with fed_to(torch.device("cpu"), batches) as fed:
        assert [one is other for one, other in zip(fed, batches, strict=True)] == [True, True]
