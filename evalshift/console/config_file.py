"""`run --config FILE`: options in YAML, by the names that they have on the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalshift.errors import UsageError, did_you_mean

_PLAIN = (str, int, float)


def read_config(path: Path, options: Mapping[str, tuple[str, bool]]) -> dict[str, Any]:
    """The values in a file of options, by the name of the parameter.

    options  name without dashes -> its parameter, and whether it is repeatable; batch_size stands for batch-size
    Raises UsageError for an unknown option, or a value that is no text, number, true or false, or a list of them where
    the option is repeatable.
    """
    from evalshift.testbed.yaml_text import YamlText

    if not path.is_file():
        raise UsageError("the file of options does not exist", where=path, expected="a YAML file")
    text = YamlText(path)
    found = {}
    for key, value in text.content.items():
        name = str(key).replace("_", "-")
        where = f"{path}, line {text.line_of((key,))}"
        if name not in options:
            raise UsageError(
                "unknown option",
                where=where,
                found=str(key),
                expected=", ".join(options),
                fix=did_you_mean(name, options),
            )
        parameter, repeatable = options[name]
        found[parameter] = _checked(value, repeatable, where)
    return found


def _checked(value: object, repeatable: bool, where: str) -> object:
    several = value if repeatable and isinstance(value, list) else [value]
    if not several or not all(isinstance(one, _PLAIN) for one in several):
        expected = "text, a number, true or false" + (", or a list of these" if repeatable else "")
        raise UsageError("an option has an invalid value", where=where, found=repr(value), expected=expected)
    return [str(one) for one in several] if repeatable else value
