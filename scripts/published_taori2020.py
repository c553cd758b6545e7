"""The table of accuracies of imagenet-testbed (Taori et al. 2020), and its averages on ImageNet-C → counts."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from published_files import Made, read_table

from evalshift.errors import DataError
from evalshift.testbed.timm_names import Architecture, architecture

FILE = "robustness_top1s.csv"
AVERAGES = "imagenet_c_averages.csv"
# The repository publishes none; the averages are a copy, see README.md of the testbed.
CHECKSUMS = {AVERAGES: "a2f7fce04bb7a747624833f6ac70f4f1f3aa2ef02d6db1455bb07e745f19a1a7"}
# Column -> the dataset, and how many images it was evaluated on: the number that makes its accuracies whole counts.
COLUMNS = {
    "val": ("imagenet", 50_000),
    "imagenetv2-matched-frequency-format-val": ("imagenetv2-matched-frequency", 10_000),
    "imagenetv2-threshold-0.7-format-val": ("imagenetv2-threshold0.7", 10_000),
    "imagenetv2-top-images-format-val": ("imagenetv2-topimages", 10_000),
    "imagenet-sketch": ("imagenet-sketch", 50_889),
    "stylized_imagenet": ("stylized-imagenet", 50_000),
    "greyscale": ("imagenet-greyscale", 50_000),
    "val-on-imagenet-a-classes": ("imagenet@imagenet-a", 10_000),
    "imagenet-a": ("imagenet-a", 7_500),
    "val-on-imagenet-r-classes": ("imagenet@imagenet-r", 10_000),
    "imagenet-r": ("imagenet-r", 30_000),
    "val-on-objectnet-classes": ("imagenet@objectnet-1.0-beta", 12_500),
    "objectnet-1.0-beta": ("objectnet-1.0-beta", 18_514),
    "val-on-vid-robust-classes": ("imagenet@imagenet-vid-robust", 14_400),
    "imagenet-vid-robust_pm0": ("imagenet-vid-robust", 1_109),
    "imagenet-vid-robust_pm10": ("imagenet-vid-robust-pm10", 1_109),
    "val-on-ytbb-robust-classes": ("imagenet@ytbb-robust", 11_550),
    "ytbb-robust_pm0": ("ytbb-robust", 2_030),
    "ytbb-robust_pm10": ("ytbb-robust-pm10", 2_030),
}
# Corruptions of the images on disk: the 15 of the benchmark, and the four released beside them.
BENCHMARK = (
    *(
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "snow",
    ),
    *("frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
CORRUPTED = ("imagenet-c", "imagenet-avg-corruptions", *(f"imagenet-c@{name}" for name in (*BENCHMARK, *EXTRA)))
_IMAGES = 50_000
# An average over five severities of 5,000 images each is a multiple of this percentage.
_OF_FEWER_IMAGES = Decimal("0.004")
FACTS = ("model", "family", "year", "training_data", "counted_from")
# An average over batches in single precision is this far from a whole count, in images; one over batches of unequal
# size is farther, and then the nearest count may not be the exact one.
_ROUNDING = 0.02

# What the model was trained on, by its name; the testbed's list of model types has the first eight of them under
# "trained with more data". All others were trained on ImageNet-1k.
_DATA = (
    (r"_swsl$|^instagram-|^FixResNeXt101_32x48d", "instagram"),
    (r"_ssl$", "yfcc"),
    (r"^BiT-M|imagenet21k|^vit", "imagenet-21k"),
    (r"noisystudent|jft", "jft-300m"),
    (r"tencent-ml-images", "ml-images"),
    (r"imagenet11k", "imagenet-11k"),
    (r"^dpn(68b|92|107)$", "imagenet-5k"),
    (r"clip", "wit"),
    (r"trained_on_SIN$", "stylized-imagenet"),
    (r"subsample", "imagenet-1k-part"),
)
_FAMILIES = (
    (r"alexnet", "alexnet", 2012),
    (r"squeezenet", "squeezenet", 2016),
    (r"shufflenet_v2", "shufflenetv2", 2018),
    (r"googlenet", "googlenet", 2014),
    (r"bninception", "inception", 2015),
    (r"inceptionv3", "inception", 2015),
    (r"inception", "inception", 2016),
    (r"BiT-", "bit", 2019),
    (r"FixPNASNet", "pnasnet", 2017),
    (r"polynet", "polynet", 2016),
    (r"mobilenet_v2", "mobilenetv2", 2018),
    (r"se_resne|senet", "senet", 2017),
    (r"clip", "clip", 2021),
)


def make(folder: Path) -> Made:
    """Counts of all models on the sets of `COLUMNS`."""
    notes: list[str] = []
    table = read_table(folder, FILE, CHECKSUMS, notes)
    missing = [column for column in COLUMNS if table and column not in table[0]]
    if missing or not table:
        raise DataError("the table has other columns", where=FILE, expected=", ".join(missing or COLUMNS))
    rows = [_row(row) for row in table]
    names = [row["model"] for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError("a model has two rows", where=FILE, found=twice)
    without = [row["model"] for row in rows if not any(row[f"{dataset} top1"] for dataset, _ in COLUMNS.values())]
    rows = [row for row in rows if row["model"] not in without]
    notes.append(f"{len(without)} models without accuracies on these sets: {', '.join(without) or 'none'}")
    inexact = [row["model"] for row in rows if row["counted_from"] == "tables"]
    notes.append(f"{len(inexact)} models with accuracies that are no whole counts: {', '.join(inexact) or 'none'}")
    for column, (dataset, _) in COLUMNS.items():
        notes.append(f"{dataset}: {sum(row[f'{dataset} top1'] != '' for row in rows)} models, column {column}")
    _add_corrupted(rows, read_table(folder, AVERAGES, CHECKSUMS, notes), notes)
    columns = *FACTS, *(f"{dataset} top1" for dataset in (*(dataset for dataset, _ in COLUMNS.values()), *CORRUPTED))
    return Made(columns, sorted(rows, key=lambda row: row["model"]), notes)


def _add_corrupted(rows: list[dict[str, str]], table: list[dict[str, str]], notes: list[str]) -> None:
    """Add the counts on corrupted images, "" where there are none or they are of fewer images."""
    averages = {row["model"]: row for row in table}
    few = [model for model, row in averages.items() if _has_fewer_images(row)]
    unknown = averages.keys() - {row["model"] for row in rows}
    if unknown:
        raise DataError("a model is in no row of the other table", where=AVERAGES, found=", ".join(sorted(unknown)))
    for row in rows:
        found = averages.get(row["model"])
        known = {} if found is None or row["model"] in few else _corrupted(found)
        row.update({f"{name} top1": known.get(name, "") for name in CORRUPTED})
    absent = [row["model"] for row in rows if row["model"] not in averages]
    notes.append(f"{len(absent)} models without averages of ImageNet-C: {', '.join(absent) or 'none'}")
    notes.append(f"{len(few)} models with averages of fewer images, left out: {', '.join(few) or 'none'}")
    notes += (f"{name}: {sum(row[f'{name} top1'] != '' for row in rows)} models" for name in CORRUPTED[:2])


def _has_fewer_images(row: Mapping[str, str]) -> bool:
    averages = [value for column, value in row.items() if re.search("_(on-disk|in-memory)$", column)]
    return all(Decimal(value) % _OF_FEWER_IMAGES == 0 for value in averages)


def _corrupted(row: Mapping[str, str]) -> dict[str, str]:
    each = {name: Decimal(row[f"{name}_on-disk"]) for name in (*BENCHMARK, *EXTRA)}
    mean = sum((each[name] for name in BENCHMARK), Decimal(0)) / len(BENCHMARK)
    found = {f"imagenet-c@{name}": value for name, value in each.items()} | {"imagenet-c": mean}
    if row["avg_corruptions"]:
        found["imagenet-avg-corruptions"] = Decimal(row["avg_corruptions"])
    return {name: str(round(value / 100 * _IMAGES)) for name, value in found.items()}


def _row(row: dict[str, str]) -> dict[str, str]:
    model = row["model"]
    found = family(model)
    made = {
        "model": model,
        "family": found.family if found else "",
        "year": str(found.year or "") if found else "",
        "training_data": next((data for pattern, data in _DATA if re.search(pattern, model, re.I)), "imagenet-1k"),
        "counted_from": "predictions",
    }
    for column, (dataset, images) in COLUMNS.items():
        if not row[column].strip():
            made[f"{dataset} top1"] = ""
            continue
        count = float(row[column]) / 100 * images
        made[f"{dataset} top1"] = str(round(count))
        if not 0 <= round(count) <= images:
            raise DataError("not an accuracy", where=f"{FILE}, {model}, {column}", found=row[column])
        if abs(count - round(count)) > _ROUNDING:
            made["counted_from"] = "tables"
    return made


def family(model: str) -> Architecture | None:
    """Family and year of the network in a name of the testbed; None where no rule tells."""
    for pattern, name, year in _FAMILIES:
        if re.search(pattern, model, re.IGNORECASE):
            return Architecture(name, year)
    # Names begin with the source of the weights: "facebook_adv_trained_resnet152_baseline", "FixResNet50".
    return architecture(re.sub(r"^.*?(?=(wide_)?res(nex|ne)t)", "", model.lower(), count=1))
