"""Where the page lies in a picture: found coarsely by a network, then exactly.

    picture (B, 1700, 2200, 3), 0..255
        -> `frame_network` on 1/8 of the size: for each cell of 64 px, which
           page point it shows, and how sure that is
        -> an affine map by weighted least squares, good to some px
        -> the phase of the 5 mm grid, then of the 1 mm grid, in windows of
           158 px: a cubic correction, good to a tenth of a px

All steps are `keras.ops`, so that they are part of the exported graph. Photos
need a finer correction than a cubic one: `page_waves`.
"""

import math

import numpy as np
from keras import ops

from ecg_keras.models.registration.grid_phase import (
    grid_depth,
    grid_waves,
    half_coordinates,
)
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    FINE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

WINDOW_PX = 79  # of the half-size image: 4.01 periods of the coarse grid
# Weight of "no correction", in windows with a clear grid.
PRIOR = 0.2


def fit_affine(cells):
    """The affine map from the page to the picture that fits the cells best.

    Args:
        cells: (B, rows, columns, 4), see `frame_network`.

    Returns:
        (B, 2, 3): picture px = map @ (x, y, 1), all counted from the middle of
        the page and of the picture, in px.
    """
    centres = cell_centres_px().reshape(1, -1, 2)
    middle = np.array([PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2], np.float32)
    n_cells = centres.shape[1]
    flat = ops.reshape(cells, (-1, n_cells, 4))
    page = ops.convert_to_tensor(centres - middle) + flat[..., :2] * UNIT_PX
    picture = ops.convert_to_tensor(centres - middle)
    picture = ops.broadcast_to(picture, ops.shape(page))
    weight = ops.exp(-2 * ops.clip(flat[..., 2], -6.0, 6.0))
    scale = PAGE_WIDTH_PX / 2
    basis = ops.concatenate(
        [page / scale, ops.ones_like(page[..., :1])], axis=-1
    )
    solution = _least_squares(basis, picture, weight, None)
    solution = ops.transpose(solution, (0, 2, 1))
    return solution * np.array([1 / scale, 1 / scale, 1.0], np.float32)


def refine(picture, affine):
    """Correct an affine map by the grid's phase.

    Args:
        picture: (B, 1700, 2200, 3), 0..255.
        affine: (B, 2, 3) from `fit_affine`.

    Returns:
        (affine, bend, depth): the corrected map; (B, 10, 2) px by which the
        page point x, y is farther on than the affine map says, over
        `_cubic`; (B,) mean depth of the grid's modulation, of 255.
    """
    depth_map = grid_depth(picture)
    x, y = half_coordinates()
    x = ops.convert_to_tensor(x.astype(np.float32)[None, None])
    y = ops.convert_to_tensor(y.astype(np.float32)[None, :, None])
    # The coarse grid: within half a box. Its correction stays affine.
    page_x, page_y = _to_page(affine, x, y)
    shift, strength = _grid_shift(depth_map, page_x, page_y, COARSE_GRID_MM)
    place = _windows(ops.stack([page_x, page_y], axis=-1))
    linear = _fit_shift(place, shift, strength, _linear)
    affine = _shifted(affine, linear)
    # The fine grid, which is also the fifth harmonic of the coarse one.
    page_x, page_y = _to_page(affine, x, y)
    shift, strength = _grid_shift(depth_map, page_x, page_y, FINE_GRID_MM)
    place = _windows(ops.stack([page_x, page_y], axis=-1))
    bend = _fit_shift(place, shift, strength, _cubic)
    return affine, bend, ops.mean(strength, axis=(1, 2))


def to_picture(affine, bend, page_x, page_y):
    """Where the crossings of a grid on the page are in the picture.

    No array of all crossings is a constant here: XLA would spend minutes on
    folding it.

    Args:
        affine, bend: from `refine`.
        page_x: (n,) px of the page.
        page_y: (m,) px of the page.

    Returns:
        (x, y), each (B, m, n), px of the picture.
    """
    x = page_x - PAGE_WIDTH_PX / 2
    y = page_y - PAGE_HEIGHT_PX / 2
    u, v = x / (PAGE_WIDTH_PX / 2), y / (PAGE_WIDTH_PX / 2)
    ones = ops.ones_like
    powers_x = ops.stack([ones(u), u, u * u, u * u * u])  # (4, n)
    powers_y = ops.stack([ones(v), v, v * v, v * v * v], axis=1)  # (m, 4)
    # Which term of `_cubic` is y^j x^i.
    place = np.full((4, 4), -1)
    place[0], place[1, :3] = (0, 1, 3, 6), (2, 4, 7)
    place[2, :2], place[3, 0] = (5, 8), 9
    terms = np.zeros((4, 4, bend.shape[1]), np.float32)
    for j, i in zip(*np.nonzero(place >= 0), strict=True):
        terms[j, i, place[j, i]] = 1.0
    shifts = []
    for axis in (0, 1):
        weights = ops.einsum(
            "jik,bk->bji", ops.convert_to_tensor(terms), bend[..., axis]
        )
        rows = ops.matmul(powers_y[None], weights)  # (B, m, 4)
        shifts.append(ops.matmul(rows, powers_x[None]))
    x, y = x[None, None] + shifts[0], y[None, :, None] + shifts[1]
    a = affine[:, :, :, None, None]
    return (
        a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2] + PAGE_WIDTH_PX / 2,
        a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2] + PAGE_HEIGHT_PX / 2,
    )


