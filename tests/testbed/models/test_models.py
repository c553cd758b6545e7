import copy
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from classifiers import MODEL, TEN, Load, Refused, ready, same_weights, sha256
from fileserver import FileServer
from messages import says
from safetensors.torch import save_file
from torch import nn

from evalshift.errors import HashMismatchError
from evalshift.testbed.architectures import cifar_resnet20
from evalshift.testbed.classes import built_in
from evalshift.testbed.library_model_entries import TorchvisionModel
from evalshift.testbed.models import load_classifier
from evalshift.testbed.models.torchvision_weights import torchvision_preprocess
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.weights import remote_weights

COMMIT = "786c16252c0fc58ee9adac063f8337cc4a7a497a"


class TestCheckpoint:
    CONTENT = {  # noqa: RUF012
        "source": "checkpoint", "builder": "evalshift.testbed.architectures:cifar_resnet20", "weights": "w.th",
        "classes": "cifar10", "preprocess": {"mean": [0.5, 0.5, 0.5]},
    }  # fmt: skip

    def test_a_network_and_its_weights(self, load: Load, tmp_path: Path) -> None:
        module = cifar_resnet20()
        torch.save({"state_dict": nn.DataParallel(module).state_dict()}, tmp_path / "w.th")
        classifier = load(**self.CONTENT)
        assert same_weights(classifier.module, module)
        assert ready(classifier)
        assert (classifier.name, classifier.classes) == ("m", TEN)
        assert classifier.preprocess == Preprocess(mean=(0.5, 0.5, 0.5))
        assert classifier.checkpoint_sha256 == sha256(tmp_path / "w.th")
        assert classifier.versions == {}

    def test_arguments_reach_the_builder(self, load: Load, tmp_path: Path) -> None:
        torch.save(cifar_resnet20(classes=7).state_dict(), tmp_path / "w.th")
        assert load(**self.CONTENT, arguments={"classes": 7}).module(torch.zeros(1, 3, 32, 32)).shape == (1, 7)

    def test_downloaded_weights(self, load: Load, tmp_path: Path, file_server: FileServer) -> None:
        torch.save(cifar_resnet20().state_dict(), tmp_path / "w.th")
        url = file_server.put("w.th", (tmp_path / "w.th").read_bytes())
        classifier = load(**{**self.CONTENT, "weights": url, "sha256": sha256(tmp_path / "w.th")[:8]})
        assert classifier.checkpoint_sha256 == sha256(tmp_path / "w.th")

    def test_other_weights_are_never_opened(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "w.th").write_bytes(b"whatever")
        with pytest.raises(HashMismatchError, match=r"^a file does not have the expected checksum\n"):
            load(**self.CONTENT, sha256="12fca82f")

    def test_a_builder_that_gives_no_network(self, refused: Refused, tmp_path: Path) -> None:
        torch.save(cifar_resnet20().state_dict(), tmp_path / "w.th")
        says(refused(**{**self.CONTENT, "builder": "builtins:dict"}), where="model m", found="dict")

    def test_weights_of_another_network(self, refused: Refused, tmp_path: Path) -> None:
        torch.save(cifar_resnet20().state_dict(), tmp_path / "w.th")
        message = refused(**{**self.CONTENT, "builder": "evalshift.testbed.architectures:cifar_resnet32"})
        assert message.splitlines()[:2] == [
            "the checkpoint does not fit the network",
            "  where:    model m, HERE/w.th",
        ]

    def test_real_weights(self, load: Load, real_data: Callable[[str], Path]) -> None:
        path = real_data("checkpoints/resnet20-12fca82f.th")
        classifier = load(**{**self.CONTENT, "weights": str(path), "sha256": "12fca82f"})
        assert classifier.checkpoint_sha256 == "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"


FILE = """
import torch
from torch import nn


def build(bias=0.0):
    module = nn.Linear(2, 2)
    nn.init.constant_(module.bias, bias)
    return module


def nothing():
    return None


def stops():
    raise SystemExit(3)


def fails():
    raise KeyError("a line\\nand another")


class Zoo:
    build = staticmethod(build)
"""


