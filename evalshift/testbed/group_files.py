"""Files that say which classes a view takes together or keeps, as ImageNet-9, ObjectNet and others publish them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.views import ViewFault, is_class

_LEFT_OUT = (None, -1, "-1", "")
_FORMS = "JSON: class → group, group → classes, or the group of each class in a list"


def read_group_file(path: Path, of: ClassSpace, space: ClassSpace | None) -> Mapping[object, object]:
    """Groups and their members, as `view_of_groups` takes them, from a JSON file.

    class → group   of all or some classes, by label, name or wnid; −1 and null leave a class out (in_to_in9.json)
    group → classes a list, one class, or several in a text with ";" between them (objectnet_to_imagenet_1k.json)
    a list          the group of each class in the order of labels

    Groups that are numbers are called after the label space `space` where one is declared, else by their numbers.
    Raises ViewFault for a file that cannot be read or is none of these.
    """
    content = _json(path)
    if isinstance(content, list) and len(content) == len(of) and not any(isinstance(one, list) for one in content):
        return _by_group(dict(enumerate(content)), path, space)
    if not isinstance(content, Mapping) or not content:
        kind = f"a list of {len(content):,}" if isinstance(content, list) else type(content).__name__
        raise _fault(path, "this file does not say which classes belong together", found=kind, expected=_FORMS)
    if _is_of_classes(content, of):
        return _by_group(content, path, space)
    return {group: _members(members, of) for group, members in content.items()}


def read_kept_file(path: Path) -> list[Any]:
    """The classes that a view keeps: a JSON list, or a text with one class per line. Raises ViewFault."""
    if path.suffix.lower() == ".json":
        content = _json(path)
        if not isinstance(content, list):
            raise _fault(path, "this file does not list classes", found=type(content).__name__, expected="a JSON list")
        return content
    return [line.strip() for line in _text(path).splitlines() if line.strip() and not line.startswith("#")]


def _is_of_classes(content: Mapping[str, object], of: ClassSpace) -> bool:
    """Whether keys are classes and values their groups; else keys are groups."""
    values = list(content.values())
    if not all(value is None or isinstance(value, int | str) for value in values):
        return False
    if not all(is_class(key, of) for key in content):
        return False
    numbers = all(value is None or isinstance(value, int) for value in values)
    return numbers or len(content) == len(of)


def _by_group(group_of: Mapping[Any, Any], path: Path, space: ClassSpace | None) -> dict[object, object]:
    odd = [group for group in group_of.values() if isinstance(group, bool | float | list | dict)]
    if odd:
        raise _fault(path, "a group is neither a number nor a name", found=repr(odd[0]), expected=_FORMS)
    numbers = all(group in _LEFT_OUT or isinstance(group, int) for group in group_of.values())
    groups: dict[Any, list[object]] = {}
    for member, group in group_of.items():
        if group not in _LEFT_OUT:
            groups.setdefault(group, []).append(member)
    if not numbers:
        return {str(group): members for group, members in groups.items()}
    low = [group for group in groups if group < 0 or (space is not None and group >= len(space))]
    if low:
        expected = "-1 or a number from 0" + ("" if space is None else f" to {len(space) - 1} ({space.name})")
        raise _fault(path, "a group has an invalid number", found=str(low[0]), expected=expected)
    return {str(group) if space is None else space.names[group]: groups[group] for group in sorted(groups)}


def _members(members: object, of: ClassSpace) -> object:
    if isinstance(members, str) and ";" in members and not is_class(members, of):
        return [part.strip() for part in members.split(";") if part.strip()]
    return members


def _json(path: Path) -> Any:
    text = _text(path)
    try:
        return json_content(text)
    except ValueError as error:
        raise _fault(path, "the file of classes is not JSON", found=file_fault(error), expected=_FORMS) from error


def _text(path: Path) -> str:
    try:
        return read_text(path, "utf-8-sig")
    except FileNotFoundError as error:
        raise _fault(path, "the file of classes was not found", expected="a file at this path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(path, "the file of classes cannot be read", found=file_fault(error)) from error


def _fault(path: Path, problem: str, found: str | None = None, expected: str | None = None) -> ViewFault:
    return ViewFault((), problem, found=str(path) if found is None else f"{path}: {found}", expected=expected)
