"""Views that a registry declares: under views:, or in a dataset's entry."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from messages import says

from evalshift.errors import DataError, RegistryError, UsageError
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.views import View, built_in_view

Load = Callable[[str], Registry]
Refused = Callable[[str], str]

LETTERS = "classes: {letters: [a, b, c, d, e, f]}\n"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def from_text(text: str) -> Registry:
        (tmp_path / "mine.yaml").write_text(text, "utf-8")
        return load_registry(tmp_path / "mine.yaml")

    return from_text


@pytest.fixture
def refused(load: Load, complaint: Callable[..., str], tmp_path: Path) -> Refused:
    """The complaint about a registry, with FILE for its path."""
    return lambda text: complaint(RegistryError, load, text).replace(str(tmp_path / "mine.yaml"), "FILE")


def declared(load: Load, content: str, of: str = "letters") -> View:
    found = load(f"{LETTERS}views:\n  v: {{of: {of}, {content}}}\n").view("v")
    assert found is not None
    return found


class TestMembers:
    @pytest.mark.parametrize(
        "members",
        ["[0, 1]", "0-1", "[0-1]", "['0', '1']", "[a, b]", "[A, ' b ']", "[[a], [[1]]]", "[0, a, b, 1]", "0..1"],
    )
    def test_labels_names_ranges_and_lists_in_lists(self, load: Load, members: str) -> None:
        view = declared(load, f"groups: {{left: {members}, right: f}}")
        assert view.meaning == (0, 0, None, None, None, 1)
        assert view.space.names == ("left", "right")
        assert view.has_groups

    def test_a_part_keeps_its_labels(self, load: Load) -> None:
        view = declared(load, "keep: [b, 3-4]")
        assert view.meaning == (None, 1, None, 3, 4, None)
        assert view.labels == (1, 3, 4)
        assert view.space.names == tuple("abcdef")
        assert not view.has_groups

    @pytest.mark.parametrize("member", ["n02085620", "151", "Chihuahua", "chihuahua", "'151'"])
    def test_imagenet_by_wnid_label_and_name(self, load: Load, member: str) -> None:
        view = declared(load, f"groups: {{dog: [{member}, 152-268], cat: 281-285}}", "imagenet-1k")
        assert [label for label, group in enumerate(view.meaning) if group == 0] == list(range(151, 269))
        assert [label for label, group in enumerate(view.meaning) if group == 1] == [281, 282, 283, 284, 285]

    def test_one_of_several_names_of_a_class(self, load: Load) -> None:
        view = declared(load, "groups: {fish: [Tinca tinca, great white shark], cat: tabby}", "imagenet-1k")
        assert [label for label, group in enumerate(view.meaning) if group == 0] == [0, 2]
        assert [label for label, group in enumerate(view.meaning) if group == 1] == [281]

    @pytest.mark.parametrize(
        "content, message",
        [
            ("groups: {x: [0, 1], y: [b, 2]}",
             ("duplicate class in the groups\n  where:    FILE, line 3: views.v.groups.y\n"
             "  found:    b (label 1) in x and y\n  expected: each class in at most one")),
            ("groups: {x: [0, z], y: 1}",
             ("this is not a class of letters\n  where:    FILE, line 3: views.v.groups.x\n  found:    z\n"
             "  expected: a label, a name of a class or of its folder, or a range such as 0-9")),
            ("groups: {x: [0, 6], y: 1}",
             ("a label is outside the classes\n  where:    FILE, line 3: views.v.groups.x\n  found:    6\n"
             "  expected: 0 to 5 (letters)")),
            ("groups: {x: [4-7], y: 1}",
             ("a label is outside the classes\n  where:    FILE, line 3: views.v.groups.x\n  found:    7\n"
             "  expected: 0 to 5 (letters)")),
            ("groups: {x: [3-2], y: 1}",
             ("a range ends before it begins\n  where:    FILE, line 3: views.v.groups.x\n  found:    3-2\n"
             "  expected: first-last, both included")),
            ("groups: {x: [], y: 1}",
             ("a group has no classes\n  where:    FILE, line 3: views.v.groups.x\n"
             "  expected: labels or names of classes of letters")),
            ("groups: {x: , y: 1}",
             ("a group has no classes\n  where:    FILE, line 3: views.v.groups.x\n"
             "  expected: labels or names of classes of letters")),
            ("groups: {x: [0, 1]}",
             "a view has at least two groups\n  where:    FILE, line 3: views.v.groups\n  found:    1"),
            ("groups: {x: [yes], y: 1}",
             ("invalid class\n  where:    FILE, line 3: views.v.groups.x\n  found:    True\n"
             "  expected: a label or a name of letters, or a range")),
            ("groups: {1: [0], y: 1}",
             ("the name of a group is text\n  where:    FILE, line 3: views.v.groups.1\n  found:    1\n"
             "  fix:      put it into quotes")),
            ("groups: [0, 1]",
             ("groups must be a mapping\n  where:    FILE, line 3: views.v.groups\n  found:    [0, 1]\n"
             "  expected: name: [classes]")),
            ("keep: [a]",
             "a view keeps at least two classes\n  where:    FILE, line 3: views.v.keep\n  found:    1"),
            ("keep: [a, b], groups: {x: a, y: b}",
             "a view has either groups or keep\n  where:    FILE, line 3: views.v\n  expected: one of them"),
            ("keeps: [a, b]",
             ("unknown key\n  where:    FILE, line 3: views.v.keeps\n  found:    keeps\n"
             '  expected: of, groups, keep\n  fix:      did you mean "keep"?')),
        ],
    )  # fmt: skip
    def test_what_is_no_view(self, refused: Refused, content: str, message: str) -> None:
        assert refused(f"{LETTERS}views:\n  v: {{of: letters, {content}}}\n") == message

    def test_two_classes_of_one_name(self, refused: Refused) -> None:
        said = refused("views:\n  v: {of: imagenet-1k, groups: {bird: crane, cat: tabby}}\n")
        assert said.startswith("several classes have this name\n  where:    FILE, line 2: views.v.groups.bird\n")
        assert " is 134, " in said
        assert " is 517\n" in said

    def test_a_number_that_names_another_class(self, refused: Refused) -> None:
        text = "classes: {odd: ['1', '0']}\nviews:\n  v: {of: odd, keep: [0, 1]}\n"
        says(refused(text), where="FILE, line 3: views.v.keep", found="0 is the name of class 1 and the label of 1")

    @pytest.mark.parametrize(
        "name, message",
        [
            ("imagenet-a",
             ("the view imagenet-a is built in\n  where:    FILE, line 3: views.imagenet-a\n"
             "  fix:      declare it under views: with another name, and name it here")),
            ("x@y",
             ("invalid name of a view\n  where:    FILE, line 3: views.x@y\n  found:    'x@y'\n"
             '  expected: text without ":@"')),
        ],
    )  # fmt: skip
    def test_names(self, refused: Refused, name: str, message: str) -> None:
        assert refused(f"{LETTERS}views:\n  {name}: {{of: letters, keep: [a, b]}}\n") == message

    def test_a_label_space_that_there_is_not(self, refused: Refused) -> None:
        said = refused(f"{LETTERS}views:\n  v: {{of: leters, keep: [a, b]}}\n")
        assert said.startswith("unknown label space\n  where:    FILE, line 3: views.v.of\n  found:    leters\n")
        assert said.endswith('did you mean "letters"?')


ARRAYS = "source: npy, images: x.npy, labels: y.npy"
DATASETS = f"""
{LETTERS}
views:
  vowels: {{of: letters, groups: {{vowel: [a, e], consonant: [b, c]}}}}
  late: {{of: letters, keep: 3-5}}
