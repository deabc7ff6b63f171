"""The Viterbi path through what the row network says, by Keras.

Each length of it is compiled: leads are filled up to few lengths.
"""

import functools
import math
import threading

import keras
import numpy as np

from ecg_keras.models.reading.decoding import (
    SMOOTHNESS,
    WINDOW_BINS,
    soft_argmax,
)
from ecg_keras.models.reading.networks import filled_to, heights_mm
from ecg_keras.page.row_images import N_BINS

# Leads are filled up to a multiple of so many samples.
SAMPLES_UNIT = 1250
# A quarter of a row and a whole one: what most pages print.
USUAL_SAMPLES = (SAMPLES_UNIT, 4 * SAMPLES_UNIT)


@keras.saving.register_keras_serializable(package="ecg_keras")
class LikelyPath(keras.layers.Layer):
    """Logits (B, bins, n) to mV and deviations along the Viterbi path."""

    def call(self, logits):
        return soft_argmax(logits, WINDOW_BINS, SMOOTHNESS)

    def compute_output_shape(self, input_shape):
        batch, _, n_samples = input_shape
        return (batch, n_samples), (batch, n_samples)


@functools.cache
def decoder(n_samples):
    """A model, so that each backend compiles it: alone, its steps are slow.

    One for each length: how many steps it takes depends on that, and under
    TensorFlow a model of any length is compiled for one that is not known.
    """
    logits = keras.Input((N_BINS, n_samples), name="logits")
    return keras.Model(logits, LikelyPath(dtype="float32")(logits))


_decoding = threading.Lock()


@functools.cache
def start_compiling():
    """Compile the decoders of `USUAL_SAMPLES` in a thread.

    It is done where a first page is registered meanwhile: they take longer to
    compile than all else.

    Returns:
        threading.Thread, the same one always.
    """
    thread = threading.Thread(target=_compile)
    thread.start()
    return thread


def _compile():
    for n_samples in USUAL_SAMPLES:
        likely_path(np.zeros((N_BINS, n_samples), np.float32))


def likely_path(logits):
    """Heights in mm along the Viterbi path, and their deviations.

    Args:
        logits: (bins, n).

    Returns:
        (height_mm, std_mm), each (n,).
    """
    n_samples = logits.shape[1]
    length = math.ceil(n_samples / SAMPLES_UNIT) * SAMPLES_UNIT
    # What is being compiled is waited for, and not compiled twice.
    with _decoding:
        found = decoder(length).predict_on_batch(filled_to(length, logits))
    return heights_mm(found, n_samples)
