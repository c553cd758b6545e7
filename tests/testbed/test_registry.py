import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from messages import says

from evalshift.errors import RegistryError, RegistryErrors, UsageError
from evalshift.testbed.classes import built_in
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.own_dataset_entries import FolderDataset, NpyDataset
from evalshift.testbed.own_model_entries import CheckpointModel
from evalshift.testbed.registry import Pair, Registry
from evalshift.testbed.registry_path import default_path, find_registry, is_default
from evalshift.testbed.registry_reading import load_registry, read_registry
from evalshift.testbed.small_image_entries import Cifar10Dataset, Cifar101Dataset

Load = Callable[[str], Registry]
DATASETS = list(load_registry(default_path()).datasets)
BUILT_IN = f"one of {', '.join(DATASETS[:8])} and {len(DATASETS) - 8} more"
SOURCES = ", ".join(
    kind.model_fields["source"].annotation.__args__[0]  # pyright: ignore[reportOptionalMemberAccess]
    for kind in AnyDataset.__origin__.__args__  # pyright: ignore[reportAttributeAccessIssue]
)
Refused = Callable[[str], str]

CHECKPOINT = """
models:
  m:
    source: checkpoint
    builder: package.module:function
    weights: w.pt
    classes: cifar10
"""
COMMIT = "786c16252c0fc58ee9adac063f8337cc4a7a497a"


def with_lines(*lines: str) -> str:
    """A checkpoint entry with these lines from line 8 on."""
    return CHECKPOINT + "".join(f"    {line}\n" for line in lines)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def from_text(text: str) -> Registry:
        (tmp_path / "mine.yaml").write_text(text, "utf-8")
        return load_registry(tmp_path / "mine.yaml")

    return from_text


@pytest.fixture
def refused(load: Load, complaint: Callable[..., str], tmp_path: Path) -> Refused:
    """The complaint about a registry, with FILE for its path."""
    return lambda text: complaint(RegistryError, load, text).replace(str(tmp_path / "mine.yaml"), "FILE")


class TestExtends:
    def test_an_empty_registry_knows_the_built_in_datasets_and_no_models(self, load: Load) -> None:
        registry = load("")
        assert list(registry.datasets) == list(load_registry(default_path()).datasets)
        assert registry.models == {}
        assert list(map(str, registry.default_pairs)) == ["digits:digits-new-writers"]

    def test_default_brings_models_and_pairs(self, load: Load) -> None:
        default, registry = load_registry(default_path()), load("extends: default\n" + with_lines("preprocess: {}"))
        assert list(registry.models) == [*default.models, "m"]
        assert registry.pairs == default.pairs
        assert registry.default_pairs == default.pairs[:1]

    def test_a_chain_of_registries_each_with_paths_of_its_own(self, tmp_path: Path, load: Load) -> None:
        (tmp_path / "far").mkdir()
        (tmp_path / "far" / "base.yaml").write_text(
            "extends: root.yaml\ndatasets:\n  b: {source: folder, path: images, classes: letters}\n"
        )
        (tmp_path / "far" / "root.yaml").write_text(
            "classes: {letters: [a, b]}\ndatasets:\n  a: {source: folder, path: ../images, classes: letters}\n"
        )
        registry = load("extends: far/base.yaml\ndatasets:\n  c: {source: folder, path: images, classes: letters}\n")
        paths = {name: registry.datasets[name] for name in "abc"}
        assert {name: entry.path.resolve() for name, entry in paths.items() if isinstance(entry, FolderDataset)} == {
            "a": tmp_path / "images",
            "b": tmp_path / "far" / "images",
            "c": tmp_path / "images",
        }
        assert registry.class_space("letters").names == ("a", "b")

    def test_an_entry_replaces_the_inherited_one_in_its_place(self, tmp_path: Path, load: Load) -> None:
        (tmp_path / "base.yaml").write_text(with_lines("preprocess: {}", "year: 2015"))
        registry = load("extends: base.yaml\n" + with_lines("preprocess: {}", "year: 2016"))
        assert registry.models["m"].year == 2016
        assert registry.written["models/m"]["year"] == 2016

    def test_a_registry_that_extends_itself(self, tmp_path: Path, refused: Refused) -> None:
        says(refused("extends: mine.yaml"), where="FILE, line 1: extends", found="mine.yaml")
        (tmp_path / "other.yaml").write_text("pairs: []\nextends: ./mine.yaml\n")
        says(refused("extends: other.yaml"), where=f"{tmp_path / 'other.yaml'}, line 2: extends", found="./mine.yaml")

    def test_one_that_is_not_there(self, tmp_path: Path, refused: Refused) -> None:
        says(refused("extends: other.yaml"), where="FILE, line 1: extends", found=tmp_path / "other.yaml")

    def test_several(self, refused: Refused) -> None:
        says(
            refused("extends: [default, other.yaml]"), where="FILE, line 1: extends", found="['default', 'other.yaml']"
        )

    def test_a_variable(self, tmp_path: Path, load: Load, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "base.yaml").write_text(with_lines("preprocess: {}"))
        monkeypatch.setenv("BASES", str(tmp_path))
        assert list(load("extends: ${BASES}/base.yaml").models) == ["m"]
        monkeypatch.delenv("BASES")
        says(refused("extends: ${BASES}/base.yaml"), where="FILE, line 1: extends", found="${BASES}/base.yaml")