datasets:
  fine: {{{ARRAYS}, classes: letters}}
  coarse: {{{ARRAYS}, classes: vowels}}
  seen: {{{ARRAYS}, classes: letters, view: vowels}}
  own: {{{ARRAYS}, classes: letters, view: {{consonant: [1, 2], vowel: [0, 4]}}}}
  part: {{{ARRAYS}, classes: letters, view: [3, 4, 5]}}
  digits2: {{{ARRAYS}, classes: digits}}
"""


class TestDatasets:
    def test_labels_of_models_and_labels_of_groups(self, load: Load, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((4, 2, 2, 1), np.uint8))
        np.save(tmp_path / "y.npy", np.array([0, 1, 1, 0]))
        registry = load(DATASETS)
        labels = {}
        for name in ("seen", "own", "coarse@vowels"):
            entry = registry.dataset(name)
            dataset = load_dataset(name, entry, registry.class_space(entry.classes))
            labels[name] = [dataset.classes.names[label] for label in dataset.labels]
            assert dataset.model_classes.names == tuple("abcdef")
            assert entry.predicted_in == "letters"
        assert labels == {
            "seen": ["vowel", "consonant", "consonant", "vowel"],
            "own": ["vowel", "consonant", "consonant", "vowel"],
            "coarse@vowels": ["vowel", "consonant", "consonant", "vowel"],
        }

    def test_groups_in_an_order_of_their_own(self, load: Load, tmp_path: Path) -> None:
        """Where a label space declares the groups, it numbers them, whatever order the view has."""
        np.save(tmp_path / "x.npy", np.zeros((3, 2, 2, 1), np.uint8))
        np.save(tmp_path / "y.npy", np.array([0, 1, 2]))
        text = DATASETS.replace("[a, b, c, d, e, f]}", "[a, b, c, d, e, f], kinds: [sign, consonant, vowel]}")
        registry = load(text.replace("classes: vowels}", "classes: kinds, view: vowels}"))
        entry = registry.dataset("coarse")
        dataset = load_dataset("coarse", entry, registry.class_space(entry.classes))
        assert [dataset.classes.names[label] for label in dataset.labels] == ["consonant", "vowel"]
        assert dataset.ids == ("1", "2")

    @pytest.mark.parametrize(
        "asked, pair",
        [
            ("fine:coarse", "fine@vowels:coarse@vowels"),
            ("fine:seen", "fine@vowels:seen"),
            ("seen:coarse", "seen:coarse@vowels"),
            ("own:seen", "own:seen"),  # the same groups, under another name
            ("own:fine", "own:fine@own"),
            ("fine:part", "fine@part:part"),
            ("fine@late:part", "fine@late:part"),
        ],
    )
    def test_both_sides_of_a_pair_are_seen_alike(self, load: Load, asked: str, pair: str) -> None:
        registry = load(DATASETS)
        found = registry.pair(asked)
        assert str(found) == pair
        one, other = (registry.dataset(name).seen for name in (found.original, found.new))
        assert one
        assert other
        assert one.same_as(other)

    @pytest.mark.parametrize(
        "asked, message",
        [
            ("part:seen",
             ('"part:seen" compares different classes\n  found:    part keeps those of part, seen those of vowels\n'
             "  expected: two datasets that keep the same classes")),
            ("part:coarse",
             ('"part:coarse" compares different classes\n'
             "  found:    part is seen in the view part of letters, coarse has vowels\n"
             "  expected: two datasets that keep the same classes")),
            ("fine:digits2",
             ('"fine:digits2" compares different classes\n  found:    fine has letters, digits2 has digits\n'
             "  expected: two datasets of one label space\n"
             "  fix:      where the classes of one are groups of classes of the other, declare them as a view, "
             "under views:")),
        ],
    )  # fmt: skip
    def test_pairs_that_cannot_be(self, load: Load, complaint: Callable[..., str], asked: str, message: str) -> None:
        assert complaint(UsageError, load(DATASETS).pair, asked) == message

    def test_several_views_fit(self, load: Load, complaint: Callable[..., str]) -> None:
        again = "  again: {of: letters, groups: {consonant: [b], vowel: [e]}}\n"
        registry = load(DATASETS.replace("  late:", f"{again}  late:").replace("  own:", "  other:"))
        says(
            complaint(UsageError, registry.pair, "fine:coarse"),
            found="fine has letters, coarse has vowels; vowels, again",
        )

    def test_fresh_images_are_seen_alike(self, load: Load) -> None:
        registry = load(DATASETS.replace("view: vowels}", "view: vowels, fresh: fine}"))
        assert registry.dataset("seen").fresh == "fine@vowels"

    def test_a_registry_that_extends_another(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "below.yaml").write_text(DATASETS)
        registry = load("extends: below.yaml\npairs: [fine:seen, own:fine@own]\n")
        assert list(map(str, registry.pairs)) == ["fine@vowels:seen", "own:fine@own"]

    def test_a_view_that_does_not_fit(self, refused: Refused) -> None:
        text = DATASETS + f"  odd: {{{ARRAYS}, classes: digits, view: vowels}}\n"
        says(refused(text), where="FILE, line 14: datasets.odd.view", found="digits")

    def test_a_fault_inside_an_entry(self, refused: Refused) -> None:
        says(
            refused(f"{LETTERS}datasets:\n  x:\n    {{{ARRAYS}, classes: letters, view: {{p: [a], q: [0]}}}}\n"),
            where="FILE, line 4: datasets.x.view.q",
            found="a (label 0) in p and q",
        )

    def test_groups_that_the_label_space_of_that_name_lacks(self, refused: Refused) -> None:
        text = "classes: {v: [x, z], letters: [a, b]}\nviews:\n  v: {of: letters, groups: {x: a, y: b}}\n"
        says(refused(text), where="FILE, line 3: views.v.groups", found="only one of them has y, z")


class TestFacts:
    @pytest.mark.parametrize("name", ["imagenet-a", "cifar100-superclasses"])
    def test_come_back_as_they_were(self, name: str) -> None:
        assert View.from_facts(built_in_view(name).facts()) == built_in_view(name)


def test_labels_that_are_neither_the_models_nor_groups(complaint: Callable[..., str]) -> None:
    view = built_in_view("cifar100-superclasses")
    digits = load_registry().class_space("digits")
    assert complaint(DataError, view.meaning_of, digits, "here").startswith(
        "the view cifar100-superclasses does not fit the labels\n  where:    here\n  found:    digits has no class aqua"
    )


def test_the_example_of_the_documentation(load: Load) -> None:
    text = (Path(__file__).parents[2] / "docs/registry.md").read_text("utf-8")
    block = next(part for part in text.split("```yaml\n")[1:] if part.startswith("views:\n  four-animals"))
    registry = load(block.partition("```")[0])
    view = registry.view("four-animals")
    assert view is not None
    sizes = {name: view.meaning.count(label) for label, name in enumerate(view.space.names)}
    assert sizes == {"dog": 118, "cat": 5, "frog": 3, "turtle": 5}
    assert list(map(str, registry.pairs)) == [
        "imagenet@four-animals:mine@four-animals",
        "imagenet@own:own",
    ]
    assert registry.dataset("part").seen == registry.view("part")