class TestPython:
    CONTENT = {"source": "python", "classes": "ten", "preprocess": {}}  # noqa: RUF012

    def test_a_function_of_an_installed_package(self, load: Load) -> None:
        classifier = load(**self.CONTENT, function="torch.nn:Linear", arguments={"in_features": 3, "out_features": 10})
        assert ready(classifier)
        assert classifier.module(torch.zeros(1, 3)).shape == (1, 10)
        assert classifier.checkpoint_sha256 is None

    @pytest.mark.parametrize("name", ["build", "Zoo.build"])
    def test_a_function_in_a_file(self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "net.py").write_text(FILE)
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        classifier = load(**self.CONTENT, function=f"code/net.py:{name}", arguments={"bias": 0.5})
        assert classifier.module.state_dict()["bias"].tolist() == [0.5, 0.5]
        assert [path.name for path in (tmp_path / "code").iterdir()] == ["net.py"]

    def test_an_edited_file_is_read_again(self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Within the second, and of the same length: Python's own cache would not see it."""
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        for value in ("0.25", "0.75"):
            (tmp_path / "net.py").write_text(FILE.replace("bias=0.0", f"bias={value}"))
            bias = load(**self.CONTENT, function="net.py:build").module.state_dict()["bias"]
            assert bias.tolist() == [float(value)] * 2

    def test_a_file_may_import_what_lies_beside_it(self, load: Load, tmp_path: Path) -> None:
        """And two files their own neighbours, though these are called alike, as packages and as namespaces."""
        for folder, features in {"one": 3, "other": 4}.items():
            for beside in ("models", "blocks"):
                (tmp_path / folder / beside).mkdir(parents=True)
            (tmp_path / folder / "models" / "__init__.py").write_text(f"features = {features}\n")
            (tmp_path / folder / "blocks" / "linear.py").write_text(
                f"from torch import nn\n\ndef block(features):\n    return nn.Linear(features, {features})\n"
            )
            (tmp_path / folder / "net.py").write_text(
                "import models\n\n"
                "def build():\n    from blocks.linear import block\n    return block(models.features)\n"
            )
        before = list(sys.path)
        for folder, features in {"one": 3, "other": 4}.items():
            module = load(**self.CONTENT, function=f"{folder}/net.py:build").module
            assert isinstance(module, nn.Linear)
            assert (module.in_features, module.out_features) == (features, features)
        assert sys.path == before
        assert not {"models", "blocks", "blocks.linear"} & sys.modules.keys()

    def test_an_environment_beside_the_file_stays_imported(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "venv" / "installed_there").mkdir(parents=True)
        (tmp_path / "venv" / "installed_there" / "__init__.py").touch()
        (tmp_path / "net.py").write_text("import installed_there\n" + FILE)
        monkeypatch.syspath_prepend(str(tmp_path / "venv"))
        load(**self.CONTENT, function="net.py:build")
        assert sys.modules.pop("installed_there")

    def test_no_such_file(self, refused: Refused) -> None:
        says(
            refused(**self.CONTENT, function="net.py:build"),
            where="model m",
            found="HERE/net.py: there is no such file",
        )

    def test_no_such_package(self, refused: Refused) -> None:
        says(
            refused(**self.CONTENT, function="no_such_package.models:build"),
            where="model m",
            found="no_such_package.models: No module named 'no_such_package'",
        )

    def test_no_such_function(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "net.py").write_text(FILE)
        says(refused(**self.CONTENT, function="net.py:biuld"), where="model m")
        says(refused(**self.CONTENT, function="torch.nn:Linaer"), where="model m")

        says(
            refused(**self.CONTENT, function="net.py:resnet"),
            where="model m",
            found="build, nothing, stops, fails, Zoo",
        )

    @pytest.mark.parametrize(
        "name, found",
        [("fails", "KeyError: 'a line\\nand another'"), ("stops", "SystemExit: 3")],
    )
    def test_one_that_raises(self, refused: Refused, tmp_path: Path, name: str, found: str) -> None:
        (tmp_path / "net.py").write_text(FILE)
        says(refused(**self.CONTENT, function=f"net.py:{name}"), where="model m", found=found)

    def test_one_that_takes_other_arguments(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "net.py").write_text(FILE)
        says(
            refused(**self.CONTENT, function="net.py:build", arguments={"depth": 3}),
            where="model m",
            found="got an unexpected keyword argument 'depth'",
        )

    def test_a_file_that_is_not_python(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "net.py").write_text("def build(:\n")
        message = refused(**self.CONTENT, function="net.py:build")
        assert message.startswith("the model cannot be built\n  where:    model m\n  found:    SyntaxError: ")

    def test_one_that_returns_no_network(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "net.py").write_text(FILE)
        says(refused(**self.CONTENT, function="net.py:nothing"), where="model m", found="NoneType")


def hollow(builder: Callable[..., nn.Module], **arguments: Any) -> dict[str, torch.Tensor]:
    """A state dict of a large network that makes a small file: each tensor is one number, said to fill its shape."""
    with torch.device("meta"):
        state = builder(weights=None, **arguments).state_dict()
    return {name: torch.full((), 0.5).to(value.dtype).expand(value.shape) for name, value in state.items()}


class TestTorchvision:
    def in_cache(
        self, cache: Path, name: str, pretrained: str, rename: Callable[[str], str] = str, **arguments: Any
    ) -> dict[str, Any]:
        """An entry with weights that stand in the cache already, under the name that a download would have there."""
        state = hollow(torchvision.models.get_model_builder(name), **arguments)
        (cache / "weights").mkdir(parents=True)
        torch.save({rename(name): value for name, value in state.items() if rename(name)}, cache / "made")
        known = sha256(cache / "made")
        stem = Path(torchvision.models.get_model_weights(name)[pretrained].url.rpartition("/")[2]).stem
        (cache / "made").rename(cache / "weights" / f"{stem}-{known[:8]}.pth")
        return {"source": "torchvision", "name": name, "pretrained": pretrained, "sha256": known}

    def test_own_weights(self, load: Load, tmp_path: Path) -> None:
        module = torchvision.models.squeezenet1_1(num_classes=10)
        torch.save(module.state_dict(), tmp_path / "w.pth")
        content = {"source": "torchvision", "name": "squeezenet1_1", "weights": "w.pth", "classes": "ten"}
        classifier = load(**content, arguments={"num_classes": 10}, preprocess={"crop": 64})
        assert same_weights(classifier.module, module)
        assert ready(classifier)
        assert classifier.preprocess == Preprocess(crop=64)
        assert classifier.checkpoint_sha256 == sha256(tmp_path / "w.pth")
        assert classifier.versions == {"torchvision": torchvision.__version__}

    def test_named_weights_with_their_preprocessing(self, load: Load, cache: Path) -> None:
        content = self.in_cache(cache, "shufflenet_v2_x0_5", "IMAGENET1K_V1")
        classifier = load(**content)
        assert ready(classifier)
        assert classifier.checkpoint_sha256 == content["sha256"]
        assert {float(value.max()) for name, value in classifier.module.named_parameters()} == {0.5}
        assert classifier.module(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
        assert classifier.preprocess == Preprocess(
            resize=(256,), crop=(224,), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        )
        # What the entry says goes on top.
        assert load(**content, preprocess={"resize": 232}).preprocess == classifier.preprocess.model_copy(
            update={"resize": 232}
        )

    def test_torchvision_downloads_again_by_itself_afterwards(self, load: Load, cache: Path) -> None:
        kind = torchvision.models.ShuffleNet_V2_X0_5_Weights
        inherited = kind.get_state_dict
        load(**self.in_cache(cache, "shufflenet_v2_x0_5", "IMAGENET1K_V1"))
        assert kind.get_state_dict is inherited
        assert "get_state_dict" not in vars(kind)

    @pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
    def test_networks_that_transform_their_input_once_more(self, load: Load, cache: Path, name: str) -> None:
        """Their weights come from TensorFlow, whose inputs were scaled in another way."""
        classifier = load(**self.in_cache(cache, name, "IMAGENET1K_V1", init_weights=False, aux_logits=True))
        assert classifier.module.transform_input is True
        assert isinstance(classifier.module(torch.zeros(1, 3, 299, 299)), torch.Tensor)

    def test_densenets_whose_tensors_had_other_names(self, load: Load, cache: Path) -> None:
        def old(name: str) -> str:
            """Before modules' names had to do without dots, and before there were counters of batches."""
            now = re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name)
            return "" if name.endswith("num_batches_tracked") else now

        assert old("denselayer3.norm1.weight") == "denselayer3.norm.1.weight"
        classifier = load(**self.in_cache(cache, "densenet121", "IMAGENET1K_V1", rename=old))
        assert {float(value.max()) for value in classifier.module.parameters()} == {0.5}

    def test_transformers_of_another_image_size(self, load: Load, cache: Path) -> None:
        content = self.in_cache(cache, "vit_b_16", "IMAGENET1K_SWAG_E2E_V1", image_size=384)
        classifier = load(**content)
        assert classifier.module.image_size == 384
        assert classifier.preprocess.crop == (384,)
        assert classifier.preprocess.interpolation == "bicubic"

    def test_another_number_of_classes_than_the_weights_have(self, refused: Refused, cache: Path) -> None:
        content = self.in_cache(cache, "shufflenet_v2_x0_5", "IMAGENET1K_V1")
        assert "found:    ValueError" in refused(**content, arguments={"num_classes": 10})

    def test_a_file_under_the_right_name_with_other_content(self, load: Load, cache: Path) -> None:
        (cache / "weights").mkdir(parents=True)
        (cache / "weights" / "resnet18-f37072fd.pth").write_bytes(b"another")
        with pytest.raises(HashMismatchError) as caught:
            load(source="torchvision", name="resnet18", pretrained="IMAGENET1K_V1")
        says(
            caught.value,
            where=cache / "weights" / "resnet18-f37072fd.pth",
            found=f"sha256 {hashlib.sha256(b'another').hexdigest()}, 7 bytes",
        )

    def test_all_that_torchvision_offers_can_be_asked_for(self) -> None:
        """Each of its classifiers has an address with the beginning of its hash, and preprocessing that we can do."""
        count = 0
        for name in torchvision.models.list_models(module=torchvision.models):
            for weights in torchvision.models.get_model_weights(name):
                if weights.name == "IMAGENET1K_FEATURES":
                    continue  # see below
                entry = TorchvisionModel(source="torchvision", name=name, pretrained=weights.name)
                remote = remote_weights(entry, weights.url)
                assert remote is not None
                assert remote.urls == (weights.url,)
                assert weights.url.endswith((f"-{remote.sha256}.pth", f"-{remote.sha256}.pt"))
                preset = weights.transforms()
                preprocess = torchvision_preprocess(preset)
                assert preprocess.crop == tuple(preset.crop_size)
                assert len(weights.meta["categories"]) == 1000
                count += 1
        assert count > 100

    def test_weights_that_are_no_classifier(self, refused: Refused) -> None:
        """Its last layers hold NaN."""
        says(refused(source="torchvision", name="vgg16", pretrained="IMAGENET1K_FEATURES"), where="model m")

    def test_no_such_network(self, refused: Refused) -> None:
        says(refused(source="torchvision", name="resnet5O", pretrained="IMAGENET1K_V1"), where="model m")
        # A detector is none either.
        assert refused(source="torchvision", name="fcos_resnet50_fpn", pretrained="COCO_V1").startswith(
            'torchvision has no classifier "fcos_resnet50_fpn"\n'
        )

    def test_no_such_weights(self, refused: Refused) -> None:
        says(refused(source="torchvision", name="resnet50", pretrained="IMAGENET1K_V3"), where="model m")


class TestTimm:
    @pytest.fixture
    def weights(self, tmp_path: Path) -> nn.Module:
        """test_resnet as timm saves it, in w.safetensors."""
        module = timm.create_model("test_resnet")
        save_file(module.state_dict(), tmp_path / "w.safetensors")
        return module

    def test_own_weights(self, load: Load, tmp_path: Path, weights: nn.Module) -> None:
        classifier = load(source="timm", name="test_resnet", weights="w.safetensors")
        assert same_weights(classifier.module, weights)
        assert ready(classifier)
        assert classifier.checkpoint_sha256 == sha256(tmp_path / "w.safetensors")
        assert classifier.versions == {"timm": timm.__version__}
        # timm's: 160 pixels, cut from ⌊160 / 0.95⌋
        assert classifier.preprocess == Preprocess(
            resize=(168,), crop=(160, 160), interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
        )
        config: Any = classifier.module.pretrained_cfg
        assert "state_dict" not in config  # or every tensor would be kept twice

    def test_what_the_entry_says_of_preprocessing_wins(self, load: Load, weights: nn.Module) -> None:
        settings = {"interpolation": "bicubic", "mean": [0.4, 0.4, 0.4]}
        classifier = load(source="timm", name="test_resnet", weights="w.safetensors", preprocess=settings)
        assert classifier.preprocess == Preprocess(
            resize=(168,), crop=(160, 160), interpolation="bicubic", mean=(0.4,) * 3, std=(0.5,) * 3
        )

    @pytest.mark.parametrize("arguments", [{"num_classes": 10}, {"num_classes": 10, "in_chans": 1}])
    def test_a_head_for_other_classes_is_kept(self, load: Load, tmp_path: Path, arguments: dict[str, int]) -> None:
        """timm itself would drop a head that is not ImageNet's and leave a random one."""
        module = timm.create_model("test_resnet", pretrained=False, **arguments)  # pyright: ignore[reportArgumentType]
        save_file(module.state_dict(), tmp_path / "w.safetensors")
        content = {"source": "timm", "name": "test_resnet", "weights": "w.safetensors", "classes": "ten"}
        assert same_weights(load(**content, arguments=arguments).module, module)

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: state,
            lambda state: {f"module.{name}": value for name, value in state.items()},
            lambda state: {"epoch": 3, "optimizer": {"state": {}}, "state_dict": state},
        ],
    )
    def test_own_weights_as_training_scripts_save_them(
        self, load: Load, tmp_path: Path, weights: nn.Module, wrap: Callable[[Any], Any]
    ) -> None:
        torch.save(wrap(weights.state_dict()), tmp_path / "w.pth.tar")
        assert same_weights(load(source="timm", name="test_resnet", weights="w.pth.tar").module, weights)

    def test_old_weights_that_timm_adapts(self, load: Load, tmp_path: Path) -> None:
        """The patch embedding of old vision transformers was a matrix, not a convolution."""
        module = timm.create_model("test_vit")
        state = module.state_dict()
        torch.save(
            {**state, "patch_embed.proj.weight": state["patch_embed.proj.weight"].flatten(1)}, tmp_path / "w.pth"
        )
        assert same_weights(load(source="timm", name="test_vit", weights="w.pth").module, module)

    def test_weights_of_another_network(self, refused: Refused, weights: nn.Module) -> None:
        message = refused(source="timm", name="test_vit", weights="w.safetensors")
        assert message.startswith(
            "the checkpoint does not fit the network\n"
            "  where:    model m, HERE/w.safetensors\n"
            "  found:    80 missing: cls_token, "
        )
        assert message.endswith(
            "  expected: the 80 tensors of VisionTransformer\n"
            "  fix:      check name: and arguments: (number of classes, channels), or key:"
        )

    def test_weights_with_another_head(self, refused: Refused, weights: nn.Module) -> None:
        message = refused(source="timm", name="test_resnet", weights="w.safetensors", arguments={"num_classes": 10})
        assert message.startswith(
            "the checkpoint does not fit the network\n"
            "  where:    model m, HERE/w.safetensors\n"
            "  found:    2 of another shape: fc.weight (1000, 96) for (10, 96), fc.bias (1000,) for (10,)\n"
        )

    def test_a_pickle_is_not_run(self, refused: Refused, tmp_path: Path) -> None:
        class Payload:
            def __reduce__(self) -> tuple[Any, ...]:
                return exec, ("raise SystemExit",)

        torch.save({"state_dict": Payload()}, tmp_path / "w.pth")
        message = refused(source="timm", name="test_resnet", weights="w.pth")
        assert re.search(r"  found:    it asks for (__builtin__\.)?exec, which tensors do not need\n", message)

    def test_no_such_network(self, refused: Refused) -> None:
        says(refused(source="timm", name="resnet81.a1_in1k", weights="w.pth"), where="model m")
        # Built from what a hub says at that moment: its weights could not be hashed first.
        assert refused(source="timm", name="hf-hub:timm/resnet18.a1_in1k").startswith(
            'timm has no model "hf-hub:timm/resnet18.a1_in1k"\n'
        )

    def test_no_such_weights(self, refused: Refused) -> None:
        message = refused(source="timm", name="resnet18.a3-in1k")
        assert message.startswith(
            'resnet18 has no weights "a3-in1k"\n  where:    model m\n  expected: a1_in1k, a2_in1k, '
        )
        assert message.endswith('\n  fix:      did you mean "a3_in1k"?')
        says(refused(source="timm", name="convnextv2_small"), where="model m")


