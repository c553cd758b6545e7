"""registry.yaml → a Registry of frozen entries.

Each error names its file, line, entry and field, what was found and what is expected. Nothing is opened, downloaded
or built by reading a registry.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from evalshift.errors import RegistryError, RegistryErrors, UsageError, did_you_mean, near_match
from evalshift.file_dependencies import depends_on
from evalshift.formatting import name_some
from evalshift.testbed import classes
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import AnyDataset, DownloadedDataset, NearDuplicatesEntry, NoVariantsError
from evalshift.testbed.entries import Entry, FileEntry, expand
from evalshift.testbed.families import is_family, listed, members
from evalshift.testbed.known_facts import with_known_facts
from evalshift.testbed.limits import limit_of
from evalshift.testbed.model_entries import AnyModel, Logits
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_titles import read_families, read_title, with_family_titles
from evalshift.testbed.registry_views import inline_view, read_views
from evalshift.testbed.trust import trusting
from evalshift.testbed.views import (
    BUILT_IN_VIEWS,
    Superclasses,
    View,
    built_in_groupings,
    built_in_view,
    superclasses_among,
)
from evalshift.testbed.yaml_text import YamlText

_DATASET: TypeAdapter[Any] = TypeAdapter(AnyDataset)
_MODEL: TypeAdapter[Any] = TypeAdapter(AnyModel)


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
            expected=_listed(self.datasets),
            fix=did_you_mean(name, self.datasets) or "add it under datasets:, or see `evalshift list datasets`",
        )

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
            return cast(AnyDataset, entry.limited(limit))
        if BUILT_IN_VIEWS.get(choice) == entry.classes:
            return cast(AnyDataset, entry.seen_in(choice))
        view = self.view(choice)
        space = self.class_space(entry.classes)
        if view is not None and view.fits(space):
            return cast(AnyDataset, entry.seen_in(view))
        try:
            return cast(AnyDataset, entry.chosen(choice))
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
        if name in self.views and self.views[name].has_groups:
            return self.views[name].space
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
        return [*map(built_in_view, BUILT_IN_VIEWS), *self.views.values()]

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

    def _seen_alike(self, text: str, original: str, new: str) -> Pair:
        names = original, new
        entries = [self.dataset(name) for name in names]
        if (entries[0].view, entries[0].classes) == (entries[1].view, entries[1].classes):
            return Pair(original, new)
        # The tables of a view that is built in are not opened where its name is enough.
        if [entry.view for entry in entries].count(None) == 1:
            other, name = (0, entries[1].view) if entries[0].view is None else (1, entries[0].view)
            if BUILT_IN_VIEWS.get(str(name)) == entries[other].classes:
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
                    expected=_listed(self.models),
                    fix=did_you_mean(glob.strip("*?"), self.models) or "see `evalshift list models`",
                )
        if not globs:
            return dict(self.models)
        return {
            name: entry for name, entry in self.models.items() if any(fnmatch.fnmatchcase(name, glob) for glob in globs)
        }


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return f"one of {name_some(names, most)}" if names else "none is declared"


def default_path() -> Path:
    """The registry that comes with evalshift: inside the package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "registry.yaml"
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "registry.yaml"


def is_default(path: Path) -> bool:
    """Whether this is the registry that comes with evalshift, or a copy of it, as in a checkout."""
    default = default_path()
    depends_on(default)
    if path.resolve() == default.resolve():
        return True
    return (
        path.is_file() and path.stat().st_size == default.stat().st_size and path.read_bytes() == default.read_bytes()
    )


def find_registry(path: str | Path | None = None) -> Path:
    """The registry to use: the one named, else ./registry.yaml, else the one that comes with evalshift."""
    if path is not None:
        return Path(path)
    here = Path("registry.yaml")
    depends_on(here)
    return here if here.is_file() else default_path()


