import gzip
import io
import os
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from messages import says

from evalshift.errors import DataError
from evalshift.testbed.archives import differing, each_file, extract_member, extract_members, unpack

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
    says(caught.value, where=archive, found="4 entries, first cifar-10-batches-py")


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "link"])
def test_folders_and_links_are_not_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"an archive lacks the file {name}"):
        extract_member(make(tmp_path / "data.tar", "w"), name)


def test_an_empty_archive_lacks_everything(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(DataError) as caught:
        extract_member(tmp_path / "empty.tar", "x")
    says(caught.value, where=f"{tmp_path}/empty.tar", found="0 entries")


def complaint(archive: Path) -> str:
    with pytest.raises(DataError) as caught:
        extract_member(archive, "cifar-10-batches-py/test_batch")
    return str(caught.value)


def test_a_page_in_place_of_an_archive_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "data.tar.gz"
    archive.write_text("<html><head><title>403 Forbidden</title></head></html>")
    says(complaint(archive), where=archive, found='a web page titled "403 Forbidden"')


def test_a_missing_or_empty_archive_is_named(tmp_path: Path) -> None:
    says(complaint(tmp_path / "none.tar"), where=f"{tmp_path}/none.tar", found="no such file")
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


def write_tar(path: Path, entries: Sequence[tarfile.TarInfo | tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                archive.addfile(info, io.BytesIO(entry[1]))
    return path


def write_zip(path: Path, entries: list[tuple[str, bytes]], packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def refusal(archive: Path, tmp_path: Path) -> str:
    """The complaint about unpacking; nothing may be left of it, inside the folder or out."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        unpack(archive, tmp_path / "inside" / "folder")
    left = [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.suffix != ".lock"]
    assert left in ([], [tmp_path / "inside"])
    return str(caught.value).replace(str(tmp_path), "HERE")


class TestUnpack:
    IMAGES = [("set/0/a.jpeg", NOISE), ("./set/10/b.jpeg", b"b"), ("set/empty.txt", b"")]  # noqa: RUF012

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
    def test_everything_arrives(self, tmp_path: Path, mode: str) -> None:
        archive, said = tmp_path / "set.tar.gz", []
        _ = write_zip(archive, self.IMAGES) if mode == "zip" else write_tar(archive, self.IMAGES, mode)
        folder = unpack(archive, tmp_path / "a" / "b", lambda done, total: said.append((done, total)))
        assert folder == tmp_path / "a" / "b"
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert found == {name.removeprefix("./"): content for name, content in self.IMAGES}
        assert said[-1] == (len(NOISE) + 1, None)
        assert list(differing(archive, folder)) == []
        (folder / "set/0/a.jpeg").write_bytes(NOISE[:-1] + b"x")
        (folder / "set/10/b.jpeg").unlink()
        assert list(differing(archive, folder)) == ["set/0/a.jpeg", "set/10/b.jpeg"]

    def test_what_is_there_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        assert unpack(tmp_path / "none.tar", tmp_path / "folder") == tmp_path / "folder"
        assert list((tmp_path / "folder").iterdir()) == []

    @pytest.mark.parametrize("name", ["/etc/cron.d/x", "../x", "set/../../x", "set/..", "C:/x", "set\\..\\..\\x"])
    @pytest.mark.parametrize("kind", ["tar", "zip"])
    def test_names_that_lead_outside(self, tmp_path: Path, name: str, kind: str) -> None:
        entries = [("set/1.jpeg", b"1"), (name, b"x")]
        archive = write_zip(tmp_path / "a.zip", entries) if kind == "zip" else write_tar(tmp_path / "a.tar", entries)
        says(refusal(archive, tmp_path), where=f"HERE/{archive.name}", found=name)

    @pytest.mark.parametrize("name", ["a/" * 2000 + "x.png", "y" * 256 + ".png"])
    @pytest.mark.parametrize("kind", ["tar", "zip"])
    def test_names_that_no_file_system_takes(self, tmp_path: Path, name: str, kind: str) -> None:
        entries = [("set/1.jpeg", b"1"), (name, b"x")]
        archive = write_zip(tmp_path / "a.zip", entries) if kind == "zip" else write_tar(tmp_path / "a.tar", entries)
        assert refusal(archive, tmp_path).startswith("an archive holds a name that is too long\n")

    @pytest.mark.parametrize(
        "entry, found",
        [
            (link("set/link", "/etc/passwd"), "set/link → /etc/passwd"),
            (link("set/link", "../../.ssh"), "set/link → ../../.ssh"),
            (link("set/hard", "/etc/passwd", tarfile.LNKTYPE), "set/hard → /etc/passwd"),
            (link("set/pipe", "", tarfile.FIFOTYPE), "set/pipe"),
            (link("set/disk", "", tarfile.BLKTYPE), "set/disk"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_links_and_devices(self, tmp_path: Path, entry: tarfile.TarInfo, found: str) -> None:
        # The file behind it would be written through the link.
        archive = write_tar(tmp_path / "a.tar", [entry, (f"{entry.name}/authorized_keys", b"mine")])
        assert refusal(archive, tmp_path).startswith(
            f"an archive holds a link or a device\n  where:    HERE/a.tar\n  found:    {found}\n"
        )

    def test_links_in_zip(self, tmp_path: Path) -> None:
        info = zipfile.ZipInfo("set/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(info, "/etc/passwd")
        assert refusal(tmp_path / "a.zip", tmp_path).startswith("an archive holds a link or a device\n")

    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
    def test_a_thousandfold_expansion(self, tmp_path: Path, kind: str) -> None:
        bomb = [("set/1.jpeg", b"1"), ("set/zeros.npy", bytes(20_000_000))]
        if kind == "zip":
            archive = write_zip(tmp_path / "a", bomb, zipfile.ZIP_DEFLATED)
        else:
            archive = write_tar(tmp_path / "a", bomb, f"w:{kind}")
        packed = archive.stat().st_size
        assert refusal(archive, tmp_path).startswith(
            "an archive would grow beyond all measure\n"
            "  where:    HERE/a\n"
            f"  found:    20,000,001 bytes by set/zeros.npy, out of {packed:,}\n"
        )

    def test_many_small_ones_are_counted_together(self, tmp_path: Path) -> None:
        archive = write_tar(tmp_path / "a.gz", [(f"{number}.npy", bytes(1_000_000)) for number in range(20)], "w:gz")
        assert "an archive would grow beyond all measure\n" in refusal(archive, tmp_path)

    def test_a_single_file_read_into_memory_is_measured_too(self, tmp_path: Path) -> None:
        archive = write_tar(tmp_path / "a.gz", [("zeros.npy", bytes(20_000_000))], "w:gz")
        with pytest.raises(DataError, match=r"^an archive would grow beyond all measure\n"):
            extract_member(archive, "zeros.npy")

    def test_a_sparse_file_claims_more_than_there_is(self, tmp_path: Path) -> None:
        (tmp_path / "sparse").mkdir()
        with (tmp_path / "sparse" / "hole").open("wb") as stream:
            stream.truncate(1 << 32)
        done = subprocess.run(["tar", "--sparse", "-C", tmp_path / "sparse", "-cf", tmp_path / "a.tar", "hole"])
        if done.returncode:
            pytest.skip("this machine's tar writes no sparse files")
        (tmp_path / "sparse" / "hole").unlink()
        assert "a sparse file, as tar --sparse writes it" in refusal(tmp_path / "a.tar", tmp_path)

    @pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
    def test_a_header_of_gigabytes(self, tmp_path: Path, kind: bytes) -> None:
        """tarfile reads what a header says of its length into memory before it looks at it."""
        header = tarfile.TarInfo("x")
        header.type, header.size = kind, 1 << 40
        (tmp_path / "data.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
        for read in (lambda path: unpack(path, tmp_path / "out"), lambda path: extract_member(path, "a")):
            with pytest.raises(DataError, match="a header of 1,099,511,627,776 bytes"):
                read(tmp_path / "data.tar.gz")

    def test_the_map_of_a_sparse_file_is_not_read(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "data.tar", "w") as archive:
            entry, content = tarfile.TarInfo("a"), b"99999999999\n" + 1000 * b"1\n"
            entry.size = len(content)
            entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}
            archive.addfile(entry, io.BytesIO(content))
        with pytest.raises(DataError, match="a sparse file"):
            unpack(tmp_path / "data.tar", tmp_path / "out")

    def test_what_is_passed_by_is_measured_too(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as archive:
            for name, size in (("large", 64 << 20), ("a", 1)):
                entry = tarfile.TarInfo(name)
                entry.size = size
                archive.addfile(entry, io.BytesIO(bytes(size)))
        with pytest.raises(DataError, match="beyond all measure"):
            extract_member(tmp_path / "data.tar.gz", "a")

    def test_files_read_one_after_the_other_are_counted_together(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(8):
                archive.writestr(str(number), bytes(4 << 20))
        with pytest.raises(DataError, match="beyond all measure"):
            list(each_file(tmp_path / "data.zip"))

    @pytest.mark.parametrize("kind", ["pipe", "device"])
    def test_what_never_ends_is_no_archive(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "data.tar"
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        for read in (lambda path: unpack(path, tmp_path / "out"), lambda path: extract_member(path, "a")):
            with pytest.raises(DataError, match="a pipe or a device"):
                read(path)

    def test_a_name_twice(self, tmp_path: Path) -> None:
        archive = write_tar(tmp_path / "a.tar", [("x", b"1"), ("./x", b"2")])
        assert refusal(archive, tmp_path).startswith("an archive holds a name twice\n  where:    HERE/a.tar\n")
        archive = write_tar(tmp_path / "b.tar", [("x", b"1"), ("x/y", b"2")])
        assert refusal(archive, tmp_path).startswith("an archive holds a name twice\n  where:    HERE/b.tar\n")

    def test_a_cut_archive_leaves_nothing(self, tmp_path: Path) -> None:
        archive = write_tar(tmp_path / "a.tar.gz", [("1", NOISE), ("2", NOISE)], "w:gz")
        archive.write_bytes(archive.read_bytes()[:300_000])
        assert refusal(archive, tmp_path).startswith("an archive cannot be read\n  where:    HERE/a.tar.gz\n")

    def test_a_page_in_place_of_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_text("<html><title>403 Forbidden</title>")
        says(refusal(tmp_path / "a.zip", tmp_path), where="HERE/a.zip", found='a web page titled "403 Forbidden"')

    def test_what_a_killed_process_left_is_cleared_away(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.tar"
        with tarfile.open(archive, "w") as opened:
            entry = tarfile.TarInfo("one.txt")
            opened.addfile(entry, io.BytesIO())
        left = tmp_path / ".out[1].0a1b2c3d.unpacking"
        other = tmp_path / ".out1.0a1b2c3d.unpacking"
        for folder in (left, other):
            folder.mkdir()
            (folder / "half").write_bytes(b"half")
        assert (unpack(archive, tmp_path / "out[1]") / "one.txt").is_file()
        assert not left.exists()
        assert other.exists()  # of another archive, which may be at work

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        archive = write_tar(tmp_path / "a.tar", [("x", b"1")])
        with pytest.raises(DataError) as caught:
            unpack(archive, tmp_path / "file" / "folder")
        says(caught.value, where=tmp_path / "file", found="File exists")
