"""The released predictions: layouts, names, known faults, and the counts that the paper's tables come from."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fileserver import FileServer
from messages import says
from released import CIFAR10, DATA, IMAGENET, needs_cifar10, needs_imagenet

from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.report import report
from evalshift.analysis.statistics.near_duplicates import WithoutDuplicates
from evalshift.errors import HashMismatchError
from evalshift.evaluate.importers.released import import_released
from evalshift.evaluate.importers.releases import RELEASES, download, published
from evalshift.evaluate.importers.releases.release import listed_files
from evalshift.evaluate.store import Results
from evalshift.testbed.classes import built_in
from evalshift.testbed.published import load_published
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry

V2 = "imagenetv2-matched-frequency"
WNIDS = built_in("imagenet-1k").folders


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALSHIFT_MIRROR", raising=False)
    return load_registry()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    with FileServer() as server:
        yield server


def cifar(folder: Path, *, upstream: bool = False, labels: bool = True) -> Path:
    """Two models on all three sets, each of a few images, as the repository or a folder of predictions has them."""
    for place, images in (("original", 5), ("v4", 4), ("v6", 3)):
        predictions = folder / ("model_predictions" if upstream else "") / f"{place}_predictions"
        predictions.mkdir(parents=True)
        (predictions / "nas_predictions.json").write_text(json.dumps(list(range(images))), "utf-8")
        (predictions / "resnetv2_tf_predictions.json").write_text(json.dumps([0] * images), "utf-8")
        name = "cifar10_test" if place == "original" else f"cifar10.1_{place}"
        if labels and not (upstream and place == "original"):
            at = folder / ("datasets" if upstream else "") / f"{name}_labels.npy"
            at.parent.mkdir(exist_ok=True)
            np.save(at, np.arange(images))
    return folder


# Ten images, and the same two models' predictions to them; the second stores its predictions worst first on V2.
IDS = [f"{number:040x}" for number in (9, 3, 7, 1, 5)]
LABELS = [2, 0, 1, 0, 2]
TOP = [[2, 5, 6, 7, 8], [0, 5, 6, 7, 8], [1, 5, 6, 7, 8], [5, 0, 6, 7, 8], [5, 6, 2, 7, 8]]


def imagenet(folder: Path, *, upstream: bool = False) -> Path:
    names = {"imagenet-val": "imagenet-validation-original", "matched-frequency": "imagenetv2-b-33"}
    for short, revision in names.items():
        ids = [f"ILSVRC2012_val_{name[-8:]}.JPEG" for name in IDS] if short == "imagenet-val" else IDS
        predictions = folder / (f"data/predictions/{revision}" if upstream else short)
        predictions.mkdir(parents=True)
        top = np.array(TOP, np.int64 if upstream else np.int16)
        np.save(predictions / "resnet50.npy", top)
        np.save(predictions / "fv_16k_model.npy", top if short == "imagenet-val" else top[:, ::-1])
        if upstream:
            at = folder / f"data/datasets/{revision}.json"
            at.parent.mkdir(exist_ok=True)
            rows = [[name, WNIDS[label]] for name, label in zip(ids, LABELS, strict=True)]
            at.write_text(json.dumps({"seed": 1, "image_filenames": rows}), "utf-8")
        else:
            np.save(folder / f"{short}_labels.npy", np.array(LABELS, np.int16))
            (folder / f"{short}_ids.txt").write_text("\n".join(ids) + "\n", "utf-8")
    return folder


@needs_cifar10
def test_trap_27_what_the_registry_knows_of_near_duplicates_is_said_of_imported_models_too(
    results: Results, default: Registry
) -> None:
    """As of models that were run: 3.3 % of CIFAR-10's test images resemble training images."""
    import_released("recht2019-cifar10", results, CIFAR10, registry=default)
    for pair in ("cifar10:cifar10.1-v4", "cifar10:cifar10.1-v6"):
        found = report(results, pairs=pair, resamples=50)
        assert isinstance(found.statistics.duplicates, WithoutDuplicates)
        table = found.tables["duplicates"].set_index("model")
        # All 330 are right, so of the other 9,670 as many less are.
        right = found.table.set_index("model")["original_correct"] - 330
        assert len(right) == 30
        np.testing.assert_allclose(table["accuracy"], right[table.index] / 9_670)


