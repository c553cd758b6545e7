"""The synsets of ImageNet's Fall 2011 release from which CINIC-10 takes the images of each class."""

import re
from collections import defaultdict
from pathlib import Path

from evalshift.errors import DataError, did_you_mean
from evalshift.file_faults import file_fault
from evalshift.files import read_text
from evalshift.testbed.classes import built_in
from evalshift.testbed.wordnet.hypernyms import hypernyms

# Of each class, the synset that its group descends from, and how many levels of hyponyms belong to the group: the
# authors' list ends at the twelfth level of WordNet. So cats include lions and dogs foxes, deer are ruminants, and
# ships are boats.
# Source: synsets-to-cifar-10-classes.txt in BayesWatch/cinic-10 at commit 1854aab. For airplane, automobile, cat, deer,
# ship and truck, the groups were compared with that list: they are equal but for 14 synsets, none of them among the
# 21,841 of Fall 2011.
GROUPS = {
    "airplane": ("n02691156", 4),
    "automobile": ("n02958343", 4),
    "bird": ("n01503061", 8),
    "cat": ("n02120997", 3),
    "deer": ("n02399000", 2),
    "dog": ("n02083346", 3),
    "frog": ("n01639765", 5),
    "horse": ("n02374451", 3),
    "ship": ("n02858304", 5),
    "truck": ("n04490091", 4),
}


def synset_groups() -> dict[str, tuple[str, ...]]:
    """The synsets (wnids) of each class of CIFAR-10, sorted; 1,326 in all. One, minivan, is of two classes.

    >>> groups = synset_groups()
    >>> len(groups["bird"]), [name for name, group in groups.items() if "n03770679" in group]
    (859, ['automobile', 'truck'])
    """
    hyponyms = defaultdict(set)
    for synset, above in hypernyms().items():
        for hypernym in above:
            hyponyms[hypernym].add(synset)
    groups = {}
    for name, (root, levels) in GROUPS.items():
        group = level = {root}
        for _ in range(levels):
            level = {below for synset in level for below in hyponyms[synset]} - group
            group = group | level
        groups[name] = tuple(sorted(group))
    return groups


def read_synset_groups(path: Path) -> dict[str, tuple[str, ...]]:
    """The synsets of each class of CIFAR-10 from a list of one's own, in the order of the list.

    path  CSV lines such as n02691156,airplane, with or without a heading; or a list as that of CINIC-10's authors: a
          line with a class, and below it a line per synset, such as ----n02691156: airplane
    Raises DataError for other lines, and where a class has no synset.
    """
    try:
        lines = read_text(path, "utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("the list of synsets cannot be read", where=path, found=file_fault(error)) from error
    names = built_in("cifar10").names
    groups: dict[str, list[str]] = {name: [] for name in names}
    heading: str | None = None
    for number, line in enumerate(map(str.strip, lines), 1):
        synset = re.match(r"-*\s*(n\d{8})\s*(?:,\s*(\w+)\s*)?(?:$|:)", line)
        name = heading if synset is None or synset[2] is None else synset[2]
        if synset is None and line in names:
            heading = line
        elif synset is not None and name in names:
            groups[name].append(synset[1])
        elif line and not (number == 1 and synset is None and "," in line):
            raise DataError(
                "a line of the list of synsets cannot be read",
                where=f"{path}, line {number}",
                found=line,
                expected="a synset and a class of CIFAR-10, such as n02691156,airplane",
                fix=did_you_mean(line.rpartition(",")[2].strip(), names),
            )
    if empty := [name for name, group in groups.items() if not group]:
        raise DataError("classes without a synset", where=path, found=", ".join(empty))
    return {name: tuple(dict.fromkeys(group)) for name, group in groups.items()}
