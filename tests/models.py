"""Small trained-looking models for tests of inference."""

import keras

from ecg_keras.models.architectures import ENCODERS
from ecg_keras.models.regressor import build_regressor
from tests.tiny import TINY_ENCODER


def build_tiny(seed=0, image_size=(40, 56)):
    """A regressor whose answers vary with the image and are not small."""
    keras.utils.set_random_seed(seed)
    ENCODERS["tiny"] = TINY_ENCODER
    try:
        model = build_regressor(image_size, "tiny", "none", (8,))
    finally:
        del ENCODERS["tiny"]
    for variable in model.trainable_variables:
        variable.assign(variable.value * 2 + 0.05)
    return model
