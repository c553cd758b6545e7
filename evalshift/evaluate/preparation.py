"""The form in which a network is run: the quickest that gives what the plain one gives, or the plain one itself.

No optimisation may make a network fail or change its predictions. Each is tried on the first images, compared with the
plain network (one batch at a time, contiguous, not fused), and skipped with a reason where it fails or differs.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from evalshift.errors import DataError, type_and_message
from evalshift.evaluate.compilation import compile_if_quicker
from evalshift.evaluate.devices import HALF, Execution, set_precision, usual_batch
from evalshift.evaluate.fusion import fuse
from evalshift.evaluate.half_precision import cast_weights, spread
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import InHalves, forward, place, settle_outputs
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import PrecisionComparison
from evalshift.evaluate.repeatability import NotApplied, Reference, in_batches, take_reference
from evalshift.evaluate.streams import WORTHWHILE_SECONDS, count_streams, one_thread
from evalshift.evaluate.trial import Outputs, Trial
from evalshift.shapes import Images
from evalshift.testbed.models import Classifier

# Enough to fill the batches that the search tries first; larger ones repeat them.
_SAMPLE_IMAGES = 64
_FEW_IMAGES = 8
# Joining the operations of a network takes a tenth of a second or more.
_WORTH_FUSING_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network and how it is run.

    plain      the network as it was built, and how it runs without any optimisation
    warnings   what was noticed on the first images and the reader should know
    skipped    optimisation → why it is not used, for those that were tried
    comparison  of a precision below fp32 with fp32; None in fp32
    """

    classifier: Classifier
    execution: Execution
    plain: tuple[Classifier, Execution]
    warnings: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    comparison: PrecisionComparison | None = None

    @property
    def optimized(self) -> bool:
        """Whether it is run in any other way than the plain one."""
        return (self.classifier, self.execution) != self.plain

    def without_optimizations(self, error: Exception) -> "Prepared":
        """The plain form, which is left where the optimised one raised `error` in the run."""
        classifier, execution = self.plain
        return replace(
            self, classifier=classifier, execution=execution, skipped={**self.skipped, "all, in the run": reason(error)}
        )


def reason(error: Exception) -> str:
    """Why an optimisation is not used, in a line."""
    return str(error) if isinstance(error, NotApplied) else type_and_message(error)


def prepare(
    classifier: Classifier, reader: ImageReader, device: torch.device, options: Options, images: int
) -> Prepared:
    """The network in the form in which it is run, and how: as the options say, or by a short search when they say auto.

    images   how many it will be run on in all; what is tried takes a small part of that time
    What the plain network raises on the first images comes through.
    """
    prepared = _prepare(classifier, reader, device, options, images)
    if options.precision == "fp32":
        return prepared
    try:
        return replace(prepared, comparison=_compare_with_fp32(prepared, reader))
    except DataError:
        raise
    except Exception as error:  # someone else's network; it may do in one precision alone what it was made for
        return replace(prepared, skipped={**prepared.skipped, "comparison with fp32": reason(error)})


def _compare_with_fp32(prepared: Prepared, reader: ImageReader) -> PrecisionComparison:
    """How many predictions the precision changes, on images from all over the dataset."""
    (classifier, plain), execution = prepared.plain, prepared.execution
    images = reader.at(spread(len(reader.dataset)), classifier.preprocess)
    wide = replace(plain, precision="fp32", batch_size=execution.batch_size)
    with set_precision("fp32", execution.device):
        expected = _first_classes(classifier, images, wide)
    with set_precision(execution.precision, execution.device):
        found = _first_classes(prepared.classifier, images, execution)
    return PrecisionComparison(images=len(images), differing=int((expected != found).sum()))


def _first_classes(classifier: Classifier, images: Images, execution: Execution) -> torch.Tensor:
    """The first class of each image, shape (n,), on the CPU."""
    place(classifier, execution)
    run = InHalves(execution)
    return in_batches(classifier, images, run, execution.batch_size).argmax(dim=1)


def _prepare(
    classifier: Classifier, reader: ImageReader, device: torch.device, options: Options, images: int
) -> Prepared:
    sample = reader.first(_SAMPLE_IMAGES, classifier.preprocess)
    with _one_core(device):
        tried = _run_plain(classifier, sample, device, options)
        classifier, execution = tried.classifier, tried.execution

        def run(one: Classifier, part: Images) -> torch.Tensor:
            return forward(one, part, execution)

        reference, warning = take_reference(
            classifier, sample, run, tried.first, tried.second, options.precision, execution.batch_size
        )
    plain = Prepared(classifier, execution, (classifier, execution))
    if warning:
        size = _fixed(options) or min(_usual(device, sample), images) if len(tried.first) > 1 else execution.batch_size
        skipped = {"all": "predictions are not repeatable, so optimised forms cannot be compared with them"}
        return replace(plain, execution=replace(execution, batch_size=size), warnings=(warning,), skipped=skipped)
    return _optimize(plain, sample, reference, options, images, tried.seconds / len(tried.first))


@contextmanager
def _one_core(device: torch.device) -> Iterator[None]:
    if device.type != "cpu":
        yield
        return
    with one_thread():
        yield


def _fixed(options: Options) -> int | None:
    return options.batch_size if isinstance(options.batch_size, int) else None