# === The grid's phase ===


def _to_page(affine, x, y):
    """The inverse of an affine map; all from the middle."""
    a = affine[:, :, :, None, None]
    u, v = x - a[:, 0, 2], y - a[:, 1, 2]
    determinant = a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0]
    return (
        (a[:, 1, 1] * u - a[:, 0, 1] * v) / determinant,
        (a[:, 0, 0] * v - a[:, 1, 0] * u) / determinant,
    )


def _windows(x):
    """Means over windows: (B, h, w, C) to (B, rows, columns, C)."""
    return ops.average_pool(x, WINDOW_PX, WINDOW_PX, padding="valid")


def _grid_shift(depth, page_x, page_y, spacing_mm):
    """By how much page coordinates are too large, from the grid's phase.

    Lines at x = x0 + k p give sum depth exp(-2 pi i x / p) the phase
    -2 pi x0 / p; where x is too large by d, -2 pi (x0 + d) / p.

    Returns:
        (B, rows, columns, 2) px, and its (B, rows, columns) strength.
    """
    period = spacing_mm * PX_PER_MM
    waves = grid_waves(depth, page_x, page_y, period)
    waves = _windows(ops.stack(waves, axis=-1))
    shifts, strengths = [], []
    for cosine, sine in ((0, 1), (2, 3)):
        angle = ops.arctan2(waves[..., sine], waves[..., cosine])
        shifts.append(angle * (period / (2 * math.pi)))
        strengths.append(
            ops.sqrt(
                ops.square(waves[..., cosine]) + ops.square(waves[..., sine])
            )
        )
    strength = ops.minimum(strengths[0], strengths[1])
    return ops.stack(shifts, axis=-1), strength


def _fit_shift(place, shift, strength, basis):
    """Polynomial of the shift over the page, by weighted least squares."""
    n = place.shape[1] * place.shape[2]
    points = ops.reshape(place, (-1, n, 2))
    weight = ops.reshape(ops.square(strength), (-1, n))
    # Relative to a clear grid's, or to noise where there is no grid.
    weight = weight / (ops.mean(weight, axis=1, keepdims=True) + 1e-2)
    return _least_squares(
        basis(points), ops.reshape(shift, (-1, n, 2)), weight, PRIOR
    )


def _linear(points):
    """(B, n, 2) px from the middle to (B, n, 3): 1, x, y over half a page."""
    scaled = points / (PAGE_WIDTH_PX / 2)
    return ops.concatenate([ops.ones_like(scaled[..., :1]), scaled], axis=-1)


def _cubic(points):
    """(B, n, 2) px from the middle to (B, n, 10): 1, x, y, x^2, ... y^3."""
    scaled = points / (PAGE_WIDTH_PX / 2)
    x, y = scaled[..., :1], scaled[..., 1:]
    powers = [
        ops.ones_like(x), x, y, x * x, x * y, y * y,
        x * x * x, x * x * y, x * y * y, y * y * y,
    ]  # fmt: skip
    return ops.concatenate(powers, axis=-1)


def _shifted(affine, linear):
    """An affine map of page points that were too large by a linear shift."""
    scale = PAGE_WIDTH_PX / 2
    # true + shift(true) is what the old map was right for.
    grow = ops.transpose(linear, (0, 2, 1))  # (B, 2, 3): 1, x, y
    slope = grow[..., 1:] / scale
    matrix, offset = affine[..., :2], affine[..., 2:]
    eye = ops.convert_to_tensor(np.eye(2, dtype=np.float32))
    return ops.concatenate(
        [
            ops.matmul(matrix, eye[None] + slope),
            offset + ops.matmul(matrix, grow[..., :1]),
        ],
        axis=-1,
    )


def _least_squares(basis, values, weight, prior):
    """Weighted least squares, by elimination without pivots.

    Args:
        basis: (B, n, k); values: (B, n, m); weight: (B, n).
        prior: weight of the solution 0, or None.

    Returns:
        (B, k, m).
    """
    weighted = ops.transpose(basis * weight[..., None], (0, 2, 1))
    matrix = ops.matmul(weighted, basis)
    right = ops.matmul(weighted, values)
    k = basis.shape[-1]
    least = 1e-4 if prior is None else prior
    matrix = matrix + least * np.eye(k, dtype=np.float32)[None]
    rows = [
        ops.concatenate([matrix[:, i], right[:, i]], axis=-1) for i in range(k)
    ]
    for i in range(k):
        rows[i] = rows[i] / rows[i][:, i : i + 1]
        for j in range(k):
            if j != i:
                rows[j] = rows[j] - rows[j][:, i : i + 1] * rows[i]
    return ops.stack(rows, axis=1)[..., k:]
