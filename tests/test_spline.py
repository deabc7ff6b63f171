"""P-splines of displacements against known waves."""

import numpy as np

from ecg_keras.models.registration.spline import (
    displacement_at,
    displacement_on_grid,
    fit_displacement,
)
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from tests.arrays import compiled, to_numpy, to_tensor

LINES_X_PX, LINES_Y_PX = np.linspace(150, 2050, 8), np.linspace(500, 1640, 6)


def _waves_px(points):
    """A sheet's waves, px."""
    x, y = points[..., 0], points[..., 1]
    return np.stack(
        [9 * np.sin(x / 130 + y / 400), 12 * np.cos(y / 150 - x / 500)], -1
    )


def test_a_displacement_follows_waves_and_is_the_same_on_a_grid():
    rng = np.random.default_rng(0)
    size = np.array([PAGE_WIDTH_PX, PAGE_HEIGHT_PX])
    points = rng.uniform(-size / 2, size / 2, (1, 900, 2))
    weight = np.ones((1, 900))
    x, y = LINES_X_PX - size[0] / 2, LINES_Y_PX - size[1] / 2
    places = np.stack(np.meshgrid(x, y), axis=-1)

    @compiled
    def both(points, waves_px, weight, places):
        displacement = fit_displacement(points, waves_px, weight, 0.01)
        on_grid = displacement_on_grid(displacement, x, y)
        return on_grid, displacement_at(displacement, places)

    given = points, _waves_px(points), weight, places.reshape(1, -1, 2)
    on_grid, alone = both(*(to_tensor(x) for x in given))
    found = np.stack([to_numpy(shift)[0] for shift in on_grid], -1)
    np.testing.assert_allclose(found, _waves_px(places), atol=0.6)
    np.testing.assert_allclose(
        to_numpy(alone)[0], found.reshape(-1, 2), atol=1e-4
    )
