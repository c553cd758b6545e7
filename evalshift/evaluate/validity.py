"""Whether stored predictions are still those of a registry's entries, and what changed if they are not. No torch."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from evalshift.errors import EvalshiftError, NewerResultsError, StoreError, first_line
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store import Results
from evalshift.files import sha256_of
from evalshift.testbed.datasets import source_checksum
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.registry import Registry
from evalshift.testbed.weights import current_sha256

NEW = "not run yet"


def stored_fingerprint(registry: Registry, results: Results, dataset: str) -> str | None:
    """The fingerprint noted in the store, if the dataset's files were not touched since; else None.

    So a run with nothing to do reads no images.
    """
    entry = registry.dataset(dataset)
    try:
        facts = results.dataset_facts(dataset)
    except NewerResultsError:
        raise
    except StoreError:
        return None
    if facts is None or facts.source_checksum is None:
        return None
    # The order of the classes decides what a folder's label is, so it belongs to the data.
    now = {
        "classes": entry.classes,
        "class_names": list(registry.label_space(entry).names),
        "entry": entry.model_dump(mode="json", exclude_defaults=True),
        "source_checksum": source_checksum(entry),
    }
    if entry.seen is not None:
        now["view"] = entry.seen.facts()
    if not now.items() <= facts.model_dump().items():
        return None
    try:
        return results.load_dataset(dataset).fingerprint
    except StoreError:  # its rows are damaged
        return None


def why_redo(
    entry: AnyModel,
    dataset: str,
    model: str,
    results: Results,
    fingerprint: str | None,
    options: Options,
    hash_of: Callable[[Path], str] = sha256_of,
) -> str | None:
    """Why stored predictions are no longer valid for this entry, run with these options; None when they are.

    fingerprint   of the dataset; None where it would have to be read for that
    hash_of       the sha256 of a file of weights
    """
    try:
        stored = results.provenance(dataset, model)
    except NewerResultsError:
        raise
    except StoreError as error:
        return f"the stored file cannot be read ({error.found})"
    if stored is None:
        return NEW
    if stored.imported is not None:
        return f"what is stored was imported ({', '.join(stored.imported.files)}), not run from this entry"
    reasons = (
        *differences(stored.identity, _as_stored(entry.identity())),
        _other_checkpoint(entry, stored, hash_of),
        _other_dataset(fingerprint, stored),
        _other_decoding(options.fast_decode, stored),
        _other_precision(options.precision, stored),
        "its logits are not stored" if options.save_logits and not results.has_logits(dataset, model) else None,
    )
    return next((reason for reason in reasons if reason), None) or _damage(results, dataset, model)


def _damage(results: Results, dataset: str, model: str) -> str | None:
    """What is wrong with the rows of stored predictions, which a report would refuse."""
    try:
        results.load_predictions(dataset, model)
    except StoreError as error:
        return f"the stored file cannot be read ({error.found})"
    return None


def is_of(predictions: Predictions, entry: AnyModel, fingerprint: str, precision: str) -> bool:
    """Whether predictions are of this form of a model in a precision, on the images with this fingerprint."""
    stored = predictions.provenance
    if stored.imported is not None or stored.dataset_fingerprint != fingerprint or stored.precision != precision:
        return False
    return not differences(stored.identity, _as_stored(entry.identity()))


def _other_precision(precision: str, stored: Provenance) -> str | None:
    return None if precision == stored.precision else f"precision {stored.precision} → {precision}"


def _other_decoding(fast_decode: bool, stored: Provenance) -> str | None:
    if fast_decode == (stored.fast_decode is not None):
        return None
    return "JPEG decoding full size → reduced" if fast_decode else "JPEG decoding reduced → full size"


def _other_dataset(fingerprint: str | None, stored: Provenance) -> str | None:
    if fingerprint is None:
        return "its dataset must be read again to know whether it changed"
    return None if fingerprint == stored.dataset_fingerprint else "the dataset changed"


def _as_stored(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity as it comes back from a file: JSON has lists only, and text keys."""
    return json.loads(json.dumps(identity))


def _other_checkpoint(entry: AnyModel, stored: Provenance, hash_of: Callable[[Path], str]) -> str | None:
    known = stored.checkpoint_sha256
    try:
        current = current_sha256(entry, hash_of)
    except EvalshiftError as error:
        return first_line(error)
    if current is None:  # gone or never a file: what was stored came from it all the same
        return None
    if known is not None and known.startswith(current):
        return None
    return f"checkpoint {(known or 'unknown')[:8]} → {current[:8]}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two entries, one text per key: `preprocess.mean [0.5] → [0.4]`."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{key} {_short(before.get(key, 'not set'))} → {_short(after.get(key, 'not set'))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _short(value: object) -> object:
    """The first digits of a sha256, as in file names."""
    return value[:8] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else value


def _leaves(entry: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):  # an empty one says no more than none
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
