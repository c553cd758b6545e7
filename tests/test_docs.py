"""What users can write or call is documented: commands, options, registry fields, statistics."""

import re
from pathlib import Path

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
STATISTICS_PAGE = (ROOT / "docs/statistics.md").read_text("utf-8")
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


def test_every_statistic_stands_in_the_statistics_page() -> None:
    statistics = [name for name in evalshift.analysis.__all__ if name.islower()]
    # What gathers and passes on, rather than computing a number of its own.
    plumbing = {"load_outcomes", "load_pair", "summarize", "summarize_outcomes"}
    assert [name for name in statistics if name not in plumbing and name not in STATISTICS_PAGE] == []


def test_every_command_stands_in_the_readme_or_changelog() -> None:
    text = README + (ROOT / "CHANGELOG.md").read_text("utf-8")
    commands = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    assert [name for name in commands if f"`{name}`" not in text and f"evalshift {name}" not in text] == []


def test_every_option_has_help_that_ends_like_a_sentence() -> None:
    for name, command in get_command(app).commands.items():  # pyright: ignore[reportAttributeAccessIssue]
        for option in command.params:
            if option.name != "help":
                assert getattr(option, "help", None), f"{name} {option.name}"
                assert re.search(r"[.\]]$", option.help), f"{name} {option.name}: {option.help}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
