"""What several models are built of."""

import numpy as np
import pytest
from keras import ops
from scipy.ndimage import map_coordinates

from ecg_keras.models.layers import sample

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


def _numpy(x):
    return ops.convert_to_numpy(x)


def _tensor(x):
    return ops.convert_to_tensor(np.asarray(x, np.float32))


def test_sampling_is_bilinear():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 40, 50, 3)).astype(np.float32)
    x, y = rng.uniform(-3, 53, (1, 500)), rng.uniform(-3, 43, (1, 500))
    found = _numpy(sample(_tensor(image), _tensor(x), _tensor(y)))[0]
    expected = [
        map_coordinates(
            channel, [y[0] - 0.5, x[0] - 0.5], order=1, mode="grid-constant"
        )
        for channel in np.moveaxis(image[0].astype(float), -1, 0)
    ]
    np.testing.assert_allclose(found, np.stack(expected, -1), atol=2e-3)
