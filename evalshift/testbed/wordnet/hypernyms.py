"""The hypernyms that come with evalshift."""

import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path

NAME = "WordNet 3.0"
FILE = Path(__file__).with_name("hypernyms.txt.xz")

# The synset that each class of CIFAR-10 means.
CIFAR10_SYNSETS = {
    "airplane": "n02691156",
    "automobile": "n02958343",
    "bird": "n01503061",
    "cat": "n02121808",  # the domestic cat; n02121620 holds lions too
    "deer": "n02430045",
    "dog": "n02084071",
    "frog": "n01639765",
    "horse": "n02374451",
    "ship": "n04194289",
    "truck": "n04490091",
}


@cache
def hypernyms() -> Mapping[str, tuple[str, ...]]:
    """Each synset (wnid, as "n02084071") and those directly above it: of some two or more, of the root none."""
    lines = lzma.decompress(FILE.read_bytes()).decode("ascii").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {wnid: tuple(above) for wnid, *above in rows}
