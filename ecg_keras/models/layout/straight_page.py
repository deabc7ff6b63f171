"""A page straightened to mm, and its print without the grid.

Where the paper's mm are known, the grid repeats every 5 mm exactly, whatever
its colour, and whether it is of lines or dots. The median over neighbouring
boxes of 5 mm, pixel by pixel of a box, is what paper and grid look like there:
traces and letters are on few of them. What is darker than that is print.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.models.layout.paper_seen import (
    boxes_of,
    grid_seen,
    margin_seen,
    paper_columns,
    paper_seen,
)
from ecg_keras.page.paper import COARSE_GRID_MM
from ecg_keras.page.paper_map import PaperMap

PX_PER_MM = 4
BOX_PX = int(PX_PER_MM * COARSE_GRID_MM)
# The grid's look is taken from so many boxes along x and y, and interpolated
# between places as far apart.
BOXES = 6
# The paper beyond the grid that is looked at, and the most in all, mm.
BEYOND_GRID_MM = 80.0
LONGEST_MM = 480.0
# Darker by this share of what the darkest print is darker by: print.
PRINT_SHARE = 0.33
LEAST_DARKER = 12.0  # of 255
# What fills a square of so many px is no print: bars of a viewer, black boxes.
# How dark it is tells nothing of print's darkness.
SOLID_PX = 3 * PX_PER_MM
# A grid found a fraction of a mm off leaves thin lines: the darkest of so many
# pixels around counts as grid.
NEAR_PX = 3
# Specks of a copy in black and white: print of no more px. They are noise where
# there are more of them on a cm2: of 37 real pages two have more, 9 and 23, the
# others 4.5 at the most, half of them 0.8 and less.
SPECK_PX, MOST_SPECKS_PER_CM2 = 6, 5.0


@dataclasses.dataclass(frozen=True, eq=False)
class StraightPage:
    """A page on its paper's axes.

    Attributes:
        origin_mm: x and y on the paper of the first pixel's corner.
        grey: (h, w) float32, 0 to 255.
        ink: (h, w) float32, 0 to 1: how much of the darkest print's darkness a
            pixel has beyond paper and grid.
        inside: (h, w) bool, what the picture shows, but for a margin of one
            colour; on a desk this counts as shown.
        edges_mm: x of the paper's left and right edge, or of the picture's side
            where it ends before, at the middle.
        grid_rows: first and last, exclusive, of the rows of pixels that show
            the grid; None is the last of all.
    """

    origin_mm: tuple
    grey: np.ndarray
    ink: np.ndarray
    inside: np.ndarray
    edges_mm: tuple = (-np.inf, np.inf)
    grid_rows: tuple = (0, None)

    @property
    def is_print(self):
        """(h, w) bool."""
        return self.ink > PRINT_SHARE

    @property
    def is_print_of_grid(self):
        """(h, w) bool: print without text around a figure, or a report's."""
        _, parts = cv2.connectedComponents(self.is_print.astype(np.uint8))
        own = np.zeros(parts.max() + 1, bool)
        own[parts[slice(*self.grid_rows)]] = True
        own[0] = False
        return own[parts]

    def without_grid(self):
        """The print alone, black on white, as a picture of its own.

        Returns:
            ((h, w, 3) uint8, `PaperMap` of it with the same mm).
        """
        grey = np.rint(255 * (1 - self.ink)).astype(np.uint8)
        origin = np.array(self.origin_mm)
        to_px = np.diag([PX_PER_MM, PX_PER_MM, 1.0])
        to_px[:2, 2] = -PX_PER_MM * origin
        size_mm = np.array(grey.shape[::-1]) / PX_PER_MM
        paper_map = PaperMap.from_homography(
            to_px, (*origin, *(origin + size_mm))
        )
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), paper_map

    def x_mm(self, column):
        """x on the paper of the middle of a column of pixels."""
        return self.origin_mm[0] + (np.asarray(column) + 0.5) / PX_PER_MM

    def y_mm(self, row):
        """y on the paper of the middle of a row of pixels."""
        return self.origin_mm[1] + (np.asarray(row) + 0.5) / PX_PER_MM

    def column(self, x_mm):
        """The column of pixels, as a fraction, in whose middle an x lies."""
        return (np.asarray(x_mm) - self.origin_mm[0]) * PX_PER_MM - 0.5

    def row(self, y_mm):
        """The row of pixels, as a fraction, in whose middle a y lies."""
        return (np.asarray(y_mm) - self.origin_mm[1]) * PX_PER_MM - 0.5


