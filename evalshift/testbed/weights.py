"""Where a model's weights lie and whether they are the promised ones. Imports no torch: plans ask it too.

Weights are one file, or several: an index names files beside it (shards), or an entry names its parts. Each is hashed;
what is known of several together is the hash of the list of their hashes.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalshift.errors import ModelError
from evalshift.file_dependencies import depends_on
from evalshift.files import read_bytes, read_text, sha256_of, sha256_of_text
from evalshift.formatting import name_some
from evalshift.testbed import download
from evalshift.testbed.entries import PACKAGE, UNKNOWN, is_url
from evalshift.testbed.model_entry import Weighted
from evalshift.testbed.packages import package_file

# torch.hub's and torchvision's files carry the first digits of their sha256 in their names.
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")


INDEX = ".index.json"  # of weights in several files, as transformers and accelerate write it


@dataclass(frozen=True)
class Weights:
    """Weights that are there.

    path    of the file; of the index where it names several, of the first where an entry has parts
    sha256  of the file; where there are several, of the list of theirs
    shards  the name in the index -> the file, where path is an index
    parts   of the network, in the order of the entry
    seen    each file, and which it was before it was hashed
    """

    path: Path
    sha256: str
    shards: Mapping[str, Path] = field(default_factory=dict)
    parts: tuple["Weights", ...] = ()
    seen: tuple[tuple[Path, object], ...] = field(default=(), compare=False)

    def refuse_changed(self, where: str) -> None:
        """Raise ModelError where a file was replaced or written to since it was hashed: call it after reading them."""
        for path, before in self.seen:
            if _which(path) != before:
                raise ModelError("the file changed while it was read", where=f"{where}, {path}")


def weights_folder() -> Path:
    """Where downloaded weights lie."""
    return download.cache_dir() / "weights"


def remote_weights(entry: Weighted, known_url: str | None = None) -> download.RemoteFile | None:
    """What is to be downloaded for this entry; None where its weights are a local file or only code knows of them."""
    urls = tuple(place for place in entry.weights_files() if is_url(place)) or ((known_url,) if known_url else ())
    if not urls:
        return None
    name = urls[0].split("?")[0].rsplit("/", 1)[-1]
    in_name = _HASH_IN_NAME.search(name)
    sha256 = entry.given_sha256 or (in_name.group(1) if in_name else None)
    # Half of all hosts call their file pytorch_model.bin: only a hash keeps two of them apart in the cache.
    digest = sha256_of_text(urls[0]) if sha256 == UNKNOWN else sha256
    if digest is not None and digest[:8] not in name:
        name = f"{Path(name).stem}-{digest[:8]}{Path(name).suffix}"
    if sha256 is None:
        raise ModelError(
            "weights without a checksum",
            where=urls[0],
            expected="sha256: in the entry",
            fix="add it; see `evalshift check`",
        )
    if sha256 == UNKNOWN:
        return download.RemoteFile(name, urls, None, check=download.refuse_web_page)
    return download.RemoteFile(name, urls, sha256)


def local_weights(entry: Weighted) -> Path | None:
    """The weights of this entry that are on this disk now, the first file of several; None unless all are there."""
    if entry.separate_parts:
        paths = [local_weights(part) for part in entry.separate_parts]
        return None if None in paths else paths[0]
    path = _local_file(entry)
    if path is not None and _is_index(entry, path) and None in _local_shards(entry, path).values():
        return None
    return path


def _local_file(entry: Weighted) -> Path | None:
    for place in entry.weights_files():
        if not is_url(place) and _is_file(path := _on_disk(place)):
            return path
    remote = remote_weights(entry) if any(map(is_url, entry.weights_files())) else None
    if remote is not None and _is_file(path := weights_folder() / remote.name):
        return path
    return None


def _is_file(path: Path) -> bool:
    depends_on(path)
    return path.is_file()


def find_weights(
    entry: Weighted,
    known_url: str | None = None,
    hub_file: Path | None = None,
    beside: Callable[[str], Path] | None = None,
) -> Weights:
    """The weights of this entry, downloaded where need be, hashed, and compared with what the entry promises.

    beside  gives a file of the same repository by its name, where hub_file is an index of several

    Raises ModelError when no local file is there, HashMismatchError when it is another one, DownloadError when no
    mirror gives it.
    """
    parts = tuple(find_weights(part) for part in entry.separate_parts)
    if parts:
        hashes = [(str(number), part.sha256) for number, part in enumerate(parts, 1)]
        return Weights(parts[0].path, _together(hashes), parts=parts, seen=_all_seen(parts))
    index = _find_file(entry, known_url, hub_file)
    if not _is_index(entry, hub_file or index.path):
        return index
    shards = {}
    for name, path in _local_shards(entry, hub_file or index.path, beside).items():
        shards[name] = _checked(path or _fetch_shard(entry, name), entry.shard_checksums.get(name))
    hashes = [("index", index.sha256), *((name, shard.sha256) for name, shard in shards.items())]
    files = {name: shard.path for name, shard in shards.items()}
    return Weights(index.path, _together(hashes), files, seen=_all_seen((index, *shards.values())))


def verified_content(weights: Weights, where: str) -> bytes:
    """The content of a file whose checksum is that of `weights`: what is checked and run is what was hashed.

    Raises ModelError where the file changed since, OSError where it cannot be read.
    """
    content = read_bytes(weights.path)
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise ModelError("the file changed while it was read", where=f"{where}, {weights.path}")
    return content


def _refuse_folder(entry: Weighted) -> None:
    """Raise ModelError where the weights are a folder, such as torch.distributed.checkpoint and DeepSpeed write."""
    folder = next((place for file in entry.weights_files() if (place := _on_disk(file)).is_dir()), None)
    if folder is None:
        return
    names = sorted(path.name for path in folder.iterdir())
    distributed = ".metadata" in names or any(name.endswith(".distcp") for name in names)
    raise ModelError(
        "the weights are a folder",
        found=f"{folder} with {name_some(names, 4)}" if names else f"{folder}, which is empty",
        expected="a checkpoint file, or an index of several: *.index.json",
        fix="make it one file: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pt"
        if distributed
        else "name the file in it; of DeepSpeed's, zero_to_fp32.py in the folder makes one",
    )


def _find_file(entry: Weighted, known_url: str | None, hub_file: Path | None) -> Weights:
    path = hub_file or _local_file(entry)
    promised = entry.promised_sha256 or _named_by_hub(hub_file)
    if path is None:
        remote = remote_weights(entry, known_url)
        if remote is None:
            _refuse_folder(entry)
            raise ModelError(
                "the weights were not found",
                found=", ".join(str(_on_disk(place)) for place in entry.weights_files()) or "no weights in the entry",
                expected="a checkpoint file",
                fix="paths are relative to the registry file",
            )
        path = download.fetch(remote, weights_folder())
        promised = remote.sha256
    return _checked(path, promised)


def _all_seen(several: Iterable[Weights]) -> tuple[tuple[Path, object], ...]:
    return tuple(file for one in several for file in one.seen)


def _which(path: Path) -> object:
    """What tells one content at a path from another without reading it; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _checked(path: Path, promised: str | None) -> Weights:
    """The file with its sha256, which is the promised one, or the one that a download had the first time."""
    seen = ((path, _which(path)),)
    promised = None if promised == UNKNOWN else promised or _named_by_hub(path)
    if promised:
        return Weights(path, download.verify(path, promised), seen=seen)
    downloaded = path.absolute().parent == weights_folder().absolute()
    return Weights(path, download.as_first_seen(path) if downloaded else sha256_of(path), seen=seen)


