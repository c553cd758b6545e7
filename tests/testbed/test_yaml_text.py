import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from messages import says

from evalshift.errors import RegistryError
from evalshift.testbed import yaml_text
from evalshift.testbed.yaml_text import YamlText

TEXT = """\
extends: default

models:
  # a comment
  "quoted name":
    preprocess:
      mean:
        - 0.5
        - 0.25
  20: {year: 2015,
       classes: cifar10}
pairs: [a:b,
  c:d]
"""


@pytest.fixture
def text(tmp_path: Path) -> YamlText:
    (tmp_path / "r.yaml").write_text(TEXT)
    return YamlText(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    "keys, line",
    [
        (("extends",), 1),
        (("models",), 3),
        (("models", "quoted name"), 5),
        (("models", "quoted name", "preprocess", "mean"), 7),
        (("models", "quoted name", "preprocess", "mean", 1), 9),
        (("models", 20), 10),
        (("models", 20, "classes"), 11),
        (("pairs", 0), 12),
        (("pairs", 1), 13),
        # What is missing is missed where its parent stands.
        (("models", "quoted name", "weights"), 5),
        (("models", 20, "preprocess", "mean"), 10),
        (("pairs", 7), 12),
        (("datasets",), None),
    ],
)
def test_every_part_knows_its_line(text: YamlText, keys: tuple[object, ...], line: int | None) -> None:
    assert text.line_of(keys) == line


def test_an_error_names_file_line_and_place(text: YamlText) -> None:
    says(
        text.error(("models", 20, "year"), "too early", found=2015, expected="2016", fix="wait"),
        where=f"{text.path}, line 10: models.20.year",
        found="2015",
    )
    says(text.error(("datasets",), "none"), where=f"{text.path}: datasets")


def test_sections_that_are_absent_or_empty(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("models:\npairs:\n")
    text = YamlText(tmp_path / "r.yaml")
    assert text.section("models") == text.section("datasets") == {}
    assert text.section("pairs", kind=list) == []


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "---\n", "\ufeffmodels: {}\n"])
def test_next_to_nothing_is_a_registry(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.yaml").write_text(content, "utf-8")
    assert YamlText(tmp_path / "r.yaml").section("models") == {}


def test_several_documents_are_refused(tmp_path: Path, complaint: Callable[..., str]) -> None:
    (tmp_path / "r.yaml").write_text("models: {}\n---\nmodels: {}\n")
    says(
        complaint(RegistryError, YamlText, tmp_path / "r.yaml"),
        where=f"{tmp_path / 'r.yaml'}, line 2, column 1",
        found="expected a single document in the stream, but found another document",
    )


def test_control_characters_are_refused(tmp_path: Path, complaint: Callable[..., str]) -> None:
    (tmp_path / "r.yaml").write_text("models: \x01\n")
    assert complaint(RegistryError, YamlText, tmp_path / "r.yaml").startswith(
        f"invalid YAML\n  where:    {tmp_path / 'r.yaml'}"
    )


@pytest.mark.parametrize("tag", ["object/apply:os.mkdir", "object/new:os.mkdir", "name:os.mkdir", "module:os"])
def test_no_tag_creates_an_object_of_python(tmp_path: Path, tag: str) -> None:
    made = tmp_path / "made"
    value = f"!!python/{tag} [{json.dumps(str(made))}]" if "object" in tag else f"!!python/{tag} ''"
    (tmp_path / "r.yaml").write_text(f"title: {value}\n")
    with pytest.raises(RegistryError, match="could not determine a constructor for the tag"):
        YamlText(tmp_path / "r.yaml")
    assert not made.exists()
    yaml.load((tmp_path / "r.yaml").read_text(), yaml.UnsafeLoader)  # the trap works
    assert made.exists() == ("object" in tag)


def test_aliases_that_stand_for_more_than_any_memory_are_refused(tmp_path: Path) -> None:
    """ "Billion laughs": 10^9 parts in 300 bytes, which the first error about them would try to print."""
    lines = ["classes:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        lines.append(f"  a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]")
    (tmp_path / "r.yaml").write_text("\n".join(lines))
    with pytest.raises(RegistryError, match="aliases repeat it beyond all measure"):
        YamlText(tmp_path / "r.yaml")
    # As often as a registry may well use them.
    (tmp_path / "r.yaml").write_text("\n".join(["classes:", "  a: &a [x, y]", *(f"  b{n}: *a" for n in range(2000))]))
    assert len(YamlText(tmp_path / "r.yaml").content["classes"]) == 2001


def test_a_number_that_no_error_could_print_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"title: 0x{'f' * 5000}\n")
    with pytest.raises(RegistryError, match="no valid int"):
        YamlText(tmp_path / "r.yaml")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_no_registry(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "r.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(RegistryError, match="a pipe or a device"):
        YamlText(path)


def test_a_mapping_inside_itself_is_refused(tmp_path: Path, complaint: Callable[..., str]) -> None:
    (tmp_path / "r.yaml").write_text("models: &a {m: *a}\n")
    says(
        complaint(RegistryError, YamlText, tmp_path / "r.yaml"),
        where=f"{tmp_path / 'r.yaml'}, line 1, column 9",
        found="found unconstructable recursive node",
    )


words = st.text("ab01é: -#&*!|>'\"%@{}[],.~\n\t", max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words
contents = st.dictionaries(
    st.sampled_from(yaml_text.SECTIONS),
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
    ),
)


@given(content=contents)
def test_reads_what_pyyaml_reads(tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("yaml") / "r.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8", newline="")
    assert YamlText(path).content == content


@pytest.mark.parametrize(
    "value, found",
    [
        ("2024-02-30", "2024-02-30 is no valid timestamp"),
        ("!!int x", "x is no valid int"),
        ("!!float x", "x is no valid float"),
        ("!!bool x", "x is no valid bool"),
        ("!!timestamp x", "x is no valid timestamp"),
        ("9" * 5000, "9999999999999999999999999999999999999999 is no valid int"),
        ("[" * 900 + "]" * 900, "lists or mappings nested too deep"),
        ("{a: " * 900 + "1" + "}" * 900, "lists or mappings nested too deep"),
    ],
)
def test_values_that_yaml_itself_stumbles_on_are_errors_of_the_registry(tmp_path: Path, value: str, found: str) -> None:
    (tmp_path / "r.yaml").write_text(f"models:\n  m: {{year: {value}}}\n")
    with pytest.raises(RegistryError) as caught:
        YamlText(tmp_path / "r.yaml")
    assert (caught.value.problem, caught.value.found) == ("invalid YAML", found)
