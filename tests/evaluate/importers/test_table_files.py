"""Tables of accuracies in the forms that others keep them in: their cells, digit for digit."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from messages import says

from evalshift.evaluate.importers.table_files import read_accuracy_table


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_cells_keep_their_digits(tmp_path: Path) -> None:
    text = 'model,top1,top5\n"a, b",76.10,\nc,7.5e1,93.0\n'
    cells = read_accuracy_table(written(tmp_path / "a.csv", text)).cells
    assert cells.to_dict("list") == {"model": ["a, b", "c"], "top1": ["76.10", "7.5e1"], "top5": ["", "93.0"]}
    frame = pd.DataFrame({"top1": [0.5, None]}, index=["a", "b"])
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_accuracy_table(tmp_path / "a.parquet").cells.to_dict("list") == {"": ["a", "b"], "top1": ["0.5", ""]}
    frame.reset_index(names="model").to_json(tmp_path / "a.json", orient="records")
    assert read_accuracy_table(tmp_path / "a.json").cells.to_dict("list") == {"model": ["a", "b"], "top1": ["0.5", ""]}


@pytest.mark.parametrize(
    "text, found",
    [
        ("model,a\nx,1,2\n", "line 2 has 3 cells, the header 2"),
        ("model,a,a\nx,1,2\n", 'two columns are called "a"'),
    ],
)
def test_uneven_tables(tmp_path: Path, complaint: Callable[..., str], text: str, found: str) -> None:
    path = written(tmp_path / "a.csv", text)
    says(complaint(read_accuracy_table, path), where=path, found=found)


def cells_of(path: Path, text: str) -> dict[str, list[str]]:
    cells = read_accuracy_table(written(path, text), {"imagenet", "imagenet-a"}.__contains__).cells
    return {name: list(cells[name]) for name in cells.columns}


MODELS = {"model": ["a", "b"], "top1": ["76.10", "7.5e1"]}
NAMED = {"": ["a", "b"], "top1": ["76.10", "7.5e1"]}
BY_DATASET = {"": ["a", "b"], "imagenet": ["76.10", "70.0"], "imagenet-a": ["12.3", "9.0"]}


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("a.json", '[{"model": "a", "top1": 76.10}, {"model": "b", "top1": 7.5e1}]', MODELS),
        ("a.jsonl", '{"model": "a", "top1": 76.10}\n{"model": "b", "top1": 7.5e1}\n', MODELS),
        ("a.json", '{"model": "a", "top1": 76.10}\n{"model": "b", "top1": 7.5e1}\n', MODELS),
        ("a.json", '{"model": ["a", "b"], "top1": [76.10, 7.5e1]}', MODELS),
        ("a.json", '{"model": {"0": "a", "1": "b"}, "top1": {"0": 76.10, "1": 7.5e1}}', MODELS),
        ("a.json", '{"columns": ["model", "top1"], "index": [0, 1], "data": [["a", 76.10], ["b", 7.5e1]]}', MODELS),
        ("a.json", '{"version": 2, "results": [{"model": "a", "top1": 76.10}, {"model": "b", "top1": 7.5e1}]}', MODELS),
        ("a.json", '{"a": {"top1": 76.10}, "b": {"top1": 7.5e1}}', NAMED),
        ("a.json", '{"a": 76.10, "b": 7.5e1}', {"": ["a", "b"], "accuracy": ["76.10", "7.5e1"]}),
        ("a.json", '{"imagenet": {"a": 76.10, "b": 70.0}, "imagenet-a": {"a": 12.3, "b": 9.0}}', BY_DATASET),
        (
            "a.json",
            '{"a": {"imagenet": 76.10, "imagenet-a": 12.3}, "b": {"imagenet": 70.0, "imagenet-a": 9.0}}',
            BY_DATASET,
        ),
        (
            "a.json",
            '{"model": "a", "metrics": {"acc1": 0.50, "per_class": [1, 2]}, "seed": null, "amp": true}',
            {"model": ["a"], "metrics.acc1": ["0.50"], "seed": [""], "amp": ["True"]},
        ),
        ("a.json", '{"top1": 76.10, "top5": 92.0}', {"top1": ["76.10"], "top5": ["92.0"]}),
        (
            "a.md",
            "# Table\n\n| model | top1 |\n|:--|--:|\n| a | 76.10 |\n| [b](x.html) | **7.5e1** |\n\nEnd.",
            MODELS,
        ),
        ("a.md", "model | top1\n---|---\na | 76.10\nb | 7.5e1\n", MODELS),
        ("a.csv", "\ufeffmodel;top1\na;76,10\nb;7,5\n", {"model": ["a", "b"], "top1": ["76.10", "7.5"]}),
        ("a.csv", "Unnamed: 0,model,top1\n0,a,76.10\n1,b,7.5e1\n", {"": ["0", "1"], **MODELS}),
        (  # pandas' columns of two levels
            "a.csv",
            ",fog,fog,snow\n,1,2,1\na,0.5,0.4,0.3\n",
            {"": ["a"], "fog-1": ["0.5"], "fog-2": ["0.4"], "snow-1": ["0.3"]},
        ),
    ],
)
def test_forms_of_tables(tmp_path: Path, name: str, text: str, expected: dict[str, list[str]]) -> None:
    assert cells_of(tmp_path / name, text) == expected


def test_latex(tmp_path: Path) -> None:
    text = r"""
