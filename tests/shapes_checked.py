"""Shapes and types of arrays are checked where they are given, but not in each of a million calls."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxtyping

PACKAGE = Path(__file__).parents[1] / "evalshift"
# Every call at first, in which tests differ; then, as in the thousands of a simulation, one in so many.
AT_FIRST, THEN = 200, 25

check_every_call = jaxtyping.jaxtyped


def check_some_calls(function: Any = None, *, typechecker: Any) -> Any:
    """jaxtyping's decorator, which binds all arguments anew in each call: a sixth of the suite's time."""
    if function is None:
        return functools.partial(check_some_calls, typechecker=typechecker)
    if isinstance(function, type):
        return check_every_call(function, typechecker=typechecker)
    return _some_of(function, functools.cache(lambda: check_every_call(function, typechecker=typechecker)))


def _some_of(function: Callable[..., Any], checked: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """The function, `checked` from time to time; its checks are compiled when it is first called."""
    count = 0

    @functools.wraps(function)
    def call(*arguments: Any, **choices: Any) -> Any:
        nonlocal count
        count += 1
        return (function if count > AT_FIRST and count % THEN else checked())(*arguments, **choices)

    return call


def modules_with_arrays() -> list[str]:
    """Modules whose annotations give the shapes of arrays; pyright checks the other types of all."""
    imports = re.compile(r"^from (jaxtyping|evalshift\.shapes) import", re.MULTILINE)
    paths = [path for path in PACKAGE.rglob("*.py") if imports.search(path.read_text("utf-8"))]
    names = (".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in names]


def install() -> None:
    jaxtyping.jaxtyped = check_some_calls
    jaxtyping.install_import_hook(modules_with_arrays(), "beartype.beartype")
