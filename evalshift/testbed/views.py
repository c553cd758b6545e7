"""Views: a label space seen more coarsely. Some classes are left out, or several are taken as one."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from evalshift.errors import DataError, did_you_mean
from evalshift.testbed.class_groups import GROUPED_VIEWS, class_groups
from evalshift.testbed.classes import (
    CIFAR100,
    CIFAR100_SUPERCLASSES,
    ClassSpace,
    built_in,
    imagenet_subset,
)


@dataclass(frozen=True)
class View:
    """A coarser way to see labels and predictions: some classes are left out, or several are one group.

    A dataset in a view holds only images of the classes that are kept, and predictions are read alike: the group of the
    strongest class among all that are kept is what a model predicts, and outputs of other classes count for nothing.

    of       the label space that models predict in
    meaning  what each of its labels becomes, in order; None where it is left out
    space    the label space of what they become; that of `of` where labels keep their meaning
    """

    name: str
    of: ClassSpace
    meaning: tuple[int | None, ...] = field(repr=False)
    space: ClassSpace

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """The labels that there still are, sorted."""
        return tuple(sorted({label for label in self.meaning if label is not None}))

    @property
    def has_groups(self) -> bool:
        """Whether several classes become one; else a part of them is kept as it is."""
        return self.space.names != self.of.names

    def facts(self) -> dict[str, Any]:
        """All of it as JSON holds it, so that results explain themselves; `from_facts` reads it back."""
        spaces = {"of": self.of, "space": self.space}
        return {
            "name": self.name,
            "meaning": list(self.meaning),
            **{
                key: {"name": space.name, "names": list(space.names), "folders": list(space.folders)}
                for key, space in spaces.items()
                if key == "of" or self.has_groups
            },
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "View":
        """The view that `facts` describe."""
        of, space = (
            ClassSpace(one["name"], tuple(one["names"]), tuple(one["folders"]))
            for one in (facts["of"], facts.get("space", facts["of"]))
        )
        return cls(facts["name"], of, tuple(facts["meaning"]), space)

    def same_as(self, other: "View") -> bool:
        """Whether both read labels and predictions alike, whatever they are called."""
        mine, others = (
            (view.of.names, [None if label is None else view.space.names[label] for label in view.meaning])
            for view in (self, other)
        )
        return mine == others

    def fits(self, space: ClassSpace) -> bool:
        """Whether labels of this label space can be seen so: it is that of the models, or holds each group by name."""
        return space.names == self.of.names or {self.space.names[label] for label in self.labels} <= set(space.names)

    def meaning_of(self, space: ClassSpace, where: object = None) -> tuple[int | None, ...]:
        """What each label of a dataset's label space becomes: by `meaning`, or by the name of its group.

        Raises DataError where the label space is neither that of the models nor one that holds the groups.
        """
        if space.names == self.of.names:
            return self.meaning
        groups = {self.space.names[label]: label for label in self.labels}
        missing = [name for name in groups if name not in space.names]
        if missing:
            raise DataError(
                f"the view {self.name} does not fit the labels",
                where=where,
                found=f"{space.name} has no class {', '.join(missing[:3])}",
                expected=f"labels of {self.of.name}, or of a label space with the groups {', '.join(list(groups)[:5])}"
                + (", …" if len(groups) > 5 else ""),
            )
        return tuple(groups.get(name) for name in space.names)


@dataclass(frozen=True)
class Superclasses:
    """Classes of one label space taken together, which tells mistakes within a superclass from others.

    name      of the view that declares them
    names     what each superclass is called
    of_class  the superclass of each class, −1 where it is in none or never predicted
    classes   how many classes predictions may be of
    """

    name: str
    names: tuple[str, ...]
    of_class: tuple[int, ...] = field(repr=False)
    classes: int

    def facts(self) -> dict[str, Any]:
        """All of it as JSON holds it; `from_facts` reads it back."""
        return {"name": self.name, "names": self.names, "of_class": self.of_class, "classes": self.classes}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Superclasses":
        return cls(facts["name"], tuple(facts["names"]), tuple(facts["of_class"]), facts["classes"])


def superclasses_among(groupings: Iterable[View], names: Sequence[str], seen: View | None) -> tuple[Superclasses, ...]:
    """The superclasses that views make of the classes of a dataset's labels; alike ones once.

    names   of the classes, position = label
    seen    the view that the dataset is seen in: only classes that it keeps are predicted
    Superclasses none of which has two classes that are predicted are left out: no mistake can be within them.
    """
    kept = range(len(names)) if seen is None else seen.labels
    found: dict[tuple[int, ...], Superclasses] = {}
    for view in groupings:
        if not view.has_groups or view.of.names != tuple(names):
            continue
        there = {label: view.meaning[label] for label in kept}
        of_class = tuple(-1 if (group := there.get(label)) is None else group for label in range(len(names)))
        if max(Counter(group for group in of_class if group >= 0).values(), default=0) > 1:
            found.setdefault(of_class, Superclasses(view.name, view.space.names, of_class, len(kept)))
    return tuple(found.values())


# Each view with the label space that it is of: CIFAR-100's coarse labels, sets that hold 200 of ImageNet's classes, and
# sets with classes of their own, whose names a registry may give to a view of its own.
BUILT_IN_VIEWS = {
    "cifar100-superclasses": "cifar100",
    "imagenet-a": "imagenet-1k",
    "imagenet-r": "imagenet-1k",
    **dict.fromkeys(GROUPED_VIEWS, "imagenet-1k"),
}
FIXED_VIEWS = frozenset(BUILT_IN_VIEWS) - frozenset(GROUPED_VIEWS)


@cache
def built_in_view(name: str) -> View:
    """One of BUILT_IN_VIEWS; KeyError for any other name."""
    space = built_in(BUILT_IN_VIEWS[name])
    if name == "cifar100-superclasses":
        groups = tuple(CIFAR100_SUPERCLASSES.values())
        coarse = (next(place for place, group in enumerate(groups) if fine in group) for fine in CIFAR100)
        return View(name, space, tuple(coarse), built_in("cifar100-superclasses"))
    if name in GROUPED_VIEWS:
        return view_of_groups(name, space, {group.name: group.labels for group in class_groups(name)})
    kept = imagenet_subset(name)
    meaning = tuple(label if wnid in kept else None for label, wnid in enumerate(space.folders))
    return View(name, space, meaning, space)


def built_in_groupings(classes: str) -> list[View]:
    """The built-in views that take all classes of the label space of this name together, none left out."""
    views = [built_in_view(name) for name, of in BUILT_IN_VIEWS.items() if of == classes and name in FIXED_VIEWS]
    return [view for view in views if view.has_groups]


class ViewFault(ValueError):
    """An error in a declared view: its keys in YAML, and the fields of the error."""

    def __init__(self, keys: Sequence[object], problem: str, **parts: str | None) -> None:
        super().__init__(problem)
        self.keys, self.problem, self.parts = tuple(keys), problem, parts


def view_of_groups(name: str, of: ClassSpace, groups: Mapping[object, object], space: ClassSpace | None = None) -> View:
    """A view in which classes are taken together.

    groups  the name of each group and its members: labels, names of classes or of their folders (wnids), ranges such as
            151-268 (both ends belong to it), alone or in lists
    space   the label space of the groups where one is declared; its order then numbers them, else that of `groups`
    Raises ViewFault for a class in two groups, an unknown class, a group without classes, and fewer than two groups.
    """
    if len(groups) < 2:
        raise ViewFault(("groups",), "a view has at least two groups", found=f"{len(groups)}")
    for group in groups:
        if not isinstance(group, str) or not group.strip():
            raise ViewFault(
                ("groups", group), "the name of a group is text", found=repr(group), fix="put it into quotes"
            )
    names = tuple(map(str, groups))
    if space is not None and set(space.names) != set(names):
        differing = sorted(set(space.names) ^ set(names))
        raise ViewFault(
            ("groups",),
            f"the groups are not the classes of the label space {space.name}, which has the view's name",
            found=f"only one of them has {', '.join(differing[:5])}",
            expected="the same names",
            fix="give the view another name",
        )
    space = space or ClassSpace(name, names)
    owner: dict[int, str] = {}
    for group, members in groups.items():
        for label in _labels(members, of, ("groups", group)):
            if owner.setdefault(label, str(group)) != str(group):
                raise ViewFault(
                    ("groups", group),
                    "duplicate class in the groups",
                    found=f"{of.names[label]} (label {label}) in {owner[label]} and {group}",
                    expected="each class in at most one",
                )
    label_of = {group: label for label, group in enumerate(space.names)}
    meaning = (label_of[owner[label]] if label in owner else None for label in range(len(of)))
    return View(name, of, tuple(meaning), space)


def view_of_part(name: str, of: ClassSpace, members: object) -> View:
    """A view that keeps a part of the classes as they are; members as in `view_of_groups`. Raises ViewFault."""
    kept = set(_labels(members, of, ("keep",)))
    if len(kept) < 2:
        raise ViewFault(("keep",), "a view keeps at least two classes", found=f"{len(kept)}")
    return View(name, of, tuple(label if label in kept else None for label in range(len(of))), of)


def _labels(members: object, of: ClassSpace, keys: tuple[object, ...]) -> list[int]:
    listed = list(_flat(members))
    if not listed:
        raise ViewFault(keys, "a group has no classes", expected=f"labels or names of classes of {of.name}")
    return [label for member in listed for label in _members(member, of, keys)]


def _flat(members: object) -> Iterable[object]:
    """A member alone, or those of lists in lists, as YAML's anchors make them."""
    if isinstance(members, list | tuple):
        for member in members:
            yield from _flat(member)
    elif members is not None:
        yield members