class _Faults:
    """The errors of a registry, collected so that all are reported at once.

    broken   the places, such as ("models", "resnet"), that have errors: entries that refer to them are not reported too
    """

    def __init__(self) -> None:
        self.errors: list[RegistryError] = []
        self.broken: set[tuple[object, ...]] = set()

    @contextmanager
    def noted(self, *place: object) -> Iterator[None]:
        """Record the errors of one part, and go on."""
        try:
            yield
        except RegistryErrors as error:
            self._note(place, error.errors)
        except RegistryError as error:
            self._note(place, [error])

    def _note(self, place: tuple[object, ...], errors: Iterable[RegistryError]) -> None:
        self.errors += errors
        self.broken.add(place)

    def raise_all(self, path: Path) -> None:
        """Raise what was noted: one error by itself, several together."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise RegistryErrors(path, self.errors)


def load_registry(path: str | Path | None = None) -> Registry:
    """Read and validate a registry; None means ./registry.yaml, else the one that comes with evalshift.

    Pairs in any registry can use the built-in datasets. Code in .py files below the folder of a registry that is named
    here is trusted; see `testbed.trust`.

    Raises RegistryError for an error, RegistryErrors for several.
    """
    faults = _Faults()
    registry = _read_all(path, faults)
    faults.raise_all(registry.path)
    return registry


def read_registry(path: str | Path | None = None) -> tuple[Registry, tuple[RegistryError, ...]]:
    """The registry without the entries that have errors, and those errors, instead of raising them.

    Raises RegistryError for a file that cannot be read at all.
    """
    faults = _Faults()
    return _read_all(path, faults), tuple(faults.errors)


def _read_all(path: str | Path | None, faults: _Faults) -> Registry:
    registry = _load(find_registry(path), (), faults)
    if is_default(registry.path):
        return _default_with_titles(registry.path, registry.path.stat().st_mtime_ns)
    if path is None:
        registry = replace(registry, found=True)
    else:
        registry = replace(registry, models=trusting(registry.models, registry.path.absolute().parent))
    default = _load(default_path(), (), faults)
    families = {**default.families, **registry.families}
    registry = with_family_titles(with_known_facts(registry, default, families), families)
    return replace(
        registry,
        datasets={**default.datasets, **registry.datasets},
        pairs=registry.pairs or default.pairs,
    )


@cache
def _load_default_once(path: Path, changed: int) -> Registry:
    faults = _Faults()
    registry = _read(path, (), faults)
    faults.raise_all(path)
    return registry


@cache
def _default_with_titles(path: Path, changed: int) -> Registry:
    registry = _load_default_once(path, changed)
    return with_family_titles(with_known_facts(registry, registry, registry.families), registry.families)


def _load(path: Path, below: tuple[Path, ...], faults: _Faults) -> Registry:
    if is_default(path) and path.is_file():
        return _load_default_once(path.resolve(), path.stat().st_mtime_ns)
    return _read(path, below, faults)


def _default() -> Registry:
    return _load(default_path(), (), _Faults())


def _read(path: Path, below: tuple[Path, ...], faults: _Faults) -> Registry:
    text = YamlText(path)
    faults.errors += text.unknown_sections()
    parent = _parent(text, below, faults)
    registry = Registry(
        path=path,
        classes={**(parent.classes if parent else {}), **_read_classes(text, faults)},
        datasets={},
        models={},
        pairs=(),
        own_pairs=(),
        written={},
    )
    views = dict(parent.views if parent else {})
    with faults.noted("views"):
        views |= read_views(text, registry.classes)
    families, title = dict(parent.families if parent else {}), None
    with faults.noted("families"):
        families |= read_families(text)
    with faults.noted("title"):
        title = read_title(text)
    registry = replace(registry, views=views, families=families, title=title)
    datasets, written_datasets = _read_section(text, "datasets", _DATASET, faults)
    models, written_models = _read_section(text, "models", _MODEL, faults)
    datasets = {
        name: entry if is_default(path) else _with_built_in_title(with_built_in_files(entry, name), name)
        for name, entry in datasets.items()
    }
    _check_classes(text, registry, {"datasets": datasets, "models": models}, faults)
    datasets, models = (
        {name: entry for name, entry in entries.items() if (section, name) not in faults.broken}
        for section, entries in (("datasets", datasets), ("models", models))
    )
    registry = replace(
        registry,
        datasets={**(parent.datasets if parent else {}), **datasets},
        models={**(parent.models if parent else {}), **models},
        own_models=frozenset() if is_default(path) else frozenset(models),
        inherited=frozenset(models)
        if is_default(path)
        else (parent.inherited if parent else frozenset()) - set(models),
        written={**(parent.written if parent else {}), **written_datasets, **written_models},
    )
    if ("views",) not in faults.broken:
        with faults.noted("datasets"):
            registry = _resolve_views(text, registry, datasets)
    _check_fresh(text, _with_built_in(registry), datasets, faults)
    pairs = tuple(dict.fromkeys(_read_pairs(text, registry, faults)))
    inherited = parent.pairs if parent else ()
    own_pairs = () if is_default(path) else pairs or (parent.own_pairs if parent else ())
    return replace(registry, own_pairs=own_pairs, pairs=tuple(dict.fromkeys((*pairs, *inherited))))


def _parent(text: YamlText, below: tuple[Path, ...], faults: _Faults) -> Registry | None:
    name = text.content.get("extends")
    if name is None:
        return None
    if not isinstance(name, str):
        raise text.error(("extends",), "extends must name one registry", found=name, expected='"default" or a path')
    path = (
        default_path() if name == "default" else text.path.parent / Path(_expand_or_complain(text, name)).expanduser()
    )
    if path.resolve() in (*below, text.path.resolve()):
        raise text.error(("extends",), "a registry extends itself", found=name, expected="another file")
    if not path.is_file():
        raise text.error(
            ("extends",), "the registry to extend was not found", found=path, expected='"default" or a path to a file'
        )
    return _load(path, (*below, text.path.resolve()), faults)


def _expand_or_complain(text: YamlText, name: str) -> str:
    try:
        return expand(name)
    except ValueError as error:
        raise text.error(("extends",), str(error), found=name) from error


def _read_classes(text: YamlText, faults: _Faults) -> dict[str, ClassSpace]:
    spaces = {}
    for name, names in _section(text, "classes", faults).items():
        with faults.noted("classes", name):
            spaces[name] = _read_space(text, name, names)
    return spaces


def _section(text: YamlText, name: str, faults: _Faults, kind: type = dict) -> Any:
    with faults.noted(name):
        return text.section(name, kind)
    return kind()


def _read_space(text: YamlText, name: Any, names: object) -> ClassSpace:
    _check_name(text, "classes", name)
    if name in classes.BUILT_IN:
        raise text.error(("classes", name), "this label space is built in", fix="choose another name")
    if not isinstance(names, list):
        raise text.error(
            ("classes", name), "a label space must be a list", found=names, expected="[first class, second class, ...]"
        )
    for position, value in enumerate(names):
        if isinstance(value, bool) or not isinstance(value, str | int):  # YAML reads yes, no, on and off as bool
            raise text.error(
                ("classes", name, position),
                "invalid class name",
                found=repr(value),
                expected="text",
                fix="put it into quotes",
            )
    try:
        return ClassSpace(name, tuple(map(str, names)))
    except RegistryError as error:
        raise text.error(("classes", name), error.problem, found=error.found, expected=error.expected) from error


def _read_section(text: YamlText, section: str, adapter: Any, faults: _Faults) -> tuple[dict[str, Any], dict[str, Any]]:
    entries, written = {}, {}
    for name, content in _section(text, section, faults).items():
        several = section == "models" and is_family(content)
        with faults.noted(section, name):
            _check_name(text, section, name)
            for one, its in (_members(text, name, content) if several else {name: content}).items():
                try:
                    entries[one] = adapter.validate_python(its, context={"folder": text.path.parent})
                except ValidationError as error:
                    raise _explain(text, (section, name), its, error) from error
                written[f"{section}/{one}"] = its
    return entries, written


def _members(text: YamlText, name: str, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries that one with a wildcard stands for; the * in its name is each model's own."""
    if name.count("*") != 1:
        raise text.error(
            ("models", name),
            "an entry for many models has one * in its name, which stands for each one's own",
            found=name,
            expected=f'such as "*-{content["source"]}"',
        )
    found = members(content)
    if not found:
        known = sorted({facts["name"] for facts in listed(content["source"])})
        wanted = str(content.get("name"))
        raise text.error(
            ("models", name, "name"),
            f"{content['source']} has no weights that match",
            found=", ".join(str(content[key]) for key in ("name", "pretrained") if key in content),
            fix=did_you_mean(wanted.strip("*?"), known) or "* stands for any text, ? for any letter",
        )
    return {name.replace("*", own): its for own, its in found.items()}


