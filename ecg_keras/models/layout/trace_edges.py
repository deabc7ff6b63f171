"""Where traces begin and end, to a tenth of a mm: the ends of their ink.

Devices print 10 s at 25 mm/s on 250 mm, or 5 s at 50 mm/s, and some of them a
trace whose mm are not quite those of their grid: on pages of two makers rows
are 0.08 % longer, four samples in 10 s. The ends of a row that is one lead tell
its length (`whole_rows`).

Some leave a gap between one lead and the next (`with_gaps`): there the columns
are, wherever the paper is divided evenly.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.models.layout.columns import USUAL_COLUMNS_MM, USUAL_ROW_MM
from ecg_keras.page.images import darkest_channel

# How far from what devices print a row still is such a row, mm.
MOST_OFF_MM = 0.75
# Ink ends with a trace or, at both ends together, a line further out: rows are
# longer where ink is by more than a line, shorter where by more than this, mm.
LEAST_SHORTER_MM = 0.15
# Rows of a page whose ends differ more were not seen well.
MOST_APART_MM = 0.12
# Ink is looked for so far from where a row was found to end, and within so many
# mm above and below where its trace ends, every step.
REACH_MM, NEAR_MM, STEP_MM = 1.5, 0.7, 0.02
# A trace is followed up to so far from its end, and goes on level from there.
INSIDE_MM = 0.6
# Where a line's width is measured, from its row's end on, mm.
WIDTH_FROM_MM, WIDTH_TO_MM = 0.5, 6.0
# Gaps between columns, mm: how far from where they were taken to be, and how
# wide. Blur makes them narrower. The window's brightest share, in percent, is
# what a gap looks like; its darker ones are the trace.
GAP_REACH_MM, LEAST_GAP_MM, MOST_GAP_MM, GAP_PERCENT = 3.0, 0.3, 2.5, 3
TRACE_PERCENT = 70
# Gaps are on top of what columns show where that is a usual width to so much.
SHOWN_OFF_MM = 0.4
# Gaps that stand at no usual width by more, with or without them, are edges of
# beats. On real pages they stand within 0.3 mm.
BEATS_OFF_MM = 1.5
# Where pulses stand in gaps, less is known of where traces end.
PULSES_OFF_MM = 1.5
# Of a line's width, as it is measured, so much covers the ends of a gap.
LINE_SHARE = 0.6
# The grid is seen so far above and below traces, mm; so much of it, in percent,
# is to be brighter than they are.
GRID_MM, GRID_PERCENT, EVERY_MM = (-4.0, -3.0, -2.0, 2.0, 3.0, 4.0), 90, 0.5
# What is beyond an end has to be brighter by this share of the trace.
LEAST_BRIGHTER = 0.4


def whole_rows(image, paper_map, rows, whole, x_start_mm, x_end_mm):
    """Where rows begin and, of rows of 250 mm, how long they are by the grid.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: its `PaperMap`.
        rows: `row_heights.RowHeights`, which begin at one x.
        whole: those that show one lead: others may end with a gap.
        x_start_mm, x_end_mm: where they were found to begin and end.

    Returns:
        (x_start_mm, length_mm), or None where their beginning is not seen, or
        they are no such rows. They are 250 mm long where what they are longer
        by may be a line's width; None where their end is not seen.
    """
    page = _Darkness(image, paper_map, rows)
    start_mm = _usual([page.ink_end(row, x_start_mm, 1) for row in rows])
    end_mm = _usual([page.ink_end(row, x_end_mm, -1) for row in whole])
    longer_mm = end_mm - start_mm - USUAL_ROW_MM
    width_mm = min(page.line_width(row, x_start_mm) for row in rows)
    if np.isnan(end_mm) and np.isfinite(start_mm + width_mm):
        return start_mm + width_mm / 4, None
    off_mm = longer_mm - width_mm / 2
    # False of NaN, too.
    if not abs(off_mm) < MOST_OFF_MM:
        return None
    if -LEAST_SHORTER_MM < longer_mm < width_mm:
        return start_mm + longer_mm / 2, USUAL_ROW_MM
    return start_mm + width_mm / 4, USUAL_ROW_MM + off_mm


def _usual(ends_mm):
    """The median of those that are seen; NaN where they differ, or less than
    half are: what is seen of few is a mark at their end.
    """
    seen_mm = np.array(ends_mm)[np.isfinite(ends_mm)]
    if not len(seen_mm) or 2 * len(seen_mm) < len(ends_mm):
        return np.nan
    if np.ptp(seen_mm) > MOST_APART_MM:
        return np.nan
    return float(np.median(seen_mm))


def with_gaps(image, paper_map, layout, rows, gap_mm=0.0, with_pulses=()):
    """A layout whose columns begin and end at the gaps between them.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: its `PaperMap`.
        layout: `PrintedLayout`.
        rows: `row_heights.RowHeights` of each of its rows.
        gap_mm: how long gaps were found to be, with which columns end; 0 where
            none was found.
        with_pulses: (n, 2) x in mm of gaps in which pulses stand, if there are
            as many as columns have gaps; no time passes there.

    Returns:
        `PrintedLayout`: the same where no gap is seen, or edges of beats are.
    """
    n_columns = max(len(row.segments) for row in layout.rows)
    divided = [len(row.segments) == n_columns for row in layout.rows]
    # Of one row alone it may be a fault of the print.
    if n_columns < 2 or sum(divided) < 2:
        return layout
    if gap_mm and len(with_pulses) == n_columns - 1:
        return _divided(layout, with_pulses, _between_pulses(layout, gap_mm))
    seen = [
        row for row, is_divided in zip(rows, divided, strict=True) if is_divided
    ]
    page = _Darkness(image, paper_map, seen)
    first = layout.rows[divided.index(True)]
    gaps, wider = [], 0.0
    for k, segment in enumerate(first.segments[1:], start=1):
        # Columns are as much wider as those before.
        about_mm = segment.x_start_mm - gap_mm / 2
        gap = page.gap(seen, about_mm + k * wider, gap_mm)
        if gap is not None:
            wider = (np.mean(gap) - about_mm) / k
        gaps.append(gap)
    if _are_beats(gaps):
        return layout
    start_mm = first.segments[0].x_start_mm
    line_mm = min(page.line_width(row, start_mm) for row in seen)
    return _divided(layout, gaps, _shown_mm(first.segments, gaps, line_mm))


def _are_beats(gaps):
    """Whether gaps, (start, end) in mm or None, stand where no columns do."""
    if sum(gap is not None for gap in gaps) < 2:
        return False
    width_mm, gap_mm = _width_and_gap_mm(gaps)
    off_mm = np.subtract.outer([width_mm, width_mm - gap_mm], USUAL_COLUMNS_MM)
    return bool(np.abs(off_mm).min() > BEATS_OFF_MM)


def _width_and_gap_mm(gaps):
    """How far columns are apart by the gaps between them, and how long these
    are; the former is NaN where less than two are seen.

    Args:
        gaps: (start, end) in mm or None, one at least seen.
    """
    seen = [k for k, gap in enumerate(gaps) if gap is not None]
    ends = np.array([gaps[k] for k in seen])
    width_mm = np.nan
    if len(seen) > 1:
        width_mm = float(np.polyfit(seen, ends.mean(axis=1), 1)[0])
    return width_mm, float(np.mean(np.ptp(ends, axis=1)))


def _divided(layout, gaps, shown_mm):
    """A layout whose rows of several columns leave gaps out."""
    n_columns = max(len(row.segments) for row in layout.rows)
    return dataclasses.replace(
        layout,
        rows=tuple(
            _with_gaps(row, gaps, layout, shown_mm)
            if len(row.segments) == n_columns
            else row
            for row in layout.rows
        ),
    )


def shows_usual_columns(layout):
    """Whether columns show as much time as devices print in one.

    Rows of one column do, whatever they show.
    """
    segments = max((row.segments for row in layout.rows), key=len)
    if len(segments) < 2:
        return True
    shown_s = segments[1].time_start_s - segments[0].time_start_s
    shown_mm = shown_s * layout.speed_mm_per_s
    return bool(np.isclose(USUAL_COLUMNS_MM, shown_mm, atol=0.05).any())


def _between_pulses(layout, gap_mm):
    """What each column shows, mm: a usual width if that is near enough."""
    segments = max((row.segments for row in layout.rows), key=len)
    shown_mm = segments[1].x_start_mm - segments[0].x_start_mm - gap_mm
    usual = min(USUAL_COLUMNS_MM, key=lambda width: abs(width - shown_mm))
    return usual if abs(usual - shown_mm) < PULSES_OFF_MM else shown_mm


def _shown_mm(segments, gaps, line_mm):
    """What each column shows, mm, where that is a usual width and the gaps are
    on top of it; None where columns are of usual width with their gaps, or of
    none: gaps then hide what was recorded meanwhile.

    No ink is where a gap is, less a line's width, about `line_mm`.
    """
    if all(gap is None for gap in gaps):
        return None
    width_mm, gap_mm = _width_and_gap_mm(gaps)
    most_off_mm = SHOWN_OFF_MM
    # Between two gaps a width is measured better than from where traces begin.
    if np.isnan(width_mm):
        width_mm = segments[1].x_start_mm - segments[0].x_start_mm
        most_off_mm = np.inf
    shown_mm = width_mm - (gap_mm + LINE_SHARE * line_mm)
    off_mm, shown_off_mm = (
        np.abs(np.subtract(USUAL_COLUMNS_MM, width))
        for width in (width_mm, shown_mm)
    )
    if shown_off_mm.min() > min(off_mm.min(), most_off_mm):
        return None
    return USUAL_COLUMNS_MM[int(shown_off_mm.argmin())]


def _with_gaps(row, gaps, layout, shown_mm):
    """A row of which each gap, (start, end) in mm or None, is left out.

    Where others tell what a column shows it shows as much before a gap that is
    not seen.
    """
    segments = list(row.segments)
    speed = layout.speed_mm_per_s
    for k, gap in enumerate(gaps):
        left, right = segments[k : k + 2]
        if gap is None:
            if shown_mm is None:
                continue
            end_mm = min(left.x_start_mm + shown_mm, right.x_start_mm)
            gap = end_mm, right.x_start_mm
        start_s = right.time_start_s
        if shown_mm is not None:
            start_s = (k + 1) * shown_mm / speed
        else:
            start_s += (gap[1] - right.x_start_mm) / speed
        if layout.simultaneous:
            start_s = 0.0
        segments[k : k + 2] = (
            dataclasses.replace(left, x_end_mm=gap[0]),
            dataclasses.replace(right, x_start_mm=gap[1], time_start_s=start_s),
        )
    return dataclasses.replace(row, segments=tuple(segments))


class _Darkness:
    """How dark a picture is along its traces.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: its `PaperMap`.
        rows: `row_heights.RowHeights`: of the channels that is taken in which
            these are the darkest beside the grid.
    """

    def __init__(self, image, paper_map, rows):
        self.paper_map = paper_map
        candidates = [darkest_channel(image), *np.moveaxis(image, -1, 0)]
        over = []
        for channel in candidates:
            self.shades = 255 - channel
            over.append(self._over_grid(rows))
        self.shades = 255 - candidates[int(np.argmax(over))]

    def _over_grid(self, rows):
        """By how much traces are darker than most of what is beside them."""
        traces, grid = [], []
        for row in rows:
            x = np.arange(row.x_start_mm, row.x_end_mm, EVERY_MM)
            y = row.seen.zero_y_mm - row.at(x)
            traces.append(self._away(x, y, [0.0]).ravel())
            grid.append(self._away(x, y, GRID_MM).ravel())
        grid = np.nanpercentile(np.concatenate(grid), GRID_PERCENT)
        return np.nanmedian(np.concatenate(traces)) - grid

    def around(self, x_mm, y_mm, near_mm):
        """Shades above and below points of a trace.

        Args:
            x_mm, y_mm: (n,) of the paper.
            near_mm: how far.

        Returns:
            (m, n), every 5 `STEP_MM`; None where the picture ends before.
        """
        near = np.arange(-near_mm, near_mm + STEP_MM, 5 * STEP_MM)
        shades = self._away(x_mm, y_mm, near)
        return None if np.isnan(shades).any() else shades

    def _away(self, x_mm, y_mm, off_mm):
        """(m, n) shades so far below (n,) points; NaN beyond the picture."""
        y_mm = y_mm + np.array(off_mm)[:, None]
        points = np.stack(np.broadcast_arrays(x_mm, y_mm), axis=-1)
        px = self.paper_map.to_px(points).astype(np.float32) - 0.5
        shades = cv2.remap(
            self.shades, px[..., 0], px[..., 1], cv2.INTER_LINEAR
        ).astype(float)
        shades[~self.paper_map.in_picture(points, self.shades.shape)] = np.nan
        return shades

    def ink_end(self, row, x_mm, inwards):
        """x in mm where a row's ink ends; NaN where that is not seen.

        Args:
            row: `row_heights.RowHeights`.
            x_mm: about where.
            inwards: 1 at the row's beginning, -1 at its end.
        """
        # From beyond the row inwards.
        x = x_mm + inwards * np.arange(-REACH_MM, REACH_MM, STEP_MM)
        followed = inwards * np.maximum(inwards * x, inwards * x_mm + INSIDE_MM)
        y = row.seen.zero_y_mm - row.at(followed)
        shades = self.around(x, y, NEAR_MM)
        if shades is None:
            return np.nan
        darkest = shades.max(axis=0)
        half = len(x) // 2
        trace = np.median(darkest[half:])
        paper = np.percentile(darkest[:half], 30)
        if trace - paper <= LEAST_BRIGHTER * trace:
            return np.nan
        bright = np.flatnonzero(darkest < (trace + paper) / 2)
        return float(x[bright[-1]])

    def gap(self, rows, x_mm, about_mm=0.0):
        """Start and end in mm of a gap in all of some rows; None without one.

        Args:
            rows: `row_heights.RowHeights`.
            x_mm: about where its middle is.
            about_mm: how long it is, about; 0 where that is not known.
        """
        reach_mm = GAP_REACH_MM + about_mm / 2
        x = x_mm + np.arange(-reach_mm, reach_mm, STEP_MM)
        shown = []
        for row in rows:
            shades = self.around(x, row.seen.zero_y_mm - row.at(x), NEAR_MM)
            if shades is None:
                return None
            darkest = shades.max(axis=0)
            usual = np.percentile(darkest, TRACE_PERCENT)
            shown.append(darkest / (usual + 1e-9))
        # As dark as the trace that is the darkest there.
        shown = np.max(shown, axis=0)
        paper = np.percentile(shown, GAP_PERCENT)
        if paper >= 1 - LEAST_BRIGHTER:
            return None
        bright = np.concatenate([[False], shown < (1 + paper) / 2, [False]])
        starts, ends = np.flatnonzero(np.diff(bright)).reshape(-1, 2).T
        longest = (ends - starts).argmax()
        length_mm = (ends - starts)[longest] * STEP_MM
        if not LEAST_GAP_MM < length_mm < max(MOST_GAP_MM, 1.5 * about_mm):
            return None
        return float(x[starts[longest]]), float(x[ends[longest] - 1])

    def line_width(self, row, x_mm):
        """How wide a row's line is near its beginning, in mm.

        Where it is level: the darkness across it, in units of its darkest.
        Blur makes it wider, if anything.
        """
        x = x_mm + np.arange(WIDTH_FROM_MM, WIDTH_TO_MM, 2 * STEP_MM)
        y = row.seen.zero_y_mm - row.at(x)
        shades = self.around(x, y, NEAR_MM)
        if shades is None:
            return np.inf
        shades = shades - np.percentile(shades, 30, axis=0)
        across = shades.clip(0).sum(axis=0) * 5 * STEP_MM
        return float(np.percentile(across / (shades.max(axis=0) + 1e-9), 25))