def _members(member: object, of: ClassSpace, keys: tuple[object, ...]) -> range | tuple[int, ...]:
    if isinstance(member, int) and not isinstance(member, bool):
        return (_number(member, of, keys),)
    if not isinstance(member, str):
        raise ViewFault(
            keys, "invalid class", found=repr(member), expected=f"a label or a name of {of.name}, or a range"
        )
    named = _known_names(of).get(_plain(member), ())
    exact = [names.index(member) for names in (of.names, of.folders) if member in names]
    if exact or len(named) == 1:
        return tuple(exact[:1] or named)
    if len(named) > 1:
        raise ViewFault(
            keys,
            "several classes have this name",
            found=f"{member}: " + ", ".join(f"{of.names[label]} is {label}" for label in named),
            fix="write the label instead",
        )
    if bounds := re.fullmatch(r"(\d+)\s*(?:-|–|\.\.)\s*(\d+)", member.strip()):
        first, last = (_number(int(text), of, keys) for text in bounds.groups())
        if first > last:
            raise ViewFault(keys, "a range ends before it begins", found=member, expected="first-last, both included")
        return range(first, last + 1)
    if member.isascii() and member.isdigit():
        return (_number(int(member), of, keys),)
    raise ViewFault(
        keys,
        f"this is not a class of {of.name}",
        found=member,
        expected="a label, a name of a class or of its folder, or a range such as 0-9",
        fix=did_you_mean(member, (*of.names, *of.folders, *_known_names(of))),
    )


