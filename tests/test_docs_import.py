"""The commands of docs/import.md about predictions are run, on files of the forms that the page names."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here

from evalshift.evaluate.store import Results
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.registry_reading import load_registry

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


TABLES = PAGE[PAGE.index("## A table of accuracies") : PAGE.index("## From Python")]
TABLE_COMMANDS = re.findall(r"^evalshift (import table .*)$", TABLES, re.MULTILINE)
TABLE_FILES = {
    "results-imagenet.csv": "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation\n"
    'net-a,81.240,18.760,95.112,4.888,"1,025.56",288,1.000,bicubic\nnet-a,80.382,19.618,94.598,5.402,25.56,224,0.9,bicubic\n',
    "results-imagenetv2-matched-frequency.csv": "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,"
    "interpolation,top1_diff,top5_diff,rank_diff\nnet-a,70.010,29.990,90.1,9.900,25.56,288,1.000,bicubic,-11.23,-5.0,+1\n",
    "robustness_top1s.csv": "model,imagenet-a,imagenetv2-matched-frequency,val,val_subsampled_class_1_8\n"
    "net-a,84.85333251953125,80.1500015258789,88.32200622558594,96.8\n",
    "benchmark.csv": "acc1,acc5,mean_per_class_recall,dataset,model,pretrained,task,mean_average_precision\n"
    "0.63334,0.88778,0.63284,imagenet1k,ViT-B-32,openai,zeroshot_classification,\n"
    "0.665,0.89844,0.66506,imagenet1k,ViT-B-32,b_290.pt,zeroshot_classification,\n"
    "0.42303837764546365,0.7030792509186661,0.42,imagenet_sketch,ViT-B-32,openai,zeroshot_classification,\n"
    "0.44574468085106383,0.7585106382978724,0.44,vtab/dtd,ViT-B-32,openai,zeroshot_classification,\n"
    ",,,flickr30k,ViT-B-32,openai,zeroshot_retrieval,\n",
    "model_info/cifar10/Linf/Carmon2019Unlabeled.json": '{"name": "A title", "dataset": "cifar10", "eps": "8/255", '
    '"clean_acc": "89.69", "reported": "62.5", "autoattack_acc": "59.53"}',
    "results.tex": r"\begin{tabular}{lcc}\toprule \textbf{Algorithm} & \textbf{PACS} & \textbf{Avg} \\ \midrule "
    r"ERM & 85.5 $\pm$ 0.2 & 66.6 \\ \bottomrule \end{tabular}",
    "leaderboard.csv": "Rank,Algorithm,Model,Test ID Avg Acc\n1,ERM,ResNet50,75.7 (0.3)\n2,CORAL,ResNet50,73.7 (0.4)\n",
}
TABLE_COUNTS = {
    "results-imagenet.csv": {"imagenet": {"net-a@288": 40_620, "net-a@224": 40_191}},
    "results-imagenetv2-matched-frequency.csv": {"imagenetv2-matched-frequency": {"net-a": 7_001}},
    "robustness_top1s.csv": {"imagenet": {"net-a": 44_161}, "imagenetv2-matched-frequency": {"net-a": 8_015}},
    "benchmark.csv": {
        "imagenet": {"ViT-B-32@openai": 31_667, "ViT-B-32@b_290.pt": 33_250},
        "imagenet-sketch": {"ViT-B-32@openai": 21_528},
    },
    "model_info/cifar10/Linf": {"cifar10": {"Carmon2019Unlabeled": 8_969}},
    "results.tex": {"pacs": {"ERM": 8_542}},
    "leaderboard.csv": {"id": {"ERM": 6_173, "CORAL": 6_009}},
}


@pytest.mark.parametrize("command", TABLE_COMMANDS)
def test_commands_about_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in TABLE_FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, "utf-8")
    words = shlex.split(command)
    done = run_here(*words)
    assert done.code == 0, done.err
    for dataset, expected in TABLE_COUNTS[words[2]].items():
        loaded = Results("results").load_counts(dataset)
        assert loaded is not None
        assert {model: one.top1 for model, one in loaded[1].items()} == expected


def test_each_table_of_the_page_is_tried() -> None:
    assert {shlex.split(command)[2] for command in TABLE_COMMANDS} == set(TABLE_COUNTS)
