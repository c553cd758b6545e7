"""Every invalid input ends in one message that says where, what and what to do; nothing stored is lost."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from commandline import LABELS, REGISTRY, Ran, contents, end, run_apart, run_here, start, write_testbed
from fileserver import FileServer
from messages import says
from PIL import Image

from evalshift.evaluate.store import SCHEMA_VERSION, Results
from evalshift.files import TEMPORARY_SUFFIX
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    registry = write_testbed(folder)
    assert run_here("run", "--registry", registry, "--results", folder / "results").code == 0
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a registry and results; whatever a test does, what was stored must stand there after it."""
    folder = tmp_path / "work"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    before = predictions(folder)
    assert len(before) == 6
    yield folder
    after = predictions(folder)
    assert {name: after.get(name) for name in before} == before
    assert not list(folder.rglob(f"*{TEMPORARY_SUFFIX}"))


def predictions(folder: Path) -> dict[str, bytes]:
    return contents(folder / "results/predictions")


def add(section: str, *lines: str) -> None:
    """Entries at the beginning of a section of ./registry.yaml."""
    path = Path("registry.yaml")
    text = path.read_text("utf-8")
    assert f"\n{section}:\n" in text
    added = "".join(f"  {line}\n" for line in lines)
    path.write_text(text.replace(f"\n{section}:\n", f"\n{section}:\n{added}"), "utf-8")


def after_plan(ran: Ran) -> Ran:
    """What was printed after the line that says what is to be downloaded."""
    first, _, rest = ran.err.partition("\n")
    assert re.fullmatch(r"plan +1 model, 2 downloads, at least \d+ MB", first), ran.err
    return replace(ran, err=rest)


def refused(ran: Ran, code: int = 2, **fields: object) -> None:
    """The command printed nothing but one message, which has these fields."""
    assert ran.out == ""
    assert ran.err.startswith("evalshift: ")
    says(ran.err.removeprefix("evalshift: ").removesuffix("\n"), **fields)
    assert ran.code == code


def model_fails(on: tuple[str, ...] = ("",), run: Callable[..., Ran] = run_here, **fields: object) -> None:
    """The model `bad` fails with a message of these fields, and is listed at the end; the next one is run and kept."""
    ran = run("run", "--models", "bad,good", "--results", "fresh")
    assert (ran.code, ran.out) == (1, "")
    listed = ""
    for dataset in on:
        message = re.search(rf"\nbad{re.escape(dataset)} failed: (.*(?:\n {{2}}\S.*)*)\n", ran.err)
        assert message is not None
        says(message[1], **fields)
        listed += f"  bad{dataset}: {message[1].splitlines()[0]}\n"
    assert ran.err.endswith(f"\n\n{len(on)} failed; the other predictions are in fresh:\n{listed}")
    assert Results("fresh").models("new") == ["good"]


def apart(*arguments: object) -> Ran:
    """In a process of its own, where annotations are not checked: values of a wrong type or shape come all the way."""
    return run_apart(*arguments, folder=Path.cwd())


DATASETS = list(load_registry(default_path()).datasets)
# The testbed's own two sets stand last.
BUILT_IN = f"one of {', '.join(DATASETS[:8])} and {len(DATASETS) - 8 + 2} more"


# ------------------------------------------------------------------------------------------------------ unknown names


def test_unknown_dataset_in_a_pair(here: Path) -> None:
    refused(run_here("run", "--pair", "original:mew"), where="registry.yaml", expected=BUILT_IN)


def test_unknown_dataset_that_is_near_to_none(here: Path) -> None:
    refused(run_here("check", "--pair", "original:zebras"), where="registry.yaml", expected=BUILT_IN)


def test_unknown_model(here: Path) -> None:
    refused(run_here("run", "--models", "good,shi"), where="registry.yaml")


def test_glob_that_matches_no_model(here: Path) -> None:
    refused(run_here("run", "--models", "vit*"), where="registry.yaml")


def test_pair_of_one_name(here: Path) -> None:
    refused(run_here("run", "--pair", "original"))


