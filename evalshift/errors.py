"""The exceptions that evalshift raises.

EvalshiftError                  base class of all
├── UsageError                  invalid call: an unknown name, options that contradict each other
├── RegistryError               invalid registry.yaml
│   └── RegistryErrors          several of them at once
├── DataError                   images, labels or ids are missing, damaged or contradict each other
├── DownloadError               no mirror served the file
│   └── HashMismatchError       the checksum of a file is not the expected one
├── ModelError                  a model cannot be built or its outputs are unusable; other models still run
├── StoreError                  results cannot be written or read
│   └── NewerResultsError       a newer evalshift wrote them; they are neither read nor overwritten
└── AnalysisError               not computable from the stored results (too few models, nothing to compare)

Each has the fields problem, where, found, expected and fix; those that apply are set.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from evalshift.near_names import near_names

_LONGEST_VALUE = 10_000  # characters
_NEXT_LINE = "\n" + 12 * " "


class EvalshiftError(Exception):
    """An error with up to five fields; its text has one line per field and can be shown to users.

    problem   one line: what is wrong
    where     file, entry, field, line or URL
    found     the invalid value
    expected  valid values
    fix       what to do about it

    Messages name arguments of Python functions in backticks, such as `metric`; the command line shows its options
    instead.
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
                lines.append(f"  {label + ':':<10}{_as_value(value)}")
        return "\n".join(lines)

    def __reduce__(self):  # BaseException would call __init__ with the text alone and lose the parts
        return _rebuild, (type(self), self.problem, self.where, self.found, self.expected, self.fix)


def _as_value(value: object) -> str:
    """A value as the text of an error has it: a line break in a stranger's name begins no field of ours."""
    text = str(value)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}… ({len(text):,} characters)"
    return text.replace("\n", _NEXT_LINE)


def _rebuild(kind, problem, where, found, expected, fix):
    return kind(problem, where=where, found=found, expected=expected, fix=fix)


class UsageError(EvalshiftError):
    """Invalid call."""


class RegistryError(EvalshiftError):
    """Invalid registry."""


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
    """No mirror served the file."""


class HashMismatchError(DownloadError):
    """A file's checksum is not the expected one."""


class ModelError(EvalshiftError):
    """A model cannot be built or its outputs are unusable."""

    exit_code = 1


class StoreError(EvalshiftError):
    """Results cannot be written or read."""


class NewerResultsError(StoreError):
    """Results written by a newer evalshift, which are neither read nor overwritten."""


class AnalysisError(EvalshiftError):
    """Not computable from the stored results."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str | None:
    """A suggestion for a misspelt name, for `EvalshiftError(fix=...)`; None when no name is near.

    >>> did_you_mean("resnet2O", ["resnet20", "vgg16"])
    'did you mean "resnet20"?'
    >>> did_you_mean("cifar10.1", ["cifar10", "cifar10.1-v4", "cifar10.1-v6"])
    'did you mean "cifar10.1-v4" or "cifar10.1-v6"?'
    """
    near = [f'"{one}"' for one in near_names(name, allowed)]
    if not near:
        return None
    return f"did you mean {' or '.join(filter(None, [', '.join(near[:-1]), near[-1]]))}?"


def unknown_name(
    problem: str, name: object, known: Iterable[str], *, where: object = None, expected: object = None
) -> UsageError:
    """The error about a name that is none of those known, with the ones that were probably meant.

    `expected` instead of all known names, where they are many, or where there may be none.

    >>> print(unknown_name("unknown scale", "probi", ["linear", "probit", "logit"]))
    unknown scale
      found:    "probi"
      expected: linear, probit, logit
      fix:      did you mean "probit"?
    """
    known = list(known)
    return UsageError(
        problem,
        where=where,
        found=f'"{name}"',
        expected=", ".join(known) if expected is None else expected,
        fix=did_you_mean(str(name).strip("*?"), known),
    )


_LONGEST_LINE = 500


def first_line(error: BaseException) -> str:
    """The first line of the message of another library's exception, cut where it grows long."""
    lines = message_of(error).strip().splitlines()
    line = lines[0] if lines else "without a message"
    if "TorchScript interpreter" in line:  # which line of the program failed stands first, why it did last
        line = re.sub(r"^(\w+: )+", "", lines[-1].strip()) or line
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"


def type_and_message(error: BaseException) -> str:
    """The class and the first line of an exception as Python prints them, such as KeyError: 'name'."""
    return f"{type(error).__name__}: {first_line(error)}"


def message_of(error: BaseException) -> str:
    """The message of another library's exception; empty where it fails to give one."""
    try:
        return str(error)
    except BaseException:  # its own __str__ is somebody's code, too
        return ""


# What `pip install evalshift` leaves out, as reports and imports need none of it.
_EXTRAS = {
    **dict.fromkeys(("sklearn", "timm", "torch", "torchvision"), "run"),
    **dict.fromkeys(("skimage", "torch_uncertainty_assets"), "corrupt"),
}


@contextmanager
def explain_missing_packages() -> Iterator[None]:
    """Where a package of an extra is imported and is not installed, say how to install it: UsageError."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        install = f'pip install "evalshift[{_EXTRAS[package]}]"'
        raise UsageError(f"this needs {package}, which is not installed: {install}") from error
