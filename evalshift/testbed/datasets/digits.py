"""The embedded pair: scikit-learn's handwritten digits, parted by writer."""

from importlib.metadata import PackageNotFoundError, version

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.own_dataset_entries import DigitsDataset
from evalshift.testbed.readiness import State


def read(entry: DigitsDataset, space: ClassSpace, where: str) -> Parts:
    """One part of the pair."""
    from evalshift.testbed.digits.split import digits_split

    part = getattr(digits_split(), entry.part)
    return Parts(part.ids, part.images, part.labels)


def source_checksum(entry: DigitsDataset) -> str:
    """The release of scikit-learn, which brings the images; OSError where it is not installed."""
    try:
        return f"scikit-learn {version('scikit-learn')}"
    except PackageNotFoundError as error:
        raise FileNotFoundError("scikit-learn, which brings the digits, is not installed") from error


def state(entry: DigitsDataset) -> State:
    """Always ready: scikit-learn brings it."""
    return State.ready("embedded")
