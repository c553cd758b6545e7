"""A table of accuracies or counts, a row a model → counts in the store, where they are whole within their rounding."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import ceil, floor
from pathlib import Path

import pandas as pd

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.files import read_cells
from evalshift.evaluate.importers.label_spaces import seen_alike
from evalshift.evaluate.importers.labels import known_size
from evalshift.evaluate.importers.predictions import ImportedModel, ImportReport, known_facts, note_pairs, unlike_words
from evalshift.evaluate.predictions import Imported, Provenance
from evalshift.evaluate.rows import duplicates
from evalshift.evaluate.store import SCHEMA_VERSION, Counted, CountedDataset, Results
from evalshift.files import sha256_of
from evalshift.testbed.registry import Registry, load_registry

SCALES = ("auto", "percent", "fraction", "counts")

_MODELS = ("model", "model_name", "models", "name", "arch", "architecture", "network", "")
_MISSING = ("", "-", "–", "nan", "none", "null", "n/a")

# What single precision makes of a fraction: tables are often written from it, with more digits than it has.
_SINGLE_PRECISION = 6e-8


@dataclass(frozen=True)
class _Column:
    """One dataset's accuracies in a table: the column of top-1, and that of top-5 where there is one."""

    dataset: str
    top1: str
    top5: str | None
    images: int
    classes: str | None


def import_table(
    file: str | Path,
    columns: Mapping[str, str] | None = None,
    results: str | Path | Results = "results",
    *,
    top5: Mapping[str, str] | None = None,
    model_column: str | None = None,
    scale: str = "auto",
    sizes: Mapping[str, int] | None = None,
    registry: str | Path | Registry | None = None,
) -> ImportReport:
    """Store how many images each model gets right, from a CSV, JSON or Parquet table with a row for each model.

    columns   dataset -> column of its top-1 accuracy, the original set first; without it, columns that are called as a
              known dataset is
    top5      dataset -> column of its top-5 accuracy; "top5" beside a column "top1" is taken without being named
    scale     "percent", "fraction", "counts", or "auto"
    sizes     dataset -> how many images it has, where neither results nor a published testbed know

    An accuracy becomes the nearest whole number of images. Raises DataError where that lies further off than the
    digits of the table explain, UsageError where it is not clear what a column is; nothing is stored then.
    """
    if scale not in SCALES:
        raise UsageError(f'"{scale}" is no scale', expected=", ".join(SCALES), fix=did_you_mean(scale, SCALES))
    path = Path(file)
    store = results if isinstance(results, Results) else Results(results)
    known = registry if isinstance(registry, Registry) else load_registry(registry)
    cells = read_cells(path)
    rules: list[str] = []
    models = _models(cells, model_column, path, rules)
    chosen = _columns(cells, columns or {}, top5 or {}, sizes or {}, store, known, path, rules)
    source = {path.name: sha256_of(path)}
    made = [(column, _read_column(column, cells, models, scale, path, source, known)) for column in chosen]
    for column, (counts, own_rules) in made:
        view = known.view_of(column.dataset)
        store.save_counts(CountedDataset(column.dataset, column.images, column.classes, view), counts)
        rules += own_rules
        answered = sorted({one.model for one in counts} & set(store.models(column.dataset)))
        if answered:
            rules.append(f"{column.dataset}: {len(answered)} models have predictions there, which come before counts")
    names = [column.dataset for column in chosen]
    pairs = tuple(f"{names[0]}:{name}" for name in names[1:] if seen_alike(known, names[0], name))
    store.add_pairs(pairs)
    rules += unlike_words(store, known, names)
    return ImportReport(
        tuple(
            ImportedModel(one.model, column.dataset, column.images, one.top1, one.top5)
            for column, (counts, _) in made
            for one in counts
        ),
        tuple(rules),
        tuple(dict.fromkeys((*pairs, *note_pairs(store, known, names, models)))),
    )


def _models(cells: pd.DataFrame, wanted: str | None, path: Path, rules: list[str]) -> list[str]:
    names = list(cells.columns)
    if wanted is not None:
        column = _existing(wanted, names, path)
    else:
        lowered = {name.lower(): name for name in reversed(names)}
        likely = next((lowered[name] for name in _MODELS if name in lowered), None)
        if likely is None:
            raise DataError(
                "it is not clear which column names the models",
                where=path,
                found=_some(names),
                fix="name it with --model-column",
            )
        column = likely
        rules.append(f'the column "{column}" names the models' if column else "the first column names the models")
    models = [str(cell).strip() for cell in cells[column]]
    if "" in models:
        raise DataError("a model has no name", where=f"{path}, row {models.index('') + 2}", found="an empty cell")
    if doubled := duplicates(models):
        raise DataError(
            "a model stands twice in the table", where=path, found=_some(doubled), expected="one row a model"
        )
    if not models:
        raise DataError("the table has no rows", where=path, expected="a row for each model")
    return models


