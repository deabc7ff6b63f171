"""What stands between the columns of a page: marks, or gaps.

Many devices print a dotted line or a tick where columns begin, through or above
each row. Letters are lower and of other shapes in each row; edges of pulses and
of waves are left out. Others end their traces there and go on a few mm later.
"""

import numpy as np

from ecg_keras.models.layout.straight_page import PX_PER_MM

# A row's marks are looked for so far above and below its zero line, mm.
ABOVE_MM, BELOW_MM = 14.0, 9.0
# Traces are left out, so far around the path along and across them, mm.
TRACE_X_MM, TRACE_Y_MM = 1.0, 1.0
# Edges of pulses are left out, mm.
PULSE_MM = 1.5
# A mark is no wider than this on either side, px of the straight page.
THIN_PX = 3
# In so many rows a mark has to be so long in all, mm. On 37 real pages and 12
# LUDB ones marks have 1.5 to 7 mm, names of leads 1.2 at the most.
LEAST_ROWS, LEAST_MM = 2, 1.4
# Marks stand no nearer to each other, mm.
APART_MM = 4.0
# In a gap there is no ink so near to the trace, mm, in this share of all rows:
# strips go on; so long it is, mm, and no nearer to the ends of rows.
NEAR_MM, BLANK_INK, BLANK_SHARE = 0.75, 0.15, 0.6
LEAST_GAP_MM, MOST_GAP_MM, END_MM = 0.75, 6.0, 15.0


def find_separators(page, rows, pulses):
    """Marks between columns.

    Args:
        page: `straight_page.StraightPage`.
        rows: list of `row_heights.RowHeights`.
        pulses: list of `pulses.FoundPulse`.

    Returns:
        (n,) x in mm of marks that stand in two rows at least, ascending.
    """
    if len(rows) < LEAST_ROWS:
        return np.zeros(0)
    height, width = page.ink.shape
    x_mm = page.x_mm(np.arange(width))
    lines = _thin_lines(page.ink)
    for row in rows:
        lines[_on_trace(page, row, x_mm)] = 0
    lengths = []
    for row in rows:
        top, bottom = (
            int(page.row(row.seen.zero_y_mm + y).round().clip(0, height))
            for y in (-ABOVE_MM, BELOW_MM)
        )
        lengths.append(lines[top:bottom].sum(axis=0) / PX_PER_MM)
    # A mark may lie between two columns of pixels, or lean.
    lengths = np.array(lengths)
    lengths[:, 1:-1] += (lengths[:, :-2] + lengths[:, 2:]) / 2
    length = np.sort(lengths, axis=0)[-LEAST_ROWS] / 2
    for pulse in pulses:
        for edge in (pulse.x_start_mm, pulse.x_end_mm):
            length[np.abs(x_mm - edge) < PULSE_MM] = 0
    found = []
    while len(length) and length.max() >= LEAST_MM:
        peak = int(length.argmax())
        around = slice(max(peak - 1, 0), peak + 2)
        found.append(np.average(x_mm[around], weights=length[around]))
        length[np.abs(x_mm - found[-1]) < APART_MM] = 0
    return np.sort(found)


def find_gaps(page, rows):
    """Gaps between columns.

    Args:
        page: `straight_page.StraightPage`.
        rows: list of `row_heights.RowHeights`.

    Returns:
        (n, 2) x in mm of where gaps begin and end, ascending.
    """
    if len(rows) < LEAST_ROWS:
        return np.zeros((0, 2))
    height, width = page.ink.shape
    columns = np.arange(width)
    x_mm = page.x_mm(columns)
    near = np.arange(-NEAR_MM, NEAR_MM + 1e-6, 1 / PX_PER_MM)[:, None]
    blank = np.zeros((len(rows), width), bool)
    for is_blank, row in zip(blank, rows, strict=True):
        y_mm = row.seen.zero_y_mm - row.at(x_mm) + near
        y = np.round(page.row(y_mm)).astype(int).clip(0, height - 1)
        is_blank[:] = page.ink[y, columns].max(axis=0) < BLANK_INK
        is_blank[x_mm < row.x_start_mm + END_MM] = False
        is_blank[x_mm > row.x_end_mm - END_MM] = False
    least = max(LEAST_ROWS, BLANK_SHARE * len(rows))
    is_gap = np.pad(blank.sum(axis=0) >= least, 1)
    gaps = np.flatnonzero(np.diff(is_gap)).reshape(-1, 2) / PX_PER_MM
    length_mm = np.ptp(gaps, axis=1)
    is_gap = (length_mm > LEAST_GAP_MM) & (length_mm < MOST_GAP_MM)
    return page.origin_mm[0] + gaps[is_gap]


def _thin_lines(ink):
    """(h, w): by how much each pixel is darker than both sides of it."""
    beside = np.zeros_like(ink)
    beside[:, THIN_PX:] = ink[:, :-THIN_PX]
    beside[:, :-THIN_PX] = np.maximum(beside[:, :-THIN_PX], ink[:, THIN_PX:])
    return (ink - beside).clip(0)


def _on_trace(page, row, x_mm):
    """(h, w) bool, whether pixels are part of a row's trace."""
    near = np.linspace(-TRACE_X_MM, TRACE_X_MM, 9)[:, None]
    heights = row.at(x_mm + near)
    above_mm = row.seen.zero_y_mm - page.y_mm(np.arange(len(page.ink)))
    above_mm = above_mm[:, None]
    is_on = above_mm > heights.min(axis=0) - TRACE_Y_MM
    return is_on & (above_mm < heights.max(axis=0) + TRACE_Y_MM)