def test_pair_of_three_names(here: Path) -> None:
    refused(run_here("run", "--pair", "original:new:digits"))


def test_pair_with_itself(here: Path) -> None:
    refused(run_here("run", "--pair", "new:new"))


def test_pair_of_different_classes(here: Path) -> None:
    refused(run_here("run", "--pair", "original:digits"), found="original has shades, digits has digits")


def test_pair_that_no_model_fits(here: Path) -> None:
    refused(run_here("run", "--pair", "digits:digits-new-writers"), where="registry.yaml", found="3 models of shades")


def test_what_cannot_be_listed(here: Path) -> None:
    refused(run_here("list", "modles"))


# ----------------------------------------------------------------------------------------------------------- registry


def test_broken_yaml(here: Path) -> None:
    Path("registry.yaml").write_text("models:\n  good: {source: python\n  shy: {}\n", "utf-8")
    refused(
        run_here("run"),
        where="registry.yaml, line 3, column 6",
        found="while parsing a flow mapping, did not find expected ',' or '}'",
    )


def test_unknown_key(here: Path) -> None:
    add("models", 'bad: {source: python, trust: true, function: "networks.py:good", clases: shades, preprocess: {}}')
    refused(run_here("run"), where="registry.yaml, line 7: models.bad.clases", found="clases")
    Path("registry.yaml").write_text(REGISTRY.replace("year: 2001", "yaer: 2001"), "utf-8")
    refused(run_here("run"), where="registry.yaml, line 9: models.good.yaer", found="yaer")


def test_unknown_key_of_the_preprocessing(here: Path) -> None:
    Path("registry.yaml").write_text(REGISTRY.replace("{mean: [0.0]}", "{means: [0.0]}"), "utf-8")
    refused(run_here("check"), where="registry.yaml, line 15: models.shy.preprocess.means", found="means")


def test_missing_key(here: Path) -> None:
    add("models", 'bad: {source: python, trust: true, function: "networks.py:good", classes: shades}')
    refused(run_here("run"), where="registry.yaml, line 7: models.bad.preprocess")


def test_duplicate_key(here: Path) -> None:
    add("models", "good: {source: python}")
    refused(run_here("run"), where="registry.yaml, line 8, column 3", found='the key "good" is also at line 7')


def test_unknown_section(here: Path) -> None:
    Path("registry.yaml").write_text("model:\n  good: {}\n", "utf-8")
    refused(run_here("list", "models"), where="registry.yaml, line 1: model", found="model")


def test_unknown_source(here: Path) -> None:
    add("models", "bad: {source: tim, name: resnet18, classes: shades}")
    refused(run_here("run"), where="registry.yaml, line 7: models.bad.source", found="tim")


def test_unknown_label_space(here: Path) -> None:
    add("datasets", "bad: {source: npy, images: new_x.npy, labels: new_y.npy, classes: shade}")
    refused(run_here("run"), where="registry.yaml, line 4: datasets.bad.classes", found="shade")


def test_value_of_a_wrong_kind(here: Path) -> None:
    Path("registry.yaml").write_text(REGISTRY.replace("year: 2001", "year: last"), "utf-8")
    refused(run_here("run"), where="registry.yaml, line 9: models.good.year", found="'last'")


