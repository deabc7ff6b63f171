"""The network that finds the page coarsely, and says whether it can be read."""

import math

import keras
from keras import ops

from ecg_keras.page.cells import SHRINK
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

FILTERS = (16, 24, 40)


def build_frame_network(filters=FILTERS):
    """Build the network.

    Args:
        filters: channels at 1/2, 1/4 and 1/8 of the small picture.

    Returns:
        A functional model: `small` (B, 213, 275, 3), 0..255, to `cells`
        (B, 27, 35, 4): x and y of the page point less those of the cell, in
        boxes of 5 mm; log of their uncertainty in boxes; logit of 3x4+1,
        the same in all cells.
    """
    small, x = encoded(filters)
    for dilation in (2, 4, 8):  # as far as the page's edges
        near = conv_block(
            x, filters[-1], f"context_{dilation}", dilation=dilation
        )
        x = keras.layers.Add(name=f"join_{dilation}")([x, near])
    whole = keras.layers.GlobalAveragePooling2D(name="whole")(x)
    whole = keras.layers.Dense(64, "relu", name="whole_hidden")(whole)
    logit = keras.layers.Dense(1, dtype="float32", name="layout")(whole)
    shift = keras.layers.Dense(2, dtype="float32", name="shift")(whole)
    x = conv_block(x, filters[-1], "decode")
    points = keras.layers.Conv2D(3, 1, dtype="float32", name="points")(x)
    cells = _Cells(dtype="float32", name="cells")([points, shift, logit])
    return keras.Model(small, cells, name="frame_network")


@keras.saving.register_keras_serializable(package="ecg_keras")
class _Cells(keras.layers.Layer):
    """Joins local points, their common shift, and the layout's logit."""

    def call(self, inputs):
        points, shift, logit = inputs
        return join_cells(points, shift[:, None, None], logit)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:3], 4)


def join_cells(points, shift, logit):
    """Cells (B, 27, 35, 4), see `build_frame_network`.

    Args:
        points: (B, 27, 35, 3): x, y and the log of their uncertainty.
        shift: is added to x, y; broadcasts to (B, 27, 35, 2).
        logit: (B, 1).
    """
    ones = ops.ones_like(points[..., :1])
    return ops.concatenate(
        [
            points[..., :2] + shift,
            points[..., 2:],
            logit[:, None, None] * ones,
        ],
        axis=-1,
    )


def encoded(filters):
    """The small picture, and its features in the cells.

    Returns:
        (small, features): tensors of a functional model, (B, 213, 275, 3) and
        (B, 27, 35, filters[-1]).
    """
    height = math.ceil(PAGE_HEIGHT_PX / SHRINK)
    width = math.ceil(PAGE_WIDTH_PX / SHRINK)
    small = keras.Input((height, width, 3), name="small")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(small)
    for index, n_filters in enumerate(filters):
        x = conv_block(x, n_filters, f"down_{index}", strides=2)
        x = conv_block(x, n_filters, f"encode_{index}")
    return small, x


def conv_block(x, filters, name, strides=1, dilation=1):
    """Convolution 3 x 3, normalisation, ReLU."""
    x = keras.layers.Conv2D(
        filters,
        3,
        strides,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=name)(x)
