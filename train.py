"""Train a model that turns images of paper ECGs into signals.

    python train.py --data-dir DIR

Without flags it finds the competition's data where Kaggle puts it, or trains on
a small demo. KERAS_BACKEND chooses jax (the default), torch or tensorflow.
"""

import sys

from ecg_keras.settings import parse_flags, run_command
from ecg_keras.training.config import TrainConfig


def main():
    config = parse_flags(TrainConfig, __doc__)
    # After the flags: --help answers at once.
    from ecg_keras.training.loop import train

    train(config)


if __name__ == "__main__":
    sys.exit(run_command(main))
