"""The titles of a registry: its own, under `title:`, and those of families, under `families:`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalshift.errors import did_you_mean
from evalshift.testbed.entries import checked_title
from evalshift.testbed.yaml_text import YamlText

if TYPE_CHECKING:
    from evalshift.testbed.registry import Registry

_KEYS = ("title",)


def read_title(text: YamlText) -> str | None:
    """The title of the registry itself; None without one. RegistryError where it is not a line of text."""
    title = text.content.get("title")
    return None if title is None else _checked(text, ("title",), title)


def read_families(text: YamlText) -> dict[str, str]:
    """The titles declared under `families:`, by the family's name. RegistryError for the first error."""
    return {name: _family(text, name, content) for name, content in text.section("families").items()}


def _family(text: YamlText, name: object, content: Any) -> str:
    keys = ("families", name)
    if not isinstance(name, str) or not name.strip():
        raise text.error(keys, "invalid name of a family", found=repr(name), expected="text")
    if not isinstance(content, dict):
        raise text.error(keys, "a family must be a mapping", found=repr(content), expected="{title: ...}")
    for key in content:
        if key not in _KEYS:
            raise text.error(
                (*keys, key), "unknown key", found=key, expected="title", fix=did_you_mean(str(key), _KEYS)
            )
    if "title" not in content:
        raise text.error(keys, "missing key", expected="title")
    return _checked(text, (*keys, "title"), content["title"])


def _checked(text: YamlText, keys: tuple[object, ...], title: object) -> str:
    try:
        return checked_title(title)
    except ValueError as error:
        raise text.error(keys, "invalid title", found=repr(title), expected=str(error)) from error


def with_family_titles(registry: "Registry", families: Mapping[str, str]) -> "Registry":
    """The registry whose models carry the title of their family, in their entries and in what is stored of them."""
    models, written = dict(registry.models), dict(registry.written)
    for name, entry in registry.models.items():
        title = families.get(entry.family or "")
        if title is not None and entry.family_title is None:
            models[name] = entry.model_copy(update={"family_title": title})
            written[f"models/{name}"] = {**written.get(f"models/{name}", {}), "family_title": title}
    return replace(registry, models=models, written=written, families=families)
