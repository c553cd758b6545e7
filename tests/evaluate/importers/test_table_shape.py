"""Tables that lie on their side, and rows that summarize others."""

from pathlib import Path

from evalshift.evaluate.importers.tables import import_table
from evalshift.evaluate.store import Results
from evalshift.testbed.registry import Registry

SIZES = {"a": 1000, "b": 1000}


def imported(
    tmp_path: Path, results: Results, registry: Registry, text: str, **options: object
) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    (tmp_path / "t.csv").write_text(text)
    report = import_table(tmp_path / "t.csv", {"a": "a", "b": "b"}, results, registry=registry, **options)  # pyright: ignore[reportArgumentType]
    found: dict[str, tuple[int, ...]] = {}
    for one in report.models:
        found[one.model] = (*found.get(one.model, ()), one.top1)
    return found, report.rules


def test_rows_of_datasets_and_columns_of_models(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "dataset,resnet,vit\na,93.5,94.2\nb,81.2,83.0\nother,1,2\n"
    found, rules = imported(tmp_path, results, registry, text, sizes=SIZES)
    assert found == {"resnet": (935, 812), "vit": (942, 830)}
    assert rules[0] == "the rows of the table are datasets, and its columns models: 2 of them"


def test_means_and_deviations_of_other_rows_are_no_models(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "model,a,b\nresnet,93.5,81.2\nvit,94.2,83.0\nMean,93.9,82.1\nstd,0.4,0.9\n"
    found, rules = imported(tmp_path, results, registry, text, sizes=SIZES)
    assert found == {"resnet": (935, 812), "vit": (942, 830)}
    assert "left out, as they summarize other rows: Mean, std" in rules


def test_the_mean_over_seeds_is_no_seed(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "model,seed,a,b\nr,0,93.5,81.2\nr,1,93.7,81.0\nr,mean,93.6,81.1\nr,std,0.1,0.1\nv,0,94.2,83.0\n"
    found, _ = imported(tmp_path, results, registry, text, sizes=SIZES)
    assert found == {"r@0": (935, 812), "r@1": (937, 810), "v": (942, 830)}


def test_a_model_called_average_that_is_no_mean_stays(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "model,a,b\nresnet,93.5,81.2\nvit,94.2,83.0\naverage,95.0,84.0\n"
    assert imported(tmp_path, results, registry, text, sizes=SIZES)[0]["average"] == (950, 840)


def test_counts_say_of_how_many_images_they_are(tmp_path: Path, results: Results, registry: Registry) -> None:
    text = "model,a,b\nresnet,935/1000,812/1000\nvit,942/1000,830/1000\n"
    found, rules = imported(tmp_path, results, registry, text)
    assert found == {"resnet": (935, 812), "vit": (942, 830)}
    assert "a: read as counts, as they are written" in rules
