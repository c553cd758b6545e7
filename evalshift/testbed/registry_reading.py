"""registry.yaml → a Registry of frozen entries.

Each error names its file, line, entry and field, what was found and what is expected. Nothing is opened, downloaded
or built by reading a registry.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evalshift.errors import RegistryError, UsageError, did_you_mean
from evalshift.testbed import classes
from evalshift.testbed.class_groups import GROUPED_VIEWS
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.dataset_entry import DownloadedDataset
from evalshift.testbed.entries import path_of_text
from evalshift.testbed.families import is_family, listed, members
from evalshift.testbed.known_facts import with_known_facts
from evalshift.testbed.library_model_entries import OpenClipModel
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.registry import Pair, Registry, is_pattern, listed_names
from evalshift.testbed.registry_errors import Faults, explain
from evalshift.testbed.registry_path import default_path, find_registry, is_default
from evalshift.testbed.registry_titles import read_families, read_title, with_family_titles
from evalshift.testbed.registry_views import inline_view, read_views
from evalshift.testbed.trust import trusting
from evalshift.testbed.views import BUILT_IN_VIEWS, View
from evalshift.testbed.yaml_text import YamlText

_DATASET: TypeAdapter[Any] = TypeAdapter(AnyDataset)
_MODEL: TypeAdapter[Any] = TypeAdapter(AnyModel)


def load_registry(path: str | Path | None = None) -> Registry:
    """Read and validate a registry; None means ./registry.yaml, else the one that comes with evalshift.

    Pairs in any registry can use the built-in datasets. Code in .py files below the folder of a registry that is named
    here is trusted; see `testbed.trust`.

    Raises RegistryError for an error, RegistryErrors for several.
    """
    faults = Faults()
    registry = _read_all(path, faults)
    faults.raise_all(registry.path)
    return registry


def read_registry(path: str | Path | None = None) -> tuple[Registry, tuple[RegistryError, ...]]:
    """The registry without the entries that have errors, and those errors, instead of raising them.

    Raises RegistryError for a file that cannot be read at all.
    """
    faults = Faults()
    return _read_all(path, faults), tuple(faults.errors)


def _read_all(path: str | Path | None, faults: Faults) -> Registry:
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
        families_of_pairs=registry.families_of_pairs if registry.pairs else default.families_of_pairs,
    )


@cache
def _load_default_once(path: Path, changed: int) -> Registry:
    faults = Faults()
    registry = _read(path, (), faults)
    faults.raise_all(path)
    return registry


@cache
def _default_with_titles(path: Path, changed: int) -> Registry:
    registry = _load_default_once(path, changed)
    return with_family_titles(with_known_facts(registry, registry, registry.families), registry.families)


def _load(path: Path, below: tuple[Path, ...], faults: Faults) -> Registry:
    if is_default(path) and path.is_file():
        return _load_default_once(path.resolve(), path.stat().st_mtime_ns)
    return _read(path, below, faults)


def _default() -> Registry:
    return _load(default_path(), (), Faults())


def _read(path: Path, below: tuple[Path, ...], faults: Faults) -> Registry:
    text = YamlText(path)
    faults.errors += text.unknown_sections()
    parent = _parent(text, below, faults) or _empty(path)
    registry = _with_names(_empty(path), parent, text, faults)
    registry, datasets = _with_entries(registry, parent, text, faults)
    if ("views",) not in faults.broken:
        with faults.noted("datasets"):
            registry = _resolve_views(text, registry, datasets)
    _check_fresh(text, _with_built_in(registry), datasets, faults)
    pairs, families_of_pairs = _read_pairs(text, registry, faults)
    return replace(
        registry,
        own_pairs=() if is_default(path) else pairs or parent.own_pairs,
        pairs=tuple(dict.fromkeys((*pairs, *parent.pairs))),
        families_of_pairs=families_of_pairs or parent.families_of_pairs,
    )


def _empty(path: Path) -> Registry:
    return Registry(path=path, classes={}, datasets={}, models={}, pairs=(), own_pairs=(), written={})


def _with_names(registry: Registry, parent: Registry, text: YamlText, faults: Faults) -> Registry:
    """With what entries refer to by name, the parent's included: label spaces, views and families; and the title."""
    registry = replace(registry, classes={**parent.classes, **_read_classes(text, faults)})
    views, families, title = dict(parent.views), dict(parent.families), None
    with faults.noted("views"):
        views |= read_views(text, registry.classes)
    with faults.noted("families"):
        families |= read_families(text)
    with faults.noted("title"):
        title = read_title(text)
    return replace(registry, views=views, families=families, title=title)


def _with_entries(
    registry: Registry, parent: Registry, text: YamlText, faults: Faults
) -> tuple[Registry, dict[str, AnyDataset]]:
    """With the datasets and models, the parent's included; and those of the file's own datasets that have no errors."""
    is_packaged = is_default(registry.path)
    datasets, written_datasets = _read_section(text, "datasets", _DATASET, faults)
    models, written_models = _read_section(text, "models", _MODEL, faults)
    if not is_packaged:
        datasets = {
            name: _with_built_in_facts(with_built_in_files(entry, name), name) for name, entry in datasets.items()
        }
    _check_classes(text, registry, {"datasets": datasets, "models": models}, faults)
    datasets, models = (
        {name: entry for name, entry in entries.items() if (section, name) not in faults.broken}
        for section, entries in (("datasets", datasets), ("models", models))
    )
    registry = replace(
        registry,
        datasets={**parent.datasets, **datasets},
        models={name: _with_declared_classes(entry, registry) for name, entry in {**parent.models, **models}.items()},
        own_models=frozenset() if is_packaged else frozenset(models),
        inherited=frozenset(models) if is_packaged else parent.inherited - set(models),
        written={**parent.written, **written_datasets, **written_models},
    )
    return registry, datasets


