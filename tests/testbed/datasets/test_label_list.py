"""Images beside a list of labels, in the forms that Kaggle, ImageNet and WILDS give them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from formats import put_image
from messages import says

from evalshift.testbed.datasets import Dataset, source_checksum

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
LIST: Content = {"source": "list", "labels": "labels.csv", "path": "images", "classes": "letters"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Writes the list, and images of these names."""

    def put(text: str, *names: str) -> None:
        (tmp_path / "labels.csv").write_text(text, "utf-8")
        for name in names:
            put_image(tmp_path / "images" / name, name)

    return put


@pytest.mark.parametrize(
    "text",
    [
        "filename,label\n2.png,2\n10.png,0\n",
        "image_id,label\n2,c\n10,a\n",
        "2.png 2\n10.png 0\n",
        "./images/2.png\tc\n./images/10.png\ta\n",
        "C:\\data\\images\\2.PNG,2\nC:\\data\\images\\10.PNG,0\n".replace("PNG", "png"),
        '{"file_name": "2.png", "label": 2}\n{"file_name": "10.png", "label": 0}\n',
        "label;path\n2.0;2.png\n0.0;10.png\n",
    ],
)
def test_in_the_order_of_the_list(load: Load, write: Any, tmp_path: Path, text: str) -> None:
    write(text, "2.png", "10.png")
    dataset = load(LIST)
    assert dataset.ids == ("2.png", "10.png")
    assert dataset.labels.tolist() == [2, 0]
    assert dataset.images == (tmp_path / "images" / "2.png", tmp_path / "images" / "10.png")
    assert dataset.warnings == ()


def test_a_list_as_excel_writes_it_with_spellings_of_the_names(load: Load, tmp_path: Path) -> None:
    """Semicolons, UTF-16, an attribute with decimal commas, and class names in another case."""
    for name in ("felix.png", "rex.png"):
        put_image(tmp_path / "images" / name, name)
    text = "sep=;\nfile;label;weight\nfelix.png;C;0,5\nrex.png; a ;1,25\n"
    (tmp_path / "labels.csv").write_bytes(text.encode("utf-16"))
    dataset = load(LIST)
    assert (dataset.ids, dataset.labels.tolist()) == (("felix.png", "rex.png"), [2, 0])
    assert dataset.attributes == {"weight": ("0.5", "1.25")}


def test_imagenets_solution_of_kaggle(load: Load, write: Any) -> None:
    text = (
        "ImageId,PredictionString\n"
        "ILSVRC2012_val_00048981,n03995372 85 1 499 272\n"
        "ILSVRC2012_val_00037956,n03481172 131 0 499 254 n03481172 1 2 3 4\n"
    )
    write(text, "ILSVRC2012_val_00048981.JPEG", "ILSVRC2012_val_00037956.JPEG")
    dataset = load({**LIST, "classes": "imagenet-1k"})
    assert [dataset.classes.folders[label] for label in dataset.labels] == ["n03995372", "n03481172"]
    assert dataset.ids == ("ILSVRC2012_val_00048981.JPEG", "ILSVRC2012_val_00037956.JPEG")


def test_further_columns_are_attributes(load: Load, write: Any) -> None:
    """WILDS' metadata.csv: the split and the place beside the label."""
    write("img_id,img_filename,y,split,place\n1,x/1.jpg,0,2,water\n2,x/2.jpg,1,2,land\n", "x/1.jpg", "x/2.jpg")
    dataset = load(LIST)
    assert dataset.labels.tolist() == [0, 1]
    assert dataset.attributes == {"img_id": ("1", "2"), "split": ("2", "2"), "place": ("water", "land")}


@pytest.mark.parametrize("splits", [("train", "test"), ("0", "2"), ("Training", "PublicTest")])
def test_rows_of_several_splits(load: Load, refused: Refused, write: Any, splits: tuple[str, str]) -> None:
    """Images that models were trained on are no test set; those of other splits need not exist."""
    train, test = splits
    write(f"path,label,split\n1.png,0,{train}\n2.png,1,{test}\n3.png,2,{test}\n", "2.png", "3.png")
    says(refused(LIST), found=f"{train}, {test}", expected="one split: a model knows the images that it was trained on")
    chosen = load({**LIST, "split": int(test) if test.isdigit() else test})
    assert (chosen.ids, chosen.labels.tolist()) == (("2.png", "3.png"), [1, 2])
    assert "no row is of this split" in refused({**LIST, "split": "val"})
    write(f"path,label,split\n1.png,0,{train}\n2.png,1,{test}\n3.png,2,{test}\n", "1.png", "2.png", "3.png")
    assert load({**LIST, "split": "all"}).labels.tolist() == [0, 1, 2]


