"""Pages of several layouts read from their pictures.

In all tests but one the row network's place is taken by the darkness of a
strip's pixels: that tells a layout, if not the last mV of a wave.
"""

import dataclasses

import cv2
import numpy as np
import pytest

from ecg_keras.ecg.digitized import DigitizedEcg
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.resampling import resample
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError
from ecg_keras.models.layout import find, trace_edges
from ecg_keras.models.layout import look as looking
from ecg_keras.models.layout.checks import _doubts_of_layout, check
from ecg_keras.models.layout.columns import TraceEnds
from ecg_keras.models.layout.known_layouts import KNOWN
from ecg_keras.models.layout.lead_names import Names
from ecg_keras.models.layout.look import SAME_SECONDS_UNKNOWN
from ecg_keras.models.layout.pulses import find_pulses
from ecg_keras.models.layout.row_heights import RowHeights
from ecg_keras.models.layout.scale import (
    GAIN_ASSUMED,
    SPEED_ASSUMED,
    unlikely_beats,
)
from ecg_keras.models.layout.separators import find_separators
from ecg_keras.models.layout.straight_page import straighten
from ecg_keras.models.layout.trace_edges import whole_rows
from ecg_keras.models.layout.trace_rows import find_rows
from ecg_keras.models.reading.likely_path import likely_path
from ecg_keras.models.reading.networks import Networks
from ecg_keras.models.reading.printed_rows import (
    LeadReading,
    RowLogits,
    not_finer_than,
    placed_in,
    read_segments,
    row_logits,
)
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout, evenly_printed
from ecg_keras.page.row_images import SAMPLE_MM
from ecg_keras.page_reader import (
    Given,
    PageReader,
    PageReading,
    load_page_reader,
)
from ecg_keras.registration.pulse_scale import pulse_scale
from ecg_keras.registration.register import register
from tests.found_names import named

PX = 8  # a mm
ROWS_3X4 = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"),
            ("III", "aVF", "V3", "V6"))  # fmt: skip
SURE = 8.0
SLOW = pytest.mark.slow, pytest.mark.floor
CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III")


class Darkness:
    """Logits from how dark pixels are, and the tips of waves before the rest.

    A row's own trace lies within 13 mm of the middle of its strip.
    """

    input_shape = (None, 800, None, 3)

    def predict_on_batch(self, strips):
        dark = 255.0 - strips.astype(np.float32).mean(axis=-1)
        dark[strips.max(axis=-1) == 0] = 0  # beyond the picture
        bins = dark.reshape(len(dark), -1, 2, dark.shape[2]).max(axis=2)
        n_bins = bins.shape[1]
        far = np.abs(np.arange(n_bins) - n_bins / 2)[:, None]
        likely = 0.05 * np.minimum(far, 45) - 0.3 * np.maximum(far - 50, 0)
        # Sharp: it is as sure as the network is on a clean page.
        return np.repeat(SURE * (bins / 12 + likely), 2, axis=2)


def dark_networks(names=None):
    return Networks(Darkness(), likely_path, names)


SIX_BY_TWO = tuple(zip(LEADS[:6], LEADS[6:], strict=True))


def signals_mv(largest_mv=0.8):
    mv = simulate(np.random.default_rng(5)).astype(float)
    mv = mv - np.median(mv, axis=1, keepdims=True)
    return largest_mv * mv / np.abs(mv).max()


def drawn(layout, mv, pulse_mm=5.0, height_mm=180, grid_rgb=(240, 160, 160)):
    """A picture of a page and its map."""
    image = np.full((height_mm * PX, 275 * PX, 3), 252, np.uint8)
    image[::PX] = image[:, ::PX] = (252, 225, 225)
    image[:: 5 * PX] = image[:, :: 5 * PX] = grid_rgb

    def line(x_mm, y_mm):
        points = np.round(np.stack([x_mm, y_mm], -1) * PX * 8).astype(np.int32)
        cv2.polylines(image, [points], False, (20, 20, 20), 3, cv2.LINE_AA, 3)

    for row in layout.rows:
        y, gain = row.zero_y_mm, row.gain_mm_per_mv
        if pulse_mm:
            x = row.x_start_mm - np.array([0, 1, 1, 1 + pulse_mm, 1 + pulse_mm])
            line(x, y - gain * np.array([0, 0, 1, 1, 0]))
        for segment in row.segments:
            n_samples = round(segment.width_mm / layout.speed_mm_per_s * 500)
            first = round(segment.time_start_s * 500)
            lead = segment.lead.lstrip("-")
            values = mv[LEADS.index(lead), first : first + n_samples]
            values = -values if segment.lead.startswith("-") else values
            x = segment.x_start_mm + np.arange(len(values)) * (
                layout.speed_mm_per_s / 500
            )
            line(x, y - gain * values)
    for x_mm, top_mm, bottom_mm in layout.separators:
        line(np.full(2, x_mm), np.array([top_mm, bottom_mm]))
    paper_map = PaperMap.from_homography(
        np.diag([PX, PX, 1.0]), (0, 0, 275, height_mm), 5
    )
    return image, paper_map


def even_rows(rows, speed=25.0, gain=10.0, **settings):
    zero_y = 20 + 140 / len(rows) * np.arange(len(rows))
    n_columns = max(len(row) for row in rows)
    return evenly_printed(
        "", rows, zero_y, 15.0, 250.0 / n_columns, speed, gain, **settings
    )


def read(layout, mv, given=None, **drawing):
    image, paper_map = drawn(layout, mv, **drawing)
    reader = PageReader(dark_networks(), None, given)
    return reader.read_mapped(image, paper_map)


def score_db_of(reading, mv):
    """The competition's score of what is shown."""
    found = reading.digitized.signals_mv
    shown = np.where(np.isfinite(found), mv[:, : found.shape[1]], np.nan)
    return score_db([record_ratio(shown, found, 500)])


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ((*ROWS_3X4, ("V1",)), "3x4+1 (V1)"),
        (tuple(zip(LEADS[:6], LEADS[6:], strict=True)), "6x2"),
        pytest.param(tuple((lead,) for lead in CABRERA), "6x1", marks=SLOW),
    ],
)
def test_a_page_of_a_layout_is_read_as_that(rows, name):
    mv = signals_mv()
    reading = read(even_rows(rows), mv)
    digitized = reading.digitized
    assert (digitized.layout, digitized.rows) == (name, rows)
    assert (digitized.speed_mm_per_s, digitized.gain_mm_per_mv) == (25, 10)
    # Even beats do not tell which seconds two columns show.
    doubts = (SAME_SECONDS_UNKNOWN,) if name == "6x2" else ()
    assert digitized.reasons == doubts
    assert digitized.signals_mv.shape == (12, 5000)


@pytest.mark.slow
@pytest.mark.floor
def test_chest_leads_that_turn_smoothly_are_not_taken_for_cabreras_order():
    """Each is nearly the middle of its neighbours, as in that order."""
    mv = signals_mv()
    turn = np.linspace(0.3, 2.4, 6)[:, None]
    turning = np.cos(turn) * mv[1] + np.sin(turn) * np.roll(mv[1], 9)
    mv[6:] = turning + 0.25 * np.roll(mv[6:], 200, axis=1)
    layout = even_rows(tuple((lead,) for lead in LEADS[6:]))
    digitized = read(layout, mv).digitized
    assert digitized.rows == tuple((lead,) for lead in LEADS[6:])
    assert digitized.quality == "doubtful"
    assert "nothing on the page tells which leads" in digitized.reasons[0]


