"""Trained models on disk."""

import keras

from ecg_keras.files import replacing

# The best model of a training run, in its folder.
RUN_FILE = "best_model.keras"


def uncompiled(model):
    """A copy of a model without its optimizer.

    Saving a compiled model, or one that has a compiled one inside, always
    writes the optimizer as well: three times the size.
    """
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def save_slim(model, path):
    """Save a model as .keras without its optimizer."""
    with replacing(path) as partial:
        uncompiled(model).save(partial)
