"""Images beside a list of their labels, as Kaggle's sets, ImageNet's validation images and WILDS come."""

import re
from collections.abc import Sequence
from pathlib import Path

from evalshift.errors import DataError, did_you_mean
from evalshift.files import stat_checksum
from evalshift.formatting import name_some
from evalshift.publishing import name_of_cell
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.image_listing import Unread, alike_but_for_case, files_below, is_hidden
from evalshift.testbed.image_files import SUFFIXES
from evalshift.testbed.image_tables import read_image_table
from evalshift.testbed.label_text import labels_of_text
from evalshift.testbed.own_dataset_entries import ListDataset
from evalshift.testbed.readiness import State, state_of_files
from evalshift.testbed.text_tables import TextTable

# What columns of labels are called: in Kaggle's sets, ImageNet's solution, WILDS and Hugging Face's metadata.csv.
LABEL_NAMES = (
    "label", "labels", "class", "class_id", "class_name", "classname", "target", "y", "category", "category_id", "wnid",
    "synset", "predictionstring", "class_label", "label_id", "fine_label", "gt",
)  # fmt: skip
_NAMED = 3
# What columns are called that say which rows are for training and which for testing, and what they call training.
_SPLITS = ("split", "splits", "data_split", "dataset_split", "partition", "subset", "phase", "usage", "set")
_TRAINING = frozenset({"train", "training", "trn", "tr", "train_set", "trainset"})
_NUMBERED = frozenset({"0", "1", "2", "3"})


def read(entry: ListDataset, space: ClassSpace, where: str) -> Parts:
    """The images of the list, in its order; an id is the path of an image below the folder.

    DataError for images that do not exist or are duplicated in the list, labels that are not classes, and a list whose
    columns do not tell which is which.
    """
    root = entry.images_folder
    if not root.is_dir():
        raise DataError("the image folder does not exist", where=where, found=root, expected="a folder of images")
    source = f"{where}, {entry.labels}"
    files = _Files(root)
    table = read_image_table(entry.labels, where)
    table = _of_split(table, entry, source)
    image_column, label_column, table = _columns(table, entry, files, space, source)
    written = table.column(image_column)
    paths = files.found(written, source)
    ids = tuple(map(files.id_of, paths))
    _refuse_repeated(ids, table, source)
    labels = labels_of_text(tuple(map(_label_text, table.column(label_column))), space, source)
    others = [place for place in range(len(table.columns)) if place not in (image_column, label_column)]
    names = table.names or tuple(f"column {place + 1}" for place in range(len(table.columns)))
    attributes = {names[place]: table.column(place) for place in others}
    notes = (*files.unread(paths, entry.labels), *alike_but_for_case(ids))
    return Parts(ids, tuple(paths), labels, notes, attributes)


def _of_split(table: TextTable, entry: ListDataset, where: str) -> TextTable:
    """The rows of one split, where a column says of each row whether it is for training.

    DataError where there are several splits and the entry names none of them, or one that is not there.
    """
    headings = [name.strip().lower() for name in table.names or table.row(0)]
    place = next((headings.index(name) for name in _SPLITS if name in headings), None)
    named = table.with_names()
    values = () if place is None else named.column(place)
    splits = list(dict.fromkeys(value.strip() for value in values))
    wanted = None if entry.split is None else str(entry.split).strip().lower()
    if wanted is None and not _are_splits(splits):
        return table
    chosen = [row for row, value in enumerate(values) if value.strip().lower() == wanted]
    if chosen:
        columns = tuple(column[chosen] for column in named.columns)
        return TextTable(named.names, columns, named.rules, tuple(named.lines[row] for row in chosen))
    if wanted == "all" and place is not None:
        return table
    raise DataError(
        "the list has rows of several splits" if wanted is None else "no row is of this split",
        where=where if place is None else f'{where}, column "{headings[place]}"',
        found=name_some(splits, 6) or "no column called split",
        expected="one split: a model knows the images that it was trained on",
        fix=f"name it with split:, such as `split: {splits[-1]}`, or `split: all`" if splits else None,
    )


