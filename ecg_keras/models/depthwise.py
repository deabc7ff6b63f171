"""Depthwise convolutions for JAX on a CPU, where XLA has none to speak of.

There XLA runs them as a plain loop: a training step of an EfficientNet takes
several times as long as in TensorFlow. As a sum of shifted images, each times
its weights, XLA fuses them (`benchmarks/train_step.py`).

Only `call` of the layers is replaced: what a model saves, exports or copies
remains what it was.
"""

import functools

import keras


def shift_depthwise(encoder):
    """Let the depthwise layers of an encoder add up shifted images.

    Args:
        encoder: a keras-hub backbone.

    Returns:
        How many layers there were.
    """
    layers = [layer for layer in encoder.layers if _can_be_shifted(layer)]
    for layer in layers:
        layer.call = functools.partial(_call, layer)
    return len(layers)


def _can_be_shifted(layer):
    return (
        isinstance(layer, keras.layers.DepthwiseConv2D)
        and layer.padding == "valid"
        and layer.data_format == "channels_last"
        and layer.depth_multiplier == 1
        and tuple(layer.dilation_rate) == (1, 1)
        # Sums of 16 bits would be rounded after each term.
        and layer.compute_dtype == "float32"
    )


def _call(layer, inputs):
    image = depthwise_conv(inputs, layer.kernel, layer.strides)
    if layer.use_bias:
        image = image + layer.bias
    return layer.activation(image)


def depthwise_conv(image, kernel, strides):
    """`keras.ops.depthwise_conv` without padding, as a sum.

    Args:
        image: (B, H, W, C); H and W are known.
        kernel: (h, w, C, 1).
        strides: (down, right).

    Returns:
        (B, (H - h) // down + 1, (W - w) // right + 1, C).
    """
    rows, columns = (
        _taps(image.shape[1 + axis], kernel.shape[axis], strides[axis])
        for axis in (0, 1)
    )
    return sum(
        image[:, row, column] * kernel[i, j, :, 0]
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    )


def _taps(size, n_taps, stride):
    """What each tap of a kernel sees of an axis."""
    span = (size - n_taps) // stride * stride + 1
    return [slice(tap, tap + span, stride) for tap in range(n_taps)]
