"""Losses against NumPy in float64; for other backends see test_backends."""

import keras
import numpy as np
import pytest
from keras import ops

from ecg_keras.training.losses import SignalLoss, mse, snr_db


def numpy_loss(target, found, mse_weight=0.5, snr_weight=0.5):
    """The definition of `SignalLoss`, record by record, in float64."""
    values = []
    for true, predicted in zip(target, found, strict=True):
        error = (predicted - true)[np.isfinite(true)]
        decibels = []
        for lead, guess in zip(true, predicted, strict=True):
            shown = np.isfinite(lead)
            if shown.any():
                signal = np.mean(lead[shown] ** 2) + 1e-8
                noise = np.mean((lead - guess)[shown] ** 2) + 1e-8
                decibels.append(10 * np.log10(signal / noise))
        values.append(
            mse_weight * np.mean(error**2) - snr_weight * np.mean(decibels)
        )
    return np.mean(values)


@pytest.fixture
def batch():
    """Targets (3, 4, 50), partly not printed, and predictions."""
    rng = np.random.default_rng(0)
    target, found = rng.normal(size=(2, 3, 4, 50))
    target[0, 1, 20:] = np.nan
    target[1, 2] = np.nan
    return target, found


def test_the_loss_is_that_of_the_definition(batch):
    target, found = batch
    for weights in ((0.5, 0.5), (2.0, 0.0), (0.0, 3.0)):
        value = float(SignalLoss(*weights)(target, found))
        assert value == pytest.approx(numpy_loss(*batch, *weights), rel=1e-5)


def test_what_is_not_printed_changes_nothing(batch):
    target, found = batch
    value = float(SignalLoss()(target, found))
    found[np.isnan(target)] = 1e6
    assert float(SignalLoss()(target, found)) == pytest.approx(value)


def test_snr_of_a_prediction_of_zero_is_zero(batch):
    target, found = batch
    np.testing.assert_allclose(
        ops.convert_to_numpy(snr_db(target, 0 * found)), 0, atol=1e-5
    )


def test_snr_of_a_tenth_of_the_signal_as_noise_is_20_db():
    target = np.random.default_rng(0).normal(size=(1, 2, 900))
    found = target * [[[0.9], [1.1]]]
    assert float(snr_db(target, found)[0]) == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_flat_leads_and_perfect_predictions_give_finite_losses(dtype):
    target = np.zeros((2, 3, 40), "float32")
    target[1, 0] = np.nan
    flat = ops.zeros((2, 3, 40), dtype)
    huge = ops.full((2, 3, 40), 300.0, dtype)
    for found in (flat, huge):
        value = SignalLoss()(target, found)
        assert np.isfinite(float(value))
        assert keras.backend.standardize_dtype(value.dtype) == "float32"


def test_a_record_of_which_nothing_is_printed_counts_nothing():
    target = np.full((1, 12, 30), np.nan, "float32")
    found = np.ones((1, 12, 30), "float32")
    assert float(mse(target, found)[0]) == 0
    assert float(snr_db(target, found)[0]) == 0


def test_shapes_are_never_broadcast():
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(2, 1, 4\)"):
        mse(np.zeros((2, 3, 4)), np.zeros((2, 1, 4)))


def test_the_loss_is_saved_with_its_weights():
    saved = keras.losses.serialize(SignalLoss(0.2, 0.8))
    loaded = keras.losses.deserialize(saved)
    assert (loaded.mse_weight, loaded.snr_weight) == (0.2, 0.8)
