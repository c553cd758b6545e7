"""Images inside larger files: arrays of np.savez, Parquet files of Hugging Face's form, tar files of WebDataset's."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats import image_bytes, pixels, tar_bytes
from messages import says

from evalshift.errors import DataError
from evalshift.testbed.datasets import Dataset, fingerprint
from evalshift.testbed.datasets import parquet as parquet_format
from evalshift.testbed.image_files import open_rgb

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
NPZ: Content = {"source": "npz", "path": "x.npz", "classes": "letters"}
PARQUET: Content = {"source": "parquet", "path": "data", "classes": "letters"}
TAR: Content = {"source": "webdataset", "path": "test-{000000..000001}.tar", "classes": "letters"}
IMAGES = pixels("packed", 3, 8, 8, 3)


class TestNpz:
    @pytest.mark.parametrize(
        "arrays, more",
        [
            ({"images": IMAGES, "labels": [2, 0, 1]}, {}),
            ({"test_images": IMAGES, "test_labels": [[2], [0], [1]], "val_images": IMAGES[:1]}, {}),
            ({"x_test": IMAGES, "y_test": [2, 0, 1], "x_train": IMAGES[:1], "y_train": [0]}, {}),
            ({"arr_0": IMAGES, "arr_1": [2, 0, 1]}, {}),
            ({"X": IMAGES.transpose(0, 3, 1, 2), "y": ["c", "a", "b"]}, {}),
            ({"first": IMAGES, "second": [2, 0, 1], "labels": [0, 0, 0]}, {"images": "first", "labels": "second"}),
            ({"val_images": IMAGES, "val_labels": [2, 0, 1]}, {"split": "val"}),
        ],
    )  # fmt: skip
    def test_by_the_names_of_the_arrays(self, load: Load, tmp_path: Path, arrays: Any, more: Content) -> None:
        np.savez(tmp_path / "x.npz", **arrays)
        dataset = load({**NPZ, **more})
        np.testing.assert_array_equal(dataset.images, IMAGES)
        assert dataset.labels.tolist() == [2, 0, 1]
        assert dataset.ids == ("0", "1", "2")

    def test_channels_that_the_shape_does_not_tell(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        images = pixels("narrow", 3, 3, 8, 3)
        np.savez(tmp_path / "x.npz", images=images, labels=[2, 0, 1], ids=["x", "y", "z"])
        assert refused(NPZ).startswith("the position of the channels is ambiguous\n")
        first = load({**NPZ, "channels": "first", "ids": "ids"})
        np.testing.assert_array_equal(first.images, images.transpose(0, 2, 3, 1))
        assert first.ids == ("x", "y", "z")
        np.testing.assert_array_equal(load({**NPZ, "channels": "last"}).images, images)

    def test_names_that_do_not_tell(self, refused: Refused, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", pictures=IMAGES, classes=[0, 0, 0])
        says(refused(NPZ), where="dataset d, HERE/x.npz", found="pictures, classes")

    def test_nothing_pickled_is_read(self, refused: Refused, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", images=IMAGES, labels=np.array([{}, 1, 2], object))
        assert refused(NPZ).startswith("a file cannot be read\n")
        (tmp_path / "x.npz").write_bytes(pickle.dumps([1]))
        assert refused(NPZ).startswith("a file cannot be read\n")


def hugging_face(path: Path, rows: list[dict[str, Any]], names: list[str] | None = None, **options: Any) -> None:
    """A file as datasets.Dataset.to_parquet writes it: its features as JSON in the schema."""
    path.parent.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows)
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    info = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), path, **options)


def row(name: str, label: object, **more: object) -> dict[str, Any]:
    return {"image": {"bytes": image_bytes(name), "path": f"{name}.png"}, "label": label, **more}


class TestParquet:
    def test_files_of_one_split_in_order(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        data = tmp_path / "data"
        hugging_face(data / "test-00000-of-00002.parquet", [row("x", 2), row("y", 0)], row_group_size=1)
        hugging_face(data / "test-00001-of-00002.parquet", [row("z", 1)])
        dataset = load(PARQUET)
        assert (dataset.ids, dataset.labels.tolist()) == (("x.png", "y.png", "z.png"), [2, 0, 1])
        for image, name in zip(dataset.images, "xyz", strict=True):
            np.testing.assert_array_equal(np.asarray(open_rgb(image)), pixels(name, 6, 4, 3))
        hugging_face(data / "train-00000-of-00001.parquet", [row("t", 0)])
        assert refused(PARQUET).startswith("files of several splits\n")
        assert load({**PARQUET, "split": "test"}).ids == dataset.ids
        assert load({**PARQUET, "path": "data/test-*.parquet"}).ids == dataset.ids
        (data / "test-00000-of-00002.parquet").unlink()
        assert "1 of 2, without test-00000-of-00002" in refused({**PARQUET, "split": "test"})

    def test_class_names_of_the_file_decide(self, load: Load, tmp_path: Path) -> None:
        """Number 0 is c there; here it is 2."""
        hugging_face(tmp_path / "data" / "x.parquet", [row("x", 0), row("y", 2)], names=["c", "b", "a"])
        dataset = load(PARQUET)
        assert dataset.labels.tolist() == [2, 0]
        assert dataset.warnings == ()

    def test_other_names_are_told(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        hugging_face(tmp_path / "data" / "x.parquet", [row("x", 0), row("y", 2)], names=["ah", "bee", "cee"])
        assert load(PARQUET).labels.tolist() == [0, 2]
        assert load(PARQUET).warnings == (
            "labels are taken by number, as the file calls its classes otherwise (ah, bee, …) than letters (a, b, …)",
        )
        hugging_face(tmp_path / "data" / "x.parquet", [row("x", 0)], names=["ah", "bee"])
        assert refused(PARQUET).startswith("the classes are not those of letters\n")

    def test_names_for_labels_plain_bytes_and_further_columns(self, load: Load, tmp_path: Path) -> None:
        rows = [
            {"img": image_bytes(name), "label": label, "key": f"k{label}", "year": 2001}
            for name, label in (("x", "c"), ("y", "a"))
        ]
        (tmp_path / "data").mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "x.parquet")
        dataset = load({**PARQUET, "id_column": "key"})
        assert (dataset.ids, dataset.labels.tolist()) == (("kc", "ka"), [2, 0])
        assert dataset.attributes == {"year": ("2001", "2001")}

    def test_no_more_than_so_many_bytes_are_kept(self, load: Load, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(parquet_format, "KEPT", 1000)
        rows = [row(f"{number:02d}", 0) for number in range(40)]
        hugging_face(tmp_path / "data" / "x.parquet", rows, row_group_size=2)
        dataset = load(PARQUET)
        assert len(fingerprint(dataset, workers=4)) == 64
        groups = parquet_format._GROUPS
        assert len(groups._kept) < 10
        assert [np.asarray(open_rgb(image)).tobytes() for image in dataset.images] == [
            pixels(f"{number:02d}", 6, 4, 3).tobytes() for number in range(40)
        ]

    def test_rows_with_paths_alone(self, load: Load, tmp_path: Path) -> None:
        rows = [{"image": {"bytes": None, "path": "x.png"}, "label": 0}, row("y", 1)]
        hugging_face(tmp_path / "data" / "x.parquet", rows)
        dataset = load(PARQUET)
        with pytest.raises(DataError, match="a row holds no image"):
            fingerprint(dataset)

    def test_a_damaged_file_and_a_row_without_label(self, refused: Refused, tmp_path: Path) -> None:
        hugging_face(tmp_path / "data" / "x.parquet", [row("x", 0), row("y", None)])
        assert refused(PARQUET).startswith("rows without a label\n")
        path = tmp_path / "data" / "x.parquet"
        path.write_bytes(path.read_bytes()[:-20])
        assert refused(PARQUET).startswith("a Parquet file cannot be read\n")


def members(*samples: tuple[str, int], **more: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for key, label in samples:
        files |= {f"{key}.cls": b"%d\n" % label, f"{key}.png": image_bytes(key)}
        files |= {f"{key}.{suffix}": content for suffix, content in more.items()}
    return files


class TestWebdataset:
    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_files_in_order(self, load: Load, tmp_path: Path, mode: str) -> None:
        (tmp_path / "test-000000.tar").write_bytes(tar_bytes(members(("b", 2), ("a", 0), json=b"{}"), mode))
        (tmp_path / "test-000001.tar").write_bytes(tar_bytes(members(("x/c", 1)), mode))
        dataset = load(TAR)
        assert (dataset.ids, dataset.labels.tolist()) == (("b", "a", "x/c"), [2, 0, 1])
        for image, key in zip(dataset.images, dataset.ids, strict=True):
            np.testing.assert_array_equal(np.asarray(open_rgb(image)), pixels(key, 6, 4, 3))
        assert pickle.loads(pickle.dumps(dataset.images)) == dataset.images
        again = load({**TAR, "path": "test-*.tar"})
        assert fingerprint(again) == fingerprint(dataset)

    def test_keys_that_begin_anew_in_each_file(self, load: Load, tmp_path: Path) -> None:
        for shard in range(2):
            (tmp_path / f"test-00000{shard}.tar").write_bytes(tar_bytes(members(("0", 2), ("1", 0)), "w"))
        assert load(TAR).ids == ("test-000000/0", "test-000000/1", "test-000001/0", "test-000001/1")

    def test_a_label_in_json(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        """timm's imagenet-1k-wds has both; others have json alone."""
        record = json.dumps({"label": 1, "class_name": "c", "width": 4}).encode()
        (tmp_path / "one.tar").write_bytes(tar_bytes({"0.png": image_bytes(), "0.json": record}, "w"))
        content = {**TAR, "path": "one.tar"}
        assert load(content).labels.tolist() == [1]
        assert load({**content, "label": "json.class_name"}).labels.tolist() == [2]
        assert refused({**content, "label": "json.nothing"}).startswith("a sample without a label\n")

    def test_what_is_not_read_is_counted(self, load: Load, tmp_path: Path) -> None:
        files = {**members(("0", 2)), "0.heic": b"x", "1.cls": b"0", "classnames": b"a"}
        (tmp_path / "one.tar").write_bytes(tar_bytes(files, "w"))
        assert load({**TAR, "path": "one.tar"}).warnings == (
            "2 files of a name without an image were not read: one.tar/1, one.tar/classnames",
            "1 file with suffix .heic was not read: one.tar/0.heic",
            "1 file without a suffix was not read: one.tar/classnames",
        )

    def test_refusals(self, refused: Refused, tmp_path: Path) -> None:
        whole = tar_bytes(members(("0", 2), ("1", 0)), "w")
        (tmp_path / "test-000000.tar").write_bytes(whole)
        assert refused(TAR).startswith(
            "files of the dataset are missing\n  where:    dataset d\n  found:    HERE/test-000001.tar\n"
        )
        (tmp_path / "test-000001.tar").write_bytes(whole[: len(whole) // 3])
        assert refused(TAR).startswith("a tar file cannot be read\n")
        (tmp_path / "test-000001.tar").write_bytes(tar_bytes({"0.png": image_bytes(), "0.jpg": image_bytes()}, "w"))
        assert "0 has two images" in refused(TAR)
