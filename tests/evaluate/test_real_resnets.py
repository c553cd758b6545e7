"""Four trained ResNets on the CIFAR-10 test set, to the last image: the counts that their authors' code gives.

On the first images in every run of the tests, on all 10,000 among the late ones.
"""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

import evalshift as es
from evalshift.evaluate.run import run
from evalshift.evaluate.store import Results

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
CHECKPOINTS = {20: "12fca82f", 32: "d509ac18", 44: "014dd654", 56: "4bfd9763"}
CORRECT = {"resnet20": (9173, 9966), "resnet32": (9263, 9978), "resnet44": (9310, 9981), "resnet56": (9339, 9977)}
FEW = 250
# Of the first images, by a forward pass written out in plain torch, without evalshift; of the five predictions of each
# model one is always correct.
CORRECT_OF_FIRST = {"resnet20": 227, "resnet32": 232, "resnet44": 229, "resnet56": 234}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "cifar10").is_dir() or not (DATA / "checkpoints").is_dir(),
        reason=f"no cifar10 and checkpoints in {DATA}; name the folder with EVALSHIFT_TEST_DATA",
    ),
]


def recompressed(images: np.ndarray, quality: int) -> np.ndarray:
    """The same pictures as a frugal camera would have stored them."""
    again = np.empty_like(images)
    for number, image in enumerate(images):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as picture:
            again[number] = picture
    return again


def write_registry(folder: Path, datasets: dict[str, dict[str, str]]) -> Path:
    models = {
        f"resnet{depth}": {
            "source": "checkpoint",
            "builder": f"evalshift.testbed.architectures:cifar_resnet{depth}",
            "weights": str(DATA / "checkpoints" / f"resnet{depth}-{digest}.th"),
            "sha256": digest,
            "classes": "cifar10",
            "preprocess": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
            "family": "resnet",
            "year": 2015,
            "expected": {"original": CORRECT[f"resnet{depth}"][0] / 10_000},
        }
        for depth, digest in CHECKPOINTS.items()
    }
    content = {
        "datasets": {name: {"source": "npy", "classes": "cifar10"} | arrays for name, arrays in datasets.items()},
        "models": models,
        "pairs": ["original:first", "first:recompressed"],
    }
    path = folder / "registry.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def run_quietly(registry: Path, results: Path, **options: object) -> tuple[Results, str]:
    said = io.StringIO()
    console = Console(file=said, width=200)
    made = run(registry, results=results, device="cpu", console=console, **options)  # pyright: ignore
    return made, said.getvalue()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry of the four, of all 10,000 images, of the first ones, and of as many recompressed ones."""
    folder = tmp_path_factory.mktemp("resnets")
    images, labels = (np.load(DATA / "cifar10" / f"test_{part}.npy") for part in ("images", "labels"))
    parts = {"first": images[:FEW], "recompressed": recompressed(images[:FEW], quality=30), "first-100": images[:100]}
    datasets = {"original": {part: str(DATA / "cifar10" / f"test_{part}.npy") for part in ("images", "labels")}}
    for name, some in (parts | {"two": images[:2]}).items():
        np.save(folder / f"{name}_x.npy", some)
        np.save(folder / f"{name}_y.npy", labels[: len(some)])
        datasets[name] = {"images": f"{name}_x.npy", "labels": f"{name}_y.npy"}
    return write_registry(folder, datasets)


@pytest.fixture(scope="module")
def project(registry: Path) -> tuple[Path, Results]:
    """The registry, and predictions of the four on the first images and on these recompressed.

    The smallest in batches of 128; the others in batches of the size that is found.
    """
    results = registry.parent / "results"
    few = {"pairs": ["first:recompressed"]}
    run_quietly(registry, results, models=["resnet20"], batch_size=128, **few)
    made, said = run_quietly(registry, results, **few)
    assert made.failures == (), said
    assert "skipped   2 predictions stored and still valid\n" in said
    return registry, made


@pytest.fixture(scope="module")
def whole(project: tuple[Path, Results]) -> Results:
    """Predictions of the four on all 10,000 images."""
    registry, results = project
    made, said = run_quietly(registry, results.path, pairs=["original:first"])
    assert made.failures == (), said
    return made


def correct(results: Results, dataset: str, model: str) -> tuple[int, int]:
    labels = results.load_dataset(dataset).labels
    predictions = results.load_predictions(dataset, model)
    return int(predictions.hits(labels).sum()), int(predictions.hits(labels, 5).sum())


def is_of_the_checkpoint(results: Results, dataset: str, model: str) -> None:
    provenance = results.provenance(dataset, model)
    assert provenance is not None
    assert provenance.checkpoint_sha256 is not None
    assert provenance.checkpoint_sha256.startswith(CHECKPOINTS[int(model.removeprefix("resnet"))])
    assert provenance.warnings == []


@pytest.mark.parametrize("model", CORRECT)
def test_of_the_first_images_every_model_gets_as_many_correct_as_in_plain_torch(
    project: tuple[Path, Results], model: str
) -> None:
    assert correct(project[1], "first", model) == (CORRECT_OF_FIRST[model], FEW)
    is_of_the_checkpoint(project[1], "first", model)


@pytest.mark.late
@pytest.mark.parametrize("model", CORRECT)
def test_every_model_gets_exactly_as_many_correct_as_published(whole: Results, model: str) -> None:
    assert correct(whole, "original", model) == CORRECT[model]
    is_of_the_checkpoint(whole, "original", model)
    provenance = whole.provenance("original", model)
    assert provenance is not None
    assert provenance.fused  # which is faster for so many images, on any machine


@pytest.mark.parametrize("batch_size", [32, "auto"])
def test_trap_33_the_batch_size_does_not_move_a_count(
    project: tuple[Path, Results], tmp_path: Path, batch_size: int | str
) -> None:
    _, in_128 = project
    assert in_128.load_predictions("recompressed", "resnet20").provenance.batch_size == 128
    gives_the_same(project, tmp_path, "recompressed", batch_size)


@pytest.mark.thorough
@pytest.mark.parametrize("batch_size", [1, 32])
def test_trap_33_the_batch_size_does_not_move_a_count_of_10_000(
    project: tuple[Path, Results], whole: Results, tmp_path: Path, batch_size: int
) -> None:
    gives_the_same((project[0], whole), tmp_path, "original", batch_size)


def gives_the_same(project: tuple[Path, Results], folder: Path, dataset: str, batch_size: int | str) -> None:
    """resnet20 in batches of this size predicts what is stored."""
    registry, stored = project
    results, _ = run_quietly(registry, folder, pairs=[f"two:{dataset}"], models=["resnet20"], batch_size=batch_size)
    assert correct(results, dataset, "resnet20") == correct(stored, dataset, "resnet20")
    one, other = (found.load_predictions(dataset, "resnet20") for found in (results, stored))
    # The last bits of a logit depend on the order of additions: where two are equal but for them, a prediction may
    # change.
    assert (one.top[:, 0] != other.top[:, 0]).sum() <= 2
    assert one.prob is not None
    assert other.prob is not None
    np.testing.assert_allclose(one.prob, other.prob, atol=1e-4)


def test_trap_33_half_precision_is_stored_as_such_and_never_passes_for_fp32(
    project: tuple[Path, Results], tmp_path: Path
) -> None:
    """bfloat16 has 8 of fp32's 24 digits: of 250 predictions a few are others."""
    registry, in_fp32 = project
    options = {"pairs": ["two:recompressed"], "models": ["resnet20"]}
    results, _ = run_quietly(registry, tmp_path, precision="bf16", **options)
    half, full = (found.load_predictions("recompressed", "resnet20") for found in (results, in_fp32))
    assert (half.provenance.precision, full.provenance.precision) == ("bf16", "fp32")
    assert 1 <= (half.top[:, 0] != full.top[:, 0]).sum() <= 30
    again, said = run_quietly(registry, tmp_path, **options)
    assert "redone    resnet20 on two, resnet20 on recompressed: precision bf16 → fp32\n" in said
    assert correct(again, "recompressed", "resnet20") == correct(in_fp32, "recompressed", "resnet20")


