"""The size of the 24 fps video."""

from dataclasses import replace
from fractions import Fraction

import pytest

from trailers.video import size_at
from video_lab import SEEN


@pytest.mark.parametrize(
    ("width", "height", "aspect", "short_side", "size"),
    [
        (1280, 720, "1", 256, (456, 256)),  # 455.1
        (1920, 800, "1", 256, (614, 256)),  # 614.4
        (720, 1280, "1", 256, (256, 456)),
        (480, 204, "1", 256, (480, 204)),  # never enlarged
        (1280, 720, "1", None, (1280, 720)),
        (65, 49, "1", None, (64, 48)),
        (65, 49, "1", 256, (64, 48)),
        (720, 576, "16/15", 256, (342, 256)),  # 720 x 540: 341.3
        (800, 332, "399/400", 256, (616, 256)),  # 798 x 332: 615.3
        (720, 480, "8/9", None, (640, 480)),
        (352, 480, "2", None, (352, 240)),
        (10000, 16, "1", 256, (10000, 16)),
        (16, 16, "1/16", 256, (2, 16)),
    ],
)
def test_sizes_are_even_for_square_pixels_and_never_enlarged(width, height, aspect, short_side, size):
    seen = replace(SEEN, width=width, height=height, pixel_aspect=Fraction(aspect))
    assert size_at(seen, short_side) == size
