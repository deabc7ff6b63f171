"""The competition's page found by its content, on a map of its millimetres.

The grid tells mm but not which: the page's corner is a whole number of boxes
and quarter turns away (its 5 mm lines are counted from the bottom left corner).
Which, the traces tell: zero lines and calibration pulses of four rows, and the
ticks between their columns. What the grid prints in every box alike is taken
out first.

Where it fits best each pulse and each tick is looked for on its own: a page of
another layout or gain has some of them at most.
"""

import dataclasses
import functools

import cv2
import numpy as np

from ecg_keras.ecg.leads import DURATION_S
from ecg_keras.page.images import darkest_channel
from ecg_keras.page.paper import (
    CALIBRATION_PULSE_MV,
    CALIBRATION_PULSE_S,
    COARSE_GRID_MM,
    GAIN_MM_PER_MV,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PAPER_SPEED_MM_PER_S,
    PX_PER_MM,
    TICK_HEIGHT_PX,
    TICK_TIMES_S,
    TIME_ZERO_X_PX,
    ZERO_MV_Y_PX,
    x_px,
)
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration.contrast import contrast
from ecg_keras.registration.printed_lines import refined

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
# What makes the place sure; see `is_sure`. Drawn pages of eight of the nine
# types and three real ones have margins of 5.6 to 10.7 and marks of 0.43 and
# more. The margin alone does not tell: pages of another paper speed, or without
# the strip, reach 9.3, but a pulse that has to be there is at most 0.03 there.
LEAST_MARGIN, LEAST_DARKER = 3.5, 0.3
# Of ticks that are all there is to tell it.
LEAST_DARKER_ALONE = 0.6
# Paper beside a mark is looked at from here.
_BESIDE_MM = 1.5
_BOTH_SIDES = (-_BESIDE_MM, _BESIDE_MM)
# Marks may be off their places by this many steps.
_SLACK = 1