@pytest.mark.slow
@pytest.mark.floor
def test_another_speed_and_gain_are_told_by_the_pulses():
    mv = signals_mv()
    layout = even_rows(
        tuple((lead,) for lead in LEADS[:6]), speed=50.0, gain=5.0
    )
    reading = read(layout, mv, pulse_mm=10.0)
    digitized = reading.digitized
    assert (digitized.speed_mm_per_s, digitized.gain_mm_per_mv) == (50, 5)
    assert digitized.signals_mv.shape == (12, 2500)


@pytest.mark.slow
@pytest.mark.floor
@pytest.mark.parametrize("printed_mm", [250.5, 250.0])
def test_rows_a_little_longer_than_their_grid_says_are_ten_seconds(printed_mm):
    rows = tuple((lead,) for lead in LEADS[:6])
    layout = evenly_printed(
        "",
        rows,
        20 + 24 * np.arange(6),
        12.0,
        printed_mm,
        printed_mm / 10,
        10.0,
    )
    reading = read(layout, signals_mv(), pulse_mm=None)
    segment = reading.printed.rows[0].segments[0]
    ends = [[x, 20.0] for x in (segment.x_start_mm, segment.x_end_mm)]
    length_px = np.diff(reading.paper_map.to_px(np.array(ends))[:, 0])
    # To half of what the line is wide.
    assert length_px / PX == pytest.approx(printed_mm, abs=0.2)
    assert reading.digitized.signals_mv.shape == (12, 5000)


def test_ends_of_rows_beyond_the_picture_or_at_a_pulse_are_not_seen():
    layout = even_rows(tuple((lead,) for lead in LEADS[:6]), speed=25.05)
    longer = [
        dataclasses.replace(
            row,
            segments=(dataclasses.replace(row.segments[0], x_end_mm=265.5),),
        )
        for row in layout.rows
    ]
    layout = dataclasses.replace(layout, rows=tuple(longer))
    level = np.zeros(5300)
    rows = [
        RowHeights(
            RowLogits(row.zero_y_mm, 10.0, np.zeros((2, 2))), 15.0, 265.5,
            level, level,
        )
        for row in layout.rows[:1]
    ]  # fmt: skip
    flat = np.zeros((12, 5000))
    image, paper_map = drawn(layout, flat, pulse_mm=None)
    found = whole_rows(image, paper_map, rows, rows, 15.0, 265.5)
    assert found == pytest.approx((15.0, 250.5), abs=0.2)
    cut = image[:, : 265 * PX]
    start_mm, length_mm = whole_rows(cut, paper_map, rows, rows, 15.0, 265.5)
    assert start_mm == pytest.approx(15.0, abs=0.2) and length_mm is None
    blank = np.full_like(image, 255)
    assert whole_rows(blank, paper_map, rows, rows, 15.0, 265.5) is None
    with_pulse, _ = drawn(layout, flat)
    assert whole_rows(with_pulse, paper_map, rows, rows, 15.0, 265.5) is None


def test_rows_of_250_mm_begin_where_their_ink_does():
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, np.zeros((12, 5000)), pulse_mm=None)
    level = np.zeros(5300)
    (row,) = (
        RowHeights(
            RowLogits(row.zero_y_mm, 10.0, np.zeros((2, 2))), 15.0, 265.0,
            level, level,
        )
        for row in layout.rows[3:]
    )  # fmt: skip
    for off_mm in (-0.6, 0.0, 0.6):
        found = whole_rows(
            image, paper_map, [row], [row], 15.0 + off_mm, 265.0 + off_mm
        )
        assert found == pytest.approx((15.0, 250.0), abs=0.05)
    # Of one row alone, of three, it may be a mark that is seen.
    beyond = dataclasses.replace(
        row, seen=dataclasses.replace(row.seen, zero_y_mm=300.0)
    )
    rows = [row, beyond, beyond]
    assert whole_rows(image, paper_map, rows, [row], 15.0, 265.0) is None


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_paper_without_a_grid_has_the_scale_of_its_pulses(factor):
    image, _ = drawn(even_rows((*ROWS_3X4, ("II",))), signals_mv())
    image[image.min(axis=2) > 100] = 255
    image = cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    found = register(image)
    assert found.px_per_mm_x == pytest.approx(PX * factor, rel=0.01)
    assert found.quality == "doubtful"
    assert "by its calibration pulses" in " ".join(found.reasons)
    assert register(image, 1.02 * PX * factor).px_per_mm_x == pytest.approx(
        1.02 * PX * factor
    )


