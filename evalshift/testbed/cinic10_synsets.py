"""The synsets of ImageNet's Fall 2011 release from which CINIC-10 takes the images of each class."""

from collections import defaultdict

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
