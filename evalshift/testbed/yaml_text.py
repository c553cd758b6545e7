"""YAML read strictly: duplicate keys are refused, and each part knows its line, so that an error can name it.

Not ruamel.yaml: what reads lines there is written in Python, and takes 14 times as long on the default registry.
"""

from pathlib import Path
from typing import Any

import yaml

from evalshift.errors import RegistryError, UsageError, did_you_mean
from evalshift.file_dependencies import depends_on
from evalshift.file_faults import file_fault
from evalshift.files import read_text
from evalshift.publishing import inert_text

# A file that aliases make so many times longer than it is written is no registry, and would fill the memory.
_MOST_EXPANSION = 100
_ALWAYS_ALLOWED = 1_000_000  # parts
_MOST_BITS = 1_000  # of a whole number

_Fastest: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Fastest):
    """A safe loader that refuses duplicate keys, which YAML forbids and PyYAML accepts."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            found = super().construct_object(node, deep)
            if isinstance(found, int) and found.bit_length() > _MOST_BITS:
                raise ValueError("too many digits")
            return found
        except (ValueError, LookupError, AttributeError, OverflowError) as error:  # of 2024-02-30, or of !!int x
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            raise yaml.constructor.ConstructorError(
                None, None, f"{inert_text(str(node.value))[:40]} is no valid {tag}", node.start_mark
            ) from error


class _DuplicateKeyError(yaml.constructor.ConstructorError):
    """A key that a mapping has already."""


def _mapping_without_duplicates(loader: Any, node: yaml.MappingNode) -> dict:
    seen: dict[Any, yaml.Mark] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue  # "<<: *other" may well bring keys that this mapping means to replace
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
        if key in seen:
            raise _DuplicateKeyError(
                f'the key "{key}" is also at line {seen[key].line + 1}', None, "and again", key_node.start_mark
            )
        seen[key] = key_node.start_mark
    loader.flatten_mapping(node)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }


def _refuse_expansion(node: yaml.Node | None) -> None:
    """Raise ConstructorError where aliases of aliases stand for more than any memory holds ("billion laughs")."""
    parts: dict[int, int] = {}
    if node is not None and _count_parts(node, parts) > max(_ALWAYS_ALLOWED, _MOST_EXPANSION * len(parts)):
        raise yaml.constructor.ConstructorError(None, None, "aliases repeat it beyond all measure", node.start_mark)


def _count_parts(node: yaml.Node, known: dict[int, int]) -> int:
    """Parts of a node, each alias counted as what it stands for; what contains itself is refused elsewhere."""
    if id(node) not in known:
        known[id(node)] = 1
        if isinstance(node, yaml.MappingNode):
            inside = [one for pair in node.value for one in pair]
        else:
            inside = node.value if isinstance(node, yaml.SequenceNode) else []
        known[id(node)] += sum(_count_parts(one, known) for one in inside)
    return known[id(node)]


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_duplicates)

SECTIONS = ("extends", "title", "classes", "views", "datasets", "families", "models", "pairs")


class YamlText:
    """A registry file as text: its content, and the line on which each part stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        depends_on(path)
        try:
            written = read_text(path)
        except FileNotFoundError as error:
            raise UsageError(
                "registry not found",
                where=path,
                fix="name one with `registry`, or leave it out to use the one that comes with evalshift",
            ) from error
        except (OSError, ValueError) as error:
            raise RegistryError(
                "the registry cannot be read", where=path, found=file_fault(error), expected="UTF-8 text"
            ) from error
        try:
            loader = _Loader(written)
            try:
                self.node = loader.get_single_node()
                _refuse_expansion(self.node)
                content = loader.construct_document(self.node) if self.node is not None else None
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            raise self._broken(error) from error
        except yaml.YAMLError as error:
            raise RegistryError("invalid YAML", where=path, found=str(error)) from error
        except RecursionError as error:
            raise RegistryError("invalid YAML", where=path, found="lists or mappings nested too deep") from error
        if not isinstance(content, dict | None):
            raise RegistryError(
                "a registry must be a mapping", where=path, found=type(content).__name__, expected=", ".join(SECTIONS)
            )
        self.content: dict[str, Any] = content or {}

    def unknown_sections(self) -> list[RegistryError]:
        """An error for each unknown section."""
        return [
            self.error(
                (key,),
                "unknown section",
                found=key,
                expected=", ".join(SECTIONS),
                fix=did_you_mean(str(key), SECTIONS),
            )
            for key in self.content
            if key not in SECTIONS
        ]

    def _broken(self, error: yaml.MarkedYAMLError) -> RegistryError:
        mark = error.problem_mark or error.context_mark
        where = f"{self.path}, line {mark.line + 1}, column {mark.column + 1}" if mark else self.path
        duplicate = isinstance(error, _DuplicateKeyError)
        return RegistryError(
            "duplicate key" if duplicate else "invalid YAML",
            where=where,
            found=error.context if duplicate else ", ".join(part for part in (error.context, error.problem) if part),
            expected="each key once: the second would silently replace the first" if duplicate else None,
            fix="rename or remove one" if duplicate else "look at the indentation and the quotes around that place",
        )

    def section(self, name: str, kind: type = dict) -> Any:
        content = self.content.get(name)
        if content is None:
            return kind()
        if not isinstance(content, kind):
            raise self.error(
                (name,),
                f"{name} has an invalid form",
                found=type(content).__name__,
                expected="a list of original:new" if kind is list else "a mapping from name to entry",
            )
        return content

    def line_of(self, keys: tuple[object, ...]) -> int | None:
        """The line, from 1, on which the part named by these keys begins; of its nearest parent when it is missing."""
        node, mark = self.node, None
        for key in keys:
            child = None
            if isinstance(node, yaml.MappingNode):
                for key_node, value_node in node.value:
                    if key_node.value == str(key):
                        child, mark = value_node, key_node.start_mark
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                child = node.value[key]
                mark = child.start_mark
            if child is None:
                break
            node = child
        return mark.line + 1 if mark else None

    def error(self, keys: tuple[object, ...], problem: str, **parts: object) -> RegistryError:
        line = self.line_of(keys)
        place = ".".join(str(key) for key in keys)
        where = f"{self.path}{f', line {line}' if line else ''}: {place}"
        return RegistryError(problem, where=where, **parts)  # pyright: ignore[reportArgumentType]
