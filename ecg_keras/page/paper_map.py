"""Where the paper's millimetres are in a picture: any geometry, both ways.

A regular lattice of nodes in mm, each with its px in the picture, and cubic
interpolation (Catmull-Rom) in between. Nodes may follow a homography, a curl,
or a scanner whose feed skipped: nothing is assumed but that neighbours keep
their order. There is no page frame: mm count from any crossing of the grid,
x along the rows, y down.

Pixel coordinates have pixel centres at .5, as everywhere (`paper.py`).
"""

import dataclasses

import cv2
import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from ecg_keras.errors import InputError
from ecg_keras.page.paper import PX_PER_MM

_NEWTON_STEPS = 12
_NEWTON_DONE_MM = 1e-7
# A Newton step is no longer than this many nodes: folds are not jumped over.
_LONGEST_STEP_NODES = 4.0


@dataclasses.dataclass(frozen=True, eq=False)
class PaperMap:
    """Map between a picture's px and the mm of the paper that it shows.

    Attributes:
        origin_mm: x and y in mm of the first node.
        step_mm: mm from a node to the next, along x and along y.
        nodes_px: (ny, nx, 2) picture x and y in px of each node, all finite;
            ny and nx are 2 or more.
        std_mm: (ny, nx) standard deviation in mm of a node's place; inf where
            nothing in the picture tells it.
    """

    origin_mm: tuple[float, float]
    step_mm: tuple[float, float]
    nodes_px: np.ndarray
    std_mm: np.ndarray

    def __post_init__(self):
        nodes = np.array(self.nodes_px, float)
        if nodes.ndim != 3 or nodes.shape[2] != 2 or min(nodes.shape) < 2:
            raise InputError(
                "expected `nodes_px` of shape (ny, nx, 2), ny and nx 2 or "
                f"more. Received: {nodes.shape}"
            )
        if not np.isfinite(nodes).all():
            raise InputError("`nodes_px` of a paper map are not all finite")
        if not min(self.step_mm) > 0:
            raise InputError(
                f"expected `step_mm` above 0. Received: {self.step_mm}"
            )
        std = np.broadcast_to(
            np.asarray(self.std_mm, float), nodes.shape[:2]
        ).copy()
        object.__setattr__(self, "nodes_px", nodes)
        object.__setattr__(self, "std_mm", std)
        object.__setattr__(self, "origin_mm", _pair(self.origin_mm))
        object.__setattr__(self, "step_mm", _pair(self.step_mm))

    @classmethod
    def from_function(cls, to_px, bounds_mm, step_mm=2.5, std_mm=0.0):
        """The map of a function.

        Args:
            to_px: function of points in mm, (..., 2), to px, (..., 2).
            bounds_mm: left, top, right, bottom of what the nodes cover, in mm.
            step_mm: mm between nodes, a number or one for x and one for y.
            std_mm: a number or (ny, nx).
        """
        left, top, right, bottom = bounds_mm
        step = _pair(step_mm)
        x = np.arange(_count(right - left, step[0])) * step[0] + left
        y = np.arange(_count(bottom - top, step[1])) * step[1] + top
        nodes = to_px(np.stack(np.meshgrid(x, y), axis=-1))
        return cls((left, top), step, nodes, std_mm)

    @classmethod
    def from_homography(cls, matrix, bounds_mm, step_mm=2.5, std_mm=0.0):
        """The map of a homography or an affine map.

        Args:
            matrix: (3, 3) or (2, 3), mm to px.
            bounds_mm, step_mm, std_mm: as in `from_function`.
        """
        matrix = np.asarray(matrix, float)
        if matrix.shape == (2, 3):
            matrix = np.concatenate([matrix, [[0.0, 0.0, 1.0]]])

        def to_px(points):
            moved = points @ matrix[:, :2].T + matrix[:, 2]
            return moved[..., :2] / moved[..., 2:]

        return cls.from_function(to_px, bounds_mm, step_mm, std_mm)

    @classmethod
    def from_page_map(cls, page_map, bounds_mm, step_mm=2.5):
        """The map of a `page_map.PageMap`: mm count from the page's corner."""
        return cls.from_function(
            lambda points: page_map.to_picture(points * PX_PER_MM),
            bounds_mm,
            step_mm,
        )

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`."""
        std = [
            [np.inf if v is None else v for v in row]
            for row in values["std_mm"]
        ]
        return cls(
            tuple(values["origin_mm"]),
            tuple(values["step_mm"]),
            np.array(values["nodes_px"], float),
            np.array(std, float),
        )

    def to_dict(self):
        """Plain lists, for JSON; None for an infinite `std_mm`."""
        return {
            "origin_mm": list(self.origin_mm),
            "step_mm": list(self.step_mm),
            "nodes_px": np.round(self.nodes_px, 4).tolist(),
            "std_mm": [
                [round(float(v), 5) if np.isfinite(v) else None for v in row]
                for row in self.std_mm
            ],
        }

    @property
    def bounds_mm(self):
        """Left, top, right, bottom of the nodes in mm."""
        ny, nx = self.std_mm.shape
        (left, top), (step_x, step_y) = self.origin_mm, self.step_mm
        return (
            left,
            top,
            left + step_x * (nx - 1),
            top + step_y * (ny - 1),
        )

    def to_px(self, points_mm):
        """Picture px of points of the paper, (..., 2) x and y.

        Beyond the nodes the outermost cell goes on straight.
        """
        return self._evaluate(points_mm)[0]

    def in_picture(self, points_mm, shape):
        """Whether points of the paper are in the picture, (...).

        Args:
            points_mm: (..., 2) x and y.
            shape: of the picture, its height and width in px the first.
        """
        height, width = shape[:2]
        px = self.to_px(points_mm)
        # What is half a pixel beyond is still what its last pixels show.
        inside = (px >= -0.5) & (px <= [width + 0.5, height + 0.5])
        return inside.all(axis=-1)

    def jacobian(self, points_mm):
        """px per mm at points, (..., 2, 2): [px x or y, mm x or y]."""
        _, along_x, along_y = self._evaluate(points_mm)
        return np.stack([along_x, along_y], axis=-1)

    def to_mm(self, points_px):
        """Points of the paper of picture px, (..., 2); the inverse of `to_px`.

        By Newton's method from the nearest node.
        """
        points = np.asarray(points_px, float)
        target = points.reshape(-1, 2)
        ny, nx = self.std_mm.shape
        tree = cKDTree(self.nodes_px.reshape(-1, 2))
        nearest = tree.query(target)[1]
        node = np.stack([nearest % nx, nearest // nx], axis=-1)
        mm = np.array(self.origin_mm) + node * np.array(self.step_mm)
        left = np.arange(len(mm))
        longest = _LONGEST_STEP_NODES * np.array(self.step_mm)
        for step_number in range(_NEWTON_STEPS):
            at, along_x, along_y = self._evaluate(mm[left])
            matrix = np.stack([along_x, along_y], axis=-1)
            off = target[left] - at
            # 2 x 2 by hand: a fold's flat Jacobian gives no step.
            det = matrix[:, 0, 0] * matrix[:, 1, 1]
            det = det - matrix[:, 0, 1] * matrix[:, 1, 0]
            safe = np.where(np.abs(det) > 1e-9, det, np.inf)
            step = np.stack(
                [
                    matrix[:, 1, 1] * off[:, 0] - matrix[:, 0, 1] * off[:, 1],
                    matrix[:, 0, 0] * off[:, 1] - matrix[:, 1, 0] * off[:, 0],
                ],
                axis=-1,
            )
            step = step / safe[:, None]
            # Beyond the nodes all is straight: the first step may be long.
            if step_number:
                step = np.clip(step, -longest, longest)
            mm[left] += step
            left = left[np.abs(step).max(axis=-1) > _NEWTON_DONE_MM]
            if not len(left):
                break
        return mm.reshape(points.shape)

    def raster_px(self, x_mm, y_mm):
        """Picture px of a raster of the paper, for sampling it.

        Args:
            x_mm: (w,) mm of the raster's columns, in any spacing.
            y_mm: (h,) mm of its rows.

        Returns:
            Two (h, w) float32: picture x and y in px, centres at .5. OpenCV
            counts centres from 0: `cv2.remap` takes them less 0.5, as
            `sampled` does.
        """
        along_x = self._weights(np.asarray(x_mm, float), 0)
        along_y = self._weights(np.asarray(y_mm, float), 1)
        return tuple(
            (
                along_x @ (along_y @ _padded(self.nodes_px[..., axis])).T
            ).T.astype(np.float32)
            for axis in (0, 1)
        )

    def sampled(self, image, x_mm, y_mm, **remap):
        """A picture of a raster of the paper, sampled once and linearly.

        Args:
            image: (H, W) or (H, W, 3), uint8 or float32.
            x_mm, y_mm: as in `raster_px`.
            remap: further arguments of `cv2.remap`, such as `borderMode`.

        Returns:
            (h, w) or (h, w, 3) of the same dtype; 0 beyond the picture.
        """
        where_x, where_y = self.raster_px(x_mm, y_mm)
        remap = {"interpolation": cv2.INTER_LINEAR, **remap}
        return cv2.remap(image, where_x - 0.5, where_y - 0.5, **remap)

    def std_mm_at(self, points_mm):
        """Standard deviation in mm of points, (...): inf beyond the nodes."""
        place = (
            np.asarray(points_mm, float) - np.array(self.origin_mm)
        ) / np.array(self.step_mm)
        last = np.array(self.std_mm.shape[::-1]) - 1
        inside = ((place >= -1e-9) & (place <= last + 1e-9)).all(axis=-1)
        node = np.clip(np.floor(place).astype(int), 0, last - 1)
        # The worse of the cell's corners: inf is never averaged away.
        x, y = node[..., 0], node[..., 1]
        worst = np.max(
            [self.std_mm[y + dy, x + dx] for dy in (0, 1) for dx in (0, 1)],
            axis=0,
        )
        return np.where(inside, worst, np.inf)

    def local_scale(self, point_mm):
        """Scale and rotation at a point.

        Args:
            point_mm: (2,) mm.

        Returns:
            px per mm along x, px per mm along y, and by how many degrees the
            paper's x axis is turned clockwise in the picture.
        """
        matrix = self.jacobian(np.asarray(point_mm, float))
        scale_x, scale_y = np.hypot(matrix[0], matrix[1])
        degrees = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
        return float(scale_x), float(scale_y), float(degrees)

    def scaled(self, factor_x, factor_y):
        """The map of the picture after a resize by these factors."""
        factors = np.array([factor_x, factor_y], float)
        return dataclasses.replace(self, nodes_px=self.nodes_px * factors)

    def shifted(self, shift_x_px, shift_y_px):
        """The map of the picture after its content moved by some px.

        A picture whose first 30 columns are cut off: `shifted(-30, 0)`.
        """
        shift = np.array([shift_x_px, shift_y_px], float)
        return dataclasses.replace(self, nodes_px=self.nodes_px + shift)

    def from_origin(self, point_mm):
        """The same map, with mm counted from a point of the present mm."""
        origin = np.array(self.origin_mm) - np.asarray(point_mm, float)
        return dataclasses.replace(self, origin_mm=tuple(origin))

    def stretched(self, x_mm, factor):
        """The same map, with mm along x `factor` as long, but for one x."""
        x = x_mm + (self.origin_mm[0] - x_mm) / factor
        return dataclasses.replace(
            self,
            origin_mm=(x, self.origin_mm[1]),
            step_mm=(self.step_mm[0] / factor, self.step_mm[1]),
        )

    def resampled(self, to_px, step_mm):
        """A map of another function, where this one is, known as well.

        Args:
            to_px, step_mm: as in `from_function`.
        """
        other = PaperMap.from_function(to_px, self.bounds_mm, step_mm)
        ny, nx = other.std_mm.shape
        left, top = other.origin_mm
        _, _, right, bottom = self.bounds_mm
        x = np.minimum(left + other.step_mm[0] * np.arange(nx), right)
        y = np.minimum(top + other.step_mm[1] * np.arange(ny), bottom)
        std = self.std_mm_at(np.stack(np.meshgrid(x, y), axis=-1))
        return dataclasses.replace(other, std_mm=std)

    def turned(self, quarters):
        """The same map, with mm axes turned clockwise by quarter turns.

        The paper's x axis then points where y pointed before: a page that lies
        upside down in its picture is read by `turned(2)`.
        """
        turned = self
        for _ in range(quarters % 4):
            # new x = old y, new y = -old x
            left, top, right, _ = turned.bounds_mm
            turned = PaperMap(
                (top, -right),
                turned.step_mm[::-1],
                turned.nodes_px.transpose(1, 0, 2)[::-1],
                turned.std_mm.T[::-1],
            )
        return turned

    def _evaluate(self, points_mm):
        """px (..., 2) of points, and their derivatives along mm x and y."""
        points = np.asarray(points_mm, float)
        place = (points - np.array(self.origin_mm)) / np.array(self.step_mm)
        ny, nx = self.std_mm.shape
        x, weights_x, slopes_x = _catmull_rom(place[..., 0], nx)
        y, weights_y, slopes_y = _catmull_rom(place[..., 1], ny)
        nodes = np.stack(
            [_padded(self.nodes_px[..., axis]) for axis in (0, 1)], axis=-1
        )
        # (..., 4 in y, 4 in x, 2); index 0 of the padded nodes is node -1.
        around = nodes[
            (y[..., None] + np.arange(4))[..., :, None],
            (x[..., None] + np.arange(4))[..., None, :],
        ]
        rows = np.einsum("...yxc,...x->...yc", around, weights_x)
        slopes = np.einsum("...yxc,...x->...yc", around, slopes_x)
        value = np.einsum("...yc,...y->...c", rows, weights_y)
        along_x = np.einsum("...yc,...y->...c", slopes, weights_y)
        along_y = np.einsum("...yc,...y->...c", rows, slopes_y)
        return value, along_x / self.step_mm[0], along_y / self.step_mm[1]

    def _weights(self, mm, axis):
        """Interpolation weights of an axis, (n, nodes + 2) sparse."""
        n_nodes = self.nodes_px.shape[1 - axis]
        place = (mm - self.origin_mm[axis]) / self.step_mm[axis]
        first, weights, _ = _catmull_rom(place, n_nodes)
        columns = first[:, None] + np.arange(4)
        rows = np.repeat(np.arange(len(mm)), 4)
        return csr_array(
            (weights.ravel(), (rows, columns.ravel())),
            shape=(len(mm), n_nodes + 2),
        )


def _catmull_rom(place, n_nodes):
    """First of four padded nodes, their weights and slopes, at places.

    Args:
        place: (...) in nodes from the first.

    Returns:
        (...) int, index of node -1 of four in the padded nodes; (..., 4)
        weights; (..., 4) their derivatives. Straight beyond the nodes.
    """
    cell = np.clip(np.floor(place).astype(int), 0, n_nodes - 2)
    t = place - cell
    inside = (t >= 0) & (t <= 1)
    u = np.where(inside, t, 0.0)
    zero, one = np.zeros_like(u), np.ones_like(u)
    weights = np.stack(
        [
            ((2 - u) * u - 1) * u / 2,
            ((3 * u - 5) * u * u + 2) / 2,
            ((4 - 3 * u) * u + 1) * u / 2,
            (u - 1) * u * u / 2,
        ],
        axis=-1,
    )
    slopes = np.stack(
        [
            (-3 * u * u + 4 * u - 1) / 2,
            (9 * u * u - 10 * u) / 2,
            (-9 * u * u + 8 * u + 1) / 2,
            (3 * u * u - 2 * u) / 2,
        ],
        axis=-1,
    )
    line = np.stack([zero, 1 - t, t, zero], axis=-1)
    straight = np.stack([zero, -one, one, zero], axis=-1)
    inside = inside[..., None]
    return (
        cell,
        np.where(inside, weights, line),
        np.where(inside, slopes, straight),
    )


def _padded(values):
    """(ny, nx) with one more node on each side, straight on."""
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        values = np.concatenate(
            [
                [2 * values[0] - values[1]],
                values,
                [2 * values[-1] - values[-2]],
            ]
        )
        values = np.moveaxis(values, 0, axis)
    return values


def _pair(values):
    x, y = np.broadcast_to(np.asarray(values, float), 2)
    return float(x), float(y)


def _count(length_mm, step_mm):
    """How many nodes cover a length, both ends included."""
    return max(2, int(np.ceil(length_mm / step_mm - 1e-9)) + 1)
