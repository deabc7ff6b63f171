"""Weighted least squares against NumPy's."""

import numpy as np
from keras import ops

from ecg_keras.models.registration.least_squares import least_squares


def _numpy(x):
    return ops.convert_to_numpy(x)


def _tensor(x):
    return ops.convert_to_tensor(np.asarray(x, np.float32))


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
