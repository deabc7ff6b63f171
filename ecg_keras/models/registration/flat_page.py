"""Where a flat page lies in a picture: by a network roughly, then by its grid.

    picture (B, 1700, 2200, 3), 0..255
        -> `frame_network` on 1/8 of the size: for each cell of 64 px, which
           page point it shows, and the uncertainty of that
        -> an affine map by weighted least squares, good to some px
        -> the phase of the 5 mm grid, then of the 1 mm grid, in windows of
           158 px: a cubic correction, good to a tenth of a px

All steps are `keras.ops`, so that they are part of the exported graph. Photos
need a finer correction than a cubic one: `wavy_page`.
"""

import numpy as np
from keras import ops

from ecg_keras.models.registration.grid_phase import (
    HALF,
    grid_contrast,
    grid_shift,
    half_size_px,
    window_centres_px,
)
from ecg_keras.models.registration.homography import (
    apply,
    cell_points,
    compose,
    page_to_picture_px,
)
from ecg_keras.models.registration.least_squares import least_squares
from ecg_keras.page.coordinates import HALF_WIDTH_PX, MIDDLE_PX
from ecg_keras.page.paper import COARSE_GRID_MM, FINE_GRID_MM, PX_PER_MM

# px of the half-size image: four periods of the coarse grid, 20 of the fine.
WINDOW_PX = round(4 * COARSE_GRID_MM * PX_PER_MM / HALF)
# Weight of "no correction", where a window with a clear grid weighs 1.
PRIOR = 0.2
# Squared amplitude of the grid, in grey levels, that is taken for noise.
NOISE_POWER = 1e-2
# Keeps the affine map finite where all cells are uncertain; a cell that is
# sure to a box weighs 1.
_RIDGE = 1e-4
# y^j x^i of a cubic polynomial.
_TERMS = [(j, i) for j in range(4) for i in range(4 - j)]


def fit_affine(cells):
    """The affine map from the page to the picture that fits the cells best.

    Args:
        cells: (B, rows, columns, 4), see `page.cells`.

    Returns:
        (B, 3, 3), a homography (see `homography`) whose last row is 0, 0, 1.
    """
    picture, page, weight = cell_points(cells)
    picture = picture * ops.ones_like(page)
    rows = least_squares(_linear(page), picture, weight, _RIDGE * np.eye(3))
    return _affine(rows)


def refine(picture, affine):
    """Correct an affine map by the grid's phase.

    Args:
        picture: (B, 1700, 2200, 3), 0..255.
        affine: (B, 3, 3) from `fit_affine`.

    Returns:
        (affine, cubic): the map corrected by the coarse grid, and the
        coefficients (B, 2, 4, 4) of a displacement in px, by the fine grid:
        the page point (x, y) is in the picture where the affine map puts
        (x, y) + displacement(x, y). See `cubic_on_grid`.
    """
    contrast = grid_contrast(picture)
    # The coarse grid, right within half a box. Its correction stays affine:
    # where page coordinates are `shift(p)` too large, the map is right for
    # p + shift(p).
    points, shift, weight = _measured(contrast, affine, COARSE_GRID_MM)
    shift = shift / HALF_WIDTH_PX
    rows = least_squares(_linear(points), shift, weight, PRIOR * np.eye(3))
    identity = ops.convert_to_tensor(np.diag([1, 1, 0]).astype(np.float32))
    affine = compose(affine, identity + _affine(rows))
    # The fine grid, which is also the fifth harmonic of the coarse one.
    points, shift, weight = _measured(contrast, affine, FINE_GRID_MM)
    n_terms = len(_TERMS)
    terms = least_squares(
        _cubic(points), shift, weight, PRIOR * np.eye(n_terms)
    )
    # To a matrix of coefficients of y^j x^i, in x and in y.
    matrix = np.zeros((n_terms, 4, 4), np.float32)
    for term, (j, i) in enumerate(_TERMS):
        matrix[term, j, i] = 1.0
    terms = ops.transpose(terms, (0, 2, 1))
    cubic = ops.matmul(terms, ops.convert_to_tensor(matrix.reshape(-1, 16)))
    return affine, ops.reshape(cubic, (-1, 2, 4, 4))


