"""One model on all of its datasets, wherever that happens: loaded once, run, and handed over as soon as it is done."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from evalshift.errors import DataError, EvalshiftError, first_line
from evalshift.evaluate.expected import off_words
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Failure, PrecisionComparison, Predictions
from evalshift.evaluate.process_state import folder_kept, process_state_kept
from evalshift.evaluate.progress import RunProgress
from evalshift.formatting import percent
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.data_access import without_network
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.model_entries import AnyModel

if TYPE_CHECKING:  # torch is imported when the first model runs
    import torch

    from evalshift.evaluate.images import ImageReader


Keep = Callable[[Predictions, np.ndarray | None], None]


@dataclass(frozen=True)
class Work:
    """A model and the datasets that want it.

    written    the registry entry as it stands in YAML, for the record
    revision   commit of the user's own project
    """

    name: str
    entry: AnyModel
    datasets: tuple[str, ...]
    space: ClassSpace
    written: Mapping[str, Any]
    revision: str | None


@dataclass(frozen=True)
class Bench:
    """What the models of one run share: the data, where predictions are stored, and the options."""

    reader: Callable[[str], "ImageReader"]
    fingerprint: Callable[[str], str]
    keep: Keep
    options: Options
    device: "torch.device"
    progress: RunProgress


def run_model(work: Work, bench: Bench) -> list[Failure]:
    """Run one model on all of its datasets: predictions are stored, failures are returned.

    Raises DataError where a dataset turns out to be damaged: no other model would fare better.
    """
    with process_state_kept():
        return _run_model(work, bench)


def _run_model(work: Work, bench: Bench) -> list[Failure]:
    from evalshift.evaluate.devices import set_precision
    from evalshift.evaluate.evaluation import Origin, evaluate_classifier
    from evalshift.evaluate.preparation import prepare
    from evalshift.testbed.models import load_classifier

    images = sum(len(bench.reader(name).dataset) for name in work.datasets)
    try:
        with bench.progress.aside(), folder_kept():
            classifier = load_classifier(work.name, work.entry, work.space)
    except EvalshiftError as error:
        bench.progress.skip(images)
        return [_failed(work.name, None, str(error), bench)]
    if classifier.left_out:
        bench.progress.note(Text(f"{work.name}: {_left_out(classifier.left_out)}"))
    origin = Origin(work.written, work.entry.identity(), work.revision)
    prepared, failures, lines = None, [], []
    for name in work.datasets:
        reader = bench.reader(name)
        try:
            progress = bench.progress.job(f"{work.name} on {name}", len(reader.dataset))
            # Once more here: what builds a network may have set another precision for all.
            precision = set_precision(bench.options.precision, bench.device)
            with progress as advance, folder_kept(), without_network(work.name), precision:
                if prepared is None:
                    prepared = prepare(classifier, reader, bench.device, bench.options, images)
                    for warning in prepared.warnings:
                        bench.progress.note(Text.assemble((f"{work.name:<28} ", "bold"), f"warning: {warning}."))
                    if prepared.comparison is not None:
                        compared = _comparison_words(prepared.comparison, bench.options.precision)
                        bench.progress.note(Text.assemble((f"{work.name:<28} ", "bold"), compared))
                predictions, result = evaluate_classifier(
                    prepared,
                    reader,
                    origin,
                    bench.fingerprint(name),
                    keep_logits=bench.options.save_logits,
                    advance=advance,
                )
        except DataError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # someone else's network, and its exceptions
            failures.append(_failed(work.name, name, _explain(error), bench))
            continue
        bench.keep(predictions, result.logits)
        lines.append(_line(predictions, result.images_per_second, reader.dataset, work.entry.expected.get(name)))
    if lines:
        bench.progress.note(Text.assemble((f"{work.name:<28} ", "bold"), "   ".join(lines)))
    return failures


def _left_out(names: tuple[str, ...]) -> str:
    more = ", …" if len(names) > 5 else ""
    count = f"{len(names):,} tensors" if len(names) > 1 else "1 tensor"
    return f"{count} of the checkpoint left out (ignore): {', '.join(names[:5])}{more}"


def _comparison_words(comparison: PrecisionComparison, precision: str) -> str:
    return f"{precision}: {comparison.differing:,} of {comparison.images:,} predictions differ from those in fp32"


def _line(predictions: Predictions, images_per_second: float, dataset: Dataset, published: float | None) -> str:
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
    text = f"the network raised {type(error).__name__}: {first_line(error)}"
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
