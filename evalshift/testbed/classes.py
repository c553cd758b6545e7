"""Label spaces: what the label numbers mean, and which folder name stands for which class."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from evalshift.errors import DataError, RegistryError, did_you_mean
from evalshift.formatting import counted, name_some
from evalshift.shapes import Labels


@dataclass(frozen=True)
class ClassSpace:
    """A label space: `names[i]` is what label i means.

    folders   other names under which classes stand as folders, such as ImageNet's wnids; position = label
    """

    name: str
    names: tuple[str, ...]
    folders: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for which, values in (("names", self.names), ("folders", self.folders)):
            duplicates = [value for value, count in Counter(values).items() if count > 1]
            if duplicates:
                raise RegistryError(
                    f"duplicate class in the label space {self.name}",
                    where=f"classes.{self.name}.{which}",
                    found=", ".join(duplicates),
                    expected="each class once; its position is its label",
                )
        if len(self.names) < 2:
            raise RegistryError(
                f"the label space {self.name} is too small",
                where=f"classes.{self.name}",
                found=counted(len(self.names), "class", "classes"),
                expected="at least two",
            )

    def __len__(self) -> int:
        return len(self.names)


CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100_SUPERCLASSES = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
# In the order of its batches, which is that of the alphabet.
CIFAR100 = tuple(sorted(name for group in CIFAR100_SUPERCLASSES.values() for name in group))
_FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_DIGITS = tuple("0123456789")
# Three kinds of picture of digits are three label spaces, so that no model of one is run on another by mistake.
_NAMES = {
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "cifar100-superclasses": tuple(CIFAR100_SUPERCLASSES),
    "digits": _DIGITS,
    "fashion-mnist": _FASHION,
    "mnist": _DIGITS,
    "svhn": _DIGITS,
}
BUILT_IN = (*sorted(_NAMES), "imagenet-1k")


@cache
def built_in(name: str) -> ClassSpace:
    """One of the label spaces of BUILT_IN; KeyError for any other name."""
    return _imagenet_1k() if name == "imagenet-1k" else ClassSpace(name, _NAMES[name])


@cache
def _imagenet_classes() -> tuple[tuple[str, str, str], ...]:
    """wnid, lemma of WordNet, and in which of ImageNet-A and ImageNet-R it is, by sorted wnid.

    As timm's tables have them (imagenet_synsets.txt, imagenet_synset_to_lemma.txt, imagenet_a_synsets.txt,
    imagenet_r_synsets.txt); a copy, so that they are there where timm is not installed.
    """
    table = Path(__file__).with_name("spaces") / "imagenet_classes.tsv"
    rows = (line.split("\t") for line in table.read_text("utf-8").splitlines())
    return tuple((wnid, lemma, kept) for wnid, lemma, kept in rows)


def imagenet_subset(name: str) -> frozenset[str]:
    """The wnids of the 200 classes of "imagenet-a" or "imagenet-r"."""
    letter = name[-1].upper()
    return frozenset(wnid for wnid, _, kept in _imagenet_classes() if letter in kept)


def _imagenet_1k() -> ClassSpace:
    """The 1,000 classes in the order of sorted wnids (not of the devkit's ILSVRC numbers)."""
    wnids = tuple(wnid for wnid, _, _ in _imagenet_classes())
    # Two pairs of classes share a lemma ("crane", "maillot"), so the names alone would not tell them apart.
    return ClassSpace("imagenet-1k", tuple(f"{lemma} ({wnid})" for wnid, lemma, _ in _imagenet_classes()), wnids)


@cache
def devkit_order() -> tuple[int, ...]:
    """The label of each class in the order of the devkit of ILSVRC2012, whose numbers begin at 1: kit fox, setter, …"""
    label = {wnid: place for place, wnid in enumerate(built_in("imagenet-1k").folders)}
    table = Path(__file__).with_name("spaces") / "ilsvrc2012_order.txt"
    return tuple(label[wnid] for wnid in table.read_text("utf-8").split())


def labels_from_devkit(numbers: Labels) -> Labels:
    """Labels by sorted wnid from numbers of the ILSVRC2012 devkit, 1 to 1000, shape (n,); ValueError for any other.

    >>> labels_from_devkit(np.array([490, 361, 171]))  # the first validation images: sea snake, alp, Shetland sheepdog
    array([ 65, 970, 230])
    """
    outside = numbers[(numbers < 1) | (numbers > len(devkit_order()))]
    if len(outside):
        raise ValueError(f"class {outside[0]} of 1 to {len(devkit_order())}")
    return np.array(devkit_order(), dtype=np.int64)[numbers - 1]


def devkit_from_labels(labels: Labels) -> Labels:
    """The inverse of `labels_from_devkit`: numbers of the devkit, 1 to 1000, from labels by sorted wnid, shape (n,).

    >>> devkit_from_labels(np.array([65, 970, 230]))
    array([490, 361, 171])
    """
    numbers = np.empty(len(devkit_order()), dtype=np.int64)
    numbers[list(devkit_order())] = np.arange(1, len(devkit_order()) + 1)
    return numbers[labels]


def labels_of_folders(
    found: list[str], space: ClassSpace, declared: tuple[str, ...], where: object
) -> Mapping[str, int]:
    """Which label each class folder stands for.

    Tried in this order, and one rule must explain every folder: the order that the entry declares, the label space's
    own names (or wnids), whole numbers as labels. Folders named 0 … 999 are numbers, never strings to be sorted:
    sorted as strings, the order is 0, 1, 10, 100, … and nearly every label is incorrect (ImageNetV2 #4, #10).

    Raises DataError naming the folders that no rule explains.
    """
    if declared:
        if len(declared) != len(space):
            raise DataError(
                "the declared class folders do not match the label space",
                where=where,
                found=f"{len(declared)} folders",
                expected=f"{len(space)}, one for each class of {space.name}, in its order",
            )
        rules = [{name: label for label, name in enumerate(declared)}]
    else:
        rules = [{name: label for label, name in enumerate(names)} for names in (space.names, space.folders) if names]
        numbers = {name: int(name) for name in found if name.isascii() and name.isdigit() and int(name) < len(space)}
        if len(set(numbers.values())) == len(numbers):  # "7" and "007" side by side would fold two folders into one
            rules.append(numbers)
    for rule in rules:
        if all(name in rule for name in found):
            return {name: rule[name] for name in found}
    best = max(rules, key=lambda rule: sum(name in rule for name in found))
    unknown = [name for name in found if name not in best]
    likely = declared or (*space.names, *space.folders)  # a number near another number is no misspelling
    examples = ", ".join(declared[:2] or space.folders[:2] or space.names[:2])
    raise DataError(
        f"class folders that are not classes of {space.name}",
        where=where,
        found=name_some(unknown),
        expected=f"folders named like {examples}" + ("" if declared else f", or by number, 0 to {len(space) - 1}"),
        fix=did_you_mean(unknown[0], likely)
        or "name the folders in class order in the entry: folders: [first, second, ...]",
    )
