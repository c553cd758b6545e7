"""Everything that evalshift complains about.

EvalshiftError                  the base: catch this to catch them all
├── UsageError                  the call itself is wrong: an unknown name, options that contradict each other
├── RegistryError               registry.yaml does not say what it must
│   └── RegistryErrors          several of them at once
├── DataError                   images, labels or ids are missing, damaged or contradict each other
├── DownloadError               no mirror gave the file
│   └── HashMismatchError       a file is there, but its content is not the promised one
├── ModelError                  one model cannot be built or gives no usable answers; the others go on
├── StoreError                  results cannot be written or read
└── AnalysisError               the stored results cannot answer the question (too few models, nothing to compare)

Each one says where, what was found, what was expected and what to do; whoever raises it fills in what applies.
"""

import difflib
from collections.abc import Iterable


class EvalshiftError(Exception):
    """A complaint in up to five parts; its text is ready to be shown to a person.

    problem   one line: what is wrong
    where     file, entry, field, line or URL
    found     what stands there
    expected  what would have been right
    fix       what the reader can do now
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
        fix: object = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.found = found
        self.expected = expected
        self.fix = fix
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [self.problem]
        for label in ("where", "found", "expected", "fix"):
            value = getattr(self, label)
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        return "\n".join(lines)

    def __reduce__(self):  # BaseException would call __init__ with the text alone and lose the parts
        return _rebuild, (type(self), self.problem, self.where, self.found, self.expected, self.fix)


def _rebuild(kind, problem, where, found, expected, fix):
    return kind(problem, where=where, found=found, expected=expected, fix=fix)


class UsageError(EvalshiftError):
    """The call itself is wrong."""


class RegistryError(EvalshiftError):
    """registry.yaml does not say what it must."""


class RegistryErrors(RegistryError):
    """A registry with several errors; `errors` are all of them, in the order of their lines."""

    def __init__(self, where: object, errors: Iterable[RegistryError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"the registry has {len(self.errors)} errors", where=where)

    def _text(self) -> str:
        return "\n\n".join([super()._text(), *map(str, self.errors)])

    def __reduce__(self):  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self), (self.where, self.errors)


class DataError(EvalshiftError):
    """Images, labels or ids are missing, damaged or contradict each other."""


class DownloadError(EvalshiftError):
    """No mirror gave the file."""


class HashMismatchError(DownloadError):
    """A file is there, but its content is not the promised one."""


class ModelError(EvalshiftError):
    """One model cannot be built or gives no usable answers."""

    exit_code = 1


class StoreError(EvalshiftError):
    """Results cannot be written or read."""


class AnalysisError(EvalshiftError):
    """The stored results cannot answer the question."""


def near_match(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that a reader most likely meant by `name`; None when none is near.

    >>> near_match("cifar10.1-v7", ["cifar10", "cifar10.1-v4", "cifar10.1-v6"])
    'cifar10.1-v6'
    """
    lowered = {candidate.lower(): candidate for candidate in allowed}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def did_you_mean(name: str, allowed: Iterable[str]) -> str | None:
    """A fix for a misspelt name, fit for `EvalshiftError(fix=...)`; None when no name is near.

    >>> did_you_mean("resnet2O", ["resnet20", "vgg16"])
    'did you mean "resnet20"?'
    """
    nearest = near_match(name, allowed)
    return f'did you mean "{nearest}"?' if nearest else None


def first_line(error: BaseException) -> str:
    """The first line of someone else's message: the rest is for the one who debugs it."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "without a message"
