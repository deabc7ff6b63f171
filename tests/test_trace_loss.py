"""The row network's loss: cross-entropy of distributions."""

import numpy as np
import pytest

from ecg_keras.page.row_images import (
    REACH_MV,
)
from ecg_keras.training.losses import TraceLoss, trace_entropy, trace_snr_db
from tests.arrays import compiled, gaussian_logits, to_numpy, to_tensor

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)
BIN_MV = 0.025  # at 0 mV


def test_the_entropy_is_least_where_the_target_is():
    level = np.array([[0.4, -0.7, np.nan]])
    right = gaussian_logits(np.nan_to_num(level), 0.8 * BIN_MV)
    wrong = gaussian_logits(np.nan_to_num(level) + 0.1, 0.8 * BIN_MV)
    entropy = compiled(lambda *tensors: trace_entropy(*tensors, 0.8))
    low, high = (
        to_numpy(entropy(to_tensor(level), to_tensor(x)))[0]
        for x in (right, wrong)
    )
    # The entropy of the target itself: a Gaussian's, in bins.
    assert low == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 0.64), abs=0.01)
    assert high > low + 1


def test_what_leaves_the_strip_is_not_judged():
    level = np.array([[0.4, 1.01 * REACH_MV]])
    alone = np.array([[0.4, np.nan]])
    logits = to_tensor(gaussian_logits(np.array([[0.3, 0.0]]), 0.03))
    loss = compiled(TraceLoss().call)
    one, two = (to_numpy(loss(to_tensor(x), logits)) for x in (level, alone))
    np.testing.assert_allclose(one, two)
    snr_db = compiled(trace_snr_db)(to_tensor(level), logits)
    assert np.isfinite(to_numpy(snr_db)).all()
