"""Train a model that turns images of paper ECGs into signals.

    python train.py --data-dir DIR

Without flags it finds the competition's data where Kaggle puts it, or trains on
a small demo. KERAS_BACKEND chooses jax (the default), torch or tensorflow.
"""

import sys

from ecg_keras.settings import run_command
from ecg_keras.training.config import parse_train_flags


def main():
    config, given = parse_train_flags(__doc__)
    # After the flags: --help answers without Keras.
    from ecg_keras.training.loop import train

    train(config, given)


if __name__ == "__main__":
    sys.exit(run_command(main))
