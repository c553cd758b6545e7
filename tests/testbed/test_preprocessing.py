from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from messages import says
from PIL import Image, ImageOps
from pydantic import ValidationError
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from evalshift.testbed.models.timm_weights import timm_preprocess
from evalshift.testbed.models.torchvision_weights import torchvision_preprocess
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic, apply_geometry, crop_size

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Tiny, tall, wide, large and grey, as they come in real test sets.
PHOTOGRAPHS = (
    "n04254120/n04254120_soap_dispenser.JPEG",
    "n03825788/n03825788_nipple.JPEG",
    "n03063599/n03063599_coffee_mug.JPEG",
    "n03109150/n03109150_corkscrew.JPEG",
    "n04008634/n04008634_projectile.JPEG",
    "n01440764/n01440764_tench.JPEG",
)
# As above, made of noise, where the photographs are not there; width and height.
NOISE = ((97, 135), (225, 224), (500, 375), (375, 501), (33, 32))


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng([width, height])
    return Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def photographs(real_data: Callable[[str], Path]) -> list[Image.Image]:
    folder = real_data("imagenet-samples")
    return [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]


def ours(picture: Image.Image, preprocess: Preprocess) -> torch.Tensor:
    """One picture as a network of ours would see it."""
    pixels = np.array(apply_geometry(picture, preprocess))
    return apply_arithmetic(torch.from_numpy(pixels)[None], preprocess)[0]


def same(picture: Image.Image, preprocess: Preprocess, theirs: Callable[[Any], Any]) -> None:
    assert torch.equal(ours(picture, preprocess), theirs(picture))


def images(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(list(shape)).integers(0, 256, shape).astype(np.uint8))


class TestArithmetic:
    def theirs(self, batch: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
        pictures = [F.to_tensor(image.numpy()) for image in batch]
        return torch.stack([F.normalize(picture, list(mean), list(std)) for picture in pictures])

    @pytest.mark.parametrize(
        "mean, std",
        [
            (MEAN, STD),
            ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
            ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
            ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ],
    )
    def test_equals_torchvision_to_the_bit(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        # All 256 values of a pixel in each channel, and noise.
        ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3)
        for batch in (ramp.contiguous(), images(5, 32, 32, 3)):
            assert torch.equal(apply_arithmetic(batch, Preprocess(mean=mean, std=std)), self.theirs(batch, mean, std))

    @given(
        st.integers(1, 3),
        st.integers(1, 5),
        st.integers(1, 5),
        st.sampled_from([1, 3]),
        st.data(),
    )
    def test_for_any_shape_and_constants(self, n: int, height: int, width: int, channels: int, data: Any) -> None:
        numbers = st.floats(0.0625, 2)
        mean, std = (tuple(data.draw(numbers) for _ in range(channels)) for _ in range(2))
        batch = images(n, height, width, channels)
        assert torch.equal(apply_arithmetic(batch, Preprocess(mean=mean, std=std)), self.theirs(batch, mean, std))

    def test_nothing_said_means_pixels_from_0_to_1(self) -> None:
        batch = images(2, 4, 4, 3)
        values = apply_arithmetic(batch, Preprocess())
        assert values.dtype == torch.float32
        assert values.shape == (2, 3, 4, 4)
        assert torch.equal(values, torch.stack([F.to_tensor(image.numpy()) for image in batch]))

    def test_by_hand(self) -> None:
        # 51 of 255 is 0.2; (0.2 − 0.1) / 0.5 = 0.2
        batch = torch.full((1, 1, 1, 1), 51, dtype=torch.uint8)
        assert apply_arithmetic(batch, Preprocess(mean=(0.1,), std=(0.5,))).item() == pytest.approx(0.2)
        assert apply_arithmetic(batch, Preprocess(mean=(0.1,))).item() == pytest.approx(0.1)
        assert apply_arithmetic(batch, Preprocess(std=(0.5,))).item() == pytest.approx(0.4)

    def test_trap_14_a_scale_of_255(self) -> None:
        """Caffe's networks: pixels from 0 to 255, less a mean on that scale (trap 14)."""
        batch, mean = images(2, 3, 3, 3), (104.0, 117.0, 123.0)
        values = apply_arithmetic(batch, Preprocess(scale=255, mean=mean))
        assert torch.equal(values, batch.permute(0, 3, 1, 2).float() - torch.tensor(mean).view(1, 3, 1, 1))

    def test_a_scale_in_between(self) -> None:
        batch = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
        assert apply_arithmetic(batch, Preprocess(scale=2)).flatten().tolist() == pytest.approx([0, 0.4, 2])

    def test_trap_14_bgr(self) -> None:
        """The channels turn round first: mean and std stand in the order that the model wants."""
        batch = images(2, 3, 3, 3)
        settings: Any = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}
        turned = apply_arithmetic(batch.flip(-1), Preprocess(**settings))
        assert torch.equal(apply_arithmetic(batch, Preprocess(channels="bgr", **settings)), turned)

    def test_the_pixels_are_left_as_they_are(self) -> None:
        batch = images(2, 3, 3, 3)
        before = batch.clone()
        apply_arithmetic(batch, Preprocess(mean=MEAN, std=STD))
        apply_arithmetic(batch, Preprocess(scale=255, channels="bgr"))
        assert torch.equal(batch, before)

    @pytest.mark.parametrize("name", ["mean", "std"])
    def test_another_number_of_channels(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"^preprocess\.{name} has 1 number, the images 3 channels$"):
            apply_arithmetic(images(2, 8, 8, 3), Preprocess(**{name: (0.5,)}))  # pyright: ignore


