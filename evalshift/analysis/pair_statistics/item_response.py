"""Item response on both sets of a pair, if requested."""

import numpy as np

from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.missing import Missing, attempt, require
from evalshift.analysis.statistics.class_difficulties import ClassDifficulties, class_difficulties
from evalshift.analysis.statistics.item_response import LEAST_MODELS, AbilityChange, ability_change
from evalshift.errors import AnalysisError


def item_response(basis: Basis) -> AbilityChange | Missing | None:
    """Abilities of the models on either set, linked by the models; None where they are not asked for."""
    if "item_response" not in basis.options.include:
        return None
    return basis.of_images(lambda original, new: ability_change(original, new, basis.level), least=LEAST_MODELS)


def difficulty_of_classes(
    basis: Basis, abilities: AbilityChange | Missing | None
) -> ClassDifficulties | Missing | None:
    """Difficulties of the classes on either set, by these abilities; None where item response is not asked for."""
    if abilities is None:
        return None
    return attempt(lambda: _of_classes(basis, require(abilities)))


def _of_classes(basis: Basis, abilities: AbilityChange) -> ClassDifficulties:
    assert basis.predictions is not None
    basis.require_independent()
    original, new = basis.predictions
    found = class_difficulties(abilities, original.labels, new.labels, len(original.class_names), basis.level)
    if np.isnan(found.p_holm).all():
        raise AnalysisError("no class has two images on both sets")
    return found
