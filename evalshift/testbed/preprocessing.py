"""What is done to an image before a model sees it: geometry (resize, crop), then arithmetic (scale, mean, std, order).

Geometry keeps uint8 and happens once, on the host; arithmetic happens on the device that the model runs on.
"""

from __future__ import annotations

import math
from functools import lru_cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from evalshift.formatting import counted

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


def _size(value: object) -> int | tuple[int, ...]:
    sides = tuple(value) if isinstance(value, list | tuple) else (value,)
    whole = [int(side) for side in sides if isinstance(side, Integral) and not isinstance(side, bool)]
    if len(whole) != len(sides) or not 1 <= len(sides) <= 2 or not all(1 <= side <= 16_384 for side in whole):
        raise ValueError("a size is one whole number from 1 to 16384, or two: height and width")
    return tuple(whole) if isinstance(value, list | tuple) else whole[0]


def _per_channel(value: object) -> tuple[float, ...]:
    numbers = tuple(value) if isinstance(value, list | tuple) else ()
    real = [float(number) for number in numbers if isinstance(number, Real) and not isinstance(number, bool)]
    if len(real) != len(numbers) or not 1 <= len(real) <= 4 or not all(map(math.isfinite, real)):
        raise ValueError("give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]")
    return tuple(real)


def _colour(value: object) -> int | tuple[int, ...]:
    levels = tuple(value) if isinstance(value, list | tuple) else (value,)
    whole = [int(level) for level in levels if isinstance(level, Integral) and not isinstance(level, bool)]
    if len(whole) != len(levels) or len(levels) not in (1, 3) or not all(0 <= level <= 255 for level in whole):
        raise ValueError("a colour is one whole number from 0 to 255 for all channels, or three: red, green and blue")
    return tuple(whole) if isinstance(value, list | tuple) else whole[0]


# One number is the shorter side, keeping the aspect ratio; two are height and width.
Size = Annotated[int | tuple[int, ...], BeforeValidator(_size)]
PerChannel = Annotated[tuple[float, ...], BeforeValidator(_per_channel)]
Colour = Annotated[int | tuple[int, ...], BeforeValidator(_colour)]
Channels = Annotated[Literal["rgb", "bgr", "gray"], BeforeValidator(lambda said: "gray" if said == "grey" else said)]


