"""When each column begins: whether time passes between columns.

Most devices print 2.5 s a column and leave a gap between it and the next one,
which takes no time; some go on recording behind the gap. Beats tell which: a
strip below shows them where time passes, and from column to column later where
it does not; without a strip beats are the more even the better their columns
are put together.
"""

import dataclasses

import numpy as np

from ecg_keras.models.layout.beats import find_beats
from ecg_keras.models.layout.columns import USUAL_COLUMNS_MM
from ecg_keras.models.layout.row_heights import PER_MM

# Columns that stand further apart than devices print them by so much have gaps
# of that length.
LEAST_GAP_MM, MOST_GAP_MM = 0.6, 7.0
# Gaps that are tried; of columns so much of each end is left out.
GAPS_MM, EDGE_MM = np.arange(0.0, MOST_GAP_MM, 0.25), 1.5
# A strip's waves stand so near to those of a column, mm.
NEAR_MM = 0.5
# A strip is so alike its columns, as a correlation on mean, where these are
# put where they belong, and by so much less where they are not.
ALIKE, MORE_ALIKE = 0.65, 0.2
# Gaps that are as good as the best, and how far others are as good but for one
# wave's width.
AS_ALIKE, WAVE_MM = 0.02, 2.2
# Beats are so many times more even.
MORE_EVEN = 1.6
# Fewer beats, or less even ones, tell nothing.
LEAST_BEATS, MOST_UNEVEN = 5, 0.12


def with_times(layout, rows):
    """A layout whose columns begin when their beats say.

    Args:
        layout: `PrintedLayout`.
        rows: `row_heights.RowHeights` of each of its rows.

    Returns:
        `PrintedLayout`: the same where columns stand as near as devices print
        them, show the same seconds, or beats tell nothing.
    """
    n_columns = max(len(row.segments) for row in layout.rows)
    if n_columns < 2 or layout.simultaneous:
        return layout
    columns = next(
        row.segments for row in layout.rows if len(row.segments) == n_columns
    )
    x_mm = np.array([segment.x_start_mm for segment in columns])
    pitch_mm = float(np.polyfit(np.arange(n_columns), x_mm, 1)[0])
    gaps_mm = pitch_mm - np.array(USUAL_COLUMNS_MM)
    likely = (gaps_mm > LEAST_GAP_MM) & (gaps_mm < MOST_GAP_MM)
    if not likely.any():
        return layout
    width_mm = USUAL_COLUMNS_MM[int(np.flatnonzero(likely)[0])]
    stops = time_stops(layout, rows, x_mm, width_mm)
    if stops is None:
        return layout
    shown_mm = width_mm if stops else None
    return dataclasses.replace(
        layout,
        rows=tuple(
            _timed(row, layout.speed_mm_per_s, shown_mm)
            if len(row.segments) == n_columns
            else row
            for row in layout.rows
        ),
    )


def _timed(row, speed_mm_per_s, shown_mm):
    """A row whose columns show so much each; None: all that was meanwhile."""
    first = row.segments[0]
    segments = []
    for k, segment in enumerate(row.segments):
        if shown_mm is None:
            start_s = (segment.x_start_mm - first.x_start_mm) / speed_mm_per_s
            end_mm = segment.x_end_mm
        else:
            start_s = k * shown_mm / speed_mm_per_s
            end_mm = min(segment.x_end_mm, segment.x_start_mm + shown_mm)
        segments.append(
            dataclasses.replace(
                segment,
                x_end_mm=end_mm,
                time_start_s=first.time_start_s + start_s,
            )
        )
    return dataclasses.replace(row, segments=tuple(segments))


def time_stops(layout, rows, x_mm, width_mm):
    """Whether no time passes in the gaps between columns; None: not known.

    Args:
        layout: `PrintedLayout`.
        rows: `row_heights.RowHeights` of each of its rows.
        x_mm: where each column begins.
        width_mm: how much of time each shows, if time stops.
    """
    n_columns = len(x_mm)
    several, one = (
        [
            seen
            for row, seen in zip(layout.rows, rows, strict=True)
            if (len(row.segments) == n_columns) == has_columns
        ]
        for has_columns in (True, False)
    )
    skipped_mm = x_mm - x_mm[0] - width_mm * np.arange(n_columns)
    told = None
    if one:
        told = _told_by_strips(several, one, x_mm, width_mm, skipped_mm)
    if told is None:
        told = _told_by_evenness(several, x_mm, width_mm, skipped_mm)
    return told


