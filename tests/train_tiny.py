"""Training with the tiny encoder, in a process that may be killed.

python -m tests.train_tiny CONFIG.json [KILL_AT_STEP]
"""

import os
import signal
import sys

from ecg_keras.models.architectures import ENCODERS
from ecg_keras.settings import load_json, run_command
from ecg_keras.training.config import TrainConfig
from tests.tiny import TINY_ENCODER

ENCODERS["tiny"] = TINY_ENCODER


def main(config_file, kill_at_step=None):
    from ecg_keras.training import loop
    from ecg_keras.training.callbacks import StopOnNaN

    steps = iter(range(int(kill_at_step or 10**9)))
    original = StopOnNaN.on_train_batch_end

    def killed(self, batch, logs=None):
        original(self, batch, logs)
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    StopOnNaN.on_train_batch_end = killed
    StopOnNaN.on_train_end = _print_largest_shard
    loop.train(load_json(TrainConfig, config_file))


def _print_largest_shard(callback, logs=None):
    """How many numbers of one variable a device holds at most."""
    model = callback.model
    arrays = [v.value for v in (*model.variables, *model.optimizer.variables)]
    shards = [
        array.addressable_shards[0].data.size
        for array in arrays
        if hasattr(array, "addressable_shards")
    ]
    print(f"largest shard: {max(shards, default=0)} numbers")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(*sys.argv[1:])))