def cubic_on_grid(cubic, x, y):
    """A cubic displacement on the crossings of a grid.

    Args:
        cubic: (B, 2, 4, 4) from `refine`.
        x: (n,) array of px from the page's middle; y: (m,) array of px.

    Returns:
        (right, down), each (B, m, n) px.
    """
    powers_x, powers_y = (
        ops.convert_to_tensor(
            np.vander(places / HALF_WIDTH_PX, 4, increasing=True).astype(
                np.float32
            )
        )
        for places in (x, y)
    )
    rows = ops.matmul(powers_y, cubic)  # (B, 2, m, 4)
    both = ops.matmul(rows, ops.transpose(powers_x))
    return both[:, 0], both[:, 1]


def to_picture(affine, cubic, page_x, page_y):
    """Where the crossings of a grid on the page are in the picture.

    No array of all crossings is a constant here: XLA would spend minutes on
    folding it.

    Args:
        affine, cubic: from `refine`.
        page_x: (n,) array of px of the page.
        page_y: (m,) array of px of the page.

    Returns:
        (x, y), each (B, m, n), px of the picture.
    """
    x, y = page_x - MIDDLE_PX[0], page_y - MIDDLE_PX[1]
    right, down = cubic_on_grid(cubic, x, y)
    x, y = (ops.convert_to_tensor(v.astype(np.float32)) for v in (x, y))
    return page_to_picture_px(affine, x + right, y[:, None] + down)


def _measured(contrast, affine, spacing_mm):
    """The grid's phase in windows of a picture.

    Returns:
        (points, shift, weight): (B, n, 2) half widths from the page's middle,
        where the windows' centres lie on the page by the map so far; (B, n, 2)
        px by which that is too large; (B, n), 1 for a window with a clear grid.
    """
    inverse = _inverse(affine)
    x, y = (v / HALF_WIDTH_PX for v in half_size_px())
    page_x, page_y = (v * HALF_WIDTH_PX for v in apply(inverse, x, y))
    shift, power = grid_shift(
        contrast, page_x, page_y, spacing_mm, WINDOW_PX, WINDOW_PX
    )
    weight = power / (ops.mean(power, axis=1, keepdims=True) + NOISE_POWER)
    centres = window_centres_px(WINDOW_PX, WINDOW_PX) / HALF_WIDTH_PX
    x, y = (ops.convert_to_tensor(v[None]) for v in centres.T.copy())
    return ops.stack(apply(inverse, x, y), axis=-1), shift, weight


def _linear(points):
    """(B, n, 2) to (B, n, 3): x, y, 1."""
    return ops.concatenate([points, ops.ones_like(points[..., :1])], axis=-1)


def _cubic(points):
    """(B, n, 2) half widths to (B, n, 10): `_TERMS`."""
    x, y = points[..., 0], points[..., 1]
    x_powers, y_powers = (
        [ops.ones_like(v), v, v * v, v * v * v] for v in (x, y)
    )
    return ops.stack([y_powers[j] * x_powers[i] for j, i in _TERMS], axis=-1)


def _affine(rows):
    """Coefficients (B, 3, 2) of x, y, 1 to a matrix (B, 3, 3)."""
    last = np.array([[[0.0], [0.0], [1.0]]], np.float32)
    last = ops.convert_to_tensor(last) * ops.ones_like(rows[..., :1])
    return ops.transpose(ops.concatenate([rows, last], axis=-1), (0, 2, 1))


def _inverse(affine):
    """The inverse of an affine map (B, 3, 3)."""
    (a, b, c), (d, e, f) = (
        [affine[:, i, j] for j in range(3)] for i in range(2)
    )
    rows = [[e, -b, b * f - c * e], [-d, a, c * d - a * f]]
    rows = ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)
    rows = rows / (a * e - b * d)[:, None, None]
    return _affine(ops.transpose(rows, (0, 2, 1)))
