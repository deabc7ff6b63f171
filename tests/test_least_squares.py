"""Weighted least squares against NumPy's."""

import numpy as np

from ecg_keras.models.registration.least_squares import least_squares
from tests.arrays import to_numpy, to_tensor


def test_least_squares_are_those_of_numpy():
    rng = np.random.default_rng(0)
    basis, values = rng.normal(size=(2, 300, 60)), rng.normal(size=(2, 300, 2))
    basis *= 10 ** rng.uniform(-2, 2, 60)
    weight = rng.random((2, 300))
    found = to_numpy(
        least_squares(
            to_tensor(basis),
            to_tensor(values),
            to_tensor(weight),
            np.zeros((60, 60)),
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
