from pathlib import Path

import pytest
from messages import says

from evalshift.errors import DataError, UsageError
from evalshift.testbed.candidate_sampling import Candidate, bin_targets, bins, read_candidates, sample, sample_csv


def images(name: str, frequencies: list[float]) -> list[Candidate]:
    return [Candidate(f"{name}-{place}", name, frequency) for place, frequency in enumerate(frequencies)]


def test_edges_belong_to_the_higher_bin() -> None:
    assert bins([0, 0.19, 0.2, 0.4, 0.6, 0.8, 1.0]).tolist() == [0, 0, 1, 2, 3, 4, 4]
    assert bins([3 / 5, 0.1 + 0.2 + 0.3]).tolist() == [3, 3]  # 0.6000000000000001 and 0.6


def test_targets_by_hand() -> None:
    # Of 7 images 1, 2 and 4 are in bins 1, 3 and 4: 1.43, 2.86 and 5.71 of 10, so 1 + 2 + 5 and one each by .86, .71.
    assert bin_targets([0.3, 0.7, 0.7, 0.8, 0.9, 0.9, 1], 10) == [0, 1, 0, 3, 6]
    assert sum(bin_targets([0.1, 0.3, 0.5], 10)) == 10


def test_matched_takes_of_each_bin_as_many_as_the_reference_has() -> None:
    pool = images("cat", [0.1] * 20 + [0.5] * 20 + [0.9] * 20)
    found = sample(pool, "matched", 10, reference=images("cat", [0.5, 0.9, 0.9, 0.9, 0.9]))
    assert sorted(one.frequency for one in found.chosen) == [0.5] * 2 + [0.9] * 8
    assert (found.raised, dict(found.missing)) == ((), {})
    assert found.mean_frequency == pytest.approx(0.82)


def test_a_bin_that_runs_out_takes_from_the_next_higher_one_and_says_so() -> None:
    pool = images("cat", [0.3] * 2 + [0.7] * 3 + [0.9] * 50 + [0.1] * 50)
    found = sample(pool, "matched", 10, reference=images("cat", [0.3]))
    assert sorted(one.frequency for one in found.chosen) == [0.3] * 2 + [0.7] * 3 + [0.9] * 5
    assert sorted(one.frequency for one in found.raised) == [0.7] * 3 + [0.9] * 5


def test_what_no_candidate_is_left_for_is_missing() -> None:
    pool = images("cat", [0.1] * 30 + [0.9] * 4) + images("dog", [0.9] * 30)
    reference = images("cat", [0.9]) + images("dog", [0.9])
    found = sample(pool, "matched", 10, reference=reference)
    assert dict(found.missing) == {"cat": 6}
    assert len(found.chosen) == 14
    assert dict(sample(pool, "threshold", 10).missing) == {"cat": 6}


def test_threshold_and_top_by_hand() -> None:
    pool = images("cat", [0.69, 0.7, 0.8, 0.95, 1.0])
    assert {one.frequency for one in sample(pool, "threshold", 4).chosen} == {0.7, 0.8, 0.95, 1.0}
    assert [one.frequency for one in sample(pool, "top", 2).chosen] == [0.95, 1.0]
    assert [one.frequency for one in sample(pool, "threshold", 2, threshold=0.9).chosen] == [0.95, 1.0]


def test_the_seed_decides_and_other_classes_do_not() -> None:
    cats, dogs = images("cat", [0.9] * 50), images("dog", [0.9] * 50)
    one, again, other = (sample(cats, "threshold", 10, seed=seed).chosen for seed in (1, 1, 2))
    assert one == again != other
    assert [found for found in sample([*dogs, *cats], "threshold", 10, seed=1).chosen if found.class_name == "cat"] == [
        *one
    ]


def test_every_image_of_a_bin_is_equally_likely() -> None:
    pool = images("cat", [0.9] * 10)
    counts = dict.fromkeys((one.image for one in pool), 0)
    for seed in range(400):
        for one in sample(pool, "threshold", 3, seed=seed).chosen:
            counts[one.image] += 1
    # 120 expected, standard deviation √(400 · 0.3 · 0.7) = 9.2.
    assert all(80 < count < 160 for count in counts.values())


def test_frequencies_or_counts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("image,class,selected,shown\na.jpg,cat,7,10\nb.jpg,cat,10,10\n")
    assert read_candidates(path) == (Candidate("a.jpg", "cat", 0.7, 10), Candidate("b.jpg", "cat", 1.0, 10))
    path.write_text("image,class,frequency\na.jpg,cat,0.7\n")
    assert read_candidates(path) == (Candidate("a.jpg", "cat", 0.7),)
    assert sample_csv(read_candidates(path)) == b"image,class,frequency\na.jpg,cat,0.7\n"


@pytest.mark.parametrize(
    "text, line",
    [
        ("image,class,frequency\na,cat,70\n", ", line 2"),
        ("image,class,frequency\na,cat,0.5\na,cat,0.6\n", ", line 3"),
        ("image,class,selected,shown\na,cat,3,0\n", ", line 2"),
        ("image,class\na,cat\n", ""),
        ("image,class,frequency\n", ""),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_candidates(path)
    says(caught.value, where=f"{path}{line}")


def test_a_class_without_reference_and_an_unknown_strategy_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        sample(images("cat", [0.5]), "matched", reference=images("dog", [0.5]))
    says(caught.value, found="cat")
    with pytest.raises(UsageError) as caught:
        sample(images("cat", [0.5]), "best")
    says(caught.value, expected="matched, threshold, top")
