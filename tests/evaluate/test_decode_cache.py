import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalshift.console.cache import age_text
from evalshift.errors import UsageError
from evalshift.evaluate import decode_cache as module
from evalshift.evaluate.decode_cache import DecodeCache, decode_dir
from evalshift.evaluate.decoded_file import CacheKey, CacheWriter
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.options import Options, size_in_bytes
from evalshift.testbed.datasets import Dataset, fingerprint
from evalshift.testbed.preprocessing import Preprocess

CROP = Preprocess(resize=20, crop=16)
MB = 10**6


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(list(b"decode cache"))


@pytest.fixture
def photos(tmp_path: Path, make_dataset: Callable[..., Dataset], rng: np.random.Generator) -> Callable[..., Dataset]:
    """A dataset of so many JPEG files of noise, each of its own size."""

    def make(count: int, folder: str = "photos") -> Dataset:
        (tmp_path / folder).mkdir()
        paths = []
        for number in range(count):
            path = tmp_path / folder / f"{number:03d}.jpg"
            pixels = rng.integers(0, 256, (31 - number % 5, 20 + number % 7, 3), np.uint8)
            Image.fromarray(pixels).save(path)
            paths.append(path)
        return make_dataset(tuple(paths))

    return make


class Said(list[str]):
    """What a cache said, line by line."""

    def __call__(self, line: str) -> None:
        self.append(line)


def reader(dataset: Dataset, cache: DecodeCache | None, memory: int = 0) -> ImageReader:
    return ImageReader(dataset, 2, memory, cache, lambda: fingerprint(dataset))


def everything(one: ImageReader, preprocess: Preprocess = CROP, size: int = 13) -> np.ndarray:
    return np.concatenate(list(one.batches(size, preprocess)))


def key(name: str = "photos", images: int = 10) -> CacheKey:
    return CacheKey(name, f"fingerprint of {name}", CROP.geometry, {"pillow": "1"}, images)


def store(cache: DecodeCache, rows: np.ndarray, name: str = "photos") -> Path:
    writer = cache.writer(key(name, len(rows)), rows.shape[1:])
    assert writer is not None
    writer.append(rows)
    return writer.finish().path


@pytest.mark.parametrize("memory", [0, 1 << 20])
@pytest.mark.parametrize("size", [1, 7, 100, 500])
def test_pixels_are_the_same_to_the_bit_with_and_without_a_cache(
    tmp_path: Path, photos: Callable[..., Dataset], memory: int, size: int
) -> None:
    dataset = photos(110)
    plain = everything(reader(dataset, None))
    for decoded in (110, 0):  # written, then read by another run
        one = reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB), memory)
        for _ in range(2):
            np.testing.assert_array_equal(everything(one, size=size), plain)
        assert one.images_decoded == decoded


def test_what_a_reader_has_decoded_is_not_decoded_again(tmp_path: Path, photos: Callable[..., Dataset]) -> None:
    dataset = photos(100)
    one = reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB))
    first = one.first(64, CROP)
    half = one.batches(10, CROP)
    for _ in range(8):
        next(half)
    half.close()
    np.testing.assert_array_equal(everything(one)[:64], first)
    assert one.images_decoded == 100 + 32 - (100 - 64) % 32 or one.images_decoded == 100
    assert one.fill(CROP)


def test_each_geometry_and_each_content_has_a_file_of_its_own(tmp_path: Path, photos: Callable[..., Dataset]) -> None:
    dataset, other = photos(5), photos(5, "others")
    cache = DecodeCache(tmp_path / "cache", 10 * MB)
    for one, preprocess in (
        (dataset, CROP),
        (dataset, Preprocess(resize=20, crop=16, interpolation="bicubic")),
        (other, CROP),
        (dataset, Preprocess(resize=(20,), crop=(16, 16), antialias=False, mean=(0.5, 0.5, 0.5))),  # the first again
    ):
        everything(reader(one, cache), preprocess)
    assert len(cache.entries()) == 3
    assert [entry.shape for entry in cache.entries()] == [(5, 16, 16, 3)] * 3


def test_another_decoder_gets_another_file() -> None:
    one = CacheKey("a", "f", CROP.geometry, {"pillow": "12.0"}, 3)
    assert one.file_name != CacheKey("a", "f", CROP.geometry, {"pillow": "12.1"}, 3).file_name
    assert one.file_name == CacheKey("another name", "f", CROP.geometry, {"pillow": "12.0"}, 3).file_name


