"""Tables of accuracies as others publish them: whole counts, or a refusal."""

from collections.abc import Callable
from pathlib import Path

import pytest
from messages import says

from evalshift.evaluate.importers.predictions import ImportedModel
from evalshift.evaluate.importers.tables import import_table, parse_assignments, parse_columns
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.testbed.registry import Registry

# As in timm's results folder: percent with three decimals.
TIMM = """\
model,top1,top1_err,top5,top5_err,param_count,img_size
resnet18.a1_in1k,71.490,28.510,90.078,9.922,11.69,224
resnet50.a1_in1k,80.218,19.782,94.996,5.004,25.56,224
"""
TIMM_V2 = """\
model,top1,top1_err,top5,top5_err,top1_diff,rank_diff
resnet18.a1_in1k,59.180,40.820,81.040,18.960,-12.31,0
"""
# As imagenet-testbed writes robustness_top1s.csv: models in a first column without a name.
TESTBED = """\
,imagenet,imagenetv2-matched-frequency,imagenet-c
resnet50,76.13,63.25,39.19
alexnet,56.518,43.98,
"""


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def stored_counts(results: Results, dataset: str) -> dict[str, tuple[int, int | None, int]]:
    loaded = results.load_counts(dataset)
    assert loaded is not None
    return {model: (one.top1, one.top5, one.within) for model, one in loaded[1].items()}


def test_a_table_for_each_dataset(tmp_path: Path, results: Results, registry: Registry) -> None:
    report = import_table(table(tmp_path, TIMM), {"imagenet": "top1"}, results, registry=registry)
    assert report.models == (
        ImportedModel("resnet18.a1_in1k", "imagenet", 50_000, 35_745, 45_039),
        ImportedModel("resnet50.a1_in1k", "imagenet", 50_000, 40_109, 47_498),
    )
    assert report.rules == (
        'the column "model" names the models',
        'imagenet: the column "top5" beside "top1" is its top-5 accuracy',
        "imagenet: read as percent: some are greater than 1, none than 100",
    )
    assert report.pairs == ()
    new = "imagenetv2-matched-frequency"
    report = import_table(table(tmp_path, TIMM_V2, "v2.csv"), {new: "top1"}, results, registry=registry)
    assert stored_counts(results, new) == {"resnet18.a1_in1k": (5918, 8104, 0)}
    assert report.pairs == (f"imagenet:{new}",)
    assert results.pairs() == [f"imagenet:{new}"]


def test_a_column_for_each_dataset(tmp_path: Path, results: Results, registry: Registry) -> None:
    report = import_table(table(tmp_path, TESTBED), None, results, registry=registry)
    assert stored_counts(results, "imagenet") == {"resnet50": (38_065, None, 0), "alexnet": (28_259, None, 0)}
    assert stored_counts(results, "imagenetv2-matched-frequency")["alexnet"] == (4398, None, 0)
    assert stored_counts(results, "imagenet-c") == {"resnet50": (19_595, None, 2)}  # alexnet has none
    assert report.pairs == ("imagenet:imagenetv2-matched-frequency", "imagenet:imagenet-c")
    assert report.rules[:2] == (
        "the first column names the models",
        "columns named after datasets: imagenet, imagenetv2-matched-frequency, imagenet-c",
    )


