"""Convolutions for JAX on a CPU: they give what Keras's give."""

import jax
import keras
import numpy as np
import pytest

from ecg_keras.models.architectures import ENCODERS
from ecg_keras.models.backbone import build_encoder
from ecg_keras.models.jax_cpu import depthwise_conv, pointwise_conv, speed_up
from tests.tiny import TINY_ENCODER

NHWC = ("NHWC", "HWIO", "NHWC")


def xla_depthwise(image, kernel, strides):
    h, w, channels, _ = kernel.shape
    return jax.lax.conv_general_dilated(
        image,
        kernel.reshape(h, w, 1, channels),
        strides,
        "VALID",
        dimension_numbers=NHWC,
        feature_group_count=channels,
    )


def xla_pointwise(image, kernel, strides):
    return jax.lax.conv_general_dilated(
        image, kernel, strides, "VALID", dimension_numbers=NHWC
    )


def assert_same_with_gradients(ours, xla, image, kernel, strides):
    rng = np.random.default_rng(1)
    expected, expected_gradients = jax.vjp(
        lambda image, kernel: xla(image, kernel, strides), image, kernel
    )
    found, found_gradients = jax.vjp(
        lambda image, kernel: ours(image, kernel, strides), image, kernel
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    weights = rng.standard_normal(found.shape).astype(np.float32)
    for one, other in zip(
        found_gradients(weights), expected_gradients(weights), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("size", [(8, 9), (7, 12)])
@pytest.mark.parametrize("taps", [(3, 3), (5, 5), (2, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1), (3, 3)])
def test_depthwise_is_xlas(size, taps, strides):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, *size, 4)).astype(np.float32)
    kernel = rng.standard_normal((*taps, 4, 1)).astype(np.float32)
    assert_same_with_gradients(
        depthwise_conv, xla_depthwise, image, kernel, strides
    )


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
def test_pointwise_is_xlas(strides):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 7, 6, 4)).astype(np.float32)
    kernel = rng.standard_normal((1, 1, 4, 5)).astype(np.float32)
    assert_same_with_gradients(
        pointwise_conv, xla_pointwise, image, kernel, strides
    )


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="made for JAX alone"
)
def test_an_encoder_gives_what_it_gave(monkeypatch):
    monkeypatch.setitem(ENCODERS, "tiny", TINY_ENCODER)
    _, encoder = build_encoder("tiny", "none")
    image = np.random.default_rng(0).random((1, 48, 64, 3), np.float32)
    before = encoder.predict_on_batch(image)
    config = encoder.get_config()
    pointwise = [
        layer
        for layer in encoder.layers
        if type(layer) is keras.layers.Conv2D and layer.kernel_size == (1, 1)
    ]
    assert speed_up(encoder) == (2, len(pointwise)) and pointwise
    calls = []
    depthwise = next(
        x for x in encoder.layers if isinstance(x, keras.layers.DepthwiseConv2D)
    )
    for layer in (depthwise, pointwise[0]):
        ours = layer.call
        layer.call = lambda x, ours=ours: calls.append(1) or ours(x)
    encoder.predict_function = None
    np.testing.assert_allclose(
        encoder.predict_on_batch(image), before, atol=1e-5
    )
    assert len(calls) == 2  # It was ours that answered.
    assert encoder.get_config() == config