def _check_name(text: YamlText, section: str, name: object) -> None:
    if not isinstance(name, str) or not name.strip() or len(name.encode()) > 120 or re.search(r"[:\x00-\x1f]", name):
        raise text.error(
            (section, name),
            "invalid name",
            found=repr(name),
            expected='text of 1 to 120 bytes without ":" and control characters (quote a number)',
        )


def _with_built_in_title(entry: AnyDataset, name: str) -> AnyDataset:
    """A built-in dataset named again, such as with a `path` of one's own, keeps its title."""
    known = _default().datasets.get(name)
    if entry.title or entry.view or known is None or known.source != entry.source:
        return entry
    return entry.model_copy(update={"title": known.title})


def with_built_in_files(entry: AnyDataset, name: str = "") -> AnyDataset:
    """`{source: cifar10}` alone is enough: what to download is what the default registry says of that source.

    Where the source does not tell which dataset is meant, its name does.
    """
    if not isinstance(entry, DownloadedDataset) or entry.files:
        return entry
    for known_name, known in _default().datasets.items():
        same = type(known) is type(entry) and all(
            getattr(known, field) == getattr(entry, field) for field in entry.variants
        )
        if same and isinstance(known, DownloadedDataset) and (entry.is_told or known_name == name):
            return entry.model_copy(update={"files": known.files})
    return entry


