"""What `evalshift import` prints: accuracies of imported models, the rules applied, and what is implausible."""

from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stderr, stdout, wrapped
from evalshift.formatting import percent

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.evaluate.importers.predictions import ImportReport

# With more models, only the best and the worst of each dataset are printed.
_MODELS_LISTED = 10


def print_import(report: "ImportReport", results: Path) -> None:
    """The accuracies of imported models, the rules applied, implausible predictions, and the pairs to report on."""
    if len(report.models) <= _MODELS_LISTED:
        rows = [
            (one.model, one.dataset, f"{one.images:,}", _percent(one.top1, one.images), _percent(one.top5, one.images))
            for one in report.models
        ]
        print_table(("model", "dataset", "images", "top-1", "top-5"), rows, "llrrr")
    else:
        rows = []
        for dataset in dict.fromkeys(one.dataset for one in report.models):
            ones = [one for one in report.models if one.dataset == dataset]
            best, worst = max(ones, key=lambda one: one.top1), min(ones, key=lambda one: one.top1)
            span = [f"{_percent(one.top1, one.images)} ({one.model})" for one in (best, worst)]
            rows.append((dataset, f"{best.images:,}", str(len(ones)), *span))
        print_table(("dataset", "images", "models", "best top-1", "worst top-1"), rows, "lrrll")
    console = stdout()
    console.print()
    for rule in report.rules:
        console.print(wrapped(f"rule: {rule}", indent=""))
    for note in _review(report, results):
        console.print(wrapped(f"note: {note}", indent=""), style="yellow")
    console.print(f"results: {results}")
    if report.pairs:
        console.print(f"pairs for `evalshift report`: {', '.join(report.pairs)}")


def _review(report: "ImportReport", results: Path) -> tuple[str, ...]:
    """Notes on implausible predictions among those imported, which are stored unchanged."""
    with stderr().status("checking the predictions"):
        from evalshift.analysis.checks.review import review_predictions
        from evalshift.evaluate.store import Results

        return review_predictions(Results(results), [(one.dataset, one.model) for one in report.models])


def _percent(correct: int | None, images: int) -> str:
    return "" if correct is None else f"{percent(correct / images, 2)} %"
