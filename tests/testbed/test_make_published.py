"""The script that makes published testbeds, on small tables of the official formats."""

import csv
import gzip
import io
from pathlib import Path

import make_published
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
    out = tmp_path / "models.csv.gz"
    assert make_published.main(["timm", "--from", str(timm), "--out", str(out)]) == 0
    rows = rows_of(out)
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
