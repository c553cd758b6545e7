import errno
import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says

from evalshift import files
from evalshift.errors import StoreError
from evalshift.files import (
    file_name,
    flush_folders,
    is_shortened,
    md5_of,
    registry_name,
    remove_leftovers,
    sha256_of,
    stat_checksum,
    write_atomic,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_atomic_makes_folders_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"the new one")
    assert path.read_bytes() == b"the new one"
    assert names(path.parent) == ["file.bin"]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "🙂" * 63])
def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name  # 252 to 255 bytes; the temporary name must not be longer
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_write_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    code = "import sys; from pathlib import Path; from evalshift.files import write_atomic\n"
    code += "data = bytes(300_000_000)\nwhile True: write_atomic(Path(sys.argv[1]), data)"
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        while not any(part.stat().st_size > 1_000_000 for part in tmp_path.glob(".*")):
            assert writer.poll() is None
            time.sleep(0.001)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    [leftover] = tmp_path.glob(f".file.bin.*{files.TEMPORARY_SUFFIX}")
    assert leftover.stat().st_size > 1_000_000
    # Nearly always the old one; on a machine that stalls, the first write may have come through.
    assert path.read_bytes() in (b"old", bytes(300_000_000))


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", b"x")
    assert names(tmp_path) == []


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """Files may grow to 1,000 bytes and no further, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files_only")
def test_a_file_that_does_not_fit_is_a_complaint_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")
    with pytest.raises(StoreError) as caught:
        write_atomic(path, bytes(12_345))
    says(caught.value, where=path, found="File too large")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_a_complaint_and_leaves_the_old_file(tiny_disk: Path) -> None:
    path = tiny_disk / "file.bin"
    write_atomic(path, b"old")
    with pytest.raises(StoreError) as caught:
        write_atomic(path, bytes(100_000))
    assert caught.value.found == os.strerror(errno.ENOSPC)
    assert path.read_bytes() == b"old"
    assert names(tiny_disk) == ["file.bin"]


def test_a_disk_that_is_read_only_is_a_complaint(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(StoreError) as caught:
        write_atomic(tiny_disk / "file.bin", b"x")
    assert caught.value.found == os.strerror(errno.EROFS)


def test_folders_are_flushed_and_what_is_not_there_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/1", "a/2", "b/3"):
        write_atomic(tmp_path / name, b"x", durable=False)
    flushed, fsync = [], os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path).as_posix())
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", noted)
    flush_folders([tmp_path / "a", tmp_path / "b", tmp_path / "nowhere"])
    assert (sorted(flushed[:3]), sorted(flushed[3:])) == (["a/1", "a/2", "b/3"], ["a", "b"])


def test_a_disk_that_fails_when_flushed_is_a_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write_atomic(tmp_path / "file", b"x", durable=False)
    monkeypatch.setattr(files.os, "fsync", fails)
    with pytest.raises(StoreError) as caught:
        flush_folders([tmp_path])
    assert (caught.value.where, caught.value.found) == (tmp_path / "file", "Input/output error")


@pytest.mark.parametrize("below", ["file.bin", "a/b/file.bin"])
def test_a_path_below_a_file_is_a_complaint_that_names_the_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "results").write_bytes(b"not a folder")
    path = tmp_path / "results" / below
    with pytest.raises(StoreError) as caught:
        write_atomic(path, b"x")
    says(caught.value, where=path, found=f"{tmp_path / 'results'} is a file, not a folder")
    assert (tmp_path / "results").read_bytes() == b"not a folder"


def test_leftovers_go_when_they_are_old_and_nothing_else_does(tmp_path: Path) -> None:
    old = tmp_path / "predictions" / "old" / f".a.parquet.0011{files.TEMPORARY_SUFFIX}"
    young = tmp_path / f".b.parquet.0022{files.TEMPORARY_SUFFIX}"
    others = [tmp_path / ".someone-elses.tmp", tmp_path / "a.parquet", tmp_path / f"visible{files.TEMPORARY_SUFFIX}"]
    old.parent.mkdir(parents=True)
    for path in (old, young, *others):
        path.write_bytes(b"x")
    hour_ago = time.time() - 3600
    for path in (old, *others):
        os.utime(path, (hour_ago - 10, hour_ago - 10))
    assert remove_leftovers(tmp_path, hour_ago) == 1
    assert not old.exists()
    assert all(path.exists() for path in (young, *others))
    assert remove_leftovers(tmp_path / "nowhere", hour_ago) == 0


@pytest.mark.parametrize(
    "name, expected",
    [
        ("resnet50", "resnet50"),
        ("timm/resnet18.a1_in1k", "timm%2Fresnet18.a1_in1k"),
        ("<script>alert(1)</script>", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E%2E"),
        ("100 % ?*|\\", "100 %25 %3F%2A%7C%5C"),
        ("netz-größe", "netz-gr%C3%B6%C3%9Fe"),
        ("ends with a space ", "ends with a space%20"),
        ("ends with a dot.", "ends with a dot%2E"),
    ],
)
def test_a_name_becomes_a_file_name_that_every_system_takes(name: str, expected: str) -> None:
    assert file_name(name) == expected
    assert registry_name(expected) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_name_comes_back_from_its_file_name(name: str) -> None:
    written = file_name(name)
    assert is_shortened(written) or registry_name(written) == name
    assert file_name(written) == written or not is_shortened(written)
    assert len(written.encode()) <= 200
    assert not set(written) & set('<>:"/\\|?*')
    assert written.isascii()
    assert written.isprintable()
    assert not written.startswith(".")
    assert not written.endswith((".", " "))


@pytest.mark.parametrize("name", ["a" * 255, "模型" * 120, "x/" * 130, "a" * 199 + "é"])
def test_a_name_too_long_for_a_file_is_shortened_and_stays_its_own(name: str) -> None:
    written = file_name(name)
    assert is_shortened(written)
    assert len(written) == 200
    assert file_name(name + "2") != written
    assert not is_shortened(file_name("a" * 200))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True))
def test_different_names_get_different_file_names(several: list[str]) -> None:
    assert len({file_name(name) for name in several}) == len(several)


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    assert sha256_of(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert md5_of(path) == hashlib.md5(b"abc" * 100_000).hexdigest()
    path.write_bytes(b"abc")
    # The example of FIPS 180-2, appendix B.1.
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_stat_checksum_changes_with_size_time_and_name_and_with_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    path.write_bytes(b"123")
    os.utime(path, ns=(0, 1_000))
    first = stat_checksum([path])
    assert stat_checksum([path]) == first
    path.write_bytes(b"456")  # the same size, and the time put back: the one change that goes unseen
    os.utime(path, ns=(0, 1_000))
    assert stat_checksum([path]) == first
    os.utime(path, ns=(0, 1_001))
    later = stat_checksum([path])
    path.write_bytes(b"1234")
    os.utime(path, ns=(0, 1_000))
    longer = stat_checksum([path])
    renamed = path.rename(tmp_path / "others.npy")
    others = (stat_checksum(paths) for paths in ([renamed], [], [renamed, renamed]))
    assert len({first, later, longer, *others}) == 6


def test_stat_checksum_under_a_root_does_not_depend_on_where_the_root_lies(tmp_path: Path) -> None:
    folders = [tmp_path / "here", tmp_path / "there"]
    for folder in folders:
        (folder / "cat").mkdir(parents=True)
        (folder / "cat" / "1.png").write_bytes(b"x")
        os.utime(folder / "cat" / "1.png", ns=(0, 1_000))
    here, there = (stat_checksum([folder / "cat" / "1.png"], folder) for folder in folders)
    assert here == there
    assert stat_checksum([folders[0] / "cat" / "1.png"]) != stat_checksum([folders[1] / "cat" / "1.png"])


def test_stat_checksum_of_a_missing_file_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        stat_checksum([tmp_path / "nowhere"])