def test_what_a_count_came_from_is_kept(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "model,a,b\nknown,82.9,72.2\n"
    sizes = {"first": 50_000, "second": 10_000}
    report = import_table(table(tmp_path, text), {"first": "a", "second": "b"}, results, sizes=sizes, registry=registry)
    loaded = results.load_counts("first")
    assert loaded is not None
    dataset, counted = loaded[0], loaded[1]["known"]
    assert (dataset.images, dataset.classes) == (50_000, None)
    assert (counted.top1, counted.within) == (41_450, 25)
    provenance = counted.provenance
    assert provenance.entry == {"source": "table", "family": "nets", "year": 2001}
    assert provenance.imported is not None
    assert (provenance.imported.source, provenance.imported.kind) == ("table", "percent")
    assert list(provenance.imported.files) == ["table.csv"]
    assert provenance.warnings == [
        "Counts on first were worked out from rounded accuracies, and may be off by up to 25 of 50,000 images"
    ]
    assert report.pairs == ("first:second",)
    assert "second: rounding leaves counts open by up to 5 of 10,000" in report.rules


def test_models_without_a_value_are_left_out(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "name,acc\na,0.5\nb,\nc,nan\n"
    report = import_table(table(tmp_path, text), {"mine": "acc"}, results, sizes={"mine": 10}, registry=registry)
    assert stored_counts(results, "mine") == {"a": (5, None, 0)}
    assert report.rules[-1] == "mine: 2 models have no value there and are left out"


def test_the_size_and_classes_of_a_stored_dataset_hold(
    tmp_path: Path, results: Results, registry: Registry, named: StoredDataset, complaint: Callable[..., str]
) -> None:
    results.save_dataset(named)
    file = table(tmp_path, "model,acc\na,0.5\n")
    import_table(file, {"old": "acc"}, results, registry=registry)
    loaded = results.load_counts("old")
    assert loaded is not None
    assert (loaded[0].images, loaded[0].classes) == (6, "letters")
    says(
        complaint(import_table, file, {"old": "acc"}, results, sizes={"old": 7}, registry=registry),
        where=results.path,
        found="7 given, 6 stored",
    )


REFUSED = {
    "columns": (
        "model,top1\na,0.5\n",
        {},
        (
            "it is not said which column belongs to which dataset\n"
            "  where:    FILE\n"
            "  found:    model, top1\n"
            "  expected: DATASET=COLUMN, or columns named after datasets\n"
            "  fix:      such as `columns` imagenet=top1"
        ),
    ),
    "column": (
        "model,top1\na,0.5\n",
        {"columns": {"imagenet": "top"}},
        'the table has no column "top"\n  where:    FILE\n  found:    model, top1\n  fix:      did you mean "top1"?',
    ),
    "models": (
        "a,b\n1,0.5\n",
        {"columns": {"imagenet": "b"}},
        (
            "it is not clear which column names the models\n"
            "  where:    FILE\n"
            "  found:    a, b\n"
            "  fix:      name it with `model_column`"
        ),
    ),
    "twice": (
        "model,b\nx,0.5\nx,0.25\n",
        {"columns": {"imagenet": "b"}},
        (
            "a name is in several rows\n"
            "  where:    FILE\n"
            "  found:    x\n"
            "  expected: one row per model\n"
            "  fix:      leave one row per model, or tell them apart by a column of their own, which `model_column` "
            "adds"
        ),
    ),
    "nameless": (
        "model,b\n,0.5\n",
        {"columns": {"imagenet": "b"}},
        "a model has no name\n  where:    FILE, row 2\n  found:    an empty cell",
    ),
    "size": (
        "model,b\nx,0.5\n",
        {"columns": {"mine": "b"}},
        (
            "how many images mine has is not known\n"
            "  expected: the number that the accuracies are of\n"
            "  fix:      such as `sizes` mine=10000"
        ),
    ),
    "stray size": (
        "model,b\nx,0.5\n",
        {"columns": {"imagenet": "b"}, "sizes": {"imagenett": 1}},
        (
            "`sizes` names a dataset that no column belongs to\n"
            "  found:    imagenett\n"
            "  expected: imagenet\n"
            '  fix:      did you mean "imagenet"?'
        ),
    ),
    "five below one": (
        "model,b,c\nx,0.5,0.4\n",
        {"columns": {"imagenet": "b"}, "top5": {"imagenet": "c"}},
        (
            "fewer images are correct by top-5 than by top-1\n"
            "  where:    FILE, x\n"
            "  found:    20,000 by top-5, 25,000 by top-1\n"
            "  expected: top-5 at least top-1\n"
            "  fix:      name the columns with `columns` and `top5`"
        ),
    ),
    "scale": (
        "model,b\nx,0.5\n",
        {"columns": {"imagenet": "b"}, "scale": "percents"},
        '"percents" is not a scale\n  expected: auto, percent, fraction, counts\n  fix:      did you mean "percent"?',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str], case: str
) -> None:
    text, options, expected = REFUSED[case]
    file = table(tmp_path, text)
    assert complaint(import_table, file, results=results, registry=registry, **options) == expected.replace(
        "FILE", str(file)
    )
    assert not results.path.exists()


def test_assignments(complaint: Callable[..., str]) -> None:
    assert parse_assignments(["a=b", "c=d=e"], "--column") == {"a": "b", "c": "d=e"}
    says(complaint(parse_assignments, ["top1"], "--column"))
    says(complaint(parse_assignments, ["a=b", "a=c"], "--n"), found="a=c")
    says(complaint(parse_assignments, ["val"], "--dataset-name", "VALUE"))
    assert parse_columns(["acc1"], "--column") == "acc1"
    assert parse_columns(["a=b", "c=d"], "--column") == {"a": "b", "c": "d"}
    assert parse_columns([], "--column") is None


LONG = """\
acc1,dataset,model,pretrained
0.63336,imagenet1k,ViT-B-32,openai
0.5591,wds/imagenetv2,ViT-B-32,openai
0.68326,imagenet1k,ViT-B-32,laion
,imagenet1k,ViT-B-32,none
0.5,vtab/dtd,ViT-B-32,openai
"""


def test_a_row_per_model_and_dataset(tmp_path: Path, results: Results, registry: Registry) -> None:
    file = table(tmp_path, LONG)
    report = import_table(file, results=results, dataset_column="dataset", model_column="model,pretrained")
    assert stored_counts(results, "imagenet") == {
        "ViT-B-32@openai": (31_668, None, 0),
        "ViT-B-32@laion": (34_163, None, 0),
    }
    assert stored_counts(results, "imagenetv2-matched-frequency") == {"ViT-B-32@openai": (5591, None, 0)}
    assert "left out, as how many images they have is not known: vtab/dtd" in report.rules
    assert report.pairs == ("imagenet:imagenetv2-matched-frequency",)
    import_table(
        file, {"textures": "acc1"}, results, dataset_column="dataset", dataset_names={"vtab/dtd": "textures"},
        sizes={"textures": 1880},
    )  # fmt: skip
    assert stored_counts(results, "textures") == {"ViT-B-32": (940, None, 94)}


def test_rows_of_several_datasets_are_not_taken_for_one(
    tmp_path: Path, results: Results, complaint: Callable[..., str]
) -> None:
    file = table(tmp_path, LONG)
    says(
        complaint(import_table, file, {"imagenet": "acc1"}, results),
        where=file,
        found="imagenet1k, wds/imagenetv2, vtab/dtd",
    )


def test_models_in_several_rows(tmp_path: Path, results: Results, complaint: Callable[..., str]) -> None:
    rows = "net,224,0.5,0\nnet,288,0.25,0\nother,224,0.75,0\nother,224,0.75,0\n"
    file = table(tmp_path, f"model,img_size,acc,seed\n{rows}")
    report = import_table(file, {"mine": "acc"}, results, sizes={"mine": 100})
    assert stored_counts(results, "mine").keys() == {"net@224", "net@288", "other"}
    assert "1 row with the same cells as another, left out" in report.rules
    file = table(tmp_path, "model,img_size,acc,seed\nnet,224,0.5,0\nnet,288,0.25,1\n")
    assert complaint(import_table, file, {"mine": "acc"}, results, sizes={"mine": 100}).endswith(
        '  fix:      `model_column` "model@img_size" or `model_column` "model@seed" tells them apart'
    )


def test_what_is_no_accuracy_is_not_taken_for_one(
    tmp_path: Path, results: Results, complaint: Callable[..., str]
) -> None:
    file = table(tmp_path, "model,top1,top1_err,top1_diff\na,71.490,28.510,1.0\n")
    says(
        complaint(import_table, file, {"imagenet": "top1_err"}, results),
        where=file,
        found="model, top1, top1_err, top1_diff",
    )
    assert complaint(import_table, file, {"imagenet": "top1_diff"}, results).startswith(
        'the column "top1_diff" holds no accuracies\n'
    )
    import_table(file, {"imagenet": "top1_err"}, results, error=True)
    assert stored_counts(results, "imagenet") == {"a": (35_745, None, 0)}


def test_means_over_runs_come_with_a_warning(tmp_path: Path, results: Results) -> None:
    import_table(table(tmp_path, "model,cifar10\na,91.7 ± 0.1\n"), None, results, means=True)
    loaded = results.load_counts("cifar10")
    assert loaded is not None
    assert loaded[1]["a"].provenance.warnings[0] == (
        "Accuracies on cifar10 are means over several runs: counts are not exact, and confidence intervals are those "
        "of a single run"
    )


@pytest.mark.parametrize("heading", ["balanced_accuracy", "mean_per_class_recall", "F1", "mAP", "AUROC", "acc_wg"])
def test_other_measures_are_not_accuracies(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str], heading: str
) -> None:
    path = table(tmp_path, f"model,acc1,{heading}\nr,93.50,81.20\n")
    message = complaint(import_table, path, {"imagenet": heading}, results, registry=registry)
    assert f'the column "{heading}" holds another measure, by its name' in message
    assert 'use the column "acc1"' in message