def test_pulses_tell_the_scale_of_a_copy_whose_paper_became_specks():
    image, _ = drawn(even_rows((*ROWS_3X4, ("II",))), signals_mv())
    image[image.min(axis=2) > 100] = 255
    rng = np.random.default_rng(0)
    top, left = rng.integers(0, np.array(image.shape[:2])[:, None] - 2,
                             (2, image.size // 300))  # fmt: skip
    for y, x in zip(top, left, strict=True):
        image[y : y + 2, x : x + 2] = 0
    assert pulse_scale(image[..., 0]) == pytest.approx(PX, rel=0.01)


@pytest.mark.parametrize(
    "boxes", [[(60, 30)], [(60, 30), (61, 190)], [(40, 60), (40, 100)]]
)
def test_a_frame_a_single_pulse_and_squares_tell_no_scale(boxes):
    """Frames are closed below; a pulse is half as wide as it is high."""
    image = np.full((400, 600, 3), 255, np.uint8)
    for x, y in boxes:
        width, height = (80, 80) if x == 40 else (40, 80)
        corners = np.array([[0, height], [0, 0], [width, 0], [width, height]])
        is_frame = len(boxes) > 1 and x > 40
        cv2.polylines(image, [corners + (x, y)], is_frame, (0, 0, 0), 2)
        cv2.line(
            image, (x + width, y + height), (560, y + height), (0, 0, 0), 2
        )
    assert pulse_scale(image[..., 0]) is None


def test_columns_begin_after_the_gaps_between_them():
    """Gaps of a mm, after columns of 64 mm: 62.5 mm would be usual."""
    layout = even_rows(ROWS_3X4 + (("II",),))
    starts, ends = [15.0, 79.0, 143.0, 207.0], [78.0, 142.0, 206.0, 265.0]
    rows = tuple(
        dataclasses.replace(
            row,
            segments=tuple(
                dataclasses.replace(
                    segment,
                    x_start_mm=start,
                    x_end_mm=end,
                    time_start_s=(start - 15) / 25,
                )
                for segment, start, end in zip(
                    row.segments, starts, ends, strict=True
                )
            ),
        )
        for row in layout.rows[:3]
    )
    layout = dataclasses.replace(layout, rows=(*rows, layout.rows[3]))
    mv = signals_mv()
    found = read(layout, mv).digitized.signals_mv
    # Not lead II, which has a row of its own.
    for column, leads in enumerate(zip(*ROWS_3X4[::2], strict=True)):
        shown = np.isfinite(found[[LEADS.index(lead) for lead in leads]])
        first = shown.argmax(axis=1)
        last = shown.shape[1] - shown[:, ::-1].argmax(axis=1)
        # Where the first begins is not told by a gap.
        if column:
            np.testing.assert_allclose(
                first - 20 * (starts[column] - 15), 0, atol=25
            )
        if column < 3:
            np.testing.assert_allclose(
                last - 20 * (ends[column] - 15), 0, atol=25
            )


@pytest.mark.parametrize(
    ("later_mm", "later_s"), [(0.0, 0.0008), (0.03, 0.0), (-0.06, 0.0011)]
)
def test_samples_lie_in_time_whatever_time_a_lead_begins_at(later_mm, later_s):
    layout = even_rows((("II",),))
    (row,) = layout.rows
    later = dataclasses.replace(
        row.segments[0],
        x_start_mm=row.x_start_mm + later_mm,
        time_start_s=later_s,
    )
    image, paper_map = drawn(layout, signals_mv())
    place = not_finer_than(image, paper_map)
    seen = row_logits(*place, layout.rows, Darkness())
    (whole,), (part,) = (
        read_segments(
            dataclasses.replace(
                layout, rows=(dataclasses.replace(row, segments=(segment,)),)
            ),
            seen,
            likely_path,
        )
        for segment in (row.segments[0], later)
    )
    first_s = round(later_s * 500) / 500
    expected = resample(
        whole.signal_mv, 500, 500, 5000, first_s - later_s + later_mm / 25
    )
    off = (part.signal_mv[:4990] - expected[:4990])[10:]
    assert np.abs(off).max() < 0.1 * np.abs(np.diff(expected)).max()


def with_gaps(layout, gap_mm):
    """A layout whose columns are as wide, with gaps that take no time."""

    def moved(row):
        return dataclasses.replace(
            row,
            segments=tuple(
                dataclasses.replace(
                    segment,
                    x_start_mm=segment.x_start_mm + k * gap_mm,
                    x_end_mm=segment.x_end_mm + k * gap_mm,
                )
                for k, segment in enumerate(row.segments)
            ),
        )

    return dataclasses.replace(layout, rows=tuple(map(moved, layout.rows)))


@pytest.mark.parametrize(
    ("rows", "column_mm", "gap_mm"),
    [(ROWS_3X4, 62.5, 3.0), (SIX_BY_TWO, 125.0, 3.5)],
)
@pytest.mark.parametrize("grid_rgb", [(240, 160, 160), (230, 40, 60)])
def test_wide_gaps_between_columns_take_no_time(
    rows, column_mm, gap_mm, grid_rgb
):
    layout = evenly_printed(
        "", rows, 15 + 25 * np.arange(len(rows)), 13.0, column_mm, 25.0, 10.0
    )
    reading = read(with_gaps(layout, gap_mm), signals_mv(), grid_rgb=grid_rgb)
    found = reading.printed.rows[0].segments
    assert [segment.lead for segment in found] == list(rows[0])
    for k, segment in enumerate(found):
        start = 13 + k * (column_mm + gap_mm)
        assert segment.time_start_s == pytest.approx(
            k * column_mm / 25, abs=0.06
        )
        # Where the first begins and the last ends is not told by a gap.
        if k:
            assert segment.x_start_mm == pytest.approx(start, abs=0.4)
        if k < len(found) - 1:
            assert segment.x_end_mm == pytest.approx(start + column_mm, abs=0.4)


@pytest.mark.parametrize(("found_mm", "shown_mm"), [(7.6, 62.5), (11.5, 59.0)])
def test_pulses_between_columns_take_no_time(found_mm, shown_mm):
    """Columns of 70.5 mm; what they show is a usual width, or as measured."""
    width_mm = 70.5
    layout = evenly_printed("", ROWS_3X4, [20, 50, 80], 15.0, width_mm)
    starts = 15.0 + width_mm * np.arange(1, 4)
    gaps = np.stack([starts - found_mm, starts], axis=1).tolist()
    found = trace_edges.with_gaps(None, None, layout, [], found_mm, gaps)
    for row in found.rows:
        for k, segment in enumerate(row.segments):
            assert segment.time_start_s == pytest.approx(k * shown_mm / 25)
            assert segment.x_start_mm == pytest.approx(15.0 + k * width_mm)
            if k < 3:
                assert segment.x_end_mm == pytest.approx(starts[k] - found_mm)
    assert trace_edges.shows_usual_columns(found) is (shown_mm == 62.5)
    assert trace_edges.shows_usual_columns(even_rows((("I",), ("II",))))


def test_before_a_gap_that_is_not_seen_a_column_shows_as_much():
    layout = with_gaps(even_rows(ROWS_3X4), 3.0)
    seen = [(77.5, 80.5), None, (208.5, 211.5)]
    row = trace_edges._with_gaps(layout.rows[0], seen, layout, 62.5)
    for k, segment in enumerate(row.segments):
        assert segment.time_start_s == pytest.approx(2.5 * k)
        assert segment.x_start_mm == pytest.approx(15 + 65.5 * k)
        assert segment.width_mm == pytest.approx(62.5)
    # Where nothing tells what columns show, they go on to the next.
    row = trace_edges._with_gaps(layout.rows[0], [None] * 3, layout, None)
    assert row == layout.rows[0]


def test_edges_of_beats_are_no_gaps():
    """The former are of a real page, the latter stood at QRS complexes."""
    gaps = [(23.25, 23.91), (85.61, 86.23), (148.23, 148.75)]
    beats = [(39.83, 40.15), (99.81, 100.15), (159.8, 160.14)]
    for seen, are_beats in ((gaps, False), (beats, True)):
        assert trace_edges._are_beats(seen) is are_beats
        assert trace_edges._are_beats([None, *seen[1:]]) is are_beats
        # One alone tells no width.
        assert not trace_edges._are_beats([None, seen[1], None])


def test_a_gap_that_is_not_seen_between_two_that_are():
    layout = with_gaps(even_rows(ROWS_3X4), 3.0)
    rows = true_heights(layout, signals_mv())
    gaps = [(77.5, 80.5), (208.5, 211.5)]
    found = find.candidates(rows, (15.0, 274.0, False), gaps=gaps)[0]
    assert found.kind.name == "3x4"
    assert found.gap_mm == pytest.approx(3.0)
    assert found.column_mm == pytest.approx(65.5)
    assert found.tells_speed
    # Gaps that do not stand evenly are faults of the print.
    gaps = [(60.0, 63.0), (160.0, 163.0)]
    found = find.candidates(rows, (15.0, 274.0, False), gaps=gaps)[0]
    assert found.gap_mm == 0


@pytest.mark.parametrize("marks", [(), 15 + 65.0 * np.arange(1, 4)])
def test_a_strip_tells_of_gaps_that_are_not_seen(marks):
    layout = with_gaps(even_rows((*ROWS_3X4, ("V1",))), 2.5)
    rows = true_heights(layout, signals_mv())
    found = find.candidates(rows, (15.0, 272.5, False), separators=marks)[0]
    assert found.kind.name == "3x4+1"
    assert found.strips == ("V1",)
    assert found.gap_mm == pytest.approx(2.5, abs=0.3)
    assert found.column_mm == pytest.approx(65.0, abs=0.3)
    assert found.x_start_mm == pytest.approx(15.0, abs=0.5)
    # It is no paper that ran fast.
    assert found.marked_row_mm is None


def test_marks_leave_no_room_for_gaps_that_a_strip_seems_to_tell():
    """Even beats stand further left in a strip of other seconds, too."""
    layout = with_gaps(even_rows((*ROWS_3X4, ("V1",))), 2.5)
    rows = true_heights(layout, signals_mv())
    marks = 15 + 62.5 * np.arange(1, 4)
    ends = 15.0, 272.5, False
    kinds = [kind for kind in KNOWN if kind.name == "3x4+1"]
    found = find.candidates(rows, ends, kinds, separators=marks)[0]
    assert found.gap_mm == 0


def test_columns_with_gaps_and_marks_are_no_paper_that_ran_fast():
    layout = with_gaps(even_rows(ROWS_3X4), 1.5)
    rows = true_heights(layout, signals_mv())
    starts = 15 + 64.0 * np.arange(1, 4)
    gaps = np.stack([starts - 1.5, starts], axis=1)
    ends = 15.0, 269.5, False
    for seen, is_fast in ((gaps, False), ((), True)):
        found = find.candidates(rows, ends, separators=starts, gaps=seen)[0]
        assert found.kind.name == "3x4"
        assert found.column_mm == pytest.approx(64.0)
        assert (found.marked_row_mm is not None) is is_fast


@pytest.mark.parametrize("strip", [(), (("II",),), (("V1",),)])
@pytest.mark.parametrize("simultaneous", [True, False])
def test_beats_and_strips_tell_whether_columns_show_the_same_seconds(
    strip, simultaneous
):
    rows = (*SIX_BY_TWO, *strip)
    layout = evenly_printed(
        "", rows, 10 + 22 * np.arange(len(rows)), 15.0, 125.0, 25.0, 10.0,
        simultaneous=simultaneous, strip_end_mm=265.0,
    )  # fmt: skip
    # Beats of a sinus arrhythmia: even ones stand at one place by chance.
    sample = np.arange(5000)
    uneven = sample + 50 * np.sin(2 * np.pi * 2.3 * sample / 5000)
    mv = np.stack([np.interp(uneven, sample, lead) for lead in signals_mv()])
    reading = read(layout, mv)
    assert [len(row.segments) for row in reading.printed.rows[:6]] == [2] * 6
    assert bool(reading.printed.simultaneous) is simultaneous
    starts_s = [s.time_start_s for s in reading.printed.rows[0].segments]
    assert starts_s == pytest.approx([0, 0 if simultaneous else 5], abs=0.05)
    if strip:
        assert reading.printed.rows[6].segments[0].lead == strip[0][0]


def test_beats_too_far_or_too_near_for_a_heart_make_the_speed_doubtful():
    layout = even_rows((("I",), ("II",), ("III",)))
    rows = true_heights(layout, signals_mv())
    for speed, apart in ((6.25, "2.6"), (100.0, "0.16")):
        told = unlikely_beats(rows, 15.0, 265.0, speed)
        assert told.startswith(f"beats are {apart} s apart at {speed:g} mm/s")
    assert unlikely_beats(rows, 15.0, 265.0, 25.0) is None
    # One beat tells nothing, and nor does a flat line.
    assert unlikely_beats(rows, 15.0, 20.0, 100.0) is None


def test_a_pulse_of_a_tenth_of_a_second_tells_no_speed():
    """A fast paper, its pulse 5 mm wide: that is taken for 0.2 s."""
    mv = np.repeat(signals_mv(), 3, axis=1)
    digitized = read(even_rows((("I",), ("II",), ("III",))), mv).digitized
    assert digitized.quality == "doubtful"
    assert any("beats are" in reason for reason in digitized.reasons)


def true_heights(layout, mv):
    """`RowHeights` of a page without a row network, which ticks may mislead."""
    rows = []
    for row in layout.rows:
        values = [
            row.gain_mm_per_mv * mv[LEADS.index(segment.lead)][first:][:n]
            for segment in row.segments
            for first in [round(segment.time_start_s * 500)]
            for n in [round(segment.width_mm / layout.speed_mm_per_s * 500)]
        ]
        x_mm = np.linspace(
            row.x_start_mm, row.x_end_mm, sum(map(len, values)), endpoint=False
        )
        every = np.arange(row.x_start_mm, row.x_end_mm, SAMPLE_MM)
        height = np.interp(every, x_mm, np.concatenate(values))
        seen = RowLogits(row.zero_y_mm, row.x_start_mm, np.zeros((2, 2)))
        rows.append(
            RowHeights(seen, row.x_start_mm, row.x_end_mm, height, height)
        )
    return rows


def names_of(layout, right_mm=4.0, below_mm=-8.0, likely=0.9):
    """The names of a page's leads, all beside them in the same way."""
    return Names(
        named(
            segment.lead.lstrip("-"),
            segment.x_start_mm + right_mm,
            row.zero_y_mm + below_mm,
            likely,
        )
        for row in layout.rows
        for segment in row.segments
    )


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("3x4+3", (*ROWS_3X4, ("V1",), ("II",), ("V5",))),
        ("6x2", tuple(zip(LEADS[:6], LEADS[6:], strict=True))),
        ("6x1", tuple((lead,) for lead in LEADS[:6])),
        ("4x3", tuple(tuple(LEADS[k::4]) for k in range(4))),
    ],
)
def test_names_tell_leads_of_which_nothing_else_does(name, rows):
    """Waves without any relation, as of a page that is read badly."""
    layout = even_rows(rows)
    rng = np.random.default_rng(3)
    waves = np.cumsum(rng.normal(0, 0.02, (12, 5000)), axis=1)
    heights = true_heights(layout, waves)
    ends = 15.0, 265.0, False
    found = find.candidates(heights, ends, names=names_of(layout))[0]
    assert found.kind.name == name and found.rows == rows
    assert (found.n_named, found.n_misnamed) == (sum(map(len, rows)), 0)
    # Two prints of a strip's lead tell, too.
    unnamed = find.candidates(heights, ends)[0]
    assert (unnamed.rows == rows) is (name == "3x4+3")


