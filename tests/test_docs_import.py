"""The commands of docs/import.md about predictions are run, on files of the forms that the page names."""

import re
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here

from evalshift.evaluate.store import Results
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.registry import load_registry

PAGE = (Path(__file__).parents[1] / "docs/import.md").read_text("utf-8")
SECTION = PAGE[PAGE.index("## One model's predictions") : PAGE.index("## A table of accuracies")]
COMMANDS = re.findall(r"^evalshift (import predictions .*)$", SECTION, re.MULTILINE)


@pytest.fixture
def correct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Files of each form in the working folder; how many of their predictions are correct."""
    monkeypatch.chdir(tmp_path)
    registry = load_registry()
    entry = registry.datasets["digits-new-writers"]
    dataset = load_dataset("digits-new-writers", entry, registry.class_space(entry.classes))
    labels, ids = dataset.labels, dataset.ids
    top = np.where(np.arange(len(labels)) % 10 == 3, (labels + 1) % 10, labels)
    order = np.random.default_rng(0).permutation(len(labels))

    def write(name: str, header: str, form: str, rows: np.ndarray = order) -> None:
        lines = [form.format(id=ids[row], top=top[row], label=labels[row], one=top[row] + 1) for row in rows]
        Path(name).write_text("\n".join([header, *lines] if header else lines) + "\n")

    write("my-net.csv", "filename,index,label,prob", "{id}.png,{top},{top},0.93")
    write("infer.csv", "filename,index,label,prob", "images/{id}.png,{top},{top},0.93")
    np.savez("logits.npz", logits=np.eye(10)[top], targets=labels)
    write("from-one.csv", "image,prediction", "{id},{one}")
    write("some.csv", "image,top1", "{id},{top}", order[order % 10 != 3])
    write("my-net.txt", "", "{id}.png {top}")
    write("val.txt", "", "{id}.png {label}", np.arange(len(labels)))
    return int((top == labels).sum())


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page(correct: int, command: str) -> None:
    done = run_here(*command.split())
    assert done.code == 0, done.err
    words = command.split()
    dataset, model = words[words.index("--dataset") + 1], words[words.index("--model") + 1]
    results = Results("results")
    found = results.load_predictions(dataset, model)
    assert int(found.hits(results.load_dataset(dataset).labels).sum()) == correct


def test_the_page_has_a_command_for_each_form() -> None:
    assert {command.split()[2] for command in COMMANDS} == {
        "my-net.csv",
        "infer.csv",
        "logits.npz",
        "from-one.csv",
        "some.csv",
        "my-net.txt",
    }


def test_complaints_name_the_options(correct: int) -> None:
    done = run_here("import", "predictions", "some.csv", "--model", "m", "--dataset", "digits-new-writers")
    assert done.code == 2
    assert done.err.endswith('  fix:      --missing "incorrect" counts them as incorrect\n')