@dataclasses.dataclass(frozen=True)
class Anchor:
    """The competition's page in a picture.

    Attributes:
        paper_map: `PaperMap`, mm from the page's top left corner; of a page
            that is sure by its own lines (`printed_lines`).
        margin: by how much its score is above that of the best other place,
            in standard deviations of the scores of all places.
        pulses: how much darker the tops of calibration pulses are than the
            paper beside them, 0 to 1, that of the strip last; NaN for one that
            is not in the picture.
        ticks: the same of ticks between columns.
    """

    paper_map: PaperMap
    margin: float
    pulses: tuple[float, ...]
    ticks: tuple[float, ...]

    @property
    def is_sure(self):
        """Whether this is the competition's page beyond doubt.

        Its place stands out, the strip's pulse is there and another one (other
        gains have lower or higher ones, other layouts have them elsewhere),
        and at least half of the ticks in the picture, three or more. Where some
        pulses lie beyond the picture, three of four ticks, five or more: they
        tell the layout and the paper speed. Where all pulses do, its place need
        not stand out if all ticks are there, and clear.
        """
        is_cut = np.isnan(self.pulses).all()
        if is_cut and np.min(self.ticks) >= LEAST_DARKER_ALONE:
            return True
        *others, strip = np.nan_to_num(self.pulses)
        n_seen = (np.nan_to_num(self.ticks) >= LEAST_DARKER).sum()
        n_ticks = np.isfinite(self.ticks).sum()
        if np.isfinite(self.pulses).all():
            marked = min(strip, max(others)) >= LEAST_DARKER
            marked = marked and n_seen >= max(3, n_ticks / 2)
        else:
            marked = n_seen >= max(5, 0.75 * n_ticks)
        return bool(self.margin >= LEAST_MARGIN and marked)

    @property
    def tells_gain(self):
        """Whether any of the pulses is there."""
        return bool(np.nanmax([0.0, *self.pulses]) >= LEAST_DARKER)

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
        competition's: look at `is_sure`.
    """
    ink, first_mm = _ink(image, paper_map)
    turned = [np.ascontiguousarray(np.rot90(ink, q)) for q in range(4)]
    all_scores = [_scores(part) for part in turned]
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
    last_mm = first_mm + _STEP_MM * np.array(ink.shape[::-1])
    corners = np.array(
        [
            [x, y]
            for x in (first_mm[0], last_mm[0])
            for y in (first_mm[1], last_mm[1])
        ]
    )
    turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarters)
    first = (corners @ turn.T).min(axis=0)
    line = first + COARSE_GRID_MM * (np.array([column, row]) - _MARGIN_BOXES)
    corner = line - [GRID_X_MM, GRID_Y_MM % COARSE_GRID_MM]
    page_map = paper_map.turned(quarters).from_origin(corner)
    shape = image.shape[:2]
    pulses = _seen(turned[quarters], first - corner, page_map, shape, _pulses())
    ticks = _seen(turned[quarters], first - corner, page_map, shape, _ticks())
    anchor = Anchor(
        page_map,
        float((best - second) / max(spread, 1e-9)),
        pulses,
        ticks,
    )
    if anchor.is_sure:
        finer = refined(image, page_map)
        anchor = dataclasses.replace(anchor, paper_map=finer)
    return anchor


def _ink(image, paper_map):
    """(h, w) darkness of all but the grid, and x, y of its corner in mm."""
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
    return ink, np.array([boxes_x[0], boxes_y[0]])


def _seen(ink, first_mm, page_map, shape, marks):
    """How much darker marks are than the paper beside them.

    Args:
        ink: (h, w) raster of the page.
        first_mm: (2,) page mm of its corner.
        page_map: `PaperMap` of the page.
        shape: (height, width) of the picture in px.
        marks: see `_pulses`.

    Returns:
        for each mark a number, 0 to 1; NaN where it is not in the picture.
    """
    found = []
    for on, *beside in marks:
        if not page_map.in_picture(on, shape).all():
            found.append(np.nan)
            continue
        best = 0.0
        for dx in range(-_SLACK, _SLACK + 1):
            for dy in range(-_SLACK, _SLACK + 1):
                shift = first_mm - _STEP_MM * np.array([dx, dy])
                around = max(_mean_at(ink, part - shift) for part in beside)
                best = max(best, _mean_at(ink, on - shift) - around)
        found.append(best)
    return tuple(found)


def _mean_at(ink, points_mm):
    """Mean of a raster at points in mm from its corner."""
    index = np.floor(points_mm / _STEP_MM).astype(int)
    index = np.clip(index, 0, np.array(ink.shape[::-1]) - 1)
    return float(ink[index[:, 1], index[:, 0]].mean())


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
    zero_lines, pulses, ticks = _looked_at()
    return _means_from_boxes(band, zero_lines) + _means_from_boxes(
        outline, pulses, ticks
    )


@functools.cache
def _looked_at():
    """Steps of the points on zero lines, pulses and ticks, (n, 2) each."""
    corner = [GRID_X_MM, GRID_Y_MM % COARSE_GRID_MM]
    return tuple(
        np.round((points - corner) / _STEP_MM - 0.5).astype(int)
        for points in (_zero_lines_mm(), _points(_pulses()), _points(_ticks()))
    )


def _means_from_boxes(picture, *indices):
    """Means of a raster at points, as seen from each box's first step.

    Args:
        picture: (h, w), whole boxes.
        indices: (n, 2) each, x and y of points in steps, 0 or more.

    Returns:
        (h / box, w / box), the sum of the means; 0 beyond the raster.
    """
    ny, nx = (side // _BOX for side in picture.shape)
    far_x, far_y = np.concatenate(indices).max(axis=0) // _BOX + 1
    picture = np.pad(picture, [(0, far_y * _BOX), (0, far_x * _BOX)])
    # (step y, step x, box y, box x): a point is at one step of all boxes.
    boxes = picture.reshape(ny + far_y, _BOX, nx + far_x, _BOX)
    boxes = np.ascontiguousarray(boxes.transpose(1, 3, 0, 2))
    means = np.zeros((ny, nx), np.float32)
    for index in indices:
        total = np.zeros((ny, nx), np.float32)
        for x, y in index:
            row, column = y // _BOX, x // _BOX
            total += boxes[
                y % _BOX, x % _BOX, row : row + ny, column : column + nx
            ]
        means += total / len(index)
    return means


def _zero_lines_mm():
    """Points of the page's zero lines, (n, 2) mm."""
    x = np.arange(TIME_ZERO_X_PX, x_px(DURATION_S), PX_PER_MM) / PX_PER_MM
    x, y = np.meshgrid(x, np.array(ZERO_MV_Y_PX) / PX_PER_MM)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _points(marks):
    """Points on marks, (n, 2) mm."""
    return np.concatenate([on for on, *_ in marks])


def _pulses():
    """Tops of the calibration pulses that lie on no 5 mm line.

    Their sides do, and so does the top of the second row's.

    Returns:
        for each (points on it, points above and below, points left of it),
        each (n, 2) mm: at another paper speed it goes on there.
    """
    right = TIME_ZERO_X_PX / PX_PER_MM
    left = right - CALIBRATION_PULSE_S * PAPER_SPEED_MM_PER_S
    height = CALIBRATION_PULSE_MV * GAIN_MM_PER_MV
    x = np.arange(left + _STEP_MM, right, _STEP_MM)
    marks = []
    for zero in (ZERO_MV_Y_PX[0], *ZERO_MV_Y_PX[2:]):
        y = zero / PX_PER_MM - height
        top = np.stack([x, np.full_like(x, y)], axis=1)
        beside = np.concatenate([top + [0, v] for v in _BOTH_SIDES])
        marks.append((top, beside, top - [COARSE_GRID_MM, 0]))
    return marks


def _ticks():
    """The ticks that stand on no 5 mm line, as the middle ones do.

    Returns:
        for each (points on it, points beside it), each (n, 2) mm.
    """
    half = TICK_HEIGHT_PX / PX_PER_MM / 2
    y = np.arange(-half, half, _STEP_MM) + _STEP_MM / 2
    marks = []
    for zero in ZERO_MV_Y_PX[:-1]:
        for time in (TICK_TIMES_S[0], TICK_TIMES_S[2]):
            middle = np.array([x_px(time), zero]) / PX_PER_MM
            line = middle + np.stack([0 * y, y], axis=1)
            on = [line + [v, 0] for v in (-_STEP_MM, 0, _STEP_MM)]
            beside = [line + [v, 0] for v in _BOTH_SIDES]
            marks.append((np.concatenate(on), np.concatenate(beside)))
    return marks
