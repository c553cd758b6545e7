"""Models on all of their datasets, wherever that happens: loaded once, run, and handed over as soon as they are done.

Models that want the same pixels share them: each image is decoded once and kept, or, where a dataset fits nowhere,
goes to all models of a group in turn.
"""

import logging
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from evalshift.errors import DataError, EvalshiftError, type_and_message
from evalshift.evaluate import at_work
from evalshift.evaluate.expected import off_words
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Failure, PrecisionComparison, Predictions
from evalshift.evaluate.process_state import process_state_kept, run_state_kept
from evalshift.evaluate.progress import RunProgress
from evalshift.evaluate.time_spent import TimeSpent
from evalshift.formatting import percent
from evalshift.interrupts import raise_interrupt
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.data_access import without_network
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.model_entries import AnyModel

if TYPE_CHECKING:  # torch is imported when the first model runs
    import torch

    from evalshift.evaluate.evaluation import Origin
    from evalshift.evaluate.images import ImageReader, SharedReader
    from evalshift.evaluate.preparation import Prepared
    from evalshift.testbed.models import Classifier


Keep = Callable[[Predictions, np.ndarray | None], None]


@dataclass(frozen=True)
class Work:
    """A model and the datasets that want it.

    written    the registry entry as it stands in YAML, for the record
    own        whether it is of the user's own registry file
    revision   commit of the user's own project
    config     options of the run that came from a file
    """

    name: str
    entry: AnyModel
    datasets: tuple[str, ...]
    space: ClassSpace
    written: Mapping[str, Any]
    revision: str | None
    own: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What the models of one run share: the data, where predictions are stored, and the options.

    spent     how the time went so far
    at_work   notes that a model is being built or run, for as long as its context is open
    damaged   datasets of which an image cannot be decoded, which no model is run on
    """

    reader: Callable[[str], "ImageReader"]
    fingerprint: Callable[[str], str]
    keep: Keep
    options: Options
    device: "torch.device"
    progress: RunProgress
    spent: TimeSpent = field(default_factory=TimeSpent)
    damaged: dict[str, DataError] = field(default_factory=dict)
    at_work: Callable[[Work], AbstractContextManager[None]] = lambda _: nullcontext()


@dataclass(eq=False)
class Loaded:
    """A model that was built, and what came of it so far.

    prepared   the form in which it is run, once that was found
    lines      what is printed of it, one text per dataset
    """

    work: Work
    classifier: "Classifier"
    origin: "Origin"
    prepared: "Prepared | None" = None
    failures: list[Failure] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def memory(self) -> int:
        """Bytes of its parameters and buffers."""
        module = self.classifier.module
        return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def run_shard(work: Work, start: int, stop: int, bench: Bench) -> list[Failure]:
    """Run one model on the images `start` to `stop` of its one dataset; predictions of these alone are handed on.

    What is decided on images, such as what the outputs are and how the network is run, is decided on the first of the
    whole dataset, and so alike for all of its shards. Raises DataError for an image that cannot be decoded.
    """
    from evalshift.evaluate.devices import set_precision
    from evalshift.evaluate.images import ImageReader

    [name] = work.datasets
    with process_state_kept(), bench.at_work(work):
        loaded = load(work, bench)
        if isinstance(loaded, Failure):
            return [loaded]
        whole = bench.reader(name)
        part = ImageReader(whole.dataset.only(np.arange(start, stop)), whole.workers, 0, fast_decode=whole.fast_decode)
        try:
            with set_precision(bench.options.precision, bench.device), closing(part):
                if _is_prepared(loaded, name, bench):
                    _run_one(loaded, name, part, bench)
        except DataError as error:
            _note_damage(name, error, bench)
        return loaded.failures


def load(work: Work, bench: Bench) -> Loaded | Failure:
    """Build a model; the failure, which is printed, where it cannot be built."""
    from evalshift.evaluate.evaluation import Origin
    from evalshift.testbed.models import load_classifier

    try:
        with bench.progress.aside(), run_state_kept(), _warnings_noted(work.name, bench.progress):
            classifier = load_classifier(work.name, work.entry, work.space)
    except EvalshiftError as error:
        bench.progress.skip(sum(len(bench.reader(name).dataset) for name in work.datasets))
        return _failed(work.name, None, str(error), bench)
    if classifier.left_out:
        bench.progress.note(Text(f"{work.name}: {_left_out(classifier.left_out)}"))
    return Loaded(work, classifier, Origin(work.written, work.entry.identity(), work.revision, work.own, work.config))


@contextmanager
def _warnings_noted(name: str, progress: RunProgress) -> Iterator[None]:
    """What somebody's code warns of and logs, in a line each with the name of the model, instead of across the bars."""
    logged = _Logged(logging.WARNING)
    logging.getLogger().addHandler(logged)  # with one there, Python itself prints nothing
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
    finally:
        logging.getLogger().removeHandler(logged)
    said = [*(str(one.message) for one in caught), *logged.texts]
    for text in dict.fromkeys(" ".join(text.split()) for text in said):
        progress.note(Text(f"{name}: warning: {text}"))


