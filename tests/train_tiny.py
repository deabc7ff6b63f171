"""Training with the tiny encoder, in a process that may be killed.

python -m tests.train_tiny CONFIG.json [KILL_AT_STEP]
"""

import os
import signal
import sys

from ecg_keras.config import load_json, run_command
from ecg_keras.models.backbone import ENCODERS
from ecg_keras.train_config import TrainConfig
from tests.tiny import TINY_ENCODER

ENCODERS["tiny"] = TINY_ENCODER


def main(config_file, kill_at_step=None):
    from ecg_keras import training
    from ecg_keras.callbacks import StopOnNaN

    steps = iter(range(int(kill_at_step or 10**9)))
    original = StopOnNaN.on_train_batch_end

    def killed(self, batch, logs=None):
        original(self, batch, logs)
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    StopOnNaN.on_train_batch_end = killed
    training.train(load_json(TrainConfig, config_file))


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(*sys.argv[1:])))