@pytest.mark.parametrize("likely", [0.65, 0.0])
def test_a_row_with_a_name_beside_it_is_part_of_the_page(likely):
    """A strip that ends before the columns do, and an unnamed line."""
    rows = (*ROWS_3X4, ("V1",), ("II",), ("V5",))
    layout = even_rows(rows)
    heights = true_heights(layout, signals_mv())
    noise = np.cumsum(np.random.default_rng(5).normal(0, 0.3, 5000))
    heights[-1] = dataclasses.replace(
        heights[-1], x_end_mm=245.0, height_mm=noise
    )
    others = names_of(dataclasses.replace(layout, rows=layout.rows[:-1]))
    last = dataclasses.replace(layout, rows=layout.rows[-1:])
    own = names_of(last, likely=likely).found if likely else ()
    names = Names((*others.found, *own))
    found = find.candidates(heights, (15.0, 265.0, False), names=names)[0]
    assert found.kind.name == ("3x4+3" if likely else "3x4+2")


def test_names_of_other_leads_make_a_page_doubtful():
    layout = even_rows(ROWS_3X4)
    swapped = even_rows([(*row[:2], row[3], row[2]) for row in ROWS_3X4])
    elsewhere = even_rows([row[::-1] for row in ROWS_3X4])
    heights = true_heights(layout, signals_mv())
    kinds = [kind for kind in KNOWN if kind.rows == ROWS_3X4]
    for printed, n_right, n_wrong in (
        (layout, 12, 0),
        (swapped, 6, 6),
        (elsewhere, 0, 12),
    ):
        found = find.candidates(
            heights, (15.0, 265.0, False), kinds, names=names_of(printed)
        )
        assert (found[0].n_named, found[0].n_misnamed) == (n_right, n_wrong)
        doubts = [
            doubt for doubt in _doubts_of_layout(found) if "name" in doubt
        ]
        assert bool(doubts) is (printed is not layout)


def test_names_of_leads_that_a_kind_does_not_show_tell_against_it():
    """V1, II and V5 of a tape, which agree nearly as I, II and III do."""
    layout = even_rows((("V1",), ("II",), ("V5",)))
    waves = signals_mv()
    rng = np.random.default_rng(4)
    for lead, as_of in (("V1", "I"), ("V5", "III")):
        noise = rng.normal(0, 0.05, waves.shape[1])
        waves[LEADS.index(lead)] = waves[LEADS.index(as_of)] + noise
    heights = true_heights(layout, waves)
    ends = 15.0, 265.0, False
    stroke = named("I", 16.0, layout.rows[0].zero_y_mm, 0.45)
    names = Names((*names_of(layout).found, stroke))
    found = find.candidates(heights, ends)
    assert found[0].rows == (("I",), ("II",), ("III",))
    found = find.candidates(heights, ends, names=names)
    assert found[0].rows == (("V1",), ("II",), ("V5",))


