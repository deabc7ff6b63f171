"""The network that follows a trace: a strip to a distribution for each sample.

    strip (B, 800, W, 3), 0..255 -> logits (B, 400, 2 W): for each sample, over
    the bins of voltage (`strips.bins_mv`)

A U-Net of plain convolutions, which two cores of a CPU can train. Time stays
as wide as the page prints it: the last layer answers for two samples in each
column. The cells of the lowest level are 128 ms wide and 4 mm high; dilated
blocks join all of a column there, so that a deep wave is known from that of
the row above, which ends in the same place.
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.models.architectures import ROW_FILTERS
from ecg_keras.page.row_images import (
    PIXELS_PER_BIN,
    SAMPLES_PER_COLUMN,
    STRIP_HEIGHT,
)

HEIGHT_UNIT = 240  # px of a strip
# Of the lowest level's blocks, in cells up and down; a strip has 25.
CONTEXT_DILATIONS = (1, 2, 4, 8)


@keras.saving.register_keras_serializable(package="ecg_keras")
class Height(keras.layers.Layer):
    """Adds a channel: how far below 0 mV a pixel is, in `HEIGHT_UNIT`."""

    def call(self, x):
        shape = ops.shape(x)
        ramp = (np.arange(x.shape[1]) - x.shape[1] / 2) / HEIGHT_UNIT
        ramp = ops.convert_to_tensor(ramp[None, :, None, None], x.dtype)
        ramp = ops.broadcast_to(ramp, (*shape[:3], 1))
        return ops.concatenate([x, ramp], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], input_shape[3] + 1)


@keras.saving.register_keras_serializable(package="ecg_keras")
class SubColumns(keras.layers.Layer):
    """Channels to samples: (B, bins, W, C) to (B, bins, W x C)."""

    def call(self, x):
        batch = ops.shape(x)[0]
        return ops.reshape(x, (batch, x.shape[1], -1))

    def compute_output_shape(self, input_shape):
        batch, bins, width, channels = input_shape
        return batch, bins, None if width is None else width * channels


def build_row_network(filters=ROW_FILTERS, width=None):
    """Build the network.

    Args:
        filters: channels at each scale, the finest first.
        width: columns of the strips, a multiple of `columns_multiple`; None
            for any.

    Returns:
        A functional model: `strip` (B, 800, W, 3), 0..255, to `logits`
        (B, 400, 2 W) float32.
    """
    strip = keras.Input((STRIP_HEIGHT, width, 3), name="strip")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(strip)
    x = Height()(x)
    # === Encoder ===
    x = _block(x, filters[0], "stem", kernel=5, strides=PIXELS_PER_BIN)
    skips = []
    for level, n_filters in enumerate(filters):
        if level:
            x = _block(x, n_filters, f"down_{level}", strides=2)
        x = _block(x, n_filters, f"encode_{level}")
        skips.append(x)
    x = _block(x, filters[-1], "bottom", dilation=2)
    for dilation in CONTEXT_DILATIONS:
        name = f"context_{dilation}"
        far = _block(x, filters[-1], name, dilation=(dilation, 1))
        # Zero at first: a network can be given context after it has learnt.
        far = keras.layers.Conv2D(
            filters[-1], 1, kernel_initializer="zeros", name=f"{name}_mix"
        )(far)
        x = keras.layers.Add(name=f"{name}_join")([x, far])
    # === Decoder ===
    for level in reversed(range(len(filters) - 1)):
        x = keras.layers.Conv2D(
            filters[level], 1, use_bias=False, name=f"narrow_{level}"
        )(x)
        x = keras.layers.UpSampling2D(2, name=f"up_{level}")(x)
        x = keras.layers.Add(name=f"join_{level}")([x, skips[level]])
        x = _block(x, filters[level], f"decode_{level}")
    # === Samples ===
    x = keras.layers.Conv2D(
        SAMPLES_PER_COLUMN * PIXELS_PER_BIN,
        3,
        padding="same",
        dtype="float32",
        name="samples",
    )(x)
    logits = SubColumns(dtype="float32", name="logits")(x)
    return keras.Model(strip, logits, name="row_network")


def _block(x, filters, name, kernel=3, strides=1, dilation=1):
    """Convolution, normalisation, ReLU."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=name)(x)
