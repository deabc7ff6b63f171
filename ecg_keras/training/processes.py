"""Training on several hosts as one: a process on each, all doing the same.

Variables are the same in all processes, batches are shared out. Predictions for
the validation are made by each process alone, on a copy of the model: only then
all of an array is at hand. The first process writes the files.

The environment says who takes part: the variables of
`keras.distribution.initialize`, or those of a cluster that JAX knows (a TPU
pod, Slurm, Open MPI) together with JAX_COORDINATOR_ADDRESS.
"""

import os

import keras
import numpy as np

from ecg_keras.errors import InputError
from ecg_keras.models.saving import uncompiled

ADDRESSES = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "JAX_COORDINATOR_ADDRESS")
POD = "TPU_WORKER_HOSTNAMES"


def join():
    """Meet the other processes, if the environment names any.

    Raises:
        InputError: the environment names others, and they cannot be met.
    """
    named = any(os.environ.get(name) for name in ADDRESSES)
    if not named and "," not in os.environ.get(POD, ""):
        return
    if keras.backend.backend() != "jax":
        raise InputError(
            "training on several hosts needs JAX. Received: KERAS_BACKEND "
            f"{keras.backend.backend()}, and an environment that names hosts "
            f"({', '.join(ADDRESSES)} or {POD})"
        )
    import jax

    if jax.distributed.is_initialized():
        return
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "the other hosts cannot be met that the environment names "
            f"({', '.join(ADDRESSES)} or {POD}): {error}"
        ) from error


def check(config):
    """Check that several processes share their folders and their data.

    Args:
        config: a `config.TrainConfig`.

    Raises:
        InputError: says what several processes need.
    """
    given = config.resume or (config.output_dir and config.data_dir)
    if count() > 1 and (not given or config.tfds or config.model_parallel > 1):
        raise InputError(
            "training on several hosts needs --output-dir and --data-dir, "
            "folders that all of them see, and cannot be used with --tfds or "
            f"--model-parallel. Received: {config.output_dir}, "
            f"{config.data_dir}, {config.tfds}, {config.model_parallel}"
        )


def count():
    """How many processes train together."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def is_first():
    """Whether this process is the one that writes files and speaks."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def own_devices():
    """A distribution over the devices of this process."""
    import jax

    return keras.distribution.DataParallel(
        devices=[f"{d.platform}:{d.id}" for d in jax.local_devices()],
        auto_shard_dataset=False,
    )


class OnOwnDevices(keras.callbacks.Callback):
    """Runs a callback's `on_epoch_end` on the devices of this process alone.

    Without it a prediction for validation would wait for the other processes.

    Args:
        callback: keras.callbacks.Callback.
        copy: whether the callback predicts: it is then given a copy of the
            model on this process's devices, without the optimizer.
    """

    def __init__(self, callback, copy=True):
        super().__init__()
        self.callback = callback
        self.copy = copy
        self._devices = own_devices()

    def on_train_begin(self, logs=None):
        own = self.model
        if self.copy:
            with self._devices.scope():
                own = uncompiled(self.model)
        self.callback.set_model(own)

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.get_weights() if self.copy else None
        with self._devices.scope():
            if self.copy:
                self.callback.model.set_weights(weights)
            self.callback.on_epoch_end(epoch, logs)


class SharedLogs(keras.callbacks.Callback):
    """Gives all processes the logs of the first.

    Logs that differ in their last digit could lead to different decisions: if
    one process ended early, the others would wait for it forever.
    """

    def on_epoch_end(self, epoch, logs=None):
        from jax.experimental import multihost_utils

        own = np.array([logs[name] for name in sorted(logs)], np.float32)
        shared = multihost_utils.broadcast_one_to_all(own)
        logs.update(zip(sorted(logs), shared.tolist(), strict=True))
