"""A row of the page, straightened: the picture that the tracer's network reads.

A strip is 800 px high and 2560 px wide, whatever the page's own resolution. A
pixel is 0.1 mm (4 ms) wide: two samples of the 500 Hz grid fall into each
column; sample i is at t = 2 ms x i - 120 ms. It is 0.125 mm (12.5 uV) high at
0 mV and grows away from it, by a hyperbolic sine: small waves are seen finely,
and beats of 9 mV, which cross three rows, are still on the strip.
"""

import math

import cv2
import numpy as np

from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.page.paper import (
    GAIN_MM_PER_MV,
    PAPER_SPEED_MM_PER_S,
    x_px,
    y_px,
)

STRIP_HEIGHT = 800
STRIP_WIDTH = 2560
PIXEL_MM = 0.125  # its height at 0 mV
STRETCH_PX = 190.0  # so far from 0 mV it is cosh(1) = 1.54 times that
SAMPLES_PER_COLUMN = 2
COLUMN_S = SAMPLES_PER_COLUMN / RATE_HZ
MARGIN_COLUMNS = 30  # before t = 0, and after 10 s
# The same of a row of any page, whatever its speed and gain: the network
# follows a line on paper.
COLUMN_MM = COLUMN_S * PAPER_SPEED_MM_PER_S  # 0.1
SAMPLE_MM = COLUMN_MM / SAMPLES_PER_COLUMN
MARGIN_MM = MARGIN_COLUMNS * COLUMN_MM
# Rows are filled up to a multiple of so many columns: few shapes, as some
# backends compile for each.
COLUMNS_UNIT = 320
# Finer pictures are made smaller first: the network saw pages of 7.9 px a mm.
MAX_PX_PER_MM = 12.0

# Where the other rows' lines of 0 mV are marked: 255 on a line, 0 so many mm
# beside it.
MARK_MM = 2.0

# The network answers for every second row of pixels.
PIXELS_PER_BIN = 2
N_BINS = STRIP_HEIGHT // PIXELS_PER_BIN

SAMPLES_IN_STRIP = STRIP_WIDTH * SAMPLES_PER_COLUMN
MARGIN_SAMPLES = MARGIN_COLUMNS * SAMPLES_PER_COLUMN


def columns_x_px(columns):
    """Page x of the centres of a strip's columns."""
    times_s = (np.asarray(columns) - MARGIN_COLUMNS) * COLUMN_S
    return x_px(times_s + 0.5 * (COLUMN_S - 1 / RATE_HZ))


def pixels_y_px(pixels, row):
    """Page y of the centres of the pixels of a column, of a row of the page."""
    return y_px(pixels_mv(pixels), row)


def pixels_mv(pixels):
    """Voltages in mV at the centres of the pixels of a column."""
    from_middle = (STRIP_HEIGHT - 1) / 2 - np.asarray(pixels)
    stretched = STRETCH_PX * np.sinh(from_middle / STRETCH_PX)
    return stretched * (PIXEL_MM / GAIN_MM_PER_MV)


def mv_pixels(voltage_mv, arcsinh=np.arcsinh):
    """The pixel of a column that shows a voltage; the inverse of `pixels_mv`.

    Args:
        voltage_mv: mV, an array or, with the `arcsinh` of its backend, a
            tensor.
    """
    stretched = voltage_mv * (GAIN_MM_PER_MV / PIXEL_MM / STRETCH_PX)
    return (STRIP_HEIGHT - 1) / 2 - STRETCH_PX * arcsinh(stretched)


def bins_mv():
    """Voltages of the centres of the bins, (N_BINS,) mV, from the top down."""
    first = (PIXELS_PER_BIN - 1) / 2
    pixels = first + PIXELS_PER_BIN * np.arange(N_BINS)
    return pixels_mv(pixels).astype(np.float32)


# As far as a strip shows its trace.
REACH_MV = float(pixels_mv(-0.5))  # 9.6


def n_columns(row):
    """Width in columns of a row's image, a multiple of `COLUMNS_UNIT`."""
    width_mm = row.x_end_mm - row.x_start_mm + 2 * MARGIN_MM
    return math.ceil(width_mm / COLUMN_MM / COLUMNS_UNIT) * COLUMNS_UNIT


def row_image(image, paper_map, row):
    """A row of a page, straightened.

    Args:
        image: (H, W, 3) uint8.
        paper_map: `PaperMap` of the picture.
        row: a `printed_layout.Row`.

    Returns:
        (STRIP_HEIGHT, n, 3) uint8, n from `n_columns`; beyond the picture the
        median of its colours. Sample k of the 500 Hz grid at 25 mm/s is at
        x_start_mm - MARGIN_MM + k x SAMPLE_MM.
    """
    return row_part(
        image,
        paper_map,
        row.x_start_mm - MARGIN_MM,
        row.zero_y_mm,
        n_columns(row),
        paper_rgb(image),
    )


def paper_rgb(image):
    """The median of a picture's colours, (3,): that of bare paper."""
    return np.median(image[::7, ::7].reshape(-1, 3), axis=0)


def row_part(image, paper_map, x_first_mm, zero_y_mm, width, beyond_rgb):
    """A part of a row, straightened: what the row network reads.

    Args:
        image: (H, W, 3) uint8.
        paper_map: `PaperMap` of the picture.
        x_first_mm: x of its first sample.
        zero_y_mm: y of the line in its middle.
        width: in columns, two samples each.
        beyond_rgb: colour beyond the picture; black looks like a trace.

    Returns:
        (STRIP_HEIGHT, width, 3) uint8.
    """
    # A column shows two samples: its middle is between them.
    x_mm = x_first_mm + COLUMN_MM * np.arange(width)
    x_mm = x_mm + (COLUMN_MM - SAMPLE_MM) / 2
    y_mm = zero_y_mm - pixels_mv(np.arange(STRIP_HEIGHT)) * GAIN_MM_PER_MV
    return paper_map.sampled(
        image, x_mm, y_mm, borderMode=cv2.BORDER_CONSTANT,
        borderValue=tuple(float(shade) for shade in beyond_rgb),
    )  # fmt: skip


def with_other_rows(strip, away_mm):
    """A row image and, as a fourth channel, where the other rows are.

    What a row shows of its neighbours' waves looks like its own.

    Args:
        strip: (STRIP_HEIGHT, width, 3) uint8.
        away_mm: how far below this row's line those of others lie, each.

    Returns:
        (STRIP_HEIGHT, width, 4) uint8.
    """
    below_mm = -pixels_mv(np.arange(STRIP_HEIGHT)) * GAIN_MM_PER_MV
    beside_mm = np.abs(np.subtract.outer(below_mm, np.asarray(away_mm, float)))
    nearest_mm = beside_mm.min(axis=1, initial=MARK_MM)
    marks = np.rint(255 * (1 - nearest_mm / MARK_MM)).astype(np.uint8)
    marks = np.broadcast_to(marks[:, None, None], (*strip.shape[:2], 1))
    return np.concatenate([strip, marks], axis=-1)


def not_finer_than(image, paper_map, px_per_mm=MAX_PX_PER_MM):
    """A picture and its map, made smaller by area if it is finer."""
    left, top, right, bottom = paper_map.bounds_mm
    scales = paper_map.local_scale([(left + right) / 2, (top + bottom) / 2])
    shrink = px_per_mm / max(scales[:2])
    if shrink >= 1:
        return image, paper_map
    height, width = (max(round(n * shrink), 1) for n in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small, paper_map.scaled(
        width / image.shape[1], height / image.shape[0]
    )
