"""Where a photographed sheet lies exactly: its grid's phase, with its waves.

A straightened picture is off by some px, differently all over a sheet that was
soaked or curled. Smooth displacements are fitted to what the frame network
says, ever softer ones to the phase of the 5 mm grid, and the softest to that of
the 1 mm grid. It is right to about 0.1 px; flat pages are better read by
`page_frame`, which knows of fewer ways to bend.
"""

import math

import numpy as np
from keras import ops

from ecg_keras.models.registration.grid_phase import (
    HALF,
    grid_depth,
    grid_waves,
    half_coordinates,
)
from ecg_keras.models.registration.homography import HALF_PX, cell_points
from ecg_keras.models.registration.spline import bend_at, bend_on_grid, fit_bend
from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    FINE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

# Spacing in mm, and windows of the half-size image and the steps between them:
# 4 periods of the coarse grid, 10 and 5 of the fine.
COARSE_GRID = (COARSE_GRID_MM, 79, 40)
FINE_GRID = (FINE_GRID_MM, 39, 39)
FINEST_GRID = (FINE_GRID_MM, 20, 20)
# Contrast that is noise.
NOISE_DEPTH = 1.0
# The grid's share of the contrast, in the mean window, that is none.
WEAK = 3e-3
# See `fit_bend`; the samples are many for each control point.
CELLS_STIFFNESS = 1000.0
# Each window sees the mean of a curved displacement: a round finds what the one
# before has left, and smaller windows more of it.
ROUNDS = (
    (COARSE_GRID, 100.0),
    (COARSE_GRID, 1.0),
    (COARSE_GRID, 0.1),
    (FINE_GRID, 0.05),
    (FINEST_GRID, 0.05),
    (FINEST_GRID, 0.05),
)
_INVERSE_STEP_PX = 100.0


def flat_to_picture(homography, page_x, page_y):
    """Where the crossings of a grid on a flat page are in the picture.

    Args:
        homography: (B, 3, 3) from `page_pose.fit_homography`.
        page_x, page_y: px from the page's middle that broadcast to (B, m, n).

    Returns:
        (x, y), each (B, m, n), px of the picture.
    """
    x, y = page_x / HALF_PX, page_y / HALF_PX
    h = homography[:, :, :, None, None]
    u, v, w = (h[:, i, 0] * x + h[:, i, 1] * y + h[:, i, 2] for i in range(3))
    w = ops.maximum(w, 0.1)
    return (
        u / w * HALF_PX + PAGE_WIDTH_PX / 2,
        v / w * HALF_PX + PAGE_HEIGHT_PX / 2,
    )


def find_bend(straightened, cells):
    """How a straightened picture still differs from the page.

    Args:
        straightened: (B, 1700, 2200, 3), 0..255.
        cells: (B, 27, 35, 4) of the frame network, of that picture.

    Returns:
        The bend (see `page_bend`): a point p of the page is at p + bend(p) in
        the straightened picture.
    """
    centres, points, sure = cell_points(cells)
    shifts = (points - centres) * HALF_PX
    sure = sure / (ops.max(sure, axis=1, keepdims=True) + 1e-6)
    places = centres * HALF_PX * ops.ones_like(points)
    bend = fit_bend(places, shifts, sure, CELLS_STIFFNESS)
    depth = grid_depth(straightened)
    for (spacing_mm, *window), stiffness in ROUNDS:
        shift, weight = _grid_shift(depth, bend, spacing_mm, *window)
        weight = weight / (ops.mean(weight, axis=1, keepdims=True) + WEAK)
        places = _window_centres(*window) * ops.ones_like(shift)
        bend = bend - fit_bend(places, shift, weight, stiffness)
    return _inverse(bend)


def _inverse(bend):
    """The bend from the page, of one to it."""
    x, y = (
        np.arange(-size / 2, size / 2 + 1, _INVERSE_STEP_PX)
        for size in (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    )
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(1, -1, 2)
    places = ops.convert_to_tensor(places.astype(np.float32))
    places = places * ops.ones_like(bend[:, :1, 0])
    shift = bend_at(bend, places)
    weight = ops.ones_like(shift[..., 0])
    return fit_bend(places + shift, -shift, weight, 1e-3)


# === The grid's phase ===


def _window_centres(window, step):
    """(1, n, 2) px from the middle of the picture."""
    x, y = (
        (np.arange((size // HALF - window) // step + 1) * step + window / 2)
        * HALF
        - size / 2
        for size in (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    )
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(1, -1, 2)
    return ops.convert_to_tensor(centres.astype(np.float32))


def _grid_shift(depth, bend, spacing_mm, window, step):
    """By how much page coordinates are too large, from the grid's phase.

    Lines at x = x0 + k p give sum depth exp(-2 pi i x / p) the phase
    -2 pi x0 / p; where x is too large by d, -2 pi (x0 + d) / p.

    Args:
        depth: (B, h, w) from `grid_depth`.
        bend: of the picture, what is known of it.
        spacing_mm: between the grid's lines.
        window, step: px of the half-size picture.

    Returns:
        (B, n, 2) px, and the grid's share of all contrast (B, n), in n windows.
    """
    period = spacing_mm * PX_PER_MM
    x, y = half_coordinates()
    right, down = bend_on_grid(bend, x, y)
    x = right + ops.convert_to_tensor(x.astype(np.float32)[None, None])
    y = down + ops.convert_to_tensor(y.astype(np.float32)[None, :, None])
    waves = [*grid_waves(depth, x, y, period), ops.square(depth)]
    waves = ops.average_pool(
        ops.stack(waves, axis=-1), window, step, padding="valid"
    )
    n_windows = waves.shape[1] * waves.shape[2]
    waves = ops.reshape(waves, (-1, n_windows, 5))
    cosine, sine, power = waves[..., 0:4:2], waves[..., 1:4:2], waves[..., 4:]
    shift = ops.arctan2(sine, cosine) * (period / (2 * math.pi))
    share = (ops.square(cosine) + ops.square(sine)) / (power + NOISE_DEPTH**2)
    return shift, ops.min(share, axis=-1)
