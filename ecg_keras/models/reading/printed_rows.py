"""Rows of any page, read: picture, PaperMap and layout to voltages.

    row -> its image, 0.1 mm a column, 0.125 mm a pixel at 0 mV
        -> row network -> Viterbi path of each lead -> mV at 500 Hz

The row network was taught at 25 mm/s and 10 mm/mV; it follows a line on paper,
so that a row of another speed or gain is sampled in the same mm, and only what
a mm means changes.
"""

import dataclasses
import itertools
import math

import numpy as np

from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.resampling import resample
from ecg_keras.models.reading.crossing_rows import Path, told_apart
from ecg_keras.models.reading.networks import sees_other_rows
from ecg_keras.page.printed_layout import others_away_mm
from ecg_keras.page.row_images import (
    MARGIN_MM,
    SAMPLE_MM,
    not_finer_than,
    row_image,
    with_other_rows,
)

# Within so many mm of a lead's ends, what is less sure than this, mm, goes on
# as it is farther in: separators, frames and its neighbour are read there.
END_MM, END_STD_MM = 0.4, 0.3
# Samples that lie less beside the recording's grid are not moved.
LEAST_OFFSET_S = 1e-6
# Where nothing tells the place of a trace, its place is that uncertain, mm.
MOST_OFF_MM = 2.5


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


@dataclasses.dataclass(frozen=True, eq=False)
class RowLogits:
    """What the row network says of a row.

    Attributes:
        zero_y_mm: y of the line about which the row was sampled.
        x_first_mm: x of the first sample; they follow every `SAMPLE_MM`.
        logits: (bins, n).
    """

    zero_y_mm: float
    x_first_mm: float
    logits: np.ndarray

    def between(self, x_start_mm, x_end_mm):
        """Samples from about an x on, to another; two at least.

        Returns:
            ((bins, n) logits, x in mm of the first).
        """
        first = round((x_start_mm - self.x_first_mm) / SAMPLE_MM)
        n_samples = max(round((x_end_mm - x_start_mm) / SAMPLE_MM), 2)
        last = self.logits.shape[1]
        # Columns beyond the sampled ones are as the outermost.
        columns = np.arange(first, first + n_samples).clip(0, last - 1)
        x_mm = self.x_first_mm + first * SAMPLE_MM
        return self.logits[:, columns], x_mm


def row_logits(image, paper_map, rows, row_network):
    """What the row network says of each of a page's rows.

    Args:
        image, paper_map: see `not_finer_than`.
        rows: all of the page's `printed_layout.Row`s.
        row_network: see `row_network.build_row_network`.

    Returns:
        list of `RowLogits`.
    """
    found = []
    for index, row in enumerate(rows):
        strip = row_image(image, paper_map, row)
        if sees_other_rows(row_network):
            strip = with_other_rows(strip, others_away_mm(rows, index))
        (logits,) = np.asarray(row_network.predict_on_batch(strip[None]))
        x_first_mm = row.x_start_mm - MARGIN_MM
        found.append(RowLogits(row.zero_y_mm, x_first_mm, logits))
    return found


def read_segments(layout, rows, likely_path):
    """Read all leads of a page whose rows the network has seen.

    Args:
        layout: `PrintedLayout` of the page.
        rows: `RowLogits` of each of its rows.
        likely_path: see `networks.Networks`.

    Returns:
        list of `LeadReading`, row by row, from left to right. Heights count
        from the layout's zero lines.
    """
    paths = [
        [_path(seen, segment, likely_path) for segment in row.segments]
        for row, seen in zip(layout.rows, rows, strict=True)
    ]
    for upper, lower in itertools.pairwise(paths):
        for k, j in itertools.product(range(len(upper)), range(len(lower))):
            upper[k], lower[j] = told_apart(upper[k], lower[j], likely_path)
    return [
        _reading(layout, index, segment, path)
        for index, (row, own) in enumerate(zip(layout.rows, paths, strict=True))
        for segment, path in zip(row.segments, own, strict=True)
    ]


def _path(seen, segment, likely_path):
    """`Path` of a segment of a row that the network has seen."""
    logits, x_mm = seen.between(segment.x_start_mm, segment.x_end_mm)
    return Path(logits, seen.zero_y_mm, x_mm, *likely_path(logits))