class TestWhichRegistry:
    def test_the_default_one_is_that_of_the_checkout_or_package(self) -> None:
        assert default_path().name == "registry.yaml"
        assert is_default(default_path())
        assert is_default(default_path().parent / "evalshift" / ".." / "registry.yaml")

    def test_one_in_this_folder_comes_before_the_default_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert find_registry() == default_path()
        assert load_registry().path == default_path()
        (tmp_path / "registry.yaml").write_text(with_lines("preprocess: {}"))
        assert find_registry() == Path("registry.yaml")
        assert list(load_registry().models) == ["m"]
        assert find_registry("other.yaml") == Path("other.yaml")

    def test_the_default_one_is_read_again_when_it_changes(self, tmp_path: Path, monkeypatch) -> None:
        from evalshift.testbed import registry_path, registry_reading

        default = tmp_path / "registry.yaml"
        for module in (registry_path, registry_reading):
            monkeypatch.setattr(module, "default_path", lambda: default)
        default.write_text("datasets:\n  one: {source: folder, path: a, classes: cifar10}\n")
        assert list(load_registry(default).datasets) == ["one"]
        first = load_registry(default)
        assert load_registry(default) is first
        default.write_text("datasets:\n  another: {source: folder, path: a, classes: cifar10}\n")
        assert list(load_registry(default).datasets) == ["another"]


