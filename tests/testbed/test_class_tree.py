"""Class trees, and those of WordNet that are known."""

import hashlib
import lzma
from pathlib import Path

import numpy as np
import pytest
import timm

from evalshift.errors import DataError
from evalshift.testbed.class_tree import known_tree, make_tree
from evalshift.testbed.classes import CIFAR10, built_in
from evalshift.testbed.wordnet import build
from evalshift.testbed.wordnet.hypernyms import CIFAR10_SYNSETS, FILE, hypernyms

# A pug is a dog and a pet; a pet is also a robot dog, which is no animal.
ABOVE = {
    "animal": [],
    "thing": [],
    "dog": ["animal"],
    "cat": ["animal"],
    "pet": ["animal", "thing"],
    "pug": ["dog", "pet"],
    "wolf": ["dog"],
    "tabby": ["cat", "pet"],
    "aibo": ["pet"],
}
NOUNS = """\
  1 This software is provided under a licence.
  2
00000001 03 n 01 thing 0 001 ~ 00000002 n 0000 | all there is
00000002 05 n 02 dog 0 domestic_dog 0 003 @ 00000001 n 0000 #m 00000003 n 0000 @i 00000003 n 0000 | barks | loudly
00000003 05 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 000 | ten words
"""


def test_ancestors_members_and_heights_by_hand() -> None:
    tree = make_tree("home", ["pug", "wolf", "tabby", "aibo"], ABOVE)
    assert {tree.nodes[node] for node in tree.ancestors[0]} == {"pug", "dog", "pet", "animal", "thing"}
    members = {node: labels.tolist() for node, labels in zip(tree.nodes, tree.members, strict=True)}
    assert members["animal"] == [0, 1, 2, 3]
    assert (members["pet"], members["dog"], members["tabby"]) == ([0, 2, 3], [0, 1], [2])
    assert dict(zip(tree.nodes, tree.heights, strict=True)) == {
        "pug": 0, "wolf": 0, "tabby": 0, "aibo": 0, "dog": 1, "cat": 1, "pet": 1, "animal": 2, "thing": 2
    }  # fmt: skip


def test_classes_that_are_never_predicted_are_below_nothing() -> None:
    tree = make_tree("home", ["pug", "wolf", "tabby", "aibo"], ABOVE, kept=[3, 0])
    members = {node: labels.tolist() for node, labels in zip(tree.nodes, tree.members, strict=True)}
    assert (members["animal"], members["dog"], members["cat"]) == ([0, 3], [0], [])


def test_a_class_may_be_above_another() -> None:
    tree = make_tree("home", ["dog", "pug"], ABOVE)
    assert [labels.tolist() for node, labels in zip(tree.nodes, tree.members, strict=True) if node == "dog"] == [[0, 1]]


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="is above itself"):
        make_tree("circle", ["a", "b"], {"a": ["b"], "b": ["c"], "c": ["b"]})


def test_imagenet_is_known_by_its_names_and_by_wnids() -> None:
    space = built_in("imagenet-1k")
    tree, bare = known_tree(space.names), known_tree(space.folders)
    assert tree is not None
    assert bare is not None
    assert tree.nodes == bare.nodes
    size = {node: len(labels) for node, labels in zip(tree.nodes, tree.members, strict=True)}
    # ILSVRC's 1,000 classes: all entities; 118 of them dogs; no class is above another.
    assert (size["n00001740"], size["n02084071"]) == (1000, 118)
    assert all(size[wnid] == 1 for wnid in space.folders)
    assert sum(not hypernyms()[node] for node in tree.nodes) == 1


def test_only_classes_with_a_synset_each_are_known() -> None:
    assert known_tree(CIFAR10) is not None
    assert known_tree(("cat", "n02084071")) is not None
    for unknown in (("cat", "tabby"), ("n02084071", "n99999999"), ("dog", "n02084071"), ("cat", "n02084071 n02084072")):
        assert known_tree(unknown) is None


def test_all_of_imagenet_is_there() -> None:
    wnids = (Path(timm.__file__).parent / "data/_info/imagenet22k_synsets.txt").read_text("utf-8").split()
    assert len(wnids) == 21_841
    assert set(wnids) | set(CIFAR10_SYNSETS.values()) <= set(hypernyms())
    assert all(above in hypernyms() for synset in hypernyms().values() for above in synset)
    tiny = known_tree(tuple(wnids[:200]))
    assert tiny is not None


def test_the_shipped_file_is_small_and_has_the_licence() -> None:
    assert FILE.stat().st_size < 100_000
    text = lzma.decompress(FILE.read_bytes()).decode("ascii")
    assert "# WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in text
    assert "permission" in text.lower()
    found = hashlib.sha256(text.encode()).hexdigest()
    # Of `python -m evalshift.testbed.wordnet.build --from data.noun`, Debian's wordnet-base 1:3.0-37.
    assert found == "b967ffd29f684a4bf55d08263b9734af6d1d248714677a6f5d309d6d71b495c0"


def test_nouns_are_read_as_wordnet_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "data.noun"
    path.write_text(NOUNS, "utf-8")
    licence, above = build.read_nouns(path)
    assert licence == ["This software is provided under a licence.", ""]
    assert above == {"n00000001": (), "n00000002": ("n00000001", "n00000003"), "n00000003": ()}
    assert build.closure(["n00000002"], above, path) == above
    assert build.closure(["n00000003"], above, path) == {"n00000003": ()}
    with pytest.raises(DataError) as refused:
        build.closure(["n00000002", "n00000009"], above, path)
    assert refused.value.found == "1, the first is n00000009"
    out = [tmp_path / name for name in ("one.xz", "two.xz")]
    for one in out:
        build.write(above, licence, one)
    assert out[0].read_bytes() == out[1].read_bytes()
    assert lzma.decompress(out[0].read_bytes()).decode().splitlines()[-3:] == [
        "n00000001", "n00000002 n00000001 n00000003", "n00000003"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["00000004 05 v 01 run 0 000 | a verb", "wnid,parent", "00000004 05 n 01 dog 0 002 @ 00000001 n 0000 | x", ""],
)
def test_a_line_that_is_no_synset_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "data.noun"
    path.write_text(f"{NOUNS}{line}\n", "utf-8")
    with pytest.raises(DataError) as refused:
        build.read_nouns(path)
    assert refused.value.where == f"{path}, line 6"


def test_heights_and_members_do_not_depend_on_the_order_of_classes() -> None:
    names = built_in("imagenet-1k").folders[:60]
    order = np.random.default_rng(4).permutation(60)
    tree, other = known_tree(names), known_tree(tuple(names[place] for place in order))
    assert tree is not None
    assert other is not None
    assert dict(zip(tree.nodes, tree.heights, strict=True)) == dict(zip(other.nodes, other.heights, strict=True))
