"""What several networks and tracers are built of."""

import keras
import numpy as np
from keras import ops

from ecg_keras.page.cells import SHRINK


def conv_block(x, filters, name, kernel=3, strides=1, dilation=1):
    """Convolution, batch normalisation, ReLU."""
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


def sample(image, x, y):
    """Sample images at points, bilinearly.

    Args:
        image: (B, H, W, C).
        x, y: (B, n) px, pixel centres at .5.

    Returns:
        (B, n, C) float32; pixels beyond the image are 0.
    """
    height, width, channels = image.shape[1:]
    pixels = ops.reshape(
        ops.cast(image, "float32"), (-1, height * width, channels)
    )
    x, y = x - 0.5, y - 0.5
    left, top = ops.floor(x), ops.floor(y)
    total = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - ops.abs(x - column)) * (1 - ops.abs(y - row))
            inside = (column >= 0) & (column < width)
            inside = inside & (row >= 0) & (row < height)
            index = ops.clip(row, 0, height - 1) * width
            index = index + ops.clip(column, 0, width - 1)
            taken = ops.take_along_axis(
                pixels, ops.cast(index, "int32")[..., None], axis=1
            )
            weight = weight * ops.cast(inside, "float32")
            total = total + weight[..., None] * taken
    return total


@keras.saving.register_keras_serializable(package="ecg_keras")
class ShrinkPage(keras.layers.Layer):
    """Pictures an eighth of their size: means of 8 x 8 px."""

    def call(self, image):
        # The last row is repeated: 1700 px are no multiple of 8.
        last = [image[:, -1:]] * (-image.shape[1] % SHRINK)
        image = ops.concatenate([image, *last], axis=1)
        return ops.average_pool(image, SHRINK, SHRINK, padding="valid")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, -(-height // SHRINK), width // SHRINK, channels


def coordinate_ramp(size, unit=None, centre=0.5):
    """Coordinates of the pixels of an axis from its middle, (size,).

    Args:
        size: pixels of the axis.
        unit: pixels that count as 1; half of the axis if None.
        centre: of a pixel; 0.5 is its middle, 0 its beginning.
    """
    return (np.arange(size) + centre - size / 2) / (unit or size / 2)


def coordinate_channels(x, axes, unit=None, centre=0.5):
    """Coordinates of an image's pixels, of the image's dtype.

    Args:
        x: (B, H, W, C).
        axes: one channel for each: 1 is down, 2 is right.
        unit, centre: see `coordinate_ramp`.

    Returns:
        (B, H, W, len(axes)).
    """
    channels = []
    for axis in axes:
        shape = [1, 1, 1, 1]
        shape[axis] = x.shape[axis]
        ramp = coordinate_ramp(x.shape[axis], unit, centre).reshape(shape)
        ramp = ops.convert_to_tensor(ramp.astype(np.float32))
        channels.append(ops.cast(ramp, x.dtype) * ops.ones_like(x[..., :1]))
    return ops.concatenate(channels, axis=-1)


@keras.saving.register_keras_serializable(package="ecg_keras")
class AddCoordinates(keras.layers.Layer):
    """Adds `coordinate_channels` (CoordConv; Liu et al., 2018).

    Args:
        axes, unit, centre: see `coordinate_channels`.
    """

    def __init__(self, axes, unit=None, centre=0.5, **kwargs):
        super().__init__(**kwargs)
        self.axes = tuple(axes)
        self.unit = unit
        self.centre = centre

    def call(self, x):
        added = coordinate_channels(x, self.axes, self.unit, self.centre)
        return ops.concatenate([x, added], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], input_shape[3] + len(self.axes))

    def get_config(self):
        own = {"axes": self.axes, "unit": self.unit, "centre": self.centre}
        return {**super().get_config(), **own}