def test_environment_variable_that_is_not_set(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_DATA", raising=False)
    add("datasets", 'bad: {source: folder, path: "${MY_DATA}/photos", classes: shades}')
    refused(run_here("run"), where="registry.yaml, line 4: datasets.bad.path", found="'${MY_DATA}/photos'")


# ---------------------------------------------------------------------------------------------- paths that lead nowhere


def test_registry_that_is_not_there(here: Path) -> None:
    refused(run_here("run", "--registry", "mine.yaml"), where="mine.yaml")


def test_registry_that_is_a_folder(here: Path) -> None:
    ran = run_here("check", "--registry", "results")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: the registry cannot be read\n  where:    results\n")


def test_registry_that_is_not_text(here: Path) -> None:
    ran = run_here("check", "--registry", "new_x.npy")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: the registry cannot be read\n  where:    new_x.npy\n")


def test_array_that_is_not_there(here: Path) -> None:
    add("datasets", "bad: {source: npy, images: lost_x.npy, labels: new_y.npy, classes: shades}")
    refused(run_here("run", "--pair", "original:bad"), where="dataset bad", found="lost_x.npy")


def test_folder_that_is_not_there(here: Path) -> None:
    add("datasets", "bad: {source: folder, path: photos, classes: shades}")
    refused(run_here("run", "--pair", "original:bad"), where="dataset bad", found="photos")


def test_weights_that_are_not_there(here: Path) -> None:
    add(
        "models",
        'bad: {source: checkpoint, trust: true, builder: "networks.py:good", weights: w.pt, classes: shades, '
        "preprocess: {}}",
    )
    model_fails(found="w.pt")


def test_code_that_is_not_there(here: Path) -> None:
    add("models", 'bad: {source: python, trust: true, function: "nets.py:good", classes: shades, preprocess: {}}')
    model_fails(where="model bad", found="nets.py: there is no such file")


def test_function_that_is_not_there(here: Path) -> None:
    add("models", 'bad: {source: python, trust: true, function: "networks.py:goood", classes: shades, preprocess: {}}')
    model_fails(where="model bad")


# ----------------------------------------------------------------------------------------------- checkpoints and hashes


def save_checkpoint(state: dict[str, torch.Tensor], path: str = "w.pt") -> str:
    torch.save(state, path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def checkpoint_entry(extra: str = "") -> str:
    what = "classes: shades, preprocess: {}"
    return f'bad: {{source: checkpoint, trust: true, builder: "networks.py:good", weights: w.pt, {what}{extra}}}'


def test_weights_of_another_hash(here: Path) -> None:
    found = save_checkpoint({"shades": torch.zeros(3)})
    add("models", checkpoint_entry(f", sha256: {'ab' * 32}"))
    model_fails(
        where="w.pt", found=f"sha256 {found}, {Path('w.pt').stat().st_size:,} bytes", expected=f"sha256 {'ab' * 32}"
    )


def test_checkpoint_of_other_names(here: Path) -> None:
    save_checkpoint({"shade": torch.zeros(3)})
    add("models", checkpoint_entry())
    model_fails(where="model bad, w.pt", found="1 missing: shades; 1 not in the network: shade")


def test_checkpoint_of_other_shapes(here: Path) -> None:
    save_checkpoint({"shades": torch.zeros(5)})
    add("models", checkpoint_entry())
    model_fails(where="model bad, w.pt", found="1 of another shape: shades (5,) for (3,)")


def test_checkpoint_that_is_cut_short(here: Path) -> None:
    save_checkpoint({"shades": torch.zeros(3)})
    Path("w.pt").write_bytes(Path("w.pt").read_bytes()[:400])
    add("models", checkpoint_entry())
    ran = run_here("run", "--models", "bad,good")
    assert ran.code == 1
    assert "\nbad failed: the checkpoint cannot be read\n  where:    model bad, w.pt\n  found:    " in ran.err


@pytest.fixture
def far(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, str], None]]:
    """Puts a CIFAR-10 archive on a server and a dataset `far` that promises a hash into the registry."""
    for variable in ("NO_PROXY", "no_proxy"):  # whatever proxy this machine is behind
        monkeypatch.setenv(variable, "127.0.0.1")
    with FileServer() as server:

        def put(body: bytes, sha256: str) -> None:
            url = server.put("batch.tar.gz", body)
            files = f'{{archive: {{name: batch.tar.gz, sha256: {sha256}, urls: ["{url}"]}}}}'
            add("datasets", f"far: {{source: cifar10, files: {files}}}")
            add(
                "models",
                'bad: {source: python, trust: true, function: "networks.py:good", classes: cifar10, preprocess: {}}',
            )

        yield put


