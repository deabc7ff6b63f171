"""The sheet's geometry while it is being found: mm of the paper to px.

A homography, and before it a displacement in mm that is smooth (a tensor
P-spline) plus one that depends on x alone and one on y alone, with nodes close
together: what a feed did that skipped.

    px = homography(mm + smooth(mm) + by_x(x) + by_y(y))
"""

import dataclasses

import cv2
import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

# Tukey's biweight: residuals beyond this many scales count for nothing.
_TUKEY = 4.7


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Map from mm to px in its making.

    Attributes:
        homography: (3, 3), mm to px.
        smooth: `Spline2` of displacements in mm, or None.
        columns, rows: (n, 3) x (or y) in mm and the displacement in mm, x and
            y, interpolated linearly; or None.
    """

    homography: np.ndarray
    smooth: object = None
    columns: np.ndarray | None = None
    rows: np.ndarray | None = None

    def displaced(self, points_mm):
        """mm that the homography takes, (..., 2)."""
        moved = points_mm
        if self.smooth is not None:
            moved = moved + self.smooth(points_mm)
        for axis, knots in enumerate((self.columns, self.rows)):
            if knots is not None:
                moved = moved + np.stack(
                    [
                        np.interp(
                            points_mm[..., axis], knots[:, 0], knots[:, k]
                        )
                        for k in (1, 2)
                    ],
                    axis=-1,
                )
        return moved

    def to_px(self, points_mm):
        """px of points in mm, (..., 2)."""
        return transform(
            self.homography, self.displaced(np.asarray(points_mm, float))
        )

    def raster_px(self, x_mm, y_mm, every=8):
        """px of a raster, two (h, w) float32; every few points, then linear."""
        x = _thinned(x_mm, every)
        y = _thinned(y_mm, every)
        px = self.to_px(np.stack(np.meshgrid(x, y), axis=-1))
        scale = np.array([[1 / every, 0, 0], [0, 1 / every, 0]])
        where = cv2.warpAffine(
            px.astype(np.float32),
            scale,
            (len(x_mm), len(y_mm)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return where[..., 0], where[..., 1]


def _thinned(mm, every):
    step = mm[1] - mm[0]
    return mm[0] + step * every * np.arange(-(-len(mm) // every) + 1)


def transform(matrix, points):
    """A homography, (3, 3), of points (..., 2)."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[..., :2] / moved[..., 2:]


def fit_homography(mm, px, weights, perspective=True, steps=5):
    """Homography from mm to px, robustly; affine unless `perspective`.

    Iteratively reweighted least squares on the algebraic error.

    Args:
        mm, px: (n, 2).
        weights: (n,).

    Returns:
        (3, 3), and (n,) weights with which the points counted in the end.
    """
    centre, spread = mm.mean(axis=0), mm.std() + 1e-9
    centre_px, spread_px = px.mean(axis=0), px.std() + 1e-9
    a, b = (mm - centre) / spread, (px - centre_px) / spread_px
    zero, one = np.zeros(len(a)), np.ones(len(a))
    robust = weights.copy()
    matrix = np.eye(3)
    for _ in range(steps):
        columns_x = [a[:, 0], a[:, 1], one, zero, zero, zero]
        columns_y = [zero, zero, zero, a[:, 0], a[:, 1], one]
        if perspective:
            columns_x += [-a[:, 0] * b[:, 0], -a[:, 1] * b[:, 0]]
            columns_y += [-a[:, 0] * b[:, 1], -a[:, 1] * b[:, 1]]
        design = np.concatenate(
            [np.stack(columns_x, axis=1), np.stack(columns_y, axis=1)]
        )
        root = np.sqrt(np.concatenate([robust, robust]))
        target = np.concatenate([b[:, 0], b[:, 1]])
        scaled = design * root[:, None]
        solution = np.linalg.solve(
            scaled.T @ scaled + 1e-9 * np.eye(scaled.shape[1]),
            scaled.T @ (target * root),
        )
        if not perspective:
            solution = np.append(solution, [0.0, 0.0])
        matrix = np.append(solution, 1.0).reshape(3, 3)
        off = np.hypot(*(transform(matrix, a) - b).T)
        scale = 1.4826 * np.median(off[weights > 0]) + 1e-6
        robust = weights * _tukey(off / scale)
    to_unit = np.array(
        [
            [1 / spread, 0, -centre[0] / spread],
            [0, 1 / spread, -centre[1] / spread],
            [0, 0, 1],
        ]
    )
    from_unit = np.array(
        [
            [spread_px, 0, centre_px[0]],
            [0, spread_px, centre_px[1]],
            [0, 0, 1],
        ]
    )
    whole = from_unit @ matrix @ to_unit
    return whole / whole[2, 2], robust


