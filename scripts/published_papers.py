"""Tables of two papers → counts: CINIC-10's benchmarks, and the networks of Downsampled ImageNet.

Both print means over several runs, so that counts are the nearest to these means, and not exact.
"""

import re
from pathlib import Path

from published_files import Made, read_text

from evalshift.errors import DataError

FACTS = ("model", "family", "year", "training_data", "parameters_millions", "image_size", "counted_from")
CINIC10 = "darlow2018-cinic-10.txt"
CHRABASZCZ2017 = "chrabaszcz2017-downsampled-imagenet.txt"
_TEST_IMAGES = 90_000  # of CINIC-10
_VALIDATION_IMAGES = 50_000  # of ImageNet
_NETWORKS = {
    "VGG-16": ("vgg", "2014"),
    "ResNet-18": ("resnet", "2015"),
    "GoogLeNet": ("googlenet", "2014"),
    "ResNeXt29_2x64d": ("resnext", "2016"),
    "DenseNet-121": ("densenet", "2016"),
    "MobileNet": ("mobilenet", "2017"),
}


def make_cinic10(folder: Path) -> Made:
    """Table 1 of Darlow et al. 2018: test errors of six networks trained on CINIC-10."""
    notes: list[str] = []
    text = read_text(folder, CINIC10, notes)
    cells = re.findall(r"<td>([\w-]+)</td>\s*<td>([\d.]+)M</td>\s*<td><math>([\d.]+) \\pm [\d.]+</math></td>", text)
    rows = [
        {
            "model": model,
            "family": _NETWORKS[model][0],
            "year": _NETWORKS[model][1],
            "training_data": "cinic10",
            "parameters_millions": parameters,
            "image_size": "32",
            "counted_from": "tables",
            "cinic10 top1": _correct(error, _TEST_IMAGES),
        }
        for model, parameters, error in cells
        if model in _NETWORKS
    ]
    return _made(rows, (*FACTS, "cinic10 top1"), len(_NETWORKS), CINIC10, notes)


def make_chrabaszcz2017(folder: Path) -> Made:
    """Table 1 of Chrabaszcz et al. 2017: errors of Wide ResNets trained on ImageNet of three sizes, on each its own."""
    notes: list[str] = []
    text = read_text(folder, CHRABASZCZ2017, notes)
    line = r"^WRN-(\d+)-k on ImageNet(\d+)x\d+\t([\d.]+)\t([\d.]+)M\t([\d,]+)%\t([\d,]+)%\t"
    rows = []
    for depth, size, width, parameters, top1, top5 in re.findall(line, text, re.MULTILINE):
        rows.append(
            {
                "model": f"WRN-{depth}-{width} on ImageNet{size}x{size}",
                "family": "wide-resnet",
                "year": "2016",
                "training_data": f"imagenet{size}",
                "parameters_millions": parameters,
                "image_size": size,
                "counted_from": "tables",
                f"imagenet{size} top1": _correct(top1, _VALIDATION_IMAGES),
                f"imagenet{size} top5": _correct(top5, _VALIDATION_IMAGES),
            }
        )
    sets = (f"imagenet{size} top{k}" for size in (16, 32, 64) for k in (1, 5))
    return _made(rows, (*FACTS, *sets), 13, CHRABASZCZ2017, notes)


def _correct(error: str, images: int) -> str:
    return str(round((1 - float(error.replace(",", ".")) / 100) * images))


def _made(rows: list[dict[str, str]], columns: tuple[str, ...], expected: int, file: str, notes: list[str]) -> Made:
    if len(rows) != expected:
        raise DataError(
            "a row of table 1 is missing", where=file, found=f"{len(rows)} rows", expected=f"{expected} rows"
        )
    return Made(columns, sorted(rows, key=lambda row: row["model"]), notes)
