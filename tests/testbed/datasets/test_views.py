"""Datasets that keep a part of the classes, or take several as one; and pairs that are seen alike on both sides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from formats import pixels, put_image
from messages import says

from evalshift.errors import RegistryError, UsageError
from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, fingerprint
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.views import BUILT_IN_VIEWS, built_in_view

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders


class TestDeclared:
    @pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
    def test_200_of_1_000(self, name: str) -> None:
        seen = built_in_view(name)
        assert len(seen.meaning) == 1000
        assert len(seen.labels) == 200
        assert all(label in (None, place) for place, label in enumerate(seen.meaning))
        assert seen.space is built_in("imagenet-1k")

    def test_classes_that_are_in_and_out(self) -> None:
        """ImageNet-A has the goldfinch and lacks the tench; ImageNet-R has the goldfish and lacks the tench."""
        kept = {name: {WNIDS[label] for label in built_in_view(name).labels} for name in ("imagenet-a", "imagenet-r")}
        assert "n01531178" in kept["imagenet-a"]
        assert "n01440764" not in kept["imagenet-a"]
        assert "n01443537" in kept["imagenet-r"]
        assert "n01440764" not in kept["imagenet-r"]
        assert kept["imagenet-a"] != kept["imagenet-r"]

    def test_five_classes_a_superclass(self) -> None:
        meaning = built_in_view("cifar100-superclasses").meaning
        assert np.bincount([label for label in meaning if label is not None]).tolist() == [5] * 20

    def test_any_other_name(self) -> None:
        with pytest.raises(KeyError):
            built_in_view("imagenet-z")
        assert all(built_in_view(name).name == name for name in BUILT_IN_VIEWS)


class TestSeen:
    @pytest.fixture(autouse=True)
    def _images(self, tmp_path: Path) -> None:
        for wnid in ("n01440764", "n01531178", "n01443537"):
            for number in range(2):
                put_image(tmp_path / "images" / wnid / f"{number}.png", seed=f"{wnid}{number}")

    FOLDER: Content = {"source": "folder", "path": "images", "classes": "imagenet-1k"}  # noqa: RUF012

    def test_only_images_of_kept_classes_and_their_labels_stay(self, load: Load) -> None:
        dataset = load({**self.FOLDER, "view": "imagenet-a"})
        assert dataset.ids == ("n01531178/0.png", "n01531178/1.png")
        assert [path.parent.name for path in map(Path, dataset.images)] == ["n01531178"] * 2
        assert dataset.labels.tolist() == [WNIDS.index("n01531178")] * 2
        assert dataset.classes is dataset.model_classes is built_in("imagenet-1k")

    def test_another_view_is_another_dataset(self, load: Load) -> None:
        whole, part = load(self.FOLDER), load({**self.FOLDER, "view": "imagenet-a"})
        alike = Dataset("d", part.classes, part.ids, part.labels, part.images)
        assert len({fingerprint(dataset) for dataset in (whole, part, alike)}) == 3

    def test_arrays(self, load: Load, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", pixels("views", 4, 3, 3, 3))
        np.save(tmp_path / "y.npy", np.array([99, 1, 0, 1]))
        content = {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "imagenet-1k"}
        dataset = load({**content, "view": "imagenet-r"})
        np.testing.assert_array_equal(dataset.images, pixels("views", 4, 3, 3, 3)[[0, 1, 3]], strict=True)
        assert dataset.labels.tolist() == [99, 1, 1]
        assert dataset.ids == ("0", "1", "3")

    def test_none_is_left(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", pixels("views", 2, 3, 3, 3))
        np.save(tmp_path / "y.npy", np.array([0, 0]))
        content = {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "imagenet-1k"}
        says(
            refused({**content, "view": "imagenet-r"}),
            where="dataset d, view imagenet-r",
            found="2 images of other classes",
        )

    @pytest.mark.parametrize(
        "classes, name, message",
        [
            ("imagenet-1k", "imagenet-aa",
             "there is no view imagenet-aa"),
            ("letters", "imagenet-a", "the view imagenet-a is one of imagenet-1k, not of letters"),
        ],
    )  # fmt: skip
    def test_a_view_that_does_not_fit(
        self, entry: Any, complaint: Callable[..., str], classes: str, name: str, message: str
    ) -> None:
        said = complaint(RegistryError, entry, {**self.FOLDER, "classes": classes, "view": name})
        assert said.startswith(f"{message}\n")


class TestByName:
    @pytest.fixture
    def registry(self, tmp_path: Path) -> Registry:
        text = {
            "datasets": {
                "mine": {"source": "folder", "path": "x", "classes": "imagenet-1k"},
                "rare": {"source": "folder", "path": "x", "classes": "imagenet-1k", "view": "imagenet-a"},
                "drawn": {"source": "folder", "path": "x", "classes": "imagenet-1k", "view": "imagenet-r"},
                "odd@imagenet-a": {"source": "folder", "path": "x", "classes": "imagenet-1k"},
            },
            "pairs": ["mine:rare"],
        }
        (tmp_path / "registry.yaml").write_text(yaml.safe_dump(text))
        return load_registry(tmp_path / "registry.yaml")

    def test_any_dataset_in_a_view(self, registry: Registry) -> None:
        assert registry.dataset("mine@imagenet-r").view == "imagenet-r"
        assert registry.dataset("mine@imagenet-r").path == registry.dataset("mine").path  # pyright: ignore
        assert registry.dataset("cifar100@cifar100-superclasses").view == "cifar100-superclasses"
        assert registry.dataset("odd@imagenet-a").view is None  # a name of its own comes first

    def test_the_corruptions_of_cifar(self, registry: Registry) -> None:
        fog: Any = registry.dataset("cifar10-c@fog-3")
        assert (fog.corruption, fog.severity, fog.view) == ("fog", 3, None)
        both: Any = registry.dataset("cifar100-c@glass_blur-5@cifar100-superclasses")
        assert (both.corruption, both.severity, both.view) == ("glass_blur", 5, "cifar100-superclasses")

    @pytest.mark.parametrize(
        "name, found, expected",
        [
            ("cifar10-c@fgo-3", "fgo-3", "a corruption and a severity from 1 to 5, such as fog-3"),
            ("cifar10-c@snow-6", "snow-6", "a corruption and a severity from 1 to 5, such as snow-3"),
            ("cifar10-c@gaussian_noise", "gaussian_noise",
             "a corruption and a severity from 1 to 5, such as gaussian_noise-3"),
            ("cifar10@imagenet-a", "imagenet-a", "a view of cifar10: there is none"),
            ("mine@imagenet-z", "imagenet-z",
             "a view of imagenet-1k: imagenet-a, imagenet-r, imagenet-9, geirhos-16, objectnet, imagenet-d"),
        ],
    )  # fmt: skip
    def test_choices_that_there_are_not(
        self, registry: Registry, complaint: Callable[..., str], name: str, found: str, expected: str
    ) -> None:
        says(complaint(UsageError, registry.dataset, name), where=registry.path, found=found, expected=expected)

    def test_a_name_that_there_is_not(self, registry: Registry, complaint: Callable[..., str]) -> None:
        assert complaint(UsageError, registry.dataset, "mne@imagenet-a").startswith('there is no dataset "mne"\n')

    @pytest.mark.parametrize(
        "asked, pair",
        [
            ("mine:rare", "mine@imagenet-a:rare"),
            ("drawn:mine", "drawn:mine@imagenet-r"),
            ("mine@imagenet-a:rare", "mine@imagenet-a:rare"),
            ("cifar100:cifar100-c@fog-1", "cifar100:cifar100-c@fog-1"),
            ("cifar100-superclasses:cifar100-c@fog-1", "cifar100-superclasses:cifar100-c@fog-1@cifar100-superclasses"),
        ],
    )
    def test_both_sides_of_a_pair_are_seen_alike(self, registry: Registry, asked: str, pair: str) -> None:
        assert str(registry.pair(asked)) == pair
        one, other = (registry.dataset(name) for name in (registry.pair(asked).original, registry.pair(asked).new))
        assert one.view == other.view

    def test_pairs_of_a_registry(self, registry: Registry) -> None:
        assert list(map(str, registry.own_pairs)) == ["mine@imagenet-a:rare"]

    def test_two_views_cannot_be_compared(self, registry: Registry, complaint: Callable[..., str]) -> None:
        says(
            complaint(UsageError, registry.pair, "rare:drawn"),
            found="rare keeps those of imagenet-a, drawn those of imagenet-r",
        )
