"""Files that were damaged or forged at random: whatever reads them succeeds or raises one of our errors, and soon.

Each target begins with whole files of its kind, which hypothesis then changes: bytes flipped, numbers made large,
pieces cut out, moved, doubled and mixed with those of another file. A quick round runs with the tests; `make fuzz` runs
thousands of examples per target (EVALSHIFT_FUZZ). What was found is kept below as tests of its own.
"""

import io
import json
import os
import resource
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from socket import gethostname

import numpy as np
import pytest
import torch
from formats import cifar10_archive, cifar10_batch, idx_bytes, image_bytes, npy_bytes, pixels, python_2_npy, tar_bytes
from fuzzed_files import IDS, TARGETS, parquet_bytes, parquet_images
from fuzzed_sources import SOURCES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalshift.errors import EvalshiftError, ModelError
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.importers.tables import import_table
from evalshift.evaluate.predictions import Imported, Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION, Counted, CountedDataset, Results, StoredDataset
from evalshift.testbed.archives import each_file, unpack
from evalshift.testbed.arrays import load_array, load_idx, load_npz
from evalshift.testbed.image_files import BytesImage, open_rgb
from evalshift.testbed.models.exported import _load
from evalshift.testbed.pickled_arrays import unpickle_arrays
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state_dicts import read_state
from evalshift.testbed.weights import Weights, read_index

EXAMPLES = int(os.environ.get("EVALSHIFT_FUZZ", "8"))
# A process per file: as many seconds for fewer files.
ONE_IN = {"matlab": 8}
MOST_SECONDS, MOST_BYTES = 10.0, 4 << 30
OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
UNCHECKED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

REGISTRY = b"""\
extends: default
classes: {shades: [black, grey, light, white]}
families: {resnet: ResNet}
datasets:
  old: {source: npy, images: x.npy, labels: y.npy, classes: shades, title: Old, fresh: fresh}
  fresh: {source: folder, path: "${HOME}/images", classes: shades}
  listed: {source: list, labels: l.csv, images_folder: ., classes: shades}
models:
  m:
    source: checkpoint
    builder: evalshift.testbed.architectures:cifar_resnet20
    weights: [w.th, "https://example.org/w.th"]
    sha256: 12fca82fa8ed1ca2b1ec5e8c6b0a0b3a9d9d9a5b4c3f2e1d0c9b8a7f6e5d4c3b
    classes: shades
    preprocess: {mean: [0.4, 0.4, 0.4], std: [1, 1.5, 2], resize: 32, crop: 32, interpolation: bicubic}
    expected: {old: 0.9}
    memory: 2GB
    year: 2015
  t: {source: timm, name: resnet18, classes: imagenet-1k, on_request: "large", logits: {drop: [0]}}
pairs: [old:fresh]
"""


def provenance(model: str, imported: Imported | None) -> Provenance:
    run = {} if imported else {
        "preprocess": {"mean": [0.5]}, "device": "cpu", "precision": "fp32", "batch_size": 4,
        "memory_format": "contiguous", "seconds": 1.0, "images_per_second": 6.0,
    }  # fmt: skip
    return Provenance(
        schema_version=SCHEMA_VERSION, model=model, dataset="old", classes="shades", entry={"source": "python"},
        identity={"source": "python"}, dataset_fingerprint="ab" * 32, start="2026-01-02T03:04:05+00:00",
        imported=imported, **run,
    )  # fmt: skip


def store_all(folder: Path) -> Results:
    results = Results(folder)
    results.save_dataset(
        StoredDataset(
            "old", IDS, np.arange(6, dtype=np.int64) % 4, "shades", ("black", "grey", "light", "white"), "ab" * 32,
            None, {"source": "npy"},
        )
    )  # fmt: skip
    top = np.stack([np.arange(6) % 4, np.arange(1, 7) % 4], 1).astype(np.int32)
    logits = np.linspace(-1, 1, 24, dtype=np.float16).reshape(6, 4)
    results.save_predictions(
        Predictions("m", "old", top, np.full(6, 0.5, np.float32), provenance("m", None)), logits=logits
    )
    imported = Imported(source="table", files={"t.csv": "ef" * 32}, kind="counts")
    results.save_counts(CountedDataset("old", 6, "shades"), [Counted("n", 5, 6, 0, provenance("n", imported))])
    results.add_pairs(["old:new"])
    return results


@cache
def whole_store() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="evalshift-fuzz-"))
    store_all(folder)
    return folder


def torch_bytes(content: object, **options: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


@cache
def states() -> list[bytes]:
    from safetensors.torch import save

    state = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.zeros(2)}
    return [
        torch_bytes({"state_dict": state, "epoch": 3, "ema": {"module.fc.bias": torch.ones(2)}}),
        torch_bytes(state, _use_new_zipfile_serialization=False),
        save(state),
        b"<html><body>403 Forbidden",
    ]


