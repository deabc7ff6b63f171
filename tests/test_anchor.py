"""The competition's page found on its own grid, whichever way it lies."""

import dataclasses

import numpy as np
import pytest

from ecg_keras.drawing.clean_page import Header, Style, render_page
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.page.images import resize
from ecg_keras.page.layouts import COMPETITION, OTHERS
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration.anchor import (
    GRID_X_MM,
    GRID_Y_MM,
    Anchor,
    competition_anchor,
)

PAGE_PX = np.array([[0.0, 0.0], [2200.0, 1700.0], [118.1, 708.29]])


def _drawn(layout=COMPETITION):
    signals = simulate(np.random.default_rng(3))
    table = from_grid(signals, 500, stretch=layout.stretch)
    style = Style(layout=layout)
    image = render_page(table, 500, Header(id="1"), style)
    return resize(image, 850, 1100)


def _anchor(image, quarters=0):
    # A map that counts from a crossing somewhere: 3 boxes right, 7 down.
    step = 200 / 25.4 / 2
    origin = np.array([GRID_X_MM + 15, GRID_Y_MM % 5 + 35]) * step
    matrix = [[step, 0, origin[0]], [0, step, origin[1]]]
    paper_map = PaperMap.from_homography(matrix, (-20, -40, 265, 180))
    return competition_anchor(image, paper_map.turned(quarters))


@pytest.fixture(scope="module")
def page():
    return _drawn()


@pytest.mark.parametrize("quarters", [0, 1, 2])
def test_the_page_s_corner_is_found_from_any_crossing(page, quarters):
    anchor = _anchor(page, quarters)
    np.testing.assert_allclose(
        anchor.to_picture(PAGE_PX), PAGE_PX / 2, atol=0.01
    )
    assert anchor.is_sure


@pytest.mark.parametrize("lost", ["left margin", "upper half", "stains"])
def test_the_page_is_sure_with_a_part_of_it_lost(page, lost):
    page = page.copy()
    if lost == "left margin":
        # Up to just before the pulses.
        page[:, :36] = 255
    elif lost == "upper half":
        page[:300] = 255
    else:
        page[200:330, 300:500] = 90
        page[600:700, 700:1000] = 160
    assert _anchor(page).is_sure


def test_where_pulses_are_cut_off_the_ticks_tell_all_but_the_gain(page):
    cut = page[:, 59:]
    step = 200 / 25.4 / 2
    paper_map = PaperMap.from_homography(
        [[step, 0, GRID_X_MM * step - 59], [0, step, GRID_Y_MM % 5 * step]],
        (-20, -40, 265, 180),
    )
    anchor = competition_anchor(np.ascontiguousarray(cut), paper_map)
    np.testing.assert_allclose(
        anchor.to_picture(PAGE_PX), PAGE_PX / 2 - [59, 0], atol=0.01
    )
    assert anchor.is_sure and not anchor.tells_gain


@pytest.mark.parametrize(
    ("tick", "pulse", "is_sure"),
    [(0.7, np.nan, True), (0.4, np.nan, False), (0.7, 0.0, False)],
)
def test_clear_ticks_alone_tell_a_page_that_is_cut_before_its_pulses(
    tick, pulse, is_sure
):
    anchor = Anchor(None, 0.5, (pulse,) * 3, (tick,) * 6)
    assert anchor.is_sure == is_sure
    faint = dataclasses.replace(anchor, ticks=(np.nan, *anchor.ticks[1:]))
    assert not faint.is_sure


@pytest.mark.parametrize(
    "layout",
    [
        *OTHERS,
        dataclasses.replace(COMPETITION, gain_mm_per_mv=5.0),
        dataclasses.replace(COMPETITION, gain_mm_per_mv=20.0),
        dataclasses.replace(COMPETITION, speed_mm_per_s=50.0),
        dataclasses.replace(
            COMPETITION,
            rows=COMPETITION.rows[:3],
            zero_mv_y_px=COMPETITION.zero_mv_y_px[:3],
        ),
    ],
    ids=lambda layout: (
        f"{layout.name} {layout.gain_mm_per_mv:g} mm/mV "
        f"{layout.speed_mm_per_s:g} mm/s"
    ),
)
def test_another_page_on_the_same_paper_is_not_sure(layout):
    assert not _anchor(_drawn(layout)).is_sure
