"""Do two versions of the code compute the same numbers? Compares `summary.json` of many reports, text apart.

    git worktree add /tmp/before REVISION
    python benchmarks/compare_summaries.py /tmp/before . [RESULTS ...]
    python benchmarks/compare_summaries.py --linear /tmp/before . [RESULTS ...]

Reports are made by either checkout: of every published pair on every scale, with each option that shapes numbers, of
the embedded pair, of the pair of the gold page, and of all pairs in each folder of results that is named. What the
reports read is made by the first checkout. With --linear, reports that name no scale are on the linear one, so that
versions with different defaults can be compared. Sentences, names of tables and columns may differ; a number, or what
is undefined, may not. Ends with exit code 1 where anything differs.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
EMBEDDED, GOLD, COUNTED = "digits:digits-new-writers", "gold", "counted"
# Said of a report rather than computed for it.
_FACTS = {"created", "version", "command", "schema_version", "provenance"}


def main(before: Path, after: Path, more: list[Path], scale: str) -> int:
    """Prints what differs; gives the exit code. `scale` is that of reports that name none."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _run_in(before, "prepare", folder / "inputs")
        for name, checkout in (("before", before), ("after", after)):
            _run_in(checkout, "collect", scale, folder / name, folder / "inputs", *more)
        return compare(folder / "before", folder / "after")


def _run_in(checkout: Path, *words: object) -> None:
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, HERE, *map(str, words)], cwd=checkout, env=environment, check=True)


def prepare(folder: Path) -> None:
    """Predictions on the embedded pair and on that of the gold page, and counts on a published pair, in `folder`."""
    import evalshift as es

    es.run(pairs=[EMBEDDED], results=folder / "embedded")
    sys.path.insert(0, "tests/gold")
    import report as gold  # pyright: ignore[reportMissingImports]

    gold.gold_page(folder / GOLD)
    store = gold._module(Path("tests/analysis/conftest.py").resolve()).Store(folder / COUNTED)
    for dataset, total, counts in (("cifar10", 10_000, (9173, 9243, 9537)), ("cifar10.1-v6", 2000, (1660, 1690, 1801))):
        store.counts(dataset, total, {f"model-{place}": (count, None) for place, count in enumerate(counts)})
    store.results.add_pairs(["cifar10:cifar10.1-v6"])


def collect(scale: str, out: Path, inputs: Path, *more: Path) -> None:
    """`summary.json` of each report as a file in `out`."""
    import evalshift as es

    default: dict[str, Any] = {} if scale == "default" else {"scale": scale}
    for name, source, options in reports(inputs, *more):
        es.report(source, **default | options).save(out / name, "csv")
        (out / name / "summary.json").replace(out / f"{name}.json")


def reports(inputs: Path, *more: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Name, results folder and options of each report."""
    choices: dict[str, dict[str, Any]] = {
        "probit": {"scale": "probit"},
        "logit": {"scale": "logit"},
        "top5": {"metric": "top5"},
        "level": {"level": 0.8, "seed": 5},
        "unsampled": {"resamples": 0},
    }
    published = {"published": "recht2019"}
    folders = {"embedded": inputs / "embedded", GOLD: inputs / GOLD / "results"} | {path.name: path for path in more}
    for name, options in {"default": {}, **choices}.items():
        yield f"published-{name}", inputs, {"resamples": 300, **published, **options}
    yield "published-all-families", inputs, {"resamples": 300, "without": (), **published}
    for name, folder in folders.items():
        for choice, options in {"default": {}, **choices}.items():
            if not (name == "embedded" and choice == "top5"):  # ten classes have none
                yield f"{name}-{choice}", folder, {"resamples": 300, **options}
    yield "embedded-without", inputs / "embedded", {"resamples": 300, "without": ["mlp"]}
    yield "counted-against", inputs / COUNTED, {"resamples": 300, "against": "recht2019"}


def compare(before: Path, after: Path) -> int:
    """Prints the places where two folders of summaries hold different numbers."""
    numbers, different = 0, []
    for file in sorted(before.glob("*.json")):
        old, new = (dict(values(json.loads((side / file.name).read_text("utf-8")))) for side in (before, after))
        numbers += len(old)
        different += [
            f"{file.stem} {'.'.join(place)}: {old.get(place, 'absent')} -> {new.get(place, 'absent')}"
            for place in sorted(old.keys() | new.keys())
            if old.get(place, "absent") != new.get(place, "absent")
        ]
    print(*different[:50], sep="\n", end="\n" if different else "")
    print(f"{numbers:,} numbers in {len(list(before.glob('*.json')))} reports; {len(different):,} differ")
    return 1 if different else 0


def values(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each number, truth value and null of a summary with its place; those of text are left out."""
    if isinstance(node, dict):
        for key, child in node.items():
            if key not in _FACTS:
                yield from values(child, (*place, key))
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from values(child, (*place, str(number)))
    elif not isinstance(node, str):
        yield place, node


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "prepare":
        prepare(Path(words[0]))
    elif command == "collect":
        collect(words[0], *map(Path, words[1:]))
    else:
        scale = "linear" if command == "--linear" else "default"
        first, second, *rest = words if command == "--linear" else (command, *words)
        sys.exit(main(Path(first), Path(second), [Path(word).resolve() for word in rest], scale))
