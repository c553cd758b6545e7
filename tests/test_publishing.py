"""What is stored and published tells nothing of its user, and nothing that it holds is obeyed."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from commandline import run_here, write_testbed
from rich.text import Text

from evalshift.console.terminal import print_table, stdout
from evalshift.evaluate.store import Results
from evalshift.publishing import inert_cell, inert_text, publishable

EVIL = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u200f\u2028"


@pytest.mark.parametrize(
    "value, shown",
    [
        ("/home/me/secret/net.py:build", "…/net.py:build"),
        ("/home/me/data/", "…/data/"),
        ("C:\\Users\\me\\w.pt", "…/w.pt"),
        ("${HOME}/w.pt", "${HOME}/w.pt"),
        ("~/w.pt", "~/w.pt"),
        ("weights/w.pt", "weights/w.pt"),
        ("https://me:pw@host/w.pt?token=1&raw=true", "https://host/w.pt?raw=true"),
        ("s3://key:secret@bucket/w.pt", "s3://bucket/w.pt"),
        ("file:///home/me/w.pt", "…/w.pt"),
        ("--root=/home/me/data -I/home/me/lib", "--root=…/data -I…/lib"),
        ("see https://me:pw@host/p?sig=1 and file:///home/me/w.pt", "see https://host/p and …/w.pt"),
        ("rsync me:pw@host:/srv/data/x", "rsync host:…/x"),
        ("dir=C:\\Users\\me\\w.pt", "dir=…/w.pt"),
        ("and/or 1/2, timm/resnet18, ~/w/x, ${W}/a/b, a@b.org", "and/or 1/2, timm/resnet18, ~/w/x, ${W}/a/b, a@b.org"),
        ({"/home/me/x": 1}, {"…/x": 1}),
        (3, 3),
    ],
)
def test_values_without_what_is_only_the_users(value: Any, shown: Any) -> None:
    assert publishable({"a": [value]}) == {"a": [shown]}


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠SUM(A1)"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert inert_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.5", "+1e3", "-inf", -0.5, None, "resnet", ""])
def test_numbers_stay_numbers(value: Any) -> None:
    assert inert_cell(value) == value


def test_a_terminal_obeys_nothing_that_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        stdout().print(Text(EVIL))
        stdout().print(EVIL, style="red")
        print_table(("model",), [(EVIL,)])
    monkeypatch.undo()
    said = (tmp_path / "out").read_text("utf-8")
    assert not set("\x1b\x07\u202e\u200f\u2028") & set(said)
    assert said.count("owned") == 3
    assert inert_text("tab\tand\nline") == "tab\tand\nline"


def test_errors_do_not_control_the_terminal(tmp_path: Path) -> None:
    """A name of a registry stands in what is said about it."""
    path = tmp_path / "registry.yaml"
    path.write_text(json.dumps({"models": {EVIL: {"source": "timm", "name": EVIL}}, EVIL: {}}))
    said = run_here("check", "--registry", path)
    assert said.code == 2
    assert not set("\x1b\x07\u202e\u200f\u2028") & set(said.out + said.err)
    assert "owned" in said.err


@pytest.mark.slow
def test_a_report_tells_nothing_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders, a password and a token of the registry are in none of the files; --anonymous hides more."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "jane-doe"
    path = write_testbed(home)
    content = yaml.safe_load(path.read_text())
    good = content["models"].pop("good")
    content["models"] = {"=cmd": {**good, "function": f"{home}/networks.py:good"}, "shy": content["models"]["shy"]}
    content["models"]["shy"]["homepage"] = "https://jane:pw@lab.example/x?token=t0ken"
    for name in ("original", "new"):
        content["datasets"][name]["images"] = f"{home}/{name}_x.npy"
    path.write_text(yaml.safe_dump(content))
    results = home / "results"
    run = ("run", "--registry", str(path), "--results", str(results), "--device", "cpu")
    assert run_here(*run).code == 0
    assert "nothing to do" in run_here(*run).err
    for extra, secrets in (((), []), (("--anonymous",), ["cpu (", "lab.example", "networks.py"])):
        out = tmp_path / f"report{len(extra)}"
        made = run_here(
            "report", "--results", results, "--out", out, "--bootstrap", 100, "--format", "html,csv,md,tex", *extra
        )
        assert made.code == 0
        for file in out.rglob("*"):
            text = file.read_text("utf-8") if file.is_file() else ""
            for secret in (str(tmp_path), "jane-doe", "jane:pw", "t0ken", *secrets):
                assert secret not in text, (file, secret)
        tables = [pd.read_csv(file) for file in (out / "tables").glob("*top1.csv")]
        assert "'=cmd" in tables[0]["model"].to_list()
        assert json.loads((out / "summary.json").read_text())["pairs"][0]["provenance"]["models"]["shy"]
    stored = Results(results).provenance("new", "=cmd")
    assert stored is not None
    assert "jane-doe" not in stored.model_dump_json()