@pytest.mark.parametrize("upstream", [False, True])
def test_both_layouts_of_cifar10(
    tmp_path: Path, results: Results, default: Registry, complaint: Callable[..., str], upstream: bool
) -> None:
    folder = cifar(tmp_path / "released", upstream=upstream)
    if upstream:  # the repository has no labels of CIFAR-10 itself
        says(
            complaint(import_released, "recht2019-cifar10", results, folder, registry=default),
            where="dataset cifar10",
            found="none in the folder, and the dataset is not on this disk",
        )
        np.save(folder / "cifar10_test_labels.npy", np.arange(5))
    report = import_released("recht2019-cifar10", results, folder, registry=default)
    assert [(one.model, one.dataset, one.images, one.top1) for one in report.models] == [
        ("nas", "cifar10", 5, 5),
        ("resnetv2_tf_32", "cifar10", 5, 1),
        ("nas", "cifar10.1-v4", 4, 4),
        ("resnetv2_tf_32", "cifar10.1-v4", 4, 1),
        ("nas", "cifar10.1-v6", 3, 3),
        ("resnetv2_tf_32", "cifar10.1-v6", 3, 1),
    ]
    assert report.pairs == ("cifar10:cifar10.1-v4", "cifar10:cifar10.1-v6")
    assert results.pairs() == list(report.pairs)
    assert report.rules[0] == "the file is called resnetv2_tf; the paper calls the model resnetv2_tf_32"
    assert (
        "resnetv2_tf_32 on cifar10.1-v6 differs from what was published: 1 of 3 right, 1,702 published" in report.rules
    )
    assert any(rule.startswith("27 of 29 models are missing on cifar10.1-v6: ") for rule in report.rules)
    stored = results.load_predictions("cifar10", "resnetv2_tf_32").provenance
    assert stored.entry["family"] == "resnet"
    assert stored.imported is not None
    assert (stored.imported.source, list(stored.imported.files)) == (
        "recht2019-cifar10",
        ["resnetv2_tf_predictions.json"],
    )


@pytest.mark.parametrize("upstream", [False, True])
def test_both_layouts_of_imagenet_are_stored_in_the_order_of_our_datasets(
    tmp_path: Path, results: Results, default: Registry, upstream: bool
) -> None:
    folder = imagenet(tmp_path / "released", upstream=upstream)
    report = import_released("recht2019-imagenet", results, folder, registry=default)
    assert [(one.model, one.dataset, one.top1, one.top5) for one in report.models] == [
        ("fv_16k", "imagenet", 3, 5),
        ("resnet50", "imagenet", 3, 5),
        ("fv_16k", V2, 3, 5),
        ("resnet50", V2, 3, 5),
    ]
    assert report.pairs == (f"imagenet:{V2}",)
    # Sorted by class, then by file name; predictions go with their images.
    new = results.load_dataset(V2)
    assert new.labels.tolist() == [0, 0, 1, 2, 2]
    assert [name[0] + name[-6:] for name in new.ids] == ["01.jpeg", "03.jpeg", "17.jpeg", "25.jpeg", "29.jpeg"]
    original = results.load_dataset("imagenet")  # by the number in the name
    assert original.ids == tuple(f"ILSVRC2012_val_0000000{number}" for number in (1, 3, 5, 7, 9))
    for model in ("fv_16k", "resnet50"):
        assert results.load_predictions(V2, model).top.tolist() == [TOP[row] for row in (3, 1, 2, 4, 0)]
        assert results.load_predictions("imagenet", model).top.tolist() == [TOP[row] for row in (3, 1, 4, 2, 0)]
    assert f"fv_16k on {V2}: the 5 columns are stored worst first, so they are read from the last" in report.rules
    assert report.rules[0] == "the file is called fv_16k_model; the paper calls the model fv_16k"


def test_names_of_images_that_are_no_text(
    tmp_path: Path, results: Results, default: Registry, complaint: Callable[..., str]
) -> None:
    folder = imagenet(tmp_path / "released")
    names = folder / "imagenet-val_ids.txt"
    names.write_bytes(b"\xff")
    says(
        complaint(import_released, "recht2019-imagenet", results, folder, registry=default),
        where=names,
        found="the byte 0xff at position 0, which is not UTF-8",
    )


def test_columns_that_are_right_already_are_left_alone(tmp_path: Path, results: Results, default: Registry) -> None:
    folder = imagenet(tmp_path / "released")
    np.save(folder / "matched-frequency/fv_16k_model.npy", np.array(TOP, np.int16))
    report = import_released("recht2019-imagenet", results, folder, registry=default)
    assert [one.top1 for one in report.models] == [3, 3, 3, 3]
    assert not any("worst first" in rule for rule in report.rules)