def test_names_that_are_not_sure_rule_no_kind_out_that_has_all_rows():
    """Names of chest leads were misread; six rows were left out for them."""
    layout = even_rows(tuple((lead,) for lead in LEADS))
    heights = true_heights(layout, signals_mv())
    limbs = names_of(dataclasses.replace(layout, rows=layout.rows[:6])).found
    chest = dataclasses.replace(layout, rows=layout.rows[6:])
    misread = names_of(chest, likely=0.4).found
    turned = [
        dataclasses.replace(name, shares=other.shares)
        for name, other in zip(misread, misread[::-1], strict=True)
    ]
    names = Names((*limbs, *turned))
    found = find.candidates(heights, (15.0, 265.0, False), names=names)[0]
    assert found.kind.name == "12x1"


@pytest.mark.parametrize("n_lost", [1, 2])
def test_names_tell_of_rows_that_the_picture_does_not_show(n_lost):
    whole = even_rows((*zip(LEADS[:6], LEADS[6:], strict=True), ("II",)))
    layout = dataclasses.replace(whole, rows=whole.rows[n_lost:])
    heights = true_heights(layout, signals_mv())
    ends = 15.0, 265.0, False
    found = find.candidates(heights, ends, names=names_of(layout))[0]
    assert found.kind.name == "6x2+1"
    assert [row[0] for row in found.rows] == [*LEADS[n_lost:6], "II"]
    # So they do where it ends before the last rows.
    above = dataclasses.replace(whole, rows=whole.rows[: 6 - n_lost])
    heights = true_heights(above, signals_mv())
    found = find.candidates(heights, ends, names=names_of(above))[0]
    assert found.kind.name == "6x2"
    assert [row[0] for row in found.rows] == [*LEADS[: 6 - n_lost]]
    # A whole page is none that lost a row.
    found = find.candidates(
        true_heights(whole, signals_mv()), ends, names=names_of(whole)
    )[0]
    assert len(found.rows) == 7


@pytest.mark.parametrize("lost_mm", [20.0, 80.0])
def test_names_tell_where_columns_begin_that_are_cut_off(lost_mm):
    """The picture begins in the first column, or in the second."""
    layout = even_rows((*ROWS_3X4, ("II",)))
    rows = [
        dataclasses.replace(row, x_start_mm=15 + lost_mm)
        for row in true_heights(layout, signals_mv())
    ]
    names = Names(
        name for name in names_of(layout).found if name.x_mm > 15 + lost_mm
    )
    ends = TraceEnds(15 + lost_mm, 265.0, False, True)
    found = find.candidates(rows, ends, names=names)[0]
    assert found.kind.name == "3x4+1"
    assert found.x_start_mm == pytest.approx(15, abs=0.5)
    assert found.column_mm == pytest.approx(62.5)


def test_names_tell_that_traces_begin_later_than_ink_does():
    """Torn paper and pulses were taken for 20 mm of all rows."""
    layout = even_rows(tuple(zip(LEADS[:6], LEADS[6:], strict=True)))
    rows = true_heights(layout, signals_mv())
    ends = TraceEnds(-5.0, 265.0, False)
    found = find.candidates(rows, ends, names=names_of(layout))[0]
    assert found.kind.name == "6x2"
    assert found.x_start_mm == pytest.approx(15, abs=0.5)
    assert found.column_mm == pytest.approx(125.0)


def test_a_lone_mark_moves_columns_only_where_nothing_else_tells():
    """Beats above each other are such a mark; a page's end tells where its
    rows begin, and if it is cut off a pulse alone does, a little too early.
    """
    layout = even_rows(tuple(zip(LEADS[:6], LEADS[6:], strict=True)))
    rows = true_heights(layout, signals_mv())
    whole, cut = find.candidates(
        rows, TraceEnds(15.0, 265.0, False), separators=(142.0,)
    ), find.candidates(
        rows, TraceEnds(13.0, 250.0, True), separators=(140.0,)
    )  # fmt: skip
    assert whole[0].kind.name == cut[0].kind.name == "6x2"
    assert whole[0].x_start_mm == pytest.approx(15.0, abs=0.1)
    assert cut[0].x_start_mm == pytest.approx(15.0, abs=0.5)


def test_marks_tell_where_columns_of_a_cut_page_begin():
    """The first 5 mm of all rows are lost."""
    layout = even_rows((*ROWS_3X4, ("II",)))
    rows = true_heights(layout, signals_mv())
    marks = 15 + 62.5 * np.arange(1, 4) + (0.1, 0.0, -0.1)
    ends = 20.0, 265.0, False
    (marked, *_), (unmarked, *_) = (
        find.candidates(rows, ends, separators=x_mm) for x_mm in (marks, ())
    )
    assert marked.kind.name == unmarked.kind.name == "3x4+1"
    begin = [
        candidate.x_start_mm + k * candidate.column_mm
        for candidate in (marked, unmarked)
        for k in range(4)
    ]
    np.testing.assert_allclose(begin[:4], 15 + 62.5 * np.arange(4), atol=0.3)
    assert abs(np.array(begin[4:]) - begin[:4]).max() > 1
    assert marked.marked_row_mm is None
    # One mark alone may be anything, and so may two that are not even.
    for x_mm in (marks[:1], [marks[0] - 4, marks[1] + 4]):
        other = find.candidates(rows, ends, separators=x_mm)[0]
        assert other.x_start_mm == unmarked.x_start_mm


def test_two_marks_tell_no_paper_that_ran_too_fast_where_traces_begin_later():
    """One of them is no mark: rows begin where their pulses end."""
    layout = even_rows(ROWS_3X4)
    rows = true_heights(layout, signals_mv())
    marks = 15 + np.array([125.0 - 0.9, 187.5 + 0.1])
    found = find.candidates(
        rows, TraceEnds(15.0, 265.0, False), separators=marks
    )[0]
    assert found.marked_row_mm is None
    assert abs(found.x_start_mm - 15) < 1


def test_marks_tell_a_paper_that_ran_too_fast(monkeypatch):
    """Its columns of 2.5 s are 64 mm wide."""
    rows = (*ROWS_3X4, ("II",))
    layout = evenly_printed(
        "", rows, 20 + 35 * np.arange(4), 10.0, 64.0, 25.6, 10.0
    )

    def marks(page, rows, pulses):
        """Where ticks would be seen, by mm that may be stretched."""
        mm = (rows[0].x_end_mm - pulses[0].x_start_mm) / 262
        return rows[0].x_end_mm - 64 * mm * np.arange(3, 0, -1)

    monkeypatch.setattr(looking, "find_separators", marks)
    reading = read(layout, signals_mv())
    digitized = reading.digitized
    assert digitized.signals_mv.shape == (12, pytest.approx(5000, abs=10))
    assert digitized.speed_mm_per_s == 25
    begin = [
        [segment.x_start_mm, row.zero_y_mm]
        for row in reading.printed.rows[:1]
        for segment in row.segments
    ]
    begin_px = reading.paper_map.to_px(np.array(begin))[:, 0]
    np.testing.assert_allclose(begin_px / PX, 10 + 64 * np.arange(4), atol=0.4)


