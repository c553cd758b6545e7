"""Where a model's weights lie and whether they are the promised ones. Imports no torch: plans ask it too."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from evalshift.errors import DataError, ModelError
from evalshift.files import sha256_of, sha256_of_text, write_atomic
from evalshift.testbed import download
from evalshift.testbed.entries import PACKAGE, is_url
from evalshift.testbed.model_entries import UNKNOWN, AnyModel
from evalshift.testbed.transfer import web_page

# torch.hub's and torchvision's files carry the first digits of their sha256 in their names.
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")


@dataclass(frozen=True)
class Weights:
    """A file of weights that is there, and its sha256."""

    path: Path
    sha256: str


def weights_folder() -> Path:
    """Where downloaded weights lie."""
    return download.cache_dir() / "weights"


def remote_weights(entry: AnyModel, known_url: str | None = None) -> download.RemoteFile | None:
    """What is to be downloaded for this entry; None where its weights are a local file or only code knows of them."""
    urls = tuple(place for place in entry.weights_files() if is_url(place)) or ((known_url,) if known_url else ())
    if not urls:
        return None
    name = urls[0].split("?")[0].rsplit("/", 1)[-1]
    in_name = _HASH_IN_NAME.search(name)
    sha256 = getattr(entry, "sha256", None) or (in_name.group(1) if in_name else None)
    # Half of all hosts call their file pytorch_model.bin: only a hash keeps two of them apart in the cache.
    mark = sha256_of_text(urls[0]) if sha256 == UNKNOWN else sha256
    if mark is not None and mark[:8] not in name:
        name = f"{Path(name).stem}-{mark[:8]}{Path(name).suffix}"
    if sha256 is None:
        raise ModelError(
            "weights without a hash",
            where=urls[0],
            expected="sha256: in the entry",
            remedy="add it; see `evalshift check`",
        )
    if sha256 == UNKNOWN:
        return download.RemoteFile(name, urls, None, check=_no_web_page)
    return download.RemoteFile(name, urls, sha256)


def _no_web_page(path: Path) -> None:
    """Hosts that are asked too often send a page instead, and a file whose hash nobody knows could be one."""
    with path.open("rb") as stream:
        page = web_page(stream.read(1 << 12))
    if page:
        raise DataError("this is not a file of weights", where=path, found=page)


def local_weights(entry: AnyModel) -> Path | None:
    """The weights file of this entry that is on this disk now; None when there is none."""
    for place in entry.weights_files():
        if not is_url(place) and (path := _on_disk(place)).is_file():
            return path
    remote = remote_weights(entry) if any(map(is_url, entry.weights_files())) else None
    if remote is not None and (path := weights_folder() / remote.name).is_file():
        return path
    return None


def find_weights(entry: AnyModel, known_url: str | None = None, hub_file: Path | None = None) -> Weights:
    """The weights of this entry, downloaded where need be, hashed, and compared with what the entry promises.

    Raises ModelError when no local file is there, HashMismatchError when it is another one, DownloadError when no
    mirror gives it.
    """
    path = hub_file or local_weights(entry)
    promised = getattr(entry, "promised_sha256", None) or _named_by_hub(hub_file)
    if path is None:
        remote = remote_weights(entry, known_url)
        if remote is None:
            raise ModelError(
                "the weights are not there",
                found=", ".join(str(_on_disk(place)) for place in entry.weights_files()) or "no weights in the entry",
                expected="a checkpoint file",
                remedy="paths are relative to the registry file",
            )
        path = download.fetch(remote, weights_folder())
        promised = remote.sha256
    if promised:
        return Weights(path, download.verify(path, promised))
    downloaded = path.absolute().parent == weights_folder().absolute()
    return Weights(path, _as_first_seen(path) if downloaded else sha256_of(path))


def _named_by_hub(path: Path | None) -> str | None:
    """The sha256 that Hugging Face's hub promised of a large file: its cache keeps such files under that name."""
    name = path.resolve().name if path is not None else ""
    return name if re.fullmatch("[0-9a-f]{64}", name) else None


def _as_first_seen(path: Path) -> str:
    """The sha256 of a downloaded file of which nothing was known beforehand: what it was the first time, it stays."""
    note = path.with_name(f".{path.name}.first-seen")
    if note.is_file():
        return download.verify(path, note.read_text().strip())
    sha256 = sha256_of(path)
    write_atomic(note, f"{sha256}\n".encode())
    return sha256


def _on_disk(place: str) -> Path:
    if not place.startswith(PACKAGE):
        return Path(place)
    package, _, inside = place.removeprefix(PACKAGE).partition("/")
    # The folder of a package is looked up by its first name alone: Python would import it to find one inside it.
    top, _, below = package.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # it has been imported in a way that leaves no trace
        spec = None
    folders = [Path(folder).joinpath(*below.split(".")) for folder in (spec and spec.submodule_search_locations) or ()]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise ModelError(
            "the package that carries the weights is not installed", where=place, found=package, expected="a package"
        )
    return found / inside
