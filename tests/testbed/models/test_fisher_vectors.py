from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import Load, Refused, sha256

from evalshift.testbed.models import fisher_vectors
from evalshift.testbed.models.descriptors import DESCRIPTORS, LENGTHS, colour, patches, sift
from evalshift.testbed.models.fisher_vectors import FisherVectors, Mixture, train_classifier
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic
from evalshift.testbed.trained_model_entries import FisherVectorsModel

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


def network(k: int = 3, d: int = 5) -> Mixture:
    """A mixture of k Gaussians of d numbers, drawn at random; what comes before and after is not looked at."""
    rng = torch.Generator().manual_seed(0)
    weights = torch.rand(k, generator=rng) + 0.2
    state = {
        "middle": torch.zeros(1),
        "projection": torch.zeros(1, 1),
        "weights": weights / weights.sum(),
        "means": torch.randn(k, d, generator=rng),
        "variances": torch.rand(k, d, generator=rng) + 0.5,
    }
    return Mixture(state)


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


class TestDescriptors:
    def test_a_vertical_edge_has_gradients_to_the_right_alone(self) -> None:
        """Cells of 2 pixels: the edge between columns 3 and 4 is in the second and third column of cells."""
        image = torch.zeros(1, 1, 8, 8)
        image[..., 4:] = 0.5
        found = sift(image, 8, 1)[0, 0, 0].view(8, 4, 4)
        assert found[1:].abs().max() == 0
        # All eight are equal, of length one: 1 / √8 = 0.354, cut off at 0.2, and of length one again.
        assert found[0].numpy() == pytest.approx(np.array([[0, 8**-0.5, 8**-0.5, 0]] * 4))

    def test_sift_turns_with_the_image_and_not_with_its_contrast(self) -> None:
        image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
        found = sift(image, 16, 1)[0, 0, 0].view(8, 4, 4)
        assert found.norm().item() == pytest.approx(1)
        turned = sift(image.rot90(1, (2, 3)), 16, 1)[0, 0, 0].view(8, 4, 4)
        # A quarter turn to the left is two of eight directions less: rows count downwards.
        assert turned.roll(2, 0).numpy() == pytest.approx(found.rot90(1, (1, 2)).numpy(), abs=1e-6)
        assert sift(0.25 * image + 0.5, 16, 1)[0, 0, 0].view(8, 4, 4).numpy() == pytest.approx(found.numpy(), abs=1e-5)

    def test_colour_statistics_by_hand(self) -> None:
        """Cells of 1 × 1 pixel have their colour as mean and no deviation; of 2 × 2, those of four pixels."""
        image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(4))
        small = colour(image, 4, 4)[0, 1, 0]
        assert small[:48].view(3, 4, 4).numpy() == pytest.approx(image[0, :, 4:, :4].numpy())
        assert small[48:].abs().max() < 1e-3
        whole = colour(image, 8, 1)[0, 0, 0]
        cells = image[0].view(3, 4, 2, 4, 2).transpose(2, 3).flatten(3)
        assert whole[:48].view(3, 4, 4).numpy() == pytest.approx(cells.mean(3).numpy(), abs=1e-6)
        assert whole[48:].view(3, 4, 4).numpy() == pytest.approx(cells.std(3, correction=0).numpy(), abs=1e-3)

    @pytest.mark.parametrize("kind", DESCRIPTORS)
    def test_patches_are_on_one_grid(self, kind: str) -> None:
        image = torch.rand(2, 3, 21, 14, generator=torch.Generator().manual_seed(5))
        found = DESCRIPTORS[kind](image, 8, 3)
        assert found.shape == (2, 5, 3, LENGTHS[kind](8))
        alone = DESCRIPTORS[kind](image[:, :, 5:15, 2:12], 8, 1)[:, 1, 1]  # and a pixel around it, for gradients
        assert found[:, 2, 1].numpy() == pytest.approx(alone.numpy(), abs=1e-6)

    def test_pixels_are_those_of_the_patch(self) -> None:
        image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(6))
        assert torch.equal(patches(image, 4, 2)[0, 1, 1].view(3, 4, 4), image[0, :, 2:, 2:])


def test_several_descriptors_have_a_vector_each_of_length_one(load: Load, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", images(40, 16))
    np.save(tmp_path / "y.npy", np.arange(40) % 10)
    both = {**CONTENT, "descriptors": ["sift", "colour"], "patch_size": 12, "stride": 2}
    module = load(**both).module
    assert isinstance(module, FisherVectors)
    features = module.features(apply_arithmetic(torch.from_numpy(images(3, 16)), Preprocess()))
    assert features.shape == (3, 2 * (2 * 2 * 4) + 1)
    assert features[:, :16].norm(dim=1).numpy() == pytest.approx([1, 1, 1], abs=1e-5)
    assert features[:, 16:32].norm(dim=1).numpy() == pytest.approx([1, 1, 1], abs=1e-5)
    with pytest.raises(ValueError, match="a multiple of 4"):
        entry(descriptors=["sift"], patch_size=10)
    with pytest.raises(ValueError, match="each kind once"):
        entry(descriptors=["sift", "sift"], patch_size=8)


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
