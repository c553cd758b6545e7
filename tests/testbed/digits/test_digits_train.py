"""The shipped models of the embedded pair, and that the script which made them would make them again."""

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
import yaml
from messages import says
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.stats import linregress, norm

from evalshift.errors import ModelError, UsageError
from evalshift.testbed.digits import fitting, networks, train
from evalshift.testbed.digits.recipes import RECIPES
from evalshift.testbed.digits.split import digits_split

REGISTRY = Path(__file__).parents[3] / "registry.yaml"
NAMES = [recipe.name for recipe in RECIPES]
RECIPE = {recipe.name: recipe for recipe in RECIPES}
RETRAINED = (
    "digits-centroid-n20",
    "digits-kernel-ridge-rbf",
    "digits-lda",
    "digits-logistic",
    "digits-neighbour-4x4",
    "digits-random-20",
    "digits-ridge",
    "digits-svm-rbf-n40",
)


def checkpoint(name):
    return train.CHECKPOINTS / f"{name}.safetensors"


def shipped(name):
    """The module that a checkpoint's own metadata describes, with its tensors loaded strictly."""
    with safe_open(checkpoint(name), framework="pt") as file:
        made = json.loads(file.metadata()["evalshift"])
    module = getattr(networks, made["builder"])(**made["arguments"])
    module.load_state_dict(load_file(checkpoint(name)), strict=True)
    return module.eval()


@pytest.fixture(scope="module")
def split():
    return digits_split()


@pytest.fixture(scope="module")
def accuracies(split):
    """model -> accuracy on original and new"""
    return {
        name: tuple(
            (fitting.predict(module, part.images) == part.labels).mean() for part in (split.original, split.new)
        )
        for name in NAMES
        for module in [shipped(name)]
    }


@pytest.fixture(scope="module")
def entries():
    if not REGISTRY.exists():
        pytest.skip("no registry.yaml at the root")
    models = yaml.safe_load(REGISTRY.read_text("utf-8")).get("models") or {}
    digits = {name: entry for name, entry in models.items() if name.startswith("digits-")}
    if not digits:
        pytest.skip("registry.yaml has no digits models")
    return digits


@pytest.fixture
def one_thread():
    """The script computes in one thread; give back what the other tests had."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_checkpoints_are_the_recipes_and_small():
    files = sorted(train.CHECKPOINTS.glob("*"))
    assert [file.name for file in files] == sorted(f"{name}.safetensors" for name in NAMES)
    assert len(files) >= 24
    assert len(set(NAMES)) == len(NAMES)
    assert sum(file.stat().st_size for file in files) < 3_000_000


def test_accuracies_span_poor_to_good_without_wide_gaps(accuracies):
    original = np.sort([original for original, _ in accuracies.values()])
    assert original[0] <= 0.65
    assert original[-1] >= 0.98
    assert np.diff(original).max() < 0.07


def test_new_writers_are_harder_on_a_line(accuracies):
    original, new = np.array(list(accuracies.values())).T
    assert 0.02 < (original - new).mean() < 0.05
    assert (new < original).mean() > 0.9
    fit: Any = linregress(norm.ppf(original), norm.ppf(new))
    assert fit.rvalue**2 > 0.9
    assert 0.7 < fit.slope < 1.0


def test_families_are_varied():
    families = {family: sum(recipe.family == family for recipe in RECIPES) for family in {r.family for r in RECIPES}}
    assert set(families) == {"centroid", "neighbour", "linear", "random-features", "kernel", "mlp", "cnn"}
    assert min(families.values()) >= 3


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_no_prediction_hangs_on_rounding(name, split):
    """Twice the precision gives the same predictions, so another machine's arithmetic will too."""
    module = shipped(name)
    for part in (split.original, split.new):
        images = torch.from_numpy(fitting.normalise(part.images))
        single = module.float()(images).argmax(dim=1)
        assert torch.equal(module.double()(images.double()).argmax(dim=1), single)
        top = module(images.double()).topk(2).values
        assert (top[:, 0] - top[:, 1]).min() > 2e-6 * top.abs().max()


def test_registry_entries_describe_the_files(entries, accuracies):
    assert sorted(entries) == sorted(NAMES)
    for name, entry in entries.items():
        assert entry["weights"] == f"package:evalshift.testbed.digits/checkpoints/{name}.safetensors"
        assert entry["sha256"] == hashlib.sha256(checkpoint(name).read_bytes()).hexdigest()
        assert entry["expected"]["digits"] == pytest.approx(accuracies[name][0], abs=5e-5)
        assert (entry["family"], entry.get("year")) == (RECIPE[name].family, RECIPE[name].year)
        assert entry["preprocess"] == {"mean": [0.3092], "std": [0.378]}
        module = getattr(networks, entry["builder"].partition(":")[2])(**entry["arguments"])
        module.load_state_dict(load_file(checkpoint(name)), strict=True)


def test_pixels_are_normalised_with_the_training_images_statistics(split):
    pixels = split.train.images / 255
    assert fitting.PREPROCESS.mean == (round(pixels.mean(), 4),)
    assert fitting.PREPROCESS.std == (round(pixels.std(), 4),)
    normal = fitting.normalise(split.train.images)
    # a blank pixel: (0 − 0.3092)/0.378 = −0.81799; full ink: (1 − 0.3092)/0.378 = 1.82751
    assert (normal.min(), normal.max()) == pytest.approx((-0.81799, 1.82751), abs=1e-5)
    np.testing.assert_allclose(normal[:, 0] * 0.378 + 0.3092, pixels[..., 0], atol=1e-6)


