"""Print without the grid, rows and pulses of drawn pages."""

import dataclasses

import cv2
import numpy as np
import pytest

from ecg_keras.models.layout.columns import trace_ends
from ecg_keras.models.layout.lead_names import Names
from ecg_keras.models.layout.named_rows import with_named_rows
from ecg_keras.models.layout.pulses import (
    FoundPulse,
    _may_be_waves,
    find_pulses,
    gaps_with_pulses,
)
from ecg_keras.models.layout.scale import gain_and_speed, rare_gain
from ecg_keras.models.layout.straight_page import straighten
from ecg_keras.models.layout.trace_rows import find_rows
from ecg_keras.page.paper_map import PaperMap
from tests.found_names import named

PX = 6  # a mm
WIDTH_MM, HEIGHT_MM = 280, 120
X0_MM = 14.0
BEAT_MM = 20


def paper(grid):
    """(H, W, 3) with a red grid of lines, or dots for the 1 mm ones."""
    image = np.full((HEIGHT_MM * PX, WIDTH_MM * PX, 3), 250, np.uint8)
    if grid == "dots":
        image[::PX, ::PX] = (200, 150, 150)
    elif grid == "lines":
        image[::PX] = image[:, ::PX] = (250, 210, 210)
    if grid != "none":
        image[:: 5 * PX] = image[:, :: 5 * PX] = (230, 110, 110)
    return image


def line(image, x_mm, y_mm):
    points = np.stack([x_mm, y_mm], axis=-1) * PX * 8
    cv2.polylines(
        image, [np.round(points).astype(np.int32)], False, (30, 30, 30), 2,
        cv2.LINE_AA, 3,
    )  # fmt: skip


def beats_mm(x_mm):
    """Heights of a trace with a beat every 20 mm."""
    phase = x_mm % BEAT_MM - BEAT_MM / 2
    return 8 * np.exp(-np.square(phase / 0.6)) + 2 * np.exp(
        -np.square((phase - 6) / 1.5)
    )


def page_with(*args, **kwargs):
    """The `StraightPage` of `picture_with`."""
    return mapped(picture_with(*args, **kwargs))


def picture_with(zero_y_mm, gain=10.0, pulse_mm=5.0, grid="lines", n_right=0):
    """A picture of rows of 250 mm; pulses end 1 mm before the traces.

    The first `n_right` rows end with a pulse, too.
    """
    image = paper(grid)
    x = np.arange(0, 250, 0.1)
    for index, y in enumerate(zero_y_mm):
        line(image, X0_MM + x, y - beats_mm(x))
        if index < n_right:
            edges = X0_MM + 252 + np.array([0, 2, 2, 7, 7, 9])
            line(image, edges, y - gain * np.array([0, 0, 1, 1, 0, 0]))
        if pulse_mm:
            edges = X0_MM - 1 - np.array([pulse_mm + 1, pulse_mm, 0, -1])
            line(
                image,
                np.repeat(edges, 2)[1:-1],
                np.array([y, y, y - gain, y - gain, y, y]),
            )
    return image


def mapped(image, above_mm=0):
    """The `StraightPage` of a picture whose grid begins some mm below it."""
    to_px = np.diag([PX, PX, 1.0])
    to_px[1, 2] = above_mm * PX
    paper_map = PaperMap.from_homography(to_px, (0, 0, WIDTH_MM, HEIGHT_MM), 5)
    return straighten(image, paper_map)


@pytest.mark.parametrize("grid", ["lines", "dots", "none"])
def test_print_is_found_and_the_grid_is_not(grid):
    page = page_with([40], pulse_mm=0, grid=grid)
    on_trace = page.is_print[:, round(float(page.column(60.0)))]
    rows = np.flatnonzero(on_trace)
    assert len(rows) and np.ptp(rows) < 8
    assert page.y_mm(rows.mean()) == pytest.approx(40 - beats_mm(46.0), abs=0.4)
    assert page.is_print.mean() < 0.02


def test_specks_of_a_copy_are_no_print():
    """Black and white, with as many specks as the real pages that have any."""
    is_few = page_with([30, 55, 80]).ink > 0.33
    image = paper("none")
    x = np.arange(0, 250, 0.1)
    for y in (30, 55, 80):
        line(image, X0_MM + x, y - beats_mm(x))
    rng = np.random.default_rng(0)
    n_specks = round(20 * WIDTH_MM * HEIGHT_MM / 100)
    top, left = rng.integers(0, np.array(image.shape[:2])[:, None] - 3,
                             (2, n_specks))  # fmt: skip
    for k in range(n_specks):
        image[top[k] : top[k] + 2, left[k] : left[k] + 2] = 20
    page = mapped(image)
    assert page.is_print.mean() < 1.5 * is_few.mean()
    rows = find_rows(page)
    assert [row.zero_y_mm for row in rows] == pytest.approx(
        [30, 55, 80], abs=0.6
    )