def straighten(image, paper_map):
    """Straighten a page and take its grid away.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: `PaperMap` of the picture.

    Returns:
        `StraightPage`.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = _bounds_mm(paper_map, height, width)
    # Whichever way the paper is turned: of the middles of all four sides.
    sides = np.array([[0, 0.5], [1, 0.5], [0.5, 0], [0.5, 1]])
    sides_mm = paper_map.to_mm(sides * [width, height])[:, 0]
    edges_mm = float(sides_mm.min()), float(sides_mm.max())
    grid_mm = paper_map.bounds_mm
    # Finer pictures are made smaller by area first: thin lines stay whole.
    middle = [(left + right) / 2, (top + bottom) / 2]
    shrink = 1.25 * PX_PER_MM / max(paper_map.local_scale(middle)[:2])
    if shrink < 0.9:
        small = (max(round(width * shrink), 1), max(round(height * shrink), 1))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        paper_map = paper_map.scaled(small[0] / width, small[1] / height)
    n_x = max(int((right - left) * PX_PER_MM), 1)
    n_y = max(int((bottom - top) * PX_PER_MM), 1)
    where_x, where_y = paper_map.raster_px(
        left + (np.arange(n_x) + 0.5) / PX_PER_MM,
        top + (np.arange(n_y) + 0.5) / PX_PER_MM,
    )
    shades = [
        cv2.remap(
            shade.astype(np.float32), where_x - 0.5, where_y - 0.5,
            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
        )
        for shade in (
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), image.max(axis=-1)
        )
    ]  # fmt: skip
    inside = (where_x > 0) & (where_x < image.shape[1])
    inside &= (where_y > 0) & (where_y < image.shape[0])
    found_px = (np.array(grid_mm) - [left, top] * 2) * PX_PER_MM
    grid_rows = grid_seen(shades[0], inside, BOX_PX, found_px)
    is_paper = paper_seen(shades[0], inside, BOX_PX)
    has_desk = not is_paper[inside].all()
    if has_desk:
        first, last = paper_columns(is_paper)
        edges_mm = (
            max(edges_mm[0], float(left + first / PX_PER_MM)),
            min(edges_mm[1], float(left + last / PX_PER_MM)),
        )
    is_margin = margin_seen(shades[0], inside, BOX_PX)
    is_paper = is_paper & ~is_margin
    if not has_desk:
        inside = inside & ~is_margin
    # Black on dark red lines is seen in the brightest channel, blue in grey.
    ink = np.max([_ink(shade, is_paper, grid_rows) for shade in shades], axis=0)
    ink = _without_specks(ink, inside)
    return StraightPage(
        (left, top), shades[0], ink, inside, edges_mm, grid_rows
    )


def _ink(shade, is_paper, grid_rows):
    """(h, w) 0 to 1, see `StraightPage.ink`: of the darkest print on a grid.

    An article's letters may be darker.
    """
    darker = np.where(is_paper, paper_and_grid(shade, is_paper) - shade, 0)
    is_seen = darker > LEAST_DARKER
    solid = np.ones((SOLID_PX, SOLID_PX), np.uint8)
    is_solid = cv2.morphologyEx(is_seen.astype(np.uint8), cv2.MORPH_OPEN, solid)
    rows = slice(*grid_rows)
    seen = darker[rows][(is_seen & (is_solid == 0))[rows]]
    darkest = np.percentile(seen, 90) if len(seen) else 255.0
    darkest = max(float(darkest), LEAST_DARKER / PRINT_SHARE)
    return (darker / darkest).clip(0, 1)


def _without_specks(ink, inside):
    """Ink without the specks of a page that is full of them."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(
        (ink > PRINT_SHARE).astype(np.uint8), connectivity=8
    )
    is_speck = stats[:, cv2.CC_STAT_AREA] <= SPECK_PX
    area_cm2 = inside.sum() / (10 * PX_PER_MM) ** 2
    if is_speck.sum() <= MOST_SPECKS_PER_CM2 * area_cm2:
        return ink
    # The first part is the paper.
    is_print = ~is_speck[parts] & (parts > 0)
    specks = cv2.dilate(is_speck[parts].astype(np.uint8), np.ones((3, 3)))
    return np.where((specks > 0) & ~is_print, 0, ink)


