"""Rows of any page, read: picture, PaperMap and layout to voltages.

    row -> its image, 0.1 mm a column, 0.125 mm a pixel at 0 mV
        -> row network -> Viterbi path of each lead -> mV at 500 Hz

The row network was taught at 25 mm/s and 10 mm/mV; it follows a line on paper,
so that a row of another speed or gain is sampled in the same mm, and only what
a mm means changes.
"""

import dataclasses
import math

import cv2
import numpy as np
from keras import ops

from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.resampling import resample
from ecg_keras.models.reading.decoding import (
    SMOOTHNESS,
    WINDOW_BINS,
    soft_argmax,
)
from ecg_keras.page.paper import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecg_keras.page.row_images import (
    COLUMN_S,
    MARGIN_COLUMNS,
    SAMPLES_PER_COLUMN,
    STRIP_HEIGHT,
    pixels_mv,
)

COLUMN_MM = COLUMN_S * PAPER_SPEED_MM_PER_S  # 0.1
SAMPLE_MM = COLUMN_MM / SAMPLES_PER_COLUMN
MARGIN_MM = MARGIN_COLUMNS * COLUMN_MM
# Rows are filled up to a multiple of so many columns, and leads to a multiple
# of so many samples: few shapes, as some backends compile for each.
COLUMNS_UNIT = 320
SAMPLES_UNIT = 625
# Finer pictures are made smaller first: the network saw pages of 7.9 px a mm.
MAX_PX_PER_MM = 12.0


@dataclasses.dataclass(frozen=True)
class LeadReading:
    """What was read of one segment of a page.

    Attributes:
        segment: the `printed_layout.Segment`.
        row: index of its row.
        signal_mv, std_mv: (T,) at 500 Hz, from the segment's `time_start_s`
            on; of -aVR the signal of -aVR.
        height_mm: (n,) mm above the row's zero line for each 0.05 mm of the
            paper, as it was read, whatever the gain.
    """

    segment: object
    row: int
    signal_mv: np.ndarray
    std_mv: np.ndarray
    height_mm: np.ndarray


def row_image(image, paper_map, row):
    """A row of a page, straightened.

    Args:
        image: (H, W, 3) uint8.
        paper_map: `PaperMap` of the picture.
        row: a `printed_layout.Row`.

    Returns:
        (STRIP_HEIGHT, n, 3) uint8, black beyond the picture; n is a multiple of
        `COLUMNS_UNIT`. Sample k of the 500 Hz grid at 25 mm/s is at
        x_start_mm - MARGIN_MM + k x SAMPLE_MM.
    """
    width_mm = row.x_end_mm - row.x_start_mm + 2 * MARGIN_MM
    n_columns = math.ceil(width_mm / COLUMN_MM / COLUMNS_UNIT) * COLUMNS_UNIT
    # A column shows two samples: its middle is between them.
    x_mm = row.x_start_mm - MARGIN_MM + COLUMN_MM * np.arange(n_columns)
    x_mm = x_mm + (COLUMN_MM - SAMPLE_MM) / 2
    y_mm = row.zero_y_mm - pixels_mv(np.arange(STRIP_HEIGHT)) * GAIN_MM_PER_MV
    return paper_map.sampled(image, x_mm, y_mm)


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


def read_printed_rows(
    image, paper_map, layout, row_network, window_bins=WINDOW_BINS,
    smoothness=SMOOTHNESS,
):  # fmt: skip
    """Read all leads of a page.

    Args:
        image: (H, W, 3) uint8.
        paper_map: `PaperMap` of the picture.
        layout: `PrintedLayout` of the page.
        row_network: see `row_network.build_row_network`.
        window_bins, smoothness: see `decoding.soft_argmax`.

    Returns:
        list of `LeadReading`, row by row, from left to right.
    """
    image, paper_map = not_finer_than(image, paper_map)
    parts = []
    for index, row in enumerate(layout.rows):
        strip = row_image(image, paper_map, row)
        # One by one: a batch of twelve rows would take gigabytes.
        logits = row_network(strip[None].astype(np.float32), training=False)
        logits = ops.convert_to_numpy(logits)[0]
        for segment in row.segments:
            first_mm = segment.x_start_mm - row.x_start_mm + MARGIN_MM
            first = round(first_mm / SAMPLE_MM)
            n_samples = max(round(segment.width_mm / SAMPLE_MM), 2)
            parts.append((index, segment, logits[:, first : first + n_samples]))
    heights = _along_likely_paths(
        [logits for _, _, logits in parts], window_bins, smoothness
    )
    readings = []
    for (index, segment, _), (height_mm, std_mm) in zip(
        parts, heights, strict=True
    ):
        gain = layout.rows[index].gain_mm_per_mv
        signal, std = (
            _at_500_hz(values / gain, segment, layout.speed_mm_per_s)
            for values in (height_mm, std_mm)
        )
        readings.append(
            LeadReading(segment, index, signal, abs(std), height_mm)
        )
    return readings


def _along_likely_paths(parts, window_bins, smoothness):
    """(height, deviation) in mm, each (n,), of logits (bins, n) of leads."""
    by_length = {}
    for index, logits in enumerate(parts):
        length = math.ceil(logits.shape[1] / SAMPLES_UNIT) * SAMPLES_UNIT
        by_length.setdefault(length, []).append(index)
    found = [None] * len(parts)
    for length, members in by_length.items():
        for index in members:
            logits = parts[index]
            n_samples = logits.shape[1]
            # The path goes straight on where nothing changes.
            filled = np.pad(
                logits, ((0, 0), (0, length - n_samples)), mode="edge"
            )
            mean, std = soft_argmax(
                ops.convert_to_tensor(filled[None]), window_bins, smoothness
            )
            found[index] = tuple(
                ops.convert_to_numpy(values)[0, :n_samples] * GAIN_MM_PER_MV
                for values in (mean, std)
            )
    return found


def _at_500_hz(values, segment, speed_mm_per_s):
    """Values every `SAMPLE_MM` of a segment, as samples of 500 Hz."""
    rate_hz = round(speed_mm_per_s / SAMPLE_MM)
    n_samples = math.floor(segment.width_mm / speed_mm_per_s * RATE_HZ + 0.5)
    return resample(values, rate_hz, RATE_HZ, n_samples).astype(np.float32)
