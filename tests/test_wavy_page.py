"""Where a wavy page lies exactly, on pictures drawn here."""

import dataclasses

import cv2
import numpy as np
import pytest

from ecg_keras.data.cell_batches import cell_targets
from ecg_keras.drawing.image_types import degrade
from ecg_keras.models.registration.spline import (
    displacement_on_grid,
)
from ecg_keras.models.registration.wavy_page import find_displacement
from ecg_keras.page.coordinates import MIDDLE_PX
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from tests.arrays import compiled, to_numpy, to_tensor

LINES_X_PX, LINES_Y_PX = np.linspace(150, 2050, 8), np.linspace(500, 1640, 6)


@compiled
def _found_on_lines(straightened, cells):
    """The displacement found, right and down, on the lattice of lines."""
    return displacement_on_grid(
        find_displacement(straightened, cells),
        LINES_X_PX - MIDDLE_PX[0],
        LINES_Y_PX - MIDDLE_PX[1],
    )


@pytest.mark.slow
@pytest.mark.floor
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
    found_map = dataclasses.replace(page_map, homography=np.linalg.inv(off))
    target = cell_targets(found_map, True)
    cells = np.zeros((1, *target.shape[:2], 4), np.float32)
    cells[0, ..., :2] = np.nan_to_num(target[..., :2])
    cells[0, ..., :2] += rng.normal(0, 0.15, cells[0, ..., :2].shape)
    cells[0, ..., 2] = np.where(np.isnan(target[..., 0]), 3.0, -1.5)
    right, down = (
        to_numpy(shift)[0]
        for shift in _found_on_lines(
            to_tensor(straightened[None]), to_tensor(cells)
        )
    )
    lines = np.stack(np.meshgrid(LINES_X_PX, LINES_Y_PX), axis=-1)
    error_px = lines + np.stack([right, down], -1) - found_map.to_picture(lines)
    assert np.median(np.abs(error_px)) < 0.15
    # No line of the grid is taken for its neighbour, not even below a stain.
    assert np.abs(error_px).max() < 3.0