def paper_and_grid(grey, inside):
    """What a straightened page looks like without its print.

    Args:
        grey: (h, w) float32.
        inside: (h, w) bool, what the picture shows.

    Returns:
        (h, w) float32.
    """
    height, width = grey.shape
    boxes = boxes_of(grey, inside, BOX_PX)
    n_y, n_x = boxes.shape[:2]
    typical = float(np.nanmedian(boxes)) if inside.any() else 255.0
    starts = [
        np.unique(np.linspace(0, max(n - BOXES, 0), -(-n // BOXES) * 2 - 1)
                  .round().astype(int))
        for n in (n_y, n_x)
    ]  # fmt: skip
    looks = np.stack([
        np.stack([
            _median_box(boxes[y : y + BOXES, x : x + BOXES], typical)
            for x in starts[1]
        ])
        for y in starts[0]
    ])  # fmt: skip
    for axis, (start, n) in enumerate(zip(starts, (n_y, n_x), strict=True)):
        middles = start + (min(BOXES, n) - 1) / 2
        looks = _interpolated(looks, middles, n, axis)
    whole = looks.transpose(0, 2, 1, 3).reshape(n_y * BOX_PX, n_x * BOX_PX)
    whole = whole[:height, :width].astype(np.float32)
    return cv2.erode(whole, np.ones((NEAR_PX, NEAR_PX), np.uint8))


def _median_box(boxes, typical):
    """(BOX_PX, BOX_PX): the median over boxes of what is shown."""
    boxes = boxes.reshape(-1, BOX_PX, BOX_PX)
    whole = boxes[np.isfinite(boxes).all(axis=(1, 2))]
    if len(whole) >= 4:
        return np.median(whole, axis=0)
    # At the picture's edge: one grey, without a grid.
    seen = boxes[np.isfinite(boxes)]
    grey = np.median(seen) if len(seen) else typical
    return np.full((BOX_PX, BOX_PX), grey)


def _interpolated(looks, middles, n, axis):
    """Looks of boxes at `middles` to looks of all `n` boxes of an axis."""
    looks = np.moveaxis(looks, axis, 0)
    if len(middles) == 1:
        return np.moveaxis(np.repeat(looks, n, axis=0), 0, axis)
    place = np.interp(np.arange(n), middles, np.arange(len(middles)))
    low = np.minimum(place.astype(int), len(middles) - 2)
    share = (place - low)[:, None, None, None]
    mixed = looks[low] * (1 - share) + looks[low + 1] * share
    return np.moveaxis(mixed, 0, axis)


def _bounds_mm(paper_map, height, width):
    """Left, top, right, bottom of what is looked at, whole mm."""
    along = np.linspace(0, 1, 9)
    none, all_x, all_y = np.zeros(9), np.full(9, width), np.full(9, height)
    edges = np.concatenate([
        np.stack([along * width, none], 1),
        np.stack([along * width, all_y], 1),
        np.stack([none, along * height], 1),
        np.stack([all_x, along * height], 1),
    ])  # fmt: skip
    edges = paper_map.to_mm(edges)
    grid = np.array(paper_map.bounds_mm)
    low = np.maximum(edges.min(axis=0), grid[:2] - BEYOND_GRID_MM)
    high = np.minimum(edges.max(axis=0), grid[2:] + BEYOND_GRID_MM)
    high = np.minimum(high, low + LONGEST_MM)
    return *np.floor(low), *np.ceil(high)