@cache
def programs() -> list[bytes]:
    stream = io.BytesIO()
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4)).eval()
    torch.export.save(torch.export.export(network, (torch.zeros(2, 3, 2, 2),)), stream)
    return [stream.getvalue()]


def zip_bytes(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def npz_bytes() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, images=pixels("npz", 4, 2, 2, 3), labels=np.arange(4))
    return stream.getvalue()


# --------------------------------------------------------------------------------------------------------- the readers


def read_registry(path: Path) -> None:
    registry = load_registry(path)
    for name in registry.models:
        registry.models[name].identity()


def read_stored(path: Path) -> None:
    """The changed file, read as each kind of stored file."""
    results = Results(path.parent / "results")
    if not results.path.exists():
        shutil.copytree(whole_store(), results.path)
    reads: list[tuple[Path, Callable[[], object]]] = [
        (results.predictions_file("old", "m"), lambda: results.load_predictions("old", "m")),
        (results.predictions_file("old", "m"), lambda: results.provenance("old", "m")),
        (results.dataset_file("old"), lambda: results.load_dataset("old")),
        (results.counts_file("old"), lambda: results.load_counts("old")),
        (results.logits_file("old", "m"), lambda: results.load_logits("old", "m")),
        (results.path / "pairs.json", results.pairs),
    ]
    for place, read in reads:
        before = place.read_bytes()
        shutil.copy(path, place)
        try:
            with suppress(EvalshiftError):
                read()
        finally:
            place.write_bytes(before)


def read_predictions(path: Path) -> None:
    results = Results(path.parent / "results")
    if not results.path.exists():
        shutil.copytree(whole_store(), results.path)
    for suffix in (".csv", ".json", ".npy", ".parquet"):
        other = path.with_suffix(suffix)
        shutil.copy(path, other)
        with suppress(EvalshiftError):
            import_predictions(other, "n", "old", results, registry=known(), force=True)


@cache
def known() -> Registry:
    path = Path(tempfile.mkdtemp(prefix="evalshift-fuzz-")) / "registry.yaml"
    path.write_text("classes: {shades: [black, grey, light, white]}\npairs: []\n", "utf-8")
    return load_registry(path)


def read_table(path: Path) -> None:
    for suffix in (".csv", ".json", ".md", ".tex"):
        other = path.with_suffix(suffix)
        shutil.copy(path, other)
        with suppress(EvalshiftError):
            import_table(other, results=path.parent / "counts", sizes={"old": 1000, "new": 500}, registry=known())


def read_arrays(path: Path) -> None:
    for read in (
        lambda: load_array(path, "here"),
        lambda: load_npz(path, ("images", "labels"), "here"),
        lambda: load_idx(path, "here"),
        lambda: unpickle_arrays(path.read_bytes(), "here"),
    ):
        with suppress(EvalshiftError):
            read()


def read_archive(path: Path) -> None:
    with suppress(EvalshiftError):
        for _ in each_file(path):
            pass
    with tempfile.TemporaryDirectory() as folder, suppress(EvalshiftError):
        unpack(path, Path(folder) / "out")


def read_checkpoint(path: Path) -> None:
    with suppress(EvalshiftError):
        read_state(path, None, "here")
    read_index(path)


def read_program(path: Path) -> None:
    from evalshift.files import sha256_of

    _load(Weights(path, sha256_of(path)), "here")


def read_image(path: Path) -> None:
    open_rgb(BytesImage("here", path.read_bytes()))