@pytest.mark.parametrize("zero_y_mm", [[30], [25, 47, 69, 91], [20, 45, 90]])
def test_rows_are_found_where_their_traces_lie(zero_y_mm):
    rows = find_rows(page_with(zero_y_mm, pulse_mm=0))
    assert [row.zero_y_mm for row in rows] == pytest.approx(zero_y_mm, abs=0.6)
    for row in rows:
        assert row.x_start_mm == pytest.approx(X0_MM, abs=1)
        assert row.x_end_mm == pytest.approx(X0_MM + 250, abs=1)


def test_a_frame_and_letters_are_no_rows():
    image = paper("lines")
    line(image, np.array([5, 275]), np.array([100, 100]))
    for k in range(20):
        cv2.putText(
            image, "ECG", (60 * k + 60, 640), cv2.FONT_HERSHEY_SIMPLEX, 0.5,
            (20, 20, 20), 1,
        )  # fmt: skip
    x = np.arange(0, 250, 0.1)
    line(image, X0_MM + x, 50 - beats_mm(x))
    rows = find_rows(mapped(image))
    assert [row.zero_y_mm for row in rows] == pytest.approx([50], abs=0.6)


@pytest.mark.parametrize("grid", ["lines", "dots"])
def test_an_articles_text_around_a_figure_is_no_row(grid):
    """Black letters, and traces in grey: the letters tell no ink's darkness."""
    zero_y_mm = np.array([30, 55, 80])
    figure = picture_with(zero_y_mm, grid=grid)
    figure = (100 + 0.61 * figure).astype(np.uint8)
    text = np.full((40 * PX, WIDTH_MM * PX, 3), 255, np.uint8)
    for y_mm in range(5, 40, 5):
        cv2.putText(
            text, "the patient was admitted with chest pain; ECG " * 2,
            (9 * PX, y_mm * PX), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 3,
        )  # fmt: skip
    page = mapped(np.concatenate([text, figure, text]), 40)
    rows = find_rows(page)
    assert [row.zero_y_mm for row in rows] == pytest.approx(zero_y_mm, abs=0.6)
    top, bottom = page.y_mm(np.array(page.grid_rows) - 0.5)
    assert -6 < top <= 0 and HEIGHT_MM - 5 <= bottom < HEIGHT_MM + 6
    # What is printed there is seen, still.
    assert page.is_print[: page.grid_rows[0]].any()


