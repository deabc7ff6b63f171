"""When columns begin: strips and beats tell whether time passes in gaps."""

import dataclasses

import numpy as np
import pytest

from ecg_keras.models.layout.column_times import (
    gap_by_strips,
    same_seconds_by_strips,
    time_stops,
    with_times,
)
from ecg_keras.models.layout.columns import TraceEnds
from ecg_keras.models.layout.kinds_to_try import _with_strip_gaps
from ecg_keras.models.layout.known_layouts import known
from ecg_keras.models.layout.row_heights import RowHeights
from ecg_keras.models.reading.printed_rows import RowLogits
from ecg_keras.page.printed_layout import PrintedLayout, Row, Segment
from ecg_keras.page.row_images import SAMPLE_MM

WIDTH_MM, START_MM = 62.5, 20.0
LEADS = ("I", "aVR", "V1", "V4")


def _beats_at(s, times_s, height_mm):
    """Heights in mm at times in s: a narrow wave and a slow one each beat."""
    since = np.asarray(s)[:, None] - np.asarray(times_s)
    narrow = np.exp(-0.5 * (since / 0.012) ** 2)
    slow = 0.25 * np.exp(-0.5 * ((since - 0.25) / 0.05) ** 2)
    return height_mm * (narrow + slow).sum(axis=1)


def _row(time_of_x, times_s, height_mm, length_mm):
    x_mm = START_MM + np.arange(0, length_mm, SAMPLE_MM)
    height = _beats_at(time_of_x(x_mm - START_MM), times_s, height_mm)
    seen = RowLogits(50.0, START_MM, np.zeros((1, len(x_mm))))
    return RowHeights(
        seen, START_MM, START_MM + length_mm, height, np.full(len(x_mm), 0.1)
    )


def _page(gap_mm, skips, same=False, uneven_s=0.09, seed=1, rr_s=0.8):
    """Three rows of four columns, and one strip below.

    Args:
        gap_mm: between columns.
        skips: whether no time passes there.
        same: whether columns show the same seconds.
        uneven_s: deviation of the time between beats.
        rr_s: that time.
    """
    rng = np.random.default_rng(seed)
    times_s = 0.3 + np.cumsum(rng.normal(rr_s, uneven_s, 20).clip(0.45))
    pitch_mm = WIDTH_MM + gap_mm
    length_mm = 4 * pitch_mm - gap_mm

    def time_of(x_mm):
        column = np.floor(x_mm / pitch_mm)
        if same:
            return (x_mm - column * pitch_mm) / 25
        return (x_mm - column * gap_mm * skips) / 25

    rows = [_row(time_of, times_s, height, length_mm) for height in (8, -5, 6)]
    strip = _row(lambda x_mm: x_mm / 25, times_s, 7, length_mm)
    return rows, strip


def _layout(gap_mm):
    """The same as a `PrintedLayout` that lets time pass in gaps."""
    pitch_mm = WIDTH_MM + gap_mm
    segments = tuple(
        Segment(lead, x, x + WIDTH_MM, (x - START_MM) / 25)
        for lead, x in zip(
            LEADS, START_MM + pitch_mm * np.arange(4), strict=True
        )
    )
    several = tuple(Row(20.0 + k, 10.0, segments) for k in range(3))
    strip = Segment("II", START_MM, START_MM + 4 * pitch_mm - gap_mm, 0.0)
    return PrintedLayout("3x4+1", 25.0, (*several, Row(60.0, 10.0, (strip,))))


@pytest.mark.parametrize("gap_mm", [1.0, 2.4, 4.0])
@pytest.mark.parametrize("skips", [True, False])
def test_a_strip_tells_how_long_gaps_are_in_which_no_time_passes(gap_mm, skips):
    rows, strip = _page(gap_mm, skips)
    found = gap_by_strips(rows, [strip], START_MM, WIDTH_MM, 4)
    assert found == pytest.approx(gap_mm * skips, abs=0.3)


def test_even_beats_tell_no_gaps_of_rows_as_long_as_their_columns():
    """At 76 a minute columns of the same seconds look like gaps of 3.25 mm."""
    rows, strip = _page(0.0, False, same=True, uneven_s=0.0, rr_s=0.79)
    found = gap_by_strips(rows, [strip], START_MM, WIDTH_MM, 4)
    assert found == pytest.approx(3.25, abs=0.3)
    kind = known("3x4+1")[0]
    for length_mm, has_gaps in ((250.0, False), (259.8, True)):
        ends = TraceEnds(START_MM, START_MM + length_mm, False)
        tried = _with_strip_gaps(kind, [*rows, strip], ends, ())
        assert bool(tried) is has_gaps


def test_a_strip_of_another_recording_tells_nothing():
    rows, _ = _page(2.0, True)
    _, strip = _page(2.0, True, seed=2)
    assert gap_by_strips(rows, [strip], START_MM, WIDTH_MM, 4) is None
    assert gap_by_strips(rows, [], START_MM, WIDTH_MM, 4) is None


@pytest.mark.parametrize("with_strip", [True, False])
@pytest.mark.parametrize("skips", [True, False])
def test_columns_begin_when_their_beats_say(skips, with_strip):
    gap_mm = 3.0
    # Without a strip beats tell it that are even enough.
    rows, strip = _page(gap_mm, skips, uneven_s=0.09 if with_strip else 0.01)
    layout = _layout(gap_mm)
    if with_strip:
        rows = [*rows, strip]
    else:
        layout = dataclasses.replace(layout, rows=layout.rows[:3])
    found = with_times(layout, rows).rows[0].segments
    apart_s = 2.5 if skips else (WIDTH_MM + gap_mm) / 25
    starts = [segment.time_start_s for segment in found]
    np.testing.assert_allclose(starts, apart_s * np.arange(4), atol=1e-6)
    assert [s.x_end_mm - s.x_start_mm for s in found] == [WIDTH_MM] * 4


def test_columns_stay_where_nothing_tells():
    layout = _layout(3.0)
    rows, strip = _page(3.0, True, uneven_s=0.15)
    without = dataclasses.replace(layout, rows=layout.rows[:3])
    assert with_times(without, rows) == without
    # Columns that stand as near as devices print them have no gaps.
    assert with_times(_layout(0.3), [*rows, strip]) == _layout(0.3)
    same = dataclasses.replace(layout, simultaneous=True)
    assert with_times(same, [*rows, strip]) == same


def test_uneven_beats_without_a_strip_tell_nothing():
    rows, _ = _page(3.0, True, uneven_s=0.15)
    x_mm = START_MM + (WIDTH_MM + 3.0) * np.arange(4)
    layout = dataclasses.replace(_layout(3.0), rows=_layout(3.0).rows[:3])
    assert time_stops(layout, rows, x_mm, WIDTH_MM) is None


@pytest.mark.parametrize(
    ("same", "skips"), [(True, False), (False, True), (False, False)]
)
def test_a_strip_tells_whether_columns_show_the_same_seconds(same, skips):
    gap_mm = 2.0
    rows, strip = _page(gap_mm, skips, same)
    columns = START_MM, WIDTH_MM + gap_mm, 4
    assert same_seconds_by_strips(rows, [strip], *columns) is same
    _, other = _page(gap_mm, skips, same, seed=3)
    assert same_seconds_by_strips(rows, [other], *columns) is None
