"""The script that makes published testbeds, on small tables of the official formats."""

import csv
import gzip
import io
from pathlib import Path

import make_published
import published_geirhos2021
import published_papers
import published_robustbench
import published_taori2020
import published_timm
import pytest
from messages import says
from published_files import Made, write_counts

from evalshift.errors import DataError

# Both orders of columns that timm's tables have had.
LATER = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation"
EARLIER = "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation"
SHIFTED = ",top1_diff,top5_diff,rank_diff"


def later(model: str, size: int, top1: str, top5: str) -> str:
    errors = [f"{100 - float(text):.3f}" for text in (top1, top5)]
    return f'{model},{size},{top1},{errors[0]},{top5},{errors[1]},"1,014.45",1.000,bicubic'


def earlier(model: str, size: int, top1: str, top5: str) -> str:
    return f"{model},{top1},0,{top5},0,25.56,{size},0.950,bicubic,-1.000,-1.000,+1"


@pytest.fixture
def timm(tmp_path: Path) -> Path:
    """Tables of three models, one of them at two sizes; V2 in the earlier order and without one of the models."""
    names = [("eva_giant_patch14_560.m30m_ft_in22k_in1k", 560), ("resnet50.a1_in1k", 224), ("resnet50.a1_in1k", 288)]
    odd = ("a_network.tuned", 224)
    # 40 % and 80 % are whole counts of every set but ReaL and Sketch: 18,735 of 46,837 and 20,356 of 50,889.
    values = {"results-imagenet-real.csv": ("40.000", "80.001"), "results-sketch.csv": ("40.001", "80.000")}
    for file in published_timm.TABLES:
        top1, top5 = values.get(file, ("40.000", "80.000"))
        if "imagenetv2" in file:
            rows = [EARLIER + SHIFTED, *(earlier(*name, top1, top5) for name in names)]
        else:
            rows = [LATER, *(later(*name, top1, top5) for name in (*names, odd))]
        (tmp_path / file).write_text("\n".join(rows) + "\n", "utf-8")
    return tmp_path


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
    return {row["model"]: row for row in rows}


def test_counts_facts_and_what_became_of_every_row(timm, tmp_path, capsys):
    assert make_published.main(["timm", "--from", str(timm), "--out", str(tmp_path / "out")]) == 0
    rows = rows_of(tmp_path / "out" / "models.csv.gz")
    assert list(rows) == [
        "a_network.tuned",
        "eva_giant_patch14_560.m30m_ft_in22k_in1k",
        "resnet50.a1_in1k@224",
        "resnet50.a1_in1k@288",
    ]
    giant = rows["eva_giant_patch14_560.m30m_ft_in22k_in1k"]
    facts = [giant[name] for name in ("family", "year", "training_data", "parameters_millions", "image_size")]
    assert facts == ["eva", "2022", "merged-30m", "1014.45", "560"]
    assert (giant["imagenet top1"], giant["imagenet-r top5"]) == ("20000", "24000")
    assert (giant["imagenet-real top1"], giant["imagenet-sketch top1"]) == ("18735", "20356")
    odd = rows["a_network.tuned"]
    assert (odd["family"], odd["year"], odd["training_data"]) == ("", "", "")
    assert (odd["imagenet top1"], odd["imagenetv2-matched-frequency top1"]) == ("20000", "")
    said = capsys.readouterr().out
    assert "1 models at several image sizes: resnet50.a1_in1k\n" in said
    assert "imagenetv2-matched-frequency: 3 models, 3 of them on imagenet\n" in said