def gap_by_strips(several, one, x_start_mm, width_mm, n_columns):
    """How long gaps between columns are that take no time, by a strip.

    Args:
        several: `row_heights.RowHeights` of rows with as many columns.
        one: those of strips.
        x_start_mm: where the first column begins.
        width_mm: how much each shows.

    Returns:
        mm, 0 where time passes; None where the strip does not tell.
    """
    if not several or not one:
        return None
    alike = _alike_by_gap(several, one, x_start_mm, width_mm, n_columns)
    best = GAPS_MM[alike > alike.max() - AS_ALIKE]
    # Next to the best ones, by a wave's width, others are nearly as good.
    wave_mm = WAVE_MM / (n_columns - 1)
    others = (GAPS_MM < best.min() - wave_mm) | (GAPS_MM > best.max() + wave_mm)
    likeliest_other = alike[others].max(initial=-1.0)
    if alike.max() < max(ALIKE, likeliest_other + MORE_ALIKE):
        return None
    gap_mm = float(best.mean())
    return gap_mm if gap_mm > LEAST_GAP_MM else 0.0


def same_seconds_by_strips(several, one, x_start_mm, column_mm, n_columns):
    """Whether columns show the same seconds; None where strips do not tell.

    Strips then show what each column shows where they show the first one's.

    Args:
        several: `row_heights.RowHeights` of rows with as many columns.
        one: those of strips.
        x_start_mm, column_mm: where columns are, about.
    """
    # Gaps are 1.5 mm on mean.
    width_mm = min(
        USUAL_COLUMNS_MM, key=lambda width: abs(column_mm - 1.5 - width)
    )
    follows, same = (
        _alike_by_gap(
            several, one, x_start_mm, width_mm, n_columns, repeats
        ).max()
        for repeats in (False, True)
    )
    if max(same, follows) < max(ALIKE, min(same, follows) + MORE_ALIKE):
        return None
    return bool(same > follows)


def _alike_by_gap(several, one, x_start_mm, width_mm, n_columns, repeats=False):
    """See `_alike`: for columns with each of `GAPS_MM` between them.

    Args:
        repeats: whether columns show the same seconds; else each goes on where
            the one before ended.
    """
    k, gap_mm = np.arange(n_columns), GAPS_MM[:, None]
    return _alike(
        several,
        one,
        x_start_mm + k * (width_mm + gap_mm),
        k * (gap_mm + width_mm * repeats),
        width_mm,
    )


def _told_by_strips(several, one, x_mm, width_mm, skipped_mm):
    passes, stops = _alike(
        several,
        one,
        np.stack([x_mm, x_mm]),
        np.stack([np.zeros(len(x_mm)), skipped_mm]),
        width_mm,
    )
    if max(passes, stops) < max(ALIKE, min(passes, stops) + MORE_ALIKE):
        return None
    return bool(stops > passes)


def _alike(several, one, x_mm, later_mm, width_mm):
    """How alike the steepness of columns, but the first, is to a strip's.

    Args:
        several, one: rows, see `gap_by_strips`.
        x_mm: (m, n) where each of n columns begins, m times.
        later_mm: (m, n) by how much further left the strip shows what it does.
        width_mm: how much each shows.

    Returns:
        (m,) correlations, the mean over columns.
    """
    near = np.arange(-NEAR_MM, NEAR_MM + 0.1, 1 / PER_MM)[:, None, None, None]
    within = np.arange(EDGE_MM, width_mm - EDGE_MM, 1 / PER_MM)
    x_mm, later_mm = (values[:, 1:, None] for values in (x_mm, later_mm))
    columns = _steep(several, x_mm + within)
    strips = _steep(one, x_mm + within - later_mm - near)
    return (columns * strips).sum(axis=-1).max(axis=0).mean(axis=-1)


def _steep(rows, x_mm):
    """How steep rows are, together, along the last axis of mean 0, length 1."""
    steep = sum(row.steep_at(x_mm) for row in rows)
    steep = steep - steep.mean(axis=-1, keepdims=True)
    return steep / (np.linalg.norm(steep, axis=-1, keepdims=True) + 1e-9)


def _told_by_evenness(several, x_mm, width_mm, skipped_mm):
    """By which way beats are more even."""
    end_mm = x_mm[-1] + width_mm
    own_mm = np.arange(x_mm[0], end_mm, 1 / PER_MM)
    heights = np.stack([row.at(own_mm) for row in several])
    beats_mm = own_mm[find_beats(heights, PER_MM)]
    column = np.searchsorted(x_mm, beats_mm, side="right") - 1
    # What stands in a gap is no beat.
    inside = beats_mm < x_mm[column] + width_mm
    beats_mm, column = beats_mm[inside], column[inside]
    if len(beats_mm) < LEAST_BEATS:
        return None
    passes, stops = (
        _unevenness(beats_mm - later)
        for later in (np.zeros(len(column)), skipped_mm[column])
    )
    if min(passes, stops) > MOST_UNEVEN:
        return None
    if max(passes, stops) < MORE_EVEN * min(passes, stops):
        return None
    return bool(stops < passes)


def _unevenness(beats_mm):
    """By which share of their distance beats are off a clock's."""
    apart_mm = np.diff(beats_mm)
    usual_mm = np.median(apart_mm)
    apart_mm = apart_mm / np.maximum(np.round(apart_mm / usual_mm), 1)
    return float(np.sqrt(np.mean(np.square(apart_mm / usual_mm - 1))))
