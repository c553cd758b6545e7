import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from evalshift.errors import DataError
from evalshift.testbed.archives import extract_member, extract_members

NOISE = np.random.default_rng(list(b"archives")).bytes(200_000)
FILES = {"cifar-10-batches-py/batches.meta": b"names", "cifar-10-batches-py/test_batch": NOISE}


def make(path: Path, mode: str, prefix: str = "") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo(f"{prefix}cifar-10-batches-py")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in FILES.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_reads_files_whatever_the_compression_and_the_name(tmp_path: Path, mode: str, prefix: str) -> None:
    archive = make(tmp_path / "data.tar.gz", mode, prefix)  # the name says gz; only the content counts
    assert extract_members(archive, FILES) == FILES
    assert extract_member(archive, "cifar-10-batches-py/test_batch") == NOISE
    assert [path.name for path in tmp_path.iterdir()] == ["data.tar.gz"]
    assert extract_members(archive, []) == {}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    archive = make(tmp_path / "data.tar", "w")
    with pytest.raises(DataError) as caught:
        extract_members(archive, ["cifar-10-batches-py/batches.meta", "cifar-10-batches-py/tset_batch"])
    assert str(caught.value) == (
        "an archive lacks the file cifar-10-batches-py/tset_batch\n"
        f"  where:    {archive}\n"
        "  found:    4 entries, first cifar-10-batches-py\n"
        '  do:       did you mean "cifar-10-batches-py/test_batch"?'
    )


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "link"])
def test_folders_and_links_are_not_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"an archive lacks the file {name}"):
        extract_member(make(tmp_path / "data.tar", "w"), name)


def test_an_empty_archive_lacks_everything(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(DataError) as caught:
        extract_member(tmp_path / "empty.tar", "x")
    assert str(caught.value) == (
        "an archive lacks the file x\n"
        f"  where:    {tmp_path}/empty.tar\n"
        "  found:    0 entries\n"
        "  do:       use the official archive"
    )


def complaint(archive: Path) -> str:
    with pytest.raises(DataError) as caught:
        extract_member(archive, "cifar-10-batches-py/test_batch")
    return str(caught.value)


def test_a_page_in_place_of_an_archive_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "data.tar.gz"
    archive.write_text("<html><head><title>403 Forbidden</title></head></html>")
    assert complaint(archive) == (
        "an archive cannot be read\n"
        f"  where:    {archive}\n"
        '  found:    a web page titled "403 Forbidden"\n'
        "  expected: a tar archive, plain or compressed with gzip, bzip2 or xz\n"
        "  do:       delete it and fetch it again"
    )


def test_a_missing_or_empty_archive_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.tar") == (
        "an archive cannot be read\n"
        f"  where:    {tmp_path}/none.tar\n"
        "  found:    no such file\n"
        "  expected: a tar archive, plain or compressed with gzip, bzip2 or xz\n"
        "  do:       check the path"
    )
    (tmp_path / "empty.tar").write_bytes(b"")
    assert "  found:    an empty file\n" in complaint(tmp_path / "empty.tar")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_cut_archive_is_refused(tmp_path: Path, mode: str) -> None:
    archive = make(tmp_path / "data.tar.gz", mode)
    archive.write_bytes(archive.read_bytes()[:100_000])
    assert complaint(archive).startswith(f"an archive cannot be read\n  where:    {archive}\n  found:    ")


@pytest.mark.parametrize("mode", ["w:bz2", "w:xz"])
def test_a_damaged_archive_is_refused(tmp_path: Path, mode: str) -> None:
    archive = make(tmp_path / "data.tar.gz", mode)
    content = bytearray(archive.read_bytes())
    content[100_000:100_100] = bytes(100)
    archive.write_bytes(content)
    assert complaint(archive).startswith(f"an archive cannot be read\n  where:    {archive}\n  found:    ")


def test_noise_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    assert "an archive cannot be read" in complaint(tmp_path / "noise")
    (tmp_path / "noise.gz").write_bytes(gzip.compress(NOISE))
    assert "an archive cannot be read" in complaint(tmp_path / "noise.gz")