def _check_classes(
    text: YamlText, registry: Registry, sections: Mapping[str, Mapping[str, Any]], faults: _Faults
) -> None:
    grouped = [name for name, view in registry.views.items() if view.has_groups and name not in registry.classes]
    known = [*registry.classes, *grouped, *classes.BUILT_IN]
    for section, entries in sections.items():
        for name, entry in entries.items():
            if entry.classes in known:
                continue
            if ("classes", entry.classes) in faults.broken or {("views",), ("classes",)} & faults.broken:
                faults.broken.add((section, name))
                continue
            with faults.noted(section, name):
                raise text.error(
                    (section, name, "classes"),
                    "unknown label space",
                    found=entry.classes,
                    expected=_listed(known),
                    fix=did_you_mean(entry.classes, known) or f"declare it: classes: {{{entry.classes}: [...]}}",
                )


def _resolve_views(text: YamlText, registry: Registry, own: dict[str, Any]) -> Registry:
    """The registry with its own datasets seen in the views that their entries name or declare."""
    views, datasets = dict(registry.views), dict(registry.datasets)
    for name, entry in own.items():
        if entry.view is None or BUILT_IN_VIEWS.get(str(entry.view)) == entry.classes:
            continue
        place = ("datasets", name, "view")
        space = registry.class_space(entry.classes)
        if isinstance(entry.view, str):
            view = registry.view(entry.view)
            if view is None:
                known = (*BUILT_IN_VIEWS, *registry.views)
                raise text.error(
                    place,
                    f"there is no view {entry.view}",
                    found=entry.view,
                    expected=f"{', '.join(known)}, or one declared under views:",
                    fix=did_you_mean(entry.view, known),
                )
        else:
            view = views[name] = inline_view(text, name, entry.view, space, registry.classes)
        if not view.fits(space):
            raise text.error(
                place,
                f"the view {view.name} is one of {view.of.name}, not of {entry.classes}",
                found=entry.classes,
                expected=f"classes: {view.of.name}, or a label space that holds its groups by name",
            )
        datasets[name] = entry.seen_in(view)
    registry = replace(registry, views=views, datasets=datasets)
    return replace(registry, datasets={name: _fresh_alike(entry, registry) for name, entry in datasets.items()})


def _fresh_alike(entry: AnyDataset, registry: Registry) -> AnyDataset:
    """Fresh images are seen in the view of the images that they are compared with."""
    fresh = registry.datasets.get(entry.fresh) if entry.fresh and entry.view else None
    if fresh is None or (fresh.seen is not None and entry.seen is not None and fresh.seen.same_as(entry.seen)):
        return entry
    return entry.model_copy(update={"fresh": f"{entry.fresh}@{entry.view}"})


def _with_built_in(registry: Registry) -> Registry:
    """Pairs may name the built-in datasets, which a registry that extends nothing does not hold itself."""
    if is_default(registry.path):
        return registry
    return replace(registry, datasets={**_default().datasets, **registry.datasets})


def _check_fresh(text: YamlText, known: Registry, datasets: dict[str, Any], faults: _Faults) -> None:
    for name, entry in datasets.items():
        if entry.fresh is None or ("datasets", entry.fresh) in faults.broken:
            continue
        others = [other for other, there in known.datasets.items() if other != name and there.classes == entry.classes]
        if entry.fresh not in others:
            with faults.noted("datasets", name):
                raise text.error(
                    ("datasets", name, "fresh"),
                    "fresh images come from another dataset of the same classes",
                    found=entry.fresh,
                    expected=_listed(others),
                    fix=did_you_mean(entry.fresh, others),
                )


