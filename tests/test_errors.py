"""How the exceptions of other libraries are quoted in ours."""

import pytest

from evalshift.errors import first_line, type_and_message


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "error, alone, with_type",
    [
        (ValueError("one\ntwo"), "one", "ValueError: one"),
        (ValueError(), "without a message", "ValueError: without a message"),
        (ValueError("\n "), "without a message", "ValueError: without a message"),
        (KeyError("name"), "'name'", "KeyError: 'name'"),
        (KeyError(3), "3", "KeyError: 3"),
        (KeyError("one\ntwo"), "'one\\ntwo'", "KeyError: 'one\\ntwo'"),
        (KeyError(), "without a message", "KeyError: without a message"),
        (Unspeakable(), "without a message", "Unspeakable: without a message"),
    ],
)
def test_an_exception_in_one_line(error: Exception, alone: str, with_type: str) -> None:
    assert first_line(error) == alone
    assert type_and_message(error) == with_type