def _reading(layout, index, segment, path):
    """The `LeadReading` of a segment of a row, given by its index."""
    row = layout.rows[index]
    height_mm = _with_sure_ends(path.height_mm, path.std_mm)
    height_mm = height_mm + (row.zero_y_mm - path.zero_y_mm)
    speed = layout.speed_mm_per_s
    # Samples lie every 2 ms of the recording, whatever time a lead begins at.
    begins_s = segment.time_start_s
    begins_s += (path.x_start_mm - segment.x_start_mm) / speed
    offset_s = round(segment.time_start_s * RATE_HZ) / RATE_HZ - begins_s
    signal, std = (
        _at_500_hz(values / row.gain_mm_per_mv, segment, speed, offset_s)
        for values in (height_mm, path.std_mm)
    )
    return LeadReading(segment, index, signal, abs(std), height_mm)


def _with_sure_ends(height_mm, std_mm):
    """Heights, (n,), whose unsure ends go on as they are farther in."""
    n_end = round(END_MM / SAMPLE_MM)
    n_samples = len(height_mm)
    if n_samples < 2 * n_end:
        return height_mm
    kept = std_mm <= END_STD_MM
    kept[n_end:-n_end] = True
    # From the first and last sure sample on: those between stay.
    sure = np.flatnonzero(kept)
    nearest = np.arange(n_samples).clip(sure[0], sure[-1])
    return height_mm[nearest]


def placed_in(readings, layout, paper_map, shape):
    """Readings that know of their place in the picture.

    What lies beyond the picture, or above or below a zero line beyond it, is
    NaN, and what the uncertainty of the map costs is added to the deviations:
    along the paper times the slope, and across it.

    Args:
        readings: list of `LeadReading`.
        layout: `PrintedLayout` of the page.
        paper_map: `PaperMap` of the picture.
        shape: (height, width) of the picture.

    Returns:
        list of `LeadReading`.
    """
    placed = []
    for reading in readings:
        row = layout.rows[reading.row]
        signal = reading.signal_mv
        x_mm = reading.segment.x_start_mm + np.arange(len(signal)) * (
            layout.speed_mm_per_s / RATE_HZ
        )
        y_mm = row.zero_y_mm - row.gain_mm_per_mv * signal
        points = np.stack([x_mm, y_mm], axis=-1)
        zero = np.stack([x_mm, np.full_like(x_mm, row.zero_y_mm)], axis=-1)
        inside = paper_map.in_picture(np.stack([points, zero]), shape)
        inside = inside.all(axis=0)
        off_mm = np.minimum(paper_map.std_mm_at(points), MOST_OFF_MM)
        slope = np.gradient(signal, x_mm)
        variance = (
            np.square(reading.std_mv)
            + np.square(slope * off_mm)
            + np.square(off_mm / row.gain_mm_per_mv)
        )
        placed.append(
            dataclasses.replace(
                reading,
                signal_mv=np.where(inside, signal, np.float32(np.nan)),
                std_mv=np.where(inside, np.sqrt(variance), np.nan).astype(
                    np.float32
                ),
            )
        )
    return placed


def read_printed_rows(image, paper_map, layout, networks):
    """Read all leads of a page.

    Args:
        image: (H, W, 3) uint8.
        paper_map: `PaperMap` of the picture.
        layout: `PrintedLayout` of the page.
        networks: `networks.Networks`.

    Returns:
        list of `LeadReading`, row by row, from left to right.
    """
    image, paper_map = not_finer_than(image, paper_map)
    rows = row_logits(image, paper_map, layout.rows, networks.rows)
    return read_segments(layout, rows, networks.likely_path)


def _at_500_hz(values, segment, speed_mm_per_s, offset_s):
    """Values every `SAMPLE_MM` of a segment, as samples of 500 Hz.

    The first is wanted so much after, or before, the first value.
    """
    rate_hz = round(speed_mm_per_s / SAMPLE_MM)
    n_samples = math.floor(segment.width_mm / speed_mm_per_s * RATE_HZ + 0.5)
    # What is left of sums and differences is no offset.
    offset_s = 0.0 if abs(offset_s) < LEAST_OFFSET_S else offset_s
    return resample(values, rate_hz, RATE_HZ, n_samples, offset_s).astype(
        np.float32
    )
