"""What the site has besides the pages in docs/: pages from files elsewhere, a reference of the registry, an API index.

mkdocs calls these functions (`hooks:` in mkdocs.yml).
"""

import ast
import inspect
import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parents[2]
# Files of the repository that are pages of the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    pages = {page: (ROOT / name).read_text("utf-8") for name, page in PAGES.items()}
    pages["tutorial.md"] = notebook_page(ROOT / "docs/tutorial.ipynb")
    pages["registry_reference.md"] = registry_page()
    pages["api_statistics.md"] = statistics_page()
    pages["decisions.md"] = decisions_page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Publish the atlas of all published testbeds beside the pages."""
    from evalshift.analysis.atlas.page import write_atlas

    write_atlas(Path(config.site_dir) / "atlas.html")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files as links between pages, and lists as Markdown in Python reads them."""
    return listed(linked(markdown, page.file.src_uri, str(config.repo_url)))


def linked(markdown: str, page: str, repository: str) -> str:
    """Links of the repository as links of the site: to its page, or to the repository for what has none.

    >>> linked("[a](../SECURITY.md) [b](../examples/scatter.py)", "gallery.md", "https://x.y/z")
    '[a](security.md) [b](https://x.y/z/blob/main/examples/scatter.py)'
    """
    homes = {page: name for name, page in PAGES.items()} | {"tutorial.md": "docs/tutorial.ipynb"}
    folder = (ROOT / homes.get(page, f"docs/{page}")).parent

    def target(match: re.Match[str]) -> str:
        place, hash_, anchor = match[1].partition("#")
        file = (folder / place).resolve()
        if not place or "://" in place or not file.is_relative_to(ROOT) or not file.exists():
            return match[0]
        name = file.relative_to(ROOT).as_posix()
        up = "../" * page.count("/")
        if name in PAGES:
            return f"]({up}{PAGES[name]}{hash_}{anchor})"
        if name == "docs/tutorial.ipynb":
            return f"]({up}tutorial.md)"
        if name.startswith("docs/"):
            return f"]({up}{name.removeprefix('docs/')}{hash_}{anchor})"
        return f"]({repository}/blob/main/{name})"

    return re.sub(r"\]\(([^)\s]+)\)", target, markdown)


