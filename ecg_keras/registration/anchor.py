"""The competition's page found by its content, on a map of its millimetres.

The grid tells mm but not which: the page's corner is a whole number of boxes
and quarter turns away (its 5 mm lines are counted from the bottom left corner).
Which, the traces tell: zero lines and calibration pulses of four rows. What the
grid prints in every box alike is taken out first.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.ecg.leads import DURATION_S
from ecg_keras.page.paper import (
    CALIBRATION_PULSE_MV,
    CALIBRATION_PULSE_S,
    COARSE_GRID_MM,
    GAIN_MM_PER_MV,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PAPER_SPEED_MM_PER_S,
    PX_PER_MM,
    TIME_ZERO_X_PX,
    ZERO_MV_Y_PX,
    x_px,
)
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration.contrast import contrast, darkest_channel

# Where the page's 5 mm lines are, in mm from its top left corner.
GRID_X_MM = 0.5 / PX_PER_MM
GRID_Y_MM = (PAGE_HEIGHT_PX + 0.5) / PX_PER_MM
PAGE_MM = (PAGE_WIDTH_PX / PX_PER_MM, PAGE_HEIGHT_PX / PX_PER_MM)

_STEP_MM = 0.25
_BOX = round(COARSE_GRID_MM / _STEP_MM)
# The grid's print is taken out in blocks of so many boxes a side.
_BLOCK = 8
# A trace lies near its zero line most of the time: to this many mm.
_NEAR_MM = 1.0
_PULSE_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class Anchor:
    """The competition's page in a picture.

    Attributes:
        paper_map: `PaperMap`, mm from the page's top left corner.
        margin: by how much its score is above that of the best other place,
            in standard deviations of the scores of all places.
    """

    paper_map: PaperMap
    margin: float

    def to_picture(self, page_px):
        """Picture px of points in page px (`paper.py`), (..., 2)."""
        return self.paper_map.to_px(np.asarray(page_px, float) / PX_PER_MM)


def competition_anchor(image, paper_map):
    """Where the competition's page lies in a picture of one.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: `PaperMap` of it whose whole boxes are 5 mm lines.

    Returns:
        `Anchor`. It is the best place, whether or not the page is the
        competition's: look at `margin`.
    """
    left, top, right, bottom = paper_map.bounds_mm
    boxes_x = np.arange(np.floor(left / 5), np.ceil(right / 5)) * 5.0
    boxes_y = np.arange(np.floor(top / 5), np.ceil(bottom / 5)) * 5.0
    x_mm = boxes_x[0] + (np.arange(len(boxes_x) * _BOX) + 0.5) * _STEP_MM
    y_mm = boxes_y[0] + (np.arange(len(boxes_y) * _BOX) + 0.5) * _STEP_MM
    grey = darkest_channel(image)
    # Averaged over what a step covers, so that no line falls between two.
    scale = np.mean(paper_map.local_scale(_middle(paper_map))[:2])
    factor = min(1.0, 1.2 / (_STEP_MM * scale))
    small = cv2.resize(
        grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    whole = paper_map.scaled(
        small.shape[1] / grey.shape[1], small.shape[0] / grey.shape[0]
    )
    straight = whole.sampled(small, x_mm, y_mm, borderMode=cv2.BORDER_REPLICATE)
    ink = _without_grid(contrast(straight, 2 * _BOX))
    all_scores = [_scores(np.rot90(ink, quarters)) for quarters in range(4)]
    quarters = int(np.argmax([scores.max() for scores in all_scores]))
    scores = all_scores[quarters]
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    best, spread = (
        scores[row, column],
        np.concatenate([scores.ravel() for scores in all_scores]).std(),
    )
    scores[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = -np.inf
    second = max(scores.max() for scores in all_scores)
    # `np.rot90` of the raster is the raster of `turned`: x is the old y.
    corners = np.array(
        [
            [x, y]
            for x in (boxes_x[0], boxes_x[-1] + 5)
            for y in (boxes_y[0], boxes_y[-1] + 5)
        ]
    )
    turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarters)
    first = (corners @ turn.T).min(axis=0)
    line = first + COARSE_GRID_MM * (np.array([column, row]) - _MARGIN_BOXES)
    corner = line - [GRID_X_MM, GRID_Y_MM % COARSE_GRID_MM]
    return Anchor(
        paper_map.turned(quarters).from_origin(corner),
        float((best - second) / max(spread, 1e-9)),
    )


# Boxes that are looked at before a raster's first.
_MARGIN_BOXES = 16


def _middle(paper_map):
    left, top, right, bottom = paper_map.bounds_mm
    return ((left + right) / 2, (top + bottom) / 2)


def _without_grid(dark):
    """(h, w) darkness less what all boxes around print alike, 0 to 1."""
    ny, nx = (side // _BOX for side in dark.shape)
    boxes = dark.reshape(ny, _BOX, nx, _BOX)
    left = np.empty_like(boxes)
    for top in range(0, ny, _BLOCK):
        for start in range(0, nx, _BLOCK):
            # The last blocks take their boxes from further in.
            part = boxes[
                max(0, min(top, ny - _BLOCK)) : top + _BLOCK,
                :,
                max(0, min(start, nx - _BLOCK)) : start + _BLOCK,
            ]
            usual = np.median(part, axis=(0, 2))
            own = np.s_[top : top + _BLOCK, :, start : start + _BLOCK]
            left[own] = boxes[own] - usual[None, :, None]
    return np.clip(left.reshape(dark.shape), 0, 1)


def _scores(ink):
    """Score of the page's first box line at each box line of a raster.

    Returns:
        (ny, nx), with `_MARGIN_BOXES` boxes before the raster's first.
    """
    margin = _MARGIN_BOXES * _BOX
    ink = np.pad(ink, margin)
    near = round(_NEAR_MM / _STEP_MM)
    # Along zero lines: ink within reach. At the pulse: on its outline.
    band = cv2.blur(ink, (1, 2 * near + 1)) - cv2.blur(ink, (1, 8 * near + 1))
    outline = cv2.blur(ink, (3, 3))
    starts_y = np.arange(0, ink.shape[0], _BOX)
    starts_x = np.arange(0, ink.shape[1], _BOX)
    scores = np.zeros((len(starts_y), len(starts_x)), np.float32)
    for picture, points, weight in (
        (band, _zero_lines_mm(), 1 - _PULSE_SHARE),
        (outline, _pulses_mm(), _PULSE_SHARE),
    ):
        index = np.round(
            (points - [GRID_X_MM, GRID_Y_MM % COARSE_GRID_MM]) / _STEP_MM - 0.5
        ).astype(int)
        kernel = np.zeros(index.max(axis=0)[::-1] + 1, np.float32)
        kernel[index[:, 1], index[:, 0]] = 1.0
        padded = np.pad(picture, [(0, kernel.shape[0]), (0, kernel.shape[1])])
        matched = cv2.matchTemplate(padded, kernel, cv2.TM_CCORR)
        scores += weight * matched[np.ix_(starts_y, starts_x)] / len(index)
    return scores


def _zero_lines_mm():
    """Points of the page's zero lines, (n, 2) mm."""
    x = np.arange(TIME_ZERO_X_PX, x_px(DURATION_S), PX_PER_MM) / PX_PER_MM
    return np.array([[v, y / PX_PER_MM] for y in ZERO_MV_Y_PX for v in x])


def _pulses_mm():
    """Points of the outlines of the calibration pulses, (n, 2) mm."""
    right = TIME_ZERO_X_PX / PX_PER_MM
    left = right - CALIBRATION_PULSE_S * PAPER_SPEED_MM_PER_S
    height = CALIBRATION_PULSE_MV * GAIN_MM_PER_MV
    up = np.arange(0, height, _STEP_MM)
    along = np.arange(left, right, _STEP_MM)
    points = []
    for zero in ZERO_MV_Y_PX:
        y = zero / PX_PER_MM
        points += [[x, y - v] for x in (left, right) for v in up]
        points += [[x, y - height] for x in along]
    return np.array(points)
