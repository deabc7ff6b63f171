"""The phase of the printed grid: where a page lies, to a fraction of a px.

Lines at x = x0 + k p, a period p apart, are the wave cos(2 pi (x - x0) / p).
Demodulation, as in the analysis of fringes (Takeda et al., 1982): contrast
times the cosine and sine of the expected phase, averaged over windows, gives
the phase that is left over, and so by how much x is wrong.
"""

import math

import numpy as np
from keras import ops

from ecg_keras.page.coordinates import (
    MIDDLE_X_PX,
    MIDDLE_Y_PX,
    lattice,
    pixels_from_middle_px,
)
from ecg_keras.page.paper import (
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

# Images of half the size: 3.9 px for each mm of the grid.
HALF = 2
# Lines of the grid are counted from the bottom left corner (`canvas`).
GRID_X_PX, GRID_Y_PX = 0.5, PAGE_HEIGHT_PX + 0.5
# Grey levels. The 5 mm grid is darker than its surroundings by about 130 on
# clean drawn pages, 70 on scans of them, 50 on photos (95th percentiles of
# `BACKGROUND_PX` contrast). Clipped here, traces and letters weigh no more than
# it does. On the other side is bare paper, of one brightness between all lines:
# what is brighter still is a reflection.
MAX_GRID_CONTRAST = 50.0
MIN_GRID_CONTRAST = -MAX_GRID_CONTRAST / 4
# px of the half-size image: the background is the mean over about one box of
# 5 mm (19.7 px); what is left of a slower change, over about two.
BACKGROUND_PX, SLOW_CHANGE_PX = 21, 41


def grid_contrast(picture):
    """How much darker than its surroundings a picture is, at half the size.

    Args:
        picture: (B, 1700, 2200, 3), 0..255.

    Returns:
        (B, 850, 1100) grey levels.
    """
    green = ops.cast(picture[..., 1:2], "float32")  # Red lines are dark in it.
    half = ops.average_pool(green, HALF, HALF, padding="valid")
    contrast = _blurred(half, BACKGROUND_PX) - half
    contrast = ops.clip(contrast, MIN_GRID_CONTRAST, MAX_GRID_CONTRAST)
    return (contrast - _blurred(contrast, SLOW_CHANGE_PX))[..., 0]


def half_size_px():
    """Pixel centres of the half-size image: x (1, 1, w) and y (1, h, 1).

    Tensors of px of the picture from its middle.
    """
    x, y = pixels_from_middle_px(HALF)
    return (
        ops.convert_to_tensor(x[None, None]),
        ops.convert_to_tensor(y[None, :, None]),
    )


def window_centres_px(window, step):
    """Centres of the windows of `grid_shift`.

    Args:
        window, step: px of the half-size image.

    Returns:
        (n, 2) float32 px of the picture from its middle.
    """
    x, y = (
        (np.arange((size // HALF - window) // step + 1) * step + window / 2)
        * HALF
        - size / 2
        for size in (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    )
    return lattice(x, y)


def grid_shift(contrast, page_x, page_y, spacing_mm, window, step):
    """By how much page coordinates are too large, from the grid's phase.

    Lines at x = x0 + k p give sum contrast exp(-2 pi i x / p) the phase
    -2 pi x0 / p; where x is too large by d, -2 pi (x0 + d) / p.

    Args:
        contrast: (B, h, w) from `grid_contrast`.
        page_x, page_y: (B, h, w) px from the page's middle.
        spacing_mm: between the grid's lines.
        window, step: px of the half-size image.

    Returns:
        (shift, power): (B, n, 2) px in n windows; (B, n) the squared
        amplitude of the grid, in grey levels, the lesser of x's and y's.
    """
    period = spacing_mm * PX_PER_MM
    products = ops.stack(demodulate(contrast, page_x, page_y, period), axis=-1)
    means = window_means(products, window, step)
    cosine, sine = means[..., 0:4:2], means[..., 1:4:2]
    shift = ops.arctan2(sine, cosine) * (period / (2 * math.pi))
    return shift, ops.min(ops.square(cosine) + ops.square(sine), axis=-1)


def window_means(values, window, step):
    """Means over windows: (B, h, w, C) to (B, n, C)."""
    means = ops.average_pool(values, window, step, padding="valid")
    n_windows = means.shape[1] * means.shape[2]
    return ops.reshape(means, (-1, n_windows, means.shape[-1]))


def demodulate(contrast, page_x, page_y, period_px):
    """Contrast times the cosine and sine of the grid's phase.

    Args:
        contrast: (B, h, w) from `grid_contrast`.
        page_x, page_y: (B, h, w) px from the page's middle.
        period_px: between the grid's lines.

    Returns:
        Four (B, h, w): cosine and sine in x, then in y.
    """
    products = []
    for coordinate, origin in (
        (page_x, GRID_X_PX - MIDDLE_X_PX),
        (page_y, GRID_Y_PX - MIDDLE_Y_PX),
    ):
        phase = (coordinate - origin) * (2 * math.pi / period_px)
        products += [contrast * ops.cos(phase), contrast * ops.sin(phase)]
    return products


def _blurred(x, size):
    """Means over size x size px, 0 beyond the picture.

    Not by padding "same": XLA would count the pixels of all windows first.
    """
    margin = size // 2
    x = ops.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    x = ops.average_pool(x, (size, 1), 1, padding="valid")
    return ops.average_pool(x, (1, size), 1, padding="valid")
