"""The network that finds a page in a picture, however it lies, roughly.

In photos it is turned, small, squeezed, and seen from aside: each cell has to
know of all others which way is up.
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.models.registration.frame_network import (
    FILTERS,
    conv_block,
    encoded,
    join_cells,
)

CONTEXT_FILTERS = 64
POSE_UNIT = 8.0  # boxes
# In cells; 8 reaches from the middle of the picture as far as its edges.
CONTEXT_DILATIONS = (2, 4, 8, 2, 4, 8)


def build_pose_network(filters=FILTERS):
    """Build the network.

    Args:
        filters: channels at 1/2, 1/4 and 1/8 of the small picture.

    Returns:
        A functional model as `frame_network.build_frame_network` builds, whose
        pages may lie anyhow.
    """
    small, x = encoded(filters)
    x = Place(name="place")(x)
    x = conv_block(x, CONTEXT_FILTERS, "placed")
    for index, dilation in enumerate(CONTEXT_DILATIONS):
        near = conv_block(
            x, CONTEXT_FILTERS, f"around_{index}", dilation=dilation
        )
        x = keras.layers.Add(name=f"join_{index}")([x, near])
    whole = keras.layers.GlobalAveragePooling2D(name="whole")(x)
    whole = keras.layers.Dense(128, "relu", name="pooled")(whole)
    logit = keras.layers.Dense(1, dtype="float32", name="is_layout")(whole)
    pose = keras.layers.Dense(6, dtype="float32", name="pose")(whole)
    x = conv_block(x, CONTEXT_FILTERS, "answer")
    points = keras.layers.Conv2D(3, 1, dtype="float32", name="point")(x)
    cells = PosedCells(dtype="float32", name="cells")([points, pose, logit])
    return keras.Model(small, cells, name="pose_network")


@keras.saving.register_keras_serializable(package="ecg_keras")
class Place(keras.layers.Layer):
    """Adds two channels: how far right and down a cell is, from -1 to 1."""

    def call(self, x):
        return ops.concatenate([x, _places(x)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], input_shape[3] + 2)


@keras.saving.register_keras_serializable(package="ecg_keras")
class PosedCells(keras.layers.Layer):
    """Joins local points, an affine map that all share, and the layout.

    The affine map takes turned pages, whose points are far from their cells.
    """

    def call(self, inputs):
        points, pose, logit = inputs
        places = _places(points)
        pose = ops.reshape(pose, (-1, 1, 1, 2, 3)) * POSE_UNIT
        shared = pose[..., 2] + (
            pose[..., 0] * places[..., :1] + pose[..., 1] * places[..., 1:]
        )
        return join_cells(points, shared, logit)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:3], 4)


def _places(x):
    """Right and down, from -1 to 1, for each cell of x: (B, h, w, 2)."""
    height, width = x.shape[1:3]
    right = (np.arange(width) + 0.5) * (2 / width) - 1
    down = (np.arange(height) + 0.5) * (2 / height) - 1
    places = np.stack(np.meshgrid(right, down), axis=-1)[None]
    places = ops.convert_to_tensor(places.astype(np.float32))
    places = ops.cast(places, x.dtype)
    return places * ops.ones_like(x[..., :1])