def test_trap_33_one_image_at_a_time_gives_the_same_predictions(project: tuple[Path, Results], tmp_path: Path) -> None:
    registry, in_batches = project
    smallest_and_largest = ("resnet20", "resnet56")
    results, _ = run_quietly(registry, tmp_path, pairs=["two:first-100"], models=smallest_and_largest, batch_size=1)
    for model in smallest_and_largest:
        one, other = results.load_predictions("first-100", model), in_batches.load_predictions("first", model)
        np.testing.assert_array_equal(one.top[:, 0], other.top[:100, 0])
        assert one.prob is not None
        assert other.prob is not None
        np.testing.assert_allclose(one.prob, other.prob[:100], atol=1e-4)


def test_a_second_run_does_nothing_and_says_so(project: tuple[Path, Results]) -> None:
    registry, results = project
    again, said = run_quietly(registry, results.path, pairs=["first:recompressed"])
    assert said == (
        f"registry  {registry}\n"
        "pairs     first:recompressed\n"
        "models    4\n"
        "skipped   8 predictions stored and still valid\n"
        f"nothing to do: everything is in {results.path}\n"
    )
    assert again.failures == ()


def test_the_stored_predictions_make_a_full_report(project: tuple[Path, Results], tmp_path: Path) -> None:
    _, results = project
    report = es.report(results, pairs=["first:recompressed"], scale="probit", resamples=1_000)
    table = report.table.set_index("model")
    assert table["original_correct"].to_dict() == {name: correct(results, "first", name)[0] for name in CORRECT}
    # Compression at this quality costs every one of them several points.
    assert table["drop"].between(0.05, 0.5).all()
    assert sorted(report.table["original_rank"])[0] == 1
    page = report.save(tmp_path / "report", "html,png,csv,md")
    assert page == tmp_path / "report" / "index.html"
    written = {str(path.relative_to(tmp_path / "report")) for path in (tmp_path / "report").rglob("*.*")}
    stem = "first_vs_recompressed"
    assert {"index.html", "summary.json"} <= written
    for metric in ("top1", "top5"):
        assert {f"tables/{stem}_{metric}.{suffix}" for suffix in ("csv", "md")} <= written
        assert any(name.startswith(f"figures/{stem}_{metric}_") and name.endswith("png") for name in written)
    assert all((tmp_path / "report" / name).stat().st_size > 0 for name in written)