@pytest.mark.parametrize("place", [10, 5_000, 40_000, -30, -2])  # header, first and last block, checksums
def test_a_flipped_byte_is_found_and_the_images_are_decoded_again(
    tmp_path: Path, photos: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr("evalshift.evaluate.decoded_file._BLOCK_BYTES", 10_000)
    dataset, said = photos(60), Said()
    plain = everything(reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB)))
    [path] = (tmp_path / "cache").glob("*.pixels")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    one = reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB, said))
    np.testing.assert_array_equal(everything(one), plain)
    assert one.images_decoded == 60
    assert said == [f"decoded images of numbered were damaged in {path} and are decoded again"]
    again = reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB))
    np.testing.assert_array_equal(everything(again), plain)
    assert again.images_decoded == 0


@pytest.mark.parametrize("left", [0, 100, 4096, 20_000])
def test_a_file_that_was_cut_short_is_written_again(tmp_path: Path, photos: Callable[..., Dataset], left: int) -> None:
    dataset, said = photos(60), Said()
    plain = everything(reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB)))
    [path] = (tmp_path / "cache").glob("*.pixels")
    path.write_bytes(path.read_bytes()[:left])
    np.testing.assert_array_equal(everything(reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB, said))), plain)
    assert len(said) == 1
    assert "damaged" in said[0]


def test_a_run_beside_another_that_writes_the_same_file_decodes_for_itself(
    tmp_path: Path, photos: Callable[..., Dataset]
) -> None:
    dataset = photos(100)
    first, second = (reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB)) for _ in range(2))
    writing = first.batches(10, CROP)
    begun = [next(writing)]
    beside = everything(second)  # neither waits nor writes
    assert not list((tmp_path / "cache").glob("*.pixels"))
    np.testing.assert_array_equal(np.concatenate([*begun, *writing]), beside)
    assert len(list((tmp_path / "cache").glob("*.pixels"))) == 1
    np.testing.assert_array_equal(everything(second), beside)  # reads what the other has written
    assert second.images_decoded == 100


