"""What the runs behind a pair recorded that its reader should know."""

from collections import defaultdict
from collections.abc import Mapping

from evalshift.evaluate.predictions import Provenance
from evalshift.formatting import name_some


def run_notes(provenance: Mapping[str, tuple[Provenance, Provenance]]) -> list[str]:
    """What bears on the comparison, a sentence for all the models that it concerns.

    provenance   model -> how its predictions on the original and on the new set came about
    """
    concerned: dict[str, list[str]] = defaultdict(list)
    precisions = {run.precision for runs in provenance.values() for run in runs}
    for model, (original, new) in provenance.items():
        if (original.imported is None) != (new.imported is None):
            concerned["Run on one set, and imported on the other"].append(model)
        elif original.identity != new.identity:
            concerned["The registry entry changed between the run on the original and on the new set"].append(model)
        if None not in (original.device, new.device) and (original.device, original.precision) != (
            new.device,
            new.precision,
        ):
            concerned["Device or precision differ between the two sets"].append(model)
        elif new.precision not in (None, "fp32") and "fp32" in precisions:
            text = f"Run in {new.precision}, where others ran in fp32, which changes a few predictions"
            concerned[text].append(model)
        for warning in dict.fromkeys((*original.warnings, *new.warnings)):
            concerned[warning.rstrip(".")].append(model)
        if new.entry.get("selected_on") == "test":
            text = "Checkpoint selected by its test accuracy, which inflates its accuracy on the original set"
            concerned[text].append(model)
    notes = [f"{text}: {name_some(models)}." for text, models in concerned.items()]
    return notes + _decoder_notes(provenance)


def _decoder_notes(provenance: Mapping[str, tuple[Provenance, Provenance]]) -> list[str]:
    """That JPEG files were decoded in several ways, where they were."""
    decoded: dict[str, dict[str, None]] = defaultdict(dict)
    for model, runs in provenance.items():
        for versions in (run.versions for run in runs):
            for library in versions.keys() & {"libjpeg-turbo", "libjpeg"}:
                decoded[f"Pillow {versions.get('pillow')} with {library} {versions[library]}"][model] = None
    if len(decoded) < 2:
        return []
    ways = "; ".join(f"by {way} for {name_some(list(models))}" for way, models in decoded.items())
    alike = "`evalshift run --force` runs all of them in the same way"
    return [f"JPEG files were decoded in different ways, so pixels and a few predictions may differ: {ways}. {alike}."]
