"""timm's tables of results → counts."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from published_files import Made, read_table, whole_counts

from evalshift.errors import DataError
from evalshift.testbed.timm_names import architecture, training_data

# File -> the dataset that it holds, and how many images that has.
TABLES = {
    "results-imagenet.csv": ("imagenet", 50_000),
    "results-imagenet-real.csv": ("imagenet-real", 46_837),
    "results-imagenetv2-matched-frequency.csv": ("imagenetv2-matched-frequency", 10_000),
    "results-sketch.csv": ("imagenet-sketch", 50_889),
    "results-imagenet-a-clean.csv": ("imagenet@imagenet-a", 10_000),
    "results-imagenet-a.csv": ("imagenet-a", 7_500),
    "results-imagenet-r-clean.csv": ("imagenet@imagenet-r", 10_000),
    "results-imagenet-r.csv": ("imagenet-r", 30_000),
}
# The repository publishes none; those of the files that the shipped counts were made from are not known.
CHECKSUMS: dict[str, str] = {}
FACTS = ("model", "family", "year", "training_data", "parameters_millions", "image_size")
METRICS = ("top1", "top5")

Key = tuple[str, str]  # model, image size


@dataclass(frozen=True)
class _Table:
    dataset: str
    rows: dict[Key, dict[str, str]]
    counts: dict[Key, tuple[str, str]]


def make(folder: Path) -> Made:
    """Counts of all models on all sets; a model at several image sizes has a row for each, named "model@size"."""
    notes: list[str] = []
    tables = [_read(folder, file, notes) for file in TABLES]
    sizes: defaultdict[str, set[str]] = defaultdict(set)
    for table in tables:
        for model, size in table.rows:
            sizes[model].add(size)
    keys = sorted(
        (key for key in {key for table in tables for key in table.rows}), key=lambda key: (key[0], int(key[1]))
    )
    several = [model for model, found in sizes.items() if len(found) > 1]
    notes.append(f"{len(several)} models at several image sizes: {', '.join(sorted(several)) or 'none'}")
    rows = [_row(key, len(sizes[key[0]]) > 1, tables) for key in keys]
    base = tables[0].counts
    notes += [
        f"{table.dataset}: {len(table.counts)} models, {sum(key in base for key in table.counts)} of them on imagenet"
        for table in tables
    ]
    columns = *FACTS, *(f"{table.dataset} {metric}" for table in tables for metric in METRICS)
    return Made(columns, sorted(rows, key=lambda row: row["model"]), notes)


def _read(folder: Path, file: str, notes: list[str]) -> _Table:
    dataset, images = TABLES[file]
    rows: dict[Key, dict[str, str]] = {}
    for line, row in enumerate(read_table(folder, file, CHECKSUMS, notes), 2):
        key = row["model"], row["img_size"]
        if key in rows:
            where = f"{file}, line {line}"
            raise DataError("a model has two rows of one image size", where=where, found="@".join(key))
        rows[key] = row
    names = ["@".join(key) for key in rows]
    top1, top5 = (
        whole_counts([row[metric] for row in rows.values()], names, images, f"{file}, {metric}") for metric in METRICS
    )
    return _Table(dataset, rows, dict(zip(rows, zip(top1, top5, strict=True), strict=True)))


def _row(key: Key, sized: bool, tables: list[_Table]) -> dict[str, str]:
    model, size = key
    found = architecture(model)
    parameters = next((text for table in tables if (text := table.rows.get(key, {}).get("param_count"))), "")
    row = {
        "model": f"{model}@{size}" if sized else model,
        "family": found.family if found else "",
        "year": str(found.year or "") if found else "",
        "training_data": training_data(model) or "",
        "parameters_millions": parameters.replace(",", ""),
        "image_size": size,
    }
    for table in tables:
        for metric, count in zip(METRICS, table.counts.get(key, ("", "")), strict=True):
            row[f"{table.dataset} {metric}"] = count
    return row
