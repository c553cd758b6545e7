"""One classifier on one dataset → Predictions with their provenance."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import torch

from evalshift.evaluate.devices import Execution, describe, usual_batch
from evalshift.evaluate.environment import jpeg_decoder, library_versions
from evalshift.evaluate.fusion import fuse
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import Answers, forward, place, predict_batches, settle_outputs, tune
from evalshift.evaluate.memory import keep_freed_memory
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION
from evalshift.evaluate.streams import count_streams, one_thread
from evalshift.shapes import Images
from evalshift.testbed.models import Classifier

# Enough to fill the batches that the search tries first; larger ones repeat them.
_SAMPLE_IMAGES = 64
_FEW_IMAGES = 8
# Joining the operations of a network takes a tenth of a second or more.
_WORTH_FUSING_SECONDS = 1.0


@dataclass(frozen=True)
class Origin:
    """Where a classifier comes from, for the record: its entry, what of it can change an answer, the commit."""

    entry: Mapping[str, Any]
    identity: Mapping[str, Any]
    git_revision: str | None


def prepare(
    classifier: Classifier, reader: ImageReader, device: torch.device, options: Options, images: int
) -> tuple[Classifier, Execution]:
    """The network in the form in which it is run, and how: as the options say, or by a short search when they say auto.

    images   how many it will be run on in all; the search takes a small part of that time
    """
    fixed = options.batch_size if isinstance(options.batch_size, int) else None
    sample = reader.first(_SAMPLE_IMAGES, classifier.preprocess)
    usual = usual_batch(device, sample.shape[1] * sample.shape[2])
    execution = Execution(device, options.precision, fixed or usual, "contiguous")
    classifier = settle_outputs(classifier, sample, execution)
    plain = classifier
    if device.type == "cpu":
        keep_freed_memory()
        with one_thread():
            few = sample[: min(_FEW_IMAGES, execution.batch_size)]
            pace = _seconds_an_image(classifier, few, execution)
            if options.precision == "fp32" and pace * images >= _WORTH_FUSING_SECONDS:
                classifier = fuse(classifier, few) or classifier
        streams = count_streams(classifier, pace * execution.batch_size)
        execution = replace(execution, streams=streams, fused=classifier is not plain)
    if fixed is not None:
        return classifier, execution
    size, layout = tune(classifier, sample, device, options.precision, images, execution.streams)
    return classifier, replace(execution, batch_size=size, memory_format=layout)


def _seconds_an_image(classifier: Classifier, images: Images, execution: Execution) -> float:
    place(classifier, execution)
    forward(classifier, images, execution)  # the first call chooses kernels; its time says nothing
    start = time.perf_counter()
    forward(classifier, images, execution)
    return (time.perf_counter() - start) / len(images)


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
    with closing(reader.batches(execution.batch_size, classifier.preprocess)) as batches:
        answers = predict_batches(
            classifier,
            batches,
            execution,
            keep_logits=keep_logits,
            ids=dataset.ids,
            view=dataset.view,
            advance=advance,
        )
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
        streams=execution.streams,
        fused=execution.fused,
        output=classifier.settled.output if classifier.settled else None,
        output_kind="probabilities" if classifier.settled and classifier.settled.probabilities else "logits",
        versions=library_versions() | jpeg_decoder(dataset.images) | dict(classifier.versions),
        git_revision=origin.git_revision,
        start=start.isoformat(timespec="seconds"),
        seconds=answers.seconds,
        images_per_second=answers.images_per_second,
        warnings=list(dataset.warnings),
    )
    return Predictions(classifier.name, dataset.name, answers.top, answers.prob, provenance), answers