def test_download_of_another_hash(here: Path, far: Callable[[bytes, str], None], tmp_path: Path) -> None:
    body, promised = b"not what was promised", hashlib.sha256(b"promised").hexdigest()
    far(body, promised)
    ran = after_plan(run_here("run", "--pair", "far:cifar10.1-v6"))
    place = tmp_path / "cache/datasets/batch.tar.gz"
    lines = ran.err.splitlines()
    assert ran.code == 2
    assert lines[:2] == [
        "evalshift: batch.tar.gz was found, but not with the expected checksum",
        f"  where:    {place}",
    ]
    found = f"sha256 {hashlib.sha256(body).hexdigest()}, {len(body)} bytes"
    assert re.fullmatch(rf"  found:    http://127\.0\.0\.1:\d+/batch\.tar\.gz: wrong content, {found}", lines[2])
    says("\n".join(lines[3:]))
    assert not place.exists()


def test_download_that_is_no_archive(here: Path, far: Callable[[bytes, str], None], tmp_path: Path) -> None:
    body = b"no tar archive"
    far(body, hashlib.sha256(body).hexdigest())
    ran = after_plan(run_here("run", "--pair", "far:cifar10.1-v6"))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(
        f"evalshift: an archive cannot be read\n  where:    {tmp_path / 'cache/datasets/batch.tar.gz'}\n  found:    "
    )
    assert ran.err.endswith(
        "\n  expected: a tar archive, plain or compressed with gzip, bzip2 or xz\n"
        "  fix:      delete it and fetch it again\n"
    )


def test_pickle_that_would_run_code(here: Path, far: Callable[[bytes, str], None], tmp_path: Path) -> None:
    # What pickle.dumps gives for an object whose __reduce__ is (os.system, ("touch ran",)).
    raw = b"cposix\nsystem\n(S'touch ran'\ntR."
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        member.size = len(raw)
        archive.addfile(member, io.BytesIO(raw))
    far(buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest())
    refused(
        after_plan(run_here("run", "--pair", "far:cifar10.1-v6")),
        where=f"dataset far, {tmp_path / 'cache/datasets/batch.tar.gz'}",
        found="it asks for posix.system, which images do not need",
    )
    assert not (here / "ran").exists()


# ---------------------------------------------------------------------------------------------------------------- data


def test_labels_of_another_length(here: Path) -> None:
    np.save("short.npy", LABELS[:-1])
    add("datasets", "bad: {source: npy, images: new_x.npy, labels: short.npy, classes: shades}")
    refused(apart("run", "--pair", "original:bad"), where="dataset bad", found="12 images, 11 labels, 12 ids")


@pytest.mark.parametrize("shift, first, more, found", [(1, 2, 3, 3), (-1, 0, 3, -1)])
def test_labels_outside_the_classes(here: Path, shift: int, first: int, more: int, found: int) -> None:
    np.save("shifted.npy", LABELS + shift)
    add("datasets", "bad: {source: npy, images: new_x.npy, labels: shifted.npy, classes: shades}")
    refused(
        run_here("run", "--pair", "original:bad"),
        where=f"dataset bad, image {first} and {more} more",
        found=f"label {found}",
    )


def test_images_of_floats(here: Path) -> None:
    np.save("floats.npy", np.zeros((12, 4, 4, 3), dtype=np.float32))
    add("datasets", "bad: {source: npy, images: floats.npy, labels: new_y.npy, classes: shades}")
    refused(
        run_here("run", "--pair", "original:bad"),
        where="dataset bad, images floats.npy",
        found="float32, shape (12, 4, 4, 3)",
    )


def test_array_of_objects(here: Path) -> None:
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    add("datasets", "bad: {source: npy, images: objects.npy, labels: new_y.npy, classes: shades}")
    ran = run_here("run", "--pair", "original:bad")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: a file cannot be read\n  where:    dataset bad\n  found:    objects.npy: ")


@pytest.fixture
def photos(here: Path) -> Path:
    """A dataset `photos` of nine small PNG files in three class folders."""
    for label, name in enumerate(("dark", "middle", "bright")):
        (here / "photos" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (4, 4), 25 + 100 * label).save(here / "photos" / name / f"{number}.png")
    add("datasets", "photos: {source: folder, path: photos, classes: shades}")
    return here / "photos"


