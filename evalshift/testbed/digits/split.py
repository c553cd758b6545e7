"""Who wrote which digit, and which digits are for training, for testing, and for testing on new writers."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from evalshift.errors import DataError
from evalshift.shapes import Images, Labels

FORM_STARTS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""Index of the first image of each of the 14 forms in `sklearn.datasets.load_digits`.

Every form asks for the same 130 digits, 012345678901234567890123456789 0955… 490898, in the same order. Nine forms are
whole. The other five, and what each lacks of the 130: 130 (4), 906 (7, the leading 0 among them), 1029 (2),
1287 (2), 1545 (8). An incomplete form still has one possible start and end: it is bounded by whole forms, or by the
run 0–9, 0–9, 0–9 that opens the next one and stands nowhere else. Form 256 is whole, but its last digit is labelled 3
where the others have 8; the label is kept as it is.

A form is a writer as far as the pixels can tell. Between two forms, the squared distance of a digit's mean images,
less what sampling adds, averages at least 281 over the digits; between the halves of one form, at most 69.
(The data's documentation counts 13 writers for these 14 forms. Were two forms by one hand, it would most likely be the
nearest two, 1157 and 1287, and these stand on the same side of the split.)
"""

NEW_WRITERS_START = 906
"""The first seven forms give the training and the original images, the last seven the new ones."""

_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


@dataclass(frozen=True, eq=False)
class DigitsPart:
    """Images in a fixed order; row i of each field is about image i.

    images   uint8 (n, 8, 8, 1), ink from 0 to 255
    labels   int64 (n,), the digit
    ids      "digits-0130" is image 130 of `load_digits`
    writers  int64 (n,), 0 to 13 in the order of the forms
    """

    images: Images
    labels: Labels
    ids: tuple[str, ...]
    writers: Int64[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class DigitsSplit:
    """`train` and `original` share their seven writers, `new` has seven others; no image is in two parts."""

    train: DigitsPart
    original: DigitsPart
    new: DigitsPart


def digits_split() -> DigitsSplit:
    """Splits the 1,797 digits by writer: 453 to train on, 453 held out from the same writers, 891 by new writers.

    Within each writer and digit, images go to `train` and `original` in turn, so both hold the same writers and digits
    in equal shares (to one image), and no random numbers are involved. `original` and `new` keep the order of
    `load_digits`. `train` is ordered so that its beginnings are balanced too: the first 10·k images are k of each
    digit, and up to 70 images no writer has two images of a digit.

    Pixels of 0..16 become round(pixel · 255 / 16), which is invertible.
    Raises DataError when scikit-learn ships other digits than those the writers were determined on.
    Source: Alpaydin and Kaynak 1998, Cascading Classifiers, Kybernetika 34(4); scikit-learn, `load_digits`.
    """
    pixels, labels = _read_digits()
    check_digits(pixels, labels)
    images = np.round(pixels[..., None] * (255 / 16)).astype(np.uint8)
    index = np.arange(len(labels))
    writers = np.searchsorted(FORM_STARTS, index, side="right") - 1
    turn = _turn(writers, labels)
    known = index < NEW_WRITERS_START
    # Starting with `original` for every other writer and digit keeps the parts equal where a digit's count is odd.
    held_out = (turn + writers + labels) % 2 == 1

    def part(chosen: Int64[np.ndarray, " n"]) -> DigitsPart:
        ids = tuple(f"digits-{i:04d}" for i in chosen)
        return DigitsPart(images[chosen], labels[chosen], ids, writers[chosen])

    return DigitsSplit(
        train=part(_balanced(index[known & ~held_out], turn, writers, labels)),
        original=part(index[known & held_out]),
        new=part(index[~known]),
    )


def _read_digits() -> tuple[UInt8[np.ndarray, "n 8 8"], Labels]:
    """What `load_digits` gives, from scikit-learn's own file: importing scikit-learn takes a second, in every run."""
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            rows = np.loadtxt(file, np.uint8, delimiter=",")
            return rows[:, :64].reshape(-1, 8, 8), rows[:, 64].astype(np.int64)
    if package is None:
        raise DataError("the digits come with scikit-learn, which is not installed", fix='pip install "evalshift[run]"')
    from sklearn.datasets import load_digits  # a release that keeps them elsewhere

    bunch: Any = load_digits()
    return bunch["images"].astype(np.uint8), bunch["target"].astype(np.int64)


def check_digits(pixels: UInt8[np.ndarray, "n 8 8"], labels: Labels) -> None:
    """Raises DataError unless these are the digits, in the order, that FORM_STARTS describes. Pixels are 0..16."""
    found = hashlib.sha256(pixels.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if found != _SHA256:
        raise DataError(
            "these are not the digits whose writers are known",
            where="sklearn.datasets.load_digits",
            found=f"sha256 {found} of {len(labels)} images",
            expected=f"sha256 {_SHA256} of 1797 images",
            fix="install a scikit-learn release whose digits are unchanged, such as 1.9",
        )


def _turn(writers: Int64[np.ndarray, " n"], labels: Labels) -> Int64[np.ndarray, " n"]:
    """How many earlier images show the same digit by the same writer."""
    turn = np.zeros_like(labels)
    for writer in np.unique(writers):
        for digit in range(10):
            same = np.flatnonzero((writers == writer) & (labels == digit))
            turn[same] = np.arange(len(same))
    return turn


def _balanced(
    chosen: Int64[np.ndarray, " t"], turn: Int64[np.ndarray, " n"], writers: Int64[np.ndarray, " n"], labels: Labels
) -> Int64[np.ndarray, " t"]:
    """The same indices, ordered so that each next ten are the ten digits while they last, writers taking turns."""
    # Another writer comes first for every digit, else the first ten images would all be by one hand.
    writer_turn = (writers[chosen] + labels[chosen]) % len(np.unique(writers[chosen]))
    by_digit = chosen[np.lexsort((writer_turn, turn[chosen] // 2))]
    place = _turn(np.zeros_like(by_digit), labels[by_digit])
    return by_digit[np.lexsort((labels[by_digit], place))]