TORCHVISION = [
    ("resnet50", "IMAGENET1K_V1"),  # resize 256, crop 224
    ("resnet50", "IMAGENET1K_V2"),  # resize 232 (trap 7)
    ("efficientnet_b0", "IMAGENET1K_V1"),  # bicubic
    ("efficientnet_b1", "IMAGENET1K_V2"),  # resize 255, crop 240
    ("vit_b_16", "IMAGENET1K_V1"),
    ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"),  # 384, bicubic
    ("swin_v2_t", "IMAGENET1K_V1"),  # resize 260, crop 256
    ("inception_v3", "IMAGENET1K_V1"),  # resize 342, crop 299
]
TIMM = [
    "resnet18.a1_in1k",
    "efficientnet_b0.ra_in1k",
    "vit_base_patch16_224.augreg_in1k",  # crop_pct 0.9, mean and std 0.5
    "mobilenetv3_small_100.lamb_in1k",
    "test_resnet.r160_in1k",  # bilinear
    "vit_small_patch14_dinov2.lvd142m",  # crop_pct 1.0
    "convnext_tiny.fb_in22k_ft_in1k_384",  # squash
    "vit_base_patch16_sapiens2.fb",  # squash, higher than wide
]


class TestGeometryOfPictures:
    @pytest.mark.parametrize("name, weights", TORCHVISION)
    def test_equals_the_preset_of_torchvision(self, photographs: list[Image.Image], name: str, weights: str) -> None:
        from torchvision.models import get_model_weights

        preset = get_model_weights(name)[weights].transforms()
        for picture in photographs:
            same(picture, torchvision_preprocess(preset), preset)

    @pytest.mark.parametrize("size", NOISE)
    def test_equals_torchvision_on_noise(self, size: tuple[int, int]) -> None:
        from torchvision.transforms._presets import ImageClassification

        for mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
            preset = ImageClassification(crop_size=64, resize_size=73, interpolation=mode)
            same(noise(*size), torchvision_preprocess(preset), preset)

    @pytest.mark.parametrize("name", TIMM)
    def test_equals_the_transform_of_timm(self, photographs: list[Image.Image], name: str) -> None:
        import timm
        from timm.data.config import resolve_data_config
        from timm.data.transforms_factory import create_transform

        known = timm.get_pretrained_cfg(name)
        assert known is not None
        config = resolve_data_config(pretrained_cfg=known.to_dict())
        theirs = create_transform(**config, is_training=False)
        assert callable(theirs)
        for picture in photographs:
            same(picture, timm_preprocess(config, "model m"), theirs)

    def test_trap_8_two_sides_lose_the_aspect_ratio(self) -> None:
        """Trap 8: Resize((256, 256)) is not Resize(256)."""
        picture = noise(400, 200)
        for resize, size in ((100, (200, 100)), ([100], (200, 100)), ([100, 100], (100, 100)), ([50, 80], (80, 50))):
            resized = apply_geometry(picture, Preprocess(resize=resize))  # pyright: ignore[reportArgumentType]
            assert isinstance(resized, Image.Image)
            assert resized.size == size

    def test_the_crop_is_central_and_fills_up_with_black(self) -> None:
        picture = Image.fromarray(np.arange(1, 26, dtype=np.uint8).reshape(5, 5))
        assert np.array(apply_geometry(picture, Preprocess(crop=3))).tolist() == [[7, 8, 9], [12, 13, 14], [17, 18, 19]]
        assert np.array(apply_geometry(picture, Preprocess(crop=(1, 3)))).tolist() == [[12, 13, 14]]
        larger = np.array(apply_geometry(picture, Preprocess(crop=7)))
        assert larger.shape == (7, 7)
        assert larger[1:6, 1:6].tolist() == np.array(picture).tolist()
        assert larger.sum() == np.array(picture).sum()

    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"])
    def test_traps_9_11_and_12_each_interpolation_is_pillows(self, interpolation: Any) -> None:
        picture = noise(50, 40)
        resized = apply_geometry(picture, Preprocess(resize=(20, 30), interpolation=interpolation))
        theirs = picture.resize((30, 20), Image.Resampling[interpolation.upper()])
        np.testing.assert_array_equal(np.array(resized), np.array(theirs))

    def test_nothing_said_means_as_it_is(self) -> None:
        picture = noise(5, 4)
        assert apply_geometry(picture, Preprocess(mean=MEAN, std=STD)) is picture