def listed(markdown: str) -> str:
    """A blank line before each list, without which Python-Markdown takes its items for text.

    >>> listed("**Notes.**\\n- one\\n- two")
    '**Notes.**\\n\\n- one\\n- two'
    """
    lines: list[str] = []
    code = False
    for line in markdown.splitlines():
        code ^= line.lstrip().startswith("```")
        before = lines[-1] if lines else ""
        begins = re.match(r"([-*]|\d+\.) ", line) and not re.match(r"(?:[-*]|\d+\.) |  ", before)
        if begins and before and not code:
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def notebook_page(notebook: Path) -> str:
    """A notebook without output as Markdown."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    texts = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells]
    return "\n\n".join(f"```python\n{text}\n```" if is_code else text for text, is_code in texts) + "\n"


def decisions_page() -> str:
    """The notes on decisions, by title."""
    notes = sorted((ROOT / "docs/decisions").glob("*.md"))
    titles = [note.read_text("utf-8").split("\n", 1)[0].removeprefix("# ") for note in notes]
    links = [f"- [{title}](decisions/{note.name})" for title, note in zip(titles, notes, strict=True)]
    return "\n".join(
        ["# Decisions", "", "One note per hard decision: the problem, what we do, and what it costs.", "", *links]
    )


def statistics_page() -> str:
    """The public names of evalshift.analysis for mkdocstrings, in the order of their modules."""
    lines = ["# Statistics in Python", "", "All names can be imported from `evalshift.analysis`.", ""]
    for module, names in _modules_of("evalshift/analysis/__init__.py"):
        lines += [f"::: {module}.{name}\n" for name in names]
    return "\n".join(lines)


def _modules_of(file: str) -> Iterator[tuple[str, list[str]]]:
    """The modules that a package imports for type checkers, with the names of each."""
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("evalshift."):
            yield node.module, [alias.name for alias in node.names if not alias.name.isupper()]


def registry_page() -> str:
    """Every field of every registry entry: type, default and meaning, from the pydantic models."""
    from evalshift.testbed.dataset_entries import AnyDataset
    from evalshift.testbed.dataset_entry import DatasetEntry, NearDuplicatesEntry
    from evalshift.testbed.entries import FileEntry
    from evalshift.testbed.model_entries import AnyModel
    from evalshift.testbed.model_entry import Logits, ModelEntry, WeightsPart
    from evalshift.testbed.preprocessing import Preprocess

    lines = [
        "# Registry reference",
        "",
        "Every field of every entry. [The registry](registry.md) explains how they work together.",
    ]
    for title, base, union in (("Datasets", DatasetEntry, AnyDataset), ("Models", ModelEntry, AnyModel)):
        lines += ["", f"## {title}", "", f"Fields of all {title.lower()}:", "", *_table(base, set())]
        for entry in typing.get_args(typing.get_args(union)[0]):
            source = typing.get_args(entry.model_fields["source"].annotation)[0]
            lines += ["", f"### source: {source}", "", _summary(entry), ""]
            own = _table(entry, {"source", *(name for name in base.model_fields if _same(entry, base, name))})
            lines += own if len(own) > 2 else []
    lines += ["", "## Parts of entries"]
    for entry, title in (
        (Preprocess, "preprocess"),
        (Logits, "logits"),
        (WeightsPart, "parts"),
        (FileEntry, "files"),
        (NearDuplicatesEntry, "near_duplicates"),
    ):
        lines += ["", f"### {title}", "", _summary(entry), "", *_table(entry, set())]
    return "\n".join(lines) + "\n"


def _same(entry: type[BaseModel], base: type[BaseModel], name: str) -> bool:
    mine, theirs = entry.model_fields[name], base.model_fields[name]
    return (mine.annotation, mine.default) == (theirs.annotation, theirs.default)


def _summary(entry: type[BaseModel]) -> str:
    """The docstring without its list of fields."""
    text = inspect.cleandoc(entry.__doc__ or "")
    return re.sub(r"\n{2,}", "\n\n", _FIELD.sub("", text)).strip()


def _table(entry: type[BaseModel], without: set[str]) -> list[str]:
    meanings = field_meanings(entry)
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in entry.model_fields.items():
        if name not in without:
            cells = (f"`{name}`", _type_words(field.annotation), _default(field), meanings[name])
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return lines


_FIELD = re.compile(r"^([a-z_0-9]+(?:, [a-z_0-9]+)*) {2,}(.*(?:\n {3,}.*)*)\n?", re.MULTILINE)


def field_meanings(entry: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say of each field."""
    found: dict[str, str] = {"source": "the source"}
    for one in reversed(entry.__mro__):
        for match in _FIELD.finditer(inspect.cleandoc(vars(one).get("__doc__") or "")):
            found |= dict.fromkeys(match[1].split(", "), " ".join(match[2].split()))
    return found


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    default = field.default_factory() if field.default is PydanticUndefined else field.default
    if default is None or default in ((), {}):
        return ""
    if isinstance(default, BaseModel):
        return "`{}`"
    return f"`{json.dumps(default)}`"


def _type_words(annotation: Any) -> str:
    """A type in words of YAML.

    >>> _type_words(int | None), _type_words(tuple[str, ...]), _type_words(typing.Literal["a", "b"])
    ('whole number', 'list of text', '`a`, `b`')
    """
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_words(inner[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (tuple, list):
        return f"list of {_type_words(inner[0])}"
    if origin is dict:
        return "mapping" if inner[1] is Any else f"mapping to {_type_words(inner[1])}"
    if inner:
        words = [_type_words(one) for one in inner if one is not type(None)]
        return " or ".join(dict.fromkeys(words))
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", dict: "mapping"}
    return names.get(annotation, "text" if annotation is Any else "mapping")
