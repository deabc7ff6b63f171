"""Losses on signals: MSE, SNR, and their sum.

Targets (B, 12, 5000) hold NaN where the page prints nothing. They are cleaned
before any arithmetic: a NaN that is masked out afterwards still comes back
through the gradient.
"""

import math

import keras
from keras import ops

from ecg_keras.models.reading.decoding import TARGET_STD_BINS, soft_argmax
from ecg_keras.models.registration.homography import clipped_log_b
from ecg_keras.page.cells import layout_label, layout_logit
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
# Log b, b in boxes of 5 mm, that a cell beyond the page should have at least:
# exp(3) = 20 boxes are half a page, as far off as a guess.
LOG_SCALE_OF_A_GUESS = 3.0


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
    logits (B, N_BINS, T). Voltages beyond the row image are left out: no bin
    stands for them.

    Args:
        mse_weight, snr_weight: see `SignalLoss`; each row image counts as a
            record of one lead.
        trace_weight: weight of the cross-entropy to a Gaussian over the bins,
            in nats.
        target_bins: the Gaussian's standard deviation, in bins.
    """

    def __init__(
        self,
        mse_weight=0.5,
        snr_weight=0.5,
        trace_weight=10.0,
        target_bins=TARGET_STD_BINS,
        name="trace_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.mse_weight = mse_weight
        self.snr_weight = snr_weight
        self.trace_weight = trace_weight
        self.target_bins = target_bins

    def call(self, y_true, y_pred):
        y_true = within_row(y_true)
        found, _ = soft_argmax(y_pred)
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


def within_row(y_true):
    """Traces (B, T) mV with NaN where they leave the row image."""
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
        (B,) nats, the mean over the trace; 0 for a row image without one.
    """
    known = ops.logical_not(ops.isnan(y_true))
    level = ops.where(known, y_true, ops.zeros_like(y_true))
    level = (mv_pixels(level, ops.arcsinh) + 0.5) / PIXELS_PER_BIN - 0.5
    bins = ops.arange(N_BINS, dtype="float32")[None, :, None]
    distance = (bins - level[:, None]) / target_bins
    target = ops.softmax(-0.5 * ops.square(distance), axis=1)
    log_found = ops.log_softmax(ops.cast(y_pred, "float32"), axis=1)
    entropy = -ops.sum(target * log_found, axis=1)
    known = ops.cast(known, "float32")
    count = ops.maximum(ops.sum(known, axis=1), 1.0)
    return ops.sum(entropy * known, axis=1) / count


@keras.saving.register_keras_serializable(package="ecg_keras")
def trace_snr_db(y_true, y_pred):
    """`snr_db` of row images: (B, T) mV, logits (B, N_BINS, T) to (B,) dB."""
    found, _ = soft_argmax(y_pred)
    return snr_db(within_row(y_true)[:, None], found[:, None])


@keras.saving.register_keras_serializable(package="ecg_keras")
class FrameLoss(keras.losses.Loss):
    """Loss of a registration network: page points, their scale b, the layout.

    The Laplace distribution's negative log likelihood of the cells' page
    points, |d| / b + log b in boxes of 5 mm, plus the binary cross-entropy of
    the layout. For cells beyond the page, a hinge asks for log b of
    `LOG_SCALE_OF_A_GUESS` or more: the likelihood has no term for them.

    Args:
        layout_weight: weight of the cross-entropy.
    """

    def __init__(self, layout_weight=1.0, name="frame_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.layout_weight = layout_weight

    def call(self, y_true, y_pred):
        known = ops.logical_not(ops.isnan(y_true[..., 0]))
        point = ops.where(
            known[..., None], y_true[..., :2], ops.zeros_like(y_true[..., :2])
        )
        known = ops.cast(known, "float32")
        log_b = clipped_log_b(y_pred)
        distance = ops.sum(ops.abs(y_pred[..., :2] - point), axis=-1)
        nll = (distance * ops.exp(-log_b) + 2 * log_b) * known
        count = ops.maximum(ops.sum(known, axis=(1, 2)), 1.0)
        logit = layout_logit(y_pred)
        layout = ops.softplus(logit) - layout_label(y_true) * logit
        nll = ops.sum(nll, axis=(1, 2)) / count
        too_sure = ops.relu(LOG_SCALE_OF_A_GUESS - log_b) * (1 - known)
        beyond = ops.mean(too_sure, axis=(1, 2))
        return nll + beyond + self.layout_weight * layout

    def get_config(self):
        return {**super().get_config(), "layout_weight": self.layout_weight}


@keras.saving.register_keras_serializable(package="ecg_keras")
class NameLoss(keras.losses.Loss):
    """Cross-entropy of the classes of a page's cells, names counted more.

    Args:
        name_weight: of a cell in which a name has its middle; few have one.
    """

    def __init__(self, name_weight=10.0, name="name_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.name_weight = name_weight

    def call(self, y_true, y_pred):
        """Means over (H, W) of targets (B, H, W), NaN where not to be learnt.

        Args:
            y_true: numbers of classes, as floats.
            y_pred: logits (B, H, W, classes).

        Returns:
            (B,).
        """
        known = ops.logical_not(ops.isnan(y_true))
        number = ops.where(known, y_true, ops.zeros_like(y_true))
        weight = ops.where(number > 0, self.name_weight, 1.0)
        weight = weight * ops.cast(known, "float32")
        entropy = ops.sparse_categorical_crossentropy(
            ops.cast(number, "int32"), y_pred, from_logits=True
        )
        return ops.mean(weight * entropy, axis=(1, 2))

    def get_config(self):
        return {**super().get_config(), "name_weight": self.name_weight}
