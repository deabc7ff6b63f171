"""Where a photographed sheet lies exactly: its grid's phase, with its waves.

A straightened picture is off by some px, differently all over a sheet that was
soaked or curled. P-splines are fitted to the frame network's cells, then ever
softer ones to the phase of the 5 mm grid, and the softest to that of the 1 mm
grid. The result is right to about 0.1 px. Flat pages are better read by
`flat_page`, whose cubic leaves less freedom.
"""

import numpy as np
from keras import ops

from ecg_keras.models.registration.grid_phase import (
    HALF,
    grid_contrast,
    grid_shift,
    half_size_px,
    window_centres_px,
    window_means,
)
from ecg_keras.models.registration.homography import cell_points
from ecg_keras.models.registration.spline import (
    displacement_at,
    displacement_on_grid,
    fit_displacement,
)
from ecg_keras.page.coordinates import (
    HALF_WIDTH_PX,
    lattice,
    pixels_from_middle_px,
)
from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    FINE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
)

# Spacing in mm, and windows of the half-size image and the steps between them:
# 4 periods of the coarse grid, 10 and 5 of the fine.
COARSE_GRID = (COARSE_GRID_MM, 79, 40)
FINE_GRID = (FINE_GRID_MM, 39, 39)
FINEST_GRID = (FINE_GRID_MM, 20, 20)
# Grey levels of contrast that count as noise.
NOISE_CONTRAST = 1.0
# Where the grid holds less than this share of the contrast's power, in the mean
# window, the page counts as one without a grid: all weights are small.
NO_GRID_SHARE = 3e-3
# Stiffness of each round, see `fit_displacement`; the samples are many for each
# control point. A window sees the mean of a curved displacement, so a round
# finds what the rounds before left over, and smaller windows find more of it.
# By trial; the first are so stiff that no line is taken for its neighbour.
CELLS_STIFFNESS = 1000.0
ROUNDS = (
    (COARSE_GRID, 100.0),
    (COARSE_GRID, 1.0),
    (COARSE_GRID, 0.1),
    (FINE_GRID, 0.05),
    (FINEST_GRID, 0.05),
    (FINEST_GRID, 0.05),
)
_INVERSE_STEP_PX = 100.0
_INVERSE_STIFFNESS = 1e-3


def find_displacement(straightened, cells):
    """How a straightened picture still differs from the page.

    Args:
        straightened: (B, 1700, 2200, 3), 0..255.
        cells: (B, 27, 35, 4) of the frame network, of that picture.

    Returns:
        The displacement (see `spline`): a point p of the page is at
        p + displacement(p) in the straightened picture.
    """
    centres, points, certainty = cell_points(cells)
    shifts = (points - centres) * HALF_WIDTH_PX
    certainty = certainty / (ops.max(certainty, axis=1, keepdims=True) + 1e-6)
    places = centres * HALF_WIDTH_PX * ops.ones_like(points)
    # From the picture to the page, until the last step.
    to_page = fit_displacement(places, shifts, certainty, CELLS_STIFFNESS)
    contrast = grid_contrast(straightened)
    for (spacing_mm, *window), stiffness in ROUNDS:
        shift, share = _measured(contrast, to_page, spacing_mm, *window)
        mean = ops.mean(share, axis=1, keepdims=True)
        weight = share / (mean + NO_GRID_SHARE)
        centres = ops.convert_to_tensor(window_centres_px(*window)[None])
        centres = centres * ops.ones_like(shift)
        left = fit_displacement(centres, shift, weight, stiffness)
        to_page = to_page - left
    return _inverse(to_page)


def _measured(contrast, to_page, spacing_mm, window, step):
    """The grid's phase in windows of a straightened picture.

    Returns:
        (shift, share): (B, n, 2) px by which page coordinates are too large;
        (B, n) the grid's share of the power of the contrast.
    """
    x, y = half_size_px()
    right, down = displacement_on_grid(to_page, *pixels_from_middle_px(HALF))
    shift, power = grid_shift(
        contrast, x + right, y + down, spacing_mm, window, step
    )
    all_power = window_means(ops.square(contrast)[..., None], window, step)
    return shift, power / (all_power[..., 0] + NOISE_CONTRAST**2)


def _inverse(to_page):
    """The displacement from the page, of one to it."""
    x, y = (
        np.arange(-size / 2, size / 2 + 1, _INVERSE_STEP_PX)
        for size in (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    )
    points = ops.convert_to_tensor(lattice(x, y)[None])
    points = points * ops.ones_like(to_page[:, :1, 0])
    shift = displacement_at(to_page, points)
    weight = ops.ones_like(shift[..., 0])
    return fit_displacement(points + shift, -shift, weight, _INVERSE_STIFFNESS)
