"""Titles of the registry as it is now, instead of those that were stored when the models ran."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalshift.analysis.outcomes.records import Outcomes
from evalshift.errors import EvalshiftError, UsageError
from evalshift.titles import title_of

if TYPE_CHECKING:
    from evalshift.testbed.registry import Registry


@dataclass(frozen=True)
class PresentTitles:
    """The titles that a registry gives now.

    models     name -> "title" and "family_title" of its entry, where it has them
    families   name of a family -> its title
    registry   which knows datasets, also in a view; None where there is none: then all stays as it was stored
    note       why titles are as they were stored, where a registry was found that cannot be read
    """

    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    registry: Any = None
    note: str | None = None

    def of(self, outcomes: Outcomes) -> Outcomes:
        """The same outcomes under these titles; what the registry does not know keeps the title that it has."""
        if self.registry is None:
            return outcomes
        attributes = {model: self._facts(model, facts) for model, facts in outcomes.attributes.items()}
        names = dict.fromkeys((outcomes.original, outcomes.new, *outcomes.dataset_titles))
        datasets = {name: self._dataset(name, outcomes.dataset_titles.get(name, name)) for name in names}
        return replace(outcomes, attributes=attributes, dataset_titles=datasets)

    def _facts(self, model: str, stored: dict) -> dict:
        family = self.families.get(stored.get("family") or "")
        return {**stored, **({} if family is None else {"family_title": family}), **self.models.get(model, {})}

    def _dataset(self, name: str, stored: str) -> str:
        return title_of(self.registry.known_dataset(name), stored)


AS_STORED = PresentTitles()


def refuse_registry_of_published(registry: object, published: str) -> None:
    """UsageError where a registry is named beside a published testbed, which has titles of its own."""
    if registry is not None:
        raise UsageError(
            "a published testbed has titles of its own",
            found=f"registry={str(registry)!r}, published={published!r}",
            fix="leave `registry` out",
        )


def present_titles(registry: "str | Path | Registry | None" = None) -> PresentTitles:
    """The titles of a registry: a path, a Registry, or None for ./registry.yaml where there is one.

    Entries of a registry that was merely found count where they are valid, and one that cannot be read at all is
    noted. Raises RegistryError for errors in a registry that was named.
    """
    if registry is None and not Path("registry.yaml").is_file():
        return AS_STORED
    from evalshift.testbed.registry import Registry
    from evalshift.testbed.registry_reading import load_registry, read_registry  # half a second to import

    try:
        if isinstance(registry, Registry):
            known = registry
        else:
            known = read_registry()[0] if registry is None else load_registry(registry)
    except EvalshiftError as error:
        if registry is not None:
            raise
        return PresentTitles(note=f"Titles are those stored with the predictions: {error.problem} ({error.where}).")
    models = {
        name: {key: title for key in ("title", "family_title") if (title := getattr(entry, key)) is not None}
        for name, entry in known.models.items()
    }
    return PresentTitles(models, known.families, known)