def test_corrupt_image(photos: Path) -> None:
    broken = photos / "middle/1.png"
    broken.write_bytes(broken.read_bytes()[:30])
    ran = run_here("run", "--pair", "original:photos", "--models", "good")
    assert ran.code == 2
    complaint = ran.err.partition("evalshift: ")[2]
    assert re.fullmatch(
        "an image cannot be read\n"
        "  where:    dataset photos, photos/middle/1.png\n"
        "  found:    .+\n"
        "  expected: an image that Pillow reads\n"
        "  fix:      copy it again, or remove it from the dataset\n",
        complaint,
    ), ran.err
    # Mended, the same command goes on.
    Image.new("L", (4, 4), 125).save(broken)
    assert run_here("run", "--pair", "original:photos", "--models", "good").code == 0


def test_empty_image_file(photos: Path) -> None:
    (photos / "bright/2.png").write_bytes(b"")
    refused(run_here("run", "--pair", "original:photos"), where="dataset photos, photos/bright/2.png", found="0 bytes")


def test_class_folder_that_is_no_class(photos: Path) -> None:
    (photos / "bright").rename(photos / "brigth")
    refused(run_here("run", "--pair", "original:photos"), where="dataset photos, photos", found="brigth")


# -------------------------------------------------------------------------------------------------- unusable networks


NETWORKS_GONE_WRONG = """
import torch
from torch import nn


class Many(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, images):
        return torch.zeros(len(images), self.classes)


class NotANumber(nn.Module):
    def forward(self, images):
        logits = torch.zeros(len(images), 3)
        logits[images.mean(dim=(1, 2, 3)) > 0.8, 1] = torch.nan
        return logits


class Raises(nn.Module):
    def forward(self, images):
        raise ValueError("the wrong day of the week")


def text():
    return "network"
"""


def add_gone_wrong(call: str, arguments: str = "{}", classes: str = "shades", name: str = "bad") -> None:
    Path("wrong.py").write_text(NETWORKS_GONE_WRONG, "utf-8")
    function = f'function: "wrong.py:{call}", arguments: {arguments}'
    add("models", f"{name}: {{source: python, trust: true, {function}, classes: {classes}, preprocess: {{}}}}")


def test_1001_outputs_for_1000_classes(here: Path) -> None:
    for part in ("original", "new"):
        arrays = f"images: {part}_x.npy, labels: {part}_y.npy"
        add("datasets", f"big-{part}: {{source: npy, {arrays}, classes: imagenet-1k}}")
    for name, classes in (("fine", 1000), ("bad", 1001)):
        add_gone_wrong("Many", f"{{classes: {classes}}}", "imagenet-1k", name)
    ran = run_here("run", "--pair", "big-original:big-new")
    assert (ran.code, ran.out) == (1, "")
    for part in ("original", "new"):
        assert (
            f"\nbad on big-{part} failed: unexpected number of outputs\n"
            "  where:    model bad\n"
            "  found:    1,001 outputs\n"
            "  expected: 1,000, one per class of imagenet-1k\n"
            "  fix:      one too many is often a background class put first: drop it with logits: {drop: 0}\n"
        ) in ran.err
    assert ran.err.endswith(
        "\n2 failed; the other predictions are in results:\n"
        "  bad on big-original: unexpected number of outputs\n"
        "  bad on big-new: unexpected number of outputs\n"
    )
    assert Results("results").models("big-new") == ["fine"]


def test_logits_that_are_not_numbers(here: Path) -> None:
    add_gone_wrong("NotANumber")
    ran = run_here("run", "--models", "bad,good", "--results", "fresh")
    assert (ran.code, ran.out) == (1, "")
    # Its third image is the first bright one of the original set; in the new set that one and the next are dimmed.
    for dataset, image in (("original", "02"), ("new", "08")):
        assert (
            f"\nbad on {dataset} failed: the network gives logits that are not finite\n"
            f"  where:    model bad, image {image}\n"
            "  found:    nan for class 1 (middle)\n"
            "  expected: finite numbers\n"
            "  fix:      check the checkpoint and the preprocessing; fp16 overflows in some networks\n"
        ) in ran.err
    assert Results("fresh").models("new") == ["good"]