def _read_pairs(text: YamlText, registry: Registry, faults: _Faults) -> tuple[Pair, ...]:
    pairs = []
    known = _with_built_in(registry)
    broken = {place[1] for place in faults.broken if place[0] == "datasets" and len(place) > 1}
    anywhere = {("datasets",), ("views",)} & faults.broken
    for position, written in enumerate(_section(text, "pairs", faults, kind=list)):
        if isinstance(written, str) and (anywhere or broken & {one.partition("@")[0] for one in written.split(":")}):
            continue  # the error of the dataset is reported already
        with faults.noted("pairs", position):
            pairs.append(_read_pair(text, known, position, written))
    return tuple(pairs)


def _read_pair(text: YamlText, known: Registry, position: int, written: object) -> Pair:
    if not isinstance(written, str):
        raise text.error(
            ("pairs", position), "a pair must be text", found=written, expected="original:new, without a space"
        )
    try:
        return known.pair(written)
    except UsageError as error:
        raise text.error(
            ("pairs", position), error.problem, found=error.found, expected=error.expected, fix=error.fix
        ) from error


def _explain(text: YamlText, keys: tuple[str, str], content: object, error: ValidationError) -> RegistryError:
    """pydantic's errors in our words; a key that is missing because it is misspelt is reported once."""
    details = error.errors()
    misspelt = [str(one["loc"][-1]) for one in details if one["type"] == "extra_forbidden"]
    missing = [str(one["loc"][-1]) for one in details if one["type"] == "missing"]
    meant = {near_match(name, missing) for name in misspelt}
    left = [one for one in details if one["type"] != "missing" or str(one["loc"][-1]) not in meant]
    found = [_explain_one(text, keys, content, one) for one in left]
    return found[0] if len(found) == 1 else RegistryErrors(text.path, found)


def _explain_one(text: YamlText, keys: tuple[str, str], content: object, first: Any) -> RegistryError:
    kind = first["type"]
    # A discriminated union puts its tag first; it is not part of the path that the reader wrote.
    written = content.get("source") if isinstance(content, dict) else None
    path = first["loc"][1:] if first["loc"] and first["loc"][0] == written else first["loc"]
    place = (*keys, *path)
    entry = _entry_class(keys[0], written)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        sources = _sources(keys[0])
        return text.error(
            (*keys, "source") if written is not None else keys,
            "unknown source" if written is not None else "an entry must name its source",
            found=written,
            expected=", ".join(sources),
            fix=did_you_mean(str(written), sources) if written is not None else f"add source: {sources[0]}",
        )
    if kind == "extra_forbidden":
        allowed = _fields(entry, path[:-1])
        return text.error(
            place,
            "unknown key",
            found=path[-1],
            expected=", ".join(allowed),
            fix=did_you_mean(str(path[-1]), allowed),
        )
    if kind == "missing":
        fix = None
        if path[-1] == "preprocess":
            fix = "say how the model was trained to see images; {} when it takes pixels in [0, 1] as they are"
        return text.error(place, "missing key", expected=path[-1], fix=fix)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return text.error(place, "an entry must be a mapping", found=repr(first["input"]), expected="key: value lines")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    own = kind == "value_error"
    # YAML reads 57191229 and 1e10 as numbers, which are then not the text that was written.
    unquoted = kind == "string_type" and isinstance(first["input"], int | float)
    return text.error(
        place,
        message if own else "invalid value",
        found=None if own and isinstance(first["input"], dict) else repr(first["input"]),
        expected=None if own else message,
        fix="put it into quotes" if unquoted else None,
    )


def _union(section: str) -> tuple[type[Entry], ...]:
    union = AnyDataset if section == "datasets" else AnyModel
    return union.__origin__.__args__  # pyright: ignore[reportAttributeAccessIssue]


def _sources(section: str) -> list[str]:
    return [kind.model_fields["source"].annotation.__args__[0] for kind in _union(section)]  # pyright: ignore


def _entry_class(section: str, source: object) -> type[Entry] | None:
    kinds = zip(_sources(section), _union(section), strict=True)
    return next((kind for known, kind in kinds if known == source), None)


def _fields(entry: type[Entry] | None, inside: tuple[object, ...]) -> list[str]:
    if inside and inside[0] == "preprocess":
        return list(Preprocess.model_fields)
    if inside and inside[0] == "logits":
        return list(Logits.model_fields)
    if inside and inside[0] == "near_duplicates":
        return list(NearDuplicatesEntry.model_fields)
    if inside and inside[0] == "files":
        return list(FileEntry.model_fields)
    return list(entry.model_fields) if entry else []
