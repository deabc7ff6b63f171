"""The network that finds a page coarsely, and says whether it can be read.

It regresses coordinates: for each cell of the picture, those of the page point
that the cell shows (`page.cells`).
"""

import math

import keras
from keras import ops

from ecg_keras.models.layers import conv_block
from ecg_keras.page.cells import SHRINK
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

FILTERS = (16, 24, 40)
POOLED_UNITS = 64
# In cells; 8 reaches from the middle of the picture as far as its edges.
CONTEXT_DILATIONS = (2, 4, 8)


def build_frame_network(filters=FILTERS):
    """Build the network.

    Args:
        filters: channels at 1/2, 1/4 and 1/8 of the small picture.

    Returns:
        A functional model: `small` (B, 213, 275, 3), 0..255, to `cells`
        (B, 27, 35, 4): offsets x and y in boxes of 5 mm, the log of their
        uncertainty b, and the layout's logit, see `page.cells`.
    """
    small, x = encoded(filters)
    for dilation in CONTEXT_DILATIONS:
        near = conv_block(
            x, filters[-1], f"context_{dilation}", dilation=dilation
        )
        x = keras.layers.Add(name=f"join_{dilation}")([x, near])
    whole = keras.layers.GlobalAveragePooling2D(name="whole")(x)
    whole = keras.layers.Dense(POOLED_UNITS, "relu", name="whole_hidden")(whole)
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
