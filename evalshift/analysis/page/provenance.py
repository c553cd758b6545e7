"""How the predictions were made, for readers."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import yaml

from evalshift.analysis.checks.review import expected_accuracy_words
from evalshift.analysis.summary import PairSummary
from evalshift.analysis.tables.of_expected_accuracy import verdicts_table
from evalshift.analysis.tables.read import readable_statistic
from evalshift.formatting import name_some
from evalshift.publishing import publishable


def provenance_view(pair: PairSummary) -> dict[str, Any]:
    """Datasets, runs, registry entries, software and expected accuracy check of a pair; empty where nothing was run."""
    models = publishable(pair.provenance.get("models", {}))
    datasets = publishable(pair.provenance.get("datasets", {}))
    return {
        "datasets": {name: {**facts, "entry": _yaml(facts["entry"])} for name, facts in datasets.items()},
        "models": [_model_view(model, runs) for model, runs in models.items()],
        "entries": _yaml({model: next(iter(runs.values()))["entry"] for model, runs in models.items()}),
        "warnings": _warnings(models),
        "versions": _versions(models),
        "expected_accuracy": _expected_accuracy_view(pair),
    }


def _expected_accuracy_view(pair: PairSummary) -> dict[str, Any] | None:
    """The expected accuracy check in a sentence and a table; None where no accuracy is published."""
    words = None if pair.expected_accuracy is None else expected_accuracy_words(pair.expected_accuracy)
    if words is None or pair.expected_accuracy is None:
        return None
    table = verdicts_table(pair.expected_accuracy, pair.titles)
    text = readable_statistic(table)
    return {
        "words": words,
        "title": table.title,
        "note": table.words,
        "columns": list(text),
        "rows": text.to_numpy().tolist(),
    }


def _model_view(model: str, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How one model was run, as texts; where its two runs differ, both, as original → new."""

    def both(fact) -> str:
        return " → ".join(dict.fromkeys(fact(run) for run in runs.values()))

    return {
        "model": model,
        "source": both(_source_words),
        "checkpoint": both(lambda run: (run["checkpoint_sha256"] or "–")[:12]),
        "preprocess": both(lambda run: "–" if run["preprocess"] is None else _preprocess_words(run["preprocess"])),
        "hardware": both(lambda run: _execution_words(run) if run["device"] else "–"),
        "start": both(lambda run: run["start"][:16].replace("T", " ")),
    }


def _source_words(run: Mapping[str, Any]) -> str:
    imported = run.get("imported")
    if imported:
        return f"{imported['source']}, imported from {name_some(list(imported['files']), limit=2)}"
    return str(run["entry"].get("source") or "–")


def _execution_words(run: Mapping[str, Any]) -> str:
    """How a model was run, in a line; of outputs and optimisations, only what is not as usual."""
    words = [run["device"], run["precision"], f"batch size {run['batch_size']}"]
    if run.get("output_kind", "logits") != "logits":
        words.append(f"outputs taken as {run['output_kind']}")
    config = ", ".join(f"{name} {_value(value)}" for name, value in (run.get("config") or {}).items())
    skipped = [f"{name} ({why})" for name, why in (run.get("skipped_optimizations") or {}).items()]
    text = ", ".join(words) + (f"; options from a file: {config}" if config else "")
    return text + (f"; optimizations not used: {'; '.join(skipped)}" if skipped else "")


def _value(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _preprocess_words(facts: Mapping[str, Any]) -> str:
    """Preprocessing in one line: "resize 256 bilinear, crop 224 × 224, mean 0.5, std 0.25"; defaults are omitted."""
    unsaid = {"antialias": True, "channels": "rgb", "scale": 1, "fill": 0}
    said = {name: fact for name, fact in facts.items() if fact is not None and unsaid.get(name) != fact}
    interpolation = said.pop("interpolation", "")
    first = ("pad", "resize", "letterbox", "fill", "crop", "scale", "mean", "std", "channels")
    words = []
    for name in sorted(said, key=lambda name: first.index(name) if name in first else len(first)):
        fact = said[name] if isinstance(said[name], list | tuple) else [said[name]]
        text = (" × " if name in ("resize", "letterbox", "crop") else " ").join(map(str, fact))
        words.append(f"{name} {text} {interpolation if name in ('resize', 'letterbox') else ''}".strip())
    return ", ".join(words) or "pixels in [0, 1]"


def _versions(models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[tuple[str, list[str]]]:
    """The software behind the predictions: each combination of versions, with its models."""
    made: dict[str, dict[str, None]] = defaultdict(dict)
    for model, runs in models.items():
        for run in runs.values():
            versions = [f"{name} {version}" for name, version in sorted(run["versions"].items())]
            if run["git_revision"]:
                commit, changed, _ = run["git_revision"].partition("+")
                versions.append(f"git {commit[:12]}{' with uncommitted changes' if changed else ''}")
            if versions:  # imported predictions have none
                made[", ".join(versions)][model] = None
    return [(text, list(names)) for text, names in made.items()]


def _warnings(models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Warnings of the runs."""
    return [
        f"{model} on {dataset}: {warning}"
        for model, runs in models.items()
        for dataset, run in runs.items()
        for warning in run.get("warnings") or ()
    ]


def _yaml(entry: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True, width=100).rstrip() if entry else ""
