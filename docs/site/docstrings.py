"""Docstrings as Markdown, for mkdocstrings: lists of "name   meaning" as lists, doctests as code."""

import re
from typing import Any

from griffe import Extension, Object

_FIELDS = re.compile(r"(?:^[a-z_0-9]+(?:, [a-z_0-9]+)* {2,}\S.*\n?(?: {3,}\S.*\n?)*)+", re.MULTILINE)
_FIELD = re.compile(r"^([a-z_0-9]+(?:, [a-z_0-9]+)*) {2,}(.*(?:\n {3,}.*)*)", re.MULTILINE)


class Docstrings(Extension):
    """Called for each object that is documented."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """The docstring with its fields as a list.

    >>> print(as_markdown("Do it.\\n\\nname   what\\n       it is\\nx      more"))
    Do it.
    <BLANKLINE>
    - `name`: what it is
    - `x`: more
    """

    def listed(match: re.Match[str]) -> str:
        items = [f"- `{name}`: {' '.join(meaning.split())}" for name, meaning in _FIELD.findall(match[0])]
        return "\n" * (not match.string[: match.start()].endswith("\n\n")) + "\n".join(items) + "\n\n"

    parts = re.split(r"(^>>> .*(?:\n(?!\n).*)*)", text, flags=re.MULTILINE)
    return "".join(
        f"```python\n{part}\n```" if part.startswith(">>> ") else _FIELDS.sub(listed, part) for part in parts
    ).rstrip()