class TestPaths:
    def test_relative_to_the_registry_file(self, tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("/")
        registry = load(
            "datasets:\n  d: {source: npy, images: sub/x.npy, labels: /abs/y.npy, ids: ../ids.txt, classes: cifar10}\n"
            + with_lines("preprocess: {}").replace("package.module:function", "code/net.py:build")
        )
        dataset, model = registry.datasets["d"], registry.models["m"]
        assert isinstance(dataset, NpyDataset)
        assert isinstance(model, CheckpointModel)
        assert dataset.images == tmp_path / "sub" / "x.npy"
        assert dataset.labels == Path("/abs/y.npy")
        assert dataset.ids == tmp_path / ".." / "ids.txt"
        assert model.weights == str(tmp_path / "w.pt")
        assert model.builder == f"{tmp_path}/code/net.py:build"

    def test_variables_and_the_home_folder(self, tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/ada")
        monkeypatch.setenv("SETS", "/mnt/sets")
        monkeypatch.setenv("SIZE", "32")
        registry = load(
            "datasets:\n  a: {source: folder, path: ~/images, classes: cifar10}\n"
            "  b: {source: folder, path: '${SETS}/${SIZE}px', classes: cifar10}\n"
            + with_lines("preprocess: {}").replace("w.pt", "['~/w.pt', '${SETS}/w.pt', w.pt]")
        )
        paths = [entry.path for entry in registry.datasets.values() if isinstance(entry, FolderDataset)]
        assert paths == [Path("/home/ada/images"), Path("/mnt/sets/32px")]
        assert registry.models["m"].weights_files() == ("/home/ada/w.pt", "/mnt/sets/w.pt", str(tmp_path / "w.pt"))

    @pytest.mark.parametrize(
        "weights, found", [("${NOT_SET}/w.pt", "'${NOT_SET}/w.pt'"), ("['${NOT_SET}/w.pt']", "['${NOT_SET}/w.pt']")]
    )
    def test_a_variable_that_is_not_set(self, refused: Refused, weights: str, found: str) -> None:
        says(
            refused(with_lines("preprocess: {}").replace("w.pt", weights)),
            where="FILE, line 6: models.m.weights",
            found=found,
        )

    def test_a_home_folder_that_is_not_known(self, refused: Refused) -> None:
        says(
            refused("datasets:\n  d: {source: folder, path: ~nobody-of-this-name/x, classes: cifar10}"),
            where="FILE, line 2: datasets.d.path",
            found="'~nobody-of-this-name/x'",
        )

    def test_urls_and_package_resources_are_left_as_they_are(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOST", "example.org")
        places = "[package:evalshift.testbed.digits/x.pt, 'https://${HOST}/w.pt?download=1', HTTP://example.org/w.pt]"
        registry = load(with_lines("preprocess: {}", "sha256: 12fca82f").replace("w.pt", places, 1))
        assert registry.models["m"].weights_files() == (
            "package:evalshift.testbed.digits/x.pt",
            "https://example.org/w.pt?download=1",
            "HTTP://example.org/w.pt",
        )

    def test_something_else_than_text(self, refused: Refused) -> None:
        says(
            refused("datasets:\n  d: {source: folder, path: 5, classes: cifar10}"),
            where="FILE, line 2: datasets.d.path",
            found="5",
        )
        for weights in ("5", "[w.pt, 5]", "[]"):
            says(
                refused(with_lines("preprocess: {}").replace("w.pt", weights)),
                where="FILE, line 6: models.m.weights",
                found=f"{yaml.safe_load(weights)!r}",
            )


class TestLabelSpaces:
    def test_declared_and_built_in(self, load: Load) -> None:
        registry = load(
            "classes:\n  letters: [a, b, c]\n  years: [1984, 2001]\n"
            "datasets:\n  d: {source: folder, path: x, classes: letters}\n"
        )
        assert registry.class_space("letters").names == ("a", "b", "c")
        assert registry.class_space("years").names == ("1984", "2001")
        assert registry.class_space("cifar10") is built_in("cifar10")

    def test_unknown_with_a_near_match(self, refused: Refused) -> None:
        says(
            refused("datasets:\n  d: {source: folder, path: x, classes: imagenet1k}"),
            where="FILE, line 2: datasets.d.classes",
            found="imagenet1k",
        )

    def test_unknown_without_one(self, refused: Refused) -> None:
        text = "classes: {letters: [a, b]}\n" + with_lines("preprocess: {}").replace("cifar10", "objects")
        says(refused(text), where="FILE, line 8: models.m.classes", found="objects")

    def test_a_built_in_one_cannot_be_declared(self, refused: Refused) -> None:
        says(refused("classes:\n  cifar10: [a, b]"), where="FILE, line 2: classes.cifar10")

    @pytest.mark.parametrize(
        "names, problem",
        [
            ("a", ("a label space must be a list\n  where:    FILE, line 2: classes.c\n"
                  "  found:    a\n  expected: [first class, second class, ...]")),
            ("[a, b, a]", ("duplicate class in the label space c\n  where:    FILE, line 2: classes.c\n"
                          "  found:    a\n  expected: each class once; its position is its label")),
            ("[a]", ("the label space c is too small\n  where:    FILE, line 2: classes.c\n"
                    "  found:    1 class\n  expected: at least two")),
            ("[yes, no]", ("invalid class name\n  where:    FILE, line 2: classes.c.0\n"
                          "  found:    True\n  expected: text\n  fix:      put it into quotes")),
            ("[a, [b]]", ("invalid class name\n  where:    FILE, line 2: classes.c.1\n"
                         "  found:    ['b']\n  expected: text\n  fix:      put it into quotes")),
        ],
    )  # fmt: skip
    def test_what_cannot_be_one(self, refused: Refused, names: str, problem: str) -> None:
        assert refused(f"classes:\n  c: {names}") == problem


class TestYaml:
    def test_merge_keys_share_what_entries_have_in_common(self, load: Load) -> None:
        registry = load(
            """
models:
  a: &common
    source: checkpoint
    builder: package.module:function
    weights: a.pt
    classes: cifar10
    preprocess: &seen {mean: [0.5], std: [0.25]}
    year: 2015
  b:
    <<: *common
    weights: b.pt
  c: {<<: *common, year: 2016, preprocess: {<<: *seen, std: [0.5]}}
"""
        )
        assert [Path(*entry.weights_files()).name for entry in registry.models.values()] == ["a.pt", "b.pt", "a.pt"]
        assert [entry.year for entry in registry.models.values()] == [2015, 2015, 2016]
        seen = [entry.preprocess for entry in registry.models.values()]
        assert [(one.mean, one.std) for one in seen if one] == [((0.5,), (0.25,))] * 2 + [((0.5,), (0.5,))]

    @pytest.mark.parametrize(
        "text, line, column, key, first",
        [
            ("models: {}\npairs: []\nmodels: {}\n", 3, 1, "models", 1),
            ("models:\n  m: {}\n\n  m: {}\n", 4, 3, "m", 2),
            (with_lines("preprocess:", "  mean: [1]", "  mean: [2]"), 10, 7, "mean", 9),
            (with_lines("preprocess: {}", "source: timm"), 9, 5, "source", 4),
            (with_lines("arguments: {a: [{b: 1, b: 2}]}"), 8, 28, "b", 8),
        ],
    )
    def test_a_key_that_is_duplicate(
        self, refused: Refused, text: str, line: int, column: int, key: str, first: int
    ) -> None:
        says(
            refused(text), where=f"FILE, line {line}, column {column}", found=f'the key "{key}" is also at line {first}'
        )

    @pytest.mark.parametrize(
        "text, line, column, found",
        [
            ("models:\n  m: {source: timm\n", 3, 1, "while parsing a flow mapping, did not find expected ',' or '}'"),
            ("models:\n\tm: {}\n", 2, 1,
             "while scanning for the next token, found character that cannot start any token"),
            ("models:\n  m: {}\n n: {}\n", 3, 2,
             "while parsing a block mapping, did not find expected key"),
            ("models: {a: *b}\n", 1, 13, "found undefined alias"),
            ("models: !!python/object/apply:os.system [ls]\n", 1, 9,
             "could not determine a constructor for the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
            ("? [a, b]\n: c\n", 1, 3, "a key must be plain text"),
        ],
    )  # fmt: skip
    def test_broken_yaml_with_its_line_and_column(
        self, refused: Refused, text: str, line: int, column: int, found: str
    ) -> None:
        says(refused(text), where=f"FILE, line {line}, column {column}", found=found)

    def test_not_a_mapping(self, refused: Refused) -> None:
        says(refused("- models\n"), where="FILE", found="list")

    def test_an_unknown_section(self, refused: Refused) -> None:
        says(refused("extends: default\nmodel: {}\n"), where="FILE, line 2: model", found="model")

    def test_a_section_of_the_wrong_form(self, refused: Refused) -> None:
        says(refused("models: [a]\n"), where="FILE, line 1: models", found="list")
        says(refused("pairs: a:b\n"), where="FILE, line 1: pairs", found="str")

    def test_a_file_that_is_not_there(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        says(complaint(UsageError, load_registry, tmp_path / "no.yaml"), where=tmp_path / "no.yaml")

    def test_bytes_that_are_not_text(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        (tmp_path / "mine.yaml").write_bytes("# müde\n".encode("latin1"))
        says(
            complaint(RegistryError, load_registry, tmp_path / "mine.yaml"),
            where=tmp_path / "mine.yaml",
            found="the byte 0xfc at position 3, which is not UTF-8",
        )


class TestEntries:
    def test_an_unknown_source(self, refused: Refused) -> None:
        says(
            refused("models:\n  m:\n    source: torchvison\n"),
            where="FILE, line 3: models.m.source",
            found="torchvison",
        )
        says(
            refused("datasets:\n  d: {source: [npy]}\n"),
            where="FILE, line 2: datasets.d.source",
            found="['npy']",
            expected=SOURCES,
        )

    def test_no_source(self, refused: Refused) -> None:
        says(refused("datasets:\n  d: {path: x}\n"), where="FILE, line 2: datasets.d", expected=SOURCES)

    @pytest.mark.parametrize("content, found", [("5", "5"), ("", "None"), ("[a]", "['a']"), ("text", "'text'")])
    def test_not_a_mapping(self, refused: Refused, content: str, found: str) -> None:
        says(refused(f"models:\n  m: {content}\n"), where="FILE, line 2: models.m", found=found)

    def test_an_unknown_key(self, refused: Refused) -> None:
        says(
            refused(with_lines("preprocess: {}", "weigths: w.pt")),
            where="FILE, line 9: models.m.weigths",
            found="weigths",
        )

    def test_an_unknown_key_inside_preprocess(self, refused: Refused) -> None:
        says(
            refused(with_lines("preprocess:", "  maen: [0.5]")),
            where="FILE, line 9: models.m.preprocess.maen",
            found="maen",
        )

    def test_an_unknown_key_inside_a_file(self, refused: Refused) -> None:
        text = "datasets:\n  d:\n    source: cifar10\n    files:\n      archive: {name: a, url: b}\n"
        says(
            refused(text.replace("url: b", "urls: [b], sha256: 12345678abc, shasum: 3")),
            where="FILE, line 5: datasets.d.files.archive.shasum",
            found="shasum",
        )

    def test_a_missing_key(self, refused: Refused) -> None:
        says(
            refused("datasets:\n  d:\n    source: npy\n    images: x.npy\n    classes: cifar10\n"),
            where="FILE, line 2: datasets.d.labels",
        )
        says(
            refused("datasets:\n  d:\n    source: cifar10\n    files:\n      archive: {name: a}\n"),
            where="FILE, line 5: datasets.d.files.archive",
        )
        says(
            refused("datasets:\n  d:\n    source: cifar10\n    files:\n      archive: {size: 0}\n"),
            where="FILE, line 5: datasets.d.files.archive.name",
        )

    def test_missing_preprocessing(self, refused: Refused) -> None:
        says(refused(CHECKPOINT), where="FILE, line 3: models.m.preprocess")

    @pytest.mark.parametrize(
        "inside, place, problem, found",
        [
            ("resize: big", ".resize", "a size is one whole number from 1 to 16384, or two: height and width", "'big'"),
            ("crop: [1, 2, 3]", ".crop", "a size is one whole number from 1 to 16384, or two: height and width",
             "[1, 2, 3]"),
            ("crop: 0", ".crop", "a size is one whole number from 1 to 16384, or two: height and width", "0"),
            ("resize: 25.6", ".resize", "a size is one whole number from 1 to 16384, or two: height and width", "25.6"),
            ("resize: yes", ".resize", "a size is one whole number from 1 to 16384, or two: height and width", "True"),
            ("mean: 0.5", ".mean", "give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]", "0.5"),
            ("mean: [.nan]", ".mean", "give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]",
             "[nan]"),
            ("std: []", ".std", "give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]", "[]"),
            ("std: [0.5, 0]", "", "std must be above 0 in every channel", None),
            ("{mean: [1, 2], std: [1]}", "", "mean has 2 channels and std 1; give one number per channel", None),
        ],
    )  # fmt: skip
    def test_wrong_values_inside_preprocess(
        self, refused: Refused, inside: str, place: str, problem: str, found: str | None
    ) -> None:
        inside = inside if inside.startswith("{") else f"{{{inside}}}"
        assert refused(with_lines(f"preprocess: {inside}")) == (
            f"{problem}\n  where:    FILE, line 8: models.m.preprocess{place}"
            + (f"\n  found:    {found}" if found else "")
        )

    @pytest.mark.parametrize(
        "line, found, expected",
        [
            ("preprocess: {interpolation: cubic}", "'cubic'",
             "'nearest', 'bilinear', 'bicubic', 'box', 'hamming' or 'lanczos'"),
            ("preprocess: {scale: 0}", "0", "greater than 0"),
            ("preprocess: {scale: .inf}", "inf", "a finite number"),
            ("preprocess: {channels: cmyk}", "'cmyk'", "'rgb', 'bgr' or 'gray'"),
            ("year: 15", "15", "greater than or equal to 1950"),
            ("expected: {cifar10: 91.73}", "91.73", "less than or equal to 1"),
            ("selected_on: valid", "'valid'", "'train', 'validation' or 'test'"),
        ],
    )  # fmt: skip
    def test_values_that_cannot_be(self, refused: Refused, line: str, found: str, expected: str) -> None:
        lines = (line,) if line.startswith("preprocess") else (line, "preprocess: {}")
        key = re.sub(r": \{?(\w+): ?.*|: .*", r".\1", line).rstrip(".")
        says(refused(with_lines(*lines)), where=f"FILE, line 8: models.m.{key}", found=found, expected=expected)

    @pytest.mark.parametrize("section", ["models", "datasets", "classes"])
    def test_names_that_are_numbers(self, refused: Refused, section: str) -> None:
        says(refused(f"{section}:\n  20: {{}}\n"), where=f"FILE, line 2: {section}.20", found="20")

    @pytest.mark.parametrize("name", ["a:b", " ", "é" * 61, "a\tb"])
    def test_names_that_cannot_be(self, refused: Refused, name: str) -> None:
        assert refused(yaml.safe_dump({"models": {name: {}}}, allow_unicode=True)).splitlines()[::3] == [
            "invalid name",
            '  expected: text of 1 to 120 bytes without ":" and control characters (quote a number)',
        ]

    def test_names_may_be_long_and_of_any_alphabet(self, load: Load) -> None:
        names = ["20", "timm/resnet18.a1_in1k", "é" * 60, "日本語 (1)"]
        entry = yaml.safe_load(with_lines("preprocess: {}"))["models"]["m"]
        text = yaml.safe_dump({"models": dict.fromkeys(names, entry)}, allow_unicode=True, sort_keys=False)
        assert list(load(text).models) == names

    def test_weights_from_the_net_need_a_hash(self, load: Load, refused: Refused) -> None:
        text = with_lines("preprocess: {}").replace("w.pt", "[w.pt, https://example.org/w.pt]")
        says(refused(text), where="FILE, line 3: models.m")
        assert load(text + "    sha256: 12fca82f").models["m"].weights_files()[1] == "https://example.org/w.pt"

    @pytest.mark.parametrize("sha256", ["12fca82", "12FCA82F", "12fca82g", "1" * 7 + "a" * 58])
    def test_a_hash_that_is_none(self, refused: Refused, sha256: str) -> None:
        says(
            refused(with_lines("preprocess: {}", f'sha256: "{sha256}"')),
            where="FILE, line 9: models.m.sha256",
            found=f"'{sha256}'",
        )

    def test_a_hash_that_yaml_takes_for_a_number(self, refused: Refused) -> None:
        says(
            refused(with_lines("preprocess: {}", "sha256: 57191229")),
            where="FILE, line 9: models.m.sha256",
            found="57191229",
        )

    @pytest.mark.parametrize("builder", ["networks", "networks.resnet20", "net.py", "a:b:c", "package:20layers"])
    def test_code_that_is_none(self, refused: Refused, builder: str) -> None:
        says(
            refused(with_lines("preprocess: {}").replace("package.module:function", builder)),
            where="FILE, line 5: models.m.builder",
            found=f"'{builder}'",
        )

    def test_code_may_lie_in_a_folder_with_a_colon(self, tmp_path: Path) -> None:
        (tmp_path / "a:b").mkdir()
        path = tmp_path / "a:b" / "mine.yaml"
        path.write_text(with_lines("preprocess: {}").replace("package.module:function", "net.py:build"))
        entry = load_registry(path).models["m"]
        assert isinstance(entry, CheckpointModel)
        assert entry.builder == f"{tmp_path}/a:b/net.py:build"

    @pytest.mark.parametrize("commit", ["main", COMMIT[:8], COMMIT.upper(), COMMIT + "0"])
    def test_torch_hub_wants_a_whole_commit(self, refused: Refused, commit: str) -> None:
        hub = f"source: torch.hub, repository: a/b, commit: '{commit}', entry: e, classes: cifar10, preprocess: {{}}"
        says(refused(f"models:\n  m: {{{hub}}}\n"), where="FILE, line 2: models.m.commit", found=f"'{commit}'")

    @pytest.mark.parametrize("repository", ["a", "a/b/c", "a/b:main", "https://github.com/a/b"])
    def test_torch_hub_wants_owner_and_name(self, refused: Refused, repository: str) -> None:
        hub = f"source: torch.hub, repository: '{repository}', commit: {COMMIT}, entry: e, classes: cifar10"
        says(
            refused(f"models:\n  m: {{{hub}, preprocess: {{}}}}\n"),
            where="FILE, line 2: models.m.repository",
            found=f"'{repository}'",
        )

    def test_torch_hub_has_no_hash_without_weights(self, refused: Refused) -> None:
        hub = f"source: torch.hub, repository: a/b, commit: {COMMIT}, entry: e, classes: cifar10, preprocess: {{}}"
        says(refused(f"models:\n  m: {{{hub}, sha256: 12fca82f}}\n"), where="FILE, line 2: models.m")

    @pytest.mark.parametrize(
        "lines, problem",
        [
            ("pretrained: DEFAULT",
             "DEFAULT means other weights in another torchvision; name them, such as IMAGENET1K_V2"),
            ("year: 2016", "give either pretrained, such as IMAGENET1K_V1, or weights"),
            ("pretrained: IMAGENET1K_V1, weights: w.pt", "give either pretrained, such as IMAGENET1K_V1, or weights"),
            ("weights: w.pt", "own weights need their own preprocess"),
        ],
    )  # fmt: skip
    def test_torchvision_says_which_weights(self, refused: Refused, lines: str, problem: str) -> None:
        text = f"models:\n  m: {{source: torchvision, name: resnet50, {lines}}}\n"
        says(refused(text), where="FILE, line 2: models.m")


class TestOwnModels:
    MODEL = "models:\n  {}: {{source: checkpoint, builder: 'a:b', weights: w.pt, classes: digits, preprocess: {{}}}}\n"

    def test_those_of_the_file_itself_are_own_and_run_where_none_is_named(self, load: Load) -> None:
        registry = load("extends: default\n" + self.MODEL.format("mine"))
        assert registry.own_models == {"mine"}
        assert list(registry.default_models) == ["mine"]
        assert len(registry.models) > 250

    def test_those_of_a_users_base_run_but_are_not_of_the_file(self, tmp_path: Path, load: Load) -> None:
        (tmp_path / "base.yaml").write_text("extends: default\n" + self.MODEL.format("base"))
        registry = load("extends: base.yaml\n" + self.MODEL.format("mine"))
        assert registry.own_models == {"mine"}
        assert set(registry.default_models) == {"base", "mine"}

    def test_an_entry_of_the_default_registry_that_is_written_anew_is_own(self, load: Load) -> None:
        registry = load("extends: default\n" + self.MODEL.format("digits-ridge"))
        assert registry.own_models == set(registry.default_models) == {"digits-ridge"}

    def test_without_models_of_its_own_a_registry_runs_those_that_it_extends(self, load: Load) -> None:
        registry = load("extends: default\n")
        assert registry.own_models == frozenset()
        assert registry.default_models == registry.models == load_registry(default_path()).models


class TestPairs:
    def test_own_pairs_are_the_default_pairs(self, load: Load) -> None:
        registry = load("extends: default\npairs: ['cifar10:cifar10.1-v6', 'cifar10:cifar10.1-v6']\n")
        assert registry.default_pairs == registry.own_pairs == (Pair("cifar10", "cifar10.1-v6"),)
        assert registry.pairs[0] == Pair("cifar10", "cifar10.1-v6")
        assert set(registry.pairs) == set(load_registry(default_path()).pairs)

    def test_the_pairs_of_a_users_base_are_the_users_own(self, tmp_path: Path, load: Load) -> None:
        (tmp_path / "base.yaml").write_text(
            "extends: default\npairs: ['cifar10:cifar10.1-v4', 'cifar10:cifar10.1-v6']\n"
        )
        assert list(map(str, load("extends: base.yaml").default_pairs)) == [
            "cifar10:cifar10.1-v4",
            "cifar10:cifar10.1-v6",
        ]
        child = load("extends: base.yaml\npairs: ['cifar10.1-v4:cifar10.1-v6']")
        assert list(map(str, child.default_pairs)) == ["cifar10.1-v4:cifar10.1-v6"]

    def test_own_datasets_pair_with_built_in_ones(self, load: Load) -> None:
        registry = load("datasets:\n  mine: {source: folder, path: x, classes: cifar10}\npairs:\n  - cifar10:mine\n")
        assert list(map(str, registry.pairs)) == ["cifar10:mine"]

    @pytest.mark.parametrize(
        "pair, message",
        [
            ("cifar10:cifar10.1-v5",
             ('there is no dataset "cifar10.1-v5"\n  where:    FILE, line 2: pairs.0\n'
             f"  expected: {BUILT_IN}\n"
             '  fix:      did you mean "cifar10.1-v4" or "cifar10.1-v6"?')),
            ("cifar10:cifar10",
             ('"cifar10:cifar10" compares a dataset with itself\n  where:    FILE, line 2: pairs.0\n'
             "  expected: two different datasets")),
            ("cifar10:digits",
             ('"cifar10:digits" compares different classes\n  where:    FILE, line 2: pairs.0\n'
             "  found:    cifar10 has cifar10, digits has digits\n  expected: two datasets of one label space\n"
             "  fix:      where the classes of one are groups of classes of the other, declare them as a view, "
             "under views:")),
            ("cifar10: cifar10.1-v6",
             ("a pair must be text\n  where:    FILE, line 2: pairs.0\n"
             "  found:    {'cifar10': 'cifar10.1-v6'}\n  expected: original:new, without a space")),
            ("10:1", ("a pair must be text\n  where:    FILE, line 2: pairs.0\n"
             "  found:    601\n  expected: original:new, without a space")),
            *((pair, (f'"{pair}" is not a pair\n  where:    FILE, line 2: pairs.0\n'
               "  expected: original:new, two names of datasets, such as cifar10:cifar10.1-v6\n"
               "  fix:      see `evalshift list pairs`"))
              for pair in ("cifar10", "cifar10::digits", "'cifar10:'", "'a:b:c'"))
        ],
    )  # fmt: skip
    def test_pairs_that_cannot_be(self, refused: Refused, pair: str, message: str) -> None:
        assert refused(f"pairs:\n  - {pair}\n") == message.replace("\"'", '"').replace("'\"", '"')

    def test_asked_for_on_the_command_line(self, load: Load, complaint: Callable[..., str], tmp_path: Path) -> None:
        registry = load("")
        assert registry.pair("cifar10:cifar10.1-v4") == Pair("cifar10", "cifar10.1-v4")
        assert str(registry.pair("cifar10:cifar10.1-v4")) == "cifar10:cifar10.1-v4"
        says(complaint(UsageError, registry.pair, "cifar10:mine"), where=tmp_path / "mine.yaml", expected=BUILT_IN)

    @pytest.mark.parametrize(
        "text, count, first",
        [
            ("cifar10:cifar10-c@*", 95, "cifar10:cifar10-c@"),
            ("cifar10:cifar10-c@fog-*", 5, "cifar10:cifar10-c@fog-1"),
            ("cifar10:cifar10-c@*-3", 19, "cifar10:cifar10-c@"),
            ("cifar100:cifar100-c@snow-?", 5, "cifar100:cifar100-c@snow-1"),
            ("cifar10:cifar10.1-*", 2, "cifar10:cifar10.1-v4"),
            ("cifar10.1-v?:cifar10.2", 2, "cifar10.1-v4:cifar10.2"),
            ("cifar10:cifar10.1-v6", 1, "cifar10:cifar10.1-v6"),
        ],
    )
    def test_a_wildcard_stands_for_all_that_match(self, load: Load, text: str, count: int, first: str) -> None:
        own = load(f"pairs: ['{text}']\n")
        assert own.pairs == own.matching_pairs(text) == load("").matching_pairs(text)
        assert len(set(own.pairs)) == count
        assert str(own.pairs[0]).startswith(first)

    @pytest.mark.parametrize("text", ["cifar10:nothing-*", "cifar10:cifar10-c@fgo-*"])
    def test_a_wildcard_that_nothing_matches(
        self, load: Load, complaint: Callable[..., str], tmp_path: Path, text: str
    ) -> None:
        said = complaint(UsageError, load("").matching_pairs, text)
        says(said, where=tmp_path / "mine.yaml", found="1 original set and 0 new sets of these names")


class TestWhatIsKnownOfADataset:
    MINE = "datasets:\n  mine:\n    source: folder\n    path: x\n    classes: cifar10\n"

    def test_fresh_images_and_near_duplicates(self, load: Load) -> None:
        known = "    fresh: cifar10.1-v4\n    near_duplicates: {share: 0.08, accuracy: 1.0, source: counted by eye}\n"
        mine = load(self.MINE + known).dataset("mine")
        assert mine.fresh == "cifar10.1-v4"
        assert mine.near_duplicates is not None
        assert mine.near_duplicates.model_dump() == {"share": 0.08, "accuracy": 1.0, "source": "counted by eye"}

    def test_trap_27_the_near_duplicates_of_cifar10_are_known(self) -> None:
        known = load_registry(default_path()).dataset("cifar10").near_duplicates
        assert known is not None
        assert (known.share, known.accuracy) == (0.033, 1.0)
        assert "arXiv 1902.00423" in known.source

    @pytest.mark.parametrize("fresh,fix", [("cifar10.1v6", "cifar10.1-v6"), ("mine", None), ("digits", None)])
    def test_fresh_images_come_from_another_dataset_of_the_same_classes(
        self, refused: Refused, fresh: str, fix: str | None
    ) -> None:
        said = refused(self.MINE + f"    fresh: {fresh}\n").splitlines()
        assert said[:3] == [
            "fresh images come from another dataset of the same classes",
            "  where:    FILE, line 6: datasets.mine.fresh",
            f"  found:    {fresh}",
        ]
        assert said[3].startswith("  expected: one of cifar10, ")
        assert said[4:] == ([f'  fix:      did you mean "{fix}"?'] if fix else [])

    @pytest.mark.parametrize(
        "written,message",
        [
            ("{share: 1.5, accuracy: 1, source: me}", (
                "invalid value\n  where:    FILE, line 6: datasets.mine.near_duplicates.share\n"
                "  found:    1.5\n  expected: less than 1")),
            ("{share: 0.1, accuracy: 1}", (
                "missing key\n  where:    FILE, line 6: datasets.mine.near_duplicates.source\n"
                "  expected: source")),
            ("{share: 0.1, accuracy: 1, source: me, sorce: me}", (
                "unknown key\n  where:    FILE, line 6: datasets.mine.near_duplicates.sorce\n"
                "  found:    sorce\n  expected: share, accuracy, source\n"
                '  fix:      did you mean "source"?')),
        ],
    )  # fmt: skip
    def test_near_duplicates_that_cannot_be(self, refused: Refused, written: str, message: str) -> None:
        assert refused(self.MINE + f"    near_duplicates: {written}\n") == message


class TestSelectModels:
    @pytest.fixture
    def registry(self, load: Load) -> Registry:
        entry = yaml.safe_load(with_lines("preprocess: {}"))["models"]["m"]
        names = ["resnet20", "vgg16", "resnet110", "VGG16", "a[1]"]
        return load(yaml.safe_dump({"models": dict.fromkeys(names, entry)}, sort_keys=False))

    @pytest.mark.parametrize(
        "globs, names",
        [
            ([], ["resnet20", "vgg16", "resnet110", "VGG16", "a[1]"]),
            (["*"], ["resnet20", "vgg16", "resnet110", "VGG16", "a[1]"]),
            (["vgg*"], ["vgg16"]),
            (["vgg16", "resnet*", "resnet20"], ["resnet20", "vgg16", "resnet110"]),
            (["resnet??"], ["resnet20"]),
            (["[vV]*"], ["vgg16", "VGG16"]),
        ],
    )
    def test_by_globs_in_the_order_of_the_registry(
        self, registry: Registry, globs: list[str], names: list[str]
    ) -> None:
        assert list(registry.select_models(globs)) == names

    def test_a_glob_that_matches_none(self, registry: Registry, complaint: Callable[..., str]) -> None:
        says(complaint(UsageError, registry.select_models, ["vgg16", "resnet2O"]), where=registry.path)
        says(complaint(UsageError, registry.select_models, ["*zzz*"]), where=registry.path)

    def test_a_long_list_is_cut_and_an_empty_one_said(self, load: Load, complaint: Callable[..., str]) -> None:
        text = complaint(UsageError, load("extends: default").select_models, ["zzz"])
        count = len(load_registry(default_path()).models)
        assert f" and {count - 8} more\n" in text
        assert "  expected: none is declared\n" in complaint(UsageError, load("").select_models, ["zzz"])


class TestBuiltInFiles:
    def test_the_source_alone_is_enough(self, load: Load) -> None:
        registry = load(
            "datasets:\n  c: {source: cifar10}\n  v4: {source: cifar10.1, version: v4}\n"
            "  v6: {source: cifar10.1, version: v6, path: sets}\n"
        )
        default = load_registry(default_path()).datasets
        for name, known in {"c": "cifar10", "v4": "cifar10.1-v4", "v6": "cifar10.1-v6"}.items():
            entry, official = registry.datasets[name], default[known]
            assert isinstance(entry, Cifar10Dataset | Cifar101Dataset)
            assert isinstance(official, Cifar10Dataset | Cifar101Dataset)
            assert entry.files == official.files
            assert entry.classes == "cifar10"
        assert [len(registry.datasets[name].needed_files()) for name in ("c", "v4", "v6")] == [1, 2, 0]

    def test_own_files_stand(self, load: Load) -> None:
        file = "{name: c.tar, urls: [https://example.org/c.tar], sha256: 12fca82f, size: 10240}"
        entry = load(f"datasets:\n  c: {{source: cifar10, files: {{archive: {file}}}}}\n").datasets["c"]
        assert [file.name for file in entry.needed_files()] == ["c.tar"]

    @pytest.mark.parametrize(
        "source, roles, problem",
        [
            ("cifar10", ["archiv"], "files: takes archive, not archiv"),
            ("cifar10.1, version: v4", ["images"], "files: takes images and labels, not images"),
        ],
    )
    def test_files_that_the_source_does_not_read(
        self, refused: Refused, source: str, roles: list[str], problem: str
    ) -> None:
        files = ", ".join(f"{role}: {{name: a, urls: [b], sha256: 12fca82f}}" for role in roles)
        says(refused(f"datasets:\n  d: {{source: {source}, files: {{{files}}}}}\n"), where="FILE, line 2: datasets.d")

    @pytest.mark.parametrize("name", ["a/b", ".hidden", "", "a\\b"])
    def test_files_have_plain_names(self, refused: Refused, name: str) -> None:
        file = f"{{name: '{name}', urls: [b], sha256: 12fca82f}}"
        says(
            refused(f"datasets:\n  d: {{source: cifar10, files: {{archive: {file}}}}}\n"),
            where="FILE, line 2: datasets.d.files.archive.name",
            found=f"{name!r}",
        )

    def test_their_classes_cannot_be_changed(self, refused: Refused) -> None:
        says(
            refused("datasets:\n  d: {source: cifar10, classes: imagenet-1k}\n"),
            where="FILE, line 2: datasets.d.classes",
            found="'imagenet-1k'",
        )


def test_a_copy_of_the_default_registry_runs_the_embedded_pair_too(tmp_path):
    copy = tmp_path / "registry.yaml"
    copy.write_bytes(default_path().read_bytes())
    assert [str(pair) for pair in load_registry(copy).default_pairs] == ["digits:digits-new-writers"]
    copy.write_bytes(default_path().read_bytes() + b"# mine now\n")
    default, own = load_registry(default_path()), load_registry(copy).default_pairs
    assert set(default.pairs) < set(own)
    filled_in = [pair for family in default.families_of_pairs for pair in default.matching_pairs(str(family))]
    assert set(own) == {*default.pairs, *filled_in}


class TestAllErrorsAtOnce:
    TEXT = """model: {}
classes:
  good: [a, b]
  bad: [a, a]
datasets:
  one: {source: npy, images: x.npy, label: y.npy, classes: good}
  two: {source: npy, images: x.npy, labels: y.npy, classes: bad}
  three: {source: npy, images: x.npy, labels: y.npy, classes: good}
models:
  misspelt: {source: python, function: "n.py:f", clases: good, preprocess: {}}
  several: {source: python, function: f, classes: good, preprocess: {mean: [x]}, yaer: 2001}
  fine: {source: python, function: "n.py:f", classes: good, preprocess: {}}
pairs: [one:three, three:gone]
"""

    def test_each_is_named_once_and_none_for_another(self, load: Load, tmp_path: Path) -> None:
        with pytest.raises(RegistryErrors) as caught:
            load(self.TEXT)
        places = [str(error.where).partition(": ")[2] for error in caught.value.errors]
        assert places == [
            "model",
            "classes.bad",
            "datasets.one.label",
            "models.misspelt.clases",
            "models.several.function",
            "models.several.preprocess.mean",
            "models.several.yaer",
            "pairs.1",
        ]
        assert str(caught.value).startswith(f"the registry has 8 errors\n  where:    {tmp_path / 'mine.yaml'}\n\n")
        assert all(str(error) in str(caught.value) for error in caught.value.errors)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), len(again.errors)) == (str(caught.value), 8)

    def test_what_is_right_can_be_read_beside_them(self, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text(self.TEXT, "utf-8")
        registry, errors = read_registry(tmp_path / "mine.yaml")
        assert list(registry.models) == ["fine"]
        assert "three" in registry.datasets
        assert not {"one", "two"} & set(registry.datasets)
        assert len(errors) == 8

    def test_errors_of_a_registry_that_is_extended(self, tmp_path: Path, load: Load) -> None:
        (tmp_path / "base.yaml").write_text("models:\n  m: {source: tim}\n")
        with pytest.raises(RegistryErrors) as caught:
            load("extends: base.yaml\nmodels:\n  n: {source: tim}\n")
        assert [str(error.where).partition(", ")[0] for error in caught.value.errors] == [
            str(tmp_path / "base.yaml"),
            str(tmp_path / "mine.yaml"),
        ]
