"""Depthwise convolutions as sums of shifted images."""

import keras
import numpy as np
import pytest
from keras import ops

from ecg_keras.models.backbone import ENCODERS, build_encoder
from ecg_keras.models.depthwise import depthwise_conv, shift_depthwise
from tests.tiny import TINY_ENCODER


@pytest.mark.parametrize("size", [(8, 9), (7, 12)])
@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
def test_it_is_keras_depthwise_convolution(size, taps, strides):
    if len(set(strides)) > 1 and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no unequal strides")
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, *size, 4)).astype(np.float32)
    kernel = rng.standard_normal((taps, taps, 4, 1)).astype(np.float32)
    expected = ops.depthwise_conv(
        image, kernel, strides, padding="valid", data_format="channels_last"
    )
    found = depthwise_conv(image, kernel, strides)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found),
        ops.convert_to_numpy(expected),
        atol=1e-5,
    )


def test_an_encoder_gives_what_it_gave(monkeypatch):
    monkeypatch.setitem(ENCODERS, "tiny", TINY_ENCODER)
    _, encoder = build_encoder("tiny", "none")
    image = np.random.default_rng(0).random((1, 48, 64, 3), np.float32)
    before = encoder.predict_on_batch(image)
    config = encoder.get_config()
    assert shift_depthwise(encoder) == 2
    calls = []
    layer = next(
        x for x in encoder.layers if isinstance(x, keras.layers.DepthwiseConv2D)
    )
    shifted = layer.call
    layer.call = lambda x: calls.append(1) or shifted(x)
    encoder.predict_function = None
    np.testing.assert_allclose(
        encoder.predict_on_batch(image), before, atol=1e-5
    )
    assert calls  # It was the shifted one that answered.
    assert encoder.get_config() == config