class Spline2:
    """A tensor-product cubic P-spline of two values, fitted robustly.

    Minimises sum w |value - spline|^2 + smoothness x the squared second
    differences of the coefficients, in both directions (Eilers and Marx 1996).
    Beyond the data it goes on as at the edge.
    """

    def __init__(
        self, mm, values, knot_mm, smoothness, steps=5, least_scale_mm=1e-4
    ):
        self._low = mm.min(axis=0) - 1e-6
        high = mm.max(axis=0) + 1e-6
        self._cells = np.maximum(
            1, np.ceil((high - self._low) / knot_mm).astype(int)
        )
        self._step = (high - self._low) / self._cells
        nx, ny = self._cells + 3
        index, basis = self._basis(mm)
        design = csr_array(
            (
                basis.ravel(),
                (np.repeat(np.arange(len(mm)), 16), index.ravel()),
            ),
            shape=(len(mm), ny * nx),
        )
        second_x, second_y = (np.diff(np.eye(n), 2, axis=0) for n in (nx, ny))
        penalty = np.kron(np.eye(ny), second_x.T @ second_x)
        penalty += np.kron(second_y.T @ second_y, np.eye(nx))
        penalty = smoothness * penalty + 1e-6 * np.eye(ny * nx)
        robust = np.ones(len(mm))
        for _ in range(steps):
            weighted = design.multiply(robust[:, None]).tocsr()
            normal = (design.T @ weighted).toarray() + penalty
            solution = cho_solve(
                cho_factor(normal, overwrite_a=True, check_finite=False),
                weighted.T @ values,
                check_finite=False,
            )
            off = np.hypot(*(design @ solution - values).T)
            scale = 1.4826 * np.median(off)
            robust = _tukey(off / max(scale, least_scale_mm))
        self._coefficients = solution

    def _basis(self, points):
        """Indices and weights of 16 coefficients of points, (n, 16)."""
        place = np.clip((points - self._low) / self._step, 0, self._cells)
        cell = np.minimum(place.astype(int), self._cells - 1)
        t = place - cell
        weights = (
            np.stack(
                [
                    (1 - t) ** 3,
                    (3 * t - 6) * t * t + 4,
                    ((-3 * t + 3) * t + 3) * t + 1,
                    t**3,
                ],
                axis=-1,
            )
            / 6
        )
        four = np.arange(4)
        rows = (cell[:, 1, None] + four)[:, :, None] * (self._cells[0] + 3)
        index = rows + (cell[:, 0, None] + four)[:, None, :]
        both = weights[:, 1, :, None] * weights[:, 0, None, :]
        return index.reshape(-1, 16), both.reshape(-1, 16)

    def __call__(self, points_mm):
        points = np.asarray(points_mm, float)
        index, basis = self._basis(points.reshape(-1, 2))
        values = (self._coefficients[index] * basis[..., None]).sum(axis=1)
        return values.reshape(points.shape)


def _tukey(ratio):
    return np.where(ratio < _TUKEY, (1 - (ratio / _TUKEY) ** 2) ** 2, 0.0)
