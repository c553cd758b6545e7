import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from evalshift.testbed.file_facts import Quality, jpeg_quality


def table_of(**options: object) -> list[int]:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 60, 30)).save(buffer, "JPEG", **options)
    with Image.open(buffer) as opened:
        assert isinstance(opened, JpegImagePlugin.JpegImageFile)
        return opened.quantization[0]


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 75, 90, 95, 100])
def test_files_tell_the_quality_they_were_stored_with(quality: int) -> None:
    assert jpeg_quality(table_of(quality=quality)) == Quality(quality, is_standard=True)


def test_of_other_tables_the_quality_is_an_estimate() -> None:
    between = np.array(table_of(quality=80))
    between[3] += 1
    assert jpeg_quality(between) == Quality(80, is_standard=False)
