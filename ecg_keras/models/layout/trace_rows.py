"""Rows of a page, from its print without the grid.

In most columns of pixels each row's trace is one run of print, one above the
other: how many runs most columns have tells how many rows there are, and the
middle of the k-th run, over all such columns, where the k-th row's 0 mV lies.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.models.layout.paper_seen import DARK_SHARE
from ecg_keras.models.layout.straight_page import PX_PER_MM

# Runs are taken from cells of this many pixels, 0.5 mm.
CELL_PX = 2
CELLS_PER_MM = PX_PER_MM / CELL_PX
# Runs closer than this are one: a thin line comes in pieces.
MERGED_MM = 2.0
LEAST_PITCH_MM = 8.0
LEAST_ROW_MM = 30.0
# A row may be missing for this long: letters, glare, columns' gaps.
LONGEST_GAP_MM = 14.0
# At its ends so much of so many mm shows it.
DENSE_MM = 6.0
DENSE_SHARE = 0.7
# Of a row's columns so many show its trace.
LEAST_COVERAGE = 0.5
# Letters and specks: print of no more than this, along x and y.
SPECK_MM = (6.0, 6.0)
# Rules of a table or a frame: thin, and on one line almost everywhere.
RULE_MM = 1.3
RULE_SHARE = 0.93
HIGH_MM = 4.0
# Lines of letters: half of the runs are higher than this; thick ink that has no
# gaps, as words have, may be a little higher.
LETTERS_MM, THICK_MM = 2.6, 3.2
NO_GAPS = 0.98
# Words leave gaps, and little of them lies on one line: of 200 rows of real
# pages none shows less than 0.95 of its columns.
WORDS_COVERAGE, WORDS_FLAT = 0.9, 0.05
# Print in the last mm before a picture's upper or lower side, so much of it in
# the very last, and so long along x: a frame, or what lies beyond the paper.
FRAME_MM, OUTERMOST_MM = 1.5, 0.5
OUTERMOST_SHARE, LEAST_FRAME_MM = 0.3, 20.0
# Edges of paper, of screens and of shadows: on one side, so many mm beside a
# row, it is darker. Of 250 rows of real pages the darker side has 0.87 of the
# other's grey or more.
BESIDE_MM = (1.5, 4.0)
SAME_PAPER = 0.82


@dataclasses.dataclass(frozen=True)
class TraceRow:
    """A row of the page as its trace shows it.

    Attributes:
        zero_y_mm: where most of its trace lies.
        x_start_mm, x_end_mm: where its print begins and ends; a calibration
            pulse at an end is part of it.
        coverage: share of the columns in between that show it.
    """

    zero_y_mm: float
    x_start_mm: float
    x_end_mm: float
    coverage: float


def find_rows(page):
    """Rows of a page.

    Args:
        page: `straight_page.StraightPage`.

    Returns:
        list of `TraceRow` from the top down; empty where no trace is.
    """
    cells = _cells(_without_specks(_without_frame(page)))
    runs = _runs(cells)
    counts = np.array([len(column) for column in runs])
    if not (counts > 0).any():
        return []
    zero_y = _first_zero_lines(runs, counts)
    for _ in range(3):  # Runs go to the nearest row, rows to their runs.
        members = _members(runs, zero_y)
        zero_y = [
            _mode([y for _, y, _ in own] or [line])
            for own, line in zip(members, zero_y, strict=True)
        ]
        zero_y = _apart(zero_y, [len(own) for own in members])
    rows = []
    for y, own in zip(zero_y, _members(runs, zero_y), strict=True):
        row = _row(page, y, own)
        if row is not None:
            rows.append(row)
    rows = _on_paper(page, rows)
    longest = max((_shown_mm(row) for row in rows), default=0)
    return [row for row in rows if _shown_mm(row) > 0.4 * longest]


def _without_frame(page):
    """Print without what runs along the picture's upper and lower side."""
    is_print = page.is_print_of_grid
    near, last = (
        is_print & ~_inner(page.inside, mm) for mm in (FRAME_MM, OUTERMOST_MM)
    )
    n_parts, parts, stats, _ = cv2.connectedComponentsWithStats(
        near.astype(np.uint8)
    )
    whole, outermost = (
        np.bincount(parts[these], minlength=n_parts) for these in (near, last)
    )
    is_frame = outermost > OUTERMOST_SHARE * whole
    is_frame &= stats[:, cv2.CC_STAT_WIDTH] > LEAST_FRAME_MM * PX_PER_MM
    is_frame[0] = False
    return is_print & ~is_frame[parts]


def _inner(inside, margin_mm):
    """What a picture shows, without its first and last mm along y."""
    size = 2 * int(margin_mm * PX_PER_MM) + 1
    padded = np.pad(inside.astype(np.uint8), 1)
    return cv2.erode(padded, np.ones((size, 1), np.uint8))[1:-1, 1:-1] > 0