def test_the_same_rows_make_the_same_bytes(tmp_path):
    made = Made(("model", "imagenet top1"), [{"model": "a", "imagenet top1": "1"}])
    write_counts(made, tmp_path / "one.gz")
    write_counts(made, tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_tables_in_the_folder_of_results_of_a_checkout(timm, tmp_path):
    (tmp_path / "checkout").mkdir()
    for file in timm.glob("results-*.csv"):
        target = tmp_path / "checkout" / "results" / file.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    assert len(published_timm.make(tmp_path / "checkout").rows) == 4


def test_a_percentage_that_is_no_whole_count(timm):
    file = timm / "results-imagenet.csv"
    file.write_text(file.read_text("utf-8").replace("40.000", "40.001"), "utf-8")
    with pytest.raises(DataError) as complaint:
        published_timm.make(timm)
    says(complaint.value, where="results-imagenet.csv, top1, eva_giant_patch14_560.m30m_ft_in22k_in1k@560")


def test_a_model_with_two_rows(timm):
    file = timm / "results-imagenet-a.csv"
    file.write_text(file.read_text("utf-8") + later("resnet50.a1_in1k", 224, "40.000", "80.000"), "utf-8")
    with pytest.raises(DataError) as complaint:
        published_timm.make(timm)
    says(complaint.value, where="results-imagenet-a.csv, line 6", found="resnet50.a1_in1k@224")


def test_a_missing_table_is_said_by_the_script(timm, capsys):
    (timm / "results-sketch.csv").unlink()
    assert make_published.main(["timm", "--from", str(timm), "--out", "unused"]) == 2
    assert "expected: results-sketch.csv" in capsys.readouterr().err


def test_another_file_than_that_of_a_known_checksum(timm, monkeypatch):
    monkeypatch.setitem(published_timm.CHECKSUMS, "results-imagenet.csv", "0" * 64)
    with pytest.raises(DataError) as complaint:
        published_timm.make(timm)
    assert complaint.value.expected == "0" * 64


TAORI = dict.fromkeys(("model", "imagenet-c.fog.1_on-disk", *published_taori2020.COLUMNS), "")


CORRUPTIONS = (*published_taori2020.BENCHMARK, *published_taori2020.EXTRA)


def averages(folder: Path, found: dict[str, str]) -> None:
    """The table of averages: model -> average on each corruption on disk; 12.34 in memory, 43.21 over all."""
    head = ["model", *(f"{name}_on-disk" for name in CORRUPTIONS), "fog_in-memory", "avg_corruptions"]
    rows = [[model, *[average] * len(CORRUPTIONS), "12.34", "43.21"] for model, average in found.items()]
    lines = [",".join(cells) for cells in (head, *rows)]
    (folder / published_taori2020.AVERAGES).write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture(autouse=True)
def of_another_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    for script in (published_geirhos2021, published_taori2020):
        monkeypatch.setattr(script, "CHECKSUMS", {})


def taori(folder: Path, *rows: dict[str, str]) -> Made:
    if not (folder / published_taori2020.AVERAGES).exists():
        averages(folder, {})
    lines = [",".join(TAORI), *(",".join((TAORI | row).values()) for row in rows)]
    (folder / published_taori2020.FILE).write_text("\n".join(lines) + "\n", "utf-8")
    return published_taori2020.make(folder)


def test_taori2020_single_precision_and_averages_over_batches(tmp_path):
    exact = {"model": "resnet50_swsl", "val": "81.17400360107422", "objectnet-1.0-beta": "68.45090202009291"}
    made = taori(
        tmp_path,
        exact,
        {"model": "FixResNet50", "val": "79.1001"},
        {"model": "wide_resnet50_2", "val": "78.468"},
        {"model": "empty"},
    )
    rows = {row["model"]: row for row in made.rows}
    swsl = rows["resnet50_swsl"]
    assert (swsl["imagenet top1"], swsl["objectnet-1.0-beta top1"], swsl["imagenet-a top1"]) == ("40587", "12673", "")
    assert (swsl["training_data"], swsl["family"], swsl["counted_from"]) == ("instagram", "resnet", "predictions")
    assert rows["FixResNet50"]["counted_from"] == "tables"
    assert rows["FixResNet50"]["imagenet top1"] == "39550"
    assert rows["wide_resnet50_2"]["family"] == "wide-resnet"
    assert "empty" not in rows
    assert "1 models without accuracies on these sets: empty" in made.notes
    assert "1 models with accuracies that are no whole counts: FixResNet50" in made.notes


def test_taori2020_averages_over_corruptions(tmp_path):
    averages(tmp_path, {"alexnet": "16.3168", "smoothed": "16.316"})
    lines = (tmp_path / published_taori2020.AVERAGES).read_text("utf-8").replace("12.34,43.21", "12.340,43.21")
    (tmp_path / published_taori2020.AVERAGES).write_text(lines.replace("16.3168,", "20.0000,", 1), "utf-8")
    made = taori(
        tmp_path, {"model": "alexnet", "val": "56.522"}, {"model": "smoothed", "val": "50"}, {"model": "a", "val": "50"}
    )
    rows = {row["model"]: row for row in made.rows}
    found = [rows["alexnet"][f"imagenet-c@{name} top1"] for name in ("gaussian_noise", "fog", "saturate")]
    # 20 % of 50,000, and 8,158.4; their mean over the 15 is (10,000 + 14 · 8,158.4) / 15 = 8,281.2
    assert found == ["10000", "8158", "8158"]
    assert (rows["alexnet"]["imagenet-c top1"], rows["alexnet"]["imagenet-avg-corruptions top1"]) == ("8281", "21605")
    assert {rows[name][f"{column} top1"] for name in ("smoothed", "a") for column in published_taori2020.CORRUPTED} == {
        ""
    }
    assert "1 models with averages of fewer images, left out: smoothed" in made.notes
    assert "1 models without averages of ImageNet-C: a" in made.notes


def test_taori2020_averages_of_a_model_without_a_row(tmp_path):
    averages(tmp_path, {"alexnet": "16.3168"})
    with pytest.raises(DataError) as complaint:
        taori(tmp_path, {"model": "vgg11", "val": "56.522"})
    says(complaint.value, where="imagenet_c_averages.csv", found="alexnet")


def test_taori2020_two_rows_and_what_is_no_accuracy(tmp_path):
    with pytest.raises(DataError) as complaint:
        taori(tmp_path, {"model": "a"}, {"model": "a"})
    assert complaint.value.found == "a"
    with pytest.raises(DataError) as complaint:
        taori(tmp_path, {"model": "a", "val": "101"})
    assert complaint.value.found == "101"


def test_cinic10_by_the_errors_of_its_table(tmp_path):
    cells = "".join(
        f"<tr><td>{model}</td>\n<td>1.5M</td>\n<td><math>12.23 \\pm 0.16</math></td></tr>"
        for model in published_papers._NETWORKS
    )
    (tmp_path / published_papers.CINIC10).write_text(cells, "utf-8")
    rows = published_papers.make_cinic10(tmp_path).rows
    # 90,000 · (1 − 0.1223) = 78,993
    assert {row["cinic10 top1"] for row in rows} == {"78993"}
    (tmp_path / published_papers.CINIC10).write_text(cells.replace("VGG-16", "VGG"), "utf-8")
    with pytest.raises(DataError) as complaint:
        published_papers.make_cinic10(tmp_path)
    assert complaint.value.found == "5 rows"


def test_chrabaszcz2017_by_the_errors_of_its_table(tmp_path):
    line = "WRN-28-k on ImageNet32x32\t{}\t37.1M\t40,96%\t18,87%\t13.8\n"
    text = "".join(line.format(width) for width in range(13))
    (tmp_path / published_papers.CHRABASZCZ2017).write_text(text, "utf-8")
    rows = published_papers.make_chrabaszcz2017(tmp_path).rows
    # 50,000 · (1 − 0.4096) = 29,520
    assert (rows[0]["model"], rows[0]["imagenet32 top1"]) == ("WRN-28-0 on ImageNet32x32", "29520")
    assert rows[0]["imagenet32 top5"] == "40565"
    (tmp_path / published_papers.CHRABASZCZ2017).unlink()
    with pytest.raises(DataError) as complaint:
        published_papers.make_chrabaszcz2017(tmp_path)
    assert complaint.value.expected == published_papers.CHRABASZCZ2017


ROBUSTBENCH = dict.fromkeys(
    (
        *("dataset", "threat", "id", "architecture", "clean_acc", "robust_acc", "external", "additional_data", "venue"),
        *("year", "corruptions_acc_3d", "readme_clean_acc", "readme_robust_acc", "readme_architecture"),
        *("readme_venue", "superseded_by"),
    ),
    "",
)


def robustbench(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: str, cells: tuple[str, ...] = ()) -> list[Made]:
    """Made from rows "dataset threat id clean robust" and further columns, and cells "shift id correct n"."""
    models = []
    for row in rows:
        dataset, threat, name, clean, robust, *more = row.split()
        row_of = {"dataset": dataset, "threat": threat, "id": name, "clean_acc": clean, "robust_acc": robust}
        models.append(ROBUSTBENCH | row_of | dict(one.split("=") for one in more))
    tables = {
        published_robustbench.MODELS: models,
        published_robustbench.CELLS: [
            dict(zip(("shift", "id", "correct", "n"), one.split(), strict=True)) for one in cells
        ],
    }
    for name, table in tables.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, tuple(table[0]) if table else ("shift",), lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
    monkeypatch.setattr(published_robustbench, "CHECKSUMS", {})
    return published_robustbench.make(folder)


def test_robustbench_models_of_several_leaderboards(tmp_path, monkeypatch):
    cifar10, _, imagenet = robustbench(
        tmp_path,
        monkeypatch,
        "cifar10 Linf A2020 85.29 57.14 additional_data=true architecture=WideResNet-70-16 year=2020",
        "cifar10 L2 A2020 90.90 74.50 additional_data=true",
        "cifar10 corruptions A2020_Linf 85.29 76.37",
        "cifar10 Linf B2021_ddpm 90.00 50.00 external=49.50 additional_data=false architecture=PreActResNet-18",
        "cifar10 Linf C2022 90.00 50.00 readme_clean_acc=91.00 readme_robust_acc=60.00 superseded_by=D2022",
        "cifar10 corruptions E2019 94.00 85.00",
        "imagenet corruptions F2019 76.72 39.485 corruptions_acc_3d=47.115 architecture=ResNet-50",
        cells=("CIFAR-10-C A2020_Linf 7000 10000", "CIFAR-10-C A2020_Linf 8001 10000", "CIFAR-10-C E2019 850 1000"),
    )
    rows = {
        row["model"]: [row[f"{name} top1"] for name in published_robustbench.SETS["cifar10"].values()]
        for row in cifar10.rows
    }
    assert rows == {
        "A2020_L2": ["9090", "", "7450", ""],
        "A2020_Linf": ["8529", "5714", "", "7500"],  # (7000 + 8001) / 2 = 7500.5, rounded to the even count
        "B2021_ddpm": ["9000", "4950", "", ""],
    }
    facts = {row["model"]: (row["family"], row["year"], row["training_data"]) for row in cifar10.rows}
    assert facts["A2020_Linf"] == ("wide-resnet", "2020", "cifar10-and-more")
    assert facts["B2021_ddpm"] == ("resnet-v2", "", "cifar10-and-generated")
    assert "cifar10: corruptions of E2019 are of fewer images and left out" in cifar10.notes
    # 5,000 images: 76.72 % are 3,836; the means 1,974.25 and 2,355.75 are no whole counts
    assert [imagenet.rows[0][f"{name}@robustbench top1"] for name in ("imagenet", "imagenet-c", "imagenet-3dcc")] == [
        "3836",
        "1974",
        "2356",
    ]


def test_robustbench_accuracy_under_attack_that_is_no_whole_count(tmp_path, monkeypatch):
    with pytest.raises(DataError) as complaint:
        robustbench(tmp_path, monkeypatch, "imagenet Linf A2020 76.72 39.49")
    says(complaint.value, where="models.csv, imagenet, Linf, A2020", found="39.49 % of 5,000")


def geirhos2021(folder: Path, *rows: str, edge: str = "0.1375") -> Made:
    """Made from rows "source model": half of the images of each set correct, and a share of `edge`."""
    lines = [",".join(["source", "model", *published_geirhos2021.IMAGES])]
    shares = {**dict.fromkeys(published_geirhos2021.IMAGES, "0.5"), "edge": edge}
    lines += [",".join([*row.split(), *shares.values()]) for row in rows]
    (folder / published_geirhos2021.FILE).write_text("\n".join(lines) + "\n", "utf-8")
    return published_geirhos2021.make(folder)


def test_geirhos2021_whole_counts_of_the_named_models(tmp_path):
    made = geirhos2021(tmp_path, "bethgelab@1 resnet50", "Zhang@2 cornet_s", "Thieringer@3 my_test")
    (row,) = made.rows
    assert (row["model"], row["family"], row["training_data"]) == ("resnet50", "resnet", "imagenet-1k")
    # 0.1375 of 160, and half of 1,120
    assert (row["model-vs-human@edge top1"], row["model-vs-human@false-colour top1"]) == ("22", "560")
    assert "1 models evaluated by others, left out: cornet_s" in made.notes
    assert "1 models that are not named, left out: my_test" in made.notes


def test_geirhos2021_accuracy_that_is_no_whole_count(tmp_path):
    with pytest.raises(DataError) as complaint:
        geirhos2021(tmp_path, "bethgelab@1 resnet50", edge="0.1374")
    says(complaint.value, where="per_dataset.csv, resnet50, edge", found="0.1374 of 160")