def _is_index(entry: Weighted, path: Path) -> bool:
    places = (*(place.split("?")[0] for place in entry.weights_files()), path.name)
    return path.suffix == ".json" and any(place.endswith(INDEX) for place in places)


def _local_shards(entry: Weighted, index: Path, beside: Callable[[str], Path] | None = None) -> dict[str, Path | None]:
    """Each file that an index names -> where it lies; None where it is still to be downloaded."""
    names = sorted(set(read_index(index).values()))
    strange = [name for name in entry.shard_checksums if name not in names]
    if strange:
        raise ModelError(
            "shards names a file that is not in the index", where=index, found=strange[0], expected=", ".join(names)
        )
    if beside is not None:
        return {name: beside(name) for name in names}
    if index.absolute().parent != weights_folder().absolute():
        return {name: _there(index.with_name(name), index) for name in names}
    files = {name: weights_folder() / _remote_shard(entry, name).name for name in names}
    return {name: path if _is_file(path) else None for name, path in files.items()}


def _there(path: Path, index: Path) -> Path:
    if not _is_file(path):
        raise ModelError(
            "a file of the weights is not there", where=index, found=path, expected="each file that the index names"
        )
    return path


def _remote_shard(entry: Weighted, name: str) -> download.RemoteFile:
    """A file that an index names, at the addresses of the index."""
    sha256 = entry.shard_checksums.get(name)
    if sha256 is None:
        raise ModelError(
            "weights without a checksum",
            where=name,
            expected="shards: in the entry, with the sha256 of each file that the index names",
        )
    urls = tuple(f"{place.split('?')[0].rpartition('/')[0]}/{name}" for place in entry.weights_files() if is_url(place))
    digest = sha256_of_text(urls[0]) if sha256 == UNKNOWN else sha256
    file_name = f"{Path(name).stem}-{digest[:8]}{Path(name).suffix}"
    if sha256 == UNKNOWN:
        return download.RemoteFile(file_name, urls, None, check=download.refuse_web_page)
    return download.RemoteFile(file_name, urls, sha256)


