"""Accuracies of model-vs-human (Geirhos et al. 2021) on its 17 sets → counts."""

from pathlib import Path

from published_files import Made, read_table

from evalshift.errors import DataError

FILE = "per_dataset.csv"
CHECKSUMS = {FILE: "4c0082fbfbab67624281d3125774f2d23f1d298d2a5ae41cd8ea642bce053e0c"}
FACTS = ("model", "family", "year", "training_data", "counted_from")
# Set -> its images, of all its conditions.
IMAGES = {
    "colour": 1280,
    "contrast": 1280,
    "high-pass": 1280,
    "low-pass": 1280,
    "phase-scrambling": 1120,
    "power-equalisation": 1120,
    "false-colour": 1120,
    "rotation": 1280,
    "eidolonI": 1280,
    "eidolonII": 1280,
    "eidolonIII": 1280,
    "uniform-noise": 1280,
    "sketch": 800,
    "stylized": 800,
    "edge": 160,
    "silhouette": 160,
    "cue-conflict": 1280,
}
_SOURCES = {"bethgelab", "Thieringer"}
# Family, year and training data of the networks that are named, by the beginning of the name.
_KNOWN = {
    "bagnet": ("bagnet", "2019", "imagenet-1k"),
    "clip": ("clip", "2021", "wit"),
    "convnext": ("convnext", "2022", ""),
    "efficientnet_l2_noisy_student": ("efficientnet", "2019", "jft-300m"),
    "mlp_mixer": ("mixer", "2021", ""),
    "resnet50_trained_on_SIN": ("resnet", "2015", "stylized-imagenet"),
    "resnet50": ("resnet", "2015", "imagenet-1k"),
    "simclr_resnet50": ("resnet", "2015", "imagenet-1k"),
    "swag_regnety": ("regnet", "2020", "instagram"),
    "swag_vit": ("vit", "2020", "instagram"),
    "swin": ("swin", "2021", ""),
}


def dataset(name: str) -> str:
    """What a set is called here.

    >>> dataset("eidolonI")
    'model-vs-human@eidolonI'
    """
    return f"model-vs-human@{name}"


def make(folder: Path) -> Made:
    """Counts over all conditions of each set, of the models that the authors evaluated and named."""
    notes: list[str] = []
    table = read_table(folder, FILE, CHECKSUMS, notes)
    others = [row["model"] for row in table if row["source"].partition("@")[0] not in _SOURCES]
    unnamed = [row["model"] for row in table if row["model"] not in others and _known(row["model"]) is None]
    notes.append(f"{len(others)} models evaluated by others, left out: {', '.join(others) or 'none'}")
    notes.append(f"{len(unnamed)} models that are not named, left out: {', '.join(unnamed) or 'none'}")
    rows = [_row(row) for row in table if row["model"] not in (*others, *unnamed)]
    columns = *FACTS, *(f"{dataset(name)} top1" for name in IMAGES)
    return Made(columns, sorted(rows, key=lambda row: row["model"]), notes)


def _known(model: str) -> tuple[str, str, str] | None:
    return next((facts for name, facts in _KNOWN.items() if model.startswith(name)), None)


def _row(row: dict[str, str]) -> dict[str, str]:
    family, year, data = _known(row["model"]) or ("", "", "")
    facts = {"family": family, "year": year, "training_data": data, "counted_from": "predictions"}
    counts = {f"{dataset(name)} top1": _count(row, name, images) for name, images in IMAGES.items()}
    return {"model": row["model"], **facts, **counts}


def _count(row: dict[str, str], name: str, images: int) -> str:
    count = round(float(row[name]) * images)
    if count / images != float(row[name]):
        raise DataError("not a whole count", where=f"{FILE}, {row['model']}, {name}", found=f"{row[name]} of {images}")
    return str(count)