def _parent(text: YamlText, below: tuple[Path, ...], faults: Faults) -> Registry | None:
    name = text.content.get("extends")
    if name is None:
        return None
    if not isinstance(name, str):
        raise text.error(("extends",), "extends must name one registry", found=name, expected='"default" or a path')
    path = default_path() if name == "default" else text.path.parent / _path_or_complain(text, name)
    if path.resolve() in (*below, text.path.resolve()):
        raise text.error(("extends",), "a registry extends itself", found=name, expected="another file")
    if not path.is_file():
        raise text.error(
            ("extends",), "the registry to extend was not found", found=path, expected='"default" or a path to a file'
        )
    return _load(path, (*below, text.path.resolve()), faults)


def _path_or_complain(text: YamlText, name: str) -> Path:
    try:
        return path_of_text(name)
    except ValueError as error:
        raise text.error(("extends",), str(error), found=name) from error


def _read_classes(text: YamlText, faults: Faults) -> dict[str, ClassSpace]:
    spaces = {}
    for name, names in _section(text, "classes", faults).items():
        with faults.noted("classes", name):
            spaces[name] = _read_space(text, name, names)
    return spaces


def _section(text: YamlText, name: str, faults: Faults, kind: type = dict) -> Any:
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


def _read_section(text: YamlText, section: str, adapter: Any, faults: Faults) -> tuple[dict[str, Any], dict[str, Any]]:
    entries, written = {}, {}
    for name, content in _section(text, section, faults).items():
        several = section == "models" and is_family(content)
        with faults.noted(section, name):
            _check_name(text, section, name)
            for one, its in (_members(text, name, content) if several else {name: content}).items():
                try:
                    entries[one] = adapter.validate_python(its, context={"folder": text.path.parent})
                except ValidationError as error:
                    raise explain(text, (section, name), its, error) from error
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


def _with_built_in_facts(entry: AnyDataset, name: str) -> AnyDataset:
    """A built-in dataset named again, such as with a `path` of one's own, keeps its title and its several labels."""
    known = _default().datasets.get(name)
    if entry.title or entry.view or known is None or known.source != entry.source:
        return entry
    kept = {key: getattr(known, key) for key in ("title", "multi_labels") if getattr(entry, key) is None}
    return entry.model_copy(update=kept)


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
    text: YamlText, registry: Registry, sections: Mapping[str, Mapping[str, Any]], faults: Faults
) -> None:
    grouped = [name for name, view in registry.views.items() if view.has_groups and name not in registry.classes]
    known = list(dict.fromkeys((*registry.classes, *grouped, *classes.BUILT_IN, *GROUPED_VIEWS)))
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
                    expected=listed_names(known),
                    fix=did_you_mean(entry.classes, known) or f"declare it: classes: {{{entry.classes}: [...]}}",
                )


def _with_declared_classes(entry: Any, registry: Registry) -> Any:
    if isinstance(entry, OpenClipModel) and entry.classes in {*registry.classes, *registry.views}:
        return entry.with_declared_classes(registry.class_space(entry.classes).names)
    return entry


def _resolve_views(text: YamlText, registry: Registry, own: dict[str, Any]) -> Registry:
    """The registry with its own datasets seen in the views that their entries name or declare."""
    views, datasets = dict(registry.views), dict(registry.datasets)
    for name, entry in own.items():
        if entry.view is None or _is_built_in(entry, views):
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


def _is_built_in(entry: AnyDataset, declared: Mapping[str, View]) -> bool:
    """Whether the view of an entry is a built-in one that fits by its name, so that its table need not be opened."""
    name = str(entry.view)
    return name not in declared and name in BUILT_IN_VIEWS and entry.classes in (BUILT_IN_VIEWS[name], name)


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


def _check_fresh(text: YamlText, known: Registry, datasets: dict[str, Any], faults: Faults) -> None:
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
                    expected=listed_names(others),
                    fix=did_you_mean(entry.fresh, others),
                )


def _read_pairs(text: YamlText, registry: Registry, faults: Faults) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """The pairs, each once, and those of the default registry that stand for many, which are not filled in."""
    pairs: list[Pair] = []
    families: list[Pair] = []
    known = _with_built_in(registry)
    broken = {place[1] for place in faults.broken if place[0] == "datasets" and len(place) > 1}
    anywhere = {("datasets",), ("views",)} & faults.broken
    for position, written in enumerate(_section(text, "pairs", faults, kind=list)):
        if isinstance(written, str) and (anywhere or broken & {one.partition("@")[0] for one in written.split(":")}):
            continue  # the error of the dataset is reported already
        with faults.noted("pairs", position):
            if isinstance(written, str) and is_pattern(written) and is_default(registry.path):
                families.append(Pair(*written.split(":")))
            else:
                pairs += _read_pair(text, known, position, written)
    return tuple(dict.fromkeys(pairs)), tuple(families)


def _read_pair(text: YamlText, known: Registry, position: int, written: object) -> tuple[Pair, ...]:
    if not isinstance(written, str):
        raise text.error(
            ("pairs", position), "a pair must be text", found=written, expected="original:new, without a space"
        )
    try:
        return known.matching_pairs(written)
    except UsageError as error:
        raise text.error(
            ("pairs", position), error.problem, found=error.found, expected=error.expected, fix=error.fix
        ) from error
