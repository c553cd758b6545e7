from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import Load, Refused, sha256

from evalshift.testbed.model_entries import FisherVectorsModel
from evalshift.testbed.models import fisher_vectors
from evalshift.testbed.models.fisher_vectors import FisherVectors, train_classifier
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic

CPU = torch.device("cpu")
CONTENT = {
    "source": "fisher-vectors",
    "classes": "ten",
    "train": {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "ten"},
    "centers": 2,
    "components": 4,
    "stride": 3,
}


def entry(**settings: Any) -> FisherVectorsModel:
    return FisherVectorsModel.model_validate({**CONTENT, **settings})


def images(count: int, side: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def network(k: int = 3, d: int = 5) -> FisherVectors:
    """A mixture of k Gaussians of d numbers, drawn at random; what comes before and after is not looked at."""
    rng = torch.Generator().manual_seed(0)
    weights = torch.rand(k, generator=rng) + 0.2
    state = {
        "middle": torch.zeros(1),
        "projection": torch.zeros(1, 1),
        "weights": weights / weights.sum(),
        "means": torch.randn(k, d, generator=rng),
        "variances": torch.rand(k, d, generator=rng) + 0.5,
        "linear": torch.zeros(1, 1),
    }
    return FisherVectors(state, entry(centers=k, components=d))


def test_shares_and_vector_are_those_of_the_definition() -> None:
    module = network()
    patches = torch.randn(1, 50, 5, generator=torch.Generator().manual_seed(1))
    weights, means, variances = (getattr(module, name).double() for name in ("weights", "means", "variances"))
    normal = torch.distributions.Normal(means, variances.sqrt())
    density = weights * normal.log_prob(patches[0, :, None].double()).sum(dim=2).exp()
    share = density / density.sum(dim=1, keepdim=True)
    assert module.posterior(patches)[0].numpy() == pytest.approx(share.numpy(), abs=1e-5)
    # Perronnin et al. 2010, equations 5 and 6, patch by patch.
    standard = (patches[0, :, None].double() - means) / variances.sqrt()
    first = (share[..., None] * standard).sum(dim=0) / (50 * weights.sqrt()[:, None])
    second = (share[..., None] * (standard**2 - 1)).sum(dim=0) / (50 * (2 * weights).sqrt()[:, None])
    expected = torch.cat([first.flatten(), second.flatten()])
    assert module.fisher_vector(patches)[0].numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_departures_in_means_are_those_of_scikit_image() -> None:
    from skimage.feature import fisher_vector
    from sklearn.mixture import GaussianMixture

    points = np.random.default_rng(2).normal(size=(300, 5))
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0).fit(points)
    module = network()
    for name, values in (("weights", mixture.weights_), ("means", mixture.means_), ("variances", mixture.covariances_)):
        setattr(module, name, torch.from_numpy(values))
    theirs = fisher_vector(points[:40], mixture)  # of weights, means, variances
    ours = module.fisher_vector(torch.from_numpy(points[None, :40]))[0]
    assert ours[:15].numpy() == pytest.approx(theirs[3:18])


@pytest.fixture(scope="module")
def trained() -> FisherVectors:
    return train_classifier(images(60), np.arange(60) % 10, 10, entry(regions=2), CPU, "model m")


def test_features_have_length_one_and_an_offset(trained: FisherVectors) -> None:
    features = trained.features(apply_arithmetic(torch.from_numpy(images(3)), Preprocess()))
    assert features.shape == (3, 2 * 2 * 4 * 4 + 1)
    assert features[:, :-1].norm(dim=1).numpy() == pytest.approx([1, 1, 1], abs=1e-5)
    assert features[:, -1].tolist() == [1, 1, 1]


def test_weights_are_those_of_least_squares(trained: FisherVectors) -> None:
    seen = apply_arithmetic(torch.from_numpy(images(60)), Preprocess())
    values = trained.features(seen).double().numpy()
    targets = np.eye(10)[np.arange(60) % 10]
    penalty = 60 * entry().regularizer * np.eye(values.shape[1])
    expected = np.linalg.solve(values.T @ values + penalty, values.T @ targets)
    assert trained(seen).numpy() == pytest.approx(values @ expected, abs=2e-3)


class TestSource:
    @pytest.fixture(autouse=True)
    def arrays(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", images(40))
        np.save(tmp_path / "y.npy", np.arange(40) % 10)

    def test_it_is_trained_once_and_kept(self, load: Load, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = load(**CONTENT)
        (kept,) = (cache / "trained").glob("fisher-vectors-2-*.safetensors")
        assert first.checkpoint_sha256 == sha256(kept)
        monkeypatch.setattr(fisher_vectors, "train_classifier", None)  # calling it would fail
        seen = apply_arithmetic(torch.from_numpy(images(3)), Preprocess())
        assert torch.equal(load(**CONTENT).module(seen), first.module(seen))
        kept.write_bytes(b"damaged")
        with pytest.raises(Exception, match="the trained weights in the cache cannot be read"):
            load(**CONTENT)

    def test_images_smaller_than_the_patches(self, refused: Refused) -> None:
        assert "images of 12 × 12, patch_size 13, regions 1" in refused(**CONTENT, patch_size=13)


def test_real_photographs_of_cifar10(real_data: Callable[[str], Path]) -> None:
    """4 centers learn from 1,000 images of the test set; chance is 10 %."""
    folder = real_data("cifar10")
    pictures, labels = (np.load(folder / f"test_{what}.npy") for what in ("images", "labels"))
    small = entry(centers=4, components=16, stride=4)
    module = train_classifier(pictures[:1000], labels[:1000], 10, small, CPU, "model m")
    with torch.inference_mode():
        seen = apply_arithmetic(torch.from_numpy(pictures[9000:]), Preprocess())
        accuracy = float((module(seen).argmax(1).numpy() == labels[9000:]).mean())
    assert accuracy > 0.25
