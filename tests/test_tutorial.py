"""The tutorial notebook runs from top to bottom and shows words, tables and pictures."""

import os
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytestmark = pytest.mark.late
NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # stored output would grow stale
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    shown: dict[str, Any] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown |= {cell.source.splitlines()[-1]: output["data"]} if output.output_type == "execute_result" else {}
    assert "image/png" in shown['report.draw("scatter")']
    assert "accuracy drops by" in shown["report"]["text/html"]
    assert (
        "<table" in shown['report.table[["title", "original_accuracy", "new_accuracy", "drop"]].round(3)']["text/html"]
    )
    assert (tmp_path / "report" / "index.html").is_file()
