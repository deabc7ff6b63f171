"""Small trained-looking models for tests of inference."""

from unittest import mock

import keras
from keras import ops

from ecg_keras.models.architectures import ENCODERS
from ecg_keras.models.regressor import build_regressor
from tests.tiny import TINY_ENCODER


def build_tiny(seed=0, image_size=(40, 56), head_units=(8,)):
    """A regressor whose answers vary with the image and are not small."""
    keras.utils.set_random_seed(seed)
    # A test that needs it longer may have added it before.
    with mock.patch.dict(ENCODERS, tiny=TINY_ENCODER):
        model = build_regressor(image_size, "tiny", "none", head_units)
    for variable in model.trainable_variables:
        variable.assign(variable.value * 2 + 0.05)
    return model


def build_judging(seed=0, image_size=(40, 56)):
    """As `build_tiny`, with the outputs of a tracer."""
    whole = build_tiny(seed, image_size)
    # Judged by its light; random pixels are 127 on average.
    light = ops.mean(whole.input, axis=(1, 2, 3))
    outputs = {
        "signals": whole.output,
        "std_mv": ops.abs(whole.output) / 10.0,
        "layout_found": ops.sigmoid((light - 127.0) * (seed + 1.0)),
    }
    return keras.Model(whole.input, outputs, name="judging")
