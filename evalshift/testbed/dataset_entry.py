"""What entries of datasets have in common: fields, views, files to download, and choices by name."""

from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from evalshift.near_names import near_match
from evalshift.testbed.entries import About, Entry, FactsFile, FileEntry, FilePath
from evalshift.testbed.limits import limited_name
from evalshift.testbed.views import BUILT_IN_VIEWS, View, built_in_view


def fixed_classes(*names: str) -> AfterValidator:
    """A check that `classes` is one of these label spaces, which are those of the source."""

    def check(text: str) -> str:
        if text not in names:
            fix = "leave the key out" if len(names) == 1 else "the first of them without the key"
            raise ValueError(f"this source has the classes {' or '.join(names)}; {fix}")
        return text

    return AfterValidator(check)


class NearDuplicatesEntry(Entry):
    """Published numbers about test images with near-duplicates in the training set.

    share     share of the images, from 0 to 1
    accuracy  accuracy of a typical model on them, from 0 to 1
    source    where these numbers are published
    """

    share: float = Field(gt=0, lt=1)
    accuracy: float = Field(ge=0, le=1)
    source: str


class NoVariantsError(ValueError):
    """Raised for `name@text` if the name stands for a single dataset."""


class DatasetEntry(About):
    """Labelled images in a fixed order.

    classes           the label space
    fresh             the name of another dataset: images from the same distribution, never used for tuning
    near_duplicates   what is known about near-duplicates of training images: share, accuracy and source
    view              how labels and predictions are grouped or reduced: the name of a view such as imagenet-a, groups
                      of classes, or the classes to keep
    attributes        a table with one row per image and further columns, such as its place or year
    multi_labels      a file with a list of correct classes per image, such as ReaL's real.json, instead of one label
                      per image; `labels` for short, if the source has no field `labels`
    corrected_labels  a file with one or several corrected labels of all or some images; accuracies are reported by
                      these labels as well as by the dataset's own
    border            pixels that are cropped on each side of every image before the model's preprocessing
    format            the module of `evalshift.testbed.datasets` that reads it
    """

    format: ClassVar[str]
    classes: str
    fresh: str | None = None
    attributes: FactsFile | None = None
    near_duplicates: NearDuplicatesEntry | None = None
    view: str | dict[Any, Any] | list[Any] | None = None
    multi_labels: FactsFile | None = None
    corrected_labels: FactsFile | None = None
    border: int = Field(default=0, ge=0)
    _seen: View | None = PrivateAttr(default=None)
    _limit: int | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _labels_for_short(cls, content: Any) -> Any:
        if isinstance(content, dict) and "labels" in content and "labels" not in cls.model_fields:
            content = {"multi_labels" if key == "labels" else key: value for key, value in content.items()}
        return content

    @property
    def seen(self) -> View | None:
        """The view named by `view`; None without one."""
        if self._seen is None and self.view in BUILT_IN_VIEWS:
            return built_in_view(str(self.view))
        return self._seen

    @property
    def predicted_in(self) -> str:
        """The name of the label space in which models predict, before any view."""
        if self.view is None:
            return self.classes
        return BUILT_IN_VIEWS[str(self.view)] if self._seen is None else self._seen.of.name

    def seen_in(self, view: str | View) -> Self:
        """Return this dataset in a view, which must fit its label space; built-in views are created on first use."""
        name = view if isinstance(view, str) else view.name
        changed: dict[str, Any] = {"view": name}
        if self.view is None:  # what is known of all images need not hold for a part of them
            changed |= {"near_duplicates": None, "fresh": f"{self.fresh}@{name}" if self.fresh else None}
            changed |= {"title": f"{self.title} (view {name})" if self.title else None}
        copy = self.model_copy(update=changed)
        copy._seen = None if isinstance(view, str) else view
        return copy

    @property
    def limit(self) -> int | None:
        """The number of images, balanced over the classes; None for all."""
        return self._limit

    def limited(self, limit: int) -> Self:
        """Return the first images of this dataset, without facts that need not hold for a subset."""
        changed = {
            "title": f"{self.title} (first {limit:,} images)" if self.title else None,
            "fresh": limited_name(self.fresh, limit) if self.fresh else None,
            "near_duplicates": None,
        }
        copy = self.model_copy(update=changed)
        copy._limit = limit
        return copy

    def chosen(self, text: str) -> Self:
        """Return the dataset that `name@text` stands for, if the name has several.

        Raises NoVariantsError if it has only one; ValueError for an unknown `text`, saying what is expected.
        """
        raise NoVariantsError(text)

    def choices(self) -> tuple[str, ...]:
        """What `name@choice` takes, if the name stands for several datasets."""
        return ()

    def needed_files(self) -> tuple[FileEntry, ...]:
        """The files to download before this dataset can be read; empty if it names none."""
        named = (self.attributes, self.multi_labels, self.corrected_labels)
        return tuple(file for file in named if isinstance(file, FileEntry))