class Preprocess(BaseModel):
    """Preprocessing of one model, as data.

    pad            "square": first, pad the shorter side at both ends to the length of the longer one
    resize         256 or [256]: the shorter side; [256, 256]: height and width, ignoring the aspect ratio
    letterbox      instead of resize: 224 or [h, w]; fit the whole image into this size, keeping its aspect ratio, and
                   pad it, like PIL.ImageOps.pad
    fill           the colour of the padding, 0 to 255: one number, or [r, g, b]
    interpolation  the interpolation of the resize
    antialias      whether to antialias when shrinking; false resizes tensors, since Pillow always antialiases
    crop           224: the central 224 × 224; [h, w]: another shape
    crop_fraction  instead of resize: the square crop is this fraction of the shorter side, such as 0.875 (224 of 256)
    scale          the value of the brightest pixel (255) before mean and std: 1 or 255
    mean, std      one number per channel, on that scale: x → (x − mean) / std
    channels       rgb or bgr: images with one channel get three equal ones; gray: colour becomes one channel as in
                   Pillow's mode L. By default channels are unchanged, except that images with one channel get three
                   equal ones if mean or std have three numbers

    An empty `Preprocess` gives the model pixels in [0, 1].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pad: Literal["square"] | None = None
    resize: Size | None = None
    letterbox: Size | None = None
    fill: Colour = 0
    interpolation: Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"] = "bilinear"
    antialias: bool = True
    crop: Size | None = None
    crop_fraction: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] | None = None
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    mean: PerChannel | None = None
    std: PerChannel | None = None
    channels: Channels | None = None

    @model_validator(mode="after")
    def _mean_and_std_agree(self) -> Preprocess:
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels and std {len(self.std)}; give one number per channel")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std must be above 0 in every channel")
        return self

    @model_validator(mode="after")
    def _gray_is_one_channel(self) -> Preprocess:
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if self.channels is not None and numbers is not None and len(numbers) != self.channel_count:
                raise ValueError(
                    f"{name} has {len(numbers)} numbers, {self.channels} has {self.channel_count} channels"
                )
        return self

    @model_validator(mode="after")
    def _one_way_to_pad(self) -> Preprocess:
        others = [name for name in ("pad", "resize", "crop_fraction") if getattr(self, name) is not None]
        if self.letterbox is not None and others:
            raise ValueError(f"give either letterbox or {others[0]}")
        if "fill" in self.model_fields_set and self.letterbox is None and self.pad is None:
            raise ValueError("fill is the colour of pad or letterbox, and neither is given")
        return self

    @model_validator(mode="after")
    def _one_way_to_resize(self) -> Preprocess:
        if self.crop_fraction is not None and self.resize is not None:
            raise ValueError("give either resize or crop_fraction")
        if self.crop_fraction is not None and self.crop is not None and len(set(crop_size(self.crop))) > 1:
            raise ValueError("crop_fraction is of a square crop; give resize as height and width instead")
        return self

    @property
    def resize_to(self) -> int | tuple[int, ...] | None:
        """The size to resize to: that of `resize`, or ⌊crop / crop_fraction⌋, as timm rounds it."""
        if self.crop_fraction is None:
            return self.resize
        if self.crop is None:
            raise ValueError("crop_fraction is a part of crop, which is not given")
        return (int(crop_size(self.crop)[0] / self.crop_fraction),)

    @property
    def channel_count(self) -> int | None:
        """Number of channels that the model expects; None if the fields do not say."""
        if self.channels is not None:
            return 1 if self.channels == "gray" else 3
        numbers = self.mean if self.mean is not None else self.std
        return None if numbers is None else len(numbers)

    @property
    def has_geometry(self) -> bool:
        """Whether the size of images changes."""
        return any(getattr(self, name) is not None for name in ("pad", "resize", "letterbox", "crop", "crop_fraction"))

    @property
    def geometry(self) -> tuple:
        """What decides the pixels on the host, as plain values; models that agree here can share decoded images."""
        resize = self.resize_to
        resizes = resize is not None or self.letterbox is not None
        return (
            (resize,) if isinstance(resize, int) else resize,
            self.interpolation if resizes else "bilinear",
            self.antialias if resizes else True,
            None if self.crop is None else tuple(crop_size(self.crop)),
            self.pad,
            None if self.letterbox is None else tuple(crop_size(self.letterbox)),
            self.fill if self.pad or self.letterbox is not None else 0,
        )

    @property
    def geometry_of_files(self) -> tuple:
        """The same for image files, which Pillow always antialiases when it shrinks them."""
        return self.model_copy(update={"antialias": True}).geometry

    def over(self, own: Preprocess | None) -> Preprocess:
        """This preprocessing; fields that are not set here are taken from that of the source."""
        if own is None:
            return self
        said = {name: getattr(self, name) for name in self.model_fields_set}
        # One of them decides: the entry's, whichever the source had. A letterbox is the size that the model wants.
        others = {
            "resize": ("crop_fraction", "letterbox"),
            "crop_fraction": ("resize", "letterbox"),
            "letterbox": ("resize", "crop_fraction", "crop", "pad"),
        }
        unsaid = {other: None for name in said for other in others.get(name, ()) if other not in said}
        return own.model_copy(update={**unsaid, **said})


def apply_geometry(image: Image | torch.Tensor, preprocess: Preprocess) -> Image | torch.Tensor:
    """Pad, resize and crop one picture, or a batch of uint8 arrays as a tensor (n, c, h, w), as torchvision does.

    Raises ValueError for a fill of three colours on images of another number of channels.
    """
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as F

    def resized(size: list[int]) -> Any:
        mode = InterpolationMode(preprocess.interpolation)
        return F.resize(image, size, interpolation=mode, antialias=preprocess.antialias)  # pyright: ignore

    if preprocess.pad == "square":
        image = _padded_to_square(image, preprocess.fill)
    resize = preprocess.resize_to
    if preprocess.letterbox is not None:
        box = crop_size(preprocess.letterbox)
        image = resized(_fitted(_height_and_width(image), box))
        image = _padded(image, box, preprocess.fill, round_half_even=True)
    elif resize is not None:
        image = resized([resize] if isinstance(resize, int) else list(resize))
    if preprocess.crop is not None:
        image = F.center_crop(image, crop_size(preprocess.crop))  # pyright: ignore
    return image


def _height_and_width(image: Image | torch.Tensor) -> list[int]:
    import torch

    return list(image.shape[-2:]) if isinstance(image, torch.Tensor) else [image.height, image.width]


def _fitted(size: list[int], box: list[int]) -> list[int]:
    """Height and width of the largest image of the same aspect ratio in a box, rounded as PIL.ImageOps.contain does."""
    (height, width), (box_height, box_width) = size, box
    ratio, box_ratio = width / height, box_width / box_height
    if ratio > box_ratio:
        return [max(1, round(height / width * box_width)), box_width]
    return [box_height, max(1, round(width / height * box_height)) if ratio != box_ratio else box_width]


def _padded_to_square(image: Image | torch.Tensor, fill: int | tuple[int, ...]) -> Image | torch.Tensor:
    side = max(_height_and_width(image))
    return _padded(image, [side, side], fill, round_half_even=False)


def _padded(
    image: Image | torch.Tensor, box: list[int], fill: int | tuple[int, ...], round_half_even: bool
) -> Image | torch.Tensor:
    """The image in the middle of a box of that colour, height and width.

    round_half_even   where half a pixel goes: to the even number, as in PIL.ImageOps.pad, or always to the end, as in
                      torchvision's center_crop and albumentations' PadIfNeeded
    """
    import torch
    from PIL import Image

    height, width = _height_and_width(image)
    spare = [box[0] - height, box[1] - width]
    top, left = (round(0.5 * pixels) if round_half_even else pixels // 2 for pixels in spare)
    if not isinstance(image, torch.Tensor):
        canvas = Image.new(image.mode, (box[1], box[0]), fill if isinstance(fill, tuple) else (fill, fill, fill))
        canvas.paste(image, (left, top))
        return canvas
    colour = torch.tensor(fill, dtype=image.dtype).reshape(-1, 1, 1)
    if len(colour) not in (1, image.shape[1]):
        raise ValueError(f"preprocess.fill has {len(colour)} colours, the images {image.shape[1]} channels")
    canvas = colour.expand(*image.shape[:2], *box).clone()
    canvas[..., top : top + height, left : left + width] = image
    return canvas


def crop_size(crop: int | tuple[int, ...]) -> list[int]:
    """Height and width of a crop given as one number or two."""
    sides = (crop,) if isinstance(crop, int) else crop
    return [sides[0], sides[-1]]


def apply_arithmetic(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """uint8 pixels, shape (n, h, w, c), to what the model wants: float32, shape (n, c, h, w), on the same device.

    The operations and their order are those of torchvision's ToTensor and Normalize, so the floats agree to the bit.
    Raises ValueError when mean or std do not have one number per channel.
    """
    import torch

    pixels = _as_wanted(batch.permute(0, 3, 1, 2), preprocess)
    for name in ("mean", "std"):
        numbers = getattr(preprocess, name)
        if numbers is not None and len(numbers) != pixels.shape[1]:
            has, channels = counted(len(numbers), "number"), counted(pixels.shape[1], "channel")
            raise ValueError(f"preprocess.{name} has {has}, the images {channels}")
    if preprocess.scale == 255:
        values = pixels.to(torch.float32)
    else:
        # By a tensor: CUDA takes a plain number's reciprocal and multiplies, which differs in the last bit.
        divisor = _constant((255 / preprocess.scale,), pixels.device)[0]
        # In one step where memory is the limit; a CPU converts quicker by itself.
        values = pixels / divisor if pixels.device.type == "cuda" else pixels.to(torch.float32).div_(divisor)
    if preprocess.mean is not None:
        values.sub_(_constant(tuple(preprocess.mean), values.device).view(1, -1, 1, 1))
    if preprocess.std is not None:
        values.div_(_constant(tuple(preprocess.std), values.device).view(1, -1, 1, 1))
    return values


def _constant(numbers: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Numbers as float32 on the device. On a GPU they stay: to bring them there, it would have to be waited for."""
    import torch

    if device.type == "cuda":
        return _constant_on_gpu(numbers, str(device))
    return torch.tensor(numbers, dtype=torch.float32, device=device)


@lru_cache(maxsize=64)
def _constant_on_gpu(numbers: tuple[float, ...], device: str) -> torch.Tensor:
    import torch

    return torch.tensor(numbers, dtype=torch.float32, device=device)


def _as_wanted(pixels: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """uint8 (n, c, h, w) in the channels that the model wants, where it says so."""
    if preprocess.channels == "gray":
        return to_gray(pixels)
    if preprocess.channel_count == 3 and pixels.shape[1] == 1:
        return pixels.expand(-1, 3, -1, -1)
    return pixels.flip(1) if preprocess.channels == "bgr" else pixels


def to_gray(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (n, c, h, w) as one channel: luma of ITU-R 601, in whole numbers as Pillow's mode L, so to the level.

    Images of one channel are left as they are, and so are the levels of those with three equal ones.
    Source: Pillow, src/libImaging/Convert.c: (19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down.
    """
    import torch

    if pixels.shape[1] == 1:
        return pixels
    red, green, blue = pixels.to(torch.int32).unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).to(torch.uint8).unsqueeze(1)
