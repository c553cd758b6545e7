"""One classifier on one dataset → Predictions with their provenance."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evalshift.errors import DataError
from evalshift.evaluate.devices import describe, release_memory
from evalshift.evaluate.environment import jpeg_decoder, library_versions
from evalshift.evaluate.images import ImageReader, SharedReader
from evalshift.evaluate.inference import InferenceResult, predict_batches
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.preparation import Prepared
from evalshift.evaluate.reduced_decoding import compare_decoding
from evalshift.evaluate.store import SCHEMA_VERSION
from evalshift.evaluate.streams import threads_each


@dataclass(frozen=True)
class Origin:
    """Origin of a classifier, for provenance: its entry, the part that can change predictions, the commit.

    own   whether the entry is of the user's own registry file
    config  options of the run that came from a file
    """

    entry: Mapping[str, Any]
    identity: Mapping[str, Any]
    git_revision: str | None
    own: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


def evaluate_classifier(
    prepared: Prepared,
    reader: ImageReader | SharedReader,
    origin: Origin,
    dataset_fingerprint: str,
    *,
    keep_logits: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Predictions, InferenceResult]:
    """Run the network on all images of the reader's dataset; `advance(n)` is called after every n images.

    If an optimised form fails half-way, the plain one runs all images again, and the provenance records it; `advance`
    is then called with a negative number. Exceptions of the plain form propagate.
    """
    done = 0

    def count(images: int) -> None:
        nonlocal done
        done += images
        advance(images)

    try:
        return _evaluate(prepared, reader, origin, dataset_fingerprint, keep_logits, count)
    except DataError:
        raise
    except Exception as error:
        if not prepared.optimized:
            raise
        plain = prepared.without_optimizations(error)
    # Here, after the exception and the memory it holds are released.
    release_memory(prepared.execution.device)
    advance(-done)
    return _evaluate(plain, reader, origin, dataset_fingerprint, keep_logits, advance)


def _evaluate(
    prepared: Prepared,
    reader: ImageReader | SharedReader,
    origin: Origin,
    dataset_fingerprint: str,
    keep_logits: bool,
    advance: Callable[[int], None],
) -> tuple[Predictions, InferenceResult]:
    classifier, execution, dataset = prepared.classifier, prepared.execution, reader.dataset
    start = datetime.now(UTC)
    with closing(reader.batches(execution.batch_size, classifier.preprocess)) as batches:
        result = predict_batches(
            classifier,
            batches,
            execution,
            keep_logits=keep_logits,
            ids=dataset.ids,
            view=dataset.view,
            halve=not prepared.warnings,  # without a warning, predictions do not depend on the batch
            advance=advance,
        )
    provenance = Provenance(
        schema_version=SCHEMA_VERSION,
        model=classifier.name,
        dataset=dataset.name,
        classes=classifier.classes.name,
        entry=dict(origin.entry),
        own=origin.own,
        identity=dict(origin.identity),
        checkpoint_sha256=classifier.checkpoint_sha256,
        dataset_fingerprint=dataset_fingerprint,
        preprocess=classifier.preprocess.model_dump(mode="json"),
        device=describe(execution.device),
        precision=execution.precision,
        batch_size=result.batch_size,
        memory_format=execution.memory_format,
        streams=execution.streams,
        threads=threads_each(execution.streams, execution.threads) if execution.device.type == "cpu" else None,
        fused=execution.fused,
        half_weights=execution.half_weights,
        compiled=execution.compiled,
        comparison_with_fp32=prepared.comparison,
        fast_decode=compare_decoding(prepared, reader) if reader.fast_decode else None,
        skipped_optimizations=dict(prepared.skipped),
        output=classifier.settled.output if classifier.settled else None,
        output_kind="probabilities" if classifier.settled and classifier.settled.probabilities else "logits",
        versions=library_versions() | jpeg_decoder(dataset.images) | dict(classifier.versions),
        git_revision=origin.git_revision,
        start=start.isoformat(timespec="seconds"),
        seconds=result.seconds,
        images_per_second=result.images_per_second,
        warnings=[*dataset.warnings, *prepared.warnings],
        left_out=list(classifier.left_out),
        config=dict(origin.config),
    )
    return Predictions(classifier.name, dataset.name, result.top, result.prob, provenance), result
