"""One classifier on one dataset → Predictions with their provenance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from torch import nn

from evalshift.errors import UsageError
from evalshift.evaluate.devices import Execution, choose_device, describe, set_precision
from evalshift.evaluate.environment import git_revision, library_versions
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import Answers, predict, tune
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION
from evalshift.testbed.datasets import Dataset, fingerprint, load_dataset
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry import load_registry

# Enough to fill the batches that the search tries first; larger ones repeat them.
_SAMPLE_IMAGES = 64


@dataclass(frozen=True)
class Origin:
    """Where a classifier comes from, for the record: its entry, what of it can change an answer, the commit."""

    entry: Mapping[str, Any]
    identity: Mapping[str, Any]
    git_revision: str | None


def choose_execution(
    classifier: Classifier, reader: ImageReader, device: torch.device, options: Options, images: int
) -> Execution:
    """How to run this network: as the options say, or by a short search when they say auto.

    images   how many it will be run on in all; the search takes a small part of that time
    """
    if isinstance(options.batch_size, int):
        return Execution(device, options.precision, options.batch_size, "contiguous")
    sample = reader.first(_SAMPLE_IMAGES, classifier.preprocess)
    size, layout = tune(classifier, sample, device, options.precision, images)
    return Execution(device, options.precision, size, layout)


def evaluate_classifier(
    classifier: Classifier,
    reader: ImageReader,
    execution: Execution,
    origin: Origin,
    dataset_fingerprint: str,
    *,
    keep_logits: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Predictions, Answers]:
    """All images of the reader's dataset through the network; `advance(n)` is told of every n images done."""
    dataset = reader.dataset
    start = datetime.now(UTC)
    batches = reader.batches(execution.batch_size, classifier.preprocess)
    answers = predict(classifier, batches, execution, keep_logits=keep_logits, advance=advance)
    provenance = Provenance(
        schema_version=SCHEMA_VERSION,
        model=classifier.name,
        dataset=dataset.name,
        classes=classifier.classes.name,
        entry=dict(origin.entry),
        identity=dict(origin.identity),
        checkpoint_sha256=classifier.checkpoint_sha256,
        dataset_fingerprint=dataset_fingerprint,
        preprocess=classifier.preprocess.model_dump(mode="json"),
        device=describe(execution.device),
        precision=execution.precision,
        batch_size=execution.batch_size,
        memory_format=execution.memory_format,
        versions=library_versions() | dict(classifier.versions),
        git_revision=origin.git_revision,
        start=start.isoformat(timespec="seconds"),
        seconds=answers.seconds,
        images_per_second=len(dataset) / answers.seconds,
    )
    return Predictions(classifier.name, dataset.name, answers.top, answers.prob, provenance), answers


def evaluate(
    module: nn.Module,
    dataset: str | Dataset,
    *,
    preprocess: Preprocess | Mapping[str, Any],
    name: str = "model",
    registry: Any = None,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int | str = "auto",
    workers: int | None = None,
) -> Predictions:
    """Run a network of your own, float (n, c, h, w) → logits (n, classes), on one dataset. Nothing is stored.

    dataset      a name from the registry, or a Dataset
    preprocess   what the network wants to see; `{}` gives it pixels in [0, 1]
    The network is put into eval mode for the run and back afterwards.

    Raises UsageError for a name that is not there, DataError for a faulty dataset, ModelError for unusable outputs.
    """
    if not isinstance(module, nn.Module):
        raise UsageError("evaluate runs a torch module", found=type(module).__name__, expected="a torch.nn.Module")
    options = Options(device, precision, batch_size, workers)
    chosen = choose_device(options.device)
    set_precision(options.precision, chosen)
    if isinstance(dataset, str):
        known = load_registry(registry)
        entry = known.dataset(dataset)
        dataset = load_dataset(dataset, entry, known.class_space(entry.classes))
    settings = preprocess if isinstance(preprocess, Preprocess) else Preprocess(**preprocess)
    was_training = module.training
    try:
        classifier = Classifier(name, module.eval(), settings, dataset.classes)
        reader = ImageReader(dataset, options.workers)
        execution = choose_execution(classifier, reader, chosen, options, len(dataset))
        origin = Origin({"source": "python", "function": type(module).__qualname__}, {}, git_revision())
        return evaluate_classifier(classifier, reader, execution, origin, fingerprint(dataset))[0]
    finally:
        module.train(was_training)
