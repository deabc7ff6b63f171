"""The grid's phase: what tells where a page lies to a fraction of a pixel.

`page_frame` averages it over windows of flat pages, `page_waves` of waved ones.
"""

import math

import numpy as np
from keras import ops

from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

# An image of half the size shows the grid well enough.
HALF = 2
# Lines of the grid are counted from the bottom left corner (`page_drawing`).
GRID_X_PX, GRID_Y_PX = 0.5, PAGE_HEIGHT_PX + 0.5
# What is darker than its surroundings by more than this is no grid.
MAX_GRID_DEPTH = 50.0


def grid_depth(picture):
    """How much darker than its surroundings, at half the size: (B, h, w)."""
    green = ops.cast(picture[..., 1:2], "float32")  # Red lines are dark in it.
    half = ops.average_pool(green, HALF, HALF, padding="valid")
    around = _blurred(half, 21)
    depth = ops.clip(around - half, -MAX_GRID_DEPTH / 4, MAX_GRID_DEPTH)
    return (depth - _blurred(depth, 41))[..., 0]


def half_coordinates():
    """x (w,) and y (h,) of half-size pixels, arrays of px from the middle."""
    return tuple(
        (np.arange(size // HALF) + 0.5) * HALF - size / 2
        for size in (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    )


def grid_waves(depth, page_x, page_y, period):
    """The grid's depth times the cosine and sine of its phase, in x and y.

    Args:
        depth: (B, h, w) from `grid_depth`.
        page_x, page_y: (B, h, w) px from the page's middle.
        period: px between the grid's lines.

    Returns:
        Four (B, h, w): cosine and sine in x, then in y.
    """
    origins = (
        GRID_X_PX - PAGE_WIDTH_PX / 2,
        GRID_Y_PX - PAGE_HEIGHT_PX / 2,
    )
    waves = []
    for place, origin in zip((page_x, page_y), origins, strict=True):
        phase = (place - origin) * (2 * math.pi / period)
        waves += [depth * ops.cos(phase), depth * ops.sin(phase)]
    return waves


def _blurred(x, size):
    """Means over size x size px, 0 beyond the picture.

    Not by padding "same": XLA would count the pixels of all windows first.
    """
    margin = size // 2
    x = ops.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    x = ops.average_pool(x, (size, 1), 1, padding="valid")
    return ops.average_pool(x, (1, size), 1, padding="valid")
