"""From a distribution over voltage to a voltage, and how sure it is."""

import numpy as np
from keras import ops

from ecg_keras.strips import N_BINS, bins_mv

# Bins on each side of the most likely one that count: 0.2 mV. A full
# expectation is drawn away by far-off mass, such as a neighbour's trace.
WINDOW_BINS = 8


def read_out(logits, window_bins=WINDOW_BINS):
    """Mean and deviation of a distribution around its mode.

    Args:
        logits: (B, N_BINS, T).
        window_bins: bins on each side of the mode that count; None for all.

    Returns:
        (mean_mv, std_mv), each (B, T) float32 mV. Mass outside the window does
        not move the mean, but it counts in the deviation.
    """
    share = ops.softmax(ops.cast(logits, "float32"), axis=1)
    voltage = ops.convert_to_tensor(bins_mv())[None, :, None]
    near = share
    if window_bins is not None:
        bins = ops.convert_to_tensor(np.arange(N_BINS, dtype=np.int32))
        bins = bins[None, :, None]
        # Not by argmax: what JAX makes of that, ONNX Runtime cannot run.
        most = share >= ops.max(share, axis=1, keepdims=True)
        mode = ops.where(most, bins, ops.full_like(bins, N_BINS))
        mode = ops.min(mode, axis=1, keepdims=True)
        inside = ops.abs(bins - mode) <= window_bins
        near = share * ops.cast(inside, "float32")
    mass = ops.sum(near, axis=1)
    mean = ops.sum(near * voltage, axis=1) / mass
    variance = ops.sum(share * ops.square(voltage - mean[:, None]), axis=1)
    return mean, ops.sqrt(variance + 1e-8)