def test_network_that_raises(here: Path) -> None:
    add_gone_wrong("Raises")
    model_fails(on=(" on original", " on new"))
    alone = run_here("run", "--models", "bad", "--results", "nothing")
    assert "\n2 failed; no predictions are stored:\n  bad on original: " in alone.err


def test_builder_that_gives_no_network(here: Path) -> None:
    add_gone_wrong("text")
    model_fails(where="model bad", found="str", run=apart)


# ------------------------------------------------------------------------------------------- folders, disks and schemas


def test_results_below_a_regular_file(here: Path) -> None:
    ran = run_here("run", "--results", "new_x.npy/results")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "evalshift: the results folder cannot be locked\n"
        "  where:    new_x.npy/results/.lock\n"
        "  found:    new_x.npy is a file, not a folder\n"
        "  expected: a writable folder\n"
        "  fix:      choose another folder\n"
    )


def test_report_below_a_regular_file(here: Path) -> None:
    ran = run_here("report", "--out", "new_x.npy/report", "--bootstrap", "0", "--format", "csv")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: a file could not be written\n  where:    new_x.npy/report/")


# A file may not grow beyond the limit: the system then says what it says on a disk that has no room left for it.
SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
"""


def test_disk_that_takes_no_more(here: Path) -> None:
    add("models", 'late: {source: python, trust: true, function: "networks.py:shy", classes: shades, preprocess: {}}')
    ran = run_apart("run", folder=here, before=SMALL_FILES, PYTHONDONTWRITEBYTECODE="1")
    assert ran.code == 2
    assert re.fullmatch(
        "evalshift: a file could not be written\n"
        "  where:    results/.*\n"
        "  found:    File too large\n"
        "  expected: a writable folder with [0-9,]+ bytes free\n"
        "  fix:      free some space or choose another folder; what was stored before is unchanged\n",
        ran.err[ran.err.index("evalshift: ") :],
    ), ran.err
    # With room again, the same command goes on.
    assert run_here("run").code == 0
    assert "late" in Results("results").models("new")


def test_disk_that_is_full(here: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        shutil.copytree(here / "results", disk / "results")
        before = contents(disk / "results")
        room = os.statvfs(disk)
        (disk / "filler").write_bytes(b"x" * (room.f_bavail * room.f_frsize))
        ran = run_here("run", "--force", "--results", disk / "results")
        assert ran.code == 2
        assert "evalshift: a file could not be written\n" in ran.err
        assert "\n  found:    No space left on device\n" in ran.err
        assert contents(disk / "results") == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def from_the_future(file: str) -> str:
    """A copy of the results as ./newer, with one file rewritten as a newer evalshift would; the complaint about it."""
    assert run_here("run").code == 0  # notes where the datasets lie now
    shutil.copytree("results", "newer")
    path, version = Path("newer") / file, SCHEMA_VERSION + 1
    if path.suffix == ".json":
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "schema_version": version}), "utf-8")
    else:
        table = pq.read_table(path)
        metadata = {**(table.schema.metadata or {}), b"evalshift.schema_version": str(version).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    return (
        "evalshift: these results were written by a newer evalshift\n"
        f"  where:    {path}\n"
        f"  found:    schema version {version}\n"
        f"  expected: at most {SCHEMA_VERSION}\n"
        "  fix:      upgrade evalshift, or choose another folder with --results; nothing here was changed\n"
    )


@pytest.mark.parametrize("file", ["datasets/new.parquet", "predictions/new/shy.parquet"])
def test_run_leaves_results_of_a_newer_version_alone(here: Path, file: str) -> None:
    complaint = from_the_future(file)
    before = contents(here / "newer")
    for options in ([], ["--force"], ["--dry-run"]):
        ran = run_here("run", "--results", "newer", *options)
        assert (ran.code, ran.out, ran.err) == (2, "", complaint)
        assert contents(here / "newer") == before


def test_run_leaves_pairs_of_a_newer_version_alone(here: Path) -> None:
    complaint = from_the_future("pairs.json")
    before = contents(here / "newer")
    for options in ([], ["--force"]):
        ran = run_here("run", "--results", "newer", *options)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.endswith(complaint)
        assert contents(here / "newer") == before


@pytest.mark.parametrize("file", ["pairs.json", "datasets/new.parquet"])
def test_report_on_results_of_a_newer_version(here: Path, file: str) -> None:
    complaint = from_the_future(file)
    ran = run_here("report", "--results", "newer", "--bootstrap", "0", "--format", "csv")
    assert (ran.code, ran.out, ran.err) == (2, "", complaint)
    assert not (here / "report").exists()


def test_report_leaves_out_a_model_of_a_newer_version(here: Path) -> None:
    from_the_future("predictions/new/shy.parquet")
    ran = run_here("report", "--results", "newer", "--bootstrap", "0", "--format", "csv", "--pair", "original:new")
    assert ran.code == 0
    note = "shy is left out: these results were written by a newer evalshift (newer/predictions/new/shy.parquet)."
    assert note in " ".join(ran.out.split())


def test_stored_file_that_is_damaged_is_redone(here: Path, tmp_path: Path) -> None:
    shutil.copytree("results", "damaged")
    file = Path("damaged/predictions/new/good.parquet")
    file.write_bytes(file.read_bytes()[:100])
    ran = run_here("run", "--results", "damaged")
    assert ran.code == 0
    assert "redone    good on new: the stored file cannot be read (" in ran.err
    assert Results("damaged").load_predictions("new", "good").k == 3


# -------------------------------------------------------------------------------------------------------- interruptions


SLEEPER = """
import time
from pathlib import Path
from torch import nn
import torch


