"""Accuracies as written in text cells → whole counts of images, or an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, floor

from evalshift.errors import DataError, UsageError
from evalshift.testbed.cells import is_missing

SCALES = ("auto", "percent", "fraction", "counts")

# Relative error of single precision: tables are often written from float32 values, with more digits than it has.
_SINGLE_PRECISION = 6e-8
# Values rounded to 4 decimals and then to 3 lie up to 0.55 units of the last digit from the exact one.
_ROUNDED_TWICE = 1.1
# Averages over batches, kept in single precision, are off by a little more than one rounding.
_IMAGE = 0.01

_NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?|[.,]\d+)(?:e[-+]?\d+)?"
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:[ '’\u00a0\u2009\u202f]\d{3})+(?:[.,]\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_DASHES = re.compile(r"[-–—−.]+")
_PLUS_MINUS = r"(?:±|\+\s*/?\s*-|\\pm)"
_MEANS = (
    re.compile(rf"(?P<mean>{_NUMBER})\s*(?P<percent>%?)\s*{_PLUS_MINUS}\s*{_NUMBER}\s*(?P<more>%?)", re.IGNORECASE),
    re.compile(rf"(?P<mean>{_NUMBER})\s*(?P<percent>%?)\s*\(\s*{_PLUS_MINUS}?\s*{_NUMBER}\s*(?P<more>%?)\s*\)", re.I),
    re.compile(rf"(?P<mean>{_NUMBER})\s*(?P<percent>%?)\s*_\s*{_PLUS_MINUS}?\s*{_NUMBER}(?P<more>%?)", re.IGNORECASE),
    re.compile(rf"(?P<mean>{_NUMBER})\s*(?P<percent>%?)\s*\^\s*{_PLUS_MINUS}\s*{_NUMBER}(?P<more>%?)", re.IGNORECASE),
)
# Marks of footnotes behind a number: signs, superscripts, and what Markdown and LaTeX write for them.
_FOOTNOTE = re.compile(
    r"(?:\s*(?:[*†‡§¶#⁎¹²³⁰⁴-⁹ᵃ-ᶻ]|\[\^?\w{1,3}\]|<sup>[^<]*</sup>|\\(?:textsuperscript|tnote|footnotemark|footnote)"
    r"(?:\[[^\]]*\])?(?:\{[^{}]*\})?|\^\s*\{?\s*(?:\\?(?:dagger|ddagger|ast|star|S|P)|[*†‡§a-z])\s*\}?))+$"
)
# A difference to something else behind a number: in parentheses with its sign, or with an arrow.
_ARROW = "[↑↓▲▼⬆⬇]"
_DIFFERENCE = re.compile(
    rf"(?P<number>\S.*?)\s*(?:\(\s*(?:[-+]|{_ARROW}\s*[-+]?)\s*{_NUMBER}\s*%?\s*{_ARROW}?\s*\)|"
    rf"{_ARROW}\s*(?:[-+]?{_NUMBER}\s*%?)?|\(\s*{_NUMBER}\s*%?\s*{_ARROW}\s*\))",
    re.IGNORECASE,
)
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
_OF = re.compile(rf"(?P<count>{_WHOLE})\s*/\s*(?P<of>{_WHOLE})")
_COUNT_AND_PERCENT = re.compile(
    rf"(?P<count>{_WHOLE})(?:\s*/\s*(?P<of>{_WHOLE}))?\s*\(\s*(?P<percent>\d+(?:\.\d+)?)\s*%\s*\)"
)
_PERCENT_AND_COUNT = re.compile(
    rf"(?P<percent>\d+(?:\.\d+)?)\s*%?\s*\(\s*(?P<count>{_WHOLE})\s*/\s*(?P<of>{_WHOLE})\s*\)"
)
_STYLES = re.compile(r"\\(?:textbf|mathbf|underline|emph|textit|text|best|bf)\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class Counts:
    """Counts of one column, None where a cell is empty; `within` is how far rounding lets them be off."""

    counts: tuple[int | None, ...]
    within: int
    scale: str
    rule: str


@dataclass(frozen=True)
class _Cell:
    """A number as written, with its surrounding text."""

    number: str
    percent: bool
    is_mean: bool
    with_difference: bool = False


def has_value(cell: str) -> bool:
    """Whether a cell of a column of accuracies has a value; `NA`, `n/a`, dashes and the like count as empty.

    >>> has_value("70.3"), has_value("—"), has_value("--"), has_value("NA")
    (True, False, False, False)
    """
    text = _bare(cell)
    return not (is_missing(text) or _DASHES.fullmatch(text))


def counts_of(
    cells: Sequence[str],
    models: Sequence[str],
    images: int,
    scale: str,
    where: str,
    *,
    error: bool = False,
    means: bool = False,
) -> Counts:
    """Accuracies or counts as written, one per model, as whole counts out of `images`.

    error   the numbers are error rates, or counts of errors
    means   they are means over several runs, which are not whole counts; the nearest counts are used

    The digits of a column determine its rounding: the nearest whole count must be within 0.55 units of the last digit
    and 0.01 images. Raises DataError naming the first model that violates this, UsageError if "auto" cannot determine
    the scale.
    """
    cells, as_fractions = _counts_alone(cells, models, images, where)
    scale = "counts" if as_fractions and scale == "auto" else scale
    read = [_read(cell, model, where) for cell, model in zip(cells, models, strict=True)]
    there = [cell for cell in read if cell is not None]
    if not there:
        raise DataError("the column is empty", where=where, expected="an accuracy for at least one model")
    if not means:
        _refuse_means(read, cells, models, where)
    decimal, comma_rule = _decimal(there, images, scale, where)
    values = [
        None if cell is None else _value(cell, decimal, where, model) for cell, model in zip(read, models, strict=True)
    ]
    known = [value for value in values if value is not None]
    scale, rule = _scale(known, images, scale, any(cell.percent for cell in there), where)
    rounding = _Rounding(images, scale, max(map(_decimals, known)))
    counts: list[int | None] = []
    within = 0
    for value, model in zip(values, models, strict=True):
        if value is None:
            counts.append(None)
            continue
        count, open_by = rounding.count(value, f"{where}, {model}", means)
        within = max(within, open_by)
        counts.append(images - count if error else count)
    differences = "; differences behind the numbers are not read" if any(cell.with_difference for cell in there) else ""
    words = f"{rule}{comma_rule}{', as error rates' if error else ''}{differences}"
    if as_fractions:
        words = words.replace("as requested", "as they are written")
    return Counts(tuple(counts), within, scale, words)


def images_in_cells(cells: Sequence[str]) -> int | None:
    """The number of images in counts such as 9350/10000; None unless all non-empty cells have this form."""
    found = [_of(cell) for cell in cells if has_value(cell)]
    totals = {one["of"] for one in found if one is not None}
    total = next(iter(totals), None)
    if not found or None in found or len(totals) != 1 or total is None:
        return None
    return int(total.replace(",", ""))


def _of(cell: str) -> dict[str, str | None] | None:
    """The parts of a count such as 9350/10000, 9350 (93.5 %) or 93.5 % (9350/10000); None for anything else."""
    text = _bare(cell)
    found = _OF.fullmatch(text) or _COUNT_AND_PERCENT.fullmatch(text) or _PERCENT_AND_COUNT.fullmatch(text)
    return None if found is None else {"of": None, "percent": None, **found.groupdict()}


def _counts_alone(cells: Sequence[str], models: Sequence[str], images: int, where: str) -> tuple[Sequence[str], bool]:
    """The counts in cells such as 9350/10000, and whether all cells are such; others as they are.

    Raises DataError where they are of another number of images, or where the percentage beside is another one.
    """
    found = [_of(cell) if has_value(cell) else None for cell in cells]
    if not any(found):
        return cells, False
    for cell, parts, model in zip(cells, found, models, strict=True):
        if parts is None:
            if has_value(cell):
                raise DataError(
                    "some accuracies are written as counts of images, others are not",
                    where=f"{where}, {model}",
                    found=f'"{cell}"',
                    expected="one form for all",
                )
            continue
        count, of, percent = (parts[name] for name in ("count", "of", "percent"))
        total = images if of is None else int(of.replace(",", ""))
        exact = 100 * int((count or "0").replace(",", "")) / images
        half = 0.55 * 10.0 ** -len((percent or "").partition(".")[2])
        if total != images or (percent is not None and abs(exact - float(percent)) > half):
            raise DataError(
                "a count is of another number of images",
                where=f"{where}, {model}",
                found=f'"{cell}"',
                expected=f"a count of {images:,} images",
                fix="give the number of images with `sizes`",
            )
    return ["" if parts is None else parts["count"] or "" for parts in found], True


# --------------------------------------------------------------------------------------------------------------- cells


def _bare(cell: str) -> str:
    """A cell without what LaTeX and Markdown put around a number."""
    text = cell.strip().replace("−", "-").replace("~", " ").replace("\\,", "").replace("&plusmn;", "±")
    while (plain := _STYLES.sub(r"\1", text)) != text:
        text = plain
    text = re.sub(r"\\(?:scriptsize|footnotesize|tiny|small|bfseries)\b", "", text)
    text = _FOOTNOTE.sub("", text.strip("`").replace("$", ""))
    text = re.sub(r"[{}]|\*\*|__|\\(?=%)", "", text).strip()
    return re.sub(r"(?<=\d)·(?=\d)", ".", text.strip("*_").strip())


def _read(cell: str, model: str, where: str) -> _Cell | None:
    if not has_value(cell):
        return None
    text = _bare(cell)
    if difference := _DIFFERENCE.fullmatch(text):
        return replace(_number(difference["number"], cell, model, where), with_difference=True)
    return _number(text, cell, model, where)


def _number(text: str, cell: str, model: str, where: str) -> _Cell:
    for form in _MEANS:
        if found := form.fullmatch(text):
            return _Cell(found["mean"], bool(found["percent"] or found["more"]), True)
    number = text.removesuffix("%").strip()
    if _GROUPED.fullmatch(number):
        return _Cell(re.sub(r"[ '’\u00a0\u2009\u202f]", "", number), number != text, False)
    if re.fullmatch(_NUMBER, number, re.IGNORECASE):
        return _Cell(number, number != text, False)
    raise DataError("this is not a number", where=f"{where}, {model}", found=f'"{cell}"', expected="an accuracy")


def _refuse_means(read: Sequence[_Cell | None], cells: Sequence[str], models: Sequence[str], where: str) -> None:
    for cell, text, model in zip(read, cells, models, strict=True):
        if cell is not None and cell.is_mean:
            raise DataError(
                "a mean over several runs is not a count of images",
                where=f"{where}, {model}",
                found=f'"{text}"',
                expected="the accuracy of one run",
                fix="give each run a row of its own (net-seed0, net-seed1), or a table with a column per run; "
                "`means` takes the means, with the confidence intervals of a single run",
            )


def _decimal(cells: Sequence[_Cell], images: int, scale: str, where: str) -> tuple[str, str]:
    """The decimal sign, and the rule that determines it; the other sign separates thousands."""
    commas = [cell.number for cell in cells if "," in cell.number]
    if not commas:
        return ".", ""
    decimal, thousands = (",", "; commas are decimal commas"), (".", "; commas are thousands separators")
    if any("." in cell.number for cell in cells):
        return thousands
    if not all(map(_THOUSANDS.fullmatch, commas)) or scale in ("percent", "fraction"):
        return decimal
    if scale == "counts":
        return thousands
    if any(cell.percent for cell in cells):
        return decimal
    as_counts = [int(cell.number.replace(",", "")) for cell in cells]
    as_percent = [Decimal(cell.number.replace(",", ".")) for cell in cells]
    rounding = _Rounding(images, "percent", 3)
    may_be_percent = all(0 <= value <= 100 and rounding.is_whole(value) for value in as_percent)
    may_be_counts = all(0 <= count <= images for count in as_counts)
    if may_be_percent and may_be_counts:
        raise UsageError(
            "it is not clear whether commas are decimal commas or thousands separators",
            where=where,
            found=f'"{commas[0]}", which can be {as_percent[0]} % or a count of {images:,} images',
            expected="numbers that can be read in one way",
            fix="choose with `scale`",
        )
    return decimal if may_be_percent or (not may_be_counts and max(as_percent) <= 100) else thousands


def _value(cell: _Cell, decimal: str, where: str, model: str) -> Decimal:
    if decimal == ",":
        return Decimal(cell.number.replace(",", "."))
    if "," in cell.number and not _THOUSANDS.fullmatch(cell.number):
        raise DataError(
            "a number has a decimal comma, others of its column have a decimal point",
            where=f"{where}, {model}",
            found=f'"{cell.number}"',
            expected="one decimal sign per column",
        )
    return Decimal(cell.number.replace(",", ""))


# ------------------------------------------------------------------------------------------------------------ rounding


@dataclass(frozen=True)
class _Rounding:
    """How the numbers of a column were rounded: to `digits` decimals of their scale."""

    images: int
    scale: str
    digits: int

    @property
    def unit(self) -> Decimal:
        return {"percent": Decimal(100), "fraction": Decimal(1), "counts": Decimal(self.images)}[self.scale]

    @property
    def half(self) -> float:
        """Half a unit of the last digit, in images."""
        if self.scale == "counts":
            return 0.0
        return self.images * float(Decimal(5).scaleb(-self.digits - 1) / self.unit)

    def is_whole(self, value: Decimal) -> bool:
        """Whether this value can be a whole number of images, rounded once or twice."""
        exact = float(value / self.unit * self.images)
        slack = _IMAGE + self.images * _SINGLE_PRECISION if self.scale != "counts" else 0.0
        return abs(exact - round(exact)) <= self.half * _ROUNDED_TWICE + slack

    def count(self, value: Decimal, where: str, means: bool) -> tuple[int, int]:
        """The nearest count, and the number of images by which rounding leaves it undetermined."""
        exact = float(value / self.unit * self.images)
        count = round(exact)
        if not 0 <= count <= self.images:
            limit = format(self.images, ",") if self.scale == "counts" else str(self.unit)
            raise DataError(
                "an accuracy is out of range", where=where, found=f"{value}", expected=f"0 to {limit} ({self.scale})"
            )
        if not means and not self.is_whole(value):
            raise DataError(
                "an accuracy does not correspond to a whole number of images",
                where=where,
                found=f"{value} is {exact:,.2f} of {self.images:,} images",
                expected="a whole number, within 0.55 units of the last digit",
                fix="check the number of images (`sizes`) and the scale (`scale`); a mean over several sets or "
                "classes is no count; `means` takes means over several runs",
            )
        half = self.half
        low, high = max(0, ceil(exact - half)), min(self.images, floor(exact + half))
        return count, max(0, count - low, high - count)


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _scale(values: Sequence[Decimal], images: int, scale: str, signs: bool, where: str) -> tuple[str, str]:
    """Percent, fraction or counts, and the rule that says so."""
    if scale != "auto":
        return scale, f"read as {scale}, as requested"
    largest = max(values)
    whole = all(value == value.to_integral_value() for value in values)
    if signs:
        return "percent", "read as percent: there are % signs"
    if not whole and largest <= 1 + Decimal("1e-6"):  # single precision can go beyond 1
        return "fraction", "read as fractions: none is greater than 1"
    if not whole and largest <= 100:
        return "percent", "read as percent: some are greater than 1, none than 100"
    if whole and largest > 100:
        return "counts", f"read as counts of {images:,}: whole numbers, some greater than 100"
    raise UsageError(
        "it is not clear whether these are percentages, fractions or counts",
        where=where,
        found=f"{'whole numbers' if whole else 'numbers'} up to {largest}",
        expected="fractions up to 1, percent with decimals up to 100, or whole counts, some greater than 100",
        fix="choose with `scale`",
    )
