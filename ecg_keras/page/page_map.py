"""Where each pixel of a picture lies on the page: exact, both ways.

A picture's pixel goes through a homography (camera, scanner) to the flat sheet
and from there through a displacement to the page: a sum of sine waves (a curled
or soaked sheet) and of slips (a scanner whose feed skipped, over the whole
height or width):

    page = displaced(homography(picture))

Coordinates are px with pixel centres at .5, as everywhere (`paper.py`).
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

# The dense map is computed on every 16th pixel and interpolated: waves are
# long enough for an error below 0.01 px.
_STEP_PX = 16
_INVERSE_STEPS = 20


@dataclasses.dataclass(frozen=True)
class PageMap:
    """Map from a picture to the page that it shows.

    Attributes:
        homography: (3, 3), picture px to sheet px.
        waves: (n, 5): shift in x and y in px, cycles per px along x and along
            y, phase in radians. Each adds shift x sin(2 pi f . p + phase).
        slips: (n, 4): axis (0 for x, 1 for y), where in px, reach in px,
            shift in px. Each adds shift x tanh((p - where) / reach) / 2 to
            that coordinate.
    """

    homography: np.ndarray
    waves: np.ndarray
    slips: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros((0, 4))
    )

    @classmethod
    def identity(cls):
        return cls(np.eye(3), np.zeros((0, 5)))

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`."""
        waves = np.array(values["waves"], float).reshape(-1, 5)
        slips = np.array(values.get("slips", []), float).reshape(-1, 4)
        return cls(np.array(values["homography"], float), waves, slips)

    def to_dict(self):
        """Plain lists, for JSON."""
        return {
            "homography": self.homography.tolist(),
            "waves": self.waves.tolist(),
            "slips": self.slips.tolist(),
        }

    def to_page(self, points):
        """Page coordinates of points of the picture, (..., 2) x and y."""
        return self._displaced(_transform(self.homography, points))

    def to_picture(self, points):
        """Picture coordinates of points of the page; inverse of `to_page`."""
        points = np.asarray(points, float)
        sheet = points
        is_displaced = len(self.waves) + len(self.slips) > 0
        for _ in range(_INVERSE_STEPS if is_displaced else 0):
            sheet = sheet - (self._displaced(sheet) - points)
        return _transform(np.linalg.inv(self.homography), sheet)

    def dense(self, height, width):
        """Page coordinates of each pixel centre, (height, width, 2) float32."""
        y = np.arange(0, height + _STEP_PX, _STEP_PX)
        x = np.arange(0, width + _STEP_PX, _STEP_PX)
        points = np.stack(np.meshgrid(x + 0.5, y + 0.5), axis=-1)
        coarse = self.to_page(points).astype(np.float32)
        # warpAffine puts output pixel p at coarse position p / step.
        scale = np.array([[1 / _STEP_PX, 0, 0], [0, 1 / _STEP_PX, 0]])
        return cv2.warpAffine(
            coarse,
            scale,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def scaled(self, factor_x, factor_y):
        """The map of the picture after a resize by these factors."""
        shrink = np.diag([1 / factor_x, 1 / factor_y, 1.0])
        return dataclasses.replace(self, homography=self.homography @ shrink)

    def _displaced(self, points):
        displaced = np.array(points, float)
        for shift_x, shift_y, along_x, along_y, phase in self.waves:
            cycles = along_x * points[..., 0] + along_y * points[..., 1]
            sine = np.sin(2 * np.pi * cycles + phase)
            displaced[..., 0] += shift_x * sine
            displaced[..., 1] += shift_y * sine
        for axis, where_px, reach_px, shift_px in self.slips:
            along = points[..., int(axis)]
            displaced[..., int(axis)] += (
                shift_px / 2 * np.tanh((along - where_px) / reach_px)
            )
        return displaced


def warp(image, page_map, height, width, colour=(255, 255, 255), border_px=0):
    """Picture a page: sample it once, where the map says.

    Args:
        image: (H, W, 3) uint8, the page, drawn at any size, with a border.
        page_map: `PageMap` from the picture to the page in page px.
        height, width: size of the picture in px.
        colour: RGB beyond the image.
        border_px: of the image's pixels on each side that are no page.

    Returns:
        (height, width, 3) uint8.
    """
    scale_x = (image.shape[1] - 2 * border_px) / PAGE_WIDTH_PX
    scale_y = (image.shape[0] - 2 * border_px) / PAGE_HEIGHT_PX
    where = page_map.dense(height, width)
    where *= np.array([scale_x, scale_y], np.float32)
    where += border_px - 0.5  # OpenCV counts pixel centres from 0, we from .5.
    return cv2.remap(
        image,
        where,
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=colour,
    )


def _transform(matrix, points):
    points = np.asarray(points, float)
    x, y, w = np.moveaxis(points @ matrix[:, :2].T + matrix[:, 2], -1, 0)
    return np.stack([x / w, y / w], axis=-1)
