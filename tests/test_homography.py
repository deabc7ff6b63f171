"""Homographies: fitted to cells, and applied."""

import numpy as np
import pytest

from ecg_keras.models.registration.homography import (
    apply,
    compose,
    fit_homography,
    page_to_picture_px,
)
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.coordinates import HALF_WIDTH_PX, MIDDLE_PX
from tests.arrays import to_numpy, to_tensor


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_homography_is_found_from_cells(turn):
    angle = np.deg2rad(turn + 4)
    homography = np.array([
        [0.8 * np.cos(angle), -0.7 * np.sin(angle), 0.04],
        [0.8 * np.sin(angle), 0.7 * np.cos(angle), -0.03],
        [0.05, -0.04, 1.0],
    ])  # fmt: skip
    centres = cell_centres_px()
    scaled = (centres - MIDDLE_PX) / HALF_WIDTH_PX
    inverse = np.linalg.inv(homography)
    places = scaled @ inverse[:, :2].T + inverse[:, 2]
    pages_px = places[..., :2] / places[..., 2:] * HALF_WIDTH_PX + MIDDLE_PX
    cells = np.zeros((1, *centres.shape[:2], 4), np.float32)
    cells[0, ..., :2] = (pages_px - centres) / UNIT_PX
    # Cells that are wrong, and one that says so.
    cells[0, 3:6, 3:6, :2] += 8.0
    cells[0, 9, 9] = (4.0, -4.0, 5.0, 0.0)
    found = to_numpy(fit_homography(to_tensor(cells)))[0]
    np.testing.assert_allclose(found, homography, atol=2e-3)


def test_a_homography_puts_the_page_where_it_is():
    homography = np.array([[0.0, -0.7, 0.1], [0.8, 0.0, 0.0], [0.1, 0.0, 1.0]])
    x, y = np.array([[[-300.0, 500.0]]]), np.array([[[-200.0], [0.0], [90.0]]])
    found = page_to_picture_px(
        to_tensor(homography[None]), to_tensor(x), to_tensor(y)
    )
    points = np.stack(np.broadcast_arrays(x, y, HALF_WIDTH_PX), axis=-1)
    u, v, w = np.moveaxis(points @ homography.T, -1, 0)
    expected = (
        u / w * HALF_WIDTH_PX + MIDDLE_PX[0],
        v / w * HALF_WIDTH_PX + MIDDLE_PX[1],
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_numpy(one), other, rtol=1e-5)


def test_a_composed_homography_applies_the_inner_one_first():
    rng = np.random.default_rng(0)
    outer, inner = np.eye(3) + rng.uniform(-0.1, 0.1, (2, 1, 3, 3))
    x, y = rng.uniform(-1, 1, (2, 1, 5))
    one = compose(to_tensor(outer), to_tensor(inner))
    found = apply(one, to_tensor(x), to_tensor(y))
    expected = apply(
        to_tensor(outer), *apply(to_tensor(inner), to_tensor(x), to_tensor(y))
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), atol=1e-6)
    np.testing.assert_allclose(to_numpy(one)[0, 2, 2], 1)
