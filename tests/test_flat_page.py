"""Where a flat page lies: each step against exact answers."""

import numpy as np
import pytest

from ecg_keras.drawing.image_types import degrade
from ecg_keras.models.registration.flat_page import (
    fit_affine,
    refine,
    to_picture,
)
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.coordinates import HALF_WIDTH_PX
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from tests.arrays import compiled, to_numpy, to_tensor

RATE_HZ = 500
pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


def test_an_affine_map_is_found_from_cells():
    affine = np.array([[0.97, 0.02, 12.0], [-0.02, 0.98, -7.0]])
    middle = np.array([PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2])
    centres = cell_centres_px()
    picture = centres - middle
    pages = (picture - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    cells = np.zeros((1, *centres.shape[:2], 4), np.float32)
    cells[0, ..., :2] = (pages - picture) / UNIT_PX
    # A cell that is wrong and says so.
    cells[0, 3, 3] = (4.0, -4.0, 5.0, 0.0)
    found = to_numpy(fit_affine(to_tensor(cells)))[0]
    np.testing.assert_allclose(found[:2, :2], affine[:, :2], atol=2e-4)
    shift_px = found[:2, 2] * HALF_WIDTH_PX
    np.testing.assert_allclose(shift_px, affine[:, 2], atol=0.1)
    np.testing.assert_array_equal(found[2], [0, 0, 1])


LINES_X_PX, LINES_Y_PX = np.linspace(150, 2050, 8), np.linspace(450, 1600, 6)


@compiled
def _refined_on_lines(image, affine):
    """Where the picture has the lattice of lines, after `refine`."""
    return to_picture(*refine(image, affine), LINES_X_PX, LINES_Y_PX)


@pytest.mark.slow
@pytest.mark.floor
@pytest.mark.parametrize("kind", ["0001", "0003", "0012"])
def test_the_grid_corrects_a_frame_that_is_some_px_off(page, kind):
    size = PAGE_HEIGHT_PX, PAGE_WIDTH_PX
    picture, page_map = degrade(page, kind, np.random.default_rng(10), size)
    assert not len(page_map.slips)  # A cubic follows none.
    middle = np.array([PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2])
    grid = np.stack(np.meshgrid(LINES_X_PX, LINES_Y_PX), axis=-1)
    grid = grid.reshape(-1, 2)
    true = page_map.to_picture(grid)
    basis = np.column_stack([grid - middle, np.ones(len(grid))])
    affine = np.linalg.lstsq(basis, true - middle, rcond=None)[0].T
    affine += [[0.002, -0.001, 6.0], [0.001, 0.002, -9.0]]
    affine[:, 2] /= HALF_WIDTH_PX
    affine = to_tensor([[*affine, (0, 0, 1)]])
    x, y = _refined_on_lines(to_tensor(picture[None]), affine)
    error = np.stack([to_numpy(x).ravel(), to_numpy(y).ravel()], -1) - true
    # Waves of the sheet that no cubic follows remain.
    assert np.median(np.abs(error)) < 0.3