class TestGeometryOfArrays:
    @pytest.mark.parametrize("antialias", [True, False])
    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
    def test_a_batch_is_cut_as_torchvision_cuts_tensors(self, interpolation: Any, antialias: bool) -> None:
        batch = images(4, 3, 48, 40)
        preprocess = Preprocess(resize=32, crop=28, interpolation=interpolation, antialias=antialias)
        cut = apply_geometry(batch, preprocess)
        theirs = [
            F.center_crop(F.resize(image, [32], InterpolationMode(interpolation), antialias=antialias), [28])
            for image in batch
        ]
        assert isinstance(cut, torch.Tensor)
        assert cut.dtype == torch.uint8
        assert torch.equal(cut, torch.stack(theirs))

    def test_trap_10_smoothing_matters_when_arrays_shrink(self) -> None:
        """Trap 10: without antialias, ResNet-18 loses 0.8 points."""
        batch = images(1, 3, 64, 64)
        smooth, rough = (apply_geometry(batch, Preprocess(resize=16, antialias=one)) for one in (True, False))
        assert isinstance(smooth, torch.Tensor)
        assert isinstance(rough, torch.Tensor)
        assert smooth.float().std() < 0.5 * rough.float().std()


class TestTimmConfigs:
    CONFIG = {  # noqa: RUF012
        "input_size": (3, 224, 224), "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic",
        "mean": MEAN, "std": STD,
    }  # fmt: skip

    def test_center(self) -> None:
        assert timm_preprocess(self.CONFIG, "model m") == Preprocess(
            resize=(256,), crop=(224, 224), interpolation="bicubic", mean=MEAN, std=STD
        )

    def test_squash(self) -> None:
        config = {**self.CONFIG, "crop_mode": "squash", "input_size": (3, 384, 384), "crop_pct": 1.0}
        assert timm_preprocess(config, "model m").resize == (384, 384)

    @pytest.mark.parametrize(
        "change, found",
        [
            ({"crop_mode": "border"}, "crop_mode border, input_size (3, 224, 224)"),
            ({"input_size": (3, 256, 192)}, "crop_mode center, input_size (3, 256, 192)"),
        ],
    )
    def test_cuts_that_are_not_known(self, complaint: Callable[..., str], change: dict[str, Any], found: str) -> None:
        from evalshift.errors import ModelError

        says(complaint(ModelError, timm_preprocess, {**self.CONFIG, **change}, "model m"), where="model m", found=found)


