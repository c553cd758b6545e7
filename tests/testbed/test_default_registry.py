"""What the registry that comes with evalshift promises, entry by entry."""

import csv
import re
from importlib.resources import files
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from evalshift.testbed.dataset_entry import DownloadedDataset
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.digits.recipes import RECIPES
from evalshift.testbed.imagenet_entries import Experiment
from evalshift.testbed.library_model_entries import HubModel, OpenClipModel, TimmModel, TorchvisionModel
from evalshift.testbed.mnist.train import RECIPES as MNIST_RECIPES
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.models import load_classifier
from evalshift.testbed.models.code import call_function
from evalshift.testbed.own_model_entries import CheckpointModel
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.small_image_entries import Cifar10Dataset, Cifar101Dataset
from evalshift.testbed.timm_names import data_of_entry
from evalshift.testbed.trained_model_entries import FisherVectorsModel, RandomFeaturesModel

REGISTRY = load_registry(default_path())
TABLE = files("evalshift.testbed.published") / "recht2019" / "imagenet.csv"
# Top-1 on ImageNet of the models of Recht et al. 2019.
IMAGENET = {
    row["model"]: int(row["imagenet top1"]) / 50_000 for row in csv.DictReader(TABLE.read_text("utf-8").splitlines())
}

# chenyaofo/pytorch-cifar-models: entry, folder of the release, top-1 of its README in %, first digits of the sha256.
CHENYAOFO = [
    ("resnet20", "resnet", 92.60, "4118986f"),
    ("resnet32", "resnet", 93.53, "ef93fc4d"),
    ("resnet44", "resnet", 94.01, "2a3cabcb"),
    ("resnet56", "resnet", 94.37, "187c023a"),
    ("vgg11_bn", "vgg", 92.79, "eaeebf42"),
    ("vgg13_bn", "vgg", 94.00, "c01e4a43"),
    ("vgg16_bn", "vgg", 94.16, "6ee7ea24"),
    ("vgg19_bn", "vgg", 93.91, "57191229"),
    ("mobilenetv2_x0_5", "mobilenetv2", 92.88, "ca14ced9"),
    ("mobilenetv2_x0_75", "mobilenetv2", 93.72, "a53c314e"),
    ("mobilenetv2_x1_0", "mobilenetv2", 93.79, "fe6a5b48"),
    ("mobilenetv2_x1_4", "mobilenetv2", 94.22, "3bbbd6e2"),
    ("shufflenetv2_x0_5", "shufflenetv2", 90.13, "1308b4e9"),
    ("shufflenetv2_x1_0", "shufflenetv2", 92.98, "98807be3"),
    ("shufflenetv2_x1_5", "shufflenetv2", 93.55, "296694dd"),
    ("shufflenetv2_x2_0", "shufflenetv2", 93.81, "ec31611c"),
    ("repvgg_a0", "repvgg", 94.39, "ef08a50e"),
    ("repvgg_a1", "repvgg", 94.89, "38d2431b"),
    ("repvgg_a2", "repvgg", 94.98, "09488915"),
]
# The same for CIFAR-100.
CHENYAOFO_100 = [
    ("resnet20", "resnet", 68.83, "23dac2f1"),
    ("resnet32", "resnet", 70.16, "84213ce6"),
    ("resnet44", "resnet", 71.63, "ffe32858"),
    ("resnet56", "resnet", 72.63, "f2eff4c8"),
    ("vgg11_bn", "vgg", 70.78, "57d0759e"),
    ("vgg13_bn", "vgg", 74.63, "5ebe5778"),
    ("vgg16_bn", "vgg", 74.00, "7d8c4031"),
    ("vgg19_bn", "vgg", 73.87, "b98f7bd7"),
    ("mobilenetv2_x0_5", "mobilenetv2", 70.88, "9f915757"),
    ("mobilenetv2_x0_75", "mobilenetv2", 73.61, "d7891e60"),
    ("mobilenetv2_x1_0", "mobilenetv2", 74.20, "1311f9ff"),
    ("mobilenetv2_x1_4", "mobilenetv2", 75.98, "8a269f5e"),
    ("shufflenetv2_x0_5", "shufflenetv2", 67.82, "1977720f"),
    ("shufflenetv2_x1_0", "shufflenetv2", 72.39, "9ae22beb"),
    ("shufflenetv2_x1_5", "shufflenetv2", 73.91, "e2c85ad8"),
    ("shufflenetv2_x2_0", "shufflenetv2", 75.35, "e7e584cd"),
    ("repvgg_a0", "repvgg", 75.22, "2df1edd0"),
    ("repvgg_a1", "repvgg", 76.12, "c06b21a7"),
    ("repvgg_a2", "repvgg", 77.18, "8e71b1f8"),
]
# Of these the whole hash is published.
WHOLE = {
    "resnet20": "4118986f0df73003d572b0e397f0ac7b3f60af1f31aff3d2da164536e36f6ec8",
    "resnet32": "ef93fc4d3ea83c08d75bfd6fc31af56047cfa241608c9ba3a1f6dc11cca20dd9",
    "resnet56": "187c023aee0c9cf3093a682d9447a538cbaf5489f7ae78a7df4edf2246ce380b",
}
# akamaster/pytorch_resnet_cifar10: layers, test error of its README in %, sha256 or its first digits.
AKAMASTER = [
    (20, 8.27, "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"),
    (32, 7.37, "d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850"),
    (44, 6.90, "014dd6541728a1c700b1642ab640e211dc6eb8ed507d70697458dc8f8a0ae2e4"),
    (56, 6.61, "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367"),
    (110, 6.32, "1d1ed7c2"),
    (1202, 6.18, "f3b1deed"),
]
# edadaltocg/detectors: best test accuracy of its cards in %, where it was to be found.
DETECTORS = [
    ("resnet18", 94.98),
    ("resnet34", None),
    ("resnet50", 94.65),
    ("densenet121", 93.91),
    ("vgg16_bn", None),
    ("vit_base_patch16_224_in21k_ft", None),
]
WITHOUT_HASH = {f"{name}-detectors" for name, _ in DETECTORS}
# mmpretrain: layers, first digits of the sha256, top-1 of its model zoo in %.
MMPRETRAIN = [
    (18, "bd6371c8", 94.82),
    (34, "a8aa36a6", 95.34),
    (50, "f54bfad9", 95.55),
    (101, "2d29e936", 95.58),
    (152, "3e8e9178", 95.76),
]
# Cadene/pretrained-models.pytorch: first digits of the sha256, top-1 of its README in %, channels.
CADENE = [
    ("bninception", "239d2248", 73.522, "bgr"),
    ("cafferesnet101", "9d633cc0", 76.200, "bgr"),
    ("fbresnet152", "2e20f6b4", 77.386, None),
    ("nasnetamobile", "7e03cead", 74.080, None),
    ("polynet", "c8b99e1f", 81.002, None),
    ("resnext101_32x4d", "29e315fa", 78.188, None),
    ("resnext101_64x4d", "e77a0586", 78.956, None),
]
# On which label space each dataset of a published accuracy is.
CLASSES_OF = {
    "digits": "digits",
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "imagenet": "imagenet-1k",
    "imagenet-sketch": "imagenet-1k",
    "imagenetv2-matched-frequency": "imagenet-1k",
    "mnist": "mnist",
}
# Name, bytes, sha256, as TensorFlow Datasets and others give them.
FILES = {
    "cifar10": [
        (
            "cifar-10-python.tar.gz",
            170_498_071,
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        )
    ],
    "cifar10.1-v4": [
        ("cifar10.1_v4_data.npy", 6_208_640, "5aaedc268df8f4cffca2ac0cf9e608ae1897a8cddb630c7a850a2ea8f6558e75"),
        ("cifar10.1_v4_labels.npy", 8_212, "1f9544300ded199539b6662364ce7fe6c2e1ea9f87408f06db4b1a6184cffb18"),
    ],
    "cifar10.1-v6": [
        ("cifar10.1_v6_data.npy", 6_144_128, "2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6"),
        ("cifar10.1_v6_labels.npy", 8_128, "ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448"),
    ],
    "cifar10.2": [("cifar102_test.npz", 6_393_664, "e4fd6462bd5141ed293acd52ea570952f65d1bfd4ec9b068f87742f75a7a632e")],
    "cifar10-c": [
        ("CIFAR-10-C.tar", 2_918_471_680, "c72763e101c723b7c507b96205f7e938912a5d587376173b825850cf3cb876a7")
    ],
    "cinic10-cifar": [("CINIC-10.tar.gz", 687_544_992, "6ee4d0c996905fe93221de577967a372")],
    "cinic10": [("CINIC-10.tar.gz", 687_544_992, "6ee4d0c996905fe93221de577967a372")],
    "cinic10-imagenet": [("CINIC-10.tar.gz", 687_544_992, "6ee4d0c996905fe93221de577967a372")],
    "cinic10-train": [("CINIC-10.tar.gz", 687_544_992, "6ee4d0c996905fe93221de577967a372")],
    "cifar100": [("cifar-100-python.tar.gz", None, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7")],
    "cifar100-superclasses": [
        ("cifar-100-python.tar.gz", None, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7")
    ],
    "cifar100-c": [("CIFAR-100-C.tar", None, "11f0ed0f1191edbf9fa23466ae6021d3")],
    "mnist": [
        (
            "mnist-t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        ("mnist-t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ],
    "qmnist-50k": [
        ("qmnist-test-images-idx3-ubyte.gz", None, "1394631089c404de565df7b7aeaf9412"),
        ("qmnist-test-labels-idx2-int.gz", None, "5b5b05890a5e13444e108efe57b788aa"),
    ],
    "fashion-mnist": [
        (
            "fashion-mnist-t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "fashion-mnist-t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ],
    "svhn": [("test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b")],
    "imagenet": [
        ("ILSVRC2012_img_val.tar", None, "29b22e2961454d5413ddabcf34fc5622"),
        ("ILSVRC2012_devkit_t12.tar.gz", None, "fa75699e90414af021442c21a62c3abf"),
    ],
    "imagenetv2-matched-frequency": [
        (
            "imagenetv2-matched-frequency.tar.gz",
            1_264_079_360,
            "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
        )
    ],
    "imagenetv2-threshold0.7": [
        (
            "imagenetv2-threshold0.7.tar.gz",
            1_249_906_176,
            "32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
        )
    ],
    "imagenetv2-topimages": [
        (
            "imagenetv2-top-images.tar.gz",
            1_245_927_936,
            "85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
        )
    ],
}
FILES |= {
    "cifar10-train": FILES["cifar10"],
    "imagenet-a": [("imagenet-a.tar", 687_552_512, "3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e")],
    "imagenet-r": [
        ("imagenet-r.tar", 2_191_079_936, "18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52")
    ],
    "imagenet-sketch": [
        ("ImageNet-Sketch.zip", 7_593_573_012, "4d3ce6b82a7c48aabf14aeac105eb533e75707f152cc858f55bfc022031a72ed")
    ],
    "imagenet16": [
        ("Imagenet16_val_npz.zip", 36_354_395, "6dda90de8f6fd43b204422578b4be05d3f658d7792b344de4da768a71c02c4c4")
    ],
    "imagenet32": [
        ("Imagenet32_val_npz.zip", 139_697_668, "013990e6dec1237dcd1f9beadbab81ead6604cc119af5cacbfb59ae28148377a")
    ],
    "imagenet64": [
        ("Imagenet64_val_npz.zip", 529_522_927, "e1e75133158a1924135a9c6f97a80d2d237b158945e0b34074e58e6c8430eeb8")
    ],
}
# ReaL's labels as TensorFlow Datasets hashes them, the annotations of ImageNet-X as its package has them.
_REAL = ("real.json", 388_478, "d83e9bff374c631aae8439eb064c7019acc56e1b3bc3f56b8380c2a710b0220b")
FILES["imagenet"] += [_REAL]
FILES |= {
    "qmnist": FILES["qmnist-50k"],
    "imagenet-real": FILES["imagenet"],
    "imagenet-x": [
        *FILES["imagenet"][:2],
        (
            "imagenet_x_val_multi_factor.jsonl",
            17_270_139,
            "85b5a1fd60e627dd26b963530e31eea5906f25465e66e77f7295d726b23281e7",
        ),
        (
            "imagenet_x_prototypical_paths.csv",
            87_010,
            "3f693c9e056560d9d7bd2242909ae549325e78b763aedb59e5f0c9afdb8a9ea3",
        ),
    ],
    # Zenodo's own md5 and sizes
    "imagenet-c": [
        ("imagenet-c-blur.tar", 7_112_704_951, "2d8e81fdd8e07fef67b9334fa635e45c"),
        ("imagenet-c-digital.tar", 7_757_510_705, "89157860d7b10d5797849337ca2e5c03"),
        ("imagenet-c-extra.tar", 15_789_490_144, "d492dfba5fc162d8ec2c3cd8ee672984"),
        ("imagenet-c-noise.tar", 22_565_673_785, "e80562d7f6c3f8834afb1ecf27252745"),
        ("imagenet-c-weather.tar", 12_797_438_995, "33ffea4db4d93fe4a428c40a6ce0c25d"),
    ],
    # TensorFlow Datasets
    "domainnet": [
        ("domainnet-clipart.zip", 1_270_909_081, "f8f248a3e8bbc9868c523ae24e6601b4c2ad102afc60c0efeb4f3255df22354d"),
        ("domainnet-infograph.zip", 4_338_659_804, "891e14f476317e97b6f06d6498c11d0a5b8d0c8b57210765ed9beb072da611fa"),
        ("domainnet-painting.zip", 3_679_366_174, "fa47e6d405503ea0286cabd767f176bd30e988b63ddd7b9db16cf030c9770015"),
        ("domainnet-quickdraw.zip", 459_920_701, "9f37df2a8c3733703dbb35ad9964202a65f675ca30137756457537536b485d84"),
        ("domainnet-real.zip", 6_062_039_589, "d7fe010b430c5b510f85d657d38c4a1924822695fabea4fef57bd00dba251d63"),
        ("domainnet-sketch.zip", 2_633_992_926, "23a7dbae7016b343e934399beaa8a68728fb5e570ebe2c71df9b75cf91c499fc"),
    ],
    # Nobody published a hash of these.
    "imagenet-9": [("backgrounds_challenge_data.tar.gz", None, "unknown")],
    "model-vs-human": [(f"model-vs-human-{name}.tar.gz", None, "unknown") for name in get_args(Experiment)],
    # Nothing to download.
    **{key: [] for key in ("imagenet-hard", "objectnet", "stylized-imagenet")},
}
# Of these no second address is known.
ONE_ADDRESS = {"imagenet", "imagenet-real", "imagenet-x", "imagenet-a", "imagenet-9", "domainnet", "model-vs-human"}
DIGITS = [name for name in REGISTRY.models if name.startswith("digits-")]


def model(name: str) -> AnyModel:
    return REGISTRY.models[name]


def weights(name: str) -> str:
    (place,) = model(name).weights_files()
    return place


def promised(name: str) -> str:
    return getattr(model(name), "sha256", None) or ""


class TestWhole:
    def test_pairs_the_embedded_one_first(self) -> None:
        assert list(map(str, REGISTRY.pairs)) == [
            "digits:digits-new-writers",
            "cifar10:cifar10.1-v4",
            "cifar10:cifar10.1-v6",
            "cifar10:cifar10.2",
            "cifar10:cinic10-imagenet",
            "cifar10.1-v4:cifar10.2",
            "cifar10.1-v6:cifar10.2",
            "cinic10-cifar:cinic10-imagenet",
            "mnist:qmnist-50k",
            "imagenet:imagenet-real",
            "imagenet:imagenetv2-matched-frequency",
            "imagenet:imagenetv2-threshold0.7",
            "imagenet:imagenetv2-topimages",
            "imagenet@imagenet-a:imagenet-a",
            "imagenet@imagenet-r:imagenet-r",
            "imagenet:imagenet-sketch",
            "imagenet:imagenet-hard",
            "imagenet:stylized-imagenet",
            "imagenet@objectnet:objectnet",
        ]
        assert list(map(str, REGISTRY.default_pairs)) == ["digits:digits-new-writers"]

    def test_families_of_pairs(self) -> None:
        counts = {str(family): len(REGISTRY.matching_pairs(str(family))) for family in REGISTRY.families_of_pairs}
        assert counts == {
            "cifar10:cifar10-c@*": 95,
            "cifar100:cifar100-c@*": 95,
            "imagenet:imagenet-c@*": 95,
            "imagenet:domainnet@*": 6,
            "imagenet:model-vs-human@*": 17,
            "imagenet-9@original:imagenet-9@*": 7,
        }

    def test_models_are_the_embedded_and_the_published_ones(self) -> None:
        assert list(REGISTRY.models) == [
            *(recipe.name for recipe in RECIPES),
            *(recipe.name for recipe in MNIST_RECIPES),
            *(f"{name}-chenyaofo" for name, *_ in CHENYAOFO),
            *(f"{name}-cifar100-chenyaofo" for name, *_ in CHENYAOFO_100),
            *(f"resnet{layers}-akamaster" for layers, *_ in AKAMASTER),
            *(name for name in REGISTRY.models if name.endswith("-torchvision")),
            *(name for name in REGISTRY.models if name.endswith("-timm")),
            *(name for name in REGISTRY.models if name.startswith("open_clip/")),
            *(f"{name}-detectors" for name, _ in DETECTORS),
            *(f"resnet{layers}-mmpretrain" for layers, *_ in MMPRETRAIN),
            *(f"{name}-cadene" for name, *_ in CADENE),
            *(f"random-features-{size}{flip}" for size in ("256", "1k", "32k", "256k") for flip in ("", "-flip")),
            "fisher-vectors-16",
            "fisher-vectors-sift-16",
        ]

    @pytest.mark.parametrize("name", REGISTRY.models)
    def test_every_model_can_be_checked(self, name: str) -> None:
        """It says its family, how it sees images, what it should score and on what; and its weights have a hash."""
        entry = model(name)
        assert entry.family
        assert (
            len(promised(name)) >= 8
            or isinstance(entry, TimmModel | OpenClipModel | RandomFeaturesModel | FisherVectorsModel)
            or name in WITHOUT_HASH
        )
        knows_its_own = isinstance(entry, TimmModel | TorchvisionModel | OpenClipModel)
        assert knows_its_own == (entry.preprocess is None)  # pyright: ignore[reportAttributeAccessIssue]
        assert entry.expected or entry.note
        for dataset, accuracy in entry.expected.items():
            assert CLASSES_OF[dataset] == entry.classes
            assert 1 / len(REGISTRY.class_space(entry.classes)) < accuracy < 1

    @pytest.mark.parametrize("name", [name for name in REGISTRY.models if not name.startswith(("digits-", "mnist-"))])
    def test_every_published_model_says_its_year_and_source(self, name: str) -> None:
        entry = model(name)
        assert entry.year is not None
        assert entry.homepage or weights(name).startswith("https://github.com/")
        if not name.endswith(("-chenyaofo", "-akamaster")):  # which say of none
            assert entry.licence

    @pytest.mark.parametrize("name", REGISTRY.datasets)
    def test_every_dataset_says_where_it_comes_from(self, name: str) -> None:
        entry = REGISTRY.datasets[name]
        assert entry.paper
        assert entry.note

    def test_no_two_models_are_one(self) -> None:
        marks = [
            (promised(name)[:8].replace("unknown", ""), str(model(name).identity()), model(name).weights_files())
            for name in REGISTRY.models
        ]
        assert len(set(marks)) == len(marks)
        hashes = [mark[0] for mark in marks if mark[0]]
        assert len(set(hashes)) == len(hashes)


class TestDatasets:
    @pytest.mark.parametrize("name", FILES)
    def test_official_files(self, name: str) -> None:
        files = REGISTRY.datasets[name].needed_files()
        assert [(file.name, file.size, file.sha256 or file.md5) for file in files] == FILES[name]
        for file in files:
            assert len(file.urls) > 1 or name in ONE_ADDRESS  # hosts die
            # Some call their files alike or by a common word, so that our names begin with the dataset's.
            official = re.sub(
                r"^((fashion-)?mnist-|imagenet-c-|domainnet-|model-vs-human-|imagenet_x_(?=proto))", "", file.name
            )
            first = file.urls[0] if file.urls else official
            assert official in first
            # What a hash vouches for may come by any way.
            assert all(url.startswith(("https://", "http://")) for url in file.urls)

    @pytest.mark.parametrize("name", REGISTRY.datasets)
    def test_says_whose_it_is(self, name: str) -> None:
        entry = REGISTRY.datasets[name]
        assert entry.paper
        assert entry.note
        assert entry.homepage or entry.source == "digits"
        assert entry.licence
        assert not isinstance(entry, DownloadedDataset) or name in FILES
        assert not isinstance(entry, DownloadedDataset) or entry.files or entry.by_hand

    def test_trap_36_matched_frequency_says_what_is_known_of_its_bias(self) -> None:
        assert "arXiv 2005.09619" in (REGISTRY.datasets["imagenetv2-matched-frequency"].note or "")

    def test_roles_are_not_mixed_up(self) -> None:
        for entry in REGISTRY.datasets.values():
            if isinstance(entry, Cifar101Dataset):
                assert "data" in entry.files["images"].name
                assert "labels" in entry.files["labels"].name
                assert all(f"_{entry.version}_" in file.name for file in entry.files.values())
            if isinstance(entry, Cifar10Dataset):
                assert list(entry.files) == ["archive"]


class TestChenyaofo:
    @pytest.mark.parametrize("name, folder, accuracy, tag", CHENYAOFO)
    def test_figures_of_its_readme(self, name: str, folder: str, accuracy: float, tag: str) -> None:
        entry = model(f"{name}-chenyaofo")
        assert isinstance(entry, HubModel)
        assert entry.expected == {"cifar10": pytest.approx(accuracy / 100, abs=1e-9)}
        # Each is the best of 200 epochs by its score on the test set itself (trap 24).
        assert entry.selected_on == "test"
        assert (entry.classes, entry.family) == ("cifar10", folder)
        assert entry.sha256 == WHOLE.get(name, entry.sha256)
        assert promised(f"{name}-chenyaofo").startswith(tag)
        assert weights(f"{name}-chenyaofo") == (
            f"https://github.com/chenyaofo/pytorch-cifar-models/releases/download/{folder}/cifar10_{name}-{tag}.pt"
        )

    def test_trap_23_one_commit_and_the_constants_of_its_training_logs(self) -> None:
        entries = [model(f"{name}-chenyaofo") for name, *_ in CHENYAOFO]
        for (name, *_), entry in zip(CHENYAOFO, entries, strict=True):
            assert isinstance(entry, HubModel)
            assert (entry.repository, entry.commit[:7]) == ("chenyaofo/pytorch-cifar-models", "786c162")
            assert entry.entry == f"cifar10_{name}"
            # Trap 23: three sets of constants are in circulation.
            assert entry.preprocess == Preprocess(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
        assert len({getattr(entry, "commit", None) for entry in entries}) == 1


class TestChenyaofoOnCifar100:
    @pytest.mark.parametrize("name, folder, accuracy, tag", CHENYAOFO_100)
    def test_figures_of_its_readme_and_constants_of_its_training_logs(
        self, name: str, folder: str, accuracy: float, tag: str
    ) -> None:
        entry, twin = model(f"{name}-cifar100-chenyaofo"), model(f"{name}-chenyaofo")
        assert isinstance(entry, HubModel)
        assert isinstance(twin, HubModel)
        assert entry.expected == {"cifar100": pytest.approx(accuracy / 100, abs=1e-9)}
        assert (entry.classes, entry.entry, entry.commit) == ("cifar100", f"cifar100_{name}", twin.commit)
        assert (entry.family, entry.year, entry.selected_on) == (twin.family, twin.year, "test")
        # logs/cifar100/*/default.log of the repository: data.mean and data.std.
        assert entry.preprocess == Preprocess(mean=(0.5070, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2761))
        assert promised(f"{name}-cifar100-chenyaofo") == tag
        assert weights(f"{name}-cifar100-chenyaofo") == (
            f"https://github.com/chenyaofo/pytorch-cifar-models/releases/download/{folder}/cifar100_{name}-{tag}.pt"
        )


class TestAkamaster:
    @pytest.mark.parametrize("layers, error, sha256", AKAMASTER)
    def test_figures_of_its_readme(self, layers: int, error: float, sha256: str) -> None:
        name = f"resnet{layers}-akamaster"
        entry = model(name)
        assert isinstance(entry, CheckpointModel)
        assert entry.expected == {"cifar10": pytest.approx(1 - error / 100, abs=1e-9)}
        assert entry.selected_on == "test"
        assert (entry.classes, entry.family, entry.year, entry.sha256) == ("cifar10", "resnet", 2015, sha256)
        assert weights(name) == (
            "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
            f"resnet{layers}-{sha256[:8]}.th"
        )
        # ImageNet's constants, not CIFAR-10's (trap 23).
        assert entry.preprocess == Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

    @pytest.mark.parametrize("layers, error, sha256", AKAMASTER)
    def test_its_builder_builds(self, layers: int, error: float, sha256: str) -> None:
        entry: Any = model(f"resnet{layers}-akamaster")
        with torch.device("meta"):  # shapes alone: the deepest has 19.4 million numbers
            module = call_function(entry.builder, entry.arguments, "model m")
        assert sum(isinstance(one, nn.Conv2d | nn.Linear) for one in module.modules()) == layers


@pytest.fixture(scope="module")
def offered() -> dict[str, Any]:
    """Every classifier that torchvision has weights for; those without classes are features, not classifiers."""
    from torchvision import models

    return {
        f"{name}-{one.name.removeprefix('IMAGENET1K_').lower().replace('_', '-')}-torchvision": (name, one)
        for name in models.list_models(module=models)
        for one in models.get_model_weights(name)  # pyright: ignore[reportGeneralTypeIssues]
        if one.meta["categories"]
    }


class TestTorchvision:
    def test_all_of_it(self, offered: dict[str, Any]) -> None:
        assert {name for name in REGISTRY.models if name.endswith("-torchvision")} == offered.keys()

    def test_facts_are_those_that_torchvision_keeps(self, offered: dict[str, Any]) -> None:
        for name, (architecture, pretrained) in offered.items():
            entry = model(name)
            assert isinstance(entry, TorchvisionModel)
            assert (entry.name, entry.pretrained) == (architecture, pretrained.name)
            published = pretrained.meta["_metrics"]["ImageNet-1K"]["acc@1"]
            assert entry.expected == {"imagenet": pytest.approx(published / 100, abs=1e-9)}
            assert f"-{entry.sha256}." in pretrained.url
            assert entry.homepage == pretrained.meta["recipe"]
            assert entry.licence == ("CC BY-NC 4.0" if "SWAG" in pretrained.name else "BSD-3-Clause")

    def test_trap_7_versions_of_weights_are_entries_of_their_own(self) -> None:
        """V1 and V2 of ResNet-50 differ in accuracy by 4.7 points and in the size they are resized to."""
        accuracies = [model(f"resnet50-v{version}-torchvision").expected["imagenet"] for version in (1, 2)]
        assert accuracies == [0.76130, 0.80858]


class TestTimm:
    NAMES = [name for name in REGISTRY.models if name.endswith("-timm")]  # noqa: RUF012

    def test_a_hundred_and_two_of_many_families_and_far_apart(self) -> None:
        assert len(self.NAMES) == 102
        assert len({model(name).family for name in self.NAMES}) >= 40
        accuracies = [model(name).expected["imagenet"] for name in self.NAMES]
        assert min(accuracies) < 0.6
        assert max(accuracies) > 0.88

    def test_timm_knows_them_and_where_their_weights_are(self) -> None:
        import timm

        for name in self.NAMES:
            entry = model(name)
            assert isinstance(entry, TimmModel)
            assert name == f"{entry.name}-timm"
            known = timm.get_pretrained_cfg(entry.name, allow_unregistered=False)
            assert known is not None
            assert known.num_classes == 1000
            on_hub = f"https://huggingface.co/{known.hf_hub_id}" if known.hf_hub_id else None
            assert entry.homepage == (on_hub or "https://github.com/huggingface/pytorch-image-models")

    def test_trap_34_networks_that_have_seen_more_than_imagenet_say_so(self) -> None:
        """dpn68b, 92 and 107 are offered with the weights of imagenet+5k alone, the others with ImageNet's."""
        noted = {name for name in self.NAMES if "5,000 more classes" in (model(name).note or "")}
        assert noted == {f"dpn{size}.mx_in1k-timm" for size in ("68b", "92", "107")}


class TestOpenClip:
    NAMES = [name for name in REGISTRY.models if name.startswith("open_clip/")]  # noqa: RUF012

    def test_open_clip_knows_them_and_where_their_weights_are(self) -> None:
        open_clip = pytest.importorskip("open_clip", reason="the test extra brings it")
        assert len(self.NAMES) == 28
        for name in self.NAMES:
            entry = model(name)
            assert isinstance(entry, OpenClipModel)
            assert name == f"open_clip/{entry.name}/{entry.pretrained}"
            known = open_clip.get_pretrained_cfg(entry.name, entry.pretrained)
            hub = known["hf_hub"].strip("/")
            # OpenAI's, open_clip's first and Meta's weights are on the hub as copies.
            assert hub.startswith("timm/") or entry.homepage == f"https://huggingface.co/{hub}"
            assert entry.image_size == open_clip.get_model_config(entry.name)["vision_cfg"]["image_size"]
            assert entry.family == "zero-shot"
            # What the names of open_clip's weights say without the entry.
            assert data_of_entry({"source": "open_clip", "pretrained": entry.pretrained}) == entry.training_data

    def test_they_are_above_what_their_accuracy_on_imagenet_alone_would_be(self) -> None:
        """Figures of open_clip's table, in part copied by hand: the drop to ImageNetV2 is between 5 and 8 points."""
        both = [entry.expected for entry in map(model, self.NAMES) if entry.expected]
        drops = [100 * (one["imagenet"] - one["imagenetv2-matched-frequency"]) for one in both]
        assert min(drops) > 5
        assert max(drops) < 9
        assert model("open_clip/ViT-B-32/openai").expected == {
            "imagenet": 0.6332, "imagenetv2-matched-frequency": 0.5592, "imagenet-sketch": 0.4229,
        }  # fmt: skip


def test_what_trains_here_is_not_run_unasked() -> None:
    """A plain run on CIFAR-10 takes what is published; what takes minutes of training says how many."""
    here = RandomFeaturesModel | FisherVectorsModel
    trained = {name: entry for name, entry in REGISTRY.models.items() if isinstance(entry, here)}
    zero_shot = {name for name in REGISTRY.models if name.startswith("open_clip/")}
    assert {name for name, entry in REGISTRY.models.items() if entry.on_request} == trained.keys() | zero_shot
    for entry in trained.values():
        costs = r"trains here, (about \d+ minutes? on two cores|needs \d+ GB of memory and a GPU)"
        assert re.fullmatch(costs, entry.on_request or "")
        assert entry.expected or re.search("none is expected|ours was not trained", entry.note or "")


def test_trap_24_checkpoints_that_the_test_set_chose_say_so() -> None:
    chosen = {name.rpartition("-")[2] for name, entry in REGISTRY.models.items() if entry.selected_on == "test"}
    assert chosen == {"chenyaofo", "akamaster", "detectors"}


class TestDetectorsAndMmpretrain:
    @pytest.mark.parametrize("name, accuracy", DETECTORS)
    def test_figures_of_its_cards(self, name: str, accuracy: float | None) -> None:
        entry = model(f"{name}-detectors")
        assert entry.expected == ({} if accuracy is None else {"cifar10": pytest.approx(accuracy / 100, abs=1e-9)})
        assert entry.selected_on == "test"  # its cards give the best test accuracy (trap 24)
        assert weights(f"{name}-detectors") == (
            f"https://huggingface.co/edadaltocg/{name}_cifar10/resolve/main/pytorch_model.bin"
        )
        assert promised(f"{name}-detectors") == "unknown"

    @pytest.mark.parametrize("layers, tag, accuracy", MMPRETRAIN)
    def test_figures_of_its_model_zoo(self, layers: int, tag: str, accuracy: float) -> None:
        entry: Any = model(f"resnet{layers}-mmpretrain")
        assert entry.expected == {"cifar10": pytest.approx(accuracy / 100, abs=1e-9)}
        assert entry.sha256 == tag
        assert weights(f"resnet{layers}-mmpretrain").endswith(f"/resnet{layers}_b16x8_cifar10_20210528-{tag}.pth")
        # Trap 23, on the scale of 0 to 255: the constants are those of std 0.2023 to three digits.
        assert (entry.preprocess.scale, entry.preprocess.channels) == (255, None)  # RGB
        assert [round(std / 255, 4) for std in entry.preprocess.std] == [0.2023, 0.1994, 0.2010]
        assert entry.rename == {"backbone.": "", "head.": ""}


class TestPaper:
    """The 67 ImageNet models of Recht et al. 2019: the entry with the same weights, or why there is none."""

    ENTRIES = {  # noqa: RUF012
        **{name: f"{name}-cadene" for name, *_ in CADENE},
        **{name: f"{name}-v1-torchvision" for name in (
            "alexnet", "densenet121", "densenet161", "densenet169", "densenet201", "inception_v3",
            "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "squeezenet1_0", "squeezenet1_1", "vgg11",
            "vgg11_bn", "vgg13",
            "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
        )},
        **{name: f"{name}.mx_in1k-timm" for name in ("dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131")},
        **{f"se_{name}": f"legacy_se{name}.in1k-timm" for name in (
            "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x4d")},
        "senet154": "legacy_senet154.in1k-timm",
        "xception": "legacy_xception.tf_in1k-timm",
        "inceptionv3": "inception_v3-v1-torchvision",
        "inceptionv4": "inception_v4.tf_in1k-timm",
        "inceptionresnetv2": "inception_resnet_v2.tf_in1k-timm",
        "inception_v3_tf": "inception_v3.tf_in1k-timm",
        "inception_v4_tf": "inception_v4.tf_in1k-timm",
        "inception_resnet_v2_tf": "inception_resnet_v2.tf_in1k-timm",
        "nasnetalarge": "nasnetalarge.tf_in1k-timm",
        "nasnet_large_tf": "nasnetalarge.tf_in1k-timm",
        "nasnet_mobile_tf": "nasnetamobile-cadene",
        "pnasnet5large": "pnasnet5large.tf_in1k-timm",
        "pnasnet_large_tf": "pnasnet5large.tf_in1k-timm",
    }  # fmt: skip

    def test_each_is_an_entry_or_has_a_reason(self) -> None:
        docs = (default_path().parent / "docs" / "coverage.md").read_text("utf-8")
        reasons = docs.partition("## Models of the paper that are not in the registry")[2].partition("\n## ")[0]
        without = [name for name in IMAGENET if name not in self.ENTRIES]
        assert len(IMAGENET) == 67
        assert all(f"`{name}`" in reasons for name in without), without
        assert not [name for name in self.ENTRIES if f"`{name}`" in reasons]

    @pytest.mark.parametrize("name", ENTRIES)
    def test_accuracy_of_the_entry_is_that_of_the_paper(self, name: str) -> None:
        """Within two points: sizes and crops of images differ between libraries."""
        expected = model(self.ENTRIES[name]).expected["imagenet"]
        assert IMAGENET[name] == pytest.approx(expected, abs=0.02)


class TestCadene:
    @pytest.mark.parametrize("name, tag, accuracy, channels", CADENE)
    def test_figures_of_its_readme(self, name: str, tag: str, accuracy: float, channels: str | None) -> None:
        entry: Any = model(f"{name}-cadene")
        assert entry.expected == {"imagenet": pytest.approx(accuracy / 100, abs=1e-9)}
        assert entry.sha256 == tag
        assert weights(f"{name}-cadene").endswith(f"-{tag}.pth")
        assert entry.preprocess.channels == channels
        # Caffe's networks see values from 0 to 255 less a mean.
        assert entry.preprocess.scale == (255 if channels == "bgr" else 1)

    @pytest.mark.parametrize("name, tag, accuracy, channels", CADENE)
    def test_its_builder_builds(self, name: str, tag: str, accuracy: float, channels: str | None) -> None:
        pytest.importorskip("pretrainedmodels", reason="the test extra brings it")
        entry: Any = model(f"{name}-cadene")
        with torch.device("meta"):
            network = call_function(entry.builder, entry.arguments, "")
        assert sum(weight.numel() for weight in network.parameters()) == entry.parameters


@pytest.fixture(scope="module")
def original() -> tuple[torch.Tensor, np.ndarray]:
    entry = REGISTRY.dataset("digits")
    dataset = load_dataset("digits", entry, REGISTRY.class_space(entry.classes))
    return torch.from_numpy(np.array(dataset.images)), dataset.labels


class TestDigits:
    @pytest.mark.parametrize("name", DIGITS)
    def test_builds_and_scores_what_it_promises(self, name: str, original: tuple[torch.Tensor, np.ndarray]) -> None:
        entry, (images, labels) = model(name), original
        classifier = load_classifier(name, entry, REGISTRY.class_space(entry.classes))
        with torch.inference_mode():
            predictions = classifier.module(apply_arithmetic(images, classifier.preprocess)).argmax(1).numpy()
        assert round(float((predictions == labels).mean()), 4) == entry.expected["digits"]
        assert classifier.checkpoint_sha256 == promised(name)
        assert weights(name) == f"package:evalshift.testbed.digits/checkpoints/{name}.safetensors"

    def test_enough_of_them_and_far_enough_apart(self) -> None:
        accuracies = [model(name).expected["digits"] for name in DIGITS]
        assert len(DIGITS) >= 24
        assert min(accuracies) < 0.65
        assert max(accuracies) > 0.98
