"""Losses on signals: MSE, SNR, and their sum.

Targets (B, 12, 5000) hold NaN where the page prints nothing. They are cleaned
before any arithmetic: a NaN that is masked out afterwards still comes back
through the gradient.
"""

import math

import keras
from keras import ops

# Mean powers below (0.1 uV)^2 count as that: keeps the logarithm finite for
# flat leads and perfect predictions, and changes a usual SNR by less than
# 0.001 dB up to about 30 dB.
POWER_FLOOR_MV2 = 1e-8


def split_target(y_true, y_pred):
    """Separate what is printed from what is not.

    Args:
        y_true: (B, L, T) mV, NaN where nothing is printed.
        y_pred: (B, L, T) mV, any float type.

    Returns:
        (signal, error, printed), each (B, L, T) float32; signal and error are
        0 where nothing is printed.

    Raises:
        ValueError: the shapes differ.
    """
    y_true = ops.cast(y_true, "float32")
    y_pred = ops.cast(y_pred, "float32")
    if tuple(y_true.shape) != tuple(y_pred.shape):
        raise ValueError(
            "Expected `y_true` and `y_pred` of one shape. Received: "
            f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}"
        )
    printed = ops.logical_not(ops.isnan(y_true))
    signal = ops.where(printed, y_true, ops.zeros_like(y_true))
    mask = ops.cast(printed, "float32")
    return signal, (y_pred - signal) * mask, mask


def mse(y_true, y_pred):
    """Mean squared error of each record over what is printed.

    Args:
        y_true, y_pred: see `split_target`.

    Returns:
        (B,) mV^2; 0 for a record of which nothing is printed.
    """
    _, error, printed = split_target(y_true, y_pred)
    total = ops.sum(ops.square(error), axis=(1, 2))
    return total / ops.maximum(ops.sum(printed, axis=(1, 2)), 1.0)


def snr_db(y_true, y_pred):
    """Signal-to-noise ratio of each record, averaged over its leads.

    SNR of a lead = 10 log10(sum signal^2 / sum error^2), over what is printed.
    Deviation: both powers are means with a floor of `POWER_FLOOR_MV2` added.

    Args:
        y_true, y_pred: see `split_target`.

    Returns:
        (B,) dB, the mean over the leads that are printed; 0 for a record of
        which nothing is printed.
    """
    signal, error, printed = split_target(y_true, y_pred)
    count = ops.sum(printed, axis=2)
    samples = ops.maximum(count, 1.0)
    signal_power = ops.sum(ops.square(signal), axis=2) / samples
    noise_power = ops.sum(ops.square(error), axis=2) / samples
    ratio_db = (10.0 / math.log(10.0)) * (
        ops.log(signal_power + POWER_FLOOR_MV2)
        - ops.log(noise_power + POWER_FLOOR_MV2)
    )
    shown = ops.cast(count > 0, "float32")
    n_leads = ops.maximum(ops.sum(shown, axis=1), 1.0)
    return ops.sum(ratio_db * shown, axis=1) / n_leads


@keras.saving.register_keras_serializable(package="ecg_keras")
class SignalLoss(keras.losses.Loss):
    """mse_weight x MSE (mV^2) + snr_weight x (-SNR in dB).

    Args:
        mse_weight: weight of `mse`.
        snr_weight: weight of the negative of `snr_db`.
    """

    def __init__(
        self, mse_weight=0.5, snr_weight=0.5, name="signal_loss", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.mse_weight = mse_weight
        self.snr_weight = snr_weight

    def call(self, y_true, y_pred):
        squared = self.mse_weight * mse(y_true, y_pred)
        return squared - self.snr_weight * snr_db(y_true, y_pred)

    def get_config(self):
        weights = {"mse_weight": self.mse_weight, "snr_weight": self.snr_weight}
        return {**super().get_config(), **weights}
