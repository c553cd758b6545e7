"""Files as people and tools write them, with the same predictions in each: read rightly, whatever their form and order.

Twelve images of seven classes, known by path; the predictions are 9 of 12 correct.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from messages import says

from evalshift.evaluate.importers.labels import labels_alone
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.registry import Registry

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")
WNIDS = tuple(f"n0{number}" for number in range(7))
SPACE = ClassSpace("letters", NAMES, WNIDS)
LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4])
# A file name stands once in each class folder, so that only folder and name together tell images apart.
IDS = tuple(f"{NAMES[label]}/{place:04d}.png" for label, place in zip(LABELS, [0] * 7 + [1] * 5, strict=True))
TOP = np.array([0, 1, 2, 3, 4, 5, 6, 0, 1, 3, 4, 5])
ORDER = np.random.default_rng(3).permutation(12)
SHUFFLED = tuple(IDS[row] for row in ORDER)
BEST_FIVE = np.array([[(first + step) % 7 for step in range(5)] for first in TOP])
LOGITS = np.eye(7)[TOP] * 3 + np.linspace(0, 0.5, 7)


@pytest.fixture
def registry(registry: Registry) -> Registry:
    return replace(registry, classes={**registry.classes, SPACE.name: SPACE})


@pytest.fixture
def images(results: Results) -> StoredDataset:
    dataset = labels_alone("mine", IDS, LABELS, SPACE)
    results.save_dataset(dataset)
    return dataset


@pytest.fixture
def read(
    images: StoredDataset, results: Results, registry: Registry
) -> Callable[..., tuple[np.ndarray, tuple[str, ...]]]:
    def of(file: Path, **options: object) -> tuple[np.ndarray, tuple[str, ...]]:
        report = import_predictions(file, "net", "mine", results, registry=registry, **options)  # pyright: ignore[reportArgumentType]
        return results.load_predictions("mine", "net").top, report.rules[1:]

    return of


def table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n" if header else "\n".join(rows) + "\n"


def lines(form: Callable[[str, int], str], header: str = "", ids: tuple[str, ...] = SHUFFLED) -> str:
    """A row for each image, out of order."""
    return table(header, [form(name, int(TOP[row])) for name, row in zip(ids, ORDER, strict=True)])


def five(row: int, between: str) -> str:
    return between.join(map(str, BEST_FIVE[row]))


HEADINGS = ("image_path", "img_name", "name", "filenames", "Image", "sample", "label", "pred_file", "foo", "Unnamed: 0")
TEXT = {
    **{f"ids called {heading}": lines(lambda name, top: f"{name},{top}", f"{heading},pred") for heading in HEADINGS},
    "ids last": lines(lambda name, top: f"{top},0.5,{name}", "pred,conf,key"),
    "./": lines(lambda name, top: f"./{name},{top}", "file,pred"),
    "Windows paths": lines(lambda name, top: "C:\\data\\test\\" + name.replace("/", "\\") + f",{top}", "file,pred"),
    "another suffix": lines(lambda name, top: f"{name[:-4]}.JPEG,{top}", "file,pred"),
    "no suffix": lines(lambda name, top: f"{name[:-4]},{top}", "file,pred"),
    "another case": lines(lambda name, top: f"{name.upper()},{top}", "file,pred"),
    "addresses": lines(lambda name, top: f"https://example.org/set/{name},{top}", "url,pred"),
    "folders by number": lines(lambda name, top: f"{NAMES.index(name[:3])}/{name[4:]},{top}", "file,pred"),
    "folders by wnid": lines(lambda name, top: f"val/n0{NAMES.index(name[:3])}/{name[4:]},{top}", "file,pred"),
    "no header": lines(lambda name, top: f"{name},{top}"),
    "no header, blanks": lines(lambda name, top: f"{name} {top}"),
    "no header, tabs": lines(lambda name, top: f"{name}\t{top}"),
    "no header, class and confidence": lines(lambda name, top: f"{name},{top},0.{top}25"),
    "no header, names of classes": lines(lambda name, top: f"{name},{NAMES[top]}"),
    "comments": lines(lambda name, top: f"{name},{top}", "# net, 2024\nfilename,prediction"),
    "a header in a comment": lines(lambda name, top: f"{name},{top}", "# filename,prediction"),
    "semicolons": lines(lambda name, top: f"{name};{top};0,5", "id;pred;prob"),
    "numbers with a point": lines(lambda name, top: f"{name},{top}.0", "id,pred"),
    "names of classes": lines(lambda name, top: f"{name},{NAMES[top].title()}", "id,pred"),
    "wnids": lines(lambda name, top: f"{name},{WNIDS[top]}", "id,pred"),
    "timm": lines(lambda name, top: f"{name},{top},{NAMES[top]},0.9", "filename,index,label,prob"),
    "timm without index": lines(lambda name, top: f"{name},{NAMES[top]},0.9", "filename,label,prob"),
    "labels beside": lines(lambda name, top: f"{name},{NAMES.index(name[:3])},{top}", "id,label,pred"),
    "labels by name beside": lines(lambda name, top: f"{name},{name[:3]},{top}", "id,y_true,y_pred"),
    "correctness beside": lines(lambda name, top: f"{name},{top},{NAMES.index(name[:3]) == top}", "id,pred,correct"),
    "two spellings": lines(lambda name, top: f"{name},{top},{NAMES[top]}", "id,pred_class,pred_name"),
    "pandas' index beside names": table(
        ",image,pred", [f"{row},{name},{TOP[ORDER[row]]}" for row, name in enumerate(SHUFFLED)]
    ),
    "numbers of images": table("idx,pred", [f"{row},{TOP[row]}" for row in ORDER]),
    "numbers of images from 1": table("id,pred", [f"{row + 1},{TOP[row]}" for row in ORDER]),
    "a dataframe's index": table(",pred", [f"{row},{TOP[row]}" for row in ORDER]),
    "in order": table("pred", [str(top) for top in TOP]),
    "in order, labels beside": table(
        "target,prediction", [f"{label},{top}" for label, top in zip(LABELS, TOP, strict=True)]
    ),
}
OF_FIVE = {
    "top1 to top5": table("id,top1,top2,top3,top4,top5", [f"{IDS[row]},{five(row, ',')}" for row in ORDER]),
    "columns out of order": table(
        "id,pred_4,pred_3,pred_2,pred_1,pred_0",
        [f"{IDS[row]}," + ",".join(map(str, BEST_FIVE[row][::-1])) for row in ORDER],
    ),
    "timm's columns": table(
        "filename," + ",".join(f"{what}_{place}" for what in ("index", "label", "prob") for place in range(5)),
        [
            f"{IDS[row]},{five(row, ',')}," + ",".join(NAMES[top] for top in BEST_FIVE[row]) + ",0.5,0.2,0.1,0.1,0.1"
            for row in ORDER
        ],
    ),
    "beside the labels": table(
        "id,label,top1,top2,top3,top4,top5", [f"{IDS[row]},{LABELS[row]},{five(row, ',')}" for row in ORDER]
    ),
    "one cell": table("id,top5", [f"{IDS[row]},{five(row, ' ')}" for row in ORDER]),
    "one cell in brackets": table("id,top5", [f'{IDS[row]},"[{five(row, ", ")}]"' for row in ORDER]),
    "one cell of NumPy's": table("id,top5", [f"{IDS[row]},[{five(row, ' ')}]" for row in ORDER]),
    "top1 beside top5": table("id,top1,top5", [f'{IDS[row]},{TOP[row]},"{five(row, ",")}"' for row in ORDER]),
    "no header": table("", [f"{IDS[row]},{five(row, ',')}" for row in ORDER]),
    "blanks alone": table("", [five(row, " ") for row in range(12)]),
}
OF_SCORES = {
    "classes in another order": table(
        "id," + ",".join(NAMES[::-1]), [f"{IDS[row]}," + ",".join(map(str, LOGITS[row][::-1])) for row in ORDER]
    ),
    "classes with something in front": table(
        "id," + ",".join(f"prob_{name}" for name in NAMES[::-1]),
        [f"{IDS[row]}," + ",".join(map(str, LOGITS[row][::-1])) for row in ORDER],
    ),
    "wnids": table(
        "id," + ",".join(WNIDS[::-1]), [f"{IDS[row]}," + ",".join(map(str, LOGITS[row][::-1])) for row in ORDER]
    ),
    "numbers": table("id,0,1,2,3,4,5,6", [f"{IDS[row]}," + ",".join(map(str, LOGITS[row])) for row in ORDER]),
    "decimal commas": table(
        "id;" + ";".join(f"logit_{number}" for number in range(7)),
        [f"{IDS[row]};" + ";".join(f"{value}".replace(".", ",") for value in LOGITS[row]) for row in ORDER],
    ),
}


@pytest.mark.parametrize("case", TEXT)
def test_the_class_of_each_image(tmp_path: Path, read: Callable, case: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(TEXT[case])
    assert read(file)[0][:, 0].tolist() == TOP.tolist()


@pytest.mark.parametrize("case", OF_FIVE)
def test_the_five_best_classes_of_each_image(tmp_path: Path, read: Callable, case: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(OF_FIVE[case])
    assert read(file)[0].tolist() == BEST_FIVE.tolist()


@pytest.mark.parametrize("case", OF_SCORES)
def test_scores_of_each_class(tmp_path: Path, read: Callable, case: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(OF_SCORES[case])
    assert read(file)[0].tolist() == np.argsort(-LOGITS, axis=1, kind="stable")[:, :5].tolist()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_excels_csv(tmp_path: Path, read: Callable, encoding: str) -> None:
    file = tmp_path / "a.csv"
    text = lines(lambda name, top: f"{name};{top};0,5", "Datei;Vorhersage;Sicherheit").replace("\n", "\r\n")
    file.write_bytes(text.encode(encoding))
    assert read(file)[0][:, 0].tolist() == TOP.tolist()


def test_other_formats(tmp_path: Path, read: Callable) -> None:
    torch = pytest.importorskip("torch")
    frame = pd.DataFrame(
        {"index": TOP[ORDER], "label": [NAMES[top] for top in TOP[ORDER]], "prob": 0.5}, index=list(SHUFFLED)
    )
    frame.index.name = "filename"
    flat = frame.reset_index()
    frame.to_json(tmp_path / "by-name.json", orient="index")
    flat.to_json(tmp_path / "columns.json")
    flat.to_json(tmp_path / "split.json", orient="split", index=False)
    flat.to_json(tmp_path / "records.json", orient="records")
    flat.to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    flat.to_json(tmp_path / "table.json", orient="table", index=False)
    flat.to_json(tmp_path / "values.json", orient="values")
    (tmp_path / "plain.json").write_text(json.dumps(dict(zip(SHUFFLED, TOP[ORDER].tolist(), strict=True))))
    frame.to_parquet(tmp_path / "index.parquet")
    frame.assign(index=BEST_FIVE[ORDER].tolist()).to_parquet(tmp_path / "lists.parquet")
    flat.to_csv(tmp_path / "a.tsv", sep="\t")
    np.savez(tmp_path / "a.npz", logits=LOGITS, preds=TOP, targets=LABELS, epoch=90, images=np.zeros((12, 2, 2, 3)))
    np.savez(tmp_path / "named.npz", logits=LOGITS[ORDER], paths=np.array(SHUFFLED), targets=LABELS[ORDER])
    torch.save(torch.tensor(LOGITS), tmp_path / "a.pt")
    torch.save(
        {"output": torch.tensor(LOGITS[ORDER]), "target": torch.tensor(LABELS[ORDER]), "paths": SHUFFLED},
        tmp_path / "b.pth",
    )
    files = sorted(path for path in tmp_path.glob("*.*") if path.name not in ("registry.yaml", "x.npy", "y.npy"))
    assert len(files) == 15
    for file in files:
        assert read(file)[0][:, 0].tolist() == TOP.tolist(), file.name
    assert read(tmp_path / "lists.parquet")[0].tolist() == BEST_FIVE.tolist()


def test_what_was_decided_is_said(tmp_path: Path, read: Callable) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        TEXT["Windows paths"]
        .replace("pred", "pred,conf")
        .replace(".png,", ".png,0.5,")
        .replace("pred,conf", "conf,pred")
    )
    assert read(file)[1] == (
        'the column "file" names the images',
        "rows are matched to images by the last 2 parts of their paths, as they are written",
        "rows are put into the order of the dataset",
        'the column "pred" holds the predictions',
        "one number per image is its class",
        'not read: "conf"',
    )
    np.savez(tmp_path / "a.npz", logits=LOGITS, targets=LABELS)
    assert read(tmp_path / "a.npz")[1] == (
        "no column identifies the images: rows are taken in dataset order",
        'the column "logits" holds the predictions',
        "7 columns, one per class, are logits: they are not probabilities",
        'the column "targets" equals the labels of mine',
    )


# ------------------------------------------------------------------------------------------------------ no prediction


@pytest.mark.parametrize("word", ["-1", "", "na", "NaN", "null", "abstain", "None"])
def test_no_prediction_counts_as_incorrect(tmp_path: Path, results: Results, read: Callable, word: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(lines(lambda name, top: f"{name},{word if name == IDS[4] else top}", "id,pred"))
    top, rules = read(file)
    assert top[:, 0].tolist() == [0, 1, 2, 3, -1, 5, 6, 0, 1, 3, 4, 5]
    assert rules[-1] == "1 of 12 images has no prediction and counts as incorrect"
    provenance = results.provenance("mine", "net")
    assert provenance is not None
    assert provenance.imported is not None
    assert (provenance.imported.missing, provenance.warnings) == (1, [rules[-1]])


def test_missing_predictions_can_be_refused(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text(lines(lambda name, top: f"{name},{-1 if name == IDS[4] else top}", "id,pred"))
    says(complaint(read, file, missing="error"), where=file, found="1 of 12 without one, such as eel/0000.png")
    assert '"markd"\n  expected: marked, incorrect, error\n' in complaint(read, file, missing="markd")


def test_images_without_a_row_are_refused_unless_told(
    tmp_path: Path, read: Callable, complaint: Callable[..., str]
) -> None:
    file = tmp_path / "a.csv"
    kept = [line for line in TEXT["ids called Image"].splitlines() if IDS[4] not in line]
    file.write_text("\n".join(kept))
    says(complaint(read, file), where=file, found="1 of 12 without one, such as eel/0000.png")
    top, rules = read(file, missing="incorrect")
    assert top[:, 0].tolist() == [0, 1, 2, 3, -1, 5, 6, 0, 1, 3, 4, 5]
    assert rules[-1] == "1 of these has no row in the file"


# ---------------------------------------------------------------------------------------------------------- refusals

OTHER_ORDER = [f"{LABELS[row]},{TOP[row]}" for row in ORDER]
REFUSED = {
    "labels in another order": (
        table("target,prediction", OTHER_ORDER),
        "rows seem to be in a different order than the images",
    ),
    "labels by name in another order": (
        table("truth,pred", [f"{NAMES[LABELS[row]]},{TOP[row]}" for row in ORDER]),
        "rows seem to be in a different order than the images",
    ),
    "labels of no known name, in another order": (
        table("truth,pred", [f"kind {LABELS[row]},{TOP[row]}" for row in ORDER]),
        "rows seem to be in a different order than the images",
    ),
    "a perfect model in another order": (
        table("y_true,y_pred", [f"{LABELS[row]},{LABELS[row]}" for row in ORDER]),
        "rows seem to be in a different order than the images",
    ),
    "labels of another numbering": (
        table("id,label,pred", [f"{IDS[row]},{6 - LABELS[row]},{TOP[row]}" for row in ORDER]),
        "the labels in the file are not those of the dataset",
    ),
    "labels that count from 1": (
        table("label,pred", [f"{label + 1},{top}" for label, top in zip(LABELS, TOP, strict=True)]),
        "the labels in the file count from 1, those of the dataset from 0",
    ),
    "correctness in another order": (
        table("pred,correct", [f"{TOP[row]},{TOP[row] == LABELS[row]}" for row in ORDER]),
        "the file marks other predictions as correct",
    ),
    "names of other images": (
        lines(lambda name, top: f"x{name},{top}", "file,pred"),
        "a column identifies images, but not those of the dataset",
    ),
    "names of other images under any heading": (
        lines(lambda name, top: f"x{name},{top}", "foo,pred"),
        "a column identifies images, but not those of the dataset",
    ),
    "file names that repeat": (
        lines(lambda name, top: f"{name[4:]},{top}", "file,pred"),
        "a column identifies images, but not those of the dataset",
    ),
    "an order of another kind": (
        table("rank,pred", [f"{row},{top}" for row, top in zip(ORDER, TOP, strict=True)]),
        "a column identifies images, but not those of the dataset",
    ),
    "an image twice": (
        TEXT["ids called Image"].replace(IDS[4], IDS[0]),
        "an image has two rows",
    ),
    "two columns that contradict each other": (
        table("a,b,pred", [f"{IDS[row]},{IDS[11 - row]},{TOP[row]}" for row in ORDER]),
        "two columns identify the images, and contradict each other",
    ),
    "two columns of predictions": (
        table("id,pred,prediction", [f"{IDS[row]},{TOP[row]},{6 - TOP[row]}" for row in ORDER]),
        "it is not clear which column contains the predictions",
    ),
    "a class without a column": (
        table("id," + ",".join(NAMES[:6]), [f"{IDS[row]}," + ",".join(map(str, LOGITS[row][:6])) for row in ORDER]),
        "some classes have no column",
    ),
    "labels and predictions without a header": (
        table("", [f"{IDS[row]},{LABELS[row]},{TOP[row]}" for row in ORDER]),
        "a class is predicted twice for one image",
    ),
    "no prediction at all": (table("pred", ["-1"] * 12), "no image has a prediction"),
    "too few rows": (table("pred", ["1"] * 11), "the numbers of predictions and images differ"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(tmp_path: Path, read: Callable, complaint: Callable[..., str], case: str) -> None:
    text, problem = REFUSED[case]
    file = tmp_path / "a.csv"
    file.write_text(text)
    assert complaint(read, file).splitlines()[0] == problem


def test_a_refusal_says_how_to_go_on(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text(REFUSED["labels in another order"][0])
    differing = int((LABELS[ORDER] != LABELS).sum())
    says(
        complaint(read, file),
        where=file,
        found=f'the column "target" differs from the labels of mine for {differing} of 12 images',
    )
    file.write_text(REFUSED["names of other images"][0])
    says(
        complaint(read, file), where=f'{file}, column "file"', found=f"12 names, such as x{SHUFFLED[0]}, x{SHUFFLED[1]}"
    )
    file.write_text(table("file,pred", [f"other{row}.png,{top}" for row, top in enumerate(TOP)]))
    assert read(file, file_order=True)[0][:, 0].tolist() == TOP.tolist()
    file.write_text(REFUSED["file names that repeat"][0])
    assert f"several images are called {SHUFFLED[0][4:]}" in complaint(read, file)


def test_a_few_corrected_labels_are_noted(tmp_path: Path, results: Results, registry: Registry) -> None:
    labels = np.arange(60) % 7
    results.save_dataset(labels_alone("many", [f"{place:02d}" for place in range(60)], labels, SPACE))
    corrected = labels.copy()
    corrected[3] = 6
    np.savez(tmp_path / "a.npz", preds=labels[::-1].copy(), labels=corrected)
    report = import_predictions(tmp_path / "a.npz", "net", "many", results, registry=registry, first_class=0)
    assert report.rules[-1] == 'the column "labels" differs from the labels of many for 1 of 60 images'


def test_one_row_late_is_another_order_however_few_labels_differ(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    labels = np.repeat(np.arange(7), 100)
    results.save_dataset(labels_alone("sorted", [f"{place:03d}" for place in range(700)], labels, SPACE))
    late = np.roll(labels, 1)
    np.savez(tmp_path / "a.npz", preds=late, labels=late)
    words = complaint(import_predictions, tmp_path / "a.npz", "net", "sorted", results, registry=registry)
    assert words.startswith("rows seem to be in a different order than the images\n")


def test_classes_that_count_from_1_are_noticed(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    """As MATLAB counts them; none is the seventh, so that no number is outside the classes."""
    labels = np.arange(60) % 6
    results.save_dataset(labels_alone("many", [f"{place:02d}" for place in range(60)], labels, SPACE))
    file = tmp_path / "a.npy"
    np.save(file, np.where(np.arange(60) < 40, labels, 5) + 1)
    says(
        complaint(import_predictions, file, "net", "many", results, registry=registry),
        where=file,
        found="0 of 60 predictions are correct, and 44 if each is one less; none is 0",
    )
    for first_class, correct in ((1, 44), (0, 0)):
        report = import_predictions(file, "net", "many", results, registry=registry, first_class=first_class)
        assert report.models[0].top1 == correct


def test_columns_by_name(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text(table("where,a,b,x1,x2", [f"{IDS[row]},{TOP[row]},{6 - TOP[row]},{TOP[row]},9" for row in ORDER]))
    assert read(file, column="a", id_column="where")[0][:, 0].tolist() == TOP.tolist()
    assert read(file, column="b")[0][:, 0].tolist() == (6 - TOP).tolist()
    assert 'has no column "c"' in complaint(read, file, column="c")
    assert "it is not clear which column contains the predictions" in complaint(read, file)
    file.write_text(OF_FIVE["columns out of order"])
    assert read(file, column="pred")[0].tolist() == BEST_FIVE.tolist()


def test_labels_alone_are_not_predictions(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    rows = [f"{name},{label}" for name, label in zip(IDS, LABELS, strict=True)]
    (tmp_path / "a.csv").write_text(table("image,target", rows))
    message = complaint(read, tmp_path / "a.csv")
    assert "the file has labels, but no predictions" in message
    assert 'found:    "target" beside image' in message
    (tmp_path / "b.csv").write_text(table("id,ground_truth,loss", [f"{row},0.5" for row in rows]))
    assert "the file has labels, but no predictions" in complaint(read, tmp_path / "b.csv")
    assert (read(tmp_path / "a.csv", column="target")[0][:, 0] == LABELS).all()


def test_values_of_inner_objects_are_columns(tmp_path: Path, read: Callable) -> None:
    rows = [
        {"id": IDS[row], "target": NAMES[LABELS[row]], "output": {"completion": NAMES[TOP[row]], "choices": [{"a": 1}]}}
        for row in ORDER
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    top, rules = read(tmp_path / "a.jsonl")
    assert (top[:, 0] == TOP).all()
    assert 'not read, as they hold objects or lists of lists: "output.choices"' in rules
    images = [[{"_type": "image-file", "path": IDS[row], "size": 3}, int(LABELS[row]), int(TOP[row])] for row in ORDER]
    (tmp_path / "a.json").write_text(json.dumps({"columns": ["image", "truth", "guess"], "data": images}))
    assert (read(tmp_path / "a.json")[0][:, 0] == TOP).all()


def test_objects_of_a_label_and_a_score_are_ranked_by_score(tmp_path: Path, read: Callable) -> None:
    ranked = [
        [{"label": NAMES[number], "score": 1 / (2 + place)} for place, number in enumerate(five)][::-1]
        for five in BEST_FIVE
    ]
    (tmp_path / "list.json").write_text(json.dumps(ranked))
    (tmp_path / "named.json").write_text(json.dumps({IDS[row]: ranked[row] for row in ORDER}))
    rows = [json.dumps({"image": IDS[row], "result": ranked[row]}) for row in ORDER]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    for name in ("list.json", "named.json", "rows.jsonl"):
        top, rules = read(tmp_path / name)
        assert (top == BEST_FIVE).all(), name
        assert "objects of a label and a score each are the classes, the highest score first" in rules


@pytest.mark.parametrize(
    "cell",
    ["tensor({0})", "tensor([{0}], device='cuda:0')", "[{0}]", "np.int64({0})", "array([{0}])", "LABEL_{0}", "['{1}']"],
)
def test_classes_as_they_are_printed(tmp_path: Path, read: Callable, cell: str) -> None:
    rows = [f'{IDS[row]},"{cell.format(TOP[row], NAMES[TOP[row]])}"' for row in ORDER]
    (tmp_path / "a.csv").write_text(table("image,pred", rows))
    assert (read(tmp_path / "a.csv")[0][:, 0] == TOP).all()


def test_lists_of_numbers_as_numpy_prints_them(tmp_path: Path, read: Callable) -> None:
    lists = ["[" + ", ".join(f"np.int64({number})" for number in five) + "]" for five in BEST_FIVE]
    (tmp_path / "a.csv").write_text(table("image,pred", [f'{IDS[row]},"{lists[row]}"' for row in ORDER]))
    assert (read(tmp_path / "a.csv")[0] == BEST_FIVE).all()


def test_names_with_percent_encoding(tmp_path: Path, read: Callable) -> None:
    rows = [f"https://host/{IDS[row].replace('/', '/%30')[:-8]}{IDS[row][-7:]},{TOP[row]}" for row in ORDER]
    (tmp_path / "a.csv").write_text(table("url,pred", rows))
    assert "%30" in rows[0]
    assert (read(tmp_path / "a.csv")[0][:, 0] == TOP).all()


def test_rows_that_repeat_others(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    """Samplers for several GPUs pad with rows that are there already, and joined files repeat the header."""
    rows = [f"{IDS[row]},{TOP[row]}" for row in ORDER]
    (tmp_path / "a.csv").write_text(table("image,pred", [*rows[:6], "image,pred", *rows[6:], *rows[:2]]))
    top, rules = read(tmp_path / "a.csv")
    assert (top[:, 0] == TOP).all()
    assert {"lines that repeat the header are left out", "2 rows that repeat others are left out"} <= set(rules)
    (tmp_path / "b.csv").write_text(table("image,pred", [*rows, f"{IDS[ORDER[0]]},{(TOP[ORDER[0]] + 1) % 7}"]))
    assert "an image has two rows" in complaint(read, tmp_path / "b.csv")


def test_files_that_are_not_what_their_names_say(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    for content, found, fix in (
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "run git lfs pull"),
        (b"<!DOCTYPE html><title>Quota</title>", 'a web page titled "Quota"', "download the file again"),
        (b"PK\x03\x04" + bytes(40), "a zip archive, such as a spreadsheet of Excel", "save the sheet as CSV"),
        (b"\x1f\x8b" + bytes(40), "a file packed with gzip", "unpack it"),
    ):
        (tmp_path / "a.csv").write_bytes(content)
        message = complaint(read, tmp_path / "a.csv")
        assert "the file is not what its name says" in message
        assert f"found:    {found}" in message
        assert f"fix:      {fix}" in message


def test_low_scores_that_are_the_best_are_refused(
    tmp_path: Path, read: Callable, complaint: Callable[..., str]
) -> None:
    np.save(tmp_path / "a.npy", -LOGITS)
    message = complaint(read, tmp_path / "a.npy")
    assert "low scores seem to be the best" in message
    assert "0 of 12 images are correct by the highest score, 9 by the lowest" in message
    assert (read(tmp_path / "a.npy", kind="logits")[0][:, 0] == (-LOGITS).argmax(axis=1)).all()


def test_correctness_alone_is_refused(tmp_path: Path, read: Callable, complaint: Callable[..., str]) -> None:
    rows = [f"{name},{int(top == label)}" for name, top, label in zip(IDS, TOP, LABELS, strict=True)]
    (tmp_path / "a.csv").write_text(table("image,correct", rows))
    message = complaint(read, tmp_path / "a.csv")
    assert "the file says which predictions are correct, but not what they are" in message
