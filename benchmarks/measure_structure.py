"""How the code is divided: modules per folder, arrows between rooms, floors and circles, by import-linter's graph.

    python benchmarks/measure_structure.py                       # this checkout
    git worktree add /tmp/before REVISION && python benchmarks/measure_structure.py /tmp/before

A room is what lies directly in a package: a folder, or a module of its own. An arrow is an import of one room by
another, counted once; a circle is a set of rooms or modules each of which can reach all others of it. Imports inside
functions count as well.
"""

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp

Arrows = dict[str, set[str]]


def main(folder: Path) -> None:
    """Prints the measures of the package `evalshift` in `folder`."""
    sys.path.insert(0, str(folder))
    graph = grimp.build_graph("evalshift", exclude_type_checking_imports=True, cache_dir=None)
    for name, modules in sorted(per_folder(folder / "evalshift").items()):
        print(f"{modules:4d} modules in {name}")
    for package in ("evalshift.testbed", "evalshift.evaluate", "evalshift.analysis", "evalshift"):
        arrows = between_rooms(graph, package)
        said = f"{len(arrows)} rooms, {floors(arrows)} floors, {sum(map(len, arrows.values()))} arrows"
        print(f"{package}: {said}, circles of rooms: {told(circles(arrows))}")
    modules = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    print(f"circles of modules: {told(circles(modules))}")
    lengths = list(function_lengths(folder / "evalshift"))
    print(f"{len(lengths)} functions: {statistics.median(lengths):g} lines at the median, {max(lengths)} at most")


def per_folder(package: Path) -> Counter[str]:
    """Folder -> number of Python files directly in it."""
    return Counter(str(path.parent.relative_to(package.parent)) for path in package.rglob("*.py"))


def between_rooms(graph: grimp.ImportGraph, package: str) -> Arrows:
    """Room -> the rooms of the same package that it imports; the package's own `__init__` is no room."""
    rooms = graph.find_children(package)
    room_of = {module: room for room in rooms for module in {room, *graph.find_descendants(room)}}
    arrows: Arrows = {room: set() for room in rooms}
    for module, room in room_of.items():
        imported = {room_of.get(other) for other in graph.find_modules_directly_imported_by(module)}
        arrows[room] |= {other for other in imported if other is not None and other != room}
    return arrows


def circles(arrows: Arrows) -> list[set[str]]:
    """Sets of two or more that can all reach each other."""
    reached = {start: reachable(arrows, start) for start in arrows}
    found = {frozenset({start, *(end for end in reached[start] if start in reached[end])}) for start in arrows}
    return sorted((set(circle) for circle in found if len(circle) > 1), key=sorted)


def reachable(arrows: Arrows, start: str) -> set[str]:
    """All that can be reached from `start` along arrows."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in arrows.get(waiting.pop(), set()) - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def floors(arrows: Arrows) -> int:
    """How many stand above each other at most; what runs in a circle stands on one floor."""
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            below = [other for other in arrows[room] if room not in reachable(arrows, other)]
            heights[room] = 1 + max(map(height, below), default=0)
        return heights[room]

    return max(map(height, arrows), default=0)


def told(found: list[set[str]]) -> str:
    """Circles as text."""
    return "; ".join(" <-> ".join(sorted(circle)) for circle in found) or "none"


def function_lengths(package: Path) -> Iterator[int]:
    """Lines of each function, its docstring not counted."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node, clean=False)
                yield (node.end_lineno or node.lineno) - node.lineno + 1 - (len(text.splitlines()) if text else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve())
