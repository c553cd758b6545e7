"""Accuracies as people write them: whole counts, or a refusal."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says

from evalshift.evaluate.importers.accuracies import counts_of


def counts(
    *cells: str, images: int = 1000, scale: str = "auto", error: bool = False, means: bool = False
) -> list[int | None]:
    models = [f"m{number}" for number in range(len(cells))]
    return list(counts_of(cells, models, images, scale, "table", error=error, means=means).counts)


def test_scales_are_told_by_what_can_be_told() -> None:
    assert counts("0.5", "1.0", "0.123") == [500, 1000, 123]
    assert counts("50.0", "99.9", "0.1") == [500, 999, 1]
    assert counts("50%", "12.5 %") == [500, 125]
    assert counts("500", "7") == [500, 7]
    assert counts("50", "1", scale="percent") == [500, 10]
    assert counts("50", "1", scale="counts") == [50, 1]


@pytest.mark.parametrize("cells", [("50", "70"), ("0", "1"), ("5.5", "120.5")])
def test_scales_that_cannot_be_told_are_asked_for(cells: tuple[str, ...], complaint: Callable[..., str]) -> None:
    largest = {"50": "whole numbers up to 70", "0": "whole numbers up to 1", "5.5": "numbers up to 120.5"}[cells[0]]
    says(complaint(counts, *cells), where="table", found=largest)


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "87.3†",
            "87.3*",
            "87.3 [2]",
            "87.3¹",
            "87.3<sup>*</sup>",
            r"87.3\textsuperscript{$\dagger$}",
            "$87.3^{\\dagger}$",
        ),
        *(
            "*87.3*",
            "_87.3_",
            "`87.3`",
            "**87.3**",
            "87·3",
            "87.3 (-3.2)",
            "87.3 (↓3.2)",
            "87.3 ↑ 1",
            "**87.3** (+1.0 %)",
        ),
    ],
)
def test_marks_and_differences_behind_a_number(cell: str) -> None:
    assert counts(cell, "12.5") == [873, 125]


def test_counts_with_the_number_of_images_beside() -> None:
    assert counts("873/1000", "12 / 1,000", "—") == [873, 12, None]
    assert counts("873 (87.3%)", "12 (1.2 %)") == [873, 12]
    assert counts("87.3% (873/1000)", "1.2 (12/1000)") == [873, 12]
    assert counts("127/1000", error=True) == [873]


@pytest.mark.parametrize("cell", ["873/2000", "873 (43.65%)", "87.5 % (873/1000)"])
def test_counts_of_another_number_of_images_are_refused(cell: str, complaint: Callable[..., str]) -> None:
    says(complaint(counts, "12/1000", cell), where="table, m1", found=f'"{cell}"', expected="a count of 1,000 images")


def test_accuracies_of_top_1_and_top_5_in_one_cell_are_refused(complaint: Callable[..., str]) -> None:
    says(complaint(counts, "87.3/99.1"), where="table, m0", found='"87.3/99.1"', expected="an accuracy")


def test_what_makes_no_whole_count_is_refused(complaint: Callable[..., str]) -> None:
    says(complaint(counts, "0.500", "0.1234"), where="table, m1", found="0.1234 is 123.40 of 1,000 images")


def test_what_is_out_of_range_or_no_number_is_refused(complaint: Callable[..., str]) -> None:
    says(complaint(counts, "1001", "7"), where="table, m0", found="1001")
    says(complaint(counts, "-0.5", "0.25"), where="table, m0", found="-0.5")
    says(complaint(counts, "0.5", "good"), where="table, m1", found='"good"')
    says(complaint(counts, "", "-"), where="table")


@given(st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=2))))
def test_fractions_in_full_and_in_single_precision_give_their_counts_back(case: tuple[int, list[int]]) -> None:
    images, right = case
    full = [repr(count / images) for count in right]
    assert counts(*full, images=images, scale="fraction") == right
    short = [f"{count / images:.7g}" for count in right]
    assert counts(*short, images=images, scale="fraction") == right


@given(
    st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=1))),
    st.integers(0, 4),
)
def test_rounding_never_hides_the_true_count(case: tuple[int, list[int]], digits: int) -> None:
    images, right = case
    cells = [f"{float(round(Fraction(100 * count, images), digits)):.{digits}f}" for count in right]
    found = counts_of(cells, cells, images, "percent", "table")
    for count, true in zip(found.counts, right, strict=True):
        assert count is not None
        assert abs(count - true) <= found.within


@pytest.mark.parametrize(
    "cells, expected",
    [
        (("91,73", "83,65", "0,5"), [9173, 8365, 50]),
        (("9,173", "1,673", "973"), [9173, 1673, 973]),
        (("9 173", "1\u202f673", "10 000"), [9173, 1673, 10_000]),
        (("9'173", "1’673"), [9173, 1673]),
        (("91,730", "83,650"), [9173, 8365]),  # as counts, more than there are images
        (("91,73 %", "83,65 %"), [9173, 8365]),
        (("91.73%", " 83.65 % "), [9173, 8365]),
        (("**91.73**", "83.65"), [9173, 8365]),
        ((r"\textbf{91.73}", r"$83.65$", r"12.5\%"), [9173, 8365, 1250]),
        (("0.9173", ".8365", "1."), [9173, 8365, 10_000]),
        (("0.9173", "1.0000001"), [9173, 10_000]),
        (("9.173e-1", "8.365E-01"), [9173, 8365]),
    ],
)
def test_numbers_as_people_write_them(cells: tuple[str, ...], expected: list[int]) -> None:
    assert counts(*cells, images=10_000) == expected


@pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "NaN", "None", "null", "-", "–", "—", "--", "---", "#N/A", "?"])
def test_missing_values(cell: str) -> None:
    assert counts("50.0", cell, "12.5") == [500, None, 125]


def test_commas_that_can_be_either_are_asked_for(complaint: Callable[..., str]) -> None:
    # 45.124 % of 50,000 are 22,562 images, and 45,124 are a count of them.
    says(
        complaint(counts, "45,124", "45,122", images=50_000),
        where="table",
        found='"45,124", which can be 45.124 % or a count of 50,000 images',
    )
    assert counts("45,124", "45,122", images=50_000, scale="percent") == [22_562, 22_561]
    assert counts("45,124", "45,122", images=50_000, scale="counts") == [45_124, 45_122]
    # 45.123 % would be 22,561.5 images.
    assert counts("45,124", "45,123", images=50_000) == [45_124, 45_123]
    says(complaint(counts, "91,73", "83.65"), where="table, m0", found='"91,73"')


@pytest.mark.parametrize(
    "cell",
    [
        "91.7 ± 0.1",
        "91.7±0.1",
        "91.7 +- 0.1",
        "91.7 +/- 0.1",
        r"91.7 $\pm$ 0.1",
        r"$91.7_{\pm 0.1}$",
        "91.7% ± 0.1%",
        "91.7 (0.1)",
        "91.7 (±0.1)",
        "91,7 ± 0,1",
        "91.7 &plusmn; 0.1",
        r"91.7 {\scriptsize (0.1)}",
        "91.7_{0.1}",
    ],
)
def test_means_over_runs(cell: str, complaint: Callable[..., str]) -> None:
    says(complaint(counts, cell, "50", scale="percent"), where="table, m0", found=f'"{cell}"')
    assert counts(cell, "50", scale="percent", means=True) == [917, 500]


def test_means_need_not_be_whole() -> None:
    assert counts("70.33 ± 0.12", "70.36", means=True) == [703, 704]


def test_error_rates() -> None:
    assert counts("18.760", "19.618", images=50_000, error=True) == [40_620, 40_191]
    assert counts("0.25", "0.5", error=True) == [750, 500]
    assert counts("140", "7", error=True) == [860, 993]


def test_values_rounded_twice() -> None:
    # 31,583 of 50,889 are 62.06253 %: 62.0625 with four decimals, 62.062 with three. 62.061 is none.
    found = counts_of(["62.062", "50.001"], ["a", "b"], 50_889, "auto", "table")
    assert (found.counts, found.within) == ((31_583, 25_445), 0)


def test_values_of_single_precision() -> None:
    # As imagenet-testbed prints them: 43,251 and 40,941 of 50,000, and 24,244 of 50,889.
    assert counts("86.50200653076172", "81.88200378417969", images=50_000) == [43_251, 40_941]
    assert counts("47.64094543457031", images=50_889) == [24_244]


@given(
    st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=1))),
    st.integers(1, 4),
)
def test_rounding_twice_is_never_refused(case: tuple[int, list[int]], digits: int) -> None:
    images, right = case
    once = [round(Fraction(100 * count, images), digits + 1) for count in right]
    cells = [f"{float(round(value, digits)):.{digits}f}" for value in once]
    found = counts_of(cells, cells, images, "percent", "table")
    unit = Fraction(images, 100 * 10**digits)
    for count, true in zip(found.counts, right, strict=True):
        assert count is not None
        assert abs(count - true) <= Fraction(55, 100) * unit + Fraction(1, 2)


@given(st.lists(st.integers(0, 9_999), min_size=1), st.sampled_from([" ", "'", "\u00a0", "\u2009"]))
def test_thousands_of_any_kind_are_counts(right: list[int], sign: str) -> None:
    cells = [f"{count:,}".replace(",", sign) for count in right]
    assert counts(*cells, images=10_000, scale="counts") == right
