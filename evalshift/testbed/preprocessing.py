"""What is done to an image before a model sees it: geometry (resize, crop), then arithmetic (scale, mean, std, order).

Geometry keeps uint8 and happens once, on the host; arithmetic happens on the device that the model runs on.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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


# One number is the shorter side, the aspect ratio kept; two are height and width, taken as they are.
Size = Annotated[int | tuple[int, ...], BeforeValidator(_size)]
PerChannel = Annotated[tuple[float, ...], BeforeValidator(_per_channel)]


class Preprocess(BaseModel):
    """Preprocessing of one model, as data.

    resize         256 or [256]: the shorter side; [256, 256]: height and width, the aspect ratio lost
    interpolation  of the resize
    antialias      only tensors can do without; Pillow always smooths when it shrinks
    crop           the central 224 × 224 for 224; [h, w] for others
    crop_fraction  in place of resize: the square crop is this much of the shorter side, 0.875 of 256 for 224
    scale          what the brightest pixel (255) becomes before mean and std: 1 (the usual) or 255
    mean, std      a number a channel, on the scale above; x → (x − mean) / std
    channels       the order in which the model wants them

    An empty one gives the model pixels in [0, 1].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: Size | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"] = "bilinear"
    antialias: bool = True
    crop: Size | None = None
    crop_fraction: Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)] | None = None
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    mean: PerChannel | None = None
    std: PerChannel | None = None
    channels: Literal["rgb", "bgr"] = "rgb"

    @model_validator(mode="after")
    def _mean_and_std_agree(self) -> Preprocess:
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels and std {len(self.std)}; give one number a channel")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("std must be above 0 in every channel")
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
        """What `resize` says, or what `crop_fraction` makes of the crop: ⌊crop / fraction⌋, as timm rounds it."""
        if self.crop_fraction is None:
            return self.resize
        if self.crop is None:
            raise ValueError("crop_fraction is a part of crop, which is not given")
        return (int(crop_size(self.crop)[0] / self.crop_fraction),)

    @property
    def has_geometry(self) -> bool:
        """Whether images change size on their way."""
        return self.resize is not None or self.crop is not None or self.crop_fraction is not None

    @property
    def geometry(self) -> tuple:
        """What decides the pixels on the host; models that agree here can share decoded images."""
        return (self.resize_to, self.interpolation, self.antialias, self.crop)

    def over(self, own: Preprocess | None) -> Preprocess:
        """This one, filled up from what the source says of itself; what was set here wins."""
        if own is None:
            return self
        said = {name: getattr(self, name) for name in self.model_fields_set}
        # One of the two decides: the entry's, whichever the source had.
        other = {"resize": "crop_fraction", "crop_fraction": "resize"}
        unsaid = {other[name]: None for name in said if name in other and other[name] not in said}
        return own.model_copy(update={**unsaid, **said})


def apply_geometry(image: Image | torch.Tensor, preprocess: Preprocess) -> Image | torch.Tensor:
    """Resize and crop one picture, or a batch of uint8 arrays as a tensor (n, c, h, w), as torchvision does."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as F

    resize = preprocess.resize_to
    if resize is not None:
        size = [resize] if isinstance(resize, int) else list(resize)
        mode = InterpolationMode(preprocess.interpolation)
        image = F.resize(image, size, interpolation=mode, antialias=preprocess.antialias)  # pyright: ignore
    if preprocess.crop is not None:
        image = F.center_crop(image, crop_size(preprocess.crop))  # pyright: ignore
    return image


def crop_size(crop: int | tuple[int, ...]) -> list[int]:
    """Height and width of a crop given as one number or two."""
    sides = (crop,) if isinstance(crop, int) else crop
    return [sides[0], sides[-1]]


def apply_arithmetic(batch: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """uint8 pixels, shape (n, h, w, c), to what the model wants: float32, shape (n, c, h, w), on the same device.

    The operations and their order are those of torchvision's ToTensor and Normalize, so the floats agree to the bit.
    Raises ValueError when mean or std do not have one number a channel.
    """
    import torch

    pixels = batch.permute(0, 3, 1, 2)
    if preprocess.channels == "bgr":
        pixels = pixels.flip(1)
    values = pixels.to(torch.float32)
    if preprocess.scale != 255:
        # By a tensor: CUDA takes a plain number's reciprocal and multiplies, which differs in the last bit.
        values.div_(torch.tensor(255 / preprocess.scale, dtype=torch.float32, device=values.device))
    for name, operation in (("mean", values.sub_), ("std", values.div_)):
        numbers = getattr(preprocess, name)
        if numbers is None:
            continue
        if len(numbers) != values.shape[1]:
            raise ValueError(f"preprocess.{name} has {len(numbers)} numbers, the images {values.shape[1]} channels")
        operation(torch.tensor(numbers, dtype=torch.float32, device=values.device).view(1, -1, 1, 1))
    return values
