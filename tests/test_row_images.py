"""Straightened rows: where their pixels come from and what they show."""

import cv2
import numpy as np
import pytest

from ecg_keras.data.augmentation import vary_light
from ecg_keras.data.pictures import (
    PAGE_BOUNDS_MM,
    Picture,
    Pictures,
    known_page,
)
from ecg_keras.data.row_batches import random_parts
from ecg_keras.drawing.clean_page import Style, render_page
from ecg_keras.drawing.image_types import degrade
from ecg_keras.ecg.leads import printed_mask
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.page.layouts import COMPETITION
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import voltage_mv
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.row_images import (
    MARGIN_SAMPLES,
    N_BINS,
    REACH_MV,
    SAMPLES_IN_STRIP,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    bins_mv,
    mv_pixels,
    pixels_mv,
    pixels_y_px,
    row_image,
)

PLAIN = Style(coarse_colour=None, fine_colour=None, names="none", ticks=False)


@pytest.fixture(scope="module")
def signals_mv():
    return simulate(np.random.default_rng(2)) * 0.5


@pytest.fixture(scope="module")
def page(signals_mv):
    return render_page(from_grid(signals_mv, 500), 500, style=PLAIN)


def _rows_mv(signals_mv):
    return np.stack(_known(signals_mv).rows_mv)


def _known(signals_mv):
    shown = np.where(printed_mask() > 0, signals_mv, np.nan)
    return known_page(COMPETITION.printed(), shown)


def test_bins_are_symmetric_and_count_downwards():
    voltages = bins_mv()
    assert voltages.shape == (N_BINS,)
    np.testing.assert_allclose(voltages, -voltages[::-1])
    middle = np.diff(voltages)[N_BINS // 2 - 1]
    np.testing.assert_allclose(middle, -0.025, rtol=1e-4)
    # Bins grow on both sides, up to the reach.
    assert (np.diff(np.abs(np.diff(voltages[: N_BINS // 2]))) < 0).all()
    assert voltages[0] < REACH_MV < 1.03 * voltages[0]


def test_voltages_and_pixels_are_each_others_inverse():
    pixels = np.linspace(0, STRIP_HEIGHT - 1, 57)
    np.testing.assert_allclose(mv_pixels(pixels_mv(pixels)), pixels)
    # By hand: 190 px from the middle, sinh(1) x 190 px of 12.5 uV.
    assert pixels_mv((STRIP_HEIGHT - 1) / 2 - 190) == pytest.approx(
        2.7911, 1e-4
    )
    for row in range(4):
        np.testing.assert_allclose(
            voltage_mv(pixels_y_px(pixels, row), row), pixels_mv(pixels)
        )


def test_rows_hold_what_is_printed(signals_mv):
    rows = _rows_mv(signals_mv)
    assert rows.shape == (4, SAMPLES_IN_STRIP)
    start, stop = MARGIN_SAMPLES, MARGIN_SAMPLES + 5000
    assert np.isfinite(rows[:, start:stop]).all()
    assert np.isnan(rows[:, :start]).all() and np.isnan(rows[:, stop:]).all()
    np.testing.assert_allclose(rows[3, start:stop], signals_mv[1], atol=1e-5)
    np.testing.assert_allclose(
        rows[0, start + 1250 : start + 2500],
        signals_mv[3, 1250:2500],
        atol=1e-5,
    )


@pytest.mark.parametrize("kind", ["0001", "0003", "0009"])
def test_a_strip_shows_its_trace_where_the_target_says(page, signals_mv, kind):
    picture, page_map = degrade(page, kind, np.random.default_rng(5))
    paper_map = PaperMap.from_page_map(
        page_map or PageMap.identity(), PAGE_BOUNDS_MM
    )
    page = _known(signals_mv)
    for row, row_mv in zip(page.layout.rows, page.rows_mv, strict=True):
        strip = row_image(picture, paper_map, row)
        assert strip.shape == (STRIP_HEIGHT, STRIP_WIDTH, 3)
        # Samples on both sides of each column's centre.
        pair = row_mv.reshape(-1, 2)
        flat = np.abs(np.diff(pair, axis=1))[:, 0] < 0.005
        y = mv_pixels(pair.mean(axis=1))
        columns = np.flatnonzero(flat & np.isfinite(y))[::7]
        grey = strip.min(axis=2).astype(float)
        near = np.arange(-6, 7)
        places = np.round(y[columns]).astype(int)[:, None] + near
        dark = grey[places, columns[:, None]]
        dark = np.clip(np.median(dark, axis=1, keepdims=True) - dark, 0, None)
        found = (dark * places).sum(axis=1) / dark.sum(axis=1)
        assert np.median(np.abs(found - y[columns])) < 0.4


def test_parts_are_a_function_of_the_position(tmp_path, page, signals_mv):
    pictures = _pictures(tmp_path, page, signals_mv)
    first = random_parts(pictures, 64, seed=1, position=5)
    again = random_parts(pictures, 64, seed=1, position=5)
    other = random_parts(pictures, 64, seed=1, position=6)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (first[0] != other[0]).any()


def test_a_shifted_part_has_a_shifted_target(tmp_path, page, signals_mv):
    """Augmentation leaves the target true: the trace is where it says."""
    pictures = _pictures(tmp_path, page, signals_mv)
    strips, targets = random_parts(pictures, 320, seed=3, position=0)
    misses = []
    for strip, target in zip(strips, targets, strict=True):
        pair = target.reshape(-1, 2)
        flat = np.abs(np.diff(pair, axis=1))[:, 0] < 0.004
        y = mv_pixels(pair.mean(axis=1))
        columns = np.flatnonzero(flat & np.isfinite(y) & (np.abs(y) < 780))
        near = np.arange(-6, 7)
        places = np.round(y[columns]).astype(int)[:, None] + near
        grey = strip.min(axis=2)[places, columns[:, None]].astype(float)
        dark = np.clip(
            np.median(grey, axis=1, keepdims=True) - grey - 20, 0, None
        )
        found = (dark * places).sum(axis=1) / (dark.sum(axis=1) + 1e-9)
        misses.append(np.median(np.abs(found - y[columns])))
    assert np.median(misses) < 0.5


def test_varying_changes_the_light_and_moves_no_trace():
    strip = np.full((64, 96, 3), (250, 235, 230), np.uint8)
    columns = np.arange(96)
    y = np.round(32 + 20 * np.sin(columns / 9)).astype(int)
    for off in (-1, 0, 1):
        strip[y + off, columns] = 40
    for seed in range(8):
        varied = vary_light(strip, np.random.default_rng(seed))
        assert varied.shape == strip.shape and varied.dtype == np.uint8
        assert np.abs(varied.astype(int) - strip).mean() > 1
        found = varied.astype(float).mean(axis=2).argmin(axis=0)
        assert np.abs(found - y).max() <= 1


def _pictures(folder, page, signals_mv):
    path = folder / "page.png"
    cv2.imwrite(str(path), page)
    return Pictures(
        sources=(Picture(str(path), None, True, 0),),
        records=(None,),
        pages=(_known(signals_mv),),
    )
