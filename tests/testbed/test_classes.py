import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
from hypothesis import given
from hypothesis import strategies as st
from messages import says

from evalshift.errors import DataError, RegistryError
from evalshift.testbed.classes import BUILT_IN, CIFAR10, ClassSpace, built_in, imagenet_subset, labels_of_folders

LETTERS = ClassSpace("letters", ("a", "b", "c"))


class TestLabelSpaces:
    def test_cifar10_in_the_order_of_its_batches_meta(self) -> None:
        assert built_in("cifar10").names == (
            "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
        )  # fmt: skip
        assert built_in("cifar10").names == CIFAR10

    def test_digits(self) -> None:
        assert built_in("digits").names == tuple(map(str, range(10)))

    def test_imagenet_in_the_order_of_sorted_wnids(self) -> None:
        space = built_in("imagenet-1k")
        assert len(space) == len(set(space.names)) == 1000
        assert list(space.folders) == sorted(space.folders)
        assert (space.names[0], space.names[999]) == (
            "tench, Tinca tinca (n01440764)",
            "toilet tissue, toilet paper, bathroom tissue (n15075141)",
        )
        # The two pairs of classes with one name: bird and machine, and two kinds of swimsuit.
        for name in ("crane", "maillot"):
            assert sum(one.startswith(f"{name} (") or one.startswith(f"{name},") for one in space.names) == 2

    def test_imagenet_against_the_csv_of_the_imagenetv2_repository(self, real_data: Callable[[str], Path]) -> None:
        with real_data("imagenet_classes.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [row["wnid"] for row in rows] == list(built_in("imagenet-1k").folders)
        assert [int(row["index"]) for row in rows] == list(range(1000))

    def test_each_is_made_once(self) -> None:
        for name in BUILT_IN:
            assert built_in(name) is built_in(name)
            assert built_in(name).name == name
        with pytest.raises(KeyError):
            built_in("imagenet")

    def test_two_classes_at_least_and_none_twice(self, complaint: Callable[..., str]) -> None:
        says(complaint(RegistryError, ClassSpace, "one", ("a",)), where="classes.one", found="1 class")
        says(
            complaint(RegistryError, ClassSpace, "twice", ("a", "b"), ("x", "x")),
            where="classes.twice.folders",
            found="x",
        )


class TestLabelsOfFolders:
    def test_by_the_names_of_the_classes(self) -> None:
        assert labels_of_folders(["c", "a"], LETTERS, (), "here") == {"c": 2, "a": 0}

    def test_by_wnids(self) -> None:
        labels = labels_of_folders(["n15075141", "n01440764", "n01443537"], built_in("imagenet-1k"), (), "here")
        assert labels == {"n15075141": 999, "n01440764": 0, "n01443537": 1}

    def test_numbers_are_numbers_however_they_sort(self) -> None:
        """Trap 1: as strings, ImageNetV2's folders 0 … 999 stand 0, 1, 10, 100, 101, …; ImageFolder labels them so."""
        folders = sorted(map(str, range(1000)))
        assert folders[:4] == ["0", "1", "10", "100"]
        labels = labels_of_folders(folders, built_in("imagenet-1k"), (), "here")
        assert labels == {str(number): number for number in range(1000)}
        assert sum(position != labels[name] for position, name in enumerate(folders)) == 988

    def test_some_of_the_numbers_will_do(self) -> None:
        assert labels_of_folders(["10", "2"], built_in("imagenet-1k"), (), "here") == {"10": 10, "2": 2}
        assert labels_of_folders(["000", "002", "010"], built_in("imagenet-1k"), (), "here") == {
            "000": 0,
            "002": 2,
            "010": 10,
        }

    @given(st.sets(st.integers(0, 999), min_size=1), st.integers(1, 6))
    def test_numbers_of_any_width(self, numbers: set[int], width: int) -> None:
        folders = [f"{number:0{width}d}" for number in numbers]
        assert set(labels_of_folders(folders, built_in("imagenet-1k"), (), "here").values()) == numbers

    def test_names_that_are_numbers_are_names_first(self) -> None:
        space = ClassSpace("years", ("2", "1", "0"))
        assert labels_of_folders(["0", "2"], space, (), "here") == {"0": 2, "2": 0}

    def test_as_the_entry_declares(self) -> None:
        assert labels_of_folders(["x", "z"], LETTERS, ("z", "y", "x"), "here") == {"x": 2, "z": 0}

    def test_declared_names_come_before_all_others(self) -> None:
        assert labels_of_folders(["a", "b"], LETTERS, ("b", "c", "a"), "here") == {"a": 2, "b": 0}

    def test_too_few_declared(self, complaint: Callable[..., str]) -> None:
        says(
            complaint(DataError, labels_of_folders, ["x"], LETTERS, ("x", "y"), "here"), where="here", found="2 folders"
        )

    @pytest.mark.parametrize(
        "found, space, declared, unknown, expected, fix",
        [
            (["cat", "dgo"], "cifar10", (), "dgo",
             "folders named like airplane, automobile, or by number, 0 to 9", 'did you mean "dog"?'),
            (["n01440764", "n01440765"], "imagenet-1k", (), "n01440765",
             "folders named like n01440764, n01443537, or by number, 0 to 999", 'did you mean "n01440764"?'),
            # Numbers from 1: the last one is too large, and no misspelling of another.
            ([str(number) for number in range(1, 11)], "cifar10", (), "10",
             "folders named like airplane, automobile, or by number, 0 to 9",
             "name the folders in class order in the entry: folders: [first, second, ...]"),
            # Two folders for one class.
            (["007", "7"], "cifar10", (), "007, 7",
             "folders named like airplane, automobile, or by number, 0 to 9",
             "name the folders in class order in the entry: folders: [first, second, ...]"),
            (["0", "1", "cat"], "cifar10", (), "cat",
             "folders named like airplane, automobile, or by number, 0 to 9", 'did you mean "cat"?'),
            # int("٣") is 3, yet no release of any dataset is named so.
            (["٣"], "cifar10", (), "٣", "folders named like airplane, automobile, or by number, 0 to 9",
             "name the folders in class order in the entry: folders: [first, second, ...]"),
            ([f"x{number}" for number in range(7)], "cifar10", (), "x0, x1, x2, x3, x4 and 2 more",
             "folders named like airplane, automobile, or by number, 0 to 9",
             "name the folders in class order in the entry: folders: [first, second, ...]"),
            (["first", "secnd"], "letters", ("first", "second", "third"), "secnd",
             "folders named like first, second", 'did you mean "second"?'),
        ],
    )  # fmt: skip
    def test_folders_that_nothing_explains(
        self,
        complaint: Callable[..., str],
        found: list[str],
        space: str,
        declared: tuple[str, ...],
        unknown: str,
        expected: str,
        fix: str,
    ) -> None:
        known = LETTERS if space == "letters" else built_in(space)
        says(
            complaint(DataError, labels_of_folders, found, known, declared, "here"),
            where="here",
            found=unknown,
            expected=expected,
            fix=fix,
        )


def test_classes_of_imagenet_are_those_of_timm() -> None:
    tables = Path(timm.__file__).parent / "data" / "_info"
    lemmas = dict(line.split("\t", 1) for line in (tables / "imagenet_synset_to_lemma.txt").read_text().splitlines())
    wnids = (tables / "imagenet_synsets.txt").read_text().split()
    space = built_in("imagenet-1k")
    assert space.folders == tuple(wnids)
    assert space.names == tuple(f"{lemmas[wnid]} ({wnid})" for wnid in wnids)
    for subset in ("imagenet-a", "imagenet-r"):
        kept = (tables / f"{subset.replace('-', '_')}_synsets.txt").read_text().split()
        assert imagenet_subset(subset) == set(kept)
