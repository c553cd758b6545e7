"""A table of accuracies or counts → counts in the store, where they are whole within their rounding."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.accuracies import SCALES, Counts, counts_of
from evalshift.evaluate.importers.label_spaces import seen_alike
from evalshift.evaluate.importers.labels import known_size
from evalshift.evaluate.importers.predictions import (
    ImportedModel,
    ImportReport,
    known_facts,
    note_pairs,
    unlike_words,
)
from evalshift.evaluate.importers.table_files import AccuracyTable, read_accuracy_table
from evalshift.evaluate.importers.table_layout import DatasetCells, TableLayout, find_layout, some
from evalshift.evaluate.importers.table_models import ModelNames, name_models
from evalshift.evaluate.importers.table_shape import summary_rows, upright
from evalshift.evaluate.predictions import Imported, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION, Counted, CountedDataset, Results
from evalshift.testbed.published import load_published, published_names
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry


def import_table(
    file: str | Path,
    columns: Mapping[str, str] | str | None = None,
    results: str | Path | Results = "results",
    *,
    top5: Mapping[str, str] | None = None,
    model_column: str | Sequence[str] | None = None,
    dataset_column: str | None = None,
    dataset_names: Mapping[str, str] | None = None,
    scale: str = "auto",
    error: bool = False,
    means: bool = False,
    sizes: Mapping[str, int] | None = None,
    registry: str | Path | Registry | None = None,
) -> ImportReport:
    """Store how many images each model classifies correctly, from a table (CSV, Markdown, LaTeX, JSON or Parquet).

    file            one row per model, or per model and dataset; or a folder of JSON files with one object per model
    columns         dataset -> column of its top-1 accuracy, the original set first; by default, columns named after
                    known datasets. With `dataset_column`, one column for all datasets
    results         folder of stored predictions
    top5            dataset -> column of its top-5 accuracy; a column "top5" next to "top1" is read automatically
    model_column    the column of models, or several that identify a model together: "model@img_size"
    dataset_column  the column of datasets, in a table with one row per model and dataset
    dataset_names   name of a dataset in the table -> its name here
    scale           "percent", "fraction", "counts", or "auto"
    error           the numbers are error rates
    means           the numbers are means over several runs; the nearest counts are stored
    sizes           dataset -> its number of images, if neither the results nor a published testbed have it
    registry        a path, a Registry, or None for ./registry.yaml, else the one that comes with evalshift

    An accuracy becomes the nearest whole number of images.

    Raises DataError if the nearest count is farther away than rounding explains, UsageError if the meaning of a column
    is not clear; nothing is stored then.
    """
    if scale not in SCALES:
        raise UsageError(f'"{scale}" is not a scale', expected=", ".join(SCALES), fix=did_you_mean(scale, SCALES))
    path = Path(file)
    store = results if isinstance(results, Results) else Results(results)
    known = registry if isinstance(registry, Registry) else load_registry(registry)
    sizes = sizes or {}

    def is_dataset(name: str) -> bool:
        return name in sizes or _is_known(name, store, known)

    table = read_accuracy_table(path, is_dataset)
    cells, rules = _distinct_rows(table.cells, path)
    cells, turned = upright(cells, columns if isinstance(columns, dict) else {})
    rules += turned
    layout = find_layout(
        cells,
        path,
        is_dataset,
        columns=columns,
        top5=top5,
        dataset_column=dataset_column,
        dataset_names=dataset_names,
        error=error,
    )
    chosen, left_out = _with_sizes(layout, cells, sizes, store, known)
    names = name_models(cells, [one.cells.filled(cells) for one in chosen], model_column, path)
    chosen, summaries = _without_summaries(chosen, cells, names)
    left_out += summaries
    reading = _Reading(cells, names, path, table, known, scale, error, means)
    made = [(column, *reading.read(column)) for column in chosen]
    rules = [*table.rules, *rules, *names.rules, *layout.rules, *left_out]
    for column, counts, own_rules in made:
        view, entry = known.view_of(column.dataset), known.known_dataset(column.dataset)
        title = None if entry is None else entry.title
        store.save_counts(CountedDataset(column.dataset, column.images, column.classes, view, title), counts)
        rules += own_rules
        predicted = {one.model for one in counts} & set(store.models(column.dataset))
        if predicted:
            rules.append(f"{column.dataset}: {len(predicted)} models have predictions there, which come before counts")
    pairs = _pairs(chosen, layout.chosen or dataset_column is None, known)
    store.add_pairs(pairs)
    datasets = [column.dataset for column in chosen]
    rules += unlike_words(store, known, datasets)
    return ImportReport(
        tuple(
            ImportedModel(one.model, column.dataset, column.images, one.top1, one.top5)
            for column, counts, _ in made
            for one in counts
        ),
        tuple(rules),
        tuple(dict.fromkeys((*pairs, *note_pairs(store, known, datasets, names.names)))),
    )


@dataclass(frozen=True)
class _Column:
    """One dataset's accuracies in a table, and what is known of the dataset."""

    cells: DatasetCells
    images: int
    classes: str | None

    @property
    def dataset(self) -> str:
        return self.cells.dataset