def _columns(
    cells: pd.DataFrame,
    wanted: Mapping[str, str],
    top5: Mapping[str, str],
    sizes: Mapping[str, int],
    results: Results,
    registry: Registry,
    path: Path,
    rules: list[str],
) -> list[_Column]:
    names = list(cells.columns)
    if not wanted:
        wanted = {name: name for name in names if _is_known(name, results, registry)}
        if not wanted:
            raise UsageError(
                "it is not said which column belongs to which dataset",
                where=path,
                found=_some(names),
                expected="DATASET=COLUMN, or columns that are called as a dataset is",
                fix="such as --column imagenet=top1",
            )
        rules.append(f"columns that are called as a dataset is: {_some(list(wanted))}")
    for option, others in (("--top5", top5), ("--n", sizes)):
        strange = [dataset for dataset in others if dataset not in wanted]
        if strange:
            raise UsageError(
                f"{option} names a dataset that no column belongs to",
                found=_some(strange),
                expected=_some(list(wanted)),
                fix=did_you_mean(strange[0], wanted),
            )
    chosen = []
    for dataset, column in wanted.items():
        first = _existing(column, names, path)
        five = _existing(top5[dataset], names, path) if dataset in top5 else None
        if five is None and first == "top1" and "top5" in names:
            five = "top5"
            rules.append(f'{dataset}: the column "top5" beside "top1" is its top-5 accuracy')
        images, classes = _size(dataset, sizes.get(dataset), results, registry)
        chosen.append(_Column(dataset, first, five, images, classes))
    return chosen


def _is_known(name: str, results: Results, registry: Registry) -> bool:
    return name in registry.datasets or name in results.datasets() or known_size(name) is not None


def _existing(wanted: str, names: Sequence[str], path: Path) -> str:
    if wanted not in names:
        raise DataError(
            f'the table has no column "{wanted}"', where=path, found=_some(names), fix=did_you_mean(wanted, names)
        )
    return wanted


