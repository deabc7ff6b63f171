"""TensorFlow reads the data on the CPU and leaves the accelerator alone."""

import keras
import tensorflow as tf

from ecg_keras.errors import InputError


def keep_off_the_accelerator():
    """Hide all GPUs from TensorFlow, unless it is the backend that trains.

    Called before batches are made. TensorFlow takes all of a GPU's memory as
    soon as it uses one, and the GPU belongs to the backend that trains.

    Raises:
        InputError: TensorFlow has used a GPU in this process already.
    """
    if keras.backend.backend() == "tensorflow":
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        if not tf.config.get_visible_devices("GPU"):
            return  # It was begun without one.
        raise InputError(
            "TensorFlow has taken the GPU on which "
            f"{keras.backend.backend()} should train. Make batches before "
            "anything else uses TensorFlow in this process, or set "
            "KERAS_BACKEND=tensorflow"
        ) from None