def _on_paper(page, rows):
    """Rows that have the same paper above and below, as bright as others'."""
    sides = [_sides(page, row) for row in rows]
    rows = [
        (row, np.mean(own))
        for row, own in zip(rows, sides, strict=True)
        if min(own) >= SAME_PAPER * max(own)
    ]
    usual = np.median([grey for _, grey in rows]) if rows else 0.0
    return [row for row, grey in rows if grey >= DARK_SHARE * usual]


def _sides(page, row):
    """(above, below) the grey beside a row; that of one where one is shown."""
    y_px = round(float(page.row(row.zero_y_mm)))
    ends = page.column(np.array([row.x_start_mm, row.x_end_mm])).astype(int)
    columns = slice(max(ends[0], 0), ends[1])
    near, far = (int(mm * PX_PER_MM) for mm in BESIDE_MM)
    greys = []
    for first, last in ((y_px - far, y_px - near), (y_px + near, y_px + far)):
        part = slice(max(first, 0), max(last, 0)), columns
        shown = page.grey[part][page.inside[part]]
        greys.append(np.median(shown) if shown.size else np.nan)
    seen = [grey for grey in greys if np.isfinite(grey)] or [0.0]
    return np.nan_to_num(greys, nan=seen[0])


def _shown_mm(row):
    return (row.x_end_mm - row.x_start_mm) * row.coverage


def _row(page, zero_y, members):
    """The `TraceRow` of a row's runs; None where these are no trace."""
    span = _span(np.array([column for column, _, _ in members], int))
    if span is None:
        return None
    first, last, coverage = span
    x_start, x_end = (
        float(page.origin_mm[0] + column / CELLS_PER_MM)
        for column in (first, last + 1)
    )
    own = np.array([run for run in members if first <= run[0] <= last])
    heights = own[:, 2] / CELLS_PER_MM
    on_line = np.abs(own[:, 1] - zero_y) / CELLS_PER_MM < 0.6
    flat = np.unique(own[on_line & (heights < RULE_MM), 0])
    # A pulse tells a flat lead: two high edges that stand on the line.
    high = (heights > HIGH_MM) & _stands_on_line(own, zero_y)
    edges = np.unique(own[high & (own[:, 0] > first + 4), 0])
    apart = np.diff(edges) / CELLS_PER_MM
    has_pulse = ((apart > 1.5) & (apart < 12)).any()
    n_shown = len(np.unique(own[:, 0]))
    is_rule = len(flat) > RULE_SHARE * n_shown and not has_pulse
    is_text = coverage < WORDS_COVERAGE and len(flat) < WORDS_FLAT * n_shown
    if (
        x_end - x_start < LEAST_ROW_MM
        or coverage < LEAST_COVERAGE
        or is_rule
        or is_text
        or np.median(heights) > (THICK_MM if coverage > NO_GAPS else LETTERS_MM)
    ):
        return None
    y = page.origin_mm[1] + (zero_y + 0.5) / CELLS_PER_MM
    return TraceRow(float(y), x_start, x_end, coverage)


def _stands_on_line(runs, zero_y):
    """Which runs (column, y, height) end near the zero line, from above."""
    return np.abs(runs[:, 1] + runs[:, 2] / 2 - zero_y) < 1.5 * CELLS_PER_MM


def _without_specks(is_print):
    """Print without what is as small as a letter and touches nothing."""
    n_parts, parts, stats, _ = cv2.connectedComponentsWithStats(
        cv2.dilate(is_print.astype(np.uint8), np.ones((3, 3), np.uint8)),
        connectivity=8,
    )
    width, height = stats[:, 2] / PX_PER_MM, stats[:, 3] / PX_PER_MM
    small = (width < SPECK_MM[0]) & (height < SPECK_MM[1])
    # A piece of a flat line is long for its height.
    small &= ~((width > 1.5) & (width > 2.5 * height))
    small[0] = True
    return is_print & ~small[parts]


def _cells(is_print):
    height, width = (n // CELL_PX * CELL_PX for n in is_print.shape)
    cells = is_print[:height, :width]
    cells = cells.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)
    return cells.any(axis=(1, 3))


def _runs(cells):
    """For each column the (top, bottom) of its runs; bottom is exclusive."""
    height, width = cells.shape
    padded = np.zeros((height + 2, width), np.int8)
    padded[1:-1] = cells
    steps = np.diff(padded, axis=0)
    runs = []
    for column in range(width):
        tops = np.flatnonzero(steps[:, column] == 1)
        bottoms = np.flatnonzero(steps[:, column] == -1)
        merged = []
        for top, bottom in zip(tops, bottoms, strict=True):
            if merged and top - merged[-1][1] < MERGED_MM * CELLS_PER_MM:
                merged[-1] = (merged[-1][0], bottom)
            else:
                merged.append((top, bottom))
        runs.append(merged)
    return runs