def _are_splits(values: Sequence[str]) -> bool:
    """Whether values are splits of which one is for training."""
    named = {value.lower() for value in values}
    return len(named) > 1 and (bool(named & _TRAINING) or named <= _NUMBERED)


def _label_text(text: str) -> str:
    """A label as it is; of ImageNet's LOC_val_solution.csv, "n03995372 85 1 499 272", the class without its boxes."""
    return text.split()[0] if re.fullmatch(r"(n\d{8}( \d+){4} ?)+", text + " ") else text


class _Files:
    """The files below a folder, found by whatever a list calls them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._start = len(root.as_posix().rstrip("/")) + 1
        self.by_id = {self.id_of(path): path for path in files_below(root)}
        self._without_suffix = _unique(
            (name.rpartition(".")[0], path) for name, path in self.by_id.items() if path.suffix.lower() in SUFFIXES
        )
        self._by_name = _unique((path.name, path) for path in self.by_id.values())
        self._by_stem = _unique((path.stem, path) for path in self.by_id.values() if path.suffix.lower() in SUFFIXES)

    def id_of(self, path: Path) -> str:
        """The path below the folder; of a file elsewhere, the whole path."""
        text = path.as_posix()
        return text[self._start :] if text.startswith(self.root.as_posix()) else text

    def find(self, written: str) -> Path | None:
        """The file that a list means: by its path, by the last parts of it, with or without its suffix.

        A name that evalshift wrote with an apostrophe before it, so that no spreadsheet takes it for a formula, counts
        without it where no file is called so.
        """
        found = self._find(written)
        return self._find(name) if found is None and (name := name_of_cell(written)) != written else found

    def _find(self, written: str) -> Path | None:
        parts = [part for part in written.replace("\\", "/").split("/") if part not in ("", ".")]
        for start in range(len(parts)):
            name = "/".join(parts[start:])
            if (found := self.by_id.get(name) or self._without_suffix.get(name)) is not None:
                return found
        if not parts:
            return None
        found = self._by_name.get(parts[-1]) or self._by_stem.get(parts[-1])
        if found is None and Path(written).is_absolute() and Path(written).is_file():
            return Path(written)
        return found

    def found(self, written: Sequence[str], where: str) -> list[Path]:
        """The file of each name; DataError naming those that are missing."""
        paths = [self.find(name) for name in written]
        missing = [name for name, path in zip(written, paths, strict=True) if path is None]
        if missing:
            raise DataError(
                "images of the list are missing",
                where=where,
                found=f"{len(missing):,} of {len(written):,}: {name_some(missing, _NAMED)}{self._links(missing)}",
                expected=f"image files in {self.root} or in folders below it",
                fix="name the folder that the paths begin in with `path`, or take the rows out of the list",
            )
        return [path for path in paths if path is not None]

    def _links(self, missing: Sequence[str]) -> str:
        broken = next((self.root / name for name in missing if (self.root / name).is_symlink()), None)
        return "" if broken is None else f"; {broken} is a link to {broken.readlink()}, which does not exist"

    def unread(self, used: Sequence[Path], list_file: Path) -> tuple[str, ...]:
        """Sentences on the images in the folder that the list leaves out."""
        unread, known = Unread(), set(used)
        for name, path in self.by_id.items():
            hidden = any(map(is_hidden, name.split("/")))
            if path not in known and path.suffix.lower() in SUFFIXES and not hidden and path != list_file:
                unread.add("image {files} that the list leaves out", name)
        return unread.sentences()


def _unique(pairs: object) -> dict[str, Path]:
    """Names that only one file has."""
    found: dict[str, Path | None] = {}
    for name, path in pairs:  # pyright: ignore[reportGeneralTypeIssues]
        found[name] = None if name in found else path
    return {name: path for name, path in found.items() if path is not None}


def _columns(
    table: TextTable, entry: ListDataset, files: _Files, space: ClassSpace, where: str
) -> tuple[int, int, TextTable]:
    """Which column names the images, which one has the labels, and the table without its header."""
    named = table if table.names is not None else table.with_names() if _has_header(table, files, space) else table
    if named.names is None and (entry.image_column or entry.label_column):
        named = table.with_names()
    image = _image_column(named, entry, files, where)
    return image, _label_column(named, image, entry, space, where), named


def _has_header(table: TextTable, files: _Files, space: ClassSpace) -> bool:
    """Whether the first row holds names of columns: none of its cells can be an image or a label, found or not."""
    known = {*space.names, *space.folders}
    return len(table) > 1 and not any(
        files.find(cell) or Path(cell).suffix.lower() in SUFFIXES or cell in known or _is_number(cell)
        for cell in table.row(0)
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _image_column(table: TextTable, entry: ListDataset, files: _Files, where: str) -> int:
    if entry.image_column is not None:
        return _named(table, entry.image_column, "image_column", where)
    step = max(1, len(table) // 200)
    hits = [_hits(table.column(place)[::step], files) for place in range(len(table.columns))]
    if not max(hits)[1]:
        raise DataError(
            "the list names no image of the folder",
            where=where,
            found=f"rows such as {', '.join(table.row(0))}",
            expected=f"paths of images below {files.root}",
            fix="name the folder with `path`, and the column of the images with `image_column`",
        )
    return hits.index(max(hits))


def _hits(cells: Sequence[str], files: _Files) -> tuple[int, int]:
    """How many images a column names by their whole paths, and by whatever tells them apart."""
    by_path = {cell for cell in cells if cell.replace("\\", "/").removeprefix("./") in files.by_id}
    return len(by_path), len({path for cell in cells if (path := files.find(cell))})


def _label_column(table: TextTable, image: int, entry: ListDataset, space: ClassSpace, where: str) -> int:
    if entry.label_column is not None:
        return _named(table, entry.label_column, "label_column", where)
    others = [place for place in range(len(table.columns)) if place != image]
    if len(others) == 1:
        return others[0]
    names = table.names or ()
    called = [place for place in others if names and names[place].lower() in LABEL_NAMES]
    if len(called) == 1:
        return called[0]
    fitting = [place for place in (called or others) if _fits(table, place, space)]
    if len(fitting) == 1:
        return fitting[0]
    raise DataError(
        "the column of the labels is ambiguous",
        where=where,
        found=f"columns {', '.join(names) or len(table.columns)}",
        expected=f"one column of classes of {space.name}",
        fix="name it with `label_column`",
    )


def _fits(table: TextTable, place: int, space: ClassSpace) -> bool:
    try:
        labels_of_text(table.column(place), space, "")
    except DataError:
        return False
    return True


def _named(table: TextTable, name: str, field: str, where: str) -> int:
    names = table.names or ()
    if name not in names:
        raise DataError(
            "unknown column in the list",
            where=where,
            found=f"{field}: {name}",
            expected=", ".join(names),
            fix=did_you_mean(name, names),
        )
    return names.index(name)


def _refuse_repeated(ids: Sequence[str], table: TextTable, where: str) -> None:
    seen: dict[str, int] = {}
    for line, name in zip(table.lines, ids, strict=True):
        if name in seen:
            raise DataError(
                "duplicate image in the list",
                where=f"{where}, lines {seen[name]} and {line}",
                found=name,
                expected="one row per image",
                fix="keep one of the rows; several correct labels per image are not a list of images",
            )
        seen[name] = line


def source_checksum(entry: ListDataset) -> str:
    """A fingerprint of the list and of all files in the folder; OSError where one does not exist."""
    return stat_checksum([entry.labels, entry.images_folder, *files_below(entry.images_folder)])


def state(entry: ListDataset) -> State:
    """Whether the list and the folder exist."""
    return state_of_files(dict.fromkeys([entry.labels, entry.images_folder]))
