"""Attributes of images from a file to a table: imported, run, stored, reported."""

import csv
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here, write_testbed

from evalshift.analysis.summary.set_groups import set_groups
from evalshift.errors import AnalysisError, UsageError
from evalshift.evaluate.store import Results

# label and place of twelve birds; which of them each seed classifies correctly, in the same order.
BIRDS = [(label, place) for label in (0, 1) for place in "lw" for _ in range(3)]
SEEDS = {"erm-seed0": "111100110111", "erm-seed1": "111000111111", "gdro-seed0": "110110110110"}


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Predictions of three models on two sets, imported with labels that have a column for the place."""
    (tmp_path / "reg.yaml").write_text("classes: {birds: [land, water]}\n")
    for name in ("old", "new"):
        rows = [f"{n},{label},{place}" for n, (label, place) in enumerate(BIRDS)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,label,place", *rows]) + "\n")
        for model, right in SEEDS.items():
            predictions = [label if digit == "1" else 1 - label for (label, _), digit in zip(BIRDS, right, strict=True)]
            (tmp_path / "p.csv").write_text(
                "\n".join(["id,prediction", *(f"{n},{a}" for n, a in enumerate(predictions))])
            )
            done = run_here(
                *("import", "predictions", tmp_path / "p.csv", "--model", model, "--dataset", name),
                *("--labels", tmp_path / f"{name}.csv", "--classes", "birds", "--registry", tmp_path / "reg.yaml"),
                *("--results", tmp_path / "out", "--column", "prediction"),
            )
            assert done.code == 0, done.err
    return tmp_path / "out"


def test_columns_of_imported_labels_are_stored(birds: Path) -> None:
    stored = Results(birds).load_dataset("old")
    assert stored.attributes == {"place": tuple(place for _, place in BIRDS)}


def test_groups_and_the_worst_by_hand(birds: Path) -> None:
    tables, notes = set_groups(Results(birds), "old")
    assert notes == ()
    groups = tables["groups"].frame.set_index(["grouping", "group", "model"])
    counts = groups["correct"].astype(str) + "/" + groups["total"].astype(str)
    assert counts["label, place", "land, l", "erm-seed0"] == "3/3"
    assert counts["label, place", "land, w", "erm-seed0"] == "1/3"
    assert counts["label, place", "water, l", "erm-seed0"] == "2/3"
    assert counts["place", "l", "erm-seed0"] == "5/6"
    worst = tables["worst_groups"].frame.set_index(["grouping", "model"])
    assert worst["worst_group"]["label, place", "erm-seed1"] == "land, w"
    assert worst["worst_accuracy"]["label, place", "erm-seed1"] == 0
    assert worst["worst_accuracy_high"]["label, place", "erm-seed1"] == pytest.approx(1 - 0.025 ** (1 / 3))
    recipes = tables["recipes"].frame
    assert recipes[["recipe", "seeds"]].to_numpy().tolist() == [["erm", 2]]
    assert recipes["mean"].tolist() == pytest.approx([(9 / 12 + 9 / 12) / 2])
    assert recipes["sd"].tolist() == pytest.approx([0])


def test_the_command_and_the_report_give_the_same(birds: Path, tmp_path: Path) -> None:
    done = run_here("dataset", "groups", "old", "--results", birds, "--out", tmp_path / "groups")
    assert done.code == 0, done.err
    assert "Worst group" in done.out
    assert "land, w" in done.out
    with (tmp_path / "groups" / "worst_groups.csv").open() as stream:
        alone = [(row["model"], row["grouping"], row["worst_group"]) for row in csv.DictReader(stream)]
    done = run_here(
        *("report", "--results", birds, "--pair", "old:new", "--bootstrap", "0", "--format", "csv,md,tex"),
        *("--out", tmp_path / "rep"),
    )
    assert done.code == 0, done.err
    with (tmp_path / "rep" / "tables" / "old_vs_new_top1_worst_groups.csv").open() as stream:
        both = list(csv.DictReader(stream))
    assert sorted((row["model"], row["grouping"], row["worst_group"]) for row in both if row["set"] == "original") == (
        sorted(alone)
    )
    assert '"worst_groups"' in (tmp_path / "rep" / "summary.json").read_text()


def test_without_attributes(birds: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    results = Results(birds)
    results.save_dataset(replace(results.load_dataset("old"), attributes={}))
    with pytest.raises(AnalysisError, match="the images have no attributes that form groups"):
        set_groups(results, "old")


def test_a_table_of_attributes_beside_a_dataset(tmp_path: Path) -> None:
    """Stored by a run; a change of the table alone is noticed, and no model runs again for it."""
    registry = write_testbed(tmp_path)
    text = registry.read_text("utf-8")
    assert "new_y.npy, classes: shades}" in text
    changed = text.replace("new_y.npy, classes: shades}", "new_y.npy, classes: shades, attributes: years.csv}")
    registry.write_text(changed, "utf-8")
    rows = [f"{n},{1990 + n % 2}" for n in reversed(range(12))]
    (tmp_path / "years.csv").write_text("\n".join(["image,year", *rows, "99,1980"]) + "\n")
    options = ("--registry", registry, "--models", "good", "--results", tmp_path / "r")
    assert run_here("run", *options).code == 0
    assert Results(tmp_path / "r").load_dataset("new").attributes == {"year": ("1990", "1991") * 6}
    (tmp_path / "years.csv").write_text("\n".join(["image,year", *(f"{n:02d},{2000 + n % 3}" for n in range(12))]))
    again = run_here("run", *options)
    assert again.code == 0
    assert "nothing to do" in again.err
    assert Results(tmp_path / "r").load_dataset("new").attributes == {"year": ("2000", "2001", "2002") * 4}
    (tmp_path / "years.csv").write_text("image,year\n0,1990\n")
    refused = run_here("run", *options)
    assert refused.code == 2
    assert "no row for 11 of 12 images, such as 01" in refused.err


def test_a_stored_dataset_gives_its_attributes_back(tmp_path: Path) -> None:
    from evalshift.evaluate.store import StoredDataset

    stored = StoredDataset(
        "d", ("a", "b"), np.array([0, 1]), "c", ("x", "y"), "f", None, {}, attributes={"k": ("1", "")}
    )
    Results(tmp_path).save_dataset(stored)
    assert Results(tmp_path).load_dataset("d").attributes == {"k": ("1", "")}


def test_a_dataset_that_is_not_stored_is_refused_with_those_that_are(birds: Path) -> None:
    with pytest.raises(UsageError) as refused:
        set_groups(Results(birds), "odl")
    assert refused.value.problem == 'there are no results on "odl"'
    assert "old" in str(refused.value.found)
    assert refused.value.fix == 'did you mean "old"?'


def test_selection_frequencies_of_both_sets_their_means_and_slopes_by_hand(tmp_path: Path) -> None:
    # Original: frequencies 0.5 and 1, correct 1 of 2 and 2 of 2; new: 0.5 and 0.5 and 1, correct 1 of 2 and 1 of 1.
    sets = {"old": (["0.5", "0.5", "1", "1"], "1011"), "new": (["0.5", "0.5", "1"], "101")}
    (tmp_path / "reg.yaml").write_text("classes: {birds: [land, water]}\n")
    for name, (frequencies, right) in sets.items():
        rows = [f"{n},0,{value}" for n, value in enumerate(frequencies)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,label,selection_frequency", *rows]) + "\n")
        for model in ("a", "b"):
            wrong = [1 - int(digit) for digit in right] if model == "a" else [0] * len(right)
            (tmp_path / "p.csv").write_text("\n".join(["id,prediction", *(f"{n},{a}" for n, a in enumerate(wrong))]))
            done = run_here(
                *("import", "predictions", tmp_path / "p.csv", "--model", model, "--dataset", name),
                *("--labels", tmp_path / f"{name}.csv", "--classes", "birds", "--registry", tmp_path / "reg.yaml"),
                *("--results", tmp_path / "out", "--column", "prediction"),
            )
            assert done.code == 0, done.err
    done = run_here(
        *("report", "--results", tmp_path / "out", "--pair", "old:new", "--out", tmp_path / "rep", "--bootstrap", "0"),
        *("--format", "csv"),
    )
    assert done.code == 0, done.out + done.err
    with (tmp_path / "rep" / "tables" / "old_vs_new_top1_selection_frequencies.csv").open() as stream:
        rows = {(row["set"], row["model"]): row for row in csv.DictReader(stream)}
    assert {key: float(row["mean_frequency"]) for key, row in rows.items() if key[1] == "a"} == pytest.approx(
        {("original", "a"): 0.75, ("new", "a"): 2 / 3}
    )
    # From 1/2 at 0.5 to 1 at 1: 10 points per 0.1 on both sets.
    assert [float(rows[side, "a"]["slope"]) for side in ("original", "new")] == pytest.approx([0.1, 0.1])
    assert float(rows["new", "a"]["at_first_mean"]) == pytest.approx(2 / 3 + (0.75 - 2 / 3))
    assert float(rows["new", "b"]["slope"]) == pytest.approx(0, abs=1e-12)
    tables, _ = set_groups(Results(tmp_path / "out"), "old")
    assert tables["groups"].frame["group"].tolist()[:4] == ["[0.4, 0.6)"] * 2 + ["[0.8, 1]"] * 2
    assert tables["selection_frequencies"].frame["mean_frequency"].tolist() == [0.75, 0.75]
