"""A user's own code: imported by name or from a file, and forgotten where it would stand in another model's way."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from evalshift.errors import ModelError, did_you_mean, first_line
from evalshift.testbed.code_files import modules_beside
from evalshift.testbed.trust import OWN_MODULES

_USER_MODULE = "evalshift_user_"


def call_function(code: str, arguments: Mapping[str, Any], where: str) -> Any:
    """What the function "package.module:name" or "path/to/file.py:name" returns; ModelError where there is none.

    Code in a file may import what lies beside it, as a script may.
    """
    with _found(code, where) as function:
        _check_arguments(function, arguments, code, where)
        return function(**arguments)


def find_function(code: str, where: str) -> Any:
    """That function itself, to be called later; what it imports from beside its file must be imported at its top."""
    with _found(code, where) as function:
        return function


@contextmanager
def _found(code: str, where: str) -> Iterator[Any]:
    module_name, _, name = code.rpartition(":")
    if not module_name.endswith(".py"):
        found = _attribute(_imported(importlib.import_module, module_name, where), name, module_name, where)
        if module_name in OWN_MODULES:
            _refuse_borrowed(found, module_name, code, where)
        yield found
        return
    folder = str(Path(module_name).absolute().parent)
    before = set(sys.modules)
    with imports_of(Path(folder)):
        sys.path.insert(0, folder)
        try:
            yield _attribute(_imported(_import_file, module_name, where), name, module_name, where)
            _refuse_unseen(Path(module_name), before, where)
        finally:
            sys.path.remove(folder)


def _refuse_borrowed(found: Any, module_name: str, code: str, where: str) -> None:
    """A module of evalshift also holds what it imports, which may do anything; an entry may name its own functions."""
    if getattr(found, "__module__", None) != module_name:
        raise ModelError("this is not a function of evalshift's own", where=where, found=code)


def _refuse_unseen(path: Path, before: set[str], where: str) -> None:
    """All that lies beside the code and is imported belongs to the model's identity, so it must be seen by reading."""
    seen = {file.resolve() for file in modules_beside(path.absolute()).values()}
    unseen = [
        place
        for place in _imported_from(path.absolute().parent, before)
        if place.is_file() and place.resolve() not in seen
    ]
    if unseen:
        raise ModelError(
            "the code of the model imports a file in a way that cannot be followed",
            where=f"{where}, {path.name}",
            found=unseen[0].name,
            expected="import statements: a change of a file that is not known would go unnoticed",
            fix="write import or from … import for it, at the top or in a function",
        )


def import_extra(module_name: str, extra: str, where: str) -> Any:
    """A library that only one source of models needs; ModelError saying how to install it where it is not there."""
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise ModelError(
            f"this source needs {module_name}",
            where=where,
            found=first_line(error),
            fix=f"pip install 'evalshift[{extra}]'",
        ) from error


def _imported(load: Callable[[str], Any], module_name: str, where: str) -> Any:
    try:
        return load(module_name)
    except (ImportError, FileNotFoundError) as error:
        package = module_name.partition(".")[0]
        missing = package if isinstance(error, ModuleNotFoundError) and error.name == package else None
        raise ModelError(
            "the code of the model cannot be imported",
            where=where,
            found=f"{module_name}: {first_line(error)}",
            expected="package.module:function of an installed package, or path/to/file.py:function",
            fix=f"install the package that {missing} comes from" if missing else None,
        ) from error


def _check_arguments(function: Any, arguments: Mapping[str, Any], code: str, where: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ModelError(
            "the arguments do not match the function's",
            where=where,
            found=str(error),
            expected=f"{code.rpartition(':')[2]}{signature}",
            fix="give them in the entry, as in arguments: {depth: 20}",
        ) from error


def _attribute(module: Any, attribute: str, module_name: str, where: str) -> Any:
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            nearest = did_you_mean(part, dir(found))
            raise ModelError(
                f'there is no "{attribute}" in {module_name}',
                where=where,
                found=None if nearest else _functions_of(module),
                fix=nearest,
            )
        found = getattr(found, part)
    return found


def _functions_of(module: Any) -> str | None:
    """What a small module defines itself, to choose from; None of one that is no module or a large one."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return ", ".join(own) if isinstance(module, ModuleType) and 0 < len(own) <= 8 else None


def _import_file(path: str) -> ModuleType:
    """A file as a module, compiled anew each time: Python's cache takes an edit within the same second for none."""
    if not Path(path).is_file():
        raise FileNotFoundError("there is no such file")
    module = ModuleType(f"{_USER_MODULE}{Path(path).stem}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up by name
    exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)
    return module


@contextmanager
def imports_of(folder: Path) -> Iterator[None]:
    """Forget afterwards what was imported from under `folder`: the next model's `models` is another file.

    Python knows modules by name alone, so that of two repositories with a module `models` the second would silently
    be given the first one's networks.
    """
    before, path_before = set(sys.modules), list(sys.path)
    try:
        yield
    finally:
        forget_imports(folder, before, path_before)


def forget_imports(folder: Path, before: set[str], path: list[str]) -> None:
    """Forget the modules from under `folder` that are not among those `before`, and that `path` does not lead to."""
    for name in _names_from(folder.absolute(), before, path):
        del sys.modules[name]


def _imported_from(folder: Path, before: set[str]) -> list[Path]:
    """The files and folders under `folder` from which modules were imported since."""
    path = [place for place in sys.path if _absolute(place) != folder]
    places = [_place_of(sys.modules[name]) for name in _names_from(folder, before, path)]
    return [place for place in places if place is not None]


def _names_from(folder: Path, before: set[str], path: list[str]) -> list[str]:
    """The modules imported since from under `folder`.

    What Python finds without our help, such as an environment inside the folder, is everybody's and left out.
    """
    lasting = [place for place in map(_absolute, path) if place.is_relative_to(folder)]
    found = []
    for name in set(sys.modules) - before:
        place = _place_of(sys.modules[name])
        if place is not None and place.is_relative_to(folder) and not any(map(place.is_relative_to, lasting)):
            found.append(name)
    return found


def _absolute(place: str) -> Path:
    return Path(place).absolute()


def _place_of(module: ModuleType) -> Path | None:
    """The file of a module, or the folder of a package without one."""
    if module.__name__.startswith(_USER_MODULE):
        return None
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return None if place is None else _absolute(place)
