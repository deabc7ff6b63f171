"""The coordinates in which pages and their pictures are counted, by name.

Page and picture are both 2200 x 1700 px. Points come as

    px from the top left corner, as everywhere (`paper.py`);
    px from the middle: splines and the grid's phase;
    half widths from the middle, 1100 px each: homographies, whose numbers
        are then all about 1.
"""

import numpy as np

from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

HALF_WIDTH_PX = PAGE_WIDTH_PX / 2
MIDDLE_X_PX, MIDDLE_Y_PX = PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2
# x and y; float32, as are the arrays that it is added to.
MIDDLE_PX = np.array([MIDDLE_X_PX, MIDDLE_Y_PX], np.float32)


def half_widths(points_px):
    """Points (..., 2) px from the corner to half widths from the middle."""
    return (points_px - MIDDLE_PX) / HALF_WIDTH_PX


def corner_px(points):
    """Half widths from the middle to px from the corner.

    The inverse of `half_widths`.
    """
    return points * HALF_WIDTH_PX + MIDDLE_PX


def pixels_from_middle_px(factor=1):
    """Pixel centres of a picture that was shrunk by a factor.

    The last pixel may be cut by the page's edge: 1700 px are no multiple of 8.

    Returns:
        x (width,) and y (height,), float32 px of the whole picture from its
        middle.
    """
    return tuple(
        ((np.arange(-(-size // factor)) + 0.5) * factor - size / 2).astype(
            np.float32
        )
        for size in (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    )


def lattice(x, y):
    """The crossings of a grid of x (n,) and y (m,): (m n, 2) float32."""
    points = np.stack(np.meshgrid(x, y), axis=-1)
    return points.reshape(-1, 2).astype(np.float32)
