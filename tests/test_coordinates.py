"""Coordinates of pages and pictures, by hand."""

import numpy as np

from ecg_keras.page.coordinates import (
    corner_px,
    half_widths,
    lattice,
    pixels_from_middle_px,
)


def test_the_corners_of_a_page_in_half_widths():
    corners = np.array([[0, 0], [2200, 0], [1100, 850]])
    found = half_widths(corners)
    np.testing.assert_allclose(found, [[-1, -17 / 22], [1, -17 / 22], [0, 0]])
    np.testing.assert_allclose(corner_px(found), corners, atol=1e-3)


def test_pixel_centres_of_a_shrunk_picture():
    x, y = pixels_from_middle_px(8)
    # 1700 px are 212.5 pixels: the last one is cut.
    assert x.shape == (275,) and y.shape == (213,)
    assert x[0] == 4 - 1100 and y[0] == 4 - 850 and y[-1] == 1700 - 850
    np.testing.assert_array_equal(
        pixels_from_middle_px()[0], np.arange(2200) - 1099.5
    )


def test_a_lattice_goes_row_by_row():
    found = lattice(np.array([1, 2, 3]), np.array([10, 20]))
    assert found.tolist()[:4] == [[1, 10], [2, 10], [3, 10], [1, 20]]
