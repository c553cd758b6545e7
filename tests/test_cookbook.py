"""Every recipe of docs/cookbook.md is followed, in one folder and in order, with the results that it promises."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from commandline import run_here

import evalshift as es

pytestmark = pytest.mark.late

PAGE = (Path(__file__).parents[1] / "docs/cookbook.md").read_text("utf-8")
RECIPES = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
BLOCK = re.compile(r"^```(sh|python|yaml|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.(?:py|yaml|csv))\n")


def follow(recipe: str, known: dict[str, Any]) -> str:
    """Write the files of a recipe, run its Python and its commands; what the commands printed."""
    printed = []
    for kind, text in BLOCK.findall(recipe):
        named = FILE_NAME.match(text)
        if named:
            Path(named[1]).write_text(text.partition("\n")[2] if named[1].endswith(".csv") else text, "utf-8")
        elif kind == "python":
            exec(compile(text, recipe.split("\n", 1)[0], "exec"), known)
        elif kind == "sh":
            for line in text.splitlines():
                done = run_here(*shlex.split(line)[1:])
                assert done.code == 0, f"{line}\n{done.out}\n{done.err}"
                printed.append(done.out + done.err)
    return "\n".join(printed)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, Any]]:
    """The folder in which all recipes were followed, what each printed, and the names that its Python left."""
    folder = tmp_path_factory.mktemp("cook")
    known: dict[str, Any] = {"__name__": "cookbook"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        return folder, [follow(recipe, known) for recipe in RECIPES], known


def test_there_are_twenty_one_numbered_recipes() -> None:
    assert [recipe.split(".")[0] for recipe in RECIPES] == [str(number) for number in range(1, 22)]


def test_every_recipe_can_be_followed(followed: tuple[Path, list[str], dict[str, Any]]) -> None:
    folder, printed, _ = followed
    assert "accuracy drops by" in printed[0]
    stored = {path.stem for path in (folder / "results/predictions/digits").iterdir()}
    assert {"my-network", "my-neighbours", "from-csv", "from-logits"} <= stored
    assert "resnet18.a1_in1k-timm" in printed[4]
    assert "digits:my-photos" in printed[8]
    assert re.search(r"gray-ridge .* (left|right)", printed[9])
    assert "more accurate than" in printed[10]
    together = " ".join(printed[20].split())
    for said in re.findall(r"```text\n(mean: .*?)\n(vote: .*?)```", RECIPES[20], re.DOTALL)[0]:
        assert " ".join(said.split()) in together
    assert (folder / "together/predictions/digits/my-soup.parquet").is_file()
    for name in ("report/index.html", "fig1.pdf", "fig2.svg"):
        assert (folder / name).stat().st_size > 1_000
    (table,) = (folder / "latex/tables").glob("*_top1.tex")
    assert "Drop" in table.read_text()
    assert "Family" not in table.read_text()
    assert (folder / "results/limit-50").is_dir()


def test_numbers_of_the_recipes(followed: tuple[Path, list[str], dict[str, Any]]) -> None:
    folder, _, known = followed
    assert known["numbers"]["pairs"][0]["metrics"].keys() >= {"top1"}
    row = json.loads((folder / "report/summary.json").read_text())["pairs"][0]["metrics"]["top1"]["table"][0]
    name = f"digits-digits-new-writers/{row['model']}/drop"
    assert known["logged"][name] == row["drop"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert {line["metric"]: line["value"] for line in lines} == known["logged"]
    assert all(set(pair["metrics"]) for pair in json.loads((folder / "report/summary.json").read_text())["pairs"])
    assert known["detectable_difference"](10_000, discordance=0.12) == pytest.approx(0.0098, abs=0.0005)
    results = es.Results(folder / "results")
    same = results.load_predictions("digits", "digits-ridge").top[:, 0]
    assert (results.load_predictions("digits", "from-csv").top[:, 0] == same).all()


@pytest.mark.filterwarnings("ignore")  # of the trackers themselves
@pytest.mark.parametrize(
    "name, package", [("to_wandb", "wandb"), ("to_mlflow", "mlflow"), ("to_tensorboard", "tensorboard")]
)
def test_numbers_reach_each_tracker_that_is_installed(
    followed: tuple[Path, list[str], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    package: str,
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed; the recipe is for who has it")
    folder, _, known = followed
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    trackers: dict[str, Any] = {}
    exec((folder / "trackers.py").read_text("utf-8"), trackers)
    trackers[name](known["logged"], "shift")
    assert any(path.is_file() for path in tmp_path.rglob("*"))