@pytest.mark.parametrize("frame", [False, True])
def test_edges_of_paper_and_frames_are_no_rows(frame):
    """Paper ends unevenly on a desk; the picture has a black frame."""
    image = paper("lines")
    x = np.arange(0, 250, 0.1)
    for y in (35, 65):
        line(image, X0_MM + x, y - beats_mm(x))
    if frame:
        image[: PX // 2] = image[-PX // 2 :] = 30
        image[:, : PX // 2] = image[:, -PX // 2 :] = 30
    else:
        x = np.arange(0, WIDTH_MM, 0.1)
        edge = 98 + 1.2 * np.sin(x / 9) + 0.8 * np.sin(x / 3)
        for column, y in zip((x * PX).astype(int), edge, strict=True):
            image[round(y * PX) :, column] = 150
        line(image, x, edge)
    rows = find_rows(mapped(image))
    assert [row.zero_y_mm for row in rows] == pytest.approx([35, 65], abs=0.6)


def test_traces_reach_to_the_sides_of_the_picture():
    image = paper("lines")
    x = np.arange(0, WIDTH_MM, 0.1)
    for y in (30, 60, 90):
        line(image, x, y - beats_mm(x))
    for row in find_rows(mapped(image)):
        assert row.x_start_mm == pytest.approx(0, abs=0.6)
        assert row.x_end_mm == pytest.approx(WIDTH_MM, abs=0.6)


def test_marks_below_the_lowest_row_do_not_lengthen_it():
    image = paper("lines")
    x = np.arange(0, 240, 0.1)
    for y in (25, 50, 75):
        line(image, 25 + x, y - beats_mm(x))
    line(image, np.array([2.0, 15.0]), np.array([98.0, 98.0]))
    *_, lowest = find_rows(mapped(image))
    assert lowest.x_start_mm == pytest.approx(25, abs=1)


def test_a_row_at_the_edge_of_the_picture_is_one():
    image = paper("lines")
    x = np.arange(0, 250, 0.1)
    for y in (HEIGHT_MM - 2, 60):
        line(image, X0_MM + x, y - beats_mm(x))
    rows = find_rows(mapped(image))
    assert [row.zero_y_mm for row in rows] == pytest.approx([60, 118], abs=0.6)


def test_an_empty_grid_has_no_rows():
    assert find_rows(page_with([])) == []


def test_high_bars_alone_are_no_rows():
    image = paper("lines")
    for x_mm in range(20, 240, 30):
        line(image, np.full(2, x_mm), np.array([30, 45]))
    page = mapped(image)
    assert page.is_print.any()
    assert find_rows(page) == []


@pytest.mark.parametrize(
    ("gain", "pulse_mm", "speed"),
    [(10.0, 5.0, 25.0), (5.0, 5.0, 25.0), (20.0, 10.0, 50.0), (10, 2.5, None)],
)
def test_pulses_tell_gain_and_speed(gain, pulse_mm, speed):
    page = page_with([35, 70, 105], gain, pulse_mm)
    pulses = find_pulses(page, find_rows(page))
    assert len(pulses) == 3
    assert {pulse.side for pulse in pulses} == {"left"}
    for pulse in pulses:
        assert pulse.x_end_mm == pytest.approx(X0_MM - 1, abs=0.4)
        assert pulse.width_mm == pytest.approx(pulse_mm, abs=0.6)
        assert not pulse.is_half
    assert gain_and_speed(pulses) == (gain, speed)


@pytest.mark.parametrize("margin_grey", [None, 0, 90, 255])
def test_pages_cut_within_their_pulses_are_read_on_slides_too(margin_grey):
    """What is left of a pulse begins where the page does."""
    zero_y_mm = np.array([35, 70, 105])
    image = picture_with(zero_y_mm)[:, 9 * PX :]
    n_print_px = mapped(image).is_print.sum()
    if margin_grey is not None:
        image = np.pad(
            image, ((15 * PX,) * 2, (14 * PX,) * 2, (0, 0)),
            constant_values=margin_grey,
        )  # fmt: skip
        zero_y_mm = zero_y_mm + 15
    page = mapped(image)
    pulses = find_pulses(page, find_rows(page))
    assert [pulse.row for pulse in pulses] == [0, 1, 2]
    for pulse, y in zip(pulses, zero_y_mm, strict=True):
        assert pulse.is_half and pulse.height_mm == pytest.approx(10, abs=0.5)
        assert pulse.foot_y_mm == pytest.approx(y, abs=0.6)
    assert page.is_print.sum() == pytest.approx(n_print_px, rel=0.1)


def test_halves_of_pulses_within_a_picture_are_those_of_most_rows():
    """Rows of a page that is looked at sideways begin with some, too."""
    zero_y_mm = [20, 42, 64, 86, 108]
    image = picture_with(zero_y_mm)
    image[:, : 9 * PX] = 90
    n_halves = []
    for n_without in (0, 3):
        rows = slice(None, (zero_y_mm[n_without] - 15) * PX)
        image[rows, 9 * PX : 14 * PX] = 250
        page = mapped(image)
        pulses = find_pulses(page, find_rows(page))
        n_halves.append(sum(pulse.is_within for pulse in pulses))
    assert n_halves == [5, 0]


@pytest.mark.parametrize(("n_right", "sides"), [(4, 2), (2, 1)])
def test_pulses_stand_at_both_sides_of_most_rows_or_at_one(n_right, sides):
    """A raised ST segment looks like a pulse at the end of some rows."""
    page = page_with([25, 50, 75, 100], n_right=n_right)
    pulses = find_pulses(page, find_rows(page))
    assert len({pulse.side for pulse in pulses}) == sides
    assert sum(pulse.side == "left" for pulse in pulses) == 4


@pytest.mark.parametrize("each", [True, False])
def test_pulses_before_each_column_are_gaps(each):
    """Columns of 62.5 mm, 8 mm apart; of one row alone they are none."""
    image = paper("lines")
    zero_y_mm = [25, 55, 85]
    starts = X0_MM + 70.5 * np.arange(3)
    x = np.arange(0, 62.5, 0.1)
    for y in zero_y_mm:
        for start in starts:
            line(image, start + x, y - beats_mm(x))
            if each or start == X0_MM or y == 55:
                edges = start - np.array([6.7, 5.7, 5.7, 0.7, 0.7, 0])
                line(image, edges, y - 10 * np.array([0, 0, 1, 1, 0, 0]))
    page = mapped(image)
    pulses = find_pulses(page, find_rows(page))
    assert [pulse.side for pulse in pulses] == ["left"] * 3
    gaps = gaps_with_pulses(page, pulses)
    if not each:
        assert len(gaps) == 0
        return
    expected = [(start - 8.0, start) for start in starts[1:]]
    np.testing.assert_allclose(gaps, expected, atol=0.8)


def test_waves_before_the_ends_of_rows_are_no_pulses():
    """Raised ST segments, 5 mm high, and 12 mm of trace behind them."""
    image = paper("lines")
    x = np.arange(0, 250, 0.1)
    for y in (30, 60, 90):
        height = 5.0 * ((x > 233) & (x < 238))
        line(image, X0_MM + x, y - height)
    page = mapped(image)
    assert find_pulses(page, find_rows(page)) == []


@pytest.mark.parametrize(
    ("height_mm", "side", "is_half", "may_be"),
    [
        (10.2, "left", True, False),
        (10.2, "right", False, False),
        (5.0, "left", True, True),
        (5.0, "right", False, True),
        (5.0, "left", False, False),
        (2.5, "left", False, True),
    ],
)
def test_which_pulses_may_be_waves(height_mm, side, is_half, may_be):
    """Pictures begin within beats, and rows end with ST segments."""
    pulse = FoundPulse(0, side, 5.0, 10.0, 30.0, height_mm, 0.95, is_half)
    assert _may_be_waves(pulse) is may_be


def test_a_rare_gain_that_few_pulses_tell_is_doubtful():
    pulse = FoundPulse(0, "left", 5.0, 10.0, 30.0, 5.0, 0.95)
    assert rare_gain([pulse] * 4, 4) is None
    assert rare_gain([dataclasses.replace(pulse, height_mm=9.75)], 4) is None
    assert "1 of 4 rows" in rare_gain([pulse], 4)


def test_traces_without_pulses_have_none():
    page = page_with([35, 70], pulse_mm=0)
    assert find_pulses(page, find_rows(page)) == []
    assert gain_and_speed([]) == (None, None)


def test_traces_begin_behind_their_pulses():
    page = page_with([35, 70])
    rows = find_rows(page)
    start, end, is_cut = trace_ends(rows, find_pulses(page, rows), page)[:3]
    assert start == pytest.approx(X0_MM, abs=0.7)
    assert end == pytest.approx(X0_MM + 250, abs=0.7)
    assert not is_cut


ALL_ROWS_MM = (20, 42, 64, 86, 108)


def page_without_rows(missing):
    """A page of rows and one whose k-th are not found, k in `missing`."""
    page = page_with(ALL_ROWS_MM, pulse_mm=0)
    rows = find_rows(page)
    return page, [row for k, row in enumerate(rows) if k not in missing]


def column_of_names(leads, below_mm=-7.0):
    return [
        named(lead, X0_MM + 4.0, y + below_mm)
        for lead, y in zip(leads, ALL_ROWS_MM, strict=True)
    ]


@pytest.mark.parametrize("missing", [(2,), (1, 2), (4,)])
def test_names_tell_of_rows_that_were_not_found(missing):
    names = column_of_names(("aVR", "aVL", "aVF", "V1", "V2"))
    names += [
        named(lead, X0_MM + 130, ALL_ROWS_MM[k] - 7)
        for k, lead in ((0, "V3"), (3, "V6"))
    ]
    page, rows = page_without_rows(missing)
    found = with_named_rows(page, rows, Names(names))
    assert [row.zero_y_mm for row in found] == pytest.approx(
        ALL_ROWS_MM, abs=1.5
    )
    added = [row for row in found if row not in rows]
    assert len(added) == len(missing)
    assert added[0].x_start_mm == pytest.approx(X0_MM, abs=1)
    assert added[0].x_end_mm == pytest.approx(X0_MM + 250, abs=1)


def test_names_of_strips_and_of_headers_tell_of_no_row():
    """A strip's name stands higher on some pages, and names a lead again."""
    page, rows = page_without_rows((3,))
    leads = ("aVR", "II", "aVF", "II", "V2")
    names = [*column_of_names(leads), named("V4", X0_MM + 60, ALL_ROWS_MM[3])]
    assert with_named_rows(page, rows, Names(names)) == rows
    # Two names beside rows are too few.
    few = [named("V1", X0_MM, y) for y in ALL_ROWS_MM[:2]]
    few.append(named("V3", X0_MM, ALL_ROWS_MM[3]))
    assert with_named_rows(page, rows, Names(few)) == rows
    assert with_named_rows(page, [], Names(names)) == []


def test_a_row_has_its_pulse_where_most_have_theirs():
    """Its ink was taken to begin later, as another row's crosses it."""
    page = page_with(ALL_ROWS_MM)
    rows = find_rows(page)
    late = dataclasses.replace(rows[2], x_start_mm=X0_MM + 40)
    pulses = find_pulses(page, [*rows[:2], late, *rows[3:]])
    assert [pulse.row for pulse in pulses] == [0, 1, 2, 3, 4]
    assert pulses[2].foot_y_mm == pytest.approx(ALL_ROWS_MM[2], abs=0.6)
    # A line of letters near a row does not have that row's.
    letters = dataclasses.replace(late, zero_y_mm=ALL_ROWS_MM[2] + 6)
    pulses = find_pulses(page, [*rows[:3], letters, *rows[3:]])
    assert [pulse.row for pulse in pulses] == [0, 1, 2, 4, 5]
