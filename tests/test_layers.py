"""What several models are built of."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from ecg_keras.models.layers import AddCoordinates, sample
from tests.arrays import to_numpy, to_tensor

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


def test_sampling_is_bilinear():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 40, 50, 3)).astype(np.float32)
    x, y = rng.uniform(-3, 53, (1, 500)), rng.uniform(-3, 43, (1, 500))
    found = to_numpy(sample(to_tensor(image), to_tensor(x), to_tensor(y)))[0]
    expected = [
        map_coordinates(
            channel, [y[0] - 0.5, x[0] - 0.5], order=1, mode="grid-constant"
        )
        for channel in np.moveaxis(image[0].astype(float), -1, 0)
    ]
    np.testing.assert_allclose(found, np.stack(expected, -1), atol=2e-3)


def test_coordinates_are_added_as_channels():
    image = np.zeros((2, 4, 5, 3), np.float32)
    right_down = to_numpy(AddCoordinates((2, 1))(image))
    assert right_down.shape == (2, 4, 5, 5)
    np.testing.assert_allclose(
        right_down[1, 3, :, 3], [-0.8, -0.4, 0, 0.4, 0.8], atol=1e-6
    )
    np.testing.assert_allclose(
        right_down[1, :, 2, 4], [-0.75, -0.25, 0.25, 0.75]
    )
    down = to_numpy(AddCoordinates((1,), unit=8, centre=0)(image))
    np.testing.assert_allclose(down[0, :, 0, 3], [-0.25, -0.125, 0, 0.125])