@pytest.mark.parametrize("name", RETRAINED)
def test_training_again_gives_the_shipped_tensors(name, split):
    recipe = RECIPE[name]
    images, labels = fitting.normalise(split.train.images)[: recipe.images], split.train.labels[: recipe.images]
    fit = recipe.fit(images, labels, seed=0)
    stored = load_file(checkpoint(name))
    assert set(fit.state) == set(stored)
    for key, tensor in fit.state.items():
        torch.testing.assert_close(tensor, stored[key], rtol=1e-3, atol=1e-4)


def test_training_a_network_is_determined_by_its_seed(split):
    images, labels = fitting.normalise(split.train.images)[:60], split.train.labels[:60]
    before = torch.get_rng_state()
    fit = partial(fitting.network, images, labels, builder="mlp", arguments={"hidden": [4]}, epochs=2, jitter=True)
    first, again, other = fit(seed=3), fit(seed=3), fit(seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first.state[key], again.state[key]) for key in first.state)
    assert not torch.equal(first.state["classes.weight"], other.state["classes.weight"])


def test_jitter_keeps_ink_within_a_pixel_and_a_half():
    """A dot in the middle stays there when turned or scaled; a shift of t pixels moves it by up to t/0.9."""
    blank, full = -0.818, 1.8275
    images = torch.full((2000, 1, 8, 8), blank)
    images[:, :, 3:5, 3:5] = full
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        moved = fitting.jittered(images)
    ink = ((moved - blank) / (full - blank))[:, 0]
    assert ink.min() >= -1e-5  # what moves in is blank paper
    assert ink.max() <= 1 + 1e-5
    place = torch.arange(8.0)
    total = ink.sum(dim=(1, 2))
    across, down = (ink.sum(dim=1) @ place / total - 3.5, ink.sum(dim=2) @ place / total - 3.5)
    distance = torch.hypot(across, down)
    assert distance.max() <= 2**0.5 / 0.9
    assert distance.max() > 1
    assert across.std() == pytest.approx(1 / 3**0.5, rel=0.05)  # uniform in ±1 pixel, each image for itself
    assert abs(torch.corrcoef(torch.stack([across, down]))[0, 1]) < 0.1


def test_a_module_that_predictions_unlike_scikit_learn_is_refused(split):
    images, labels = fitting.normalise(split.train.images)[:50], split.train.labels[:50]
    fit = fitting.ridge(images, labels, seed=0, alpha=1.0)
    train.check_conversion("mine", fit, split.train)
    assert fit.predictions is not None
    other = fit.predictions.copy()
    other[[3, 8]] = (other[[3, 8]] + 1) % 10
    with pytest.raises(ModelError) as caught:
        train.check_conversion("mine", replace(fit, predictions=other), split.train)
    says(caught.value, where="mine", found="2 of 50 training images predicted differently")


def test_script_writes_checkpoints_entries_and_a_table(tmp_path, capsys, accuracies, one_thread):
    out, registry = tmp_path / "new" / "folder", tmp_path / "registry.yaml"
    train.main(out=out, seed=0, models=["digits-ridge-n[24]0", "digits-centroid"], registry=registry)
    names = ["digits-centroid", "digits-ridge-n20", "digits-ridge-n40"]
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.safetensors" for name in names]
    written = yaml.safe_load(registry.read_text("utf-8"))["models"]
    assert list(written) == names
    ridge = written["digits-ridge-n20"]
    assert ridge == {
        "source": "checkpoint",
        "builder": "evalshift.testbed.digits.networks:linear",
        "arguments": {},
        "weights": str(out / "digits-ridge-n20.safetensors"),
        "sha256": hashlib.sha256((out / "digits-ridge-n20.safetensors").read_bytes()).hexdigest(),
        "classes": "digits",
        "preprocess": {"mean": [0.3092], "std": [0.378]},
        "family": "linear",
        "expected": {"digits": round(accuracies["digits-ridge-n20"][0], 4)},
        "year": 1970,
    }
    printed = capsys.readouterr().out
    for name in names:
        original, new = accuracies[name]
        size = (out / f"{name}.safetensors").stat().st_size
        row = next(line for line in printed.splitlines() if f" {name} " in line)
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells == [name, f"{original:.2%}", f"{new:.2%}", f"{100 * (original - new):+.2f}", f"{size:,}"]
    # checked against scipy: three models, probit scale
    original, new = norm.ppf(np.array([accuracies[name] for name in names]).T)
    fit: Any = linregress(original, new)
    assert f"on the probit scale slope {fit.slope:.3f}, offset {fit.intercept:+.3f}" in printed


def test_script_complains_about_unknown_models(tmp_path, capsys, one_thread):
    with pytest.raises(UsageError) as caught:
        train.select(["digits-rigde"])
    says(
        caught.value, where="--models", found="digits-rigde", expected=f"a glob that matches one of {', '.join(NAMES)}"
    )
    with pytest.raises(typer.Exit) as left:
        train.main(out=tmp_path, seed=0, models=["digits-rigde"], registry=None)
    assert left.value.exit_code == 2
    assert "digits-rigde" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_same_fit_gives_the_same_file(split):
    recipe = RECIPE["digits-ridge-n20"]
    fit = recipe.fit(fitting.normalise(split.train.images)[:20], split.train.labels[:20], seed=0)
    assert len({train.checkpoint(recipe, fit, seed=0) for _ in range(5)}) == 1
