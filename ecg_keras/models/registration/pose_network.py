"""The network that finds a page roughly, however it lies in a photo.

Pages are turned, small, squeezed, or seen from aside there: a cell can tell
which way is up only from all other cells.
"""

import keras
from keras import ops

from ecg_keras.models.layers import (
    AddCoordinates,
    conv_block,
    coordinate_channels,
)
from ecg_keras.models.registration.frame_network import (
    FILTERS,
    encoded,
    join_cells,
)

CONTEXT_FILTERS = 64
RIGHT_DOWN = (2, 1)  # axes
POOLED_UNITS = 128
# The shared affine map is counted in so many boxes, for outputs of about 1.
POSE_UNIT = 8.0
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
    x = AddCoordinates(RIGHT_DOWN, name="place")(x)
    x = conv_block(x, CONTEXT_FILTERS, "placed")
    for index, dilation in enumerate(CONTEXT_DILATIONS):
        near = conv_block(
            x, CONTEXT_FILTERS, f"around_{index}", dilation=dilation
        )
        x = keras.layers.Add(name=f"join_{index}")([x, near])
    whole = keras.layers.GlobalAveragePooling2D(name="whole")(x)
    whole = keras.layers.Dense(POOLED_UNITS, "relu", name="pooled")(whole)
    logit = keras.layers.Dense(1, dtype="float32", name="is_layout")(whole)
    pose = keras.layers.Dense(6, dtype="float32", name="pose")(whole)
    x = conv_block(x, CONTEXT_FILTERS, "answer")
    points = keras.layers.Conv2D(3, 1, dtype="float32", name="point")(x)
    cells = PosedCells(dtype="float32", name="cells")([points, pose, logit])
    return keras.Model(small, cells, name="pose_network")


@keras.saving.register_keras_serializable(package="ecg_keras")
class PosedCells(keras.layers.Layer):
    """Joins local points, an affine map that all cells share, and the layout.

    On a turned page, points are far from their cells: the affine map covers
    that distance.
    """

    def call(self, inputs):
        points, pose, logit = inputs
        position = coordinate_channels(points, RIGHT_DOWN)
        pose = ops.reshape(pose, (-1, 1, 1, 2, 3)) * POSE_UNIT
        shared = pose[..., 2] + (
            pose[..., 0] * position[..., :1] + pose[..., 1] * position[..., 1:]
        )
        return join_cells(points, shared, logit)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:3], 4)
