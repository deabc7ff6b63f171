"""Training with the tiny encoder, in a process that may be killed.

python -m tests.train_tiny CONFIG.json... [--kill-at-step N]

Several configs are trained one after the other: a process takes longer to start
than to train.
"""

import argparse
import os
import signal
import sys

from ecg_keras.models.architectures import ENCODERS
from ecg_keras.settings import load_json, run_command
from ecg_keras.training.config import TrainConfig
from tests.tiny import TINY_ENCODER

ENCODERS["tiny"] = TINY_ENCODER


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("configs", nargs="+")
    parser.add_argument("--kill-at-step", type=int, default=10**9)
    flags = parser.parse_args()
    from ecg_keras.training import loop
    from ecg_keras.training.callbacks import StopOnNaN

    steps = iter(range(flags.kill_at_step))
    original = StopOnNaN.on_train_batch_end

    def killed(self, batch, logs=None):
        original(self, batch, logs)
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    StopOnNaN.on_train_batch_end = killed
    StopOnNaN.on_train_end = _print_largest_shard
    for config_file in flags.configs:
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
    sys.exit(run_command(main))