class _Logged(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.texts.append(record.getMessage())
        except Exception:  # its arguments do not fit its text, which Python lets pass
            self.texts.append(str(record.msg))


def run_group(group: Sequence[Loaded], bench: Bench) -> list[Failure]:
    """Run models with the same geometry on all of their datasets.

    On a CPU the images are decoded before the networks run, since both want all cores; a GPU computes meanwhile.
    """
    names = dict.fromkeys(name for loaded in group for name in loaded.work.datasets)
    together = {name: [loaded for loaded in group if name in loaded.work.datasets] for name in names}
    for name, models in together.items():
        _decode_ahead(name, models, bench)
    for name, models in together.items():
        _run_on_dataset(name, models, bench)
    for loaded in group:
        if loaded.lines:
            text = "   ".join(loaded.lines)
            bench.progress.note(Text.assemble((f"{loaded.work.name:<28} ", "bold"), text))
    return [failure for loaded in group for failure in loaded.failures]


def is_streamed(loaded: Loaded, bench: Bench) -> bool:
    """Whether the images of one of its datasets fit nowhere, so that another model would have to decode them again."""
    for name in loaded.work.datasets:
        try:
            if name not in bench.damaged and not bench.reader(name).keeps(loaded.classifier.preprocess):
                return True
        except EvalshiftError:  # it is raised again where it is reported
            continue
    return False


def _decode_ahead(name: str, models: Sequence[Loaded], bench: Bench) -> None:
    """Decode a dataset as far as it can be kept, and note where an image cannot be decoded."""
    reader, preprocess = bench.reader(name), models[0].classifier.preprocess
    if name in bench.damaged:
        return
    try:
        if bench.device.type != "cpu" or reader.is_ready(preprocess) or not reader.keeps(preprocess):
            return
        began = time.perf_counter()
        with bench.progress.decoding(f"decoding {name}", len(reader.dataset)) as advance:
            reader.fill(preprocess, advance)
        bench.spent.decode += time.perf_counter() - began
    except DataError as error:
        _note_damage(name, error, bench)
    except EvalshiftError:  # the geometry does not suit the images: each model says so
        return


def _note_damage(name: str, error: DataError, bench: Bench) -> None:
    bench.damaged[name] = error
    bench.progress.note(Text.assemble((f"no model is run on {name}: ", "bold red"), str(error)))


def _run_on_dataset(name: str, models: Sequence[Loaded], bench: Bench) -> None:
    if name not in bench.damaged:
        try:
            _run_together(name, models, bench)
            return
        except DataError as error:
            _note_damage(name, error, bench)
    images = len(bench.reader(name).dataset)
    bench.progress.skip(sum(images for loaded in models if not _is_done(loaded, name)))


def _run_together(name: str, models: Sequence[Loaded], bench: Bench) -> None:
    """Run models one after the other, or in turns where the images of the dataset fit nowhere."""
    from evalshift.evaluate.devices import set_precision

    reader = bench.reader(name)
    # Once more here: what builds a network may have set another precision for all.
    with set_precision(bench.options.precision, bench.device):
        ready = [loaded for loaded in models if _is_prepared(loaded, name, bench)]
        if len(ready) > 1 and not reader.keeps(ready[0].classifier.preprocess):
            _run_in_turns(name, ready, bench)
            return
        for loaded in ready:
            _run_one(loaded, name, reader, bench)


def _is_done(loaded: Loaded, name: str) -> bool:
    return any(failure.dataset == name for failure in loaded.failures) or any(
        line.startswith(f"{name} ") for line in loaded.lines
    )


def _is_prepared(loaded: Loaded, name: str, bench: Bench) -> bool:
    """Find the form in which a model is run, on the first images of its first dataset; False where it fails."""
    from evalshift.evaluate.preparation import prepare

    if loaded.prepared is not None:
        return True
    work, reader = loaded.work, bench.reader(name)
    images = sum(len(bench.reader(other).dataset) for other in work.datasets)
    try:
        with (
            bench.progress.preparing(f"{work.name} on {name}", len(reader.dataset)),
            run_state_kept(),
            without_network(work.name),
        ):
            loaded.prepared = prepare(loaded.classifier, reader, bench.device, bench.options, images)
    except DataError:
        raise
    except BaseException as error:  # someone else's network, and its exceptions
        raise_interrupt(error)
        loaded.failures.append(_failed(work.name, name, _explain(error), bench))
        bench.progress.skip(len(reader.dataset))
        return False
    for warning in loaded.prepared.warnings:
        bench.progress.note(Text.assemble((f"{work.name:<28} ", "bold"), f"warning: {warning}."))
    if loaded.prepared.comparison is not None:
        compared = _comparison_words(loaded.prepared.comparison, bench.options.precision)
        bench.progress.note(Text.assemble((f"{work.name:<28} ", "bold"), compared))
    return True


def _run_one(loaded: Loaded, name: str, reader: "ImageReader | SharedReader", bench: Bench) -> None:
    """Run a prepared model on one dataset. Raises DataError where the dataset turns out to be damaged."""
    from evalshift.evaluate.evaluation import evaluate_classifier

    work, waited, began = loaded.work, reader.decode_seconds, time.perf_counter()
    assert loaded.prepared is not None
    try:
        with (
            bench.progress.job(f"{work.name} on {name}", len(reader.dataset)) as advance,
            run_state_kept(),
            without_network(work.name),
        ):
            predictions, result = evaluate_classifier(
                loaded.prepared,
                reader,
                loaded.origin,
                bench.fingerprint(name),
                keep_logits=bench.options.save_logits,
                advance=advance,
            )
    except DataError:
        raise
    except BaseException as error:  # someone else's network, and its exceptions
        raise_interrupt(error)
        loaded.failures.append(_failed(work.name, name, _explain(error), bench))
        return
    finally:
        waited = reader.decode_seconds - waited
        bench.spent.decode += waited
        bench.spent.forward += max(0.0, time.perf_counter() - began - waited)
    at_work.check()
    with bench.spent.storing():
        bench.keep(predictions, result.logits)
    loaded.lines.append(result_line(predictions, result.images_per_second, reader.dataset, work.entry))


def _run_in_turns(name: str, models: Sequence[Loaded], bench: Bench) -> None:
    """Run several models on one stream of images, each in a thread of its own, one at work at a time."""
    import torch

    from evalshift.evaluate.images import SharedReader
    from evalshift.evaluate.turns import Turns, in_chunks, one_ahead

    reader, preprocess = bench.reader(name), models[0].classifier.preprocess
    threads = torch.get_num_threads()
    with closing(reader.stream(preprocess)) as parts:
        chunks = in_chunks(parts)
        turns = Turns(chunks if bench.device.type == "cpu" else one_ahead(chunks), len(models))

        def work(member: int) -> None:
            try:
                torch.set_num_threads(threads)  # a setting of each thread
                _run_one(models[member], name, SharedReader(reader, turns, member), bench)
            finally:
                turns.leave(member)

        with ThreadPoolExecutor(len(models), thread_name_prefix="evalshift-model") as pool:
            try:
                running = [pool.submit(work, member) for member in range(len(models))]
                for one in running:
                    one.result()
            finally:
                turns.stop()


def _left_out(names: tuple[str, ...]) -> str:
    more = ", …" if len(names) > 5 else ""
    count = f"{len(names):,} tensors" if len(names) > 1 else "1 tensor"
    return f"{count} of the checkpoint left out (ignore): {', '.join(names[:5])}{more}"


def _comparison_words(comparison: PrecisionComparison, precision: str) -> str:
    return f"{precision}: {comparison.differing:,} of {comparison.images:,} predictions differ from those in fp32"


def is_off(predictions: Predictions, dataset: Dataset, entry: AnyModel) -> bool:
    """Whether the accuracy differs from the expected one of the registry by more than a few images."""
    correct = int(predictions.hits(dataset.truth).sum())
    return off_words(correct, len(dataset), entry.expected.get(dataset.name)) is not None


def result_line(predictions: Predictions, images_per_second: float, dataset: Dataset, entry: AnyModel) -> str:
    """A model's accuracy on a dataset and its speed, as a run prints them."""
    published = entry.expected.get(dataset.name)
    correct, total = int(predictions.hits(dataset.truth).sum()), len(dataset)
    remarks = (off_words(correct, total, published),)  # warnings are printed once, when they are found
    words = "".join(f" ({remark})" for remark in remarks if remark)
    return f"{dataset.name} {percent(correct / total)} %{words} ({images_per_second:,.0f} images/s)"


def _failed(name: str, dataset: str | None, error: str, bench: Bench) -> Failure:
    on = f" on {dataset}" if dataset else ""
    bench.progress.note(Text.assemble((f"{name}{on} failed: ", "bold red"), error))
    return Failure(name, dataset, error)


def _explain(error: BaseException) -> str:
    if isinstance(error, EvalshiftError):
        return str(error)
    text = f"the network raised {type_and_message(error)}"
    from evalshift.evaluate.devices import is_out_of_memory

    if is_out_of_memory(error):
        return f"{text}\n  {'fix:':<10}use a smaller batch size, or auto"
    place = _place_in_own_code(error)
    return f"{text}\n  {'where:':<10}{place}" if place else text


def _place_in_own_code(error: BaseException) -> str | None:
    """The last line of the user's code that the exception came by; below it torch is talking to itself."""
    import torch

    import evalshift

    ours, torchs = (str(Path(module.__file__ or "").parent) for module in (evalshift, torch))
    frames = traceback.extract_tb(error.__traceback__)
    called = max((position for position, frame in enumerate(frames) if frame.filename.startswith(ours)), default=-1)
    own = [frame for frame in frames[called + 1 :] if not frame.filename.startswith(torchs)]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else None