class Sleeper(nn.Module):
    def forward(self, images):
        Path("asleep").touch()
        time.sleep(60)
        return torch.zeros(len(images), 3)
"""


def interrupted(here: Path, signal_number: int) -> Ran:
    """A run that is stopped when its second model is at work: the first is done."""
    (here / "sleeper.py").write_text(SLEEPER, "utf-8")
    add(
        "models",
        'first: {source: python, trust: true, function: "networks.py:good", classes: shades, preprocess: {}}',
        'slow: {source: python, trust: true, function: "sleeper.py:Sleeper", classes: shades, preprocess: {}}',
    )
    process = start("run", "--models", "first,slow", "--batch-size", "4", folder=here)
    deadline = time.monotonic() + 90
    while not (here / "asleep").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal_number)
    with process:
        return end(process)


def test_ctrl_c_keeps_what_is_finished(here: Path) -> None:
    ran = interrupted(here, signal.SIGINT)
    assert ran.code == 130
    assert ran.out == ""
    assert ran.err.endswith("\nevalshift: stopped; finished results are kept, and the same command resumes there\n")
    assert "first" in Results("results").models("new")
    assert "slow" not in Results("results").models("original")
    (here / "sleeper.py").write_text(SLEEPER.replace("time.sleep(60)", ""), "utf-8")
    again = run_here("run", "--models", "first,slow")
    assert again.code == 0
    assert "skipped   2 predictions stored and still valid\n" in again.err
    assert "slow" in Results("results").models("new")


def test_kill_keeps_what_is_finished(here: Path) -> None:
    ran = interrupted(here, signal.SIGKILL)
    assert ran.code == -signal.SIGKILL
    for path in (here / "results").rglob("*.parquet"):
        pq.read_table(path)  # whole, or it could not be read
    assert run_here("report", "--bootstrap", "0", "--format", "csv", "--pair", "original:new").code == 0
    again = run_here("run", "--models", "first")
    assert "nothing to do: everything is in results\n" in again.err


# -------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "--bogus"], ["Usage: evalshift run", "--bogus"]),
        (["run", "--forse"], ["Usage: evalshift run", "--forse", "--force"]),
        (["rnu"], ["Usage: evalshift", "'rnu'"]),
        (["report", "--seed"], ["--seed", "requires an argument"]),
        (["list"], ["Usage: evalshift list", "models|datasets|pairs"]),
        (["fetch"], ["Usage: evalshift fetch", "NAME"]),
        (["report", "--bootstrap", "x"], ["Usage: evalshift report", "'--bootstrap': \"x\" is not a whole number"]),
        (["report", "--seed", "1.5"], ["Usage: evalshift report", "'--seed': \"1.5\" is not a whole number"]),
        (["run", "--workers", "two"], ["Usage: evalshift run", "'--workers': \"two\" is not a whole number"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_parsed(here: Path, arguments: list[str], words: list[str]) -> None:
    before = contents(here)
    ran = run_here(*arguments)
    assert (ran.code, ran.out) == (2, "")
    for word in words:
        assert word in ran.err
    assert contents(here) == before


@pytest.mark.parametrize(
    "command",
    [
        "run --batch-size 0",
        "run --batch-size many",
        "run --workers 0",
        "run --precision fp64",
        "run --dry-run --precision half",
        "report --metric top-1",
        "report --metric top5",
        "report --format html,jpg --bootstrap 0",
        "report --size colum --bootstrap 0",
        "report --probit --logit",
        "report --bootstrap -1",
        "report --seed -1",
    ],
)
def test_option_out_of_range(here: Path, command: str) -> None:
    before = contents(here)
    refused(run_here(*command.split()))
    assert contents(here) == before


def test_unknown_device(here: Path) -> None:
    before = contents(here)
    refused(run_here("run", "--device", "cudda", "--force"))
    assert contents(here) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_device_that_is_not_here(here: Path) -> None:
    ran = run_here("check", "--device", "cuda")
    assert ran.code == 2
    assert ran.err == (
        "evalshift: device cuda is not available\n"
        f"  found:    0 CUDA devices, torch {torch.__version__}\n"
        "  fix:      leave --device out to use an available one\n"
    )


# --------------------------------------------------------------------------------------------------------------- report


def test_report_before_any_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(run_here("report"), where="results", found="no results")
    assert list(tmp_path.iterdir()) == []


def test_report_of_an_unknown_pair(here: Path) -> None:
    refused(
        run_here("report", "--pair", "original:neww"),
        where="results",
        found='"original:neww"; no dataset "neww" is stored',
    )


def test_report_of_what_is_not_a_pair(here: Path) -> None:
    refused(run_here("report", "--pair", "original"), found='"original"')


# ------------------------------------------------------------------------------------------- names that mean something


def test_names_are_printed_as_they_are(here: Path) -> None:
    names = ("[bold]x", "<script>alert(1)</script>", "a b", "[/]", "é中", "..", "x" * 60)
    function = 'source: python, trust: true, function: "networks.py:shy"'
    add("models", *(f'"{name}": {{{function}, classes: shades, preprocess: {{}}}}' for name in names))
    ran = run_here("run")
    reported = run_here("report", "--bootstrap", "0", "--format", "html")
    assert (ran.code, reported.code) == (0, 0)
    listed, checked = run_here("list", "models"), run_here("check")
    planned = run_here("run", "--dry-run", "--force")
    for name in names:
        assert f"\n{name} " in ran.err
        assert name in Results("results").models("new")
        assert f"\n{name} " in reported.out
        assert f"\n{name} " in listed.out
        assert f"\nmodel    {name} " in checked.out
        assert f"\n{name} " in planned.out
    page = Path("report/index.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_failing_model_of_an_odd_name_is_printed_as_it_is(here: Path) -> None:
    add(
        "models",
        '"[red]x[/red]": {source: python, trust: true, function: "gone.py:x", classes: shades, preprocess: {}}',
    )
    ran = run_here("run")
    assert ran.code == 1
    assert "\n[red]x[/red] failed: the code of the model cannot be imported\n" in ran.err
    assert ran.err.endswith("\n  [red]x[/red]: the code of the model cannot be imported\n")