def _some(names: Sequence[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(name or '""' for name in names[:limit]) + more


def _size(dataset: str, given: int | None, results: Results, registry: Registry) -> tuple[int, str | None]:
    """How many images a dataset has, and its label space as far as anyone knows."""
    published, entry = known_size(dataset), registry.known_dataset(dataset)
    classes = entry.classes if entry else published[1] if published else None
    counted = results.load_counts(dataset)
    if dataset in results.datasets():
        stored = results.load_dataset(dataset)
        known, classes = len(stored), stored.classes
    elif counted is not None:
        known, classes = counted[0].images, counted[0].classes or classes
    else:
        known = given or (published[0] if published else None)
    if known is None:
        raise UsageError(
            f"how many images {dataset} has is not known",
            expected="the number that the accuracies are of",
            fix=f"such as --n {dataset}=10000",
        )
    if given is not None and given != known:
        raise UsageError(
            f"{dataset} has another number of images",
            where=results.path,
            found=f"{given:,} given, {known:,} stored",
            fix="leave --n out, or choose another name or results folder",
        )
    return known, classes


def _read_column(
    column: _Column,
    cells: pd.DataFrame,
    models: Sequence[str],
    scale: str,
    path: Path,
    source: Mapping[str, str],
    registry: Registry,
) -> tuple[list[Counted], list[str]]:
    def read(name: str) -> "_Counts":
        where = f'{path}, column "{name}"'
        return counts_of([str(cell) for cell in cells[name]], models, column.images, scale, where)

    first = read(column.top1)
    five = read(column.top5) if column.top5 is not None else None
    rules = [f"{column.dataset}: {first.rule}"]
    warnings = []
    if within := max(first.within, five.within if five else 0):
        warnings.append(
            f"Counts on {column.dataset} were worked out from rounded accuracies, "
            f"and may be off by up to {within:,} of {column.images:,} images"
        )
        rules.append(f"{column.dataset}: rounding leaves counts open by up to {within:,} of {column.images:,}")
    absent = [model for model, count in zip(models, first.counts, strict=True) if count is None]
    if absent:
        rules.append(f"{column.dataset}: {len(absent):,} models have no value there and are left out")
    counted = []
    for row, (model, count) in enumerate(zip(models, first.counts, strict=True)):
        best = five.counts[row] if five else None
        if count is None:
            continue
        if best is not None and best < count - within:
            raise DataError(
                "fewer are right by five answers than by one",
                where=f"{path}, {model}",
                found=f"{best:,} by five, {count:,} by one",
                expected="top-5 at least top-1",
                fix="name the columns with --column and --top5",
            )
        provenance = Provenance(
            schema_version=SCHEMA_VERSION,
            model=model,
            dataset=column.dataset,
            classes=column.classes or "unknown",
            entry={"source": "table", **known_facts(registry, model)},
            identity={},
            dataset_fingerprint=f"images:{column.images}",
            streams=None,
            start=datetime.now(UTC).isoformat(timespec="seconds"),
            warnings=warnings,
            imported=Imported(source="table", files=dict(source), kind=first.scale, rules=rules),
        )
        counted.append(Counted(model, count, best, within, provenance))
    return counted, rules


@dataclass(frozen=True)
class _Counts:
    """Counts of one column, None where a cell is empty; `within` is how far rounding lets them be off."""

    counts: tuple[int | None, ...]
    within: int
    scale: str
    rule: str


def counts_of(cells: Sequence[str], models: Sequence[str], images: int, scale: str, where: str) -> _Counts:
    """Accuracies or counts as they are written, one a model, as whole numbers of `images`.

    The digits of a column say how it was rounded: the nearest whole count must lie within half a unit of the last one.
    Raises DataError naming the first model where it does not, UsageError where "auto" cannot tell the scale.
    """
    values = [_number(cell, model, where) for cell, model in zip(cells, models, strict=True)]
    there = [value for value in values if value is not None]
    if not there:
        raise DataError("the column is empty", where=where, expected="an accuracy for at least one model")
    signs = any(cell.strip().endswith("%") for cell in cells)
    scale, rule = _scale(there, images, scale, signs, where)
    unit = {"percent": Decimal(100), "fraction": Decimal(1), "counts": Decimal(images)}[scale]
    digits = max(_decimals(value) for value in there)
    half = 0.0 if scale == "counts" else images * float(Decimal(5).scaleb(-digits - 1) / unit)
    counts: list[int | None] = []
    within = 0
    for value, model in zip(values, models, strict=True):
        if value is None:
            counts.append(None)
            continue
        exact = float(value / unit * images)
        count = round(exact)
        if not 0 <= count <= images:
            raise DataError(
                "an accuracy is out of range",
                where=f"{where}, {model}",
                found=f"{value}",
                expected=f"{'0 to ' + format(images, ',') if scale == 'counts' else '0 to ' + str(unit)} ({scale})",
            )
        if abs(exact - count) > half + images * _SINGLE_PRECISION:
            raise DataError(
                "an accuracy makes no whole number of images",
                where=f"{where}, {model}",
                found=f"{value} is {exact:,.2f} of {images:,} images",
                expected="a whole number, within half a unit of the last digit",
                fix="check the number of images (--n) and the scale; a mean of several sets or classes is no count",
            )
        within = max(within, count - max(0, ceil(exact - half)), min(images, floor(exact + half)) - count)
        counts.append(count)
    return _Counts(tuple(counts), within, scale, rule)


def _number(cell: str, model: str, where: str) -> Decimal | None:
    text = cell.strip().removesuffix("%").strip()
    if text.lower() in _MISSING:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise DataError("this is not a number", where=f"{where}, {model}", found=f'"{cell}"', expected="an accuracy")
    return value


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _scale(values: Sequence[Decimal], images: int, scale: str, signs: bool, where: str) -> tuple[str, str]:
    """Percent, fraction or counts, and the rule that says so."""
    if scale != "auto":
        return scale, f"read as {scale}, as asked for"
    largest = max(values)
    whole = all(value == value.to_integral_value() for value in values)
    if signs:
        return "percent", "read as percent: there are % signs"
    if not whole and largest <= 1:
        return "fraction", "read as fractions: none is greater than 1"
    if not whole and largest <= 100:
        return "percent", "read as percent: some are greater than 1, none than 100"
    if whole and largest > 100:
        return "counts", f"read as counts of {images:,}: whole numbers, some greater than 100"
    raise UsageError(
        "it cannot be told whether these are percent, fractions or counts",
        where=where,
        found=f"{'whole numbers' if whole else 'numbers'} up to {largest}",
        expected="fractions up to 1, percent with decimals up to 100, or whole counts, some greater than 100",
        fix="say which: --percent, --fraction or --counts",
    )


def parse_assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """DATASET=VALUE options as a mapping; raises UsageError where one is not of that form or a dataset stands twice."""
    assigned: dict[str, str] = {}
    for text in texts:
        parts = re.fullmatch(r"([^=]+)=(.*)", text)
        if parts is None:
            raise UsageError(f'{option} "{text}" has no dataset', expected=f"{option} DATASET=VALUE")
        if parts[1] in assigned:
            raise UsageError(f"{option} names {parts[1]} twice", found=text, expected="each dataset once")
        assigned[parts[1]] = parts[2]
    return assigned
