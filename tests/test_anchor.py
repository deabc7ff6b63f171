"""The competition's page found on its own grid, whichever way it lies."""

import numpy as np
import pytest

from ecg_keras.drawing.clean_page import Header, render_page
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.page.images import resize
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration.anchor import (
    GRID_X_MM,
    GRID_Y_MM,
    competition_anchor,
)

PAGE_PX = np.array([[0.0, 0.0], [2200.0, 1700.0], [118.1, 708.29]])


@pytest.fixture(scope="module")
def page():
    signals = simulate(np.random.default_rng(3))
    image = render_page(from_grid(signals, 500), 500, Header(id="1"))
    return resize(image, 850, 1100)


@pytest.mark.parametrize("quarters", [0, 1, 2])
def test_the_page_s_corner_is_found_from_any_crossing(page, quarters):
    # A map that counts from a crossing somewhere: 3 boxes right, 7 down.
    step = 200 / 25.4 / 2
    origin = np.array([GRID_X_MM + 15, GRID_Y_MM % 5 + 35]) * step
    matrix = [[step, 0, origin[0]], [0, step, origin[1]]]
    paper_map = PaperMap.from_homography(matrix, (-20, -40, 265, 180))
    turned = paper_map.turned(quarters)
    anchor = competition_anchor(page, turned)
    np.testing.assert_allclose(
        anchor.to_picture(PAGE_PX), PAGE_PX / 2, atol=0.01
    )
    assert anchor.margin > 1.0
