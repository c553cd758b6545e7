"""The tables of RobustBench (Croce et al. 2021) → counts, one file for each of CIFAR-10, CIFAR-100 and ImageNet."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from published_files import Made, read_table

from evalshift.errors import DataError

MODELS, CELLS = "models.csv", "corruption_cells.csv"
CHECKSUMS = {
    MODELS: "e40a3661c22c21c3348026b3a0880d9c89266093a07f8d28941bcbf1b7ba3606",
    CELLS: "59fcfcfe28ede70096b08b2477efd0155b97c5c8673a15722ab5a58ce2b9ffcb",
}
FACTS = ("model", "family", "year", "training_data", "architecture", "venue", "counted_from")
# Table of models -> its threat models, and what the sets are called here.
SETS = {
    "cifar10": {
        "clean": "cifar10",
        "Linf": "cifar10-autoattack-linf",
        "L2": "cifar10-autoattack-l2",
        "corruptions": "cifar10-c",
    },
    "cifar100": {"clean": "cifar100", "Linf": "cifar100-autoattack-linf", "corruptions": "cifar100-c"},
    "imagenet": {
        "clean": "imagenet@robustbench",
        "Linf": "imagenet-autoattack-linf@robustbench",
        "corruptions": "imagenet-c@robustbench",
        "corruptions_3d": "imagenet-3dcc@robustbench",
    },
}
IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "imagenet": 5_000}
_BENCHMARKS = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "imagenet": "ImageNet-C"}
_DATA = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet": "imagenet-1k"}
# Networks trained on images of a generative model: by their names, and by the footnotes of RobustBench's model_info.
_GENERATED = re.compile(
    r"ddpm|edm|^(Sehwag2021Proxy|Dai2021|Pang2022|Wang2023Better|Xu2023|Peng2023|Bartoldson2024)"
    r"|^Cui2023Decoupled_WRN-28-10"
)
_ENSEMBLE = re.compile(r" \+ (?!ConvStem)")
_FAMILIES = (
    (r"PreActResNet", "resnet-v2"),
    (r"WideResNet", "wide-resnet"),
    (r"ResNeXt", "resnext"),
    (r"ResNest", "resnest"),
    (r"ResNet", "resnet"),
    (r"DenseNet", "densenet"),
    (r"AlexNet", "alexnet"),
    (r"XCiT", "xcit"),
    (r"Swin", "swin"),
    (r"ConvNeXt", "convnext"),
    (r"DeiT", "deit"),
    (r"ViT", "vit"),
    (r"CNN", "cnn"),
)

Row = Mapping[str, str]


def make(folder: Path) -> list[Made]:
    """Counts of the models of each dataset, under clean images, AutoAttack and common corruptions."""
    notes: list[str] = []
    table = read_table(folder, MODELS, CHECKSUMS, notes)
    means = _Means(read_table(folder, CELLS, CHECKSUMS, notes))
    superseded = [row for row in table if row["superseded_by"]]
    notes.append(f"{len(superseded)} rows of older names of a model that is there under its newer one: left out")
    kept = [row for row in table if not row["superseded_by"]]
    return [_dataset(name, [row for row in kept if row["dataset"] == name], means, notes) for name in SETS]


class _Means:
    """Means over corruptions and severities: of the accuracies of all cells of a model, each of the same images."""

    def __init__(self, cells: Iterable[Row]) -> None:
        self._cells: dict[tuple[str, str], list[Row]] = {}
        for cell in cells:
            self._cells.setdefault((cell["shift"], cell["id"]), []).append(cell)

    def correct(self, shift: str, model: str, images: int) -> str | None:
        """Images out of `images` that give the mean; None where there are no cells, "" where they have other images."""
        cells = self._cells.get((shift, model))
        if cells is None:
            return None
        if {int(cell["n"]) for cell in cells} != {images}:
            return ""
        return str(round(sum(int(cell["correct"]) for cell in cells) / len(cells)))


def _dataset(name: str, table: list[Row], means: _Means, notes: list[str]) -> Made:
    """One row per model: those of one id and one clean accuracy are one model."""
    columns = [f"{dataset} top1" for dataset in SETS[name].values()]
    rows: dict[str, dict[str, str]] = {}
    names = _names(table)
    few = []
    for model, row in zip(names, table, strict=True):
        found = _counts(name, row, means)
        if found is None:
            few.append(row["id"])
        else:
            _add(rows, model, found, _facts(name, row), columns)
    if few:
        notes.append(f"{name}: corruptions of {', '.join(few)} are of fewer images and left out")
    notes.append(f"{name}: {len(table)} rows, {len(rows)} models")
    notes += (
        f"{column.removesuffix(' top1')}: {sum(row[column] != '' for row in rows.values())} models"
        for column in columns
    )
    return Made((*FACTS, *columns), sorted(rows.values(), key=lambda row: row["model"]), notes, f"{name}.csv.gz")


def _counts(name: str, row: Row, means: _Means) -> dict[str, str] | None:
    """The counts of a row by column; None where its corrupted images are fewer than those of the others."""
    images, sets, where = IMAGES[name], SETS[name], f"{MODELS}, {name}, {row['threat']}, {row['id']}"
    found = {f"{sets['clean']} top1": _exact(_clean(row), images, where)}
    if row["threat"] != "corruptions":
        return found | {f"{sets[row['threat']]} top1": _exact(_robust(row), images, where)}
    mean = means.correct(_BENCHMARKS[name], row["id"], images)
    if mean == "":
        return None
    found[f"{sets['corruptions']} top1"] = _nearest(_robust(row), images) if mean is None else mean
    if "corruptions_3d" in sets:
        mean = means.correct("ImageNet-3DCC", row["id"], images)
        found[f"{sets['corruptions_3d']} top1"] = mean or _nearest(row["corruptions_acc_3d"], images)
    return found


def _add(
    rows: dict[str, dict[str, str]], model: str, found: Row, facts: dict[str, str], columns: Iterable[str]
) -> None:
    row = rows.setdefault(model, {"model": model, "counted_from": "predictions", **dict.fromkeys(columns, "")})
    for column, value in found.items():
        if row[column] not in ("", value):
            raise DataError(
                "a model has two counts", where=f"{MODELS}, {model}, {column}", found=f"{row[column]}, {value}"
            )
        row[column] = value
    for fact, value in facts.items():
        row[fact] = row.get(fact) or value


def _names(table: list[Row]) -> list[str]:
    """The model of each row: its id, with the threat model where that makes two models of one id.

    Corrupted images were evaluated with models of the other tables, some under an id that adds "Linf" or "L2".
    """
    clean = {(row["threat"], row["id"]): _clean(row) for row in table}
    known = {key for key in clean if key[0] != "corruptions"}
    ids = []
    for row in table:
        attack = re.search(r"_(Linf|L2)(?=_|$)", row["id"]) if row["threat"] == "corruptions" else None
        other = None if attack is None else (attack[1], row["id"].replace(attack[0], ""))
        same = next((key for key in _alike(other, known) if clean[key] == _clean(row)), None)
        ids.append((row["id"] if same is None else same[1], row["threat"] if same is None else same[0]))
    cleans: dict[str, set[str]] = {}
    for (known_id, _), row in zip(ids, table, strict=True):
        cleans.setdefault(known_id, set()).add(_clean(row))
    return [known_id if len(cleans[known_id]) == 1 else f"{known_id}_{threat}" for known_id, threat in ids]


def _alike(other: tuple[str, str] | None, known: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The models of a table that an id with "Linf" or "L2" may be: the id without it, or the beginning of it."""
    return () if other is None else (key for key in sorted(known) if key[0] == other[0] and other[1].startswith(key[1]))