@pytest.mark.parametrize("simultaneous", [True, False])
def test_strips_tell_gaps_from_a_paper_that_ran_fast(monkeypatch, simultaneous):
    """Columns are 63.5 mm apart, and the strip 250 mm long."""
    rows = (*ROWS_3X4, ("II",))
    layout = evenly_printed(
        "", rows, 20 + 35 * np.arange(4), 12.0, 62.5, 25.0, 10.0,
        simultaneous=simultaneous, strip_end_mm=262.0,
    )  # fmt: skip
    marks = 12 + 63.5 * np.arange(1, 4)
    monkeypatch.setattr(looking, "find_separators", lambda *_: marks)
    monkeypatch.setattr(looking, "find_gaps", lambda *_: [])
    reading = read(with_gaps(layout, 1.0), signals_mv())
    found = reading.printed.rows[0].segments
    begin_px = reading.paper_map.to_px(
        np.array([[segment.x_start_mm, 20.0] for segment in found])
    )[:, 0]
    np.testing.assert_allclose(
        begin_px / PX, 12 + 63.5 * np.arange(4), atol=0.6
    )
    # Mm of the picture are mm of the paper.
    width_mm = np.ptp(reading.paper_map.to_mm(np.array([[0, 9], [800, 9]])), 0)
    assert width_mm[0] == pytest.approx(100, abs=0.3)


def test_marks_are_no_letters_pulses_or_waves():
    layout = even_rows((*ROWS_3X4, ("II",)))
    mv = 2 * signals_mv()
    x_mm = 15 + 62.5 * np.arange(1, 4)
    ticks = [
        (x, row.zero_y_mm - 11, row.zero_y_mm - 6)
        for row in layout.rows[:3]
        for x in x_mm
    ]
    # A mark of one row alone.
    ticks.append((100.0, 9.0, 14.0))
    image, paper_map = drawn(
        dataclasses.replace(layout, separators=tuple(ticks)), mv
    )
    for row in layout.rows:
        for segment in row.segments:
            at = (segment.x_start_mm + 4, row.zero_y_mm - 9)
            cv2.putText(
                image, segment.lead, tuple(int(PX * v) for v in at),
                cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20), 2, cv2.LINE_AA,
            )  # fmt: skip
    page = straighten(image, paper_map)
    pulses = find_pulses(page, find_rows(page))
    assert len(pulses) == 4
    rows = true_heights(layout, mv)
    found = find_separators(page, rows, pulses)
    np.testing.assert_allclose(found, x_mm, atol=0.2)
    assert not len(find_separators(page, rows[:1], pulses))


@pytest.mark.slow
@pytest.mark.floor
def test_without_a_pulse_speed_and_gain_are_assumed_and_doubtful():
    layout = even_rows(tuple(zip(LEADS[:6], LEADS[6:], strict=True)))
    digitized = read(layout, signals_mv(), pulse_mm=0).digitized
    assert (digitized.speed_mm_per_s, digitized.gain_mm_per_mv) == (25, 10)
    assert digitized.quality == "doubtful"
    assert {GAIN_ASSUMED, SPEED_ASSUMED} <= set(digitized.reasons)
    given = Given(speed_mm_per_s=25.0, gain_mm_per_mv=10.0)
    digitized = read(layout, signals_mv(), given, pulse_mm=0).digitized
    assert digitized.reasons == (SAME_SECONDS_UNKNOWN,)


@pytest.mark.parametrize(
    ("written", "pulse_mm", "found", "n_doubts"),
    [
        (("50 mm/s", "20 mm/mV"), 0, (50, 20), 0),
        (("25 mm/s", "10 mm/mV"), 5, (25, 10), 0),
        (("50 mm/s", "10 mm/mV"), 5, (50, 10), 1),
        (("25 mm/s", "5 mm/mV", "20 mm/mV"), 5, (25, 10), 1),
        (("50 mm/s",), 0, (25, 10), 2),
    ],
)
def test_written_speed_and_gain_count(
    written, pulse_mm, found, n_doubts, monkeypatch
):
    """What nothing else tells they tell; where pulses differ is doubtful."""
    digitized = read_with_words(written, monkeypatch, pulse_mm)
    assert (digitized.speed_mm_per_s, digitized.gain_mm_per_mv) == found
    doubts = [doubt for doubt in digitized.reasons if "mm/" in doubt]
    assert len(doubts) == n_doubts, digitized.reasons


def test_a_written_speed_at_which_no_heart_beats_does_not_count(monkeypatch):
    """Pulses tell 50 mm/s; at 12.5 mm/s beats would be 3 s apart."""
    words = ("12.5 mm/s", "10 mm/mV")
    digitized = read_with_words(words, monkeypatch, 10, speed=50.0)
    assert digitized.speed_mm_per_s == 50
    assert digitized.quality == "doubtful"


def read_with_words(words, monkeypatch, pulse_mm, speed=25.0):
    """A page of 6x2 that has such words of speed and gain on it."""
    found = [
        named(word, 30.0 + 15 * index, 170.0)
        for index, word in enumerate(words)
    ]
    monkeypatch.setattr(looking, "find_names", lambda *_: found)
    layout = even_rows(tuple(zip(LEADS[:6], LEADS[6:], strict=True)), speed)
    image, paper_map = drawn(layout, signals_mv(), pulse_mm=pulse_mm)
    reader = PageReader(dark_networks("names"), None)
    return reader.read_mapped(image, paper_map).digitized


@pytest.mark.slow
@pytest.mark.floor
def test_four_columns_of_62_mm_tell_the_speed():
    layout = even_rows((*ROWS_3X4, ("II",)))
    digitized = read(layout, signals_mv(), pulse_mm=0).digitized
    assert GAIN_ASSUMED in digitized.reasons
    assert SPEED_ASSUMED not in digitized.reasons


def test_what_the_user_says_counts_before_what_is_found():
    mv = signals_mv()
    layout = even_rows((*ROWS_3X4, ("II",)))
    given = Given(layout="4x3", speed_mm_per_s=50.0, gain_mm_per_mv=20.0)
    digitized = read(layout, mv, given).digitized
    assert digitized.layout == "4x3"
    assert (digitized.speed_mm_per_s, digitized.gain_mm_per_mv) == (50, 20)
    # It is wrong, and pulses tell.
    assert digitized.quality != "good"
    assert any("pulses" in reason for reason in digitized.reasons)


def test_an_edge_that_is_not_printed_is_doubtful():
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, signals_mv())
    seen = row_logits(image, paper_map, layout.rows, Darkness())
    readings = read_segments(layout, seen, likely_path)
    page = straighten(image, paper_map)
    assert "unprinted_mm" not in check(page, layout, readings, ()).numbers
    height_mm = readings[0].height_mm.copy()
    height_mm[:300] += 14
    readings[0] = dataclasses.replace(readings[0], height_mm=height_mm)
    found = check(page, layout, readings, ())
    assert found.numbers["unprinted_mm"] == pytest.approx(14, abs=1)
    (doubt,) = [doubt for doubt in found.doubts if "is printed" in doubt]
    assert doubt.startswith("I goes 14 mm up or down")
    # Where it is printed it is a wave's.
    edge_mm = np.array([[15 + 300 * SAMPLE_MM, y] for y in (4, 20)])
    cv2.line(image, *np.rint(PX * edge_mm).astype(int).tolist(), (20,) * 3, 3)
    page = straighten(image, paper_map)
    assert "unprinted_mm" not in check(page, layout, readings, ()).numbers


def test_a_lead_that_jumps_to_another_print_is_doubtful():
    """Of nine samples, as where a path leaves its trace and comes back."""
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, signals_mv())
    page = straighten(image, paper_map)
    place = not_finer_than(image, paper_map)
    seen = row_logits(*place, layout.rows, Darkness())
    readings = read_segments(layout, seen, likely_path)
    before = check(page, layout, readings, ())
    signal = readings[-1].signal_mv.copy()
    signal[2000:2009] += 9.0
    jumped = dataclasses.replace(readings[-1], signal_mv=signal)
    after = check(page, layout, [*readings[:-1], jumped], ())
    assert not any("jumps" in doubt for doubt in before.doubts)
    (doubt,) = [doubt for doubt in after.doubts if "jumps" in doubt]
    assert doubt.startswith("II jumps by 9.")


