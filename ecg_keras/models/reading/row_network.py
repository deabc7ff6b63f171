"""The network that follows a trace: a row image to distributions of voltage.

    row image (B, 800, W, 3), 0..255 -> logits (B, 400, 2 W): for each sample,
    over the bins of voltage (`row_images.bins_mv`)

A fourth channel may tell where the page's other rows are
(`row_images.with_other_rows`).

A U-Net of plain convolutions, small enough to be trained on two cores of a CPU.
Time stays as wide as the page prints it: the last layer gives two samples for
each column. The lowest level's cells are 128 ms wide and 4 mm high; dilated
blocks join all cells of a column there. A deep wave that reaches into the row
below can so be told from a wave of that row: its upper end is in the column.
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.models.architectures import ROW_FILTERS
from ecg_keras.models.layers import AddCoordinates, conv_block
from ecg_keras.page.row_images import (
    PIXELS_PER_BIN,
    SAMPLES_PER_COLUMN,
    STRIP_HEIGHT,
)

# The name of the first block, and of its convolution.
STEM = "stem"
STEM_CONV = f"{STEM}_conv"
# px below 0 mV that a coordinate channel counts as 1.
HEIGHT_UNIT = 240
# Of the lowest level's blocks, in cells up and down; a strip has 25.
CONTEXT_DILATIONS = (1, 2, 4, 8)


@keras.saving.register_keras_serializable(package="ecg_keras")
class SubColumns(keras.layers.Layer):
    """Channels to samples: (B, bins, W, C) to (B, bins, W x C)."""

    def call(self, x):
        batch = ops.shape(x)[0]
        return ops.reshape(x, (batch, x.shape[1], -1))

    def compute_output_shape(self, input_shape):
        batch, bins, width, channels = input_shape
        return batch, bins, None if width is None else width * channels


def build_row_network(filters=ROW_FILTERS, width=None, other_rows=False):
    """Build the network.

    Args:
        filters: channels at each scale, the finest first.
        width: columns of the strips, a multiple of `columns_multiple`; None
            for any.
        other_rows: whether a fourth channel tells where the other rows are.

    Returns:
        A functional model: `strip` (B, 800, W, 3), or of 4 channels, 0..255, to
        `logits` (B, 400, 2 W) float32.
    """
    strip = keras.Input((STRIP_HEIGHT, width, 3 + other_rows), name="strip")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(strip)
    x = AddCoordinates((1,), HEIGHT_UNIT, centre=0, name="height")(x)
    # === Encoder ===
    x = conv_block(x, filters[0], STEM, kernel=5, strides=PIXELS_PER_BIN)
    skips = []
    for level, n_filters in enumerate(filters):
        if level:
            x = conv_block(x, n_filters, f"down_{level}", strides=2)
        x = conv_block(x, n_filters, f"encode_{level}")
        skips.append(x)
    x = conv_block(x, filters[-1], "bottom", dilation=2)
    for dilation in CONTEXT_DILATIONS:
        name = f"context_{dilation}"
        far = conv_block(x, filters[-1], name, dilation=(dilation, 1))
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
        x = conv_block(x, filters[level], f"decode_{level}")
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


def told_of_other_rows(weights):
    """Weights of `STEM_CONV` for a network that has the fourth channel.

    It counts for nothing at first.

    Args:
        weights: those of a network without it.
    """
    (kernel,) = weights
    return [np.insert(kernel, 3, 0.0, axis=2)]
