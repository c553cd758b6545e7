"""What a registry says: classes, datasets, models and pairs, looked up by name."""

import fnmatch
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalshift.errors import UsageError, did_you_mean
from evalshift.formatting import counted, name_some
from evalshift.testbed import classes
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.dataset_entry import NoVariantsError
from evalshift.testbed.limits import limit_of
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.views import (
    BUILT_IN_VIEWS,
    Superclasses,
    View,
    built_in_groupings,
    built_in_view,
    superclasses_among,
)


@dataclass(frozen=True)
class Pair:
    """An original test set and a new one that replicates it."""

    original: str
    new: str

    def __str__(self) -> str:
        return f"{self.original}:{self.new}"


@dataclass(frozen=True)
class Registry:
    """All that one registry file says, with what it extends.

    own_pairs  the pairs that a user wrote: of the file itself, else of the one that it extends; none in the default
    families_of_pairs  pairs of the default registry written with a wildcard: cifar10:cifar10-c@* stands for 95
    own_models the models that a user wrote in the file itself, not in one that it extends; none in the default
    inherited  the models that come from the default registry, unchanged
    written    the entries of models and datasets as written in YAML, for provenance
    views      those that it declares, under `views` or in a dataset's entry
    title      what figures and tables call this testbed; None without one
    families   the title of each family that has one, by its name
    found      whether it was not named, but found in the working folder
    """

    path: Path
    classes: Mapping[str, ClassSpace]
    datasets: Mapping[str, AnyDataset]
    models: Mapping[str, AnyModel]
    pairs: tuple[Pair, ...]
    own_pairs: tuple[Pair, ...]
    written: Mapping[str, Mapping[str, Any]]
    views: Mapping[str, View] = field(default_factory=dict)
    found: bool = False
    title: str | None = None
    families: Mapping[str, str] = field(default_factory=dict)
    own_models: frozenset[str] = frozenset()
    inherited: frozenset[str] = frozenset()
    families_of_pairs: tuple[Pair, ...] = ()

    @property
    def default_models(self) -> dict[str, AnyModel]:
        """The models of a run that names none: those that a user wrote, else all of the default registry."""
        written = {name: entry for name, entry in self.models.items() if name not in self.inherited}
        return written or dict(self.models)

    def __repr__(self) -> str:
        return f"Registry({str(self.path)!r}: {len(self.models)} models, {len(self.datasets)} datasets)"

    @property
    def default_pairs(self) -> tuple[Pair, ...]:
        """The pairs of a run that names none: a user's own pairs, else the embedded one, which needs no download."""
        return self.own_pairs or self.pairs[:1]

    def dataset(self, name: str) -> AnyDataset:
        """The dataset of that name; `name@choice` is one of several that a name stands for, or a dataset in a view.

        `name@first-100` is its first 100 images, balanced over the classes.

        Raises UsageError with the nearest known name.
        """
        if name in self.datasets:
            return self.datasets[name]
        base, at, choice = name.rpartition("@")
        if at and base:
            return self._chosen(name, self.dataset(base), choice)
        raise UsageError(
            f'there is no dataset "{name}"',
            where=self.path,
            expected=listed_names(self.datasets),
            fix=self._one_of_several(name)
            or did_you_mean(name, self.datasets)
            or "add it under datasets:, or see `evalshift list datasets`",
        )

    def _one_of_several(self, name: str) -> str | None:
        """How to write a name such as cifar10-c/fog-3, whose beginning stands for several datasets."""
        bases = (base for base, entry in self.datasets.items() if entry.choices() and name.startswith(base))
        return next((f"write {base}@{name[len(base) + 1 :]}" for base in bases if name[len(base) + 1 :]), None)

    def known_dataset(self, name: str) -> AnyDataset | None:
        """The dataset of that name, also as name@view; None where there is none."""
        try:
            return self.dataset(name)
        except UsageError:
            return None

    def view_of(self, name: str) -> View | None:
        """The view that a dataset of this name is seen in, also where only the view is known here."""
        entry = self.known_dataset(name)
        base, _, choice = name.rpartition("@")
        return entry.seen if entry is not None else self.view(choice) if base else None

    def _chosen(self, name: str, entry: AnyDataset, choice: str) -> AnyDataset:
        if (limit := limit_of(choice)) is not None:
            return entry.limited(limit)
        if BUILT_IN_VIEWS.get(choice) == entry.classes and choice not in self.views:
            return entry.seen_in(choice)
        view = self.view(choice)
        space = self.class_space(entry.classes)
        if view is not None and view.fits(space):
            return entry.seen_in(view)
        try:
            return entry.chosen(choice)
        except ValueError as error:
            expected = str(error)
            if isinstance(error, NoVariantsError):
                known = [view.name for view in self._views() if view.fits(space)]
                expected = f"a view of {entry.classes}: {', '.join(known) or 'there is none'}"
            raise UsageError(
                f'"{name}" is not the name of a dataset', where=self.path, found=choice, expected=expected
            ) from error

    def class_space(self, name: str) -> ClassSpace:
        """The label space of that name: declared here, that of the groups of a view, or built in."""
        if name in self.classes:
            return self.classes[name]
        view = self.view(name)
        if view is not None and view.has_groups:
            return view.space
        return classes.built_in(name)

    def label_space(self, entry: AnyDataset) -> ClassSpace:
        """What a dataset's labels mean: one of its classes, or of those that its view makes of them."""
        return self.class_space(entry.classes) if entry.seen is None else entry.seen.space

    def view(self, name: str) -> View | None:
        """The view of that name, declared here or built in; None where there is none."""
        if name in self.views:
            return self.views[name]
        return built_in_view(name) if name in BUILT_IN_VIEWS else None

    def _views(self) -> list[View]:
        return [*(built_in_view(name) for name in BUILT_IN_VIEWS if name not in self.views), *self.views.values()]

    def superclasses(self, classes: str, names: Sequence[str], seen: View | None) -> tuple[Superclasses, ...]:
        """The superclasses that views, declared or built in, make of the classes of a dataset; alike ones once.

        classes, names   the name of the label space that the dataset's labels are of, and those of its classes
        seen             the view that it is seen in
        """
        return superclasses_among((*built_in_groupings(classes), *self.views.values()), names, seen)

    def pair(self, text: str) -> Pair:
        """ "original:new" as a Pair of known datasets that can be compared. Raises UsageError where they cannot.

        Where one of them keeps a part of the classes, the other is seen in the same view: imagenet:imagenet-a is
        imagenet@imagenet-a:imagenet-a.
        """
        original, colon, new = text.partition(":")
        if not (original and colon and new) or ":" in new:
            raise UsageError(
                f'"{text}" is not a pair',
                expected="original:new, two names of datasets, such as cifar10:cifar10.1-v6",
                fix="see `evalshift list pairs`",
            )
        if original == new:
            raise UsageError(f'"{text}" compares a dataset with itself', expected="two different datasets")
        return self._seen_alike(text, original, new)

    def matching_pairs(self, text: str) -> tuple[Pair, ...]:
        """The pairs that "original:new" stands for: with * or ? in a name all that match and can be compared.

        cifar10:cifar10-c@fog-* are the five severities of fog. Raises UsageError as `pair` does, and if none matches.
        """
        if not is_pattern(text) or text.count(":") != 1:
            return (self.pair(text),)
        originals, news = (self.datasets_like(name) for name in text.split(":"))
        found, errors = [], []
        for names in itertools.product(originals, news):
            if names[0] != names[1]:
                try:
                    found.append(self.pair(":".join(names)))
                except UsageError as error:
                    errors.append(error)
        if not found and len(errors) == 1:
            raise errors[0]
        if not found:
            raise UsageError(
                f'"{text}" matches no pair',
                where=self.path,
                found=f"{counted(len(originals), 'original set')} and {counted(len(news), 'new set')} of these names",
                expected="names of datasets of one label space, with * and ? as wildcards",
                fix="see `evalshift list pairs` and `evalshift list datasets`",
            )
        return tuple(dict.fromkeys(found))

    def datasets_like(self, name: str) -> list[str]:
        """The names of datasets that a name with wildcards stands for, also behind an @; itself without any."""
        base, at, choice = name.rpartition("@")
        if not at or not is_pattern(choice):
            known = (one for one, entry in self.datasets.items() if not entry.choices())
            return fnmatch.filter(known, name) if is_pattern(name) else [name]
        names = self.datasets_like(base)
        return [f"{one}@{text}" for one in names for text in fnmatch.filter(self.dataset(one).choices(), choice)]

    def _seen_alike(self, text: str, original: str, new: str) -> Pair:
        names = original, new
        entries = [self.dataset(name) for name in names]
        if (entries[0].view, entries[0].classes) == (entries[1].view, entries[1].classes):
            return Pair(original, new)
        # The tables of a view that is built in are not opened where its name is enough.
        if [entry.view for entry in entries].count(None) == 1:
            other, name = (0, entries[1].view) if entries[0].view is None else (1, entries[0].view)
            if BUILT_IN_VIEWS.get(str(name)) == entries[other].classes and str(name) not in self.views:
                return Pair(f"{original}@{name}", new) if other == 0 else Pair(original, f"{new}@{name}")
        views = [entry.seen for entry in entries]
        if views[0] is not None and views[1] is not None:
            if not views[0].same_as(views[1]):
                raise UsageError(
                    f'"{text}" compares different classes',
                    found=f"{original} keeps those of {views[0].name}, {new} those of {views[1].name}",
                    expected="two datasets that keep the same classes",
                )
            return Pair(original, new)
        view = views[0] or views[1]
        spaces = [self.class_space(entry.classes) for entry in entries]
        if view is None:
            view = self._common_view(text, names, spaces)
        unfit = [place for place in range(2) if views[place] is None and not view.fits(spaces[place])]
        if unfit:
            raise UsageError(
                f'"{text}" compares different classes',
                found=f"{names[1 - unfit[0]]} is seen in the view {view.name} of {view.of.name}, "
                f"{names[unfit[0]]} has {spaces[unfit[0]].name}",
                expected="two datasets that keep the same classes",
            )
        return Pair(
            *(name if seen is not None else f"{name}@{view.name}" for name, seen in zip(names, views, strict=True))
        )

    def _common_view(self, text: str, names: tuple[str, str], spaces: list[ClassSpace]) -> View:
        """The one view that makes two label spaces one; UsageError where there is none, or several."""
        fitting: list[View] = []
        for view in self._views():
            of_one = view.of.name in (spaces[0].name, spaces[1].name)
            if of_one and all(map(view.fits, spaces)) and not any(map(view.same_as, fitting)):
                fitting.append(view)
        whole = [view for view in fitting if set(view.space.names) in (set(spaces[0].names), set(spaces[1].names))]
        if len(fitting) == 1 or len(whole) == 1:
            return (whole or fitting)[0]
        found = f"{names[0]} has {spaces[0].name}, {names[1]} has {spaces[1].name}"
        if fitting:
            raise UsageError(
                f'"{text}" can be seen in several views',
                found=f"{found}; {', '.join(view.name for view in fitting)}",
                expected="one of them",
                fix=f"such as {names[0]}@{fitting[0].name}:{names[1]}@{fitting[0].name}",
            )
        raise UsageError(
            f'"{text}" compares different classes',
            found=found,
            expected="two datasets of one label space",
            fix="where the classes of one are groups of classes of the other, declare them as a view, under views:",
        )

    def select_models(self, globs: Iterable[str]) -> dict[str, AnyModel]:
        """The models whose name matches any of `globs` (all without any), in registry order.

        Raises UsageError for a glob that matches none, with the nearest name.
        """
        globs = tuple(globs)
        for glob in globs:
            if not any(fnmatch.fnmatchcase(name, glob) for name in self.models):
                raise UsageError(
                    f'no model is called "{glob}"',
                    where=self.path,
                    expected=listed_names(self.models),
                    fix=did_you_mean(glob.strip("*?"), self.models) or "see `evalshift list models`",
                )
        if not globs:
            return dict(self.models)
        return {
            name: entry for name, entry in self.models.items() if any(fnmatch.fnmatchcase(name, glob) for glob in globs)
        }


def is_pattern(text: str) -> bool:
    """Whether a name has wildcards in it."""
    return bool(set("*?") & set(text))


def listed_names(names: Iterable[str], most: int = 8) -> str:
    """What an error says was expected: one of these names, or that there are none."""
    names = list(names)
    return f"one of {name_some(names, most)}" if names else "none is declared"
