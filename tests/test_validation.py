"""Registration networks are judged by the maps that the tracers fit."""

import numpy as np
import pytest

from ecg_keras.data.cell_batches import ANY, FLAT, PLACED, cell_targets
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.page_map import PageMap
from ecg_keras.training.validation import fitted_points, map_errors_px

MIDDLE_PX = np.array([1100, 850])
AFFINE = PageMap(
    np.array([[1.02, 0.03, -30.0], [-0.02, 0.99, 10.0], [0, 0, 1.0]]),
    np.zeros((0, 5)),
)


@pytest.fixture
def cells():
    """What a perfect network says of `AFFINE`: (1, 27, 35, 4)."""
    points = AFFINE.to_page(cell_centres_px().astype(float))
    offsets = (points - cell_centres_px()) / UNIT_PX
    certain = np.zeros((27, 35, 2))
    return np.concatenate([offsets, certain], axis=-1)[None].astype(np.float32)


@pytest.mark.parametrize("pose", [FLAT, PLACED, ANY])
def test_perfect_cells_have_no_error(cells, pose):
    targets = cell_targets(AFFINE, readable=True)[None]
    assert map_errors_px(targets, cells, pose)[0] < 0.1
    page = np.array([[[200.0, 300.0], [1900.0, 1500.0]]])
    np.testing.assert_allclose(
        fitted_points(cells, page, pose), AFFINE.to_picture(page), atol=0.1
    )


def test_flat_pages_are_judged_by_the_affine_map_that_the_tracer_fits(cells):
    """It is no robust fit: against NumPy's least squares, outliers and all."""
    rng = np.random.default_rng(0)
    cells[0, 2::5, 3::7, :2] += (10, -7)  # boxes
    cells[0, ..., 2] = rng.uniform(-1, 1, (27, 35))
    centres = cell_centres_px().reshape(-1, 2)
    page = centres + cells[0].reshape(-1, 4)[:, :2] * UNIT_PX - MIDDLE_PX
    basis = np.concatenate([page, np.full((len(page), 1), 1000.0)], axis=1)
    root = np.exp(-cells[0].reshape(-1, 4)[:, 2:3])
    solution, *_ = np.linalg.lstsq(
        root * basis, root * (centres - MIDDLE_PX), rcond=None
    )
    point = np.array([[[100.0, 1600.0]]])
    expected = np.append(point - MIDDLE_PX, 1000.0) @ solution + MIDDLE_PX
    np.testing.assert_allclose(
        fitted_points(cells, point, FLAT)[0, 0], expected, atol=0.3
    )
    # The photo tracer's fit leaves the outliers aside.
    targets = cell_targets(AFFINE, readable=True)[None]
    flat, photo = (map_errors_px(targets, cells, p)[0] for p in (FLAT, PLACED))
    assert flat > 3 * photo
