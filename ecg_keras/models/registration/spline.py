"""Smooth displacements over the page: P-splines fitted to samples.

A displacement is the (B, ROWS, COLUMNS, 2) px of the control points of a
tensor-product cubic B-spline (free-form deformation), which lie `SPACING_PX`
apart over the page and a little beyond. It is fitted with a penalty on second
differences of the control points (P-spline; Eilers and Marx, 1996). Coordinates
are px from the middle of the page.
"""

import numpy as np
from keras import ops

from ecg_keras.models.registration.least_squares import least_squares
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

# A soaked sheet's waves are a third of a page's width (733 px) or longer, here
# and where pages are drawn (`image_types._waves`): 3.7 control points for each.
SPACING_PX = 200.0
# One control point beyond the edge on each side.
COLUMNS = int(np.ceil(PAGE_WIDTH_PX / SPACING_PX)) + 3
ROWS = int(np.ceil(PAGE_HEIGHT_PX / SPACING_PX)) + 3
# Penalty on each control point's square: those that no sample lies near stay 0.
_RIDGE = 1e-3


def fit_displacement(points, shifts, weight, stiffness):
    """The P-spline that agrees best with samples of a displacement.

    Args:
        points: (B, n, 2) px from the middle.
        shifts: (B, n, 2) px at these points.
        weight: (B, n), about 1 for a sample that counts.
        stiffness: weight of the squared second differences of neighbouring
            control points.

    Returns:
        The displacement.
    """
    across = _basis(points[..., 0], COLUMNS)[:, :, None, :]
    down = _basis(points[..., 1], ROWS)[:, :, :, None]
    n_points = points.shape[1]
    basis = ops.reshape(across * down, (-1, n_points, ROWS * COLUMNS))
    found = least_squares(basis, shifts, weight, _penalty(stiffness))
    return ops.reshape(found, (-1, ROWS, COLUMNS, 2))


def displacement_at(displacement, points):
    """A displacement at points (B, n, 2), in px: (B, n, 2)."""
    across = _basis(points[..., 0], COLUMNS)
    down = _basis(points[..., 1], ROWS)
    return ops.einsum("bnj,bni,bjic->bnc", down, across, displacement)


def displacement_on_grid(displacement, x, y):
    """A displacement on the crossings of a grid.

    Args:
        x: (n,) array of px; y: (m,) array of px.

    Returns:
        (right, down), each (B, m, n) px.
    """
    across, down = (
        _basis(ops.convert_to_tensor(values.astype(np.float32)), count)
        for values, count in ((x, COLUMNS), (y, ROWS))
    )
    across = ops.transpose(across)[None]
    return tuple(
        ops.matmul(ops.matmul(down[None], displacement[..., axis]), across)
        for axis in (0, 1)
    )


def _basis(values, count):
    """Uniform cubic B-splines at some px: (...) to (..., count)."""
    knots = np.arange(count, dtype=np.float32) - (count - 1) / 2
    knots = ops.convert_to_tensor(knots)
    distance = ops.abs(values[..., None] / SPACING_PX - knots)
    far, near = ops.relu(2 - distance), ops.relu(1 - distance)
    return (far * far * far - 4 * near * near * near) / 6


def _penalty(stiffness):
    """(ROWS COLUMNS, ROWS COLUMNS): squared second differences, and a ridge."""
    rough = []
    for count in (ROWS, COLUMNS):
        second = np.diff(np.eye(count), n=2, axis=0)
        rough.append(second.T @ second)
    penalty = np.kron(rough[0], np.eye(COLUMNS))
    penalty += np.kron(np.eye(ROWS), rough[1])
    return stiffness * penalty + _RIDGE * np.eye(ROWS * COLUMNS)
