"""What a release of per-image predictions is: its files, what they call the models, and its known faults."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class ReleasedSet:
    """Where the predictions on one dataset lie, and its labels: in the repository, and in a folder of these alone.

    predictions, labels   places below the folder, tried in turn
    class_folders         whether the official files lie in a folder per class, so that they are read class by class
    reversed_models       models, by the paper's name, whose classes are stored worst first here
    title                 of the dataset, where no registry has it
    """

    dataset: str
    predictions: tuple[str, ...]
    labels: tuple[str, ...]
    class_folders: bool = False
    reversed_models: frozenset[str] = frozenset()
    title: str = ""


@dataclass(frozen=True)
class Release:
    """What the authors released.

    name          what `evalshift import` calls it, and the `release` of its table in testbed/published
    repository    on GitHub, as OWNER/NAME
    commits       those that hold the files, tried in turn
    classes       the label space of its sets
    suffix        what follows the model's name in the name of its file
    listing       CSV file beside this module: dataset, path, and sha256 or content of each released file. The content
                  is the sha256 of ids and labels, or of predictions; of labels alone it begins with `labels:`
    sets          the original set first
    renamed       name of a file -> what the paper calls the model, where they differ
    extra_suffix  what some files have behind the paper's name of the model
    original      the original set of its pairs, where it is in another release; else the first of `sets`
    common_images  sets that hold most of the same images, in files that number them apart
    facts_from    the release whose table says family and year of its models, where it has none of its own
    """

    name: str
    repository: str
    commits: tuple[str, ...]
    classes: str
    suffix: str
    listing: str
    sets: tuple[ReleasedSet, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    extra_suffix: str = ""
    facts_from: str = ""
    original: str = ""
    common_images: tuple[str, ...] = ()

    @property
    def pairs(self) -> tuple[str, ...]:
        """Original and new sets, as the report is to find them."""
        first, *others = dict.fromkeys(filter(None, (self.original, *(one.dataset for one in self.sets))))
        return tuple(f"{first}:{other}" for other in others)

    def model_name(self, stem: str) -> str:
        """The paper's name of the model that a file is named after.

        >>> from evalshift.evaluate.importers.releases import RELEASES
        >>> RELEASES["recht2019-imagenet"].model_name("fv_64k_model")
        'fv_64k'
        """
        return self.renamed.get(stem) or stem.removesuffix(self.extra_suffix)


@cache
def listed_files(listing: str) -> tuple[dict[str, str], ...]:
    """Every released file: its dataset, its path in the repository, and the sha256 of the file or of what it holds."""
    text = resources.files("evalshift.evaluate.importers.releases").joinpath(listing).read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))