class TestPreprocess:
    def test_what_the_entry_says_wins(self) -> None:
        own = Preprocess(resize=256, crop=224, interpolation="bicubic", mean=MEAN, std=STD)
        assert Preprocess().over(own) == own
        assert Preprocess(resize=232).over(own) == own.model_copy(update={"resize": 232})
        # Said is said, even where it is the default.
        said = Preprocess(interpolation="bilinear", resize=None).over(own)
        assert (said.interpolation, said.resize, said.crop) == ("bilinear", None, 224)

    def test_trap_5_what_was_resized_already_need_not_be_again(self) -> None:
        """Trap 5: ImageNet-C comes at 224 × 224; resized to 256 and cropped, it changed which model is best."""
        own = Preprocess(resize=256, crop=224)
        picture = noise(224, 224)
        left = apply_geometry(picture, Preprocess(resize=None).over(own))
        np.testing.assert_array_equal(np.array(left), np.array(picture))
        assert not np.array_equal(np.array(apply_geometry(picture, own)), np.array(picture))

    def test_trap_6_a_crop_fraction_stands_for_a_resize(self) -> None:
        """Trap 6: the fraction differs from checkpoint to checkpoint, and is of the crop, not of the picture."""
        preprocess = Preprocess(crop=224, crop_fraction=0.875)
        assert preprocess.resize_to == (256,)
        assert preprocess.geometry == Preprocess(resize=(256,), crop=224).geometry
        assert Preprocess(crop=(380, 380), crop_fraction=0.922).resize_to == (412,)  # ⌊412.1⌋
        assert Preprocess(crop=224, crop_fraction=1).resize_to == (224,)
        picture = noise(500, 375)
        resized = apply_geometry(apply_geometry(picture, Preprocess(resize=256)), Preprocess(crop=224))
        np.testing.assert_array_equal(np.array(apply_geometry(picture, preprocess)), np.array(resized))

    def test_a_crop_fraction_and_a_resize_replace_each_other(self) -> None:
        own = Preprocess(resize=(256,), crop=224)
        assert Preprocess(crop_fraction=0.95).over(own).resize_to == (235,)
        assert Preprocess(resize=230).over(Preprocess(crop=224, crop_fraction=0.95)).resize_to == 230

    def test_a_crop_fraction_of_no_crop(self) -> None:
        preprocess = Preprocess(crop_fraction=0.875)
        assert preprocess.has_geometry
        with pytest.raises(ValueError, match=r"^crop_fraction is a part of crop, which is not given$"):
            apply_geometry(noise(5, 4), preprocess)

    def test_a_source_that_says_nothing(self) -> None:
        preprocess = Preprocess(resize=32)
        assert preprocess.over(None) is preprocess

    def test_models_share_images_when_their_geometry_agrees(self) -> None:
        first, second = (
            Preprocess(resize=256, crop=224, mean=MEAN),
            Preprocess(resize=256, crop=224, std=STD, scale=255),
        )
        assert first.geometry == second.geometry
        for change in ({"resize": 255}, {"crop": 223}, {"interpolation": "bicubic"}, {"antialias": False}):
            assert first.geometry != first.model_copy(update=change).geometry

    def test_whether_images_change_size(self) -> None:
        assert not Preprocess(mean=MEAN, std=STD, interpolation="bicubic").has_geometry
        assert Preprocess(resize=3).has_geometry
        assert Preprocess(crop=3).has_geometry

    def test_lists_and_numpy_numbers_from_python(self) -> None:
        preprocess = Preprocess(resize=[np.int64(8)], mean=[np.float32(0.5)], std=[1])  # pyright: ignore
        assert preprocess == Preprocess(resize=(8,), mean=(0.5,), std=(1.0,))
        assert preprocess.model_dump(mode="json", exclude_unset=True) == {"resize": [8], "mean": [0.5], "std": [1.0]}

    @pytest.mark.parametrize("crop, size", [(224, [224, 224]), ((224,), [224, 224]), ((224, 160), [224, 160])])
    def test_a_crop_as_height_and_width(self, crop: Any, size: list[int]) -> None:
        assert crop_size(crop) == size

    @pytest.mark.parametrize(
        "settings, message",
        [
            ({"resize": 256, "crop": 224, "crop_fraction": 0.875}, "give either resize or crop_fraction"),
            (
                {"crop": [224, 160], "crop_fraction": 0.875},
                "crop_fraction is of a square crop; give resize as height and width instead",
            ),
            ({"resize": 0}, "a size is one whole number from 1 to 16384, or two: height and width"),
            ({"crop": "224"}, "a size is one whole number from 1 to 16384, or two: height and width"),
            ({"crop": 20_000}, "a size is one whole number from 1 to 16384, or two: height and width"),
            ({"mean": "0.5"}, "give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]"),
            ({"std": [1, 1, 1, 1, 1]}, "give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]"),
            ({"std": [float("inf")]}, "give a list with a finite number for each channel, such as [0.5, 0.5, 0.5]"),
            ({"std": [-1]}, "std must be above 0 in every channel"),
            ({"mean": [0.5], "std": [1, 1]}, "mean has 1 channels and std 2; give one number per channel"),
            ({"scale": 0}, "Input should be greater than 0"),
            ({"normalize": True}, "Extra inputs are not permitted"),
        ],
    )
    def test_what_cannot_be_fails_when_it_is_made(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Preprocess(**settings)
        assert caught.value.errors()[0]["msg"].removeprefix("Value error, ") == message


SHAPES = ((7, 5), (5, 7), (6, 6), (8, 5), (1, 40), (40, 1), (33, 100), (224, 223))


def is_too_thin(picture: Image.Image, box: tuple[int, int]) -> bool:
    """Whether Pillow rounds a side to nothing: ours keeps a pixel."""
    factor = min(box[0] / picture.height, box[1] / picture.width)
    return round(factor * min(picture.size)) == 0


class TestPadding:
    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_letterbox_equals_that_of_pillow(self, shape: tuple[int, int], interpolation: Any) -> None:
        picture = noise(*shape)
        for box in ((32, 32), (31, 64), (9, 8)):
            for fill in (0, 114, (124, 116, 104)):
                preprocess = Preprocess(letterbox=box, interpolation=interpolation, fill=fill)
                colour = fill if isinstance(fill, tuple) else (fill,) * 3
                method = Image.Resampling[interpolation.upper()]
                if is_too_thin(picture, box):
                    continue
                theirs = ImageOps.pad(picture, (box[1], box[0]), method, colour)
                assert np.array_equal(np.array(apply_geometry(picture, preprocess)), np.array(theirs))

    @given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
    def test_for_any_size(self, width: int, height: int, box_width: int, box_height: int) -> None:
        picture = noise(width, height)
        ours = np.array(apply_geometry(picture, Preprocess(letterbox=(box_height, box_width))))
        assert ours.shape == (box_height, box_width, 3)
        if not is_too_thin(picture, (box_height, box_width)):
            theirs = ImageOps.pad(picture, (box_width, box_height), Image.Resampling.BILINEAR, (0, 0, 0))
            assert np.array_equal(ours, np.array(theirs))

    def test_an_image_too_thin_for_the_box_keeps_a_pixel(self) -> None:
        picture = Image.new("RGB", (1_000, 1), (255, 255, 255))
        cut = np.array(apply_geometry(picture, Preprocess(letterbox=100)))
        assert cut.shape == (100, 100, 3)
        assert (cut[:, :, 0] == 255).sum() == 100

    @pytest.mark.parametrize("shape", SHAPES)
    def test_padding_to_a_square_equals_that_of_torchvision(self, shape: tuple[int, int]) -> None:
        picture = noise(*shape)
        theirs = np.array(F.center_crop(picture, [max(shape)]))  # pyright: ignore[reportArgumentType]
        assert np.array_equal(np.array(apply_geometry(picture, Preprocess(pad="square"))), theirs)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
        padded = apply_geometry(pixels, Preprocess(pad="square"))
        assert isinstance(padded, torch.Tensor)
        assert np.array_equal(padded[0].permute(1, 2, 0).numpy(), theirs)

    def test_padding_comes_first(self) -> None:
        picture = noise(50, 30)
        square = Image.new("RGB", (50, 50), (9, 9, 9))
        square.paste(picture, (0, 10))
        ours = apply_geometry(picture, Preprocess(pad="square", fill=9, resize=(40,), crop=36))
        assert np.array_equal(np.array(ours), np.array(F.center_crop(F.resize(square, [40]), [36, 36])))  # pyright: ignore

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("channels", [1, 3])
    def test_arrays_are_padded_as_pictures_are(self, shape: tuple[int, int], channels: int) -> None:
        picture = noise(*shape)
        pixels = np.array(picture)[..., :channels]
        cases: list[dict[str, Any]] = [
            {"pad": "square", "fill": 7},
            {"letterbox": (30, 41), "fill": 7, "interpolation": "nearest"},
        ]
        for settings in cases:
            preprocess = Preprocess(**settings)
            expected = np.array(apply_geometry(picture, preprocess))[..., :channels]
            found = apply_geometry(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None], preprocess)
            assert isinstance(found, torch.Tensor)
            found = found[0].permute(1, 2, 0).numpy()
            assert found.shape == expected.shape
            if "pad" in settings:
                assert np.array_equal(found, expected)
            else:  # torch rounds a pixel's place otherwise; the padding is the same
                assert np.array_equal((found == 7).all(axis=(1, 2)), (expected == 7).all(axis=(1, 2)))

    def test_a_colour_for_each_channel_of_an_array(self) -> None:
        pixels = torch.full((2, 3, 2, 4), 50, dtype=torch.uint8)
        padded = apply_geometry(pixels, Preprocess(pad="square", fill=(1, 2, 3)))
        assert isinstance(padded, torch.Tensor)
        assert padded[1, :, 0, 0].tolist() == [1, 2, 3]
        assert padded[1, :, 1:3].unique().tolist() == [50]
        with pytest.raises(ValueError, match=r"^preprocess\.fill has 3 colours, the images 1 channels$"):
            apply_geometry(pixels[:, :1], Preprocess(pad="square", fill=(1, 2, 3)))

    def test_padding_belongs_to_the_geometry(self) -> None:
        plain = Preprocess(crop=8)
        cases: list[dict[str, Any]] = [
            {"pad": "square"},
            {"letterbox": 8},
            {"letterbox": 8, "fill": 3},
            {"letterbox": (8, 9)},
        ]
        for settings in cases:
            assert Preprocess(**settings).has_geometry
            assert Preprocess(**settings).geometry != plain.geometry
        assert Preprocess(letterbox=8).geometry != Preprocess(letterbox=8, fill=3).geometry

    @pytest.mark.parametrize(
        "settings, message",
        [
            ({"letterbox": 8, "resize": 8}, "give either letterbox or resize"),
            ({"letterbox": 8, "pad": "square"}, "give either letterbox or pad"),
            ({"letterbox": 8, "crop_fraction": 0.9, "crop": 8}, "give either letterbox or crop_fraction"),
            ({"fill": 3}, "fill is the colour of pad or letterbox, and neither is given"),
            ({"letterbox": 8, "fill": 256}, "a colour is one whole number from 0 to 255"),
            ({"letterbox": 8, "fill": [0, 0]}, "a colour is one whole number from 0 to 255"),
            ({"letterbox": 8, "fill": 0.5}, "a colour is one whole number from 0 to 255"),
            ({"pad": "round"}, "'square'"),
        ],
    )
    def test_what_cannot_be(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            Preprocess(**settings)

    def test_a_letterbox_replaces_what_the_source_says_of_size(self) -> None:
        own = Preprocess(resize=256, crop=224, mean=MEAN, std=STD)
        found = Preprocess(letterbox=(288, 288)).over(own)
        assert (found.resize, found.crop, found.letterbox, found.mean) == (None, None, (288, 288), MEAN)
        padded = Preprocess(pad="square").over(own)
        assert (padded.resize, padded.crop, padded.pad) == (256, 224, "square")


class TestChannels:
    def test_gray_equals_pillow_for_every_colour(self) -> None:
        """A fifth of the reds, each with all greens and blues."""
        levels = np.arange(256, dtype=np.uint8)
        for red in range(0, 256, 5):
            colours = np.stack(np.meshgrid(np.uint8(red), levels, levels, indexing="ij"), axis=-1)[0]
            gray = np.array(Image.fromarray(colours).convert("L"))
            values = apply_arithmetic(torch.from_numpy(colours)[None], Preprocess(channels="gray", scale=255))
            assert np.array_equal(values[0, 0].numpy(), gray)

    @pytest.mark.parametrize("channels", ["gray", "grey"])
    def test_equals_torchvision_after_the_same_geometry(self, channels: Any) -> None:
        preprocess = Preprocess(channels=channels, resize=40, crop=32, mean=(0.1307,), std=(0.3081,))

        def theirs(picture: Image.Image) -> torch.Tensor:
            cut = F.to_grayscale(F.center_crop(F.resize(picture, [40]), [32, 32]))  # pyright: ignore
            return F.normalize(F.to_tensor(cut), [0.1307], [0.3081])

        for shape in NOISE:
            same(noise(*shape), preprocess, theirs)
        assert preprocess.model_dump()["channels"] == "gray"

    def test_one_channel_is_gray_already(self) -> None:
        batch = images(2, 4, 4, 1)
        assert torch.equal(apply_arithmetic(batch, Preprocess(channels="gray")), apply_arithmetic(batch, Preprocess()))

    def test_three_equal_channels_are_the_one(self) -> None:
        batch = images(2, 16, 16, 1)
        gray = apply_arithmetic(batch.expand(-1, -1, -1, 3), Preprocess(channels="gray"))
        assert torch.equal(gray, apply_arithmetic(batch, Preprocess()))

    @pytest.mark.parametrize("settings", [{"channels": "rgb"}, {"channels": "bgr"}, {"mean": (0.0, 0.0, 0.0)}])
    def test_a_network_for_colour_gets_three_equal_channels(self, settings: dict[str, Any]) -> None:
        batch = images(2, 4, 4, 1)
        values = apply_arithmetic(batch, Preprocess(**settings))
        assert torch.equal(values, apply_arithmetic(batch, Preprocess()).expand(-1, 3, -1, -1))

    def test_nothing_said_leaves_channels_as_they_are(self) -> None:
        for channels in (1, 3):
            assert apply_arithmetic(images(2, 4, 4, channels), Preprocess()).shape[1] == channels

    def test_a_mean_of_other_channels(self) -> None:
        with pytest.raises(ValidationError, match="mean has 3 numbers, gray has 1 channels"):
            Preprocess(channels="gray", mean=MEAN)
        with pytest.raises(ValidationError, match="std has 1 numbers, rgb has 3 channels"):
            Preprocess(channels="rgb", std=(0.5,))
