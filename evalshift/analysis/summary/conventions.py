"""How a publication treats its models, so that its predictions, imported or as counts, give the headline it printed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from evalshift.analysis.options import ReportOptions
from evalshift.evaluate.predictions import Provenance
from evalshift.formatting import name_some
from evalshift.testbed.published import PublishedTable, PublishedTestbed, find_release

_NUMBERED = "Models of equal accuracy are numbered in alphabetical order, as in the publication's tables."


@dataclass(frozen=True)
class Conventions:
    """Those of one pair; the defaults are those of models of one's own.

    without  families that lines leave out where the options leave that open, each with its title
    ties     "shared" where models of equal accuracy share the better rank, "alphabetical" where they are numbered on
    """

    without: Mapping[str, str] = field(default_factory=dict)
    ties: Literal["shared", "alphabetical"] = "shared"

    def applied_to(self, options: ReportOptions) -> ReportOptions:
        """The options with the families to leave out filled in, where they leave that open."""
        return replace(options, without=tuple(self.without)) if self.without and options.without is None else options

    def family_notes(self, options: ReportOptions) -> list[str]:
        """What a reader must know of the families left out; nothing where the options name them."""
        if not self.without or options.without is not None:
            return []
        families = name_some(list(self.without.values()))
        return [f"Lines leave out {families}, as in the publication; a second line includes all models."]

    @property
    def rank_notes(self) -> list[str]:
        """What a reader must know of the ranks."""
        return [_NUMBERED] if self.ties == "alphabetical" else []


def of_publication(testbed: PublishedTestbed, table: PublishedTable) -> Conventions:
    """Those of a published testbed on the pairs of one of its tables."""
    return Conventions({family: testbed.families.get(family, family) for family in table.without}, testbed.ties)


def of_imports(pair: str, models: Iterable[Provenance]) -> Conventions:
    """Those of a pair of stored results, going by how the predictions of its models came about.

    Predictions that were imported from a release bring its families along. Ties are numbered as in the publication
    where all models are of it: the alphabet decides nothing about models of one's own.
    """
    sources = {one.imported.source if one.imported else None for one in models}
    found = [release for source in sorted(filter(None, sources)) if (release := find_release(source))]
    known = [(testbed, table) for testbed, table in found if pair in table.pairs]
    if not known:
        return Conventions()
    testbed, table = known[0]
    published = of_publication(testbed, table)
    return published if sources == {table.release} else replace(published, ties="shared")
