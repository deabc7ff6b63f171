"""Finding the page: each step against exact answers."""

import cv2
import numpy as np
import pytest
from keras import ops

from ecg_keras.data.cell_batches import cell_targets
from ecg_keras.drawing.clean_page import render_page
from ecg_keras.drawing.image_types import degrade
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.models.registration.homography import (
    HALF_PX,
    MIDDLE_PX,
    fit_homography,
)
from ecg_keras.models.registration.least_squares import least_squares
from ecg_keras.models.registration.spline import bend_at, bend_on_grid, fit_bend
from ecg_keras.models.registration.wavy_page import find_bend, flat_to_picture
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

RATE_HZ = 500
LINES_X_PX, LINES_Y_PX = np.linspace(150, 2050, 8), np.linspace(500, 1640, 6)


def _numpy(x):
    return ops.convert_to_numpy(x)


def _tensor(x):
    return ops.convert_to_tensor(np.asarray(x, np.float32))


@pytest.fixture(scope="module")
def page():
    signals_mv = simulate(np.random.default_rng(11))
    return render_page(from_grid(signals_mv, RATE_HZ), RATE_HZ)


def test_least_squares_are_those_of_numpy():
    rng = np.random.default_rng(0)
    basis, values = rng.normal(size=(2, 300, 60)), rng.normal(size=(2, 300, 2))
    basis *= 10 ** rng.uniform(-2, 2, 60)
    weight = rng.random((2, 300))
    found = _numpy(
        least_squares(
            _tensor(basis), _tensor(values), _tensor(weight), np.zeros((60, 60))
        )
    )
    root = np.sqrt(weight)[..., None]
    for index in range(2):
        expected = np.linalg.lstsq(
            (root * basis)[index], (root * values)[index], rcond=None
        )[0]
        np.testing.assert_allclose(
            basis[index] @ found[index], basis[index] @ expected, atol=1e-4
        )


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_homography_is_found_from_cells(turn):
    angle = np.deg2rad(turn + 4)
    homography = np.array([
        [0.8 * np.cos(angle), -0.7 * np.sin(angle), 0.04],
        [0.8 * np.sin(angle), 0.7 * np.cos(angle), -0.03],
        [0.05, -0.04, 1.0],
    ])  # fmt: skip
    centres = cell_centres_px()
    scaled = (centres - MIDDLE_PX) / HALF_PX
    inverse = np.linalg.inv(homography)
    places = scaled @ inverse[:, :2].T + inverse[:, 2]
    pages_px = places[..., :2] / places[..., 2:] * HALF_PX + MIDDLE_PX
    cells = np.zeros((1, *centres.shape[:2], 4), np.float32)
    cells[0, ..., :2] = (pages_px - centres) / UNIT_PX
    # Cells that are wrong, and one that says so.
    cells[0, 3:6, 3:6, :2] += 8.0
    cells[0, 9, 9] = (4.0, -4.0, 5.0, 0.0)
    found = _numpy(fit_homography(_tensor(cells)))[0]
    np.testing.assert_allclose(found, homography, atol=2e-3)


def _waves_px(points):
    """A sheet's waves, px."""
    x, y = points[..., 0], points[..., 1]
    return np.stack(
        [9 * np.sin(x / 130 + y / 400), 12 * np.cos(y / 150 - x / 500)], -1
    )


def test_a_bend_follows_waves_and_is_the_same_on_a_grid():
    rng = np.random.default_rng(0)
    size = np.array([PAGE_WIDTH_PX, PAGE_HEIGHT_PX])
    points = rng.uniform(-size / 2, size / 2, (1, 900, 2))
    weight = np.ones((1, 900))
    bend = fit_bend(
        *(_tensor(x) for x in (points, _waves_px(points), weight)), 0.01
    )
    x, y = LINES_X_PX - size[0] / 2, LINES_Y_PX - size[1] / 2
    places = np.stack(np.meshgrid(x, y), axis=-1)
    found = np.stack([_numpy(s)[0] for s in bend_on_grid(bend, x, y)], -1)
    np.testing.assert_allclose(found, _waves_px(places), atol=0.6)
    alone = _numpy(bend_at(bend, _tensor(places.reshape(1, -1, 2))))
    np.testing.assert_allclose(alone[0], found.reshape(-1, 2), atol=1e-4)


@pytest.mark.parametrize("kind", ["0001", "0003", "0005", "0009", "0012"])
def test_the_grid_corrects_what_the_network_is_off(page, kind):
    """A picture straightened badly, with cells that are off by some px."""
    rng = np.random.default_rng(9)
    size = PAGE_HEIGHT_PX, PAGE_WIDTH_PX
    picture, page_map = degrade(page, kind, rng, size)
    off = np.array([[1.003, -0.002, 7.0], [0.002, 0.998, -9.0], [0, 0, 1]])
    straighten = off @ page_map.homography
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    straightened = cv2.warpPerspective(
        picture, np.linalg.inv(centre) @ straighten @ centre, size[::-1]
    )
    found_map = PageMap(np.linalg.inv(off), page_map.waves)
    target = cell_targets(found_map, True)
    cells = np.zeros((1, *target.shape[:2], 4), np.float32)
    cells[0, ..., :2] = np.nan_to_num(target[..., :2])
    cells[0, ..., :2] += rng.normal(0, 0.15, cells[0, ..., :2].shape)
    cells[0, ..., 2] = np.where(np.isnan(target[..., 0]), 3.0, -1.5)
    bend = find_bend(_tensor(straightened[None]), _tensor(cells))
    right, down = (
        _numpy(shift)[0]
        for shift in bend_on_grid(
            bend, LINES_X_PX - MIDDLE_PX[0], LINES_Y_PX - MIDDLE_PX[1]
        )
    )
    lines = np.stack(np.meshgrid(LINES_X_PX, LINES_Y_PX), axis=-1)
    error_px = lines + np.stack([right, down], -1) - found_map.to_picture(lines)
    assert np.median(np.abs(error_px)) < 0.15
    # No line of the grid is taken for its neighbour, not even below a stain.
    assert np.abs(error_px).max() < 3.0


def test_a_homography_puts_the_page_where_it_is():
    homography = np.array([[0.0, -0.7, 0.1], [0.8, 0.0, 0.0], [0.1, 0.0, 1.0]])
    x, y = np.array([[[-300.0, 500.0]]]), np.array([[[-200.0], [0.0], [90.0]]])
    found = flat_to_picture(_tensor(homography[None]), _tensor(x), _tensor(y))
    points = np.stack(np.broadcast_arrays(x, y, HALF_PX), axis=-1)
    u, v, w = np.moveaxis(points @ homography.T, -1, 0)
    expected = u / w * HALF_PX + MIDDLE_PX[0], v / w * HALF_PX + MIDDLE_PX[1]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(_numpy(one), other, rtol=1e-5)
