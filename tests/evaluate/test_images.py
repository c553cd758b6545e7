import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import says
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from evalshift.errors import DataError, ModelError
from evalshift.evaluate import images as images_module
from evalshift.evaluate.images import ImageReader, decode
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
PHOTOGRAPHS = DATA / "imagenet-samples"
MakeDataset = Callable[..., Dataset]
AS_IT_IS = Preprocess()
CROP = Preprocess(resize=20, crop=(16,))
DIFFERENT_SIZES = "the images have different sizes, and the model's preprocessing does not make them equal"


def pictures(folder: Path, count: int, rng: np.random.Generator, size: tuple[int, int] | None = None) -> list[Path]:
    """PNG files of noise, each of its own size unless one is given."""
    paths = []
    for number in range(count):
        width, height = size or (20 + number % 7, 31 - number % 5)
        path = folder / f"{number:03d}.png"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(list(b"images"))


def everything(reader: ImageReader, size: int, preprocess: Preprocess) -> np.ndarray:
    return np.concatenate(list(reader.batches(size, preprocess)))


def by_pillow(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def decoding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("evalshift-decode")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(count=st.integers(1, 150), size=st.integers(1, 200))
def test_traps_20_to_22_batches_of_arrays_hold_each_image_once_and_in_order(
    numbered: Callable[..., np.ndarray], make_dataset: MakeDataset, count: int, size: int
) -> None:
    images = numbered(count, 2)
    batches = list(ImageReader(make_dataset(images)).batches(size, AS_IT_IS))
    assert [len(batch) for batch in batches] == [size] * (count // size) + [count % size] * (count % size > 0)
    np.testing.assert_array_equal(np.concatenate(batches), images)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(count=st.integers(1, 150), size=st.integers(1, 200), workers=st.integers(1, 3))
def test_traps_20_to_22_batches_of_what_is_decoded_hold_each_image_once_and_in_order(
    numbered: Callable[..., np.ndarray], make_dataset: MakeDataset, count: int, size: int, workers: int
) -> None:
    # Nearest neighbour to twice the size: every pixel stands four times, so the first still numbers the image.
    reader = ImageReader(make_dataset(numbered(count, 2)), workers)
    twice = Preprocess(resize=4, interpolation="nearest")
    for _ in range(2):  # decoded, then kept
        batches = list(reader.batches(size, twice))
        assert [len(batch) for batch in batches] == [size] * (count // size) + [count % size] * (count % size > 0)
        assert [int(image[1, 1, 0]) for batch in batches for image in batch] == list(range(count))


def test_arrays_never_pass_through_pillow(python: Callable[..., str]) -> None:
    code = """
import sys
class NoPillow:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "PIL":
            raise ImportError("Pillow is not to be used")
sys.meta_path.insert(0, NoPillow())
import numpy as np
from evalshift.evaluate.images import ImageReader
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.preprocessing import Preprocess
images = np.arange(5 * 8 * 8 * 3).reshape(5, 8, 8, 3).astype(np.uint8)
labels = np.zeros(5, np.int64)
reader = ImageReader(Dataset("arrays", ClassSpace("two", ("a", "b")), tuple("abcde"), labels, images))
batches = list(reader.batches(2, Preprocess(mean=(0.5,), std=(0.5,))))
print(len(batches), (np.concatenate(batches) == images).all(), "PIL" in sys.modules)
try:
    import PIL
except ImportError:
    print("blocked")
"""
    assert python(code) == "3 True False\nblocked\n"


def test_a_mapped_array_is_read_batch_by_batch_into_memory_that_can_be_written_to(
    tmp_path: Path, numbered: Callable[..., np.ndarray], make_dataset: MakeDataset
) -> None:
    np.save(tmp_path / "x.npy", numbered(10))
    reader = ImageReader(make_dataset(np.load(tmp_path / "x.npy", mmap_mode="r")))
    for batch in reader.batches(4, AS_IT_IS):
        assert batch.flags.writeable
        assert not isinstance(batch, np.memmap)
        batch[:] = 0
    assert everything(reader, 4, AS_IT_IS)[:, 0, 0, 0].tolist() == list(range(10))


@pytest.mark.parametrize(
    "settings",
    [
        {"resize": 20, "crop": 16},
        {"resize": [18, 22], "crop": [16, 20], "interpolation": "bicubic"},
        {"resize": 40, "crop": 32, "interpolation": "lanczos"},
        {"crop": 48},  # larger than the images: torchvision pads with black
    ],
)
def test_files_are_decoded_as_pillow_and_torchvision_do(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator, settings: dict[str, Any]
) -> None:
    paths = pictures(tmp_path, 9, rng)
    expected = []
    for path in paths:
        picture: Any = by_pillow(path)
        if "resize" in settings:
            mode = InterpolationMode(settings.get("interpolation", "bilinear"))
            picture = F.resize(picture, settings["resize"], interpolation=mode, antialias=True)
        expected.append(np.asarray(F.center_crop(picture, settings["crop"])))
    found = everything(ImageReader(make_dataset(tuple(paths))), 4, Preprocess(**settings))
    np.testing.assert_array_equal(found, np.stack(expected))


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason=f"no {PHOTOGRAPHS}; name its folder with EVALSHIFT_TEST_DATA")
def test_trap_13_photographs_have_the_pixels_of_an_exact_decoder() -> None:
    """Trap 13: a decoder that works in a hurry gives many pixels otherwise. Ours does not."""
    paths = sorted(PHOTOGRAPHS.glob("*/*.JPEG"))[::5]
    assert len(paths) == 50
    for path in paths:
        ours, content = decode(path, AS_IT_IS, "here"), path.read_bytes()
        np.testing.assert_array_equal(ours, simplejpeg.decode_jpeg(content), err_msg=path.name)
        hasty = simplejpeg.decode_jpeg(content, fastdct=True, fastupsample=True)
        assert (ours != hasty).mean() > 0.3, path.name


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("side", [4, 16])
def test_arrays_are_resized_as_torchvision_resizes_tensors(
    make_dataset: MakeDataset, rng: np.random.Generator, interpolation: str, antialias: bool, side: int
) -> None:
    images = rng.integers(0, 256, (70, 8, 8, 3), np.uint8)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    expected = F.resize(tensor, [side], interpolation=InterpolationMode(interpolation), antialias=antialias)
    preprocess = Preprocess(resize=side, interpolation=interpolation, antialias=antialias)  # pyright: ignore
    found = everything(ImageReader(make_dataset(images)), 33, preprocess)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected.permute(0, 2, 3, 1).numpy())


def test_an_interpolation_that_arrays_cannot_have_is_a_complaint(make_dataset: MakeDataset) -> None:
    with pytest.raises(ModelError) as caught:
        everything(ImageReader(make_dataset(3)), 2, Preprocess(resize=8, interpolation="box"))
    says(caught.value, where="dataset numbered", found="interpolation box, antialias True")


class Counted(ImageReader):
    """Says how many images were decoded."""

    decoded = 0

    def _decode_part(self, start: int, stop: int, preprocess: Preprocess) -> np.ndarray:
        self.decoded += stop - start
        return super()._decode_part(start, stop, preprocess)


def test_decoded_images_are_kept_for_models_that_want_them_cut_alike(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    reader = Counted(make_dataset(tuple(pictures(tmp_path, 50, rng))))
    first = everything(reader, 16, CROP)
    assert reader.decoded == 50
    # Arithmetic is the model's own business; only geometry decides which pixels it gets.
    again = everything(reader, 7, CROP.model_copy(update={"mean": (0.5,), "channels": "bgr"}))
    np.testing.assert_array_equal(again, first)
    assert reader.decoded == 50
    everything(reader, 16, Preprocess(resize=20, crop=(16,), interpolation="bicubic"))
    assert reader.decoded == 100
    everything(reader, 16, CROP)  # still there
    assert reader.decoded == 100


def test_what_a_consumer_does_to_a_batch_does_not_reach_the_kept_images(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    reader = ImageReader(make_dataset(tuple(pictures(tmp_path, 40, rng))))
    first = everything(reader, 16, CROP)
    for _ in range(2):
        for batch in reader.batches(16, CROP):
            batch[:] = 0
    np.testing.assert_array_equal(everything(reader, 16, CROP), first)


def test_images_that_do_not_fit_into_the_cache_are_decoded_for_each_model(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    paths = tuple(pictures(tmp_path, 100, rng))
    fits = 100 * 16 * 16 * 3
    # The first 64, on which networks are tried, are always kept.
    for cache_bytes, decoded in ((fits, 100), (fits - 1, 136), (0, 136)):
        reader = Counted(make_dataset(paths), cache_bytes=cache_bytes)
        first = everything(reader, 16, CROP)
        np.testing.assert_array_equal(everything(reader, 16, CROP), first)
        assert reader.decoded == decoded


def test_images_are_not_kept_before_all_of_them_have_passed(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    reader = ImageReader(make_dataset(tuple(pictures(tmp_path, 70, rng))))
    batches = reader.batches(16, CROP)
    next(batches)
    batches.close()
    assert len(everything(reader, 16, CROP)) == 70


def test_only_so_many_images_are_decoded_ahead(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    reader = Counted(make_dataset(tuple(pictures(tmp_path, 400, rng, (8, 8)))), workers=1)
    batches = reader.batches(32, Preprocess(crop=8))
    next(batches)
    batches.close()
    # One part taken, and at most workers + 2 others begun; 400 images would be 13 parts.
    assert reader.decoded <= 5 * 32


def test_threads_end_when_a_consumer_stops_early(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    reader = ImageReader(make_dataset(tuple(pictures(tmp_path, 200, rng, (8, 8)))), workers=2)
    batches = reader.batches(4, AS_IT_IS)
    next(batches)
    assert decoding_threads()
    batches.close()
    assert not decoding_threads()

    def fail() -> None:
        for _ in reader.batches(4, AS_IT_IS):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not decoding_threads()
    everything(reader, 4, AS_IT_IS)
    assert not decoding_threads()


@pytest.mark.parametrize("count, expected", [(1, 1), (40, 40), (64, 50)])
def test_the_first_images_are_those_of_the_batches(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator, count: int, expected: int
) -> None:
    reader = Counted(make_dataset(tuple(pictures(tmp_path, 50, rng))))
    first = reader.first(count, CROP)
    assert reader.decoded == len(first) == expected  # and not one image more is decoded for them
    np.testing.assert_array_equal(first, everything(reader, 16, CROP)[:count])
    np.testing.assert_array_equal(reader.first(count, CROP), first)
    assert reader.decoded == 50  # what was decoded for them is not decoded again


def test_the_first_images_of_an_array_can_be_written_to(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(10)
    ImageReader(dataset).first(4, AS_IT_IS)[:] = 7
    assert dataset.images[3, 0, 0, 0] == 3  # pyright: ignore


def broken_png(folder: Path, whole: bytes) -> dict[str, bytes]:
    return {
        "cut short": whole[: len(whole) // 2],
        "empty": b"",
        "no image": b"<html>404 Not Found</html>",
        "damaged": whole[:60] + bytes(40) + whole[100:],
    }


@pytest.mark.parametrize("kind", ["cut short", "empty", "no image", "damaged"])
def test_a_file_that_is_no_image_is_named(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator, kind: str
) -> None:
    paths = pictures(tmp_path, 40, rng, (8, 8))
    paths[35].write_bytes(broken_png(tmp_path, paths[35].read_bytes())[kind])
    reader = ImageReader(make_dataset(tuple(paths)))
    with pytest.raises(DataError) as caught:
        everything(reader, 16, AS_IT_IS)
    complaint = caught.value
    says(complaint, where=f"dataset numbered, {paths[35]}", found=complaint.found)
    assert str(complaint.found).splitlines() == [complaint.found]
    assert not decoding_threads()


def test_a_file_that_is_gone_is_named(tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    paths = pictures(tmp_path, 3, rng, (8, 8))
    paths[1].unlink()
    with pytest.raises(DataError, match=f"where:    dataset numbered, {paths[1]}\n  found:    .*No such file"):
        everything(ImageReader(make_dataset(tuple(paths))), 2, AS_IT_IS)


@pytest.mark.parametrize("odd", [1, 45])  # among the files decoded together with the first, and among later ones
def test_images_of_different_sizes_are_refused(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator, odd: int
) -> None:
    paths = pictures(tmp_path, 50, rng, (12, 8))
    Image.fromarray(rng.integers(0, 256, (1, 12, 3), np.uint8)).save(paths[odd])
    reader = ImageReader(make_dataset(tuple(paths)))
    with pytest.raises(ModelError) as caught:
        everything(reader, 16, AS_IT_IS)
    says(caught.value, where="dataset numbered", found="8 × 12 and 1 × 12")
    assert everything(reader, 16, Preprocess(resize=(8, 12))).shape == (50, 8, 12, 3)


def saved(folder: Path, picture: Image.Image, suffix: str, **options: Any) -> Path:
    path = folder / f"picture{suffix}"
    picture.save(path, **options)
    return path


def test_trap_19_images_of_every_mode_become_rgb(tmp_path: Path, rng: np.random.Generator) -> None:
    grey = Image.fromarray(rng.integers(0, 256, (6, 5), np.uint8))
    colour = Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8))
    paths = [
        saved(tmp_path, grey, "-l.png"),
        saved(tmp_path, grey.convert("1"), "-1.png"),
        saved(tmp_path, colour.quantize(16), "-p.png"),
        saved(tmp_path, colour.quantize(16), "-p.gif"),
        saved(tmp_path, colour.convert("RGBA"), "-rgba.png"),
        saved(tmp_path, Image.merge("LA", (grey, grey)), "-la.png"),
        saved(tmp_path, colour.convert("CMYK"), "-cmyk.jpg"),
        saved(tmp_path, colour, ".bmp"),
        saved(tmp_path, colour, ".webp", lossless=True),
    ]
    for path in paths:
        found = decode(path, AS_IT_IS, "here")
        assert (found.shape, found.dtype) == ((6, 5, 3), np.uint8), path
        np.testing.assert_array_equal(found, np.asarray(by_pillow(path)))
    # Grey is the same in all channels, and what is opaque keeps its colours.
    np.testing.assert_array_equal(decode(paths[0], AS_IT_IS, "here"), np.asarray(grey)[..., None].repeat(3, 2))
    np.testing.assert_array_equal(decode(paths[4], AS_IT_IS, "here"), np.asarray(colour))


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_an_image_of_16_bits_is_refused_rather_than_cut_to_white(tmp_path: Path, mode: str) -> None:
    values = np.full((4, 4), 1_000, np.uint16)
    picture = Image.fromarray(values) if mode == "I;16" else Image.fromarray(values.astype(np.int32))
    path = saved(tmp_path, picture, ".tiff")
    assert np.asarray(by_pillow(path)).min() == 255  # what Pillow makes of 1,000 of 65,535
    with pytest.raises(DataError) as caught:
        decode(path, AS_IT_IS, f"dataset deep, {path}")
    says(caught.value, where=f"dataset deep, {path}", found=f"Pillow's mode {mode}")


def test_trap_19_the_orientation_in_exif_is_not_applied(tmp_path: Path, rng: np.random.Generator) -> None:
    picture = Image.fromarray(rng.integers(0, 256, (8, 16, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees to see it upright
    path = saved(tmp_path, picture, ".jpg", exif=exif)
    with Image.open(path) as opened:
        assert opened.getexif()[0x0112] == 6
    assert decode(path, AS_IT_IS, "here").shape == (8, 16, 3)


def test_the_cache_limit_is_that_of_the_module(make_dataset: MakeDataset) -> None:
    assert ImageReader(make_dataset(1)).cache_bytes == images_module.CACHE_BYTES == 2**29


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_every_kind_of_file_becomes_gray_as_pillow_makes_it(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator, mode: str
) -> None:
    """Colour is read first, without the alpha channel, as for a network that takes colour."""
    picture = Image.fromarray(rng.integers(0, 256, (9, 7, 4), np.uint8))
    picture = (picture.convert("RGB") if mode in ("P", "1", "CMYK") else picture).convert(mode)
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    picture.save(path)
    preprocess = Preprocess(channels="gray", scale=255)
    (batch,) = ImageReader(make_dataset((path,))).batches(1, preprocess)
    gray = apply_arithmetic(torch.from_numpy(batch), preprocess)
    assert np.array_equal(gray[0, 0].numpy(), np.array(picture.convert("RGB").convert("L")))


def test_files_and_arrays_are_fitted_into_one_size(
    tmp_path: Path, make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, size in zip(paths, ((12, 8), (8, 12), (40, 1)), strict=True):
        Image.fromarray(rng.integers(1, 256, (*size, 3), np.uint8)).save(path)
    (batch,) = ImageReader(make_dataset(tuple(paths))).batches(3, Preprocess(letterbox=(16, 16), fill=0))
    assert batch.shape == (3, 16, 16, 3)
    arrays = rng.integers(0, 256, (3, 6, 4, 1), np.uint8)
    (batch,) = ImageReader(make_dataset(arrays)).batches(3, Preprocess(pad="square", fill=255))
    assert batch.shape == (3, 6, 6, 1)
    assert np.array_equal(batch[:, :, 1:5], arrays)
    assert (batch[:, :, [0, 5]] == 255).all()
    with pytest.raises(ModelError, match="fill has 3 colours, the images 1 channels"):
        list(ImageReader(make_dataset(arrays)).batches(3, Preprocess(pad="square", fill=(1, 2, 3))))