def test_what_a_killed_run_was_writing_is_removed_and_written_again(
    tmp_path: Path, photos: Callable[..., Dataset]
) -> None:
    dataset = photos(64)
    code = f"""
import os, signal
import numpy as np
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.evaluate.decoded_file import CacheKey
cache = DecodeCache({str(tmp_path / "cache")!r}, {10 * MB})
writer = cache.writer(CacheKey("numbered", "f", (), {{}}, 64), (16, 16, 3))
writer.append(np.zeros((32, 16, 16, 3), np.uint8))
writer.read(0, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    [leftover] = (tmp_path / "cache").glob(".*.evalshift-tmp")
    assert leftover.stat().st_size > 0
    cache = DecodeCache(tmp_path / "cache", 10 * MB)
    assert cache.entries() == []
    everything(reader(dataset, cache))
    assert not leftover.exists()
    assert len(cache.entries()) == 1


def test_a_run_that_stops_half_way_leaves_nothing(tmp_path: Path, photos: Callable[..., Dataset]) -> None:
    one = reader(photos(100), DecodeCache(tmp_path / "cache", 10 * MB))
    one.first(10, CROP)
    assert list((tmp_path / "cache").glob(".*.evalshift-tmp"))
    one.close()
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_full_disk_is_told_in_one_line_and_images_are_decoded_again(
    tmp_path: Path, photos: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, said = photos(100), Said()
    plain = everything(reader(dataset, None))
    append, calls = CacheWriter.append, []

    def full(self: CacheWriter, rows: np.ndarray) -> None:
        calls.append(len(rows))
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        append(self, rows)

    monkeypatch.setattr(CacheWriter, "append", full)
    one = reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB, said))
    for _ in range(2):
        np.testing.assert_array_equal(everything(one), plain)
    assert said == [f"decoded images of numbered are not cached in {tmp_path / 'cache'}: No space left on device"]
    assert not list((tmp_path / "cache").glob("*pixels*tmp"))
    monkeypatch.undo()
    # Where they fit into memory, they are still decoded once.
    calls.clear()
    monkeypatch.setattr(CacheWriter, "append", full)
    kept = reader(dataset, DecodeCache(tmp_path / "cache", 10 * MB), 1 << 20)
    assert kept.fill(CROP)
    np.testing.assert_array_equal(everything(kept), plain)
    assert kept.images_decoded == 100


def test_a_disk_without_room_is_not_filled(
    tmp_path: Path, photos: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=200_000_000))
    said = Said()
    one = reader(photos(40), DecodeCache(tmp_path / "cache", 10 * MB, said))
    assert len(everything(one)) == 40
    [line] = said
    assert line == (
        f"decoded images of numbered are not cached in {tmp_path / 'cache'}: "
        "34.8 kB do not fit into the 200.0 MB that are free"
    )


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, photos: Callable[..., Dataset]) -> None:
    (tmp_path / "cache").write_text("a file")
    said = Said()
    one = reader(photos(40), DecodeCache(tmp_path / "cache", 10 * MB, said))
    for preprocess in (CROP, Preprocess(resize=20, crop=8)):
        assert len(everything(one, preprocess)) == 40
    assert said == [f"decoded images of numbered are not cached in {tmp_path / 'cache'}: File exists"]


def test_images_that_exceed_the_cache_are_not_written(tmp_path: Path, photos: Callable[..., Dataset]) -> None:
    said = Said()
    one = reader(photos(40), DecodeCache(tmp_path / "cache", 30_000, said))
    assert not one.keeps(CROP)
    assert not one.fill(CROP)
    assert len(everything(one)) == 40
    assert one.keeps(Preprocess(resize=20, crop=8))
    assert said == [
        "decoded images of numbered are not cached: they take 34.8 kB, and 30.0 kB of the cache's 30.0 kB are left"
    ]


def test_nothing_is_written_with_a_size_of_0(tmp_path: Path, photos: Callable[..., Dataset]) -> None:
    one = reader(photos(10), DecodeCache(tmp_path / "cache", 0))
    everything(one)
    assert not (tmp_path / "cache").exists()


def test_the_least_recently_used_file_goes_first(tmp_path: Path, rng: np.random.Generator) -> None:
    rows = rng.integers(0, 256, (10, 100, 100, 3), np.uint8)  # 300 kB each
    cache = DecodeCache(tmp_path / "cache", 1_000_000)
    for age, name in enumerate(("c", "b", "a")):
        path = store(cache, rows, name)
        os.utime(path, (1_000 + age, 1_000 + age))
    opened = DecodeCache(tmp_path / "cache", 1_000_000)
    assert [entry.dataset for entry in opened.entries()] == ["c", "b", "a"]
    found = opened.open(key("c"))
    assert found is not None
    np.testing.assert_array_equal(found.read(2, 5), rows[2:5])
    store(opened, rows, "d")
    assert [entry.dataset for entry in opened.entries()] == ["a", "c", "d"]
    # What this run has opened stays; "a" goes, and then there is no room.
    found.close()
    opened.finished(opened.entries()[-1].path)
    store(opened, rows, "e")
    assert [entry.dataset for entry in opened.entries()] == ["c", "d", "e"]


def test_the_default_limit_is_50_gb_or_a_fifth_of_the_disk(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(DecodeCache(tmp_path / "cache", MB), rng.integers(0, 256, (10, 100, 100, 3), np.uint8))
    usage, taken = module.shutil.disk_usage(tmp_path), path.stat().st_size
    for free, limit in ((10 * MB - taken, 2 * MB), (400 * 10**9, 50 * 10**9)):
        monkeypatch.setattr(module.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert DecodeCache(tmp_path / "cache").limit == limit
        assert DecodeCache(tmp_path / "cache", 5).limit == 5


def test_files_are_removed_by_dataset_or_all(tmp_path: Path, rng: np.random.Generator) -> None:
    cache = DecodeCache(tmp_path / "cache", MB)
    for name in ("a", "b"):
        store(cache, rng.integers(0, 256, (3, 4, 4, 3), np.uint8), name)
    with pytest.raises(UsageError, match=r'^no decoded images of "aa"'):
        cache.clear(["aa"])
    assert [entry.dataset for entry in cache.clear(["a"])] == ["a"]
    assert [entry.dataset for entry in cache.clear()] == ["b"]
    assert cache.entries() == []


def test_the_folder_is_the_one_named_else_that_of_the_environment_else_beside_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSHIFT_CACHE", str(tmp_path / "scratch"))
    assert decode_dir(tmp_path / "named") == tmp_path / "named"
    assert decode_dir() == tmp_path / "scratch"
    monkeypatch.delenv("EVALSHIFT_CACHE")
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "data"))
    assert decode_dir() == tmp_path / "data" / "decoded"
    monkeypatch.delenv("EVALSHIFT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert decode_dir() == tmp_path / "xdg" / "evalshift" / "decoded"


def test_ages_are_in_words(tmp_path: Path, rng: np.random.Generator) -> None:
    store(DecodeCache(tmp_path / "cache", MB), rng.integers(0, 256, (3, 4, 4, 3), np.uint8))
    [entry] = DecodeCache(tmp_path / "cache", MB).entries()
    for seconds, words in ((5, "just now"), (61, "1 minute ago"), (7_300, "2 hours ago"), (86_400 * 3, "3 days ago")):
        assert age_text(entry, entry.last_used + seconds) == words


@pytest.mark.parametrize("size", ["lots", "-1", "20XB", "50", True, "1e9"])
def test_a_size_has_a_unit(size: str) -> None:
    with pytest.raises(UsageError, match="is not a size of the cache"):
        Options(cache_size=size)
    assert size_in_bytes("1.5 GB") == 1_500_000_000