READERS: dict[str, tuple[Callable[[Path], None], Callable[[], list[bytes]]]] = {
    "registry": (read_registry, lambda: [REGISTRY]),
    "store": (
        read_stored,
        lambda: [one.read_bytes() for one in sorted(whole_store().rglob("*.*")) if one.is_file()],
    ),
    "predictions": (
        read_predictions,
        lambda: [
            b"image,prediction\n" + b"".join(f"{one},{n % 4}\n".encode() for n, one in enumerate(IDS)),
            b"id;p0;p1;p2;p3\n" + b"".join(f"{one};0,1;0,2;0,3;0,4\n".encode() for one in IDS),
            json.dumps({one: [0.1, 0.2, 0.3, 0.4] for one in IDS}).encode(),
            json.dumps([{"image": one, "top": [1, 2], "label": "black"} for one in IDS]).encode(),
            npy_bytes(np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)),
            parquet_bytes(id=list(IDS), prediction=[0, 1, 2, 3, 0, 1]),
        ],
    ),
    "table": (
        read_table,
        lambda: [
            b"model,old,new\nresnet18,69.8,57.3\nvgg16,71.6,58.8\n",
            b"| model | old | new |\n|---|---|---|\n| a | 69.8 % | 57.3 |\n",
            b"\\begin{tabular}{lrr}\nmodel & old & new \\\\\n a & 69.8 & 57.3 \\\\\n\\end{tabular}\n",
            json.dumps([{"model": "a", "old": 0.698, "new": 0.5}, {"model": "b", "old": 0.7}]).encode(),
            json.dumps({"a": {"old": 0.5, "new": 0.4}}).encode(),
        ],
    ),
    "arrays": (
        read_arrays,
        lambda: [
            npy_bytes(pixels("npy", 4, 2, 2, 3)),
            npz_bytes(),
            idx_bytes(pixels("idx", 4, 3, 3)),
            cifar10_batch(pixels("cifar", 2, 32, 32, 3), [3, 8])[:1500],
            cifar10_batch(pixels("cifar", 1, 32, 32, 3), [3]),
        ],
    ),
    "archive": (
        read_archive,
        lambda: [
            tar_bytes({"a/b/1.png": image_bytes(), "a/c/2.txt": b"text"}, "w"),
            tar_bytes({"a/1": b"x" * 2000}),
            zip_bytes({"a/b/1.png": b"y" * 100, "c.txt": b"text"}),
            cifar10_archive(b"batch"),
        ],
    ),
    "checkpoint": (read_checkpoint, states),
    "program": (read_program, programs),
    **TARGETS,
    **SOURCES,
    "image": (
        read_image,
        lambda: [image_bytes(kind=kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA")],
    ),
}  # fmt: skip

# --------------------------------------------------------------------------------------------------------- the changes

LARGE = (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7)
WORDS = (
    b"[", b"]", b"{", b"}", b'"', b":", b",", b"\n", b"\t", b"&a [*a, *a]", b"!!python/name:os", b"!!int x", b"null",
    b"NaN", b"-1", b"1e999", b"9" * 30, b"1e400", b"-", b"\xff\xfe", b"\x00", "é日\U0001f600".encode(), b"'", b"\\",
    b"2024-02-30", b"~", b"<<:", b"0x", b"..", b"/", b"../../x", b"%", b"&", b"\\begin{tabular}", b"|",
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """One of the files, with up to six changes."""
    body = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(body) - 1)))
        # Heads, and the directories at the ends of Parquet and zip files, decide most.
        place = draw(st.sampled_from((place, min(place, len(body) // 16), max(0, len(body) - 1 - place % 200))))
        kind = draw(st.sampled_from(("flip", "byte", "large", "word", "cut", "end", "double", "other", "nest")))
        if kind == "flip" and body:
            body[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and body:
            body[place] = draw(st.integers(0, 255))
        elif kind == "large":
            value = draw(st.sampled_from(LARGE))
            body[place : place + len(value)] = value
        elif kind == "word":
            length = draw(st.sampled_from((0, 0, 1, 5)))
            body[place : place + length] = draw(st.sampled_from(WORDS))
        elif kind == "cut":
            del body[place : place + draw(st.integers(1, 64))]
        elif kind == "end":
            del body[place:]
        elif kind == "double":
            piece = bytes(body[place : place + draw(st.integers(1, 300))])
            body[place:place] = piece * draw(st.sampled_from((1, 2, 50)))
        elif kind == "other":
            other = draw(st.sampled_from(wholes))
            begin = draw(st.integers(0, len(other)))
            body[place:place] = other[begin : begin + draw(st.integers(1, 400))]
        elif kind == "nest":
            body[place:place] = draw(st.sampled_from((b"[", b"{a: ", b'{"a":', b"- "))) * draw(st.integers(50, 3000))
    return bytes(body)


@pytest.fixture(scope="module", autouse=True)
def _no_leftovers() -> Iterator[None]:
    yield
    shutil.rmtree(whole_store(), ignore_errors=True)
    whole_store.cache_clear()


@pytest.mark.parametrize("target", READERS)
def test_changed_files_are_read_or_refused(target: str, tmp_path: Path) -> None:
    read, wholes = READERS[target]
    files = wholes()
    for whole in files:  # as they are, none raises anything but our errors, and most are read
        attempt(read, tmp_path, whole)

    @settings(
        max_examples=max(1, EXAMPLES // ONE_IN.get(target, 1)),
        deadline=None,
        suppress_health_check=UNCHECKED,
        database=None,
    )
    @given(body=changed(files))
    def try_one(body: bytes) -> None:
        attempt(read, tmp_path, body)

    try_one()


def attempt(read: Callable[[Path], None], folder: Path, body: bytes) -> None:
    """Let a reader read it: nothing but our errors comes out, in time and within memory."""
    path = folder / "file.yaml"
    path.write_bytes(body)
    began = [taken(who) for who in OURS]
    with suppress(EvalshiftError):
        read(path)
    for (seconds, memory), before in zip(map(taken, OURS), began, strict=True):
        assert seconds - before[0] < MOST_SECONDS
        assert memory - before[1] < MOST_BYTES


def taken(who: int) -> tuple[float, int]:
    """Seconds of processor time, and the most memory at any time in bytes (on Linux; elsewhere the unit differs)."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 if sys.platform == "linux" else 0


# --------------------------------------------------------------------------------------------------- what was found


def odd_zip(place: int) -> bytes:
    """A zip archive whose list of contents has 255 at a place: version at 6, method of compression at 10."""
    body = bytearray(zip_bytes({"a/b.png": b"1"}))
    body[body.index(b"PK\x01\x02") + place] = 255
    return bytes(body)


def nameless_zip() -> bytes:
    """A zip archive whose list of contents has a name of no bytes."""
    body = bytearray(zip_bytes({"a/b.png": b"1"}))
    entry = body.index(b"PK\x01\x02")
    name = body.index(b"a/b.png", entry)
    body[entry + 28 : entry + 30] = b"\0\0"  # the length of the name
    del body[name : name + 7]
    size = body.index(b"PK\x05\x06") + 12
    body[size : size + 4] = (int.from_bytes(body[size : size + 4], "little") - 7).to_bytes(4, "little")
    return bytes(body)


NESTED = b"[" * 100_000
NO_PROCESS = json.dumps({"model": "m", "identity": "ab", "process": 10**30, "host": gethostname()}).encode()
CACHE_HEAD = json.dumps({"format": 1, "dataset": ["d"], "shape": [6, 8, -8, 3]}).encode().ljust(4096)
FOUND = {
    "a pickle that ends after its first byte": ("checkpoint", b"\x80"),
    "nested lists for groups of classes": ("groups", NESTED),
    "nested lists for corrected labels": ("corrected", NESTED),
    "nested lists for attributes": ("attributes", NESTED),
    "nested lists for a list of images": ("list", NESTED),
    "nested lists for what evalshift keeps": ("kept", b"[" * 4096),
    "a report that says nothing of itself": ("kept", b"{}"),
    "a note of a process that cannot be": ("kept", NO_PROCESS),
    "a note of a model without a name": ("kept", b'{"model": [1], "identity": "ab", "process": 1, "host": "h"}'),
    "a cache without geometry": ("kept", CACHE_HEAD),
    "a label that no integer holds": ("labels", b"image,label\nimage-0,0\nimage-1,1\nimage-2,2\nimage-3," + b"1" * 50),
    "a label that int64 does not hold": ("labels", npy_bytes(np.full(6, 2**64 - 2, np.uint64))),
    "a devkit that is cut after its first bytes": ("imagenet", b"\x1f\x8b"),
    "a class of the devkit that int64 does not hold": ("imagenet", b"9" * 50),
    "a builder whose nesting no parser takes": ("code", b"- " * 3000 + b"[" * 190 + b"\n"),
    "nested lists for annotations": ("imagenet-x", NESTED),
    "a cell that is larger than cells may be": ("several labels", b'id,labels\na,"' + b"1 " * 100_000 + b'"\n'),
    "a record of work that is not UTF-8": ("record", b"\xff\xff\n"),
    "corrected labels that Python 2 saved": ("corrected", python_2_npy(np.array([[0, -1], [1, 3]]))),
    "marks of classes that Python 2 saved": ("several labels", python_2_npy(np.eye(6, 4, dtype=np.int64))),
    "labels that Python 2 saved": ("labels", python_2_npy(np.arange(6) % 4)),
    "a list of contributors whose last row is cut": ("kept", b"synset,image_num,cinic_set,class\nn01440764,12,test"),
    "a path that no file can have": ("registry", b"extends: " + b"d" * 300 + b"\n"),
    "a path of nobody's home": ("registry", b"extends: ~no-such-user/x.yaml\n"),
    "a class that int64 does not hold": ("predictions", b"image,prediction\nimage-0," + b"1" * 50 + b"\n"),
    "a path in Parquet that is not UTF-8": ("parquet images", parquet_images().replace(b"image-0.p", b"imag\xe9-0.p")),
    "a zip member without a name": ("archive", nameless_zip()),
    "a zip of an unknown compression": ("archive", odd_zip(10)),
    "a zip of a version to come": ("archive", odd_zip(6)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_refused(name: str, tmp_path: Path) -> None:
    target, body = FOUND[name]
    path = tmp_path / "file.yaml"
    path.write_bytes(body)
    if target == "checkpoint":
        with pytest.raises(ModelError):
            read_state(path, None, "here")
    attempt(READERS[target][0], tmp_path, body)