class DownloadedDataset(DatasetEntry):
    """A dataset in its official format: downloaded once, or read from `path`.

    path      your own copy, instead of a download
    files     the files to download, by role
    by_hand   why it is not downloaded, if there is nothing to download
    split     which part of the dataset
    roles     the keys of `files`
    variants  the fields that determine which files these are
    """

    roles: ClassVar[tuple[str, ...]] = ()
    variants: ClassVar[tuple[str, ...]] = ()
    path: FilePath | None = None
    files: dict[str, FileEntry] = Field(default={})
    by_hand: str | None = None

    @model_validator(mode="after")
    def _files_are_known(self) -> "DownloadedDataset":
        if self.files and set(self.files) != set(self.roles):
            raise ValueError(f"files: takes {' and '.join(self.roles)}, not {', '.join(self.files)}")
        return self

    def chosen_files(self) -> dict[str, FileEntry]:
        """The files of this dataset alone, by role, where `files` has those of several."""
        return self.files

    def needed_files(self) -> tuple[FileEntry, ...]:
        own = () if self.path else tuple(self.chosen_files().values())
        return (*own, *super().needed_files())

    @property
    def is_told(self) -> bool:
        """Whether source and variants identify the dataset, regardless of its name."""
        return True


Corruption = Literal[
    "brightness", "contrast", "defocus_blur", "elastic_transform", "fog", "frost", "gaussian_blur", "gaussian_noise",
    "glass_blur", "impulse_noise", "jpeg_compression", "motion_blur", "pixelate", "saturate", "shot_noise", "snow",
    "spatter", "speckle_noise", "zoom_blur",
]  # fmt: skip


class CorruptedDataset(DownloadedDataset):
    """Images corrupted in several ways at five severities: one of these, or all where neither is given.

    corruption  the corruption
    severity    its severity, 1 to 5
    """

    corruption: Corruption | None = None
    severity: int | None = Field(default=None, ge=1, le=5)

    def choices(self) -> tuple[str, ...]:
        if self.corruption is not None:
            return ()
        return tuple(f"{corruption}-{severity}" for corruption in get_args(Corruption) for severity in range(1, 6))

    def chosen(self, text: str) -> Self:
        """Return the one of all that "corruption-severity" selects; ValueError for any other text."""
        if self.corruption is not None:
            return super().chosen(text)
        corruption, _, severity = text.rpartition("-")
        if corruption not in get_args(Corruption) or severity not in ("1", "2", "3", "4", "5"):
            nearest = near_match(corruption or text, get_args(Corruption))
            raise ValueError(f"a corruption and a severity from 1 to 5, such as {nearest or 'fog'}-3")
        title = f"{self.title}, {corruption.replace('_', ' ')}, severity {severity}" if self.title else None
        return self.model_copy(update={"corruption": corruption, "severity": int(severity), "title": title})


class ChosenByName(DownloadedDataset):
    """Several test sets of one release, one of which `name@choice` selects.

    choice  the field that the choice fills in
    """

    choice: ClassVar[str]

    def choices(self) -> tuple[str, ...]:
        return () if self.is_chosen else self.possible()

    @classmethod
    def possible(cls) -> tuple[str, ...]:
        """All values of the field that `name@choice` fills in."""
        annotation = cls.model_fields[cls.choice].annotation
        literal = next((one for one in get_args(annotation) if one is not type(None)), annotation)
        return get_args(literal)

    @property
    def is_chosen(self) -> bool:
        """Whether this is one test set."""
        return getattr(self, self.choice) is not None

    def chosen(self, text: str) -> Self:
        """Return the test set that `name@text` stands for; `-` and `_` are the same in it."""
        if self.is_chosen:
            return super().chosen(text)
        known = {name.replace("-", "_"): name for name in self.possible()}
        name = known.get(text.replace("-", "_"))
        if name is None:
            raise ValueError(f"one of {', '.join(self.possible())}")
        title = f"{self.title}, {name.replace('_', ' ')}" if self.title else None
        return self.model_copy(update={self.choice: name, "title": title})
