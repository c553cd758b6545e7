"""What is known of published weights and not written in an entry: training data, accuracy, size, family and year.

Of timm's it is what the name says and the published testbed `timm`; of torchvision's and open_clip's, what the default
registry says.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from evalshift.testbed.library_model_entries import OpenClipModel, TimmModel, TorchvisionModel
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.published import load_published
from evalshift.testbed.timm_names import architecture, data_of_entry, training_data

if TYPE_CHECKING:
    from evalshift.testbed.registry import Registry

_TESTBED = "timm"
_OF_WEIGHTS = ("family", "year", "training_data", "parameters")
# What another preprocessing or another network would change.
_OF_INPUT = ("expected", "gmacs", "image_size")
_NAMED = {"source", "name", "pretrained"}


def with_known_facts(registry: "Registry", default: "Registry", families: Mapping[str, str]) -> "Registry":
    """The registry with facts of published weights in the entries that do not say them, and in what is stored of them.

    `default` has the weights of torchvision and of open_clip; `families` are those that have a title.
    """
    models, written = dict(registry.models), dict(registry.written)
    for name, entry in registry.models.items():
        facts = _missing_facts(entry, default)
        title = facts.pop("family_title", None)
        if title is not None and facts.get("family") is not None and facts["family"] not in families:
            facts["family_title"] = title
        if facts:
            models[name] = entry.model_copy(update=facts)
            written[f"models/{name}"] = {**written.get(f"models/{name}", {}), **facts}
    return replace(registry, models=models, written=written)


def _missing_facts(entry: AnyModel, default: "Registry") -> dict[str, Any]:
    """The facts that are known of the weights of an entry, without those that the entry says."""
    if not isinstance(entry, TimmModel | TorchvisionModel | OpenClipModel) or entry.has_own_weights:
        return {}
    wanted = [*_OF_WEIGHTS, *(() if _is_changed(entry) else _OF_INPUT)]
    wanted = [key for key in wanted if key not in entry.model_fields_set]
    facts = _timm_facts(entry, wanted) if isinstance(entry, TimmModel) else _default_facts(entry, default)
    known = {key: facts[key] for key in wanted if facts.get(key) is not None}
    if "family" in known and "family_title" in facts and entry.family_title is None:
        known["family_title"] = facts["family_title"]
    return known


def _timm_facts(entry: TimmModel, wanted: list[str]) -> dict[str, Any]:
    """Facts of timm's weights; its tables are read only for what the name does not say."""
    if set(wanted) <= {"training_data", "gmacs"}:
        return {"training_data": training_data(entry.name)}
    return timm_facts(entry.name)


@cache
def _rows() -> Mapping[str, dict[str, Any]]:
    """What timm's tables of results say of each model at its own image size.

    That is the smallest size of its rows: others are of a larger size for tests, which evalshift does not use.
    """
    testbed = load_published(_TESTBED)
    found: dict[str, dict[str, Any]] = {}
    for counts in testbed.counts:
        for model, correct in zip(counts.models, counts.correct["imagenet", "top1"].tolist(), strict=True):
            facts = testbed.attributes(model)
            facts["expected"] = {"imagenet": round(correct / testbed.images["imagenet"], 5)}
            smaller = found.get(model.weights)
            if smaller is None or facts.get("image_size", 0) < smaller.get("image_size", 0):
                found[model.weights] = facts
    return found


def timm_facts(name: str) -> dict[str, Any]:
    """What is known of timm's weights of this name; only what the name says where timm's tables lack it.

    >>> facts = timm_facts("resnet50.a1_in1k")
    >>> facts["expected"], facts["image_size"], facts["training_data"]
    ({'imagenet': 0.80382}, 224, 'imagenet-1k')
    >>> timm_facts("vit_large_patch16_dinov3.lvd1689m")["training_data"]
    'lvd'
    """
    known = _rows().get(name)
    if known is not None:
        return dict(known)
    network = architecture(name)
    facts = {"training_data": training_data(name)}
    facts |= {} if network is None else {"family": network.family, "year": network.year}
    return {key: value for key, value in facts.items() if value is not None}


def _is_changed(entry: TimmModel | TorchvisionModel | OpenClipModel) -> bool:
    """Whether the entry gives the network another input, another form, or other classes than those it is known for."""
    if isinstance(entry, OpenClipModel):
        published = entry.templates == "openai_imagenet" and entry.classes == "imagenet-1k" and not entry.names
        return bool(entry.preprocess) or not published
    return bool(entry.preprocess or entry.arguments)


def _default_facts(entry: TorchvisionModel | OpenClipModel, default: "Registry") -> dict[str, Any]:
    facts: dict[str, Any] = {"training_data": data_of_entry(entry.model_dump(include=_NAMED))}
    facts |= {"family": "zero-shot"} if isinstance(entry, OpenClipModel) else {}
    for known in default.models.values():
        if isinstance(known, type(entry)) and (known.name, known.pretrained) == (entry.name, entry.pretrained):
            return facts | {key: getattr(known, key) for key in (*_OF_WEIGHTS[:2], "parameters", *_OF_INPUT)}
    return facts
