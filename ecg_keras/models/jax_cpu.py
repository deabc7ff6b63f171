"""Convolutions for JAX on a CPU, where XLA has good ones for few of them.

There XLA runs depthwise convolutions as a plain loop, and takes the gradients
of those of one pixel through copies: a training step of an EfficientNet lasts
several times as long as in TensorFlow. Here a depthwise convolution is a sum
of shifted images, each times its weights, which XLA fuses, and one of one pixel
is a product of matrices (`benchmarks/train_step.py`).

Only `call` of the layers is replaced: what a model saves, exports or copies
remains what it was.
"""

import functools

import jax
import keras
from jax import lax

# XLA adds up so many sums over an image in one pass, twice as fast as alone.
SUMS_AT_ONCE = 9


def speed_up(encoder):
    """Let an encoder's layers convolve as this module does.

    Args:
        encoder: a keras-hub backbone.

    Returns:
        How many layers are depthwise, and how many see one pixel.
    """
    n_depthwise = n_pointwise = 0
    for layer in encoder.layers:
        if _is_depthwise(layer):
            layer.call = functools.partial(_call, layer, depthwise_conv)
            n_depthwise += 1
        elif _is_pointwise(layer):
            layer.call = functools.partial(_call, layer, pointwise_conv)
            n_pointwise += 1
    return n_depthwise, n_pointwise


def _is_depthwise(layer):
    return (
        isinstance(layer, keras.layers.DepthwiseConv2D)
        and layer.padding == "valid"
        and layer.data_format == "channels_last"
        and layer.depth_multiplier == 1
        and tuple(layer.dilation_rate) == (1, 1)
        # Sums of 16 bits would be rounded after each term.
        and layer.compute_dtype == "float32"
    )


def _is_pointwise(layer):
    return (
        isinstance(layer, keras.layers.Conv2D)
        and tuple(layer.kernel_size) == (1, 1)
        and layer.data_format == "channels_last"
        and layer.groups == 1
    )


def _call(layer, convolution, inputs):
    kernel = keras.ops.convert_to_tensor(layer.kernel)
    image = convolution(inputs, kernel, tuple(layer.strides))
    if layer.use_bias:
        image = image + keras.ops.convert_to_tensor(layer.bias)
    return layer.activation(image)


def pointwise_conv(image, kernel, strides):
    """`keras.ops.conv` with a kernel of one pixel.

    Args:
        image: (B, H, W, C).
        kernel: (1, 1, C, F).
        strides: (down, right).

    Returns:
        (B, H / down, W / right, F), rounded up.
    """
    image = image[:, :: strides[0], :: strides[1]]
    pixels = image.reshape(-1, image.shape[-1]) @ kernel[0, 0]
    return pixels.reshape(*image.shape[:-1], kernel.shape[-1])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise_conv(image, kernel, strides):
    """`keras.ops.depthwise_conv` without padding.

    Args:
        image: (B, H, W, C).
        kernel: (h, w, C, 1).
        strides: (down, right).

    Returns:
        (B, (H - h) // down + 1, (W - w) // right + 1, C).
    """
    taps = _taps(image.shape, kernel.shape, strides)
    return sum(image[seen] * kernel[tap][:, 0] for tap, seen in taps)


def _taps(image_shape, kernel_shape, strides):
    """Each tap of a kernel, and what it sees of the image."""
    rows, columns = (
        [
            slice(tap, tap + (size - n) // stride * stride + 1, stride)
            for tap in range(n)
        ]
        for size, n, stride in zip(
            image_shape[1:3], kernel_shape[:2], strides, strict=True
        )
    )
    return [
        ((i, j), (slice(None), row, column))
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]


def _forward(image, kernel, strides):
    return depthwise_conv(image, kernel, strides), (image, kernel)


def _backward(strides, seen, gradient):
    image, kernel = seen
    return (
        _image_gradient(image.shape, kernel, strides, gradient),
        _kernel_gradient(image, kernel.shape, strides, gradient),
    )


def _image_gradient(image_shape, kernel, strides, gradient):
    """The gradient, spread out by the strides, convolved with the kernel."""
    edges = [(0, 0, 0)]
    for size, n, stride, n_steps in zip(
        image_shape[1:3],
        kernel.shape[:2],
        strides,
        gradient.shape[1:3],
        strict=True,
    ):
        unseen = size - n - (n_steps - 1) * stride
        edges.append((n - 1, n - 1 + unseen, stride - 1))
    spread = lax.pad(gradient, gradient.dtype.type(0), (*edges, (0, 0, 0)))
    return depthwise_conv(spread, kernel[::-1, ::-1], (1, 1))


def _kernel_gradient(image, kernel_shape, strides, gradient):
    products = [
        image[seen] * gradient
        for _, seen in _taps(image.shape, kernel_shape, strides)
    ]
    sums = []
    for first in range(0, len(products), SUMS_AT_ONCE):
        group = products[first : first + SUMS_AT_ONCE]
        zeros = [gradient.dtype.type(0)] * len(group)
        sums += lax.reduce(group, zeros, _add_all, (0, 1, 2))
    return jax.numpy.stack(sums).reshape(kernel_shape)


def _add_all(left, right):
    return [a + b for a, b in zip(left, right, strict=True)]


depthwise_conv.defvjp(_forward, _backward)
