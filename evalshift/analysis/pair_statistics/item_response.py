"""Item response on both sets of a pair, where it is asked for."""

from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.item_response import LEAST_MODELS, AbilityChange, ability_change


def item_response(basis: Basis) -> AbilityChange | Missing | None:
    """Abilities of the models on either set, linked by the models; None where they are not asked for."""
    if "item_response" not in basis.options.include:
        return None
    return basis.of_images(lambda original, new: ability_change(original, new, basis.level), least=LEAST_MODELS)
