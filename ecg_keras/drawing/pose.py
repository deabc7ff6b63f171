"""How a sheet lies in a picture: mm of the paper to px, and the way back.

    px = feed(lens(homography(bent(mm))))

`bent` is what the sheet does (curl, waves, folds), the homography is camera or
scanner, `lens` radial distortion, and `feed` a scanner whose paper slips: a
function of one direction over the whole height or width.
"""

import dataclasses

import numpy as np

from ecg_keras.page.paper_map import PaperMap

_INVERSE_STEPS = 12
# The way back is computed on every 16th px and interpolated: curls are long
# enough for an error below 0.02 px.
_STEP_PX = 16


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where the paper lies in a picture of a size.

    Attributes:
        size: (H, W) of the picture in px.
        homography: (3, 3) mm to px.
        waves: (n, 5): mm of shift in x and y, cycles per mm along x and y,
            phase. Each adds shift x sin(2 pi f . p + phase), less its value
            and slope at `middle_mm`.
        folds: (n, 5): a point x, y in mm, direction in radians across the
            fold, and by how much a mm beyond it is shorter, in x and y.
        lens: px shift of a corner by radial distortion, over its distance
            from the middle.
        feed_axis: 0 where the feed errs in x, 1 in y.
        feed_px: (n, 2) nodes of where a px would lie, where it lies; rising.
        middle_mm: about the middle of the picture.
    """

    size: tuple
    homography: np.ndarray
    waves: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros((0, 5))
    )
    folds: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros((0, 5))
    )
    lens: float = 0.0
    feed_axis: int = 0
    feed_px: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros((0, 2))
    )
    middle_mm: tuple = (0.0, 0.0)

    @property
    def is_affine(self):
        """Whether a picture can be drawn without resampling."""
        upright = abs(self.homography[[0, 1, 2, 2], [1, 0, 0, 1]]).max() == 0
        return upright and not (
            len(self.waves) or len(self.folds) or self.lens or len(self.feed_px)
        )

    def to_px(self, points_mm):
        """Picture px of points of the paper, (..., 2)."""
        points = np.asarray(points_mm, float)
        points = _project(self.homography, points + self._bent(points))
        points = points + self._lens_shift(points)
        if len(self.feed_px):
            points = points.copy()
            points[..., self.feed_axis] = np.interp(
                points[..., self.feed_axis], *self.feed_px.T
            )
        return points

    def raster_mm(self):
        """mm x and mm y of each pixel centre: two (H, W) float32."""
        height, width = self.size
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        if len(self.feed_px):
            if self.feed_axis == 0:
                x = np.interp(x, *self.feed_px.T[::-1])
            else:
                y = np.interp(y, *self.feed_px.T[::-1])
        nodes = [
            np.arange(v.min() - _STEP_PX, v.max() + 2 * _STEP_PX, _STEP_PX)
            for v in (x, y)
        ]
        points = self._flat_to_mm(np.stack(np.meshgrid(*nodes), axis=-1))
        along_x, along_y = (
            _linear_weights(v, node) for v, node in zip((x, y), nodes,
                                                        strict=True)
        )  # fmt: skip
        points = points.astype(np.float32).transpose(2, 0, 1)
        return tuple(along_y @ (plane @ along_x.T) for plane in points)

    def paper_map(self, bounds_mm):
        """The `PaperMap` of some bounds: left, top, right, bottom in mm."""
        step = [2.5, 2.5]
        if len(self.feed_px):
            step[self.feed_axis] = 1.0
        return PaperMap.from_function(self.to_px, bounds_mm, step)

    def _flat_to_mm(self, points):
        """mm of points before the feed."""
        flat = points
        for _ in range(_INVERSE_STEPS if self.lens else 0):
            flat = points - self._lens_shift(flat)
        sheet = _project(np.linalg.inv(self.homography), flat)
        mm = sheet
        for _ in range(_INVERSE_STEPS if len(self.waves) + len(self.folds)
                       else 0):  # fmt: skip
            mm = sheet - self._bent(mm)
        return mm

    def _bent(self, points):
        """mm by which the bent sheet's points seem to be shifted."""
        shift = np.zeros(points.shape)
        middle = np.array(self.middle_mm)
        for shift_x, shift_y, along_x, along_y, phase in self.waves:
            frequency = 2 * np.pi * np.array([along_x, along_y])
            at_middle = middle @ frequency + phase
            angle = points @ frequency + phase
            # Scale and rotation are the homography's.
            value = np.sin(angle) - np.sin(at_middle)
            value -= np.cos(at_middle) * ((points - middle) @ frequency)
            shift += value[..., None] * (shift_x, shift_y)
        for x, y, direction, shorter_x, shorter_y in self.folds:
            across = np.array([np.cos(direction), np.sin(direction)])
            beyond = np.maximum((points - (x, y)) @ across, 0)
            shift -= beyond[..., None] * (shorter_x, shorter_y)
        return shift

    def _lens_shift(self, points):
        if not self.lens:
            return 0.0
        middle = np.array(self.size[::-1]) / 2
        from_middle = points - middle
        radius2 = (from_middle**2).sum(axis=-1, keepdims=True)
        return self.lens * radius2 / (middle @ middle) * from_middle


def _project(matrix, points):
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[..., :2] / moved[..., 2:]


def _linear_weights(values, nodes):
    """(n, nodes) float32 weights of linear interpolation on even nodes."""
    place = (values - nodes[0]) / (nodes[1] - nodes[0])
    first = np.clip(place.astype(int), 0, len(nodes) - 2)
    weights = np.zeros((len(values), len(nodes)), np.float32)
    rows = np.arange(len(values))
    weights[rows, first] = 1 - (place - first)
    weights[rows, first + 1] = place - first
    return weights
