"""Arrays to and from the backend, for tests of layers and decoding."""

import keras
import numpy as np
from keras import ops

from ecg_keras.page.row_images import bins_mv


def to_numpy(x):
    return ops.convert_to_numpy(x)


def to_tensor(x):
    """A float32 tensor."""
    return ops.convert_to_tensor(np.asarray(x, np.float32))


def compiled(function):
    """A function of tensors as within a model: JAX compiles it as one program.

    Called by itself, JAX compiles each of its steps, which takes far longer.
    """
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def gaussian_logits(level_mv, deviation_mv):
    """Logits of a normal trace: (n, T) mV to (n, bins, T)."""
    distance = (bins_mv()[None, :, None] - level_mv[:, None]) / deviation_mv
    return -0.5 * distance**2
