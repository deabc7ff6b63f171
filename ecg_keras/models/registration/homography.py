"""Homographies from the page to a picture: fitted to cells, and applied.

A homography is (B, 3, 3) with 1 as its last entry. Page and picture are counted
in half widths from the middle (`page.coordinates`).
"""

import numpy as np
from keras import ops

from ecg_keras.models.registration.least_squares import least_squares
from ecg_keras.page.cells import (
    MAX_ABS_LOG_B,
    UNIT_PX,
    cell_centres_px,
    log_b,
    offsets,
)
from ecg_keras.page.coordinates import (
    HALF_WIDTH_PX,
    MIDDLE_X_PX,
    MIDDLE_Y_PX,
    half_widths,
)

# Cells that lie farther off than this (1.5 boxes) count less in the next round.
_OUTLIER = 60 / HALF_WIDTH_PX
_ROUNDS = 4
# Keeps the solution finite where all cells are uncertain. The weights sum to
# 1, so this is a hundred thousandth of them.
_RIDGE = 1e-5
# Of a point's third coordinate, which is 1 in the middle of the page. Points
# with less are ten times nearer to the camera than the middle, or behind it:
# no page is seen like that, and a division by 0 would spread.
_MIN_W = 0.1


def clipped_log_b(cells):
    """`log_b` of cells, no larger and no smaller than is believed."""
    return ops.clip(log_b(cells), -MAX_ABS_LOG_B, MAX_ABS_LOG_B)


def cell_points(cells):
    """Page points of the cells' centres, and their weights.

    Args:
        cells: (B, rows, columns, 4), see `page.cells`.

    Returns:
        (centres (1, n, 2), points (B, n, 2), weight (B, n)): half widths from
        the middle of the picture, and of the page; 1 / b^2, b in boxes.
    """
    centres = half_widths(cell_centres_px().reshape(1, -1, 2))
    n_cells = centres.shape[1]
    centres = ops.convert_to_tensor(centres)
    flat = ops.reshape(cells, (-1, n_cells, 4))
    points = centres + offsets(flat) * (UNIT_PX / HALF_WIDTH_PX)
    return centres, points, ops.exp(-2 * clipped_log_b(flat))


def fit_homography(cells):
    """The homography from the page to the picture that fits the cells best.

    By the direct linear transform (Hartley and Zisserman, Multiple View
    Geometry, 4.1) and iteratively reweighted least squares with Cauchy's
    weights, 1 / (1 + (error / `_OUTLIER`)^2).

    Args:
        cells: (B, rows, columns, 4), see `page.cells`.

    Returns:
        (B, 3, 3).
    """
    picture, page, certainty = cell_points(cells)
    picture = picture * ops.ones_like(page)
    x, y = page[..., :1], page[..., 1:]
    ones, zeros = ops.ones_like(x), ops.zeros_like(x)
    u, v = picture[..., :1], picture[..., 1:]
    # a . p = u (1 + g . p): linear in a and g.
    basis = ops.concatenate(
        [
            ops.concatenate(
                [x, y, ones, zeros, zeros, zeros, -u * x, -u * y], axis=-1
            ),
            ops.concatenate(
                [zeros, zeros, zeros, x, y, ones, -v * x, -v * y], axis=-1
            ),
        ],
        axis=1,
    )
    values = ops.concatenate([u, v], axis=1)
    penalty = _RIDGE * np.eye(8)
    certainty = certainty / ops.sum(certainty, axis=1, keepdims=True)
    weight = certainty
    for _ in range(_ROUNDS):
        both = ops.concatenate([weight, weight], axis=1)
        found = least_squares(basis, values, both, penalty)
        homography = ops.reshape(
            ops.concatenate([found, ops.ones_like(found[:, :1])], axis=1),
            (-1, 3, 3),
        )
        found_u, found_v = apply(homography, page[..., 0], page[..., 1])
        error = ops.square(found_u - picture[..., 0])
        error = error + ops.square(found_v - picture[..., 1])
        weight = certainty / (1 + error / _OUTLIER**2)
    return homography


def apply(homography, x, y):
    """Homographies on points, of any number of axes after the first.

    Args:
        homography: (B, 3, 3).
        x, y: half widths that broadcast to (B, ...).

    Returns:
        (x, y), each (B, ...), half widths.
    """
    ones = [1] * (max(len(x.shape), len(y.shape)) - 1)
    h = ops.reshape(homography, (-1, 3, 3, *ones))
    u, v, w = (h[:, i, 0] * x + h[:, i, 1] * y + h[:, i, 2] for i in range(3))
    w = ops.maximum(w, _MIN_W)
    return u / w, v / w


def compose(outer, inner):
    """The homography that applies `inner` first, then `outer`."""
    both = ops.matmul(outer, inner)
    return both / both[:, 2:, 2:]


def page_to_picture_px(homography, page_x, page_y):
    """Picture px of points of the page, such as the crossings of a grid.

    Args:
        homography: (B, 3, 3), from the page to the picture.
        page_x, page_y: px from the page's middle that broadcast to (B, m, n).

    Returns:
        (x, y), each (B, m, n), px from the picture's corner.
    """
    x, y = apply(homography, page_x / HALF_WIDTH_PX, page_y / HALF_WIDTH_PX)
    return x * HALF_WIDTH_PX + MIDDLE_X_PX, y * HALF_WIDTH_PX + MIDDLE_Y_PX
