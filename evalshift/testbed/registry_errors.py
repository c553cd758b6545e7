"""The errors of a registry file: pydantic's in our words, and all of them together."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalshift.errors import RegistryError, RegistryErrors, did_you_mean
from evalshift.near_names import near_match
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.dataset_entry import NearDuplicatesEntry
from evalshift.testbed.entries import Entry, FileEntry
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.model_entry import Logits
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.yaml_text import YamlText


class Faults:
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


def explain(text: YamlText, keys: tuple[str, str], content: object, error: ValidationError) -> RegistryError:
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