def test_predictions_follow_the_order_of_a_stored_dataset(tmp_path: Path, results: Results, default: Registry) -> None:
    folder = imagenet(tmp_path / "released")
    import_released("recht2019-imagenet", results, folder, registry=default)
    own = results.load_dataset(V2)
    turned = type(own)(
        V2, own.ids[::-1], own.labels[::-1].copy(), own.classes, own.class_names, "of the images", None, own.entry
    )
    results.save_dataset(turned)
    import_released("recht2019-imagenet", results, folder, registry=default)
    assert results.load_dataset(V2).fingerprint == "of the images"
    assert results.load_predictions(V2, "resnet50").top.tolist() == [TOP[row] for row in (0, 4, 2, 1, 3)]


def test_images_without_names_belong_by_their_labels(
    tmp_path: Path, results: Results, default: Registry, complaint: Callable[..., str]
) -> None:
    folder = cifar(tmp_path / "released")
    import_released("recht2019-cifar10", results, folder, registry=default)
    own = results.load_dataset("cifar10")
    assert own.ids == ("0", "1", "2", "3", "4")
    run_here = replace(own, fingerprint="of the images", source_checksum="of the files")
    results.save_dataset(run_here)
    import_released("recht2019-cifar10", results, folder, registry=default)
    assert results.load_dataset("cifar10").fingerprint == "of the images"
    assert load_pair(results, "cifar10:cifar10.1-v4").outcomes["top1"].original_correct.tolist() == [5, 1]
    results.save_dataset(replace(own, labels=own.labels[::-1].copy()))
    assert complaint(import_released, "recht2019-cifar10", results, folder, registry=default).startswith(
        "these predictions are of other images than those stored\n"
    )


def test_other_images_under_the_same_name_are_refused(
    tmp_path: Path, results: Results, default: Registry, complaint: Callable[..., str]
) -> None:
    folder = imagenet(tmp_path / "released")
    import_released("recht2019-imagenet", results, folder, registry=default)
    own = results.load_dataset(V2)
    other = tuple(f"{name}x" for name in own.ids)
    results.save_dataset(
        type(own)(V2, other, own.labels, own.classes, own.class_names, "of other images", None, own.entry)
    )
    says(
        complaint(import_released, "recht2019-imagenet", results, folder, registry=default),
        where=results.dataset_file(V2),
        found="5 images stored, 5 released; other ids, or another order of the labels",
        expected=f"the official {V2}, in its official order",
    )


def test_a_folder_without_predictions(
    tmp_path: Path, results: Results, default: Registry, complaint: Callable[..., str]
) -> None:
    (tmp_path / "empty").mkdir()
    says(
        complaint(import_released, "recht2019-cifar10", results, tmp_path / "empty", registry=default),
        where=tmp_path / "empty",
        found="nothing",
    )
    assert complaint(import_released, "recht2019-cifar10", results, tmp_path / "none", registry=default).startswith(
        "the folder to import is not there\n"
    )
    says(complaint(import_released, "recht2019", results, tmp_path, registry=default))


def test_every_renamed_model_stands_in_the_published_tables() -> None:
    published = {model.name for table in load_published("recht2019").tables for model in table.models if model.exact}
    names: set[str] = set()
    for release in RELEASES.values():
        datasets = {one.dataset for one in release.sets}
        listed = [Path(row["path"]).name for row in listed_files(release.listing) if row["dataset"] in datasets]
        stems = {name.removesuffix(release.suffix) for name in listed if name.endswith(release.suffix)}
        assert release.renamed.keys() <= stems
        names |= {release.model_name(stem) for stem in stems}
    # alexnet_tf_ben was released, and stands in none of the paper's tables.
    assert names == published | {"alexnet_tf_ben"}


def test_every_released_file_is_known_by_its_place_and_most_by_their_content() -> None:
    listing = listed_files("recht2019.csv")
    sizes = {name: sum(row["dataset"] == name for row in listing) for name in {row["dataset"] for row in listing}}
    assert sizes == {
        **dict.fromkeys(("cifar10", "cifar10.1-v4", "cifar10.1-v6"), 30),
        **dict.fromkeys(("imagenet", V2, "imagenetv2-threshold0.7", "imagenetv2-topimages"), 68),
    }
    unknown = {row["dataset"] for row in listing if not row["sha256"] and not row["content"]}
    assert unknown == {"imagenetv2-threshold0.7", "imagenetv2-topimages"}