def test_a_page_without_the_rows_of_a_given_layout_is_refused():
    layout = even_rows(ROWS_3X4)
    digitized = read(layout, signals_mv(), Given(layout="12x1")).digitized
    assert digitized.quality == "refused"
    assert digitized.reasons == ("3 rows of traces are not 12x1",)


@pytest.mark.slow
@pytest.mark.floor
def test_names_alone_tell_chest_leads(monkeypatch):
    layout = even_rows(tuple((lead,) for lead in LEADS[6:]))
    image, paper_map = drawn(layout, signals_mv())
    for names, quality in (((), "doubtful"), (names_of(layout).found, "good")):
        monkeypatch.setattr(
            looking, "find_names", lambda *_, names=names: names
        )
        reader = PageReader(dark_networks("names"), None)
        digitized = reader.read_mapped(image, paper_map).digitized
        assert digitized.rows == tuple((lead,) for lead in LEADS[6:])
        assert digitized.quality == quality, digitized.reasons


@pytest.mark.slow
@pytest.mark.floor
def test_white_traces_on_black_paper_are_read_as_black_ones_on_white():
    mv = signals_mv(2.0)
    image, _ = drawn(even_rows((*ROWS_3X4, ("II",))), mv)
    reader = load_page_reader()
    reading, inverted = (reader.read(own) for own in (image, 255 - image))
    assert inverted.digitized.layout == "3x4+1", inverted.digitized.reasons
    np.testing.assert_array_equal(
        inverted.digitized.signals_mv, reading.digitized.signals_mv
    )
    # A picture that shows nothing either way is refused as it is.
    night = np.full_like(image, 20)
    assert reader.read(night).digitized.reasons == ("no grid was found",)


@pytest.mark.slow
@pytest.mark.floor
def test_a_picture_upside_down_is_registered_and_read_by_the_packaged_reader():
    mv = signals_mv(2.0)
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, mv)
    turned = np.ascontiguousarray(image[::-1, ::-1])
    reading = load_page_reader().read(turned)
    assert reading.digitized.layout == "3x4+1", reading.digitized.reasons
    # Simulated beats are narrow: half a mm off in x costs much, which is said.
    assert reading.digitized.quality == "doubtful"
    assert any("not read surely" in said for said in reading.digitized.reasons)
    assert score_db_of(reading, mv) > 10


@pytest.mark.slow
@pytest.mark.floor
def test_a_curve_without_a_pulse_that_no_lead_tells_of_is_refused():
    mv = np.tile(np.sin(np.arange(5000) / 150) / 2, (12, 1))
    layout = even_rows((("V1",),))
    digitized = read(layout, mv, pulse_mm=0).digitized
    assert digitized.quality == "refused"
    assert "nothing on the page tells which leads" in digitized.reasons[0]
    # Who says what it is gets it.
    named = read(layout, mv, Given(layout="1x1"), pulse_mm=0).digitized
    assert named.quality == "doubtful"


def read_in_part(layout, part):
    """A part of a page's picture: its `StraightPage`, `LeadReading`s."""
    image, paper_map = drawn(layout, signals_mv())
    cut = np.ascontiguousarray(image[part])
    small, small_map = not_finer_than(cut, paper_map)
    seen = row_logits(small, small_map, layout.rows, Darkness())
    readings = placed_in(
        read_segments(layout, seen, likely_path),
        layout,
        paper_map,
        cut.shape[:2],
    )
    return straighten(cut, paper_map), readings


def test_of_rows_beyond_the_picture_nothing_is_read_or_held_against():
    """A page of 3x4 and a strip, cut above its strip, as the user says."""
    layout = even_rows((*ROWS_3X4, ("II",)))
    page, placed = read_in_part(layout, np.s_[: 110 * PX])
    strip = [r for r in placed if r.row == 3]
    assert np.isnan(strip[0].signal_mv).all()
    checks = check(page, layout, placed, [])
    assert checks.numbers["on_print"] > 0.9
    assert "prints of II" not in checks.numbers
    assert checks.numbers["limb leads"] < 0.2


@pytest.mark.parametrize(("n_named", "is_told"), [(2, False), (3, True)])
def test_names_of_all_three_leads_tell_which_a_page_shows(n_named, is_told):
    layout = even_rows((("V1",), ("II",), ("V5",)))
    page, readings = read_in_part(layout, np.s_[:])
    rows = true_heights(layout, signals_mv())
    names = Names(names_of(layout).found[:n_named])
    found = find.candidates(rows, (15.0, 265.0, False), names=names)
    assert found[0].rows == (("V1",), ("II",), ("V5",))
    checks = check(page, layout, readings, [], found)
    said = " ".join((*checks.doubts, *checks.faults))
    is_said = "nothing on the page tells which leads it shows" in said
    assert is_said is not is_told


def test_of_columns_beyond_the_picture_nothing_is_compared():
    layout = even_rows(ROWS_3X4)
    page, readings = read_in_part(layout, np.s_[:, : 100 * PX])
    for reading in readings:
        is_beyond = reading.segment.lead.startswith("V")
        assert np.isnan(reading.signal_mv).all() == is_beyond
    assert check(page, layout, readings, []).numbers["limb leads"] < 0.2


def test_an_empty_grid_is_refused():
    no_rows = PrintedLayout("", 25.0, ())
    image, paper_map = drawn(no_rows, signals_mv())
    digitized = (
        PageReader(dark_networks(), None)
        .read_mapped(image, paper_map)
        .digitized
    )
    assert digitized.quality == "refused"
    assert digitized.reasons == ("no rows of traces were found",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layout": "5x5"}, "--layout: expected one of 3x4"),
        ({"speed_mm_per_s": 30.0}, "--speed: expected one of"),
        ({"gain_mm_per_mv": 1.0}, "--gain: expected one of"),
    ],
)
def test_what_is_no_layout_speed_or_gain_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        Given(**settings)


def test_a_page_is_read_without_its_grid_where_that_is_surer():
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, signals_mv())
    page = straighten(image, paper_map)
    picture, straight = page.without_grid()
    assert picture.shape == (*page.ink.shape, 3)
    corner = straight.to_px(np.array(page.origin_mm))
    np.testing.assert_allclose(corner, 0, atol=1e-3)
    unsure, surer = (
        PageReading(
            DigitizedEcg(signals_mv(), quality="doubtful", reasons=("unsure",)),
            numbers={"unsure": share},
        )
        for share in (0.2, 0.1)
    )
    seen = []

    def read(image, paper_map):
        seen.append(image.shape)
        return (unsure, surer)[len(seen) - 1]

    reader = PageReader(Networks(None, None), None)
    found = reader.surest_of_pictures(read, image, paper_map, page, ())
    assert found is surer
    # As sure to a tenth: the first look counts.
    alike = dataclasses.replace(unsure, numbers={"unsure": 0.19})
    looks = iter([unsure, alike])
    found = reader.surest_of_pictures(
        lambda *_: next(looks), image, paper_map, page, ()
    )
    assert found is unsure
    assert seen == [image.shape, picture.shape]
    # What another look does not tell: that it is good, or has a map in doubt.
    for quality, reasons in (("good", ()), ("doubtful", ("the map",))):
        told = PageReading(
            DigitizedEcg(signals_mv(), quality=quality, reasons=reasons)
        )
        seen = iter([told])
        found = reader.surest_of_pictures(
            lambda *_, seen=seen: next(seen), image, None, page, ("the map",)
        )
        assert found is told


