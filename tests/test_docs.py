"""What users can write or call is documented: commands, options, registry fields, statistics."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import evalshift.analysis
from evalshift.cli import app
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.entries import FileEntry
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.preprocessing import Preprocess

ROOT = Path(__file__).parents[1]
REGISTRY_PAGE = (ROOT / "docs/registry.md").read_text("utf-8")
STATISTICS_PAGES = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("statistics/*.md"))
STATISTICS_OVERVIEW = (ROOT / "docs/statistics.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
DATASETS = AnyDataset.__origin__.__args__  # pyright: ignore[reportAttributeAccessIssue]
MODELS = AnyModel.__origin__.__args__  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("entry", [*DATASETS, *MODELS, FileEntry, Preprocess], ids=lambda entry: entry.__name__)
def test_every_registry_field_stands_in_the_registry_page(entry) -> None:
    prose = re.sub(r"```.*?```", "", REGISTRY_PAGE, flags=re.DOTALL)
    words = set(re.findall(r"`([^`\n]+)`", prose))
    assert [field for field in entry.model_fields if field != "source" and field not in words] == []


@pytest.mark.parametrize("entry", [*DATASETS, *MODELS], ids=lambda entry: entry.__name__)
def test_every_source_has_a_row(entry) -> None:
    source = entry.model_fields["source"].annotation.__args__[0]
    assert f"\n| `{source}` |" in REGISTRY_PAGE


def test_every_statistic_stands_in_the_statistics_pages() -> None:
    statistics = [name for name in evalshift.analysis.__all__ if name.islower()]
    # What gathers and passes on, rather than computing a number of its own.
    plumbing = {"compute_statistics", "load_outcomes", "load_pair", "summarize", "summarize_outcomes"}
    assert [name for name in statistics if name not in plumbing and f"`{name}`" not in STATISTICS_PAGES] == []


def test_every_command_stands_in_the_readme_or_changelog() -> None:
    text = README + (ROOT / "CHANGELOG.md").read_text("utf-8")
    commands = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    assert [name for name in commands if f"`{name}`" not in text and f"evalshift {name}" not in text] == []


def every_command(command: Any, name: str = "evalshift") -> Iterator[tuple[str, Any]]:
    yield name, command
    for below, sub in getattr(command, "commands", {}).items():
        yield from every_command(sub, f"{name} {below}")


def test_every_option_has_help_that_ends_like_a_sentence() -> None:
    for name, command in every_command(get_command(app)):
        for option in command.params:
            if option.name != "help":
                assert getattr(option, "help", None), f"{name} {option.name}"
                assert re.search(r"[.\]]$", option.help), f"{name} {option.name}: {option.help}"


def anchors(text: str) -> set[str]:
    """The headings of a page as the last part of a link to them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"):
        text = page.read_text("utf-8")
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
            if "://" in target:
                continue
            found = page.parent / target if target else page
            assert found.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(found.read_text("utf-8")), f"{page.name}: {target}#{anchor}"
            assert "--" not in anchor, f"{page.name}: GitHub and the site have different links to {target}#{anchor}"


def test_the_overview_of_statistics_lists_every_section() -> None:
    listed = set(re.findall(r"^\| \[.*?\]\(statistics/(\w+)\.md#([\w-]+)\) \|", STATISTICS_OVERVIEW, re.MULTILINE))
    sections = {
        (page.stem, anchor)
        for page in (ROOT / "docs").glob("statistics/*.md")
        if page.stem not in {"tables", "simulations"}
        for anchor in anchors("\n".join(re.findall(r"^## .*$", page.read_text("utf-8"), re.MULTILINE)))
    }
    assert listed == sections
