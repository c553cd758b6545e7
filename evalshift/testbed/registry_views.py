"""The views of a registry as YAML writes them: under `views:`, or in a dataset's entry."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalshift.errors import did_you_mean
from evalshift.testbed.classes import BUILT_IN, ClassSpace, built_in
from evalshift.testbed.entries import path_of_text
from evalshift.testbed.group_files import read_group_file, read_kept_file
from evalshift.testbed.views import FIXED_VIEWS, View, ViewFault, is_class, view_of_groups, view_of_part
from evalshift.testbed.yaml_text import YamlText

_KEYS = ("of", "groups", "keep")
_KEPT_SUFFIXES = (".json", ".txt", ".csv")


def read_views(text: YamlText, spaces: Mapping[str, ClassSpace]) -> dict[str, View]:
    """The views declared under `views:`, each with the label space it is of; RegistryError for the first error."""
    return {name: _declared(text, ("views", name), name, content, spaces) for name, content in _section(text).items()}


def _section(text: YamlText) -> dict[str, Any]:
    section = text.section("views")
    for name, content in section.items():
        keys = ("views", name)
        if not isinstance(name, str) or not name.strip() or any(sign in name for sign in ":@"):
            raise text.error(keys, "invalid name of a view", found=repr(name), expected='text without ":@"')
        if not isinstance(content, dict):
            raise text.error(
                keys,
                "a view must be a mapping",
                found=repr(content),
                expected="of: a label space, and groups: {name: [classes]} or keep: [classes]",
            )
    return section


def inline_view(text: YamlText, name: str, content: Any, space: ClassSpace, spaces: Mapping[str, ClassSpace]) -> View:
    """The view that a dataset's entry declares, called as the dataset is.

    Groups ({dog: [151, 152], ...}), the classes to keep ([151, 152, ...]), or what stands under `views:`; it is of the
    dataset's own label space where it does not say.
    """
    keys = ("datasets", name, "view")
    known = {**spaces, space.name: space}
    if isinstance(content, list):
        return _declared(text, keys, name, {"of": space.name, "keep": content}, known, short=True)
    if not {"groups", "keep"} & set(content) or not set(content) <= set(_KEYS):
        return _declared(text, keys, name, {"of": space.name, "groups": content}, known, short=True)
    return _declared(text, keys, name, {"of": space.name, **content}, known)


def _declared(
    text: YamlText,
    keys: tuple[object, ...],
    name: str,
    content: dict[str, Any],
    spaces: Mapping[str, ClassSpace],
    *,
    short: bool = False,
) -> View:
    """`short`: groups or classes to keep were written without that key."""
    if name in FIXED_VIEWS:
        raise text.error(
            keys, f"the view {name} is built in", fix="declare it under views: with another name, and name it here"
        )
    for key in content:
        if key not in _KEYS:
            raise text.error(
                (*keys, key), "unknown key", found=key, expected=", ".join(_KEYS), fix=did_you_mean(str(key), _KEYS)
            )
    of = _space(text, keys, content.get("of"), spaces)
    groups, keep = content.get("groups"), content.get("keep")
    if (groups is None) == (keep is None):
        raise text.error(keys, "a view has either groups or keep", expected="one of them")
    if groups is not None and not isinstance(groups, dict | str):
        raise text.error((*keys, "groups"), "groups must be a mapping", found=repr(groups), expected="name: [classes]")
    try:
        with _at("groups" if keep is None else "keep"):
            if isinstance(groups, str):
                groups = read_group_file(_path(text, groups), of, spaces.get(name))
            if isinstance(keep, str) and not is_class(keep, of) and Path(keep).suffix in _KEPT_SUFFIXES:
                keep = read_kept_file(_path(text, keep))
        return view_of_part(name, of, keep) if groups is None else view_of_groups(name, of, groups, spaces.get(name))
    except ViewFault as fault:
        raise text.error((*keys, *fault.keys[short:]), fault.problem, **fault.parts) from fault


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Say under which key a file is named that has a fault."""
    try:
        yield
    except ViewFault as fault:
        raise ViewFault((key,), fault.problem, **fault.parts) from fault


def _path(text: YamlText, written: str) -> Path:
    """A path as a registry writes it, relative to its folder."""
    try:
        return text.path.parent / path_of_text(written)
    except ValueError as error:
        raise ViewFault((), str(error), found=written) from error


def _space(text: YamlText, keys: tuple[object, ...], name: object, spaces: Mapping[str, ClassSpace]) -> ClassSpace:
    known = [*spaces, *BUILT_IN]
    if name is None:
        raise text.error(keys, "missing key", expected="of, the label space that models predict in")
    if name not in known:
        raise text.error(
            (*keys, "of"),
            "unknown label space",
            found=str(name),
            expected=", ".join(known),
            fix=did_you_mean(str(name), known),
        )
    return spaces[str(name)] if name in spaces else built_in(str(name))
