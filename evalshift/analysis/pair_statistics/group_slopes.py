"""The lines of the groups that a report colours models by, and whether their slopes differ."""

from dataclasses import dataclass

import numpy as np

from evalshift.analysis.outcomes.model_groups import ModelGroups, model_groups
from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.missing import Missing, attempt
from evalshift.analysis.statistics.equal_slopes import EqualSlopes, equal_slopes
from evalshift.analysis.statistics.group_lines import GroupLines, group_lines
from evalshift.analysis.statistics.scales import fitted_accuracy, to_scale


@dataclass(frozen=True, eq=False)
class GroupSlopes:
    """The groups of all models, and the lines of those of which enough are in the line.

    lines   scale -> the line of each group
    scale   that of the report, which the slopes are compared on
    slopes  the F test that the lines on this scale have one slope, of the models that they go through
    """

    groups: ModelGroups
    lines: dict[str, GroupLines]
    scale: str
    slopes: EqualSlopes | Missing


def group_slopes(basis: Basis) -> GroupSlopes | None:
    """The lines of the groups by which the report colours models; None where it colours by none."""
    by = basis.options.color_by
    if by is None:
        return None
    groups = model_groups(basis.outcomes, by)
    scales = dict.fromkeys((*basis.options.line_scales, basis.scale))
    lines = {scale: _lines(basis, groups, scale) for scale in scales}
    return GroupSlopes(groups, lines, basis.scale, attempt(lambda: _slopes(basis, lines[basis.scale])))


def _accuracies(basis: Basis, scale: str) -> tuple[np.ndarray, np.ndarray]:
    original_correct, original_total, new_correct, new_total = basis.counts
    x, y = fitted_accuracy(original_correct, original_total, scale), fitted_accuracy(new_correct, new_total, scale)
    return to_scale(x, scale), to_scale(y, scale)


def _lines(basis: Basis, groups: ModelGroups, scale: str) -> GroupLines:
    names = [name if inside else None for name, inside in zip(groups.names, basis.in_line.tolist(), strict=True)]
    return group_lines(*_accuracies(basis, scale), names, basis.families, basis.level)


def _slopes(basis: Basis, found: GroupLines) -> EqualSlopes:
    x, y = _accuracies(basis, basis.scale)
    members = [line.models for line in found.lines]
    models = np.concatenate([*members, np.array([], np.int64)]).astype(np.int64)
    group = np.repeat(np.arange(len(members)), [len(one) for one in members])
    return equal_slopes(x[models], y[models], group)
