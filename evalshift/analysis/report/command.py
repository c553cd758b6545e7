"""The command that reproduces a report."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalshift.analysis.options import ReportOptions


def same_again(
    source: str,
    published: bool,
    pairs: Sequence[str] | str | None,
    against: str | None,
    options: ReportOptions,
) -> str:
    """The command line of this report, or the Python call if it has options that only Python offers.

    `source` is the name of the published testbed, or the folder of results.
    """
    named = [pairs] if isinstance(pairs, str) else list(pairs or [])
    if options.level != ReportOptions.level:
        return _call(source, published, named, against, options)
    words = ["evalshift", "report", "--published" if published else "--results", source]
    words += _repeated("--pair", named) + _repeated("--without", options.named)
    if options.without is not None and not options.named:
        words += ["--without", "none"]
    words += [] if against is None else ["--against", against]
    words += _repeated("--models", options.models or ()) + _repeated("--highlight", options.highlight or ())
    words += ["--highlight", "none"] if options.highlight is not None and not options.highlight else []
    words += [] if options.reference is None else ["--reference", options.reference]
    words += _repeated("--include", options.include)
    words += _repeated("--corrected-labels", [f"{name}={file}" for name, file in _corrected(options).items()])
    words += [] if options.color_by is None else ["--color-by", options.color_by]
    words += [] if options.scale == "auto" else [f"--{options.scale}"]
    words += ["--metric", options.metric, "--bootstrap", str(options.resamples), "--seed", str(options.seed)]
    return shlex.join(words)


def _call(source: str, published: bool, pairs: list[str], against: str | None, options: ReportOptions) -> str:
    shown = ("scale", "metric", "level", "resamples", "seed")
    chosen = ", ".join(f"{name}={getattr(options, name)!r}" for name in shown)
    more = {
        "without": None if options.without is None else list(options.named),
        "against": against,
        "models": None if options.models is None else list(options.models),
        "highlight": None if options.highlight is None else list(options.highlight),
        "reference": options.reference,
        "include": list(options.include) or None,
        "corrected_labels": _corrected(options) or None,
        "color_by": options.color_by,
    }
    last = "".join(f", {name}={value!r}" for name, value in more.items() if value is not None)
    first = f"published={source!r}" if published else repr(source)
    return f"evalshift.report({first}, pairs={pairs or None!r}, {chosen}{last}).save()"


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _corrected(options: ReportOptions) -> Mapping[str, str]:
    """The files of corrected labels; only the names of those with absolute paths."""
    return {
        name: Path(path).name if Path(path).is_absolute() else str(path)
        for name, path in options.corrected_labels.items()
    }