class TestTimmFromTheHub:
    NAME = "test_resnet.r160_in1k"

    @pytest.fixture(autouse=True)
    def hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
        """The cache of huggingface_hub, holding weights of that name, and no network."""
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        repository = tmp_path / "hf" / f"models--timm--{self.NAME}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        (repository / "snapshots" / COMMIT).mkdir(parents=True)
        module = timm.create_model("test_resnet")
        save_file(module.state_dict(), repository / "snapshots" / COMMIT / "model.safetensors")
        return module

    def test_named_weights(self, load: Load, tmp_path: Path, hub: nn.Module) -> None:
        classifier = load(source="timm", name=self.NAME)
        assert same_weights(classifier.module, hub)
        (path,) = (tmp_path / "hf").rglob("model.safetensors")
        assert classifier.checkpoint_sha256 == sha256(path)
        assert load(source="timm", name=self.NAME, sha256=sha256(path)[:8]).checkpoint_sha256 == sha256(path)

    def test_a_promised_hash_is_kept(self, load: Load) -> None:
        with pytest.raises(HashMismatchError, match=r"^a file does not have the expected checksum\n"):
            load(source="timm", name=self.NAME, sha256="12fca82f")

    def test_they_have_the_classes_that_they_have(self, refused: Refused) -> None:
        """timm itself would leave a head for ten classes to chance."""
        message = refused(source="timm", name=self.NAME, arguments={"num_classes": 10}, classes="ten")
        assert "2 of another shape: fc.weight (1000, 96) for (10, 96), fc.bias" in message