\begin{center}
\adjustbox{max width=\textwidth}{%
\begin{tabular}{lcc}
\toprule
\textbf{Algorithm} & \textbf{VLCS} & \textbf{PACS} \\ % of all domains
\midrule
ERM \& more & 77.5 $\pm$ 0.4 & \textbf{85.5} \\[2pt]
\cmidrule(lr){1-2}
resnet\_50 & 78.5 & 12\% \\
\bottomrule
\end{tabular}}
\end{center}
"""
    assert cells_of(tmp_path / "results.tex", text) == {
        "Algorithm": ["ERM & more", "resnet_50"],
        "VLCS": [r"77.5 $\pm$ 0.4", "78.5"],
        "PACS": ["85.5", "12%"],
    }


def test_a_folder_of_one_object_per_model(tmp_path: Path) -> None:
    (tmp_path / "Linf").mkdir()
    for name, accuracy in (("Standard", "94.78"), ("Linf/Carmon2019Unlabeled", "89.69")):
        info = {"name": "A title", "dataset": "cifar10", "clean_acc": accuracy}
        written(tmp_path / f"{name}.json", json.dumps(info))
    table = read_accuracy_table(tmp_path)
    assert table.cells[["", "clean_acc"]].to_dict("list") == {
        "": ["Linf/Carmon2019Unlabeled", "Standard"],
        "clean_acc": ["89.69", "94.78"],
    }
    assert list(table.sha256) == [tmp_path.name]
    assert table.rules == ("2 JSON files are read; the first column is their names",)


def test_what_is_no_single_table(tmp_path: Path, complaint: Callable[..., str]) -> None:
    path = written(tmp_path / "a.md", "|a|b|\n|-|-|\n|1|2|\n\n|c|d|\n|-|-|\n|1|2|\n")
    assert "found:    2 tables" in complaint(read_accuracy_table, path)
    assert "found:    no tabular in it" in complaint(read_accuracy_table, written(tmp_path / "a.tex", "text"))
    assert "found:    neither a list of objects" in complaint(
        read_accuracy_table, written(tmp_path / "a.json", "[1, 2]")
    )
    (tmp_path / "empty").mkdir()
    says(complaint(read_accuracy_table, tmp_path / "empty"), where=tmp_path / "empty", found="no JSON file")


def test_headers_of_two_lines(tmp_path: Path) -> None:
    expected = {
        "model": ["r", "v"],
        "a-top1": ["93.5", "94.2"],
        "a-top5": ["99", "98"],
        "b-top1": ["81.2", "83.0"],
        "b-top5": ["95", "96"],
    }
    body = "r,93.5,99,81.2,95\nv,94.2,98,83.0,96\n"
    for header in (
        "model,a,a,b,b\n,top1,top5,top1,top5\n",
        "model,a,,b,\n,top1,top5,top1,top5\n",  # merged cells of a spreadsheet
        ",a,a,b,b\n,top1,top5,top1,top5\nmodel,,,,\n",  # pandas
    ):
        read = read_accuracy_table(written(tmp_path / "a.csv", header + body))
        assert read.cells.to_dict("list") == expected, header
        assert read.rules == ("the first two lines together name the columns",)
    tex = r"""\begin{tabular}{lcccc} & \multicolumn{2}{c}{a} & \multicolumn{2}{c}{\textbf{b}} \\ \cmidrule(lr){2-3}
        model & top1 & top5 & top1 & top5 \\ \midrule
        \rowcolor{gray} r~\cite{he} & 93.5 & 99 & 81.2 & 95 \\ \multirow{1}{*}{v} & 94.2 & 98 & 83.0 & 96 \\
        \end{tabular}"""
    assert read_accuracy_table(written(tmp_path / "a.tex", tex)).cells.to_dict("list") == expected


def test_a_title_above_the_header_is_left_out(tmp_path: Path) -> None:
    text = "Table 3: accuracy,,\n,,\nmodel,a,b\nr,93.5,81.2\n"
    read = read_accuracy_table(written(tmp_path / "a.csv", text))
    assert read.cells.to_dict("list") == {"model": ["r"], "a": ["93.5"], "b": ["81.2"]}
    assert read.rules == ("the title above the header is left out: Table 3: accuracy",)
