"""Command lines in the documentation are ones that the program takes: commands, options, and values of each."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from commandline import run_here
from typer.main import get_command

from evalshift.analysis.tables import TABLES
from evalshift.cli import app
from evalshift.testbed.registry_reading import load_registry

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
PROGRAM: Any = get_command(app)
# Pages whose inline code leaves out the program's name.
SHORT = ("coverage.md",)


def command_lines(text: str, *, short: bool = False) -> list[str]:
    """Lines of code, and inline code, that begin with the program's name; with `short`, with one of its commands."""
    joined = text.replace("\\\n", " ")
    blocks = re.findall(r"^```.*?\n(.*?)^```", joined, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += [line.strip() for line in joined.splitlines() if line.startswith("    ")]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", joined, flags=re.MULTILINE | re.DOTALL))
    inline += [f"evalshift {code}" for code in inline if short and code.split()[0] in PROGRAM.commands]
    return [code for code in (*lines, *inline) if re.match(r"(\$ )?evalshift [a-z]", code)]


def parse(line: str) -> None:
    """Raises what the program would say of a command or an option that there is not."""
    words = shlex.split(line.removeprefix("$ ").removeprefix("evalshift "), comments=True)
    command, context = PROGRAM, PROGRAM.context_class(PROGRAM)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
        context = command.context_class(command, parent=context)
    command.make_parser(context).parse_args(words)


def all_options(command: Any) -> set[str]:
    below = getattr(command, "commands", {}).values()
    return {option for parameter in command.params for option in parameter.opts}.union(*map(all_options, below))


def test_command_lines_of_the_documentation_are_taken() -> None:
    refused = []
    for page in PAGES:
        for line in command_lines((DOCS / page).read_text("utf-8"), short=page in SHORT):
            try:
                parse(line)
            except Exception as error:
                refused.append(f"{page}: {line}: {error}")
    assert not refused, "\n".join(refused)


def test_options_named_in_the_page_on_datasets_are_options() -> None:
    known = all_options(PROGRAM) | {"--help"}
    prose = re.sub(r"^    .*$", "", (DOCS / "datasets.md").read_text("utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"`(--[a-z-]+)", prose)) - known == set()


def test_tables_and_entries_named_in_the_coverage_of_the_sources_exist() -> None:
    page = (DOCS / "coverage.md").read_text("utf-8")
    named = " ".join(re.findall(r"tables? (`[a-z_]+`(?:, `[a-z_]+`)*)", page))
    assert set(re.findall(r"`([a-z_]+)`", named)) - {*TABLES} == set()
    known = load_registry(DOCS.parent / "registry.yaml")
    entries = set(re.findall(r"`((?:cifar10|cinic10|imagenetv2|random-features|fisher-vectors|qmnist)[-.\w]*)`", page))
    assert len(entries) > 10
    assert entries - {*known.datasets, *known.models, "fisher-vectors", "random-features"} == set()


def test_other_command_lines_are_not() -> None:
    lines = command_lines("text `evalshift run --modles x`\n\n    evalshift dataset \\\n        shwo cifar10\n")
    assert lines == ["evalshift dataset          shwo cifar10", "evalshift run --modles x"]
    with pytest.raises(AssertionError, match="no command shwo"):
        parse(lines[0])
    with pytest.raises(Exception, match="--modles"):
        parse(lines[1])


def test_the_sample_of_a_simulated_pool_is_printed_as_in_the_page_on_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "132")
    section = (DOCS / "datasets.md").read_text("utf-8").partition("## Sampling")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    exec(compile(code, "datasets.md", "exec"), {})
    (line,) = command_lines(section)
    done = run_here(*shlex.split(line)[1:])
    assert done.code == 0, done.err
    assert [text.rstrip() for text in done.out.splitlines()] == printed.splitlines()
