"""A row of the page, straightened: the picture that the tracer's network reads.

A strip is 800 px high and 2560 px wide, whatever the page's own resolution. A
pixel is 0.1 mm (4 ms) wide: two samples of the 500 Hz grid fall into each
column; sample i is at t = 2 ms x i - 120 ms. It is 0.125 mm (12.5 uV) high at
0 mV and grows away from it, by a hyperbolic sine: small waves are seen finely,
and beats of 9 mV, which cross three rows, are still on the strip.
"""

import cv2
import numpy as np

from ecg_keras.ecg.leads import (
    LEADS,
    N_SAMPLES,
    RATE_HZ,
    printed_parts,
)
from ecg_keras.page.paper import (
    GAIN_MM_PER_MV,
    N_ROWS,
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


def row_signals(signals_mv):
    """What the rows of the page show.

    Args:
        signals_mv: (12, 5000) mV, NaN where nothing is printed.

    Returns:
        (4, SAMPLES_IN_STRIP) mV, NaN where there is no trace.
    """
    rows = np.full((N_ROWS, SAMPLES_IN_STRIP), np.nan, np.float32)
    inside = rows[:, MARGIN_SAMPLES : MARGIN_SAMPLES + N_SAMPLES]
    for row, lead, samples in printed_parts():
        inside[row, samples] = signals_mv[LEADS.index(lead), samples]
    return rows


def cut_strip(image, page_map, row, first_column, n_columns, shift_px=(0, 0)):
    """Sample a part of a strip from a picture, once and linearly.

    Args:
        image: (H, W, 3) uint8.
        page_map: `page_map.PageMap` of the picture.
        row: of the page, 0 to 3.
        first_column, n_columns: which part of the strip.
        shift_px: page px, x and y, by which the strip is off its place.

    Returns:
        (STRIP_HEIGHT, n_columns, 3) uint8; black beyond the picture.
    """
    # Every 16th column and 4th pixel: nearly linear in between.
    step_x, step_y = 16, 4
    columns = first_column + np.arange(0, n_columns + step_x, step_x)
    pixels = np.arange(0, STRIP_HEIGHT + step_y, step_y)
    x, y = np.meshgrid(columns_x_px(columns), pixels_y_px(pixels, row))
    points = page_map.to_picture(np.stack([x, y], axis=-1) + shift_px)
    scale = np.array([[1 / step_x, 0, 0], [0, 1 / step_y, 0]])
    where = cv2.warpAffine(
        (points - 0.5).astype(np.float32),
        scale,
        (n_columns, STRIP_HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.remap(image, where, None, cv2.INTER_LINEAR)
