"""The files that decide what a model predicts, by their content: edit one, and its predictions are out of date.

Code is read, never run: the imports of a .py file are followed by their names.
"""

import ast
import glob
import importlib.util
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evalshift.file_dependencies import dependencies_unknown, depends_on
from evalshift.testbed.folder_hashes import checksum_of, hash_of_file


def hashes_of_function(kind: str, code: str) -> dict[str, Any]:
    """What of the code behind "path/to/file.py:function" or "package.module:function" can change a prediction.

    kind    builder or function: the keys begin so
    A file counts with the modules beside it that it imports; an installed package by its version.
    """
    module, _, function = code.rpartition(":")
    if module.endswith(".py"):
        path = Path(module)
        hashes: dict[str, Any] = {kind: f"{path.name}:{function}", f"{kind}_sha256": hash_of_file(path)}
        beside = {name: hash_of_file(file) for name, file in modules_beside(path).items()}
        return hashes | ({f"{kind}_imports": beside} if beside else {})
    return _of_module(kind, module)


def _of_module(kind: str, module: str) -> dict[str, Any]:
    top = module.partition(".")[0]
    if top == "evalshift":  # its version is in the provenance
        return {}
    path = module_file(module)
    if path is None:
        return {}
    if _is_installed(path):
        try:
            return {f"{kind}_version": version(top)}
        except PackageNotFoundError:
            return {f"{kind}_sha256": hash_of_file(path)}
    root = path.parents[len(module.split(".")) - (0 if path.name == "__init__.py" else 1)]
    beside = {name: hash_of_file(file) for name, file in _closure(path, root).items()}
    return {f"{kind}_sha256": hash_of_file(path)} | ({f"{kind}_imports": beside} if beside else {})


def module_file(module: str) -> Path | None:
    """The .py file of "package.module", found without importing the package; None where there is none."""
    dependencies_unknown()
    top, _, rest = module.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        for place in _places(Path(folder).joinpath(*rest.split("."))):
            return place
    return None


def _is_installed(path: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    return any(path.is_relative_to(place) for place in places)


def hashes_of_folder(folder: Path) -> dict[str, str]:
    """A checkout of code by the content of all its files, but for what version control and Python keep there."""
    return {"code_sha256": checksum_of(folder)}


def hashes_of_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Files in a folder by their content, those that are not there too."""
    return {name: hash_of_file(folder / name) for name in names}


def modules_beside(path: Path) -> dict[str, Path]:
    """The modules beside a .py file that it imports, and those that these import: name from its folder -> file."""
    return _closure(path, path.parent)


def _closure(start: Path, root: Path) -> dict[str, Path]:
    found: dict[Path, None] = {}
    waiting = [start]
    while waiting:
        path = waiting.pop()
        for file in _imported_by(path, root):
            if file != start and file not in found:
                found[file] = None
                waiting.append(file)
    return {file.relative_to(root).as_posix(): file for file in sorted(found)}


def _imported_by(path: Path, root: Path) -> Iterator[Path]:
    for parts, names in _imports(path):
        level, module = parts
        if level == 0:
            base = root
        elif level <= len(path.relative_to(root).parts):
            base = path.parents[level - 1]
        else:
            continue  # beyond the folder; Python refuses it too
        steps = module.split(".") if module else []
        for count in range(1, len(steps) + 1):  # packages run their __init__.py on the way
            yield from _places(base.joinpath(*steps[:count]))
        for name in names:
            yield from _places(base.joinpath(*steps, name))
        if level and (base / "__init__.py").is_file():
            yield base / "__init__.py"


def _places(stem: Path) -> Iterator[Path]:
    """The files that a module of that place may come from."""
    for place in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        depends_on(place)
        if place.is_file():
            yield place
    depends_on(stem.parent)
    if stem.parent.is_dir():
        yield from sorted(stem.parent.glob(f"{glob.escape(stem.name)}.*.so"))


def _imports(path: Path) -> list[tuple[tuple[int, str], tuple[str, ...]]]:
    """Each import statement of a file, at any depth: (level, module), names. None where it cannot be read."""
    depends_on(path)
    if path.suffix != ".py" or not path.is_file():
        return []
    status = path.stat()
    return _imports_once(path, status.st_size, status.st_mtime_ns)


@cache
def _imports_once(path: Path, size: int, changed: int) -> list[tuple[tuple[int, str], tuple[str, ...]]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # it will not run either
        return []
    found: list[tuple[tuple[int, str], tuple[str, ...]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [((0, alias.name), ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(((node.level, node.module or ""), tuple(alias.name for alias in node.names)))
    return found