HUBCONF = """
dependencies = ["torch"]

from networks.linear import make


def linear(outputs=10, pretrained=False):
    module = make(outputs)
    if pretrained:
        module.bias.data.fill_(7.0)
    return module


def text():
    return "a network"
"""


def checkout(folder: Path, inputs: int) -> None:
    (folder / "networks").mkdir(parents=True)
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "networks" / "__init__.py").touch()
    (folder / "networks" / "linear.py").write_text(
        f"from torch import nn\n\n\ndef make(outputs):\n    return nn.Linear({inputs}, outputs)\n"
    )


class TestTorchHub:
    CONTENT = {  # noqa: RUF012
        "source": "torch.hub", "repository": "owner/name", "commit": COMMIT, "entry": "linear", "classes": "ten",
        "preprocess": {"mean": [0.5], "std": [0.5]},
    }  # fmt: skip

    @pytest.fixture(autouse=True)
    def hub(self, tmp_path: Path) -> Iterator[Path]:
        """torch.hub's folder, with no network behind it: what is not there is not available."""
        before = torch.hub.get_dir()
        torch.hub.set_dir(str(tmp_path / "hub"))
        yield tmp_path / "hub"
        torch.hub.set_dir(before)

    @pytest.mark.parametrize("where", ["path", "cache"])
    def test_the_network_alone_with_weights_of_ours(self, load: Load, tmp_path: Path, hub: Path, where: str) -> None:
        checkout(tmp_path / "checkout" if where == "path" else hub / f"owner_name_{COMMIT}", inputs=4)
        module = nn.Linear(4, 10)
        save_file(module.state_dict(), tmp_path / "w.safetensors")
        content = {**self.CONTENT, "weights": "w.safetensors"} | ({"path": "checkout"} if where == "path" else {})
        classifier = load(**content)
        assert same_weights(classifier.module, module)
        assert ready(classifier)
        assert classifier.checkpoint_sha256 == sha256(tmp_path / "w.safetensors")
        assert classifier.preprocess == Preprocess(mean=(0.5,), std=(0.5,))

    @pytest.mark.parametrize("where", ["path", "cache"])
    def test_with_the_weights_that_its_code_loads(self, load: Load, tmp_path: Path, hub: Path, where: str) -> None:
        checkout(tmp_path / "checkout" if where == "path" else hub / f"owner_name_{COMMIT}", inputs=4)
        content = {**self.CONTENT, "arguments": {"pretrained": True, "outputs": 3}}
        classifier = load(**content, **({"path": "checkout"} if where == "path" else {}))
        assert classifier.module.state_dict()["bias"].tolist() == [7.0] * 3
        assert classifier.checkpoint_sha256 is None

    @pytest.mark.parametrize("where", ["path", "cache"])
    def test_repositories_do_not_take_each_others_modules(
        self, load: Load, tmp_path: Path, hub: Path, where: str
    ) -> None:
        """Python knows modules by name alone, and half of all repositories have one called models or networks."""
        for number, commit in enumerate((COMMIT, COMMIT[::-1])):
            folder = tmp_path / commit if where == "path" else hub / f"owner_name_{commit}"
            checkout(folder, inputs=number + 3)
            content = {**self.CONTENT, "commit": commit} | ({"path": str(folder)} if where == "path" else {})
            module = load(**content).module
            assert isinstance(module, nn.Linear)
            assert module.in_features == number + 3
            assert same_weights(copy.deepcopy(module), module)

    def test_weights_that_do_not_fit(self, refused: Refused, tmp_path: Path) -> None:
        checkout(tmp_path / "checkout", inputs=4)
        save_file(nn.Linear(5, 10).state_dict(), tmp_path / "w.safetensors")
        message = refused(**self.CONTENT, path="checkout", weights="w.safetensors")
        assert "  found:    1 of another shape: weight (10, 5) for (10, 4)\n" in message

    def test_no_such_entry_point(self, refused: Refused, tmp_path: Path) -> None:
        checkout(tmp_path / "checkout", inputs=4)
        says(
            refused(**{**self.CONTENT, "entry": "resnet"}, path="checkout"),
            where="model m",
            found="RuntimeError: Cannot find callable resnet in hubconf",
        )

    @pytest.mark.parametrize("weights", [None, "w.safetensors"])
    def test_one_that_returns_no_network(self, refused: Refused, tmp_path: Path, weights: str | None) -> None:
        checkout(tmp_path / "checkout", inputs=4)
        save_file(nn.Linear(4, 10).state_dict(), tmp_path / "w.safetensors")
        says(
            refused(**{**self.CONTENT, "entry": "text"}, path="checkout", weights=weights), where="model m", found="str"
        )

    def test_a_checkout_without_hubconf(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "checkout").mkdir()
        message = refused(**self.CONTENT, path="checkout")
        assert message.startswith("the model cannot be built\n  where:    model m\n  found:    FileNotFoundError: ")


def test_classes_come_from_the_registry_not_from_the_source(tmp_path: Path) -> None:
    entry = MODEL.validate_python(
        {"source": "python", "function": "torch.nn:Identity", "classes": "cifar10", "preprocess": {}, "trust": True}
    )
    assert load_classifier("m", entry, built_in("cifar10")).classes is built_in("cifar10")
