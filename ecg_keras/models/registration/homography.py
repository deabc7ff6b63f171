"""Where a picture shows a flat page: homographies from the network's cells.

Coordinates are counted from the middle of the page or picture, in units of
half the page's width, so that all numbers are about 1.
"""

import numpy as np
from keras import ops

from ecg_keras.models.registration.least_squares import least_squares
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

HALF_PX = PAGE_WIDTH_PX / 2
MIDDLE_PX = np.array([PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2], np.float32)
# Cells that lie farther off than this count less in the next round.
_OUTLIER = 60 / HALF_PX
_ROUNDS = 4
# Keeps the solution finite where no cell is sure.
_LEAST = 1e-5


def cell_points(cells):
    """What cells say: page points of their centres, and how sure they are.

    Args:
        cells: (B, rows, columns, 4), see `frame_network`.

    Returns:
        (centres (1, n, 2), points (B, n, 2), weight (B, n)).
    """
    centres = cell_centres_px().reshape(1, -1, 2)
    n_cells = centres.shape[1]
    centres = ops.convert_to_tensor((centres - MIDDLE_PX) / HALF_PX)
    flat = ops.reshape(cells, (-1, n_cells, 4))
    points = centres + flat[..., :2] * (UNIT_PX / HALF_PX)
    weight = ops.exp(-2 * ops.clip(flat[..., 2], -6.0, 6.0))
    return centres, points, weight


def fit_homography(cells):
    """The homography from the page to the picture that fits the cells best.

    Args:
        cells: (B, rows, columns, 4), see `frame_network`.

    Returns:
        (B, 3, 3), its last entry 1.
    """
    picture, page, sure = cell_points(cells)
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
    penalty = _LEAST * np.eye(8)
    weight = sure = sure / ops.sum(sure, axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        both = ops.concatenate([weight, weight], axis=1)
        found = least_squares(basis, values, both, penalty)
        homography = ops.reshape(
            ops.concatenate([found, ops.ones_like(found[:, :1])], axis=1),
            (-1, 3, 3),
        )
        error = ops.sum(ops.square(apply(homography, page) - picture), axis=-1)
        weight = sure / (1 + error / _OUTLIER**2)
    return homography


def apply(homography, points):
    """Homographies (B, 3, 3) on points (B, n, 2)."""
    x, y, w = ops.split(
        ops.matmul(points, ops.transpose(homography[..., :2], (0, 2, 1)))
        + ops.transpose(homography[..., 2:], (0, 2, 1)),
        3,
        axis=-1,
    )
    return ops.concatenate([x, y], axis=-1) / ops.maximum(w, 0.1)