def test_images_that_the_list_leaves_out_are_counted(load: Load, write: Any) -> None:
    write("1.png,0\n", "1.png", "2.png", "x/3.png")
    assert load(LIST).warnings == ("2 image files that the list leaves out were not read: 2.png, x/3.png",)


def test_without_path_the_images_lie_beside_the_list(load: Load, tmp_path: Path) -> None:
    put_image(tmp_path / "1.png")
    (tmp_path / "labels.csv").write_text("1.png,1\n")
    assert load({**LIST, "path": "."}).ids == load({k: v for k, v in LIST.items() if k != "path"}).ids == ("1.png",)


def test_a_touched_image_or_list_is_noticed(entry: Any, write: Any, tmp_path: Path) -> None:
    import os

    write("1.png,0\n", "1.png")
    marks = [source_checksum(entry(LIST))]
    for path in (tmp_path / "labels.csv", tmp_path / "images" / "1.png"):
        os.utime(path, ns=(0, 0))
        marks.append(source_checksum(entry(LIST)))
    assert None not in marks
    assert len(set(marks)) == 3


class TestRefusals:
    def test_missing_files_are_named(self, refused: Refused, write: Any) -> None:
        write("".join(f"{number}.png,0\n" for number in range(6)), "1.png")
        says(refused(LIST), where="dataset d, HERE/labels.csv", found="5 of 6: 0.png, 2.png, 3.png and 2 more")

    def test_a_link_that_leads_nowhere(self, refused: Refused, write: Any, tmp_path: Path) -> None:
        write("1.png,0\n2.png,0\n", "1.png")
        (tmp_path / "images" / "2.png").symlink_to("/not/mounted/2.png")
        assert "2.png; HERE/images/2.png is a link to /not/mounted/2.png, which does not exist\n" in refused(LIST)

    def test_a_label_that_is_none(self, refused: Refused, write: Any) -> None:
        write("file,label\n1.png,a\n2.png,cc\n", "1.png", "2.png")
        assert refused(LIST).startswith(
            'labels that are not classes of letters\n  where:    dataset d, HERE/labels.csv, row 2\n  found:    "cc"\n'
        )

    def test_labels_from_one(self, refused: Refused, write: Any) -> None:
        write("1.png,1\n2.png,2\n3.png,3\n", "1.png", "2.png", "3.png")
        assert refused(LIST).endswith("subtract 1 if these count from 1 in the order of the classes")

    def test_an_image_twice(self, refused: Refused, write: Any) -> None:
        write("1.png,0\n1,1\n", "1.png")
        assert "duplicate image in the list\n  where:    dataset d, HERE/labels.csv, lines 1 and 2\n" in refused(LIST)

    def test_columns_that_do_not_tell(self, refused: Refused, load: Load, write: Any) -> None:
        write("file,first,second\n1.png,0,1\n2.png,1,0\n", "1.png", "2.png")
        assert refused(LIST).endswith("  fix:      name it with `label_column`")
        assert load({**LIST, "label_column": "second"}).labels.tolist() == [1, 0]
        assert '  fix:      did you mean "second"?' in refused({**LIST, "label_column": "secnd"})

    def test_a_list_of_other_images(self, refused: Refused, write: Any) -> None:
        write("x.png,0\ny.png,0\n", "1.png")
        assert refused(LIST).startswith("the list names no image of the folder\n")

    def test_no_list(self, refused: Refused, tmp_path: Path) -> None:
        put_image(tmp_path / "images" / "1.png")
        assert refused(LIST).startswith("a table does not exist\n")


def test_fifty_thousand_images_side_by_side_take_seconds(load: Load, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    put_image(tmp_path / "one.png")
    content = (tmp_path / "one.png").read_bytes()
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5_001)]
    for name in names:
        (tmp_path / "images" / name).write_bytes(content)
    (tmp_path / "labels.csv").write_text("".join(f"{name} {place % 3}\n" for place, name in enumerate(names)))
    start = time.perf_counter()
    assert len(load(LIST)) == 5_000
    assert time.perf_counter() - start < 5  # a tenth of them, on a busy machine; quadratic work would take minutes
