"""Which registry file is used: the one named, ./registry.yaml, or the one that comes with evalshift."""

from pathlib import Path

from evalshift.file_dependencies import depends_on


def default_path() -> Path:
    """The registry that comes with evalshift: inside the package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "registry.yaml"
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "registry.yaml"


def is_default(path: Path) -> bool:
    """Whether this is the registry that comes with evalshift, or a copy of it, as in a checkout."""
    default = default_path()
    depends_on(default)
    if path.resolve() == default.resolve():
        return True
    return (
        path.is_file() and path.stat().st_size == default.stat().st_size and path.read_bytes() == default.read_bytes()
    )


def find_registry(path: str | Path | None = None) -> Path:
    """The registry to use: the one named, else ./registry.yaml, else the one that comes with evalshift."""
    if path is not None:
        return Path(path)
    here = Path("registry.yaml")
    depends_on(here)
    return here if here.is_file() else default_path()