def _number(label: int, of: ClassSpace, keys: tuple[object, ...]) -> int:
    if not 0 <= label < len(of):
        raise ViewFault(
            keys, "a label is outside the classes", found=str(label), expected=f"0 to {len(of) - 1} ({of.name})"
        )
    if str(label) in of.names and of.names[label] != str(label):
        raise ViewFault(
            keys,
            "ambiguous class",
            found=f"{label} is the name of class {of.names.index(str(label))} and the label of {of.names[label]}",
            fix="write another of its names",
        )
    return label


def is_class(name: object, of: ClassSpace) -> bool:
    """Whether this is a label, or one of the names of a class."""
    if isinstance(name, int):
        return 0 <= name < len(of)
    text = str(name)
    return (text.isascii() and text.isdigit() and int(text) < len(of)) or _plain(text) in _known_names(of)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


@cache
def _known_names(of: ClassSpace) -> Mapping[str, tuple[int, ...]]:
    """Which labels each name may mean: of "tench, Tinca tinca (n01440764)" also "tench", "Tinca tinca" and the wnid."""
    found: dict[str, dict[int, None]] = {}
    for label, name in enumerate(of.names):
        wnid = of.folders[label] if of.folders else ""
        lemmas = name.removesuffix(f"({wnid})") if wnid else name
        for one in (name, wnid, *(lemmas.split(",") if of.folders else ())):
            if _plain(one):
                found.setdefault(_plain(one), {})[label] = None
    return {name: tuple(labels) for name, labels in found.items()}