# ------------------------------------------------------------------------------------------------------------ download


@pytest.fixture
def small(tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The release of ImageNet's predictions as a few images on a server, listed as the real ones are."""
    folder = imagenet(tmp_path / "upstream", upstream=True)

    (commit,) = RELEASES["recht2019-imagenet"].commits

    def listed(*, known: bool, spoil: str = "") -> None:
        rows = []
        for path in sorted(folder.rglob("*.*")):
            place = path.relative_to(folder).as_posix()
            dataset = "imagenet" if "validation" in place else V2
            content = ""
            if known and path.suffix == ".npy":
                content = hashlib.sha256(np.load(path).astype("<i2").tobytes()).hexdigest()
            rows.append({"dataset": dataset, "path": place, "sha256": "", "content": content})
            body = path.read_bytes()
            server.put(
                f"modestyachts/ImageNetV2/{commit}/{place}",
                body[:-200] + b"\3" + body[-199:] if spoil and spoil in place else body,
            )
        monkeypatch.setattr(download, "listed_files", lambda listing: tuple(rows))
        monkeypatch.setattr(download, "_balanced", lambda labels, classes: True)
        truth = {"resnet50": (3, 5), "fv_16k": (3, 5)}
        counts = {(name, model): right for name in ("imagenet", V2) for model, right in truth.items()}
        for module in (download, published):
            monkeypatch.setattr(module, "published_counts", lambda release: counts)
        monkeypatch.setattr(download, "_GITHUB", server.url)

    return listed


@pytest.mark.parametrize("known", [True, False])
def test_files_are_downloaded_once_and_held_against_what_was_published(
    tmp_path: Path, results: Results, default: Registry, small: Callable[..., None], server: FileServer, known: bool
) -> None:
    small(known=known)
    lines: list[str] = []
    report = import_released("recht2019-imagenet", results, registry=default, say=lines.append)
    assert [(one.model, one.dataset, one.top1) for one in report.models] == [
        ("fv_16k", "imagenet", 3),
        ("resnet50", "imagenet", 3),
        ("fv_16k", V2, 3),
        ("resnet50", V2, 3),
    ]
    assert lines[0] == "imagenet: 3 files from github.com/modestyachts/ImageNetV2"
    asked = len(server.requests)
    import_released("recht2019-imagenet", results, registry=default)
    assert len(server.requests) == asked


@pytest.mark.parametrize("known", [True, False])
def test_other_predictions_than_the_published_are_not_taken(
    results: Results, default: Registry, small: Callable[..., None], known: bool
) -> None:
    small(known=known, spoil="b-33/resnet50")
    with pytest.raises(HashMismatchError) as caught:
        import_released("recht2019-imagenet", results, registry=default)
    name = "data--predictions--imagenetv2-b-33--resnet50.npy"
    assert caught.value.problem == f"{name} was found, but not with the expected checksum"
    found = (
        "these are not the released predictions (shape (5, 5))" if known else "these are not the published predictions"
    )
    assert found in str(caught.value.found)
    assert caught.value.expected == "the published content; its hash is not known"
    assert not results.path.exists()


@pytest.fixture
def revisions(tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The first and the 23rd revision on a server, of four and five images that are not balanced over classes."""
    (commit,) = RELEASES["recht2019-imagenet-revisions"].commits

    def listed(spoil: str = "") -> None:
        rows = []
        for number, images in ((1, 4), (23, 5)):
            labels, top = np.array(LABELS[:images]), np.array(TOP[:images], np.int16)
            names = [[name, WNIDS[label]] for name, label in zip(IDS, LABELS[:images], strict=False)]
            folder = tmp_path / f"b-{number}"
            folder.mkdir()
            np.save(folder / "alexnet.npy", top)
            (folder / "labels.json").write_text(json.dumps({"image_filenames": names}), "utf-8")
            for place, file, values, mark in (
                (f"data/datasets/imagenetv2-b-{number}.json", "labels.json", labels, "labels:"),
                (f"data/predictions/imagenetv2-b-{number}/alexnet.npy", "alexnet.npy", top, ""),
            ):
                known = np.roll(values, 1, axis=0) if spoil and spoil in place else values
                content = mark + hashlib.sha256(known.astype("<i2").tobytes()).hexdigest()
                rows.append({"dataset": f"imagenetv2-b-{number}", "path": place, "sha256": "", "content": content})
                server.put(f"modestyachts/ImageNetV2/{commit}/{place}", (folder / file).read_bytes())
        monkeypatch.setattr(download, "listed_files", lambda listing: tuple(rows))
        monkeypatch.setattr(download, "_GITHUB", server.url)

    return listed


def test_revisions_are_downloaded_at_the_pinned_commit(
    results: Results, default: Registry, revisions: Callable[..., None], server: FileServer
) -> None:
    revisions()
    report = import_released("recht2019-imagenet-revisions", results, registry=default)
    assert [(one.dataset, one.top1, one.images) for one in report.models] == [
        ("imagenetv2-b-1", 3, 4),
        ("imagenetv2-b-23", 3, 5),
    ]
    stored = results.load_dataset("imagenetv2-b-1")
    assert stored.ids[0] == f"0/{IDS[3]}.jpeg"  # by class, then by name: as the official files of the final set
    asked = len(server.requests)
    assert asked == 4
    import_released("recht2019-imagenet-revisions", results, registry=default)
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    "spoil, found",
    [
        ("datasets/imagenetv2-b-23", "other labels than those released (5 rows)"),
        ("predictions/imagenetv2-b-1/", "these are not the released predictions (shape (4, 5))"),
    ],
)
def test_other_revisions_than_the_released_are_not_taken(
    results: Results, default: Registry, revisions: Callable[..., None], spoil: str, found: str
) -> None:
    revisions(spoil)
    with pytest.raises(HashMismatchError) as caught:
        import_released("recht2019-imagenet-revisions", results, registry=default)
    assert found in str(caught.value.found)
    assert not results.path.exists()


# ----------------------------------------------------------------------------------------------------------- real data


@pytest.fixture(scope="module")
def counts() -> dict[tuple[str, str], tuple[int, int | None]]:
    path = DATA / "published" / "recht2019_counts.csv"
    if not path.is_file():
        pytest.skip(f"the published counts are not in {path}")
    with path.open() as stream:
        return {
            (row["dataset"], row["model"]): (
                int(row["top1_correct"]),
                int(row["top5_correct"]) if row["top5_correct"] else None,
            )
            for row in csv.DictReader(stream)
        }


@needs_cifar10
def test_released_cifar10_gives_the_published_counts(
    results: Results, default: Registry, counts: dict[tuple[str, str], tuple[int, int | None]]
) -> None:
    report = import_released("recht2019-cifar10", results, CIFAR10, registry=default)
    found = {(one.dataset, one.model): (one.top1, one.top5) for one in report.models}
    assert len(found) == 90
    assert found == {key: right for key, right in counts.items() if key[0].startswith("cifar10")}
    assert not any("differs" in rule or "missing" in rule for rule in report.rules)


@needs_imagenet
def test_released_imagenet_gives_the_published_counts(
    results: Results,
    default: Registry,
    counts: dict[tuple[str, str], tuple[int, int | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Results, "save_predictions", lambda *_: None)  # 134 files, each flushed to the disk
    report = import_released("recht2019-imagenet", results, IMAGENET, registry=default)
    found = {(one.dataset, one.model): (one.top1, one.top5) for one in report.models}
    assert len(found) == 134
    assert found == {key: right for key, right in counts.items() if key[0] in ("imagenet", V2)}
    assert report.rules == (f"fv_16k on {V2}: the 5 columns are stored worst first, so they are read from the last",)


@needs_imagenet
def test_known_contents_of_revisions_are_those_of_the_release() -> None:
    with np.load(DATA / "imagenetv2-revisions" / "b-23.npz") as archive:
        content = {name: hashlib.sha256(archive[name].astype("<i2").tobytes()).hexdigest() for name in archive.files}
    listed = {
        Path(row["path"]).stem: row["content"].removeprefix("labels:")
        for row in listed_files("recht2019_revisions.csv")
        if row["dataset"] == "imagenetv2-b-23"
    }
    assert listed == {"imagenetv2-b-23" if name == "labels" else name: value for name, value in content.items()}


@needs_imagenet
def test_known_contents_are_those_of_the_released_files() -> None:
    by_place = {row["path"]: row for row in listed_files("recht2019.csv")}
    for place in ("imagenet-validation-original/resnet50", "imagenetv2-b-33/fv_16k"):
        short = "imagenet-val" if "validation" in place else "matched-frequency"
        top = np.load(IMAGENET / short / f"{place.partition('/')[2]}.npy")
        content = by_place[f"data/predictions/{place}.npy"]["content"]
        assert hashlib.sha256(top.astype("<i2").tobytes()).hexdigest() == content