@pytest.mark.parametrize(("column_mm", "is_all"), [(62.5, True), (55, False)])
def test_traces_that_go_on_after_their_leads_are_doubtful(column_mm, is_all):
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, signals_mv())
    reader = PageReader(dark_networks(), None)
    look = reader.looks(image, paper_map)[0]
    look.match(KNOWN, image, paper_map)
    (best, *others) = look.candidates
    look.candidates = [dataclasses.replace(best, column_mm=column_mm), *others]
    _, reasons = look.printed_layout()
    said = [reason for reason in reasons if "go on for 30 mm" in reason]
    assert len(said) == (0 if is_all else 1)


def test_what_the_paper_lies_on_is_no_print():
    """Rows that end near the paper's edges go no further, to a darker desk."""
    image, paper_map = drawn(even_rows((*ROWS_3X4, ("II",))), signals_mv())
    first_mm, last_mm, desk_mm = 4, 270, 60
    paper = image[:, first_mm * PX : last_mm * PX]
    sides = [desk_mm * PX] * 4
    photo = cv2.copyMakeBorder(
        paper, *sides, cv2.BORDER_CONSTANT, value=(70, 70, 95)
    )
    # A desk is not even.
    noise = np.random.default_rng(0).normal(0, 4, photo.shape)
    photo = (photo + noise).clip(0, 255).astype(np.uint8)
    to_px = np.diag([PX, PX, 1.0])
    to_px[:2, 2] = (desk_mm - first_mm) * PX, desk_mm * PX
    bounds_mm = first_mm, 0, last_mm, 180
    page = straighten(photo, PaperMap.from_homography(to_px, bounds_mm, 5))
    np.testing.assert_allclose(page.edges_mm, (first_mm, last_mm), atol=1.3)
    expected = find_rows(straighten(image, paper_map))
    for own, alone in zip(find_rows(page), expected, strict=True):
        for name in ("zero_y_mm", "x_start_mm", "x_end_mm"):
            told = getattr(own, name), getattr(alone, name)
            assert told[0] == pytest.approx(told[1], abs=0.6)


def test_traces_that_are_not_read_surely_are_doubtful():
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, signals_mv())
    page = straighten(image, paper_map)
    readings = [
        LeadReading(segment, index, values, 0.02 + 0 * values, values)
        for index, row in enumerate(layout.rows)
        for segment in row.segments
        for values in [np.sin(np.arange(20 * segment.width_mm) / 40)]
    ]
    numbers = check(page, layout, readings, []).numbers
    assert numbers["unsure"] == pytest.approx(2 * 0.02**2, abs=1e-3)
    # Ends are where the lead beside it is read: they do not count.
    readings[0].std_mv[:10] = 2.0
    assert check(page, layout, readings, []).numbers == numbers
    readings[0].std_mv[400:800] = 2.0
    doubts = check(page, layout, readings, []).doubts
    assert any("not read surely" in doubt for doubt in doubts)


@pytest.mark.parametrize(("n_named", "is_refused"), [(3, True), (11, False)])
def test_names_beside_most_leads_tell_of_an_ecg(n_named, is_refused):
    """Its limb leads do not agree, as on paper that is warped."""
    layout = even_rows(ROWS_3X4)
    image, paper_map = drawn(layout, signals_mv())
    page = straighten(image, paper_map)
    seen = row_logits(image, paper_map, layout.rows, Darkness())
    readings = read_segments(layout, seen, likely_path)
    readings[0] = dataclasses.replace(
        readings[0], signal_mv=3 * np.roll(readings[0].signal_mv, 200)
    )
    heights = true_heights(layout, signals_mv())
    best = find.candidates(heights, (15.0, 265.0, False))[0]
    best = dataclasses.replace(best, n_named=n_named)
    checks = check(page, layout, readings, (), [best])
    assert 0.35 < checks.numbers["limb leads"]
    refused = [fault for fault in checks.faults if "rows are no leads" in fault]
    assert bool(refused) is is_refused


def test_two_rows_read_from_one_print_are_doubtful():
    layout = even_rows((*ROWS_3X4, ("II",)))
    image, paper_map = drawn(layout, signals_mv())
    page = straighten(image, paper_map)
    between_mm = layout.rows[3].zero_y_mm - layout.rows[2].zero_y_mm

    def shared_mm(length_mm, first_mm=130):
        """With so much of the strip read from V3 above it."""
        readings = []
        for index, row in enumerate(layout.rows):
            for segment in row.segments:
                height = np.zeros(round(20 * segment.width_mm))
                if index == 3:
                    place = 20 * first_mm, 20 * (first_mm + length_mm)
                    height[slice(*place)] = between_mm
                readings.append(
                    LeadReading(
                        segment, index, height, 0.01 + 0 * height, height
                    )
                )
        return check(page, layout, readings, [])

    assert shared_mm(20).numbers["shared_mm"] == pytest.approx(20, abs=0.2)
    assert any("the same print" in doubt for doubt in shared_mm(20).doubts)
    # Traces that cross part again.
    assert not any("the same print" in doubt for doubt in shared_mm(2).doubts)
    # Two rows that are one are no rows of an ECG.
    faults = shared_mm(240, first_mm=5).faults
    assert any("the same print" in fault for fault in faults)


def test_a_header_hides_no_row():
    layout = even_rows((*ROWS_3X4, ("II",)))
    below = dataclasses.replace(
        layout,
        rows=tuple(
            dataclasses.replace(row, zero_y_mm=row.zero_y_mm + 45)
            for row in layout.rows
        ),
    )
    image, paper_map = drawn(below, signals_mv(), height_mm=225)
    for line in range(9):
        for column in range(2):
            at = (PX * (20 + 130 * column), PX * (6 + round(4.5 * line)))
            cv2.putText(
                image, "Normal sinus rhythm 72 bpm", at,
                cv2.FONT_HERSHEY_SIMPLEX, 0.8, (20, 20, 20), 2, cv2.LINE_AA,
            )  # fmt: skip
    rows = find_rows(straighten(image, paper_map))
    np.testing.assert_allclose(
        [row.zero_y_mm for row in rows],
        [row.zero_y_mm for row in below.rows],
        atol=1.0,
    )


def test_a_wave_that_no_trace_follows_is_missed():
    layout = even_rows(ROWS_3X4)
    image, paper_map = drawn(layout, signals_mv())
    reader = PageReader(dark_networks(), None)
    assert not reader.read_mapped(image, paper_map).digitized.reasons
    x, y = 130, layout.rows[1].zero_y_mm - 26
    wave = np.array([(0, 9), (0.4, 0), (0.8, 9)]) + (x, y)
    marks = [
        np.array([(0, 0), (0.5, 9)]) + (x + 20, row.zero_y_mm - 26)
        for row in layout.rows
    ]
    # No mark is so high: a pacemaker, or leads that were switched.
    spikes = [
        np.array([(0, 0), (0.5, 18)]) + (x + 20, row.zero_y_mm - 32)
        for row in layout.rows[1:]
    ]
    for lines, is_missed in (([wave], True), (spikes, True), (marks, False)):
        print_too = image.copy()
        for line in lines:
            points = np.round(PX * line).astype(np.int32)
            cv2.polylines(print_too, [points], False, (20, 20, 20), 3)
        digitized = reader.read_mapped(print_too, paper_map).digitized
        missed = [text for text in digitized.reasons if "missed" in text]
        assert bool(missed) is is_missed
    assert digitized.quality == "good"
