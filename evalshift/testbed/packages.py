"""Files that come with installed packages, `package:some.package/file`, found without importing the package."""

import importlib.util
from pathlib import Path

from evalshift.file_dependencies import dependencies_unknown
from evalshift.testbed.entries import PACKAGE


def package_file(place: str) -> Path | None:
    """Where the file of a `package:` resource lies, or would lie; None if the package is not installed."""
    package, _, inside = place.removeprefix(PACKAGE).partition("/")
    # The folder of a package is looked up by its first name alone: Python would import it to find one inside it.
    top, _, below = package.partition(".")
    if top != "evalshift":  # another package may be found in any folder
        dependencies_unknown()
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # it has been imported in a way that leaves no trace
        spec = None
    folders = [Path(folder).joinpath(*below.split(".")) for folder in (spec and spec.submodule_search_locations) or ()]
    found = next((folder for folder in folders if folder.is_dir()), None)
    return None if found is None else found / inside
