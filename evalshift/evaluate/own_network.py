"""A network of the caller's own on one dataset, without a registry entry: `evalshift.predict`.

torch is imported by the call, so that the name can be imported where torch is absent.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from evalshift.errors import UsageError, did_you_mean, explain_missing_packages
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Predictions
from evalshift.testbed.datasets import Dataset, fingerprint, load_dataset
from evalshift.testbed.model_entry import Logits
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry

if TYPE_CHECKING:
    import torch

_Given = TypeVar("_Given", bound=BaseModel)


@explain_missing_packages()
def predict(
    module: "torch.nn.Module",
    dataset: str | Dataset,
    *,
    preprocess: Preprocess | Mapping[str, Any],
    output: int | str | None = None,
    logits: Logits | Mapping[str, Any] | None = None,
    name: str = "model",
    registry: str | Path | Registry | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int | str = "auto",
    workers: int | None = None,
) -> Predictions:
    """Run your own network on one dataset, without storing anything.

    module       a torch module: float images (n, c, h, w) in, logits (n, classes) out
    dataset      a name in the registry, or a Dataset
    preprocess   how images are prepared; `{}` gives the network unchanged pixels in [0, 1]
    output       which output contains the classes, by number or name, if the network returns several that could
    logits       which of its numbers are the classes, and what they mean, as in a registry: {"sigmoid": True} for one
                 output that is the second of two classes. Probabilities are detected automatically
    registry     a path, a Registry, or None for ./registry.yaml, else the one that comes with evalshift
    name         name of the model in the result
    device       "auto", "cpu", "cuda", "cuda:1" or "mps"
    precision    "fp32", "tf32", "bf16" or "fp16"
    batch_size   images per batch; "auto" searches for the fastest size
    workers      threads that decode image files; by default, one per core

    The network runs in eval mode; afterwards its modes, device and memory layout are restored.

    Raises UsageError for an unknown name, DataError for an invalid dataset, ModelError for unusable outputs; exceptions
    of the network itself are passed on.
    """
    from torch import nn

    from evalshift.evaluate.devices import choose_device, set_precision
    from evalshift.evaluate.evaluation import Origin, evaluate_classifier
    from evalshift.evaluate.git_revision import git_revision
    from evalshift.evaluate.images import ImageReader
    from evalshift.evaluate.preparation import prepare
    from evalshift.testbed.models import Classifier
    from evalshift.testbed.models.outputs import check_rule

    if not isinstance(module, nn.Module):
        raise UsageError("predict runs a torch module", found=type(module).__name__, expected="a torch.nn.Module")
    options = Options(device, precision, batch_size, workers)
    settings = _settings(Preprocess, "preprocess", preprocess)
    rule = None if logits is None else _settings(Logits, "logits", logits)
    chosen = choose_device(options.device)
    if isinstance(dataset, str):
        known = registry if isinstance(registry, Registry) else load_registry(registry)
        entry = known.dataset(dataset)
        dataset = load_dataset(dataset, entry, known.class_space(entry.classes))
    if rule is not None:
        check_rule(rule, dataset.model_classes, f"model {name}")
    with set_precision(options.precision, chosen), _left_as_it_was(module):
        module.eval()
        classifier = Classifier(name, module, settings, dataset.model_classes, output=output, logits=rule)
        reader = ImageReader(dataset, options.workers)
        prepared = prepare(classifier, reader, chosen, options, len(dataset))
        origin = Origin({"source": "python", "function": type(module).__qualname__}, {}, git_revision())
        return evaluate_classifier(prepared, reader, origin, fingerprint(dataset))[0]


def _settings(kind: type[_Given], name: str, given: _Given | Mapping[str, Any]) -> _Given:
    """Settings in the form of a registry's, from their own class or from a mapping."""
    if isinstance(given, kind):
        return given
    try:
        return kind(**given)  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        unknown = first["type"] == "extra_forbidden"
        raise UsageError(
            f'{name} has no "{key}"' if unknown else f"invalid {name}",
            where=None if unknown else f"{name}.{key}" if key else name,
            found=None if unknown or not key else repr(first["input"]),
            expected=", ".join(kind.model_fields) if unknown else first["msg"].removeprefix("Value error, "),
            fix=did_you_mean(key, kind.model_fields) if unknown else None,
        ) from error


@contextmanager
def _left_as_it_was(module: "torch.nn.Module") -> Iterator[None]:
    """Restore the modes of a borrowed network, and the devices and memory layouts of its tensors."""
    modes = [(part, part.training) for part in module.modules()]
    # A move gives a parameter other storage, and replaces a buffer by another tensor.
    tensors = [
        (part, name, tensor, tensor.data)
        for part in module.modules()
        for name, tensor in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
    ]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        for part, name, tensor, data in tensors:
            tensor.data = data
            setattr(part, name, tensor)
