"""What the names of timm's weights say: the data that they were trained on, the family of the network, its year.

A name is `architecture.tag`. Tags name the recipe and the datasets, in the order of training: `fb_in22k_ft_in1k` was
trained on ImageNet-22k and fine-tuned on ImageNet-1k.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Parts of a tag that name training data -> what the data is called here. ImageNet-22k is all of ImageNet, and what
# others call ImageNet-21k. Data of teachers, and of tokenizers that pretraining imitates, is in no tag.
_PARTS = {
    "in1k": "imagenet-1k",
    "in12k": "imagenet-12k",
    "in21k": "imagenet-21k",
    "in22k": "imagenet-21k",
    "inw21k": "imagenet-21k",
    "jft": "jft-300m",
    "ig1b": "instagram",
    "swag": "instagram",
    "seer": "instagram",
    "yfcc100m": "yfcc",
    "yfcc15m": "yfcc",
    "cc12m": "cc12m",
    "openai": "wit",
    "laion400m": "laion",
    "laion2b": "laion",
    "laiona": "laion",
    "datacomp1b": "datacomp",
    "datacompxl": "datacomp",
    "dfn2b": "dfn",
    "dfn5b": "dfn",
    "dfndr2b": "dfn",
    "metaclip": "metaclip",
    "metaclip2": "metaclip",
    "webli": "webli",
    "merged2b": "merged-2b",
    "m30m": "merged-30m",
    "m38m": "merged-38m",
    "lvd142m": "lvd",
    "lvd1689m": "lvd",
    "sat493m": "sat-493m",
    "sa1b": "sa-1b",
    "bamboo": "bamboo",
}
_IMAGENET = ("imagenet-21k", "imagenet-12k", "imagenet-1k")

# torchvision's names of weights -> the tag that timm gives the same weights.
_TAGS = {"IMAGENET1K_V1": "tv_in1k", "IMAGENET1K_V2": "tv2_in1k"}

TRAINING_DATA = {
    "imagenet-1k": "ImageNet-1k",
    "imagenet-12k": "ImageNet-12k",
    "imagenet-21k": "ImageNet-21k",
    "jft-300m": "JFT-300M",
    "instagram": "Instagram",
    "yfcc": "YFCC",
    "cc12m": "CC12M",
    "wit": "WIT (OpenAI CLIP)",
    "laion": "LAION",
    "datacomp": "DataComp",
    "commonpool": "CommonPool",
    "dfn": "DFN",
    "metaclip": "MetaCLIP",
    "webli": "WebLI",
    "merged-2b": "Merged-2B",
    "merged-30m": "Merged-30M",
    "merged-38m": "Merged-38M",
    "lvd": "LVD",
    "sat-493m": "SAT-493M",
    "sa-1b": "SA-1B",
    "bamboo": "Bamboo",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "cinic10": "CINIC-10",
    "digits": "Digits",
    "mnist": "MNIST",
    "imagenet16": "ImageNet, 16 × 16",
    "imagenet32": "ImageNet, 32 × 32",
    "imagenet64": "ImageNet, 64 × 64",
    "imagenet-11k": "ImageNet-11k",
    "imagenet-5k": "ImageNet-5k",
    "ml-images": "Tencent ML-Images",
    "imagenet-1k-part": "Part of ImageNet-1k",
    "stylized-imagenet": "Stylized ImageNet",
    "imagenet-1k-and-more": "ImageNet-1k and more data",
    "cifar10-and-generated": "CIFAR-10 and generated images",
    "cifar10-and-more": "CIFAR-10 and more data",
    "cifar100-and-generated": "CIFAR-100 and generated images",
    "cifar100-and-more": "CIFAR-100 and more data",
}


@dataclass(frozen=True)
class Architecture:
    """Family of a network, and the year in which the paper of the family first appeared; None where there is none."""

    family: str
    year: int | None


def training_sets(name: str) -> tuple[str, ...]:
    """The datasets that the tag of a name of timm's says the weights were trained on, in order; () where it says none.

    >>> training_sets("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k")
    ('laion', 'imagenet-12k', 'imagenet-1k')
    >>> training_sets("resnet50")
    ()
    """
    _, _, tag = name.partition(".")
    found = [_PARTS[part] for part in tag.split("_") if part in _PARTS]
    return tuple(dict.fromkeys(found))


def training_data(name: str) -> str | None:
    """The dataset by which the weights are grouped: the first outside ImageNet, or the largest part of ImageNet.

    None where the name does not tell: it has no tag, or one that names no data but that of the last step, after a
    training step whose data it leaves open ("clip_ft_in1k").

    >>> training_data("beitv2_base_patch16_224.in1k_ft_in22k_in1k"), training_data("resnet50.tv_in1k")
    ('imagenet-21k', 'imagenet-1k')
    >>> training_data("eva_giant_patch14_336.clip_ft_in1k") is None
    True
    """
    sets = training_sets(name)
    others = [one for one in sets if one not in _IMAGENET]
    if others:
        return others[0]
    before, fine_tuned, _ = name.partition(".")[2].partition("_ft_")
    if fine_tuned and "clip" in before.split("_") and not training_sets(f".{before}"):
        return None
    return next((one for one in _IMAGENET if one in sets), None)


def data_of_entry(entry: Mapping[str, Any]) -> str | None:
    """The training data of a registry entry's weights, a key of `TRAINING_DATA`; None where the entry does not tell.

    What the entry says under `training_data` counts; else the name of timm's, torchvision's or open_clip's weights.

    >>> data_of_entry({"source": "timm", "name": "convnext_base.fb_in22k_ft_in1k"})
    'imagenet-21k'
    >>> data_of_entry({"source": "torchvision", "name": "resnet50", "pretrained": "IMAGENET1K_V2"})
    'imagenet-1k'
    >>> data_of_entry({"training_data": "ImageNet-22k"}), data_of_entry({"source": "checkpoint"})
    ('imagenet-21k', None)
    >>> data_of_entry({"source": "open_clip", "name": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"})
    'laion'
    """
    said = entry.get("training_data")
    if isinstance(said, str) and said.strip():
        keys = {title.lower(): key for key, title in TRAINING_DATA.items()} | {"imagenet-22k": "imagenet-21k"}
        data = " ".join(said.lower().split())
        return keys.get(data, data)
    if entry.get("weights") is not None:
        return None
    if entry.get("source") == "timm":
        return training_data(str(entry.get("name", "")))
    if entry.get("source") == "open_clip":
        return _open_clip_data(str(entry.get("pretrained") or ""))
    weights = str(entry.get("pretrained") or "") if entry.get("source") == "torchvision" else ""
    if weights.startswith("IMAGENET1K_"):
        return "instagram" if "SWAG" in weights else "imagenet-1k"
    return None


def names_of_weights(entry: Mapping[str, Any]) -> list[str]:
    """What testbeds call the weights of a registry entry, in small letters; nothing for those of neither library.

    >>> names_of_weights({"source": "torchvision", "name": "resnet50", "pretrained": "IMAGENET1K_V1"})
    ['resnet50.tv_in1k', 'resnet50']
    """
    source, of_library = entry.get("source"), entry.get("name")
    if not isinstance(of_library, str) or entry.get("weights") is not None:
        return []
    if source == "timm":
        return [of_library.lower()]
    tag = _TAGS.get(str(entry.get("pretrained") or ""))
    if source != "torchvision" or tag is None:
        return []
    # The testbeds before timm's tags evaluated torchvision's first weights under torchvision's names.
    return [f"{of_library}.{tag}".lower(), *([of_library.lower()] if tag == "tv_in1k" else [])]


# Beginnings of a part of the names of open_clip's weights. "mscoco_finetuned_laion2b" was trained on LAION first.
_OPEN_CLIP = {
    "openai": "wit",
    "yfcc": "yfcc",
    "cc12m": "cc12m",
    "laion": "laion",
    "datacomp": "datacomp",
    "commonpool": "commonpool",
    "metaclip": "metaclip",
    "dfn": "dfn",
    "merged2b": "merged-2b",
    "webli": "webli",
}


def _open_clip_data(tag: str) -> str | None:
    """The data that open_clip's weights of this name were trained on; None where it names none."""
    found = (data for part in tag.split("_") for start, data in _OPEN_CLIP.items() if part.startswith(start))
    return next(found, None)


def architecture(name: str) -> Architecture | None:
    """Family and year of the network of this name, with or without a tag; None where no rule tells.

    >>> architecture("seresnext50_32x4d.racm_in1k")
    Architecture(family='senet', year=2017)
    """
    network = re.sub(r"^(tf|gluon|legacy|dm|nv|ese)_", "", name.partition(".")[0])
    for pattern, family, year in _FAMILIES:
        if re.match(pattern, network):
            return Architecture(family, year)
    return None


# The first that matches the beginning of a name. The year is that of the paper's first version, as in the registry.
_FAMILIES: tuple[tuple[str, str, int | None], ...] = (
    ("test_", "timm-test", None),
    (r"vit_\w*_clip_|vit_clip", "clip", 2021),
    (r"vit_\w*siglip", "siglip", 2023),
    ("vitamin", "vitamin", 2024),
    ("vit_|flexivit|naflexvit|samvit", "vit", 2020),
    ("aimv2", "aimv2", 2024),
    ("beitv2", "beit", 2022),
    ("beit", "beit", 2021),
    ("deit3", "deit", 2022),
    ("deit", "deit", 2020),
    ("eva02", "eva", 2023),
    ("eva", "eva", 2022),
    ("cait", "cait", 2021),
    ("coatnext|maxxvit", "maxvit", 2022),
    ("coatnet", "coatnet", 2021),
    ("coat_", "coat", 2021),
    ("maxvit", "maxvit", 2022),
    ("caformer|convformer|poolformerv2", "metaformer", 2022),
    ("poolformer", "metaformer", 2021),
    ("convit", "convit", 2021),
    ("convmixer", "convmixer", 2022),
    ("convnextv2", "convnextv2", 2023),
    ("convnext", "convnext", 2022),
    ("crossvit", "crossvit", 2021),
    ("cs3|cspdarknet|cspresne|cspnext", "cspnet", 2019),
    ("darknet|sedarknet", "darknet", 2018),
    ("davit", "davit", 2022),
    ("densenet", "densenet", 2016),
    ("dla", "dla", 2017),
    ("dpn", "dpn", 2017),
    ("edgenext", "edgenext", 2022),
    ("efficientformer", "efficientformer", 2022),
    ("efficientnet_lite", "efficientnet-lite", 2020),
    ("efficientnetv2|gc_efficientnetv2", "efficientnetv2", 2021),
    ("efficientnet", "efficientnet", 2019),
    ("efficientvit_m", "efficientvit", 2023),
    ("efficientvit", "efficientvit", 2022),
    ("efficientvim", "efficientvim", 2024),
    ("vovnet|eca_vovnet", "vovnet", 2019),
    ("fasternet", "fasternet", 2023),
    ("fastvit", "fastvit", 2023),
    ("fbnetc", "fbnet", 2018),
    ("fbnetv3", "fbnet", 2020),
    ("focalnet", "focalnet", 2022),
    ("gcvit", "gcvit", 2022),
    ("gernet", "gernet", 2020),
    ("ghostnetv2", "ghostnet", 2022),
    ("ghostnet_", "ghostnet", 2019),
    ("ghostnetv3", "ghostnet", 2024),
    ("gmixer|mixer", "mixer", 2021),
    ("gmlp", "gmlp", 2021),
    ("hardcorenas", "hardcorenas", 2021),
    ("hgnet", "hgnet", None),
    ("hieradet|hiera", "hiera", 2023),
    ("hrnet", "hrnet", 2019),
    ("inception_next", "inceptionnext", 2023),
    ("inception_v3", "inception", 2015),
    ("inception", "inception", 2016),
    ("lcnet", "lcnet", 2021),
    ("levit", "levit", 2021),
    ("mambaout", "mambaout", 2024),
    ("mixnet", "mixnet", 2019),
    ("mnasnet|semnasnet|spnasnet", "mnasnet", 2018),
    ("mobilenetv1", "mobilenet", 2017),
    ("mobilenetv2", "mobilenetv2", 2018),
    ("mobilenetv3", "mobilenetv3", 2019),
    ("mobilenetv4", "mobilenetv4", 2024),
    ("mobilenet_edgetpu", "mobilenet-edgetpu", None),
    ("mobilenetv5", "mobilenetv5", None),
    ("mobileone", "mobileone", 2022),
    ("mobilevitv2", "mobilevit", 2022),
    ("mobilevit", "mobilevit", 2021),
    ("mvitv2", "mvit", 2021),
    ("nasnet", "nasnet", 2017),
    ("nest", "nest", 2021),
    ("nextvit", "nextvit", 2022),
    (r"(eca_)?nfnet|nf_", "nfnet", 2021),
    ("pit_", "pit", 2021),
    ("pnasnet", "pnasnet", 2017),
    ("pvt", "pvt", 2021),
    ("rdnet", "rdnet", 2024),
    ("regnetz|regnetv|regnet", "regnet", 2020),
    ("repghostnet", "repghostnet", 2022),
    ("repvgg", "repvgg", 2021),
    ("repvit", "repvit", 2023),
    ("res2net|res2next", "res2net", 2019),
    ("resmlp", "resmlp", 2021),
    ("resnest", "resnest", 2020),
    ("resnetrs", "resnet-rs", 2021),
    (r"resnetv2_\w*_bit|resnetv2_\d+x\d", "bit", 2019),
    ("resnetv2", "resnet-v2", 2016),
    (r"resnet\d+d", "resnet", 2018),
    (r"resnet\d+|resnetblur|resnetaa", "resnet", 2015),
    (r"resnext\d", "resnext", 2016),
    ("seresne|senet", "senet", 2017),
    ("ecaresne|eca_resne", "ecanet", 2019),
    ("skresne", "sknet", 2019),
    ("botnet|eca_botnext|sebotnet|halo|eca_halo|sehalo|lambda|lamhalo|bat_|gcresne", "attention-resnet", None),
    ("rexnet", "rexnet", 2020),
    ("selecsls", "selecsls", 2019),
    ("sequencer", "sequencer", 2022),
    ("shvit", "shvit", 2024),
    ("starnet", "starnet", 2024),
    ("swiftformer", "swiftformer", 2023),
    ("swin", "swin", 2021),
    ("tiny_vit", "tinyvit", 2022),
    ("tinynet", "tinynet", 2020),
    ("tnt", "tnt", 2021),
    ("tresnet", "tresnet", 2020),
    ("twins", "twins", 2021),
    ("vgg", "vgg", 2014),
    ("visformer", "visformer", 2021),
    ("volo", "volo", 2021),
    ("wide_resnet", "wide-resnet", 2016),
    ("xception", "xception", 2016),
    ("xcit", "xcit", 2021),
    ("csatv2", "csatv2", None),
)