def _distinct_rows(cells: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    if cells.empty:
        raise DataError("the table has no rows", where=path, expected="a row for each model")
    distinct = cells.drop_duplicates(ignore_index=True)
    repeated = len(cells) - len(distinct)
    return distinct, [
        f"{repeated:,} {'row' if repeated == 1 else 'rows'} with the same cells as another, left out"
    ] if repeated else []


def _is_known(name: str, results: Results, registry: Registry) -> bool:
    return name in registry.datasets or name in results.datasets() or known_size(name) is not None


def _with_sizes(
    layout: TableLayout, cells: pd.DataFrame, sizes: Mapping[str, int], results: Results, registry: Registry
) -> tuple[list[_Column], list[str]]:
    """The datasets with their sizes; those that the user did not name are left out where these are not known."""
    datasets = [one.dataset for one in layout.datasets]
    strange = [dataset for dataset in sizes if dataset not in datasets]
    if strange:
        raise UsageError(
            "`sizes` names a dataset that no column belongs to",
            found=some(strange),
            expected=some(datasets),
            fix=did_you_mean(strange[0], datasets),
        )
    found = {
        one.dataset: _size(one.dataset, sizes.get(one.dataset), one.images_written(cells), results, registry)
        for one in layout.datasets
    }
    unknown = [dataset for dataset, (images, _) in found.items() if images is None]
    if unknown and (layout.chosen or len(unknown) == len(datasets)):
        raise UsageError(
            f"how many images {some(unknown)} has is not known",
            expected="the number that the accuracies are of",
            fix=f"such as `sizes` {unknown[0]}=10000",
        )
    columns = [
        _Column(one, images, classes)
        for one in layout.datasets
        for images, classes in (found[one.dataset],)
        if images is not None
    ]
    rule = f"left out, as how many images they have is not known: {some(unknown)}"
    return columns, [rule] if unknown else []


def _without_summaries(
    columns: Sequence[_Column], cells: pd.DataFrame, names: ModelNames
) -> tuple[list[_Column], list[str]]:
    """The columns without rows that are a mean or a standard deviation of the other rows, and what is said of them."""
    rows = summary_rows(names.names, names.bases, [(cells[one.cells.top1], one.cells.filled(cells)) for one in columns])
    if not rows:
        return list(columns), []
    kept = [
        replace(one, cells=replace(one.cells, rows=tuple(row for row in one.cells.rows if row not in rows)))
        for one in columns
    ]
    what = some(list(dict.fromkeys(names.names[row] for row in sorted(rows))))
    return kept, [f"left out, as they summarize other rows: {what}"]


def _size(
    dataset: str, given: int | None, written: int | None, results: Results, registry: Registry
) -> tuple[int | None, str | None]:
    """How many images a dataset has, and its label space as far as anyone knows.

    written   the number in the table itself, as in 9350/10000, which counts where nothing else says it
    """
    published, entry = known_size(dataset), registry.known_dataset(dataset)
    classes = entry.classes if entry else published[1] if published else None
    counted = results.load_counts(dataset)
    if dataset in results.datasets():
        stored = results.load_dataset(dataset)
        known, classes = len(stored), stored.classes
    elif counted is not None:
        known, classes = counted[0].images, counted[0].classes or classes
    else:
        known = given or (published[0] if published else written)
    if given is not None and known is not None and given != known:
        raise UsageError(
            f"{dataset} has another number of images",
            where=results.path,
            found=f"{given:,} given, {known:,} stored",
            fix="leave out `sizes`, or choose another name or results folder",
        )
    return known, classes


def _pairs(columns: Sequence[_Column], named: bool, registry: Registry) -> tuple[str, ...]:
    """Pairs of the first dataset with each other one, and among datasets nobody named, of one label space."""
    if named:
        first, *others = columns
        names = [other.dataset for other in others if seen_alike(registry, first.dataset, other.dataset)]
        return tuple(f"{first.dataset}:{name}" for name in names)
    known = [str(pair) for pair in registry.pairs]
    known += [pair for name in published_names() for pair in load_published(name).pairs]
    there: Collection[str] = {column.dataset for column in columns}
    return tuple(pair for pair in dict.fromkeys(known) if set(pair.split(":")) <= there)


@dataclass(frozen=True)
class _Reading:
    """How the columns of a table are read into counts."""

    cells: pd.DataFrame
    names: ModelNames
    path: Path
    table: AccuracyTable
    registry: Registry
    scale: str
    error: bool
    means: bool

    def read(self, column: _Column) -> tuple[list[Counted], list[str]]:
        """Counts on one dataset, and in words how they came about."""
        first = self._counts(column, column.cells.top1)
        five = self._counts(column, column.cells.top5) if column.cells.top5 is not None else None
        within = max(first.within, five.within if five else 0)
        rules, warnings = self._remarks(column, first, within)
        counted = []
        for place, (row, count) in enumerate(zip(column.cells.rows, first.counts, strict=True)):
            best = five.counts[place] if five else None
            if count is None:
                continue
            self._check_order(row, count, best, within)
            provenance = self._provenance(column, row, warnings, rules, first.scale)
            counted.append(Counted(self.names.names[row], count, best, within, provenance))
        return counted, rules

    def _counts(self, column: _Column, name: str) -> Counts:
        rows, written = column.cells.rows, list(self.cells[name])
        return counts_of(
            [str(written[row]) for row in rows],
            [self.names.names[row] for row in rows],
            column.images,
            self.scale,
            f'{self.path}, column "{name}"',
            error=self.error,
            means=self.means,
        )

    def _remarks(self, column: _Column, first: Counts, within: int) -> tuple[list[str], list[str]]:
        dataset, images = column.dataset, column.images
        rules, warnings = [f"{dataset}: {first.rule}"], []
        if self.means:
            warnings.append(
                f"Accuracies on {dataset} are means over several runs: counts are not exact, "
                "and confidence intervals are those of a single run"
            )
            rules.append(f"{dataset}: means over runs; counts are not exact, confidence intervals those of one run")
        if within:
            warnings.append(
                f"Counts on {dataset} were worked out from rounded accuracies, "
                f"and may be off by up to {within:,} of {images:,} images"
            )
            rules.append(f"{dataset}: rounding leaves counts open by up to {within:,} of {images:,}")
        if absent := first.counts.count(None):
            rules.append(f"{dataset}: {absent:,} models have no value there and are left out")
        return rules, warnings

    def _check_order(self, row: int, count: int, best: int | None, within: int) -> None:
        if best is not None and best < count - within:
            raise DataError(
                "fewer images are correct by top-5 than by top-1",
                where=f"{self.path}, {self.names.names[row]}",
                found=f"{best:,} by top-5, {count:,} by top-1",
                expected="top-5 at least top-1",
                fix="name the columns with `columns` and `top5`",
            )

    def _provenance(
        self, column: _Column, row: int, warnings: Sequence[str], rules: Sequence[str], scale: str
    ) -> Provenance:
        model = self.names.names[row]
        facts = known_facts(self.registry, model) or known_facts(self.registry, self.names.bases[row])
        return Provenance(
            schema_version=SCHEMA_VERSION,
            model=model,
            dataset=column.dataset,
            classes=column.classes or "unknown",
            entry={"source": "table", **facts},
            identity={},
            dataset_fingerprint=f"images:{column.images}",
            streams=None,
            start=datetime.now(UTC).isoformat(timespec="seconds"),
            warnings=list(warnings),
            imported=Imported(source="table", files=dict(self.table.sha256), kind=scale, rules=list(rules)),
        )


def parse_assignments(texts: Sequence[str], option: str, key: str = "DATASET") -> dict[str, str]:
    """KEY=VALUE options as a mapping; raises UsageError where one is not of that form or a key is repeated."""
    assigned: dict[str, str] = {}
    for text in texts:
        parts = re.fullmatch(r"([^=]+)=(.*)", text)
        if parts is None:
            raise UsageError(f'{option} "{text}" has no {key.lower()}', expected=f"{option} {key}=VALUE")
        if parts[1] in assigned:
            raise UsageError(f"{option} repeats {parts[1]}", found=text, expected=f"each {key.lower()} once")
        assigned[parts[1]] = parts[2]
    return assigned


def parse_columns(texts: Sequence[str], option: str) -> dict[str, str] | str | None:
    """DATASET=COLUMN options as a mapping, or the one COLUMN for all datasets; raises UsageError for both together."""
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return parse_assignments(texts, option) or None