def _first_zero_lines(runs, counts):
    """The k-th runs of the columns that have the usual number of runs."""
    numbers = np.bincount(counts).astype(float)
    numbers[0] = 0
    # Where traces cross, or a row has ended, runs are fewer; seldom more.
    weighed = numbers * np.sqrt(np.arange(len(numbers)))
    usual = int(weighed.argmax())
    middles = np.array([
        [(top + bottom - 1) / 2 for top, bottom in column]
        for column in runs
        if len(column) == usual
    ])  # fmt: skip
    zero_y = [_mode(own) for own in middles.T]
    # Rows that these columns lack: where much print lies between.
    every = np.concatenate([
        [(top + bottom - 1) / 2 for top, bottom in column if bottom - top < 6]
        for column in runs
    ])  # fmt: skip
    if not len(every):
        return []
    shown = np.convolve(
        np.bincount(every.astype(int)), np.ones(int(3 * CELLS_PER_MM)), "same"
    )
    usual_shown = np.median(
        [shown[min(int(y), len(shown) - 1)] for y in zero_y]
    )
    for y in np.argsort(-shown):
        if shown[y] < 0.5 * usual_shown:
            break
        if all(
            abs(y - z) > 1.2 * LEAST_PITCH_MM * CELLS_PER_MM for z in zero_y
        ):
            zero_y.append(float(y))
    zero_y = sorted(zero_y)
    return _apart(zero_y, np.full(len(zero_y), 1))


def _members(runs, zero_y):
    """For each row (column, y, height) of the runs nearest to its zero line.

    A run that crosses several zero lines belongs to each of their rows. The
    outermost rows reach as far outwards as inwards: beyond are letters.
    """
    members = [[] for _ in zero_y]
    if not len(zero_y):
        return members
    zero_y = np.asarray(zero_y)
    half = np.diff(zero_y) / 2 if len(zero_y) > 1 else np.array([np.inf])
    bounds = np.concatenate([
        zero_y[:1] - half[0], (zero_y[1:] + zero_y[:-1]) / 2,
        zero_y[-1:] + half[-1],
    ])  # fmt: skip
    for column, found in enumerate(runs):
        for top, bottom in found:
            crossed = np.flatnonzero((zero_y >= top) & (zero_y <= bottom - 1))
            if len(crossed) > 1:
                for k in crossed:
                    members[k].append((column, zero_y[k], bottom - top))
                continue
            middle = (top + bottom - 1) / 2
            k = int(np.searchsorted(bounds, middle)) - 1
            if len(crossed):
                k = int(crossed[0])
            if 0 <= k < len(zero_y):
                members[k].append((column, middle, bottom - top))
    return members


def _mode(values):
    """Where values lie densest: the middle of the shortest half, twice."""
    values = np.sort(np.asarray(values, float))
    for _ in range(2):
        half = (len(values) + 1) // 2
        if half < 2:
            break
        widths = values[half - 1 :] - values[: len(values) - half + 1]
        first = int(widths.argmin())
        values = values[first : first + half]
    return float(values.mean())


def _apart(zero_y, weights):
    """Of zero lines too close to each other only those of most columns."""
    kept = []
    for index in np.argsort(-np.asarray(weights), kind="stable"):
        y = zero_y[index]
        if all(abs(y - z) >= LEAST_PITCH_MM * CELLS_PER_MM for z in kept):
            kept.append(y)
    return sorted(kept)


def _span(columns):
    """(first, last, coverage) of the columns without long gaps."""
    columns = np.unique(columns)
    if len(columns) < 2:
        return None
    gap = LONGEST_GAP_MM * CELLS_PER_MM
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > gap) + 1)
    length = [part[-1] - part[0] + 1 for part in parts]
    # The longest part, and others that are long: not letters far off.
    kept = [
        part
        for part, n in zip(parts, length, strict=True)
        if n >= 0.15 * max(length) and len(part) > 0.4 * n
    ]
    if not kept:
        return None
    kept = np.concatenate(kept)
    # Beginnings and ends are dense: no lone line or letter before the trace.
    near = DENSE_MM * CELLS_PER_MM
    while len(kept) and np.sum(kept < kept[0] + near) < DENSE_SHARE * near:
        kept = kept[1:]
    while len(kept) and np.sum(kept > kept[-1] - near) < DENSE_SHARE * near:
        kept = kept[:-1]
    if not len(kept):
        return None
    first, last, n_shown = kept[0], kept[-1], len(kept)
    return int(first), int(last), float(n_shown / (last - first + 1))
