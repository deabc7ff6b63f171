"""Losses on signals: MSE, SNR, and their sum.

Targets (B, 12, 5000) hold NaN where the page prints nothing. They are cleaned
before any arithmetic: a NaN that is masked out afterwards still comes back
through the gradient.
"""

import math

import keras
from keras import ops

from ecg_keras.models.reading.decoding import TAUGHT_BINS, read_out
from ecg_keras.page.row_images import (
    N_BINS,
    PIXELS_PER_BIN,
    REACH_MV,
    mv_pixels,
)

# Mean powers below (0.1 uV)^2 count as that: keeps the logarithm finite for
# flat leads and perfect predictions, and changes a usual SNR by less than
# 0.001 dB up to about 30 dB.
POWER_FLOOR_MV2 = 1e-8
# The logarithm of an uncertainty in boxes of 5 mm that says nothing.
UNSURE = 3.0


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


@keras.saving.register_keras_serializable(package="ecg_keras")
class TraceLoss(keras.losses.Loss):
    """`SignalLoss` of the traces, and cross-entropy of their distributions.

    Targets are (B, T) mV with NaN where there is no trace; predictions are
    logits (B, N_BINS, T). Voltages beyond the strip are left out: no answer
    would be right.

    Args:
        mse_weight, snr_weight: see `SignalLoss`; each strip is a record of one
            lead.
        trace_weight: weight of the cross-entropy to a Gaussian over the bins,
            in nats.
        target_bins: the Gaussian's deviation.
    """

    def __init__(
        self,
        mse_weight=0.5,
        snr_weight=0.5,
        trace_weight=10.0,
        target_bins=TAUGHT_BINS,
        name="trace_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.mse_weight = mse_weight
        self.snr_weight = snr_weight
        self.trace_weight = trace_weight
        self.target_bins = target_bins

    def call(self, y_true, y_pred):
        y_true = within_strip(y_true)
        found, _ = read_out(y_pred)
        signal = SignalLoss(self.mse_weight, self.snr_weight).call(
            y_true[:, None], found[:, None]
        )
        if not self.trace_weight:
            return signal
        entropy = trace_entropy(y_true, y_pred, self.target_bins)
        return signal + self.trace_weight * entropy

    def get_config(self):
        own = {
            "mse_weight": self.mse_weight,
            "snr_weight": self.snr_weight,
            "trace_weight": self.trace_weight,
            "target_bins": self.target_bins,
        }
        return {**super().get_config(), **own}


def within_strip(y_true):
    """Traces (B, T) mV with NaN where they leave the strip."""
    y_true = ops.cast(y_true, "float32")
    # A comparison with NaN is false, which keeps NaN.
    outside = ops.abs(y_true) > REACH_MV
    return ops.where(outside, ops.full_like(y_true, math.nan), y_true)


def trace_entropy(y_true, y_pred, target_bins):
    """Cross-entropy of distributions to Gaussians around the true trace.

    Args:
        y_true: (B, T) mV, NaN where there is no trace.
        y_pred: logits (B, N_BINS, T).
        target_bins: deviation of the Gaussian, in bins.

    Returns:
        (B,) nats, the mean over the trace; 0 for a strip without one.
    """
    known = ops.logical_not(ops.isnan(y_true))
    level = ops.where(known, y_true, ops.zeros_like(y_true))
    level = (mv_pixels(level, ops.arcsinh) + 0.5) / PIXELS_PER_BIN - 0.5
    bins = ops.arange(N_BINS, dtype="float32")[None, :, None]
    distance = (bins - level[:, None]) / target_bins
    target = ops.softmax(-0.5 * ops.square(distance), axis=1)
    share = ops.log_softmax(ops.cast(y_pred, "float32"), axis=1)
    entropy = -ops.sum(target * share, axis=1)
    known = ops.cast(known, "float32")
    count = ops.maximum(ops.sum(known, axis=1), 1.0)
    return ops.sum(entropy * known, axis=1) / count


@keras.saving.register_keras_serializable(package="ecg_keras")
def trace_snr_db(y_true, y_pred):
    """`snr_db` of strips: (B, T) mV and logits (B, N_BINS, T) to (B,) dB."""
    found, _ = read_out(y_pred)
    return snr_db(within_strip(y_true)[:, None], found[:, None])


@keras.saving.register_keras_serializable(package="ecg_keras")
class FrameLoss(keras.losses.Loss):
    """Of the frame network: where cells lie, how sure, and the layout.

    Laplace's negative log likelihood of the cells' places, |d| / b + log b in
    boxes of 5 mm, and the binary cross-entropy of the layout. Cells that show
    no page should be unsure: log b of `UNSURE` or more.

    Args:
        layout_weight: weight of the latter.
    """

    def __init__(self, layout_weight=1.0, name="frame_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.layout_weight = layout_weight

    def call(self, y_true, y_pred):
        known = ops.logical_not(ops.isnan(y_true[..., 0]))
        place = ops.where(
            known[..., None], y_true[..., :2], ops.zeros_like(y_true[..., :2])
        )
        known = ops.cast(known, "float32")
        log_b = ops.clip(y_pred[..., 2], -6.0, 6.0)
        distance = ops.sum(ops.abs(y_pred[..., :2] - place), axis=-1)
        nll = (distance * ops.exp(-log_b) + 2 * log_b) * known
        count = ops.maximum(ops.sum(known, axis=(1, 2)), 1.0)
        logit = y_pred[:, 0, 0, 3]
        layout = ops.softplus(logit) - y_true[:, 0, 0, 2] * logit
        nll = ops.sum(nll, axis=(1, 2)) / count
        # Where no page is, nothing else would hold the uncertainty.
        sure = ops.mean(ops.relu(UNSURE - log_b) * (1 - known), axis=(1, 2))
        return nll + sure + self.layout_weight * layout

    def get_config(self):
        return {**super().get_config(), "layout_weight": self.layout_weight}
