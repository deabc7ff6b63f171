"""Rows read as they are, before it is known which leads they show."""

import dataclasses
import functools

import numpy as np

from ecg_keras.models.reading.printed_rows import RowLogits, row_logits
from ecg_keras.page.printed_layout import Row, Segment
from ecg_keras.page.row_images import SAMPLE_MM

# Rows are compared at so many places a mm.
PER_MM = 4
# Steepness is a mean over so many mm.
STEEP_MM = 2.0


@dataclasses.dataclass(frozen=True, eq=False)
class RowHeights:
    """What a row's trace does, along the paper.

    Attributes:
        seen: `RowLogits` of the row.
        x_start_mm, x_end_mm: where it begins and ends.
        height_mm, std_mm: (n,) above the row's line, along the likely path,
            every `SAMPLE_MM` from `seen.x_first_mm` on.
    """

    seen: RowLogits
    x_start_mm: float
    x_end_mm: float
    height_mm: np.ndarray
    std_mm: np.ndarray

    def at(self, x_mm):
        """Heights in mm at x of the paper."""
        x = self.seen.x_first_mm + SAMPLE_MM * np.arange(len(self.height_mm))
        return np.interp(x_mm, x, self.height_mm)

    def steep_at(self, x_mm):
        """Its `steepness` at x of the paper, to a sample."""
        first_mm, steep = self._steep
        index = np.rint((x_mm - first_mm) * PER_MM).astype(int)
        return steep[index.clip(0, len(steep) - 1)]

    @functools.cached_property
    def _steep(self):
        """(x of the first sample, `steepness` every 1 / `PER_MM`)."""
        x_mm = np.arange(
            self.x_start_mm, max(self.x_end_mm, self.x_start_mm + 2), 1 / PER_MM
        )
        return self.x_start_mm, steepness(self.at(x_mm)[None])[0]


def steepness(heights, per_mm=PER_MM):
    """How steep rows are, 0 to 1: most at beats, in each row alike.

    Args:
        heights: (rows, n) mm.
        per_mm: samples a mm.

    Returns:
        (rows, n).
    """
    steep = np.abs(np.gradient(heights, axis=1))
    width = max(round(STEEP_MM * per_mm), 1)
    box = np.ones(width) / width
    steep = np.stack([np.convolve(row, box, "same") for row in steep])
    # Each row counts alike, whatever its waves' height.
    steep = steep / (np.percentile(steep, 98, axis=1, keepdims=True) + 1e-6)
    return np.minimum(steep, 1.0)


def read_whole_rows(image, paper_map, rows, pulses, networks):
    """Read rows as if each were one lead.

    Args:
        image, paper_map: see `printed_rows.not_finer_than`.
        rows: list of `trace_rows.TraceRow`.
        pulses: list of `pulses.FoundPulse`: where one stands is 0 mV; without
            one that is where most of the trace lies.
        networks: `networks.Networks`.

    Returns:
        list of `RowHeights`.
    """
    printed = []
    for index, row in enumerate(rows):
        feet = [pulse.foot_y_mm for pulse in pulses if pulse.row == index]
        zero = float(np.mean(feet)) if feet else row.zero_y_mm
        whole = Segment("", row.x_start_mm, row.x_end_mm, 0.0)
        printed.append(Row(zero, 10.0, (whole,)))
    found = []
    logits = row_logits(image, paper_map, printed, networks.rows)
    for row, seen in zip(rows, logits, strict=True):
        height, std = networks.likely_path(seen.logits)
        found.append(
            RowHeights(seen, row.x_start_mm, row.x_end_mm, height, std)
        )
    return found