def _usual(device: torch.device, sample: Images) -> int:
    return usual_batch(device, sample.shape[1] * sample.shape[2])


@dataclass(frozen=True, eq=False)
class _Tried:
    """Two calls of the plain network on the first images: logits, shape (n, classes), and seconds of the second.

    classifier   with what its outputs are decided
    """

    classifier: Classifier
    execution: Execution
    first: torch.Tensor
    second: torch.Tensor
    seconds: float


def _run_plain(classifier: Classifier, sample: Images, device: torch.device, options: Options) -> _Tried:
    """The plain network on as many of the first images as it takes.

    A single image is tried where several fail and the batch size is free. What the network raises comes through.
    """
    fixed = _fixed(options)
    few = min(_FEW_IMAGES, len(sample), _usual(device, sample))
    if fixed:  # whole batches alone: a network may take no others
        few = min(_FEW_IMAGES // fixed * fixed or _FEW_IMAGES, len(sample))
    failures: list[Exception] = []
    for count in [few] if fixed or few == 1 else [few, 1]:
        execution = Execution(device, options.precision, fixed or count, "contiguous")
        try:
            return _run_twice(classifier, sample, count, execution)
        except Exception as error:
            failures.append(error)
    raise failures[0]


def _run_twice(classifier: Classifier, sample: Images, count: int, execution: Execution) -> _Tried:
    few = sample[:count]

    def run(one: Classifier, batch: Images) -> torch.Tensor:
        return forward(one, batch, execution)

    settled = settle_outputs(classifier, sample, execution)
    place(settled, execution)
    first = in_batches(settled, few, run, execution.batch_size)  # chooses kernels; its time says nothing
    start = time.perf_counter()
    second = in_batches(settled, few, run, execution.batch_size)
    return _Tried(settled, execution, first, second, time.perf_counter() - start)


def _optimize(
    plain: Prepared,
    sample: Images,
    reference: Reference,
    options: Options,
    images: int,
    pace: float,
) -> Prepared:
    """The quickest form that agrees with the reference, which is for the first images of the sample.

    pace   seconds that the plain network takes per image on one core, or on the device
    """
    classifier, execution = plain.plain
    skipped: dict[str, str] = {}
    form, streams, threads = classifier, 1, None
    if options.precision in HALF:
        try:
            form = cast_weights(classifier, options.precision)
        except NotApplied as error:
            skipped["half-precision weights"] = reason(error)
    if execution.device.type == "cpu":
        with one_thread():
            if options.precision == "fp32" and pace * images >= _WORTH_FUSING_SECONDS:
                try:
                    form = fuse(classifier, sample[: len(reference.logits)], reference)
                except NotApplied as error:
                    skipped["fusion"] = reason(error)
        size = _fixed(options) or _usual(execution.device, sample)
        threads = 1 if pace * size < WORTHWHILE_SECONDS else None
        try:
            streams = count_streams(form, pace * size)
        except NotApplied as error:
            skipped["streams"] = reason(error)
    # What is dropped where a form does not work, in order.
    kind = "half-precision weights" if options.precision in HALF else "fusion"
    forms = {(form, streams): "streams" if streams > 1 else kind, (form, 1): kind, (classifier, 1): "search"}
    for (one, at_once), dropped in forms.items():
        changed = one is not classifier
        wanted = replace(
            execution,
            streams=at_once,
            fused=changed and kind == "fusion",
            half_weights=changed and kind != "fusion",
            threads=threads,
        )
        try:
            chosen, failed = _settle(one, wanted, sample, reference, options, images)
        except Exception as error:
            skipped[dropped if one is not classifier or at_once > 1 else "search"] = reason(error)
            continue
        skipped |= failed
        if options.compile:
            one, chosen, left = _compile(one, chosen, classifier, sample, reference, images)
            skipped |= left
        return replace(plain, classifier=one, execution=chosen, skipped=skipped)
    return replace(plain, skipped=skipped)


def _settle(
    classifier: Classifier,
    execution: Execution,
    sample: Images,
    reference: Reference,
    options: Options,
    images: int,
) -> tuple[Execution, dict[str, str]]:
    """Batch size and layout for one form, and what failed on the way. Raises where the form does not work at all."""

    with Trial(classifier, sample, execution, partial(_check, reference)) as trial:
        if _fixed(options) is not None:
            if execution.streams > 1 or execution.half_weights:  # else there is nothing that was not tried
                trial.try_once(min(len(reference.logits), execution.batch_size))
            return execution, {}
        size, layout = trial.search(images, _usual(execution.device, sample))
        failed = {what: reason(error) for what, error in trial.failures.items()}
    return replace(execution, batch_size=size, memory_format=layout), failed


def _check(reference: Reference, outputs: Outputs) -> None:
    for positions, logits in outputs:
        reference.check(logits, positions)


def _compile(
    classifier: Classifier, execution: Execution, plain: Classifier, sample: Images, reference: Reference, images: int
) -> tuple[Classifier, Execution, dict[str, str]]:
    def pace(form: Classifier, wanted: Execution) -> float:
        with Trial(form, sample, wanted, partial(_check, reference)) as trial:
            return trial.pace()

    source = classifier if execution.half_weights else plain
    return compile_if_quicker(classifier, execution, source, images, pace)