def _fetch_shard(entry: Weighted, name: str) -> Path:
    return download.fetch(_remote_shard(entry, name), weights_folder())


def read_index(path: Path) -> dict[str, str]:
    """The file that each tensor lies in, out of a *.index.json; ModelError where it does not say."""
    depends_on(path)
    try:
        files = json.loads(read_text(path))["weight_map"]
        named = isinstance(files, dict) and bool(files) and all(map(_is_file_name, files.values()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        named, files = False, {}
    if not named:
        raise ModelError(
            "the index of the weights cannot be read",
            where=path,
            expected='{"weight_map": {"name of a tensor": "name of a file beside the index", …}}',
        )
    return files


def _is_file_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,200}", name) is not None


def _together(hashes: list[tuple[str, str]]) -> str:
    """One hash for several files, of the list that sha256sum prints of them."""
    return sha256_of_text("".join(f"{sha256}  {name}\n" for name, sha256 in hashes))


def current_sha256(entry: Weighted, hash_of: Callable[[Path], str] = sha256_of) -> str | None:
    """What the sha256 of this entry's weights must be now, or its first digits; None where nothing tells.

    Raises ModelError as local_weights does.
    """
    if parts := entry.separate_parts:
        known = [(str(number), _all_digits(part, hash_of)) for number, part in enumerate(parts, 1)]
        return _together([(name, sha256) for name, sha256 in known if sha256]) if all(one for _, one in known) else None
    path = local_weights(entry)
    if path is not None and _is_index(entry, path):
        files = {"index": path, **{name: one for name, one in _local_shards(entry, path).items() if one}}
        return _together([(name, hash_of(one)) for name, one in files.items()])
    if entry.promised_sha256 and not any(place.split("?")[0].endswith(INDEX) for place in entry.weights_files()):
        return entry.promised_sha256
    return None if path is None else hash_of(path)


def _all_digits(entry: Weighted, hash_of: Callable[[Path], str]) -> str | None:
    known = current_sha256(entry, hash_of)
    if known is not None and len(known) < 64:
        path = local_weights(entry)
        return None if path is None else hash_of(path)
    return known


def _named_by_hub(path: Path | None) -> str | None:
    """The sha256 that Hugging Face's hub promised of a large file: its cache keeps such files under that name."""
    name = path.resolve().name if path is not None else ""
    return name if re.fullmatch("[0-9a-f]{64}", name) else None


def _on_disk(place: str) -> Path:
    if not place.startswith(PACKAGE):
        return Path(place)
    path = package_file(place)
    if path is None:
        raise ModelError(
            "the package that carries the weights is not installed",
            where=place,
            found=place.removeprefix(PACKAGE).partition("/")[0],
            expected="a package",
        )
    return path