def _clean(row: Row) -> str:
    return format(Decimal(row["readme_clean_acc"] or row["clean_acc"]), ".2f")


def _robust(row: Row) -> str:
    """The accuracy on altered images: as the README prints it, else the lowest that is known."""
    return row["readme_robust_acc"] or row["external"] or row["robust_acc"]


def _exact(percentage: str, images: int, where: str) -> str:
    count = Decimal(percentage) / 100 * images
    if count != int(count):
        raise DataError("a percentage is no whole number of images", where=where, found=f"{percentage} % of {images:,}")
    return str(int(count))


def _nearest(percentage: str, images: int) -> str:
    return str(round(Decimal(percentage) / 100 * images)) if percentage else ""


def _facts(name: str, row: Row) -> dict[str, str]:
    architecture = re.sub(r"\s*<br/>\s*", " ", row["readme_architecture"] or row["architecture"])
    return {
        "family": family(architecture),
        "year": row["year"],
        "training_data": _training_data(name, row),
        "architecture": architecture,
        "venue": "" if row["venue"] == "N/A" else row["readme_venue"] or row["venue"],
    }


def _training_data(name: str, row: Row) -> str:
    if row["additional_data"] == "true":
        return f"{_DATA[name]}-and-more"
    if name != "imagenet" and _GENERATED.search(row["id"]):
        return f"{_DATA[name]}-and-generated"
    return _DATA[name] if row["additional_data"] == "false" else ""


def family(architecture: str) -> str:
    """The family of a network as RobustBench names it.

    >>> family("MeanSparse RaWideResNet-70-16"), family("ResNet-152 + WideResNet-70-16")
    ('wide-resnet', 'ensemble')
    """
    if _ENSEMBLE.search(architecture):
        return "ensemble"
    return next((name for pattern, name in _FAMILIES if re.search(pattern, architecture)), "")
