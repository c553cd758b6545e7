from collections.abc import Callable
from typing import Any

import pytest
from messages import says

from evalshift.errors import UsageError
from evalshift.evaluate.options import PRECISIONS, Options


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 1}, {"batch_size": 100_000}, {"workers": 1}, *({"precision": name} for name in PRECISIONS)],
)
def test_what_can_be_is_taken_as_it_is(options: dict[str, Any]) -> None:
    made = Options(**options)
    assert all(getattr(made, name) == value for name, value in options.items())


@pytest.mark.parametrize("size", [0, -1, "Auto", "32", True])
def test_a_batch_size_is_auto_or_a_whole_number_from_1_up(size: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Options(batch_size=size)
    says(caught.value)


@pytest.mark.parametrize("workers", [0, -2])
def test_images_are_decoded_by_at_least_one_thread(workers: int) -> None:
    with pytest.raises(UsageError) as caught:
        Options(workers=workers)
    says(caught.value)


def test_a_misspelt_precision_is_told_its_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        Options(precision="fp23")
    says(caught.value)


def test_a_misspelt_executor_is_told_its_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        Options(executor="rai")
    says(caught.value)


def test_options_need_no_torch(python: Callable[..., str]) -> None:
    code = "import sys, evalshift.evaluate.options as options; options.Options(); print('torch' in sys.modules)"
    assert python(code) == "False\n"


@pytest.mark.parametrize("limit", [0, -5, True])
def test_a_limit_is_a_number_of_images(limit: object) -> None:
    with pytest.raises(UsageError, match=f"invalid limit: {limit}"):
        Options(limit=limit)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "name, meant", [("float16", "fp16"), ("half", "fp16"), ("bfloat16", "bf16"), ("Float32", "fp32"), ("amp", "bf16")]
)
def test_precisions_by_the_names_of_torch_are_told_ours(name: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        Options(precision=name)
    assert caught.value.fix == f'did you mean "{meant}"?'
