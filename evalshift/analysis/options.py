"""The options that determine a report's numbers, validated when created."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from evalshift.analysis.outcomes import METRICS, Outcomes
from evalshift.analysis.outcomes.model_groups import COLOR_BY
from evalshift.analysis.outcomes.selection import check_selection, select_models
from evalshift.analysis.statistics.scales import SCALES
from evalshift.errors import UsageError, unknown_name
from evalshift.formatting import name_some

# Tables that a report makes only on request: one is slow, the other is long (and always made for few models).
EXTRA_TABLES = ("item_response", "pairs")

# With more resamples, percentiles move by less than the third digit, while memory and time grow.
MOST_RESAMPLES = 10_000_000


class Choices(TypedDict, total=False):
    """The options as keyword arguments of the functions that create a `ReportOptions`."""

    scale: str
    metric: str
    level: float
    resamples: int
    seed: int
    without: Sequence[str] | str | None
    models: Sequence[str] | str | None
    highlight: Sequence[str] | str | None
    labels: Mapping[str, str]
    reference: str | None
    include: Sequence[str] | str
    corrected_labels: Mapping[str, str | Path]
    color_by: str | None


@dataclass(frozen=True)
class Scope:
    """The parts of a report that a single figure needs; nothing else is computed.

    parts    fields of `pair_statistics.compute.Statistics`; the others are Missing
    tables   by name
    lines    number of scales with lines: 0, 1 for that of the report, 2 for both of `drawn_scales`
    metrics  "top1", "top5"
    alone    those of the parts that are not shown where several pairs are drawn as panels
    """

    parts: frozenset[str]
    tables: frozenset[str]
    lines: int
    metrics: tuple[str, ...]
    alone: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ReportOptions:
    """The options of a report; raises UsageError if one of them is out of range.

    scale      "linear", "probit" or "logit", for all statistics that need one; "auto" for the result of
               `scale_choice.choose_scale`
    metric     "top1" or "top5", the metric shown first
    level      of all intervals, in (0, 1)
    resamples  of the bootstraps, 0 for none
    seed       of the bootstraps
    without    families left out of the lines, one name or several. None means those that the publication of a published
               testbed or of an imported release leaves out, and no family for the user's own models
    models     names or globs of the models of the report, one or several; None for all
    highlight  names or globs of the models to name and mark wherever models are shown; None for those of the user's own
               registry file, an empty list for none
    labels     model or dataset -> text shown instead of its title
    scope      the parts to compute; None for everything
    reference  model whose errors normalise corruption errors; None for a model called alexnet
    include    tables that are made only on request, one name or several of EXTRA_TABLES
    corrected_labels  dataset -> file of corrected labels of its images, see `testbed.corrected_labels`
    color_by   one of `model_groups.COLOR_BY`: a colour and a line for each of these groups; None for colours by family,
               only on the page and without lines
    """

    scale: str = "auto"
    metric: str = "top1"
    level: float = 0.95
    resamples: int = 100_000
    seed: int = 0
    without: Sequence[str] | str | None = None
    models: Sequence[str] | str | None = None
    highlight: Sequence[str] | str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    scope: Scope | None = None
    reference: str | None = None
    include: Sequence[str] | str = ()
    corrected_labels: Mapping[str, str | Path] = field(default_factory=dict)
    color_by: str | None = None

    def __post_init__(self) -> None:
        extra = (self.include,) if isinstance(self.include, str) else tuple(self.include)
        object.__setattr__(self, "include", extra)
        if self.without is not None:
            object.__setattr__(self, "without", self.named)
        for name in ("models", "highlight"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _listed(getattr(self, name)))
        for word, value, allowed in (
            ("scale", self.scale, ("auto", *SCALES)),
            ("metric", self.metric, tuple(METRICS)),
            *(("table to include", name, EXTRA_TABLES) for name in extra),
            *([("group to color models by", self.color_by, COLOR_BY)] if self.color_by is not None else []),
        ):
            if value not in allowed:
                raise unknown_name(f"unknown {word}", value, allowed)
        for word, value, holds, expected in (
            ("level", self.level, 0 < self.level < 1, "a fraction between 0 and 1, such as 0.95"),
            (
                "number of resamples",
                self.resamples,
                self.resamples == 0 or 2 <= self.resamples <= MOST_RESAMPLES,  # one gives no interval
                f"0 for no intervals, or 2 to {MOST_RESAMPLES:,}",
            ),
            ("seed", self.seed, self.seed >= 0, "0 or more"),
        ):
            if not holds:
                raise UsageError(f"the {word} is out of range", found=value, expected=expected)

    @property
    def named(self) -> tuple[str, ...]:
        """The families of `without`; none if a publication determines them."""
        return _listed(self.without)

    @property
    def line_scales(self) -> tuple[str, ...]:
        """The scales on which lines are fitted."""
        if self.scope is None:
            return SCALES
        return ((), (self.scale,), drawn_scales(self.scale))[self.scope.lines]

    def on_scale(self, scale: str) -> "ReportOptions":
        """The options with this scale."""
        return replace(self, scale=scale)

    def wants(self, part: str) -> bool:
        """Whether this field of `Statistics` is computed."""
        return self.scope is None or part in self.scope.parts

    def of_pairs(self, count: int) -> "ReportOptions":
        """The same for so many pairs, which a single figure shows as panels where they are several."""
        if self.scope is None or count == 1:
            return self
        return replace(self, scope=replace(self.scope, parts=self.scope.parts - self.scope.alone))

    def chosen(self, outcomes: Outcomes) -> list[int]:
        """Positions of the models of the report."""
        names = set(outcomes.models if self.models is None else select_models(_listed(self.models), outcomes.models))
        return [place for place, model in enumerate(outcomes.models) if model in names]

    def highlighted(self, outcomes: Outcomes, own: Iterable[str] = ()) -> frozenset[str]:
        """The models to highlight; `own` are those of the user's own registry file.

        By default, the user's own models are highlighted, unless there are no others.
        """
        if self.highlight is not None:
            return frozenset(select_models(_listed(self.highlight), outcomes.models))
        found = frozenset(own) & frozenset(outcomes.models)
        return found if len(found) < len(outcomes) else frozenset()

    def labelled(self, outcomes: Outcomes) -> Outcomes:
        """The outcomes with the titles of `labels`."""
        models = {name: {"title": title} for name, title in self.labels.items() if name in outcomes.models}
        sets = {name: title for name, title in self.labels.items() if name in (outcomes.original, outcomes.new)}
        if not models and not sets:
            return outcomes
        attributes = outcomes.attributes | {
            name: outcomes.attributes.get(name, {}) | one for name, one in models.items()
        }
        return replace(outcomes, attributes=attributes, dataset_titles={**outcomes.dataset_titles, **sets})

    def check_labels(self, outcomes: Iterable[Outcomes]) -> None:
        """Raise UsageError for a label whose name is neither a model nor a dataset of the report."""
        known = dict.fromkeys(name for one in outcomes for name in (*one.models, one.original, one.new))
        for name in self.labels:
            if name not in known:
                raise unknown_name(
                    "a label is of no model or dataset of the report (`labels`)",
                    name,
                    known,
                    expected=name_some(list(known)),
                )

    def check_models(self, known: Iterable[str]) -> None:
        """Raise UsageError for a name or glob of `models` or `highlight` that matches no known model."""
        known = list(known)
        check_selection("models", _listed(self.models), known)
        check_selection("highlight", _listed(self.highlight), known)

    def left_out(self, outcomes: Outcomes) -> tuple[str, ...]:
        """The families of `without` that some of these models belong to."""
        return tuple(family for family in self.named if family in outcomes.families)

    def check_families(self, known: Iterable[str | None]) -> None:
        """Raise UsageError for a family of `without` that is unknown."""
        families = sorted({family for family in known if family is not None})
        for family in self.named:
            if family not in families:
                raise unknown_name(
                    "no model of this family is in the report",
                    family,
                    families,
                    expected=", ".join(families) or "models whose registry entry names a family",
                )

    def check_reference(self, models: Iterable[str]) -> None:
        """Raise UsageError if the reference is not a model of the report."""
        known = sorted(set(models))
        if self.reference is not None and self.reference not in known:
            raise unknown_name(
                "the reference model is not in the report", self.reference, known, expected=name_some(known)
            )

    def rng(self, outcomes: Outcomes, statistic: str) -> np.random.Generator:
        """A separate generator for this statistic, so that its numbers do not depend on what else is computed."""
        name = f"{outcomes.original}:{outcomes.new}:{outcomes.metric}:{statistic}"
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


def drawn_scales(scale: str) -> tuple[str, str]:
    """The scales of line figures: linear and that of the report, or probit if that is linear."""
    return "linear", "probit" if scale == "linear" else scale


def _listed(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """Each name once, from a list or from a single name."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names or ()))
